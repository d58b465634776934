//! The offering side as a whole: words that are good for three tries, and whoever comes with them.
//!
//! ```text
//!   Waiting ── somebody comes (two at most) ──> talks ── wrong words ──> a try less, none left: new words
//!      │                                          └── the words are proven ──> Chosen: the others go
//!      └── 10 min, or a person stops ──> over <──────────── paired or failed ──────┘
//! ```
//! A visitor who fails before the words are proven is sent away and nothing more: anybody with a login
//! at the relay can be one.

use std::time::Duration;

use super::talk::{Input, Output, Talk};
use super::{News, Refusal, TRIES, Words};
use crate::card::Card;
use crate::clock::Time;

/// How long words are good for.
pub const LIMIT: Duration = Duration::from_secs(10 * 60);
/// How many may talk at a time before the words are proven.
pub const VISITORS: usize = 2;

/// What happens to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Somebody has come, who is called so from now on.
    Came(u32),
    /// To that one, or by that one.
    To(u32, Input<'a>),
    /// The person here has compared.
    Same(bool),
    /// The person here has had enough.
    Stop,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Bytes for that one.
    Send(u32, Vec<u8>),
    /// Close that one's line, when all was sent.
    Close(u32),
    /// For the person here.
    Say(News),
    /// These words are used up: call [`Offer::renew`].
    NewWords,
    /// It is over.
    Over,
}

/// An offer.
pub struct Offer {
    ours: Card,
    words: Words,
    left: u8,
    until: Time,
    talks: Vec<(u32, Talk)>,
    over: bool,
}

impl Offer {
    /// With these words.
    pub fn new(words: Words, ours: Card, now: Time) -> Self {
        Self { ours, words, left: TRIES, until: now + LIMIT, talks: Vec::new(), over: false }
    }

    /// With other words, as if it had just begun.
    pub fn renew(&mut self, words: Words, now: Time) {
        self.talks.clear();
        (self.words, self.left, self.until) = (words, TRIES, now + LIMIT);
    }

    /// The words that are to be told.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Somebody has proven the words: only that one counts now.
    pub fn is_chosen(&self) -> bool {
        self.talks.iter().any(|(_, talk)| talk.is_proven())
    }

    /// When the next [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Time> {
        let talks = self.talks.iter().filter_map(|(_, talk)| talk.deadline());
        let until = (!self.over && !self.is_chosen()).then_some(self.until);
        talks.chain(until).min()
    }

    /// One step.
    pub fn handle(&mut self, event: Event<'_>, now: Time) -> Vec<Effect> {
        if self.over {
            return Vec::new();
        }
        match event {
            Event::Came(who) => {
                if self.is_chosen() || self.talks.len() >= VISITORS {
                    return vec![Effect::Close(who)];
                }
                self.talks.push((who, Talk::offer(&self.words, &self.ours, now)));
                Vec::new()
            }
            Event::To(who, input) => self.pass(who, input, now),
            Event::Same(same) => self.pass_all(Input::Same(same), now),
            Event::Stop => {
                let mut effects = self.pass_all(Input::Stop, now);
                if !self.over {
                    effects.extend([Effect::Say(News::Failed(Refusal::Stopped)), Effect::Over]);
                    self.over = true;
                }
                effects
            }
            Event::Tick if !self.is_chosen() && now >= self.until => {
                self.over = true;
                let mut effects: Vec<_> =
                    self.talks.drain(..).map(|(who, _)| Effect::Close(who)).collect();
                effects.extend([Effect::Say(News::Failed(Refusal::TooLong)), Effect::Over]);
                effects
            }
            Event::Tick => self.pass_all(Input::Tick, now),
        }
    }

    fn pass_all(&mut self, input: Input<'_>, now: Time) -> Vec<Effect> {
        let all: Vec<u32> = self.talks.iter().map(|(who, _)| *who).collect();
        all.into_iter().flat_map(|who| self.pass(who, input, now)).collect()
    }

    fn pass(&mut self, who: u32, input: Input<'_>, now: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(place) = self.talks.iter().position(|(id, _)| *id == who) else { return effects };
        let talk = &mut self.talks[place].1;
        let was_proven = talk.is_proven();
        let outputs = talk.handle(input, now);
        let proves = !was_proven && talk.is_proven() && !talk.is_over();
        for output in outputs {
            match output {
                Output::Send(bytes) => effects.push(Effect::Send(who, bytes)),
                Output::WrongTry => {
                    self.left = self.left.saturating_sub(1);
                    effects.push(Effect::Say(News::WrongTry { left: self.left }));
                }
                // Of a visitor that has proven nothing nobody wants to know.
                Output::Say(news) if was_proven => effects.push(Effect::Say(news)),
                Output::Say(_) => {}
                Output::End => {
                    self.talks.retain(|(id, _)| *id != who);
                    effects.push(Effect::Close(who));
                    if was_proven {
                        self.over = true;
                        effects.push(Effect::Over);
                    }
                }
            }
        }
        if proves {
            let (chosen, others) = self.talks.drain(..).partition(|(id, _)| *id == who);
            self.talks = chosen;
            let others: Vec<(u32, Talk)> = others;
            effects.extend(others.into_iter().map(|(other, _)| Effect::Close(other)));
        }
        if self.left == 0 && !self.over {
            let others = self.talks.drain(..).map(|(other, _)| Effect::Close(other));
            effects.extend(others);
            effects.push(Effect::NewWords);
        }
        effects
    }
}
