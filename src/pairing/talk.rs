//! One conversation of pairing, either role: messages, a person's answers and time in; what to send,
//! what to show, and the end out. Pure, but for the random numbers it takes.
//!
//! ```text
//!   joins                                          offers
//!     │── Open: PAKE ────────────────────────────────>│  Waiting     in the open
//!  Opened <──────────────────────────── Answer: PAKE ─│
//!     │── Proof ─────────────────────────────────────>│  Answered    wrong? a try is used up: Wrong
//!  Proving <─────────────────────────────────── Proof ─│
//!     │<──────────────────────────────────────── Card ─│              sealed from here on
//!  Carded ── Card, Commit to a nonce ────────────────>│  Proven
//!     │<─────────────────────────────────────── Nonce ─│
//!     │── Nonce ─────────────────────────────────────>│  Committed   is it what was committed to?
//!  Comparing                                        Comparing
//!     │<══ Same, when the person says so, each way ══>│
//!   Paired: said and heard                          Paired
//! ```
//! The joining side proves itself first: who guesses is seen before anything was revealed. The
//! pictures are drawn from both cards and two nonces, of which neither end knows the other's when
//! it fixes its own: somebody in between, who overheard the words, cannot search for cards that make
//! both screens show the same, and is right once in a million tries, of which there is one.

use std::time::Duration;

use super::keys::{Begun, Keys, Role, hash};
use super::wire::{self, CARD_LIMIT, Message, Secret};
use super::{News, Refusal, Words, four_from};
use crate::card::Card;
use crate::clock::Time;

/// Until the words are proven, from the beginning on; then for each message that is due.
pub const STEP: Duration = Duration::from_secs(30);
/// How long people may compare.
pub const PEOPLE: Duration = Duration::from_secs(10 * 60);

/// What happens to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The other end said this.
    Message(&'a [u8]),
    /// The line is gone.
    Cut,
    /// The person here has compared.
    Same(bool),
    /// The person here has had enough.
    Stop,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes for the other end, the length in front.
    Send(Vec<u8>),
    /// Their words were wrong: only the offering side says so.
    WrongTry,
    /// For the person here.
    Say(News),
    /// It is over: send what is to be sent and close.
    End,
}

enum State {
    Waiting(Words),
    Answered(Keys),
    Opened(Begun),
    Proving(Keys),
    Carded {
        keys: Keys,
        theirs: Card,
        nonce: [u8; 32],
    },
    /// The words are proven: the card is due, for the joining side that is all.
    Proven {
        keys: Keys,
        theirs: Option<Card>,
    },
    Committed {
        keys: Keys,
        theirs: Card,
        nonce: [u8; 32],
        commit: [u8; 32],
    },
    Comparing {
        keys: Keys,
        theirs: Card,
        said: bool,
        heard: bool,
    },
    Over,
}

/// A conversation.
pub struct Talk {
    role: Role,
    ours: Card,
    version: u8,
    state: State,
    deadline: Time,
}

impl Talk {
    /// Somebody came to where these words wait.
    pub fn offer(words: &Words, ours: &Card, now: Time) -> Self {
        Self::new(Role::Offer, State::Waiting(*words), ours, now)
    }

    /// We have come to where these words wait; what is to be sent first.
    pub fn join(words: &Words, ours: &Card, now: Time) -> (Self, Vec<Output>) {
        let begun = Begun::new(Role::Join, words);
        let open = Message::Open(begun.message()).encode(wire::VERSION);
        (Self::new(Role::Join, State::Opened(begun), ours, now), vec![Output::Send(open)])
    }

    fn new(role: Role, state: State, ours: &Card, now: Time) -> Self {
        let ours = within(ours.clone());
        Self { role, ours, version: wire::VERSION, state, deadline: now + STEP }
    }

    /// When the next [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Time> {
        (!self.is_over()).then_some(self.deadline)
    }

    /// Nothing comes any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The other end has shown that it knows the words.
    pub fn is_proven(&self) -> bool {
        match self.state {
            State::Waiting(_) | State::Answered(_) | State::Opened(_) | State::Proving(_) => false,
            State::Proven { .. }
            | State::Carded { .. }
            | State::Committed { .. }
            | State::Comparing { .. }
            | State::Over => true,
        }
    }

    /// Nothing has come from the other end yet.
    pub fn is_unheard(&self) -> bool {
        matches!(self.state, State::Waiting(_) | State::Opened(_))
    }

    /// One step.
    pub fn handle(&mut self, input: Input<'_>, now: Time) -> Vec<Output> {
        match (input, &self.state) {
            (_, State::Over) => Vec::new(),
            (Input::Message(bytes), _) => match Message::decode(bytes) {
                Ok((version, message)) => {
                    let said = self.hear(version, message, now);
                    said.unwrap_or_else(|refusal| self.fail(refusal))
                }
                Err(_) => self.fail(Refusal::Broken),
            },
            (Input::Cut, _) => self.fail(Refusal::Broken),
            (Input::Tick, _) if now >= self.deadline => self.fail(Refusal::TooLong),
            (Input::Same(same), State::Comparing { said: false, .. }) => self.judge(same),
            (Input::Tick | Input::Same(_), _) => Vec::new(),
            (Input::Stop, _) => self.stop(Refusal::Stopped),
        }
    }

    /// What a message that is due leads to; `Err`: it is not due.
    fn hear(&mut self, version: u8, message: Message, now: Time) -> Result<Vec<Output>, Refusal> {
        if let Message::Open(theirs) = message {
            return self.opened(version, &theirs);
        }
        if version > self.version || (!self.is_unheard() && version != self.version) {
            return Err(Refusal::Broken);
        }
        let proven = self.is_proven();
        let state = std::mem::replace(&mut self.state, State::Over);
        let (next, out) = match (state, message) {
            (State::Opened(begun), Message::Answer(theirs)) => {
                self.version = version;
                let keys = begun.finish(&theirs, [wire::VERSION, version]);
                let keys = keys.ok_or(Refusal::Broken)?;
                let proof = Message::Proof(keys.prove());
                (State::Proving(keys), vec![self.send(&proof)])
            }
            (State::Answered(keys), Message::Proof(proof)) if !keys.believe(&proof) => {
                return Ok(vec![self.send(&Message::Wrong), Output::WrongTry, Output::End]);
            }
            (State::Answered(mut keys), Message::Proof(_)) => {
                let proof = self.send(&Message::Proof(keys.prove()));
                let card = self.seal(&mut keys, &Secret::Card(self.ours.to_bytes()));
                (State::Proven { keys, theirs: None }, vec![proof, card])
            }
            (State::Proving(keys), Message::Proof(proof)) => {
                if !keys.believe(&proof) {
                    return Err(Refusal::WrongWords);
                }
                (State::Proven { keys, theirs: None }, Vec::new())
            }
            (State::Opened(_) | State::Proving(_), Message::Wrong) => {
                return Err(Refusal::WrongWords);
            }
            (_, Message::Stopped) if !proven => return Err(Refusal::TheyStopped),
            (state, Message::Sealed(sealed)) => self.unsealed(state, sealed, now)?,
            _ => return Err(Refusal::Broken),
        };
        if matches!(next, State::Proven { .. } | State::Carded { .. } | State::Committed { .. }) {
            self.deadline = now + STEP;
        }
        self.state = next;
        Ok(out)
    }

    fn opened(&mut self, version: u8, theirs: &[u8; 33]) -> Result<Vec<Output>, Refusal> {
        let State::Waiting(words) = &self.state else { return Err(Refusal::Broken) };
        self.version = version.min(wire::VERSION);
        let begun = Begun::new(Role::Offer, words);
        let answer = self.send(&Message::Answer(begun.message()));
        let keys = begun.finish(theirs, [version, self.version]).ok_or(Refusal::Broken)?;
        self.state = State::Answered(keys);
        Ok(vec![answer])
    }

    /// The same for what is sealed.
    fn unsealed(
        &mut self,
        state: State,
        sealed: Vec<u8>,
        now: Time,
    ) -> Result<(State, Vec<Output>), Refusal> {
        let open = |keys: &mut Keys| {
            let plain = keys.open(sealed.clone()).ok_or(Refusal::Broken)?;
            match Secret::decode(&plain) {
                Ok(Secret::Stop) => Err(Refusal::TheyStopped),
                other => other.map_err(|_| Refusal::Broken),
            }
        };
        Ok(match state {
            State::Proven { mut keys, theirs: None } => {
                let Secret::Card(bytes) = open(&mut keys)? else { return Err(Refusal::Broken) };
                let theirs = Card::from_bytes(&bytes).map_err(|_| Refusal::Broken)?;
                if theirs.key == self.ours.key {
                    return Err(Refusal::Ourselves);
                }
                if self.role == Role::Offer {
                    return Ok((State::Proven { keys, theirs: Some(theirs) }, Vec::new()));
                }
                let nonce = random();
                let card = self.seal(&mut keys, &Secret::Card(self.ours.to_bytes()));
                let commit = self.seal(&mut keys, &Secret::Commit(hash(&nonce)));
                (State::Carded { keys, theirs, nonce }, vec![card, commit])
            }
            State::Proven { mut keys, theirs: Some(theirs) } => {
                let Secret::Commit(commit) = open(&mut keys)? else { return Err(Refusal::Broken) };
                let nonce = random();
                let reveal = self.seal(&mut keys, &Secret::Nonce(nonce));
                (State::Committed { keys, theirs, nonce, commit }, vec![reveal])
            }
            State::Carded { mut keys, theirs, nonce } => {
                let Secret::Nonce(their_nonce) = open(&mut keys)? else {
                    return Err(Refusal::Broken);
                };
                let reveal = self.seal(&mut keys, &Secret::Nonce(nonce));
                let (next, shown) = self.compare(keys, theirs, nonce, their_nonce, now);
                (next, vec![reveal, shown])
            }
            State::Committed { mut keys, theirs, nonce, commit } => {
                let Secret::Nonce(their_nonce) = open(&mut keys)? else {
                    return Err(Refusal::Broken);
                };
                if hash(&their_nonce) != commit {
                    return Err(Refusal::Broken);
                }
                let (next, shown) = self.compare(keys, theirs, nonce, their_nonce, now);
                (next, vec![shown])
            }
            State::Comparing { mut keys, theirs, said, heard: false } => match open(&mut keys)? {
                Secret::Same if said => {
                    (State::Over, vec![Output::Say(News::Paired(theirs)), Output::End])
                }
                Secret::Same => (State::Comparing { keys, theirs, said, heard: true }, Vec::new()),
                Secret::Different => return Err(Refusal::Different),
                _ => return Err(Refusal::Broken),
            },
            State::Comparing { mut keys, .. } => match open(&mut keys)? {
                // They have changed their mind.
                Secret::Different => return Err(Refusal::Different),
                _ => return Err(Refusal::Broken),
            },
            State::Waiting(_)
            | State::Answered(_)
            | State::Opened(_)
            | State::Proving(_)
            | State::Over => return Err(Refusal::Broken),
        })
    }

    fn compare(
        &mut self,
        keys: Keys,
        theirs: Card,
        our_nonce: [u8; 32],
        their_nonce: [u8; 32],
        now: Time,
    ) -> (State, Output) {
        let (ours, them) = (self.ours.to_bytes(), theirs.to_bytes());
        let (join, offer) = match self.role {
            Role::Join => ((ours, our_nonce), (them, their_nonce)),
            Role::Offer => ((them, their_nonce), (ours, our_nonce)),
        };
        // Hashed one by one: where one ends and the next begins is beyond doubt.
        let parts = [hash(&join.0), hash(&offer.0), join.1, offer.1];
        let drawn = [b"twocan pictures 1", &keys.transcript[..], &parts.concat()].concat();
        let four = four_from(&hash(&drawn));
        self.deadline = now + PEOPLE;
        let shown = Output::Say(News::Compare { card: theirs.clone(), four });
        (State::Comparing { keys, theirs, said: false, heard: false }, shown)
    }

    fn judge(&mut self, same: bool) -> Vec<Output> {
        let State::Comparing { mut keys, theirs, heard, .. } =
            std::mem::replace(&mut self.state, State::Over)
        else {
            return Vec::new();
        };
        if !same {
            let word = self.seal(&mut keys, &Secret::Different);
            let news = News::Failed(Refusal::Different);
            return vec![word, Output::Say(news), Output::End];
        }
        let word = self.seal(&mut keys, &Secret::Same);
        if heard {
            return vec![word, Output::Say(News::Paired(theirs)), Output::End];
        }
        self.state = State::Comparing { keys, theirs, said: true, heard };
        vec![word, Output::Say(News::TheirTurn)]
    }

    /// Say goodbye, here and there.
    fn stop(&mut self, refusal: Refusal) -> Vec<Output> {
        let word = match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting(_) | State::Answered(_) | State::Opened(_) => {
                self.send(&Message::Stopped)
            }
            // Our proof will have been read before it, and then nothing in the open counts.
            State::Proving(mut keys)
            | State::Proven { mut keys, .. }
            | State::Carded { mut keys, .. }
            | State::Committed { mut keys, .. }
            | State::Comparing { mut keys, .. } => self.seal(&mut keys, &Secret::Stop),
            State::Over => return Vec::new(),
        };
        vec![word, Output::Say(News::Failed(refusal)), Output::End]
    }

    fn fail(&mut self, refusal: Refusal) -> Vec<Output> {
        self.state = State::Over;
        vec![Output::Say(News::Failed(refusal)), Output::End]
    }

    fn send(&self, message: &Message) -> Output {
        Output::Send(message.encode(self.version))
    }

    fn seal(&self, keys: &mut Keys, secret: &Secret) -> Output {
        self.send(&Message::Sealed(keys.seal(secret.encode())))
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel gives random numbers once it has booted");
    bytes
}

/// A card that fits a message: the last of its addresses are left out where it would not.
fn within(mut card: Card) -> Card {
    while card.to_bytes().len() > CARD_LIMIT {
        if card.direct.pop().is_none() && card.meeting.pop().is_none() {
            break;
        }
    }
    card
}
