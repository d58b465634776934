//! Calls in vain of which whoever was called is still to hear: pure, and its file `STATE/outbox.json`.
//!
//! ```text
//!  a call ended, they never heard of it ──add──> waiting ──they are up──> missed{call, seconds ago}
//!                                                  │  ▲                        │
//!                              7 days, 16 a person │  └── no word of theirs ───┤
//!                                                  ▼                           ▼
//!                                              forgotten <──────────────── noted{call}
//! ```
//! It is said again on every new link until they have noted it: whoever says it twice is not counted
//! twice, since the call has its id.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::identity::PeerKey;
use crate::store::{self, Loaded, StoreError};
use crate::wire::signal::{CallId, Signal};

/// Calls to one person that wait at most; the oldest goes.
pub const PER_PEER: usize = 16;
/// Whoever was away for longer, in seconds, need not hear of it.
pub const KEPT: u64 = 7 * 24 * 3600;

const FILE: &str = "outbox.json";

/// What waits, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    peer: PeerKey,
    call: CallId,
    /// Seconds since 1970.
    began: u64,
}

impl Outbox {
    /// That of the state folder `state`; a broken file costs what was in it, with a line in the log.
    pub fn load(state: &Path) -> Self {
        let parse = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| error.to_string());
        let Loaded { value, trouble, .. } = store::load(&state.join(FILE), parse);
        if let Some(trouble) = trouble {
            tracing::warn!("{trouble}");
        }
        value
    }

    /// Keep it.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn keep(&self, state: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_vec(self).expect("keys and numbers are JSON");
        store::write(&state.join(FILE), &text)
    }

    /// `peer` was called in vain, by the wall clock at `began`.
    pub fn add(&mut self, peer: PeerKey, call: CallId, began: u64) {
        self.waiting.push(Waiting { peer, call, began });
        let mine = self.waiting.iter().filter(|waiting| waiting.peer == peer).count();
        if mine > PER_PEER
            && let Some(oldest) = self.waiting.iter().position(|waiting| waiting.peer == peer)
        {
            self.waiting.remove(oldest);
        }
    }

    /// What is to be said to `peer`, who is up at `now`.
    pub fn words(&mut self, peer: PeerKey, now: u64) -> Vec<Signal> {
        self.waiting.retain(|waiting| now.saturating_sub(waiting.began) <= KEPT);
        let mine = self.waiting.iter().filter(|waiting| waiting.peer == peer);
        mine.map(|waiting| Signal::Missed {
            call: waiting.call,
            seconds: now.saturating_sub(waiting.began),
        })
        .collect()
    }

    /// `peer` has it on record; whether anything waited for that.
    pub fn noted(&mut self, peer: PeerKey, call: CallId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| (waiting.peer, waiting.call) != (peer, call));
        self.waiting.len() < before
    }

    /// Whoever is no contact any more need not hear anything; whether anything waited for them.
    pub fn know(&mut self, known: impl Fn(PeerKey) -> bool) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| known(waiting.peer));
        self.waiting.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: PeerKey = PeerKey([2; 32]);
    const BERT: PeerKey = PeerKey([3; 32]);
    const DAY: u64 = 24 * 3600;

    fn missed(call: CallId, seconds: u64) -> Signal {
        Signal::Missed { call, seconds }
    }

    #[test]
    fn a_call_in_vain_is_said_on_every_link_until_it_is_noted() {
        let mut outbox = Outbox::default();
        outbox.add(ANNA, 7, 1000);
        outbox.add(BERT, 8, 1000);
        assert_eq!(outbox.words(ANNA, 1600), [missed(7, 600)]);
        assert_eq!(outbox.words(ANNA, 1700), [missed(7, 700)]);
        assert!(!outbox.noted(BERT, 7), "only who was called can note it");
        assert!(outbox.noted(ANNA, 7));
        assert_eq!(outbox.words(ANNA, 1800), []);
        assert_eq!(outbox.words(BERT, 1800), [missed(8, 800)]);
    }

    #[test]
    fn sixteen_wait_for_one_person_and_for_a_week_at_most() {
        let mut outbox = Outbox::default();
        outbox.add(BERT, 99, 0);
        (0..20).for_each(|call| outbox.add(ANNA, call, call * DAY));
        let calls = |words: Vec<Signal>| -> Vec<u64> {
            let call = |word: Signal| match word {
                Signal::Missed { call, .. } => call,
                other => panic!("{other:?}"),
            };
            words.into_iter().map(call).collect()
        };
        assert_eq!(calls(outbox.clone().words(ANNA, 0)), (4..20).collect::<Vec<_>>());
        assert_eq!(calls(outbox.words(ANNA, 20 * DAY)), (13..20).collect::<Vec<_>>());
        assert_eq!(outbox.words(BERT, 20 * DAY), []);
    }

    #[test]
    fn a_clock_that_went_back_makes_a_call_no_older_than_now() {
        let mut outbox = Outbox::default();
        outbox.add(ANNA, 7, 5000);
        assert_eq!(outbox.words(ANNA, 10), [missed(7, 0)]);
    }

    #[test]
    fn it_is_found_again_after_a_restart_and_a_broken_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::load(folder.path());
        assert_eq!(outbox, Outbox::default());
        outbox.add(ANNA, u64::MAX, 1000);
        outbox.keep(folder.path()).unwrap();
        assert_eq!(Outbox::load(folder.path()), outbox);
        std::fs::write(folder.path().join(FILE), b"{").unwrap();
        assert_eq!(Outbox::load(folder.path()), Outbox::default());
    }

    #[test]
    fn who_is_no_contact_any_more_is_told_nothing() {
        let mut outbox = Outbox::default();
        outbox.add(ANNA, 7, 1000);
        assert!(!outbox.know(|_| true));
        assert!(outbox.know(|peer| peer == BERT));
        assert_eq!(outbox.words(ANNA, 1000), []);
    }
}
