//! Two ends of pairing in one place: every way it can go, told as a script.

use super::offer::{self, Effect, Offer};
use super::talk::{Input, Output, PEOPLE, STEP, Talk};
use super::{Four, News, Refusal, Words};
use crate::card::Card;
use crate::clock::Time;
use crate::identity::PeerKey;

pub(super) const WORDS: Words = ["abandon", "zoo", "act", "monkey"];
pub(super) const OTHERS: Words = ["abandon", "zoo", "act", "moon"];
const NOW: Time = Time::from_micros(1);

pub(super) fn card(name: &str, key: u8) -> Card {
    Card {
        name: name.to_owned(),
        key: PeerKey([key; 32]),
        meeting: Vec::new(),
        direct: vec![format!("{}.example:22", name.to_lowercase()).parse().unwrap()],
    }
}

/// What a `Send` carries behind its length.
pub(super) fn body(bytes: &[u8]) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    assert_eq!(length + 2, bytes.len());
    &bytes[2..]
}

/// Who offers and who joins, with what each was shown.
pub(super) struct Two {
    pub(super) ends: [Talk; 2],
    pub(super) shown: [Vec<News>; 2],
    pub(super) wrong: usize,
    pub(super) waiting: Vec<(usize, Vec<u8>)>,
}

pub(super) const OFFER: usize = 0;
pub(super) const JOIN: usize = 1;

impl Two {
    pub(super) fn new(offer: &Words, join: &Words, cards: [Card; 2]) -> Self {
        let [anna, bert] = cards;
        let (joins, first) = Talk::join(join, &bert, NOW);
        let ends = [Talk::offer(offer, &anna, NOW), joins];
        let mut two = Self { ends, shown: [Vec::new(), Vec::new()], wrong: 0, waiting: Vec::new() };
        two.take(JOIN, first);
        two
    }

    /// Outputs of one end; what it sends waits for the other one.
    pub(super) fn take(&mut self, end: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(bytes) => self.waiting.push((1 - end, body(&bytes).to_vec())),
                Output::Say(news) => self.shown[end].push(news),
                Output::WrongTry => self.wrong += 1,
                Output::End => assert!(self.ends[end].is_over()),
            }
        }
    }

    pub(super) fn tell(&mut self, end: usize, input: Input<'_>) {
        let outputs = self.ends[end].handle(input, NOW);
        self.take(end, outputs);
    }

    /// Deliver everything, in order.
    pub(super) fn run(&mut self) {
        while !self.waiting.is_empty() {
            let (to, bytes) = self.waiting.remove(0);
            self.tell(to, Input::Message(&bytes));
        }
    }

    pub(super) fn compared(&self, end: usize) -> Option<(Card, Four)> {
        self.shown[end].iter().find_map(|news| match news {
            News::Compare { card, four } => Some((card.clone(), *four)),
            _ => None,
        })
    }

    pub(super) fn paired(&self, end: usize) -> bool {
        self.shown[end].iter().any(|news| matches!(news, News::Paired(_)))
    }
}

fn anna_and_bert() -> Two {
    Two::new(&WORDS, &WORDS, [card("Anna", 1), card("Bert", 2)])
}

#[test]
fn both_know_the_words_and_see_the_same_pictures_and_each_others_cards() {
    let mut two = anna_and_bert();
    two.run();
    let (bert, at_anna) = two.compared(OFFER).unwrap();
    let (anna, at_bert) = two.compared(JOIN).unwrap();
    assert_eq!((anna, bert), (card("Anna", 1), card("Bert", 2)));
    assert_eq!(at_anna, at_bert);
    let mut again = anna_and_bert();
    again.run();
    assert_ne!(again.compared(OFFER).unwrap().1, at_anna, "pictures are drawn anew each time");
}

#[test]
fn whoever_says_yes_first_waits_for_the_other() {
    for (first, second) in [(OFFER, JOIN), (JOIN, OFFER)] {
        let mut two = anna_and_bert();
        two.run();
        two.tell(first, Input::Same(true));
        two.run();
        assert_eq!(two.shown[first].last(), Some(&News::TheirTurn));
        assert!(!two.paired(first) && !two.paired(second));
        two.tell(first, Input::Same(true));
        two.tell(second, Input::Same(true));
        two.run();
        assert!(two.paired(first) && two.paired(second));
        assert!(two.ends.iter().all(Talk::is_over));
    }
}

#[test]
fn one_no_is_a_no_for_both() {
    for (says_no, before) in [(OFFER, false), (JOIN, false), (OFFER, true), (JOIN, true)] {
        let mut two = anna_and_bert();
        two.run();
        if before {
            two.tell(1 - says_no, Input::Same(true));
            two.run();
        }
        two.tell(says_no, Input::Same(false));
        two.run();
        for shown in &two.shown {
            assert_eq!(shown.last(), Some(&News::Failed(Refusal::Different)));
        }
        assert!(!two.paired(OFFER) && !two.paired(JOIN));
    }
}

#[test]
fn wrong_words_show_no_card_to_anybody() {
    let mut two = Two::new(&WORDS, &OTHERS, [card("Anna", 1), card("Bert", 2)]);
    two.run();
    assert_eq!(two.wrong, 1);
    assert_eq!(two.shown[JOIN], [News::Failed(Refusal::WrongWords)]);
    assert_eq!(two.compared(OFFER), None);
}

#[test]
fn either_may_stop_at_any_moment_and_the_other_hears_of_it() {
    for stops in [OFFER, JOIN] {
        for steps in 0..20 {
            let mut two = anna_and_bert();
            for _ in 0..steps {
                if two.waiting.is_empty() {
                    break;
                }
                let (to, bytes) = two.waiting.remove(0);
                two.tell(to, Input::Message(&bytes));
            }
            two.tell(stops, Input::Stop);
            two.run();
            assert_eq!(two.shown[stops].last(), Some(&News::Failed(Refusal::Stopped)), "{steps}");
            let other = two.shown[1 - stops].last();
            assert_eq!(other, Some(&News::Failed(Refusal::TheyStopped)), "{stops} {steps}");
        }
    }
}

#[test]
fn a_kiosk_does_not_pair_with_itself() {
    let mut two = Two::new(&WORDS, &WORDS, [card("Anna", 1), card("Anna", 1)]);
    two.run();
    assert_eq!(two.shown[JOIN], [News::Failed(Refusal::Ourselves)]);
}

#[test]
fn steps_have_half_a_minute_and_people_ten() {
    let late = |end: usize, after| {
        let mut two = anna_and_bert();
        if after == PEOPLE {
            two.run();
        }
        let almost = Time::from_micros((NOW + after).micros() - 1);
        assert!(two.ends[end].handle(Input::Tick, almost).is_empty());
        let due = two.ends[end].deadline().unwrap();
        assert_eq!(due, NOW + after);
        let outputs = two.ends[end].handle(Input::Tick, due);
        assert_eq!(outputs[0], Output::Say(News::Failed(Refusal::TooLong)));
    };
    for end in [OFFER, JOIN] {
        late(end, STEP);
        late(end, PEOPLE);
    }
}

#[test]
fn a_card_with_many_addresses_is_cut_to_what_fits() {
    let mut full = card("Anna", 1);
    full.direct = (0..8)
        .map(|n| {
            format!(
                "{}.{n}:22",
                "a".repeat(60).repeat(4)[..200]
                    .to_owned()
                    .as_bytes()
                    .chunks(50)
                    .map(|label| String::from_utf8_lossy(label).into_owned())
                    .collect::<Vec<_>>()
                    .join(".")
            )
        })
        .map(|text| text.parse().unwrap())
        .collect();
    let mut two = Two::new(&WORDS, &WORDS, [full.clone(), card("Bert", 2)]);
    two.run();
    let (came, _) = two.compared(JOIN).unwrap();
    assert_eq!((&came.name, came.key), (&full.name, full.key));
    assert!(!came.direct.is_empty() && came.direct.len() < full.direct.len());
}

/// An offer and who comes to it, by number.
struct Visit {
    offer: Offer,
    talks: Vec<Talk>,
    effects: Vec<Effect>,
}

impl Visit {
    fn new() -> Self {
        let offer = Offer::new(WORDS, card("Anna", 1), NOW);
        Self { offer, talks: Vec::new(), effects: Vec::new() }
    }

    fn feed(&mut self, event: offer::Event<'_>) {
        self.feed_at(event, NOW);
    }

    fn feed_at(&mut self, event: offer::Event<'_>, now: Time) {
        let effects = self.offer.handle(event, now);
        self.effects.extend(effects);
    }

    /// Somebody comes and talks until nothing is to be said any more.
    fn comes(&mut self, words: &Words) -> usize {
        let (talk, first) = Talk::join(words, &card("Bert", 2), NOW);
        let who = self.talks.len();
        self.talks.push(talk);
        self.feed(offer::Event::Came(who as u32));
        self.talk(who, first);
        who
    }

    fn talk(&mut self, who: usize, first: Vec<Output>) {
        let mut outputs = first;
        loop {
            for output in outputs.drain(..) {
                if let Output::Send(bytes) = output {
                    let to = offer::Event::To(who as u32, Input::Message(body(&bytes)));
                    self.effects.extend(self.offer.handle(to, NOW));
                }
            }
            let mut answered = false;
            let effects: Vec<_> = self.effects.drain(..).collect();
            for effect in effects {
                match effect {
                    Effect::Send(to, bytes) if to as usize == who => {
                        answered = true;
                        let input = Input::Message(body(&bytes));
                        outputs.extend(self.talks[who].handle(input, NOW));
                    }
                    other => self.effects.push(other),
                }
            }
            if !answered {
                return;
            }
        }
    }
}

#[test]
fn three_wrong_tries_use_the_words_up() {
    let mut visit = Visit::new();
    for left in [2, 1, 0] {
        visit.comes(&OTHERS);
        assert!(visit.effects.contains(&Effect::Say(News::WrongTry { left })));
        assert_eq!(visit.effects.contains(&Effect::NewWords), left == 0);
    }
    visit.effects.clear();
    visit.offer.renew(OTHERS, NOW);
    visit.comes(&WORDS);
    assert!(visit.effects.contains(&Effect::Say(News::WrongTry { left: 2 })));
    visit.effects.clear();
    visit.comes(&OTHERS);
    assert!(visit.offer.is_chosen());
    let compare = |effect: &Effect| matches!(effect, Effect::Say(News::Compare { .. }));
    assert!(visit.effects.iter().any(compare));
}

#[test]
fn a_third_visitor_waits_outside_and_the_one_who_knows_the_words_sends_the_others_away() {
    let mut visit = Visit::new();
    visit.feed(offer::Event::Came(100));
    visit.feed(offer::Event::Came(101));
    visit.feed(offer::Event::Came(102));
    assert_eq!(visit.effects, [Effect::Close(102)]);
    visit.feed(offer::Event::To(100, Input::Cut));
    assert_eq!(visit.effects[1..], [Effect::Close(100)]);
    visit.effects.clear();
    visit.comes(&WORDS);
    assert!(visit.effects.contains(&Effect::Close(101)));
    visit.effects.clear();
    visit.feed(offer::Event::Came(103));
    assert_eq!(visit.effects, [Effect::Close(103)]);
    // A visitor that says nothing has no more than half a minute.
    let mut silent = Visit::new();
    silent.feed(offer::Event::Came(1));
    silent.feed_at(offer::Event::Tick, NOW + STEP);
    assert_eq!(silent.effects, [Effect::Close(1)]);
}

#[test]
fn an_offer_ends_after_ten_minutes_or_when_a_person_stops_it() {
    let mut late = Visit::new();
    late.feed(offer::Event::Came(7));
    late.feed_at(offer::Event::Tick, NOW + offer::LIMIT);
    let failed = |refusal| Effect::Say(News::Failed(refusal));
    assert_eq!(late.effects, [Effect::Close(7), failed(Refusal::TooLong), Effect::Over]);
    let mut stopped = Visit::new();
    stopped.feed(offer::Event::Stop);
    assert_eq!(stopped.effects, [failed(Refusal::Stopped), Effect::Over]);
    assert_eq!(stopped.offer.deadline(), None);
    let mut comparing = Visit::new();
    comparing.comes(&WORDS);
    comparing.effects.clear();
    comparing.feed(offer::Event::Stop);
    assert!(matches!(comparing.effects[0], Effect::Send(0, _)));
    assert_eq!(comparing.effects[1..], [failed(Refusal::Stopped), Effect::Close(0), Effect::Over]);
}
