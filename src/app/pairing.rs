//! Pairing as a running kiosk does it: a new contact is taken in, and programs that ask hear how it goes.
//!
//! ```text
//!  tunnel ── News ──> Paired? adopt, reload ──> numbered steps ──> whoever waits for the next one
//! ```
//! What a program began is its own: when it goes, it is stopped, unless somebody has begun another one
//! since. The last steps are kept, so that a program that asks for what came after number n misses none; one
//! for which nothing has come yet waits at no cost, until its own end of the socket gives up.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;

use super::control::Reply;
use super::run::Loop;
use crate::clock;
use crate::contacts;
use crate::pairing::{Ask, News, PICTURES, words};
use crate::tunnel;
use crate::wire::control::{Answer, PairAsk, PairNews, PairStep, Request};

/// Steps that are kept.
const KEPT: usize = 32;
/// Programs that may wait; the one that waits longest gets nothing.
const WAITING: usize = 8;

/// What programs are told.
#[derive(Default)]
pub(super) struct Told {
    number: u64,
    /// What goes on is the so-manieth pairing.
    begun: u64,
    steps: VecDeque<PairNews>,
    waiting: VecDeque<(u64, Sender<Reply>)>,
}

impl Told {
    /// One more step.
    fn note(&mut self, step: PairStep) {
        self.number += 1;
        self.steps.push_back(PairNews { number: self.number, step });
        if self.steps.len() > KEPT {
            self.steps.pop_front();
        }
        for (after, reply) in std::mem::take(&mut self.waiting) {
            self.answer(after, reply);
        }
    }

    /// Something new begins, by a program or by touch: what was before concerns nobody any more. Its
    /// number.
    pub(super) fn begin(&mut self) -> u64 {
        self.steps.clear();
        self.begun += 1;
        self.begun
    }

    /// That is the last one that was begun.
    fn is_on(&self, begun: u64) -> bool {
        self.begun == begun
    }

    /// Tell what came after number `after`, now or when there is something.
    pub(super) fn answer(&mut self, after: u64, reply: Sender<Reply>) {
        let pairing: Vec<_> =
            self.steps.iter().filter(|news| news.number > after).cloned().collect();
        if pairing.is_empty() {
            if self.waiting.len() >= WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back((after, reply));
            return;
        }
        // A client that went away does not want its answer.
        let _ = reply.send((Answer { pairing, ..Answer::default() }, Vec::new()));
    }
}

/// What a program asks, for the tunnel.
///
/// # Errors
/// They are no words, in a sentence.
pub fn ask(ask: &PairAsk) -> Result<Ask, String> {
    Ok(match ask {
        PairAsk::Offer => Ask::Offer,
        PairAsk::Join { words } => {
            Ask::Join(words::parse(words).map_err(|error| error.to_string())?)
        }
        PairAsk::Same { same } => Ask::Same(*same),
        PairAsk::Stop => Ask::Stop,
    })
}

/// The same the other way round. A new contact goes by the name that it was given here.
pub fn step(news: &News) -> PairStep {
    match news {
        News::Words(words) => PairStep::Words { words: words.map(str::to_owned).to_vec() },
        News::WrongTry { left } => PairStep::WrongTry { left: *left },
        News::Compare { card, four } => PairStep::Compare {
            name: card.name.clone(),
            pictures: four
                .map(|place| PICTURES[usize::from(place) % PICTURES.len()].to_owned())
                .to_vec(),
        },
        News::TheirTurn => PairStep::TheirTurn,
        News::Paired(card) => PairStep::Paired { name: card.name.clone() },
        News::Failed(refusal) => PairStep::Failed { sentence: refusal.to_string() },
    }
}

impl Loop {
    /// A program wants something of pairing.
    pub(super) fn pair(&mut self, wanted: &PairAsk) -> Answer {
        match ask(wanted) {
            Err(sentence) => Answer::refused(sentence),
            Ok(ask) => {
                let begun = matches!(ask, Ask::Offer | Ask::Join(_)).then(|| self.told.begin());
                self.tunnel.send(tunnel::Command::Pair(ask));
                Answer { begun, ..Answer::default() }
            }
        }
    }

    /// The program that began this one has gone. Where it had come to its end, that stops nothing.
    pub(super) fn pairing_gone(&mut self, begun: u64) {
        if self.told.is_on(begun) {
            self.tunnel.send(tunnel::Command::Pair(Ask::Stop));
        }
    }

    /// How pairing goes. Whoever was paired is a contact before anybody is told.
    pub(super) fn pairing(&mut self, news: &News) {
        let mut step = step(news);
        if let News::Paired(card) = news {
            match contacts::adopt(&self.state_folder, card) {
                Ok(contact) => {
                    tracing::info!("paired with {}: {}", contact.name, contact.key.fingerprint());
                    step = PairStep::Paired { name: contact.name };
                    self.asked(Request::Reload, clock::now());
                }
                Err(error) => {
                    tracing::warn!("{error}");
                    step = PairStep::Failed { sentence: error.to_string() };
                }
            }
        }
        self.told.note(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn who_asks_gets_what_came_since_and_waits_where_there_is_nothing() {
        let mut told = Told::default();
        let numbers = |reply: Reply| reply.0.pairing.iter().map(|n| n.number).collect::<Vec<_>>();
        told.note(PairStep::TheirTurn);
        told.note(PairStep::WrongTry { left: 2 });
        let (reply, replied) = channel();
        told.answer(0, reply);
        assert_eq!(numbers(replied.try_recv().unwrap()), [1, 2]);
        let (reply, replied) = channel();
        told.answer(2, reply);
        assert!(replied.try_recv().is_err());
        told.note(PairStep::TheirTurn);
        assert_eq!(numbers(replied.try_recv().unwrap()), [3]);
        let first = told.begin();
        let (reply, replied) = channel();
        told.answer(0, reply);
        assert!(replied.try_recv().is_err(), "what was before is over");
        assert!(told.is_on(first));
        let second = told.begin();
        assert!(!told.is_on(first) && told.is_on(second), "who began the first one stops no other");
    }
}
