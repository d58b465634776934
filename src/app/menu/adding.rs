//! Adding somebody, or a meeting point: scanning, showing words, entering words, comparing pictures.
//!
//! What comes from a camera or from the tunnel is a stranger's until the pictures were compared. Both
//! kinds of codes are taken by both scanning pages: whoever holds one up need not know which it is.

use super::known::{Effect, Facts, Heard, Known, NotEnrolled};
use super::letters::Letters;
use super::{Go, Out, Place, words};
use crate::card::{self, Card, CardError, Code};
use crate::pairing::{self, Ask, Four, News, Refusal, Words};
use crate::ui::menu::{MenuPage, MenuTap};

/// The three ways, and the code of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    SameRoom,
    RelayCode,
    Show,
    Enter,
}

/// One of them, begun.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Adding {
    way: Way,
    step: Step,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Scan {
        got: Option<Card>,
        trouble: Option<&'static str>,
    },
    Words {
        words: Option<Words>,
        left: Option<u8>,
    },
    Letters(Letters),
    Looking,
    Compare {
        card: Card,
        four: Four,
        waiting: bool,
    },
    /// It is made a contact.
    Adopting,
    /// The ticket's relay is taking our key.
    Enrolling,
    Result {
        sentence: String,
        good: bool,
        again: bool,
    },
}

/// The page with the choices; the first of all where nobody is known.
pub(super) fn choices(known: &Known<'_>, first: bool) -> MenuPage {
    MenuPage::Add { meeting: known.meeting, first }
}

/// It is one of the choices.
pub(super) fn is_choice(tap: MenuTap) -> bool {
    way(tap).is_some()
}

fn way(tap: MenuTap) -> Option<Way> {
    Some(match tap {
        MenuTap::SameRoom => Way::SameRoom,
        MenuTap::RelayCode => Way::RelayCode,
        MenuTap::ShowWords => Way::Show,
        MenuTap::EnterWords => Way::Enter,
        _ => return None,
    })
}

/// A tap on the page with the choices.
pub(super) fn choose(tap: MenuTap, known: &Known<'_>) -> Out {
    let Some(way) = way(tap) else { return Out::default() };
    let (adding, effects) = Adding::begin(way, known);
    Out { go: Go::On(Place::Adding(adding)), effects }
}

/// With this a pairing begins in the tunnel.
pub(super) fn begins(ask: Ask) -> bool {
    match ask {
        Ask::Offer | Ask::Join(_) => true,
        Ask::Same(_) | Ask::Stop => false,
    }
}

/// With this it is over there. That it was stopped here is no news: it may be an older one.
pub(super) fn ends_pairing(heard: &Heard) -> bool {
    match heard {
        Heard::Pairing(News::Paired(_)) => true,
        Heard::Pairing(News::Failed(refusal)) => *refusal != Refusal::Stopped,
        _ => false,
    }
}

/// Whom both people have accepted.
pub(super) fn paired(heard: &Heard) -> Option<Card> {
    match heard {
        Heard::Pairing(News::Paired(card)) => Some(card.clone()),
        _ => None,
    }
}

impl Adding {
    fn begin(way: Way, known: &Known<'_>) -> (Self, Vec<Effect>) {
        let far = matches!(way, Way::Show | Way::Enter);
        let (step, effects) = match way {
            _ if far && !known.meeting => (Step::refused(Refusal::NoMeeting), Vec::new()),
            Way::SameRoom | Way::RelayCode => (Step::Scan { got: None, trouble: None }, Vec::new()),
            Way::Show => (Step::Words { words: None, left: None }, vec![Effect::Pair(Ask::Offer)]),
            Way::Enter => (Step::Letters(Letters::default()), Vec::new()),
        };
        (Self { way, step }, effects)
    }

    /// The camera is to be open.
    pub(super) fn scans(&self) -> bool {
        matches!(self.step, Step::Scan { .. })
    }

    /// A page of a pairing that goes on in the tunnel.
    pub(super) fn pairs(&self) -> bool {
        let far = matches!(self.way, Way::Show | Way::Enter);
        far && matches!(self.step, Step::Words { .. } | Step::Looking | Step::Compare { .. })
    }

    /// Somebody else takes time.
    pub(super) fn waits(&self) -> bool {
        match self.step {
            Step::Words { .. } | Step::Looking | Step::Compare { .. } => true,
            Step::Adopting | Step::Enrolling => true,
            Step::Scan { .. } | Step::Letters(_) | Step::Result { .. } => false,
        }
    }

    /// There is nothing more to do here: *back* leads home.
    pub(super) fn is_done(&self) -> bool {
        let adds = self.way != Way::RelayCode;
        adds && matches!(self.step, Step::Result { good: true, .. })
    }

    pub(super) fn page(&self, facts: &Facts) -> MenuPage {
        let working = |sentence: &str| MenuPage::Working { sentence: sentence.to_owned() };
        match &self.step {
            Step::Scan { got, trouble } => {
                let shows = self.way == Way::SameRoom;
                let sentence = match (got, trouble) {
                    (Some(card), _) => words::got(&card.name),
                    (None, Some(trouble)) => (*trouble).to_owned(),
                    (None, None) if shows => words::FACE_TO_FACE.to_owned(),
                    (None, None) => words::SHOW_CODE.to_owned(),
                };
                let code = if shows { facts.card.clone() } else { String::new() };
                MenuPage::Scan { code, sentence, got: got.as_ref().map(|card| card.name.clone()) }
            }
            Step::Words { words, left } => MenuPage::Words {
                words: words.map(|words| words.map(str::to_owned)).unwrap_or_default(),
                sentence: words::read_out(words.is_some(), *left),
            },
            Step::Letters(letters) => MenuPage::EnterWords {
                words: letters.words().iter().map(|word| (*word).to_owned()).collect(),
                letters: letters.letters().to_owned(),
                next: letters.next(),
                choices: letters.choices().into_iter().map(str::to_owned).collect(),
                sentence: words::WHICH_WORDS.to_owned(),
            },
            Step::Looking => working(words::LOOKING),
            Step::Compare { card, four, waiting } => {
                MenuPage::Compare { name: card.name.clone(), four: *four, waiting: *waiting }
            }
            Step::Adopting => working(words::ONE_MOMENT),
            Step::Enrolling => working(words::ENROLLING),
            Step::Result { sentence, good, again } => {
                MenuPage::Result { sentence: sentence.clone(), good: *good, again: *again }
            }
        }
    }

    pub(super) fn tap(&mut self, tap: MenuTap, known: &Known<'_>) -> Out {
        let by_words = self.pairs();
        match (&mut self.step, tap) {
            (Step::Scan { got: Some(card), .. }, MenuTap::Next) => {
                let (card, us) = (card.clone(), known.us);
                let four = pairing::four_of(us, card.key);
                self.to(Step::Compare { card, four, waiting: false })
            }
            (Step::Letters(letters), MenuTap::Letter(letter)) => {
                letters.push(letter);
                Out::default()
            }
            (Step::Letters(letters), MenuTap::Erase) => {
                letters.erase();
                Out::default()
            }
            (Step::Letters(letters), MenuTap::Choice(place)) => match letters.choose(place) {
                Some(words) => self.to(Step::Looking).with(Effect::Pair(Ask::Join(words))),
                None => Out::default(),
            },
            (Step::Compare { waiting: waiting @ false, card, .. }, MenuTap::Same) => {
                if by_words {
                    *waiting = true;
                    return Out::does(Effect::Pair(Ask::Same(true)));
                }
                let card = card.clone();
                self.to(Step::Adopting).with(Effect::Adopt(card))
            }
            (Step::Compare { waiting: false, .. }, MenuTap::NotSame) => {
                let out = self.to(Step::refused(Refusal::Different));
                if by_words { out.with(Effect::Pair(Ask::Same(false))) } else { out }
            }
            (Step::Result { again: true, .. }, MenuTap::Again) => {
                let (adding, effects) = Adding::begin(self.way, known);
                Out { go: Go::Over(Place::Adding(adding)), effects }
            }
            _ => Out::default(),
        }
    }

    pub(super) fn heard(&mut self, heard: Heard, known: &Known<'_>) -> Out {
        let pairs = self.pairs();
        match (&mut self.step, heard) {
            (Step::Scan { got: None, trouble }, Heard::Scanned(text)) => match card::read(&text) {
                Ok(Code::Card(card)) if card.key == known.us => {
                    *trouble = Some(words::OWN_CODE);
                    Out::default()
                }
                Ok(Code::Card(card)) => self.to(Step::Scan { got: Some(card), trouble: None }),
                Ok(Code::Ticket(ticket)) => self.to(Step::Enrolling).with(Effect::Enrol(ticket)),
                Err(error) => {
                    *trouble = Some(match error {
                        CardError::Foreign => words::FOREIGN_CODE,
                        CardError::Damaged => words::DAMAGED_CODE,
                    });
                    Out::default()
                }
            },
            (Step::Scan { trouble, .. }, Heard::Camera(works)) => {
                *trouble = (!works).then_some(words::NO_CAMERA);
                Out::default()
            }
            (Step::Words { words, left }, Heard::Pairing(News::Words(new))) => {
                // Words that are new because the old ones were used up say so; others need not.
                *left = left.filter(|left| *left == 0);
                *words = Some(new);
                Out::default()
            }
            (Step::Words { left, .. }, Heard::Pairing(News::WrongTry { left: now })) => {
                *left = Some(now);
                Out::default()
            }
            (Step::Words { .. } | Step::Looking, Heard::Pairing(News::Compare { card, four })) => {
                self.to(Step::Compare { card, four, waiting: false })
            }
            (Step::Compare { waiting, .. }, Heard::Pairing(News::TheirTurn)) if pairs => {
                *waiting = true;
                Out::default()
            }
            (_, Heard::Pairing(News::Paired(_))) if pairs => self.to(Step::Adopting),
            (_, Heard::Pairing(News::Failed(refusal))) if pairs && refusal != Refusal::Stopped => {
                self.to(Step::refused(refusal))
            }
            (Step::Adopting, Heard::Adopted(Ok(name))) => {
                self.to(Step::good(words::adopted(&name)))
            }
            (Step::Enrolling, Heard::Enrolled(Ok(host))) => {
                // That was no person: the choices come next.
                self.way = Way::RelayCode;
                self.to(Step::good(words::enrolled(&host)))
            }
            (Step::Adopting, Heard::Adopted(Err(_))) => self.to(Step::bad(words::NOT_KEPT)),
            (Step::Enrolling, Heard::Enrolled(Err(why))) => self.to(Step::bad(match why {
                NotEnrolled::Configured => words::CONFIGURED,
                NotEnrolled::Refused => words::NOT_ENROLLED,
                NotEnrolled::NotKept => words::NOT_KEPT,
            })),
            _ => Out::default(),
        }
    }

    fn to(&self, step: Step) -> Out {
        Out::go(Go::Over(Place::Adding(Self { way: self.way, step })))
    }
}

impl Step {
    fn good(sentence: String) -> Self {
        Step::Result { sentence, good: true, again: false }
    }

    fn bad(sentence: &str) -> Self {
        Step::Result { sentence: sentence.to_owned(), good: false, again: true }
    }

    fn refused(refusal: Refusal) -> Self {
        Self::bad(words::refused(refusal))
    }
}
