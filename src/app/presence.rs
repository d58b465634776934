//! Who is up, who was, and who has called in vain: what is kept of it, apart from the call itself.
//!
//! ```text
//!  peer up ────> last seen ──> STATE/seen.json          missed{call} of theirs ─> a record, once
//!           └──> outbox: what they missed, 16 at most ~~> them        └─> noted{call} ~~> them
//!  noted{call} of theirs ──> outbox ──> STATE/outbox.json
//! ```
//! The wall clock is an argument; `run/presence.rs` reads it, and sends what is to be said.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::last_seen::LastSeen;
use super::outbox::{KEPT, Outbox, PER_PEER};
use crate::call::Outcome;
use crate::contacts::Contact;
use crate::identity::PeerKey;
use crate::records::{Direction, EndReason, Record, Records};
use crate::store::StoreError;
use crate::wire::signal::{CallId, Signal};

/// The state.
#[derive(Debug)]
pub struct Presence {
    state: PathBuf,
    outbox: Outbox,
    seen: LastSeen,
    /// Calls in vain that each peer has told us of on its present link.
    told: HashMap<PeerKey, usize>,
}

impl Presence {
    /// What is in the state folder `state`.
    pub fn load(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            outbox: Outbox::load(state),
            seen: LastSeen::load(state),
            told: HashMap::new(),
        }
    }

    /// `peer` is up at `now`: what it is to be told.
    pub fn up(&mut self, peer: PeerKey, now: u64) -> Vec<Signal> {
        self.told.remove(&peer);
        self.seen.note(peer, true, now);
        self.outbox.words(peer, now)
    }

    /// `peer` shows that it lives.
    pub fn beats(&mut self, peer: PeerKey, now: u64) {
        self.seen.note(peer, false, now);
    }

    /// `peer` was up until `now`, or was not up and could not be reached either.
    pub fn down(&mut self, peer: PeerKey, was_up: bool, now: u64) {
        if was_up {
            self.seen.note(peer, true, now);
        }
    }

    /// A call of ours that began at `began` is over: keep it for whoever never heard of it.
    pub fn over(&mut self, outcome: &Outcome, began: u64) {
        let unheard = match outcome.reason {
            // It may have rung there once; but nobody knows whether that kiosk has a record of it.
            EndReason::Unreachable => true,
            EndReason::NoAnswer => !outcome.rang,
            _ => false,
        };
        let ours = outcome.party.direction == Direction::Outgoing;
        if ours && outcome.talked.is_none() && unheard {
            self.outbox.add(outcome.party.peer, outcome.party.call, began);
            self.keep();
        }
    }

    /// `peer` has one of our calls on record.
    pub fn noted(&mut self, peer: PeerKey, call: CallId) {
        if self.outbox.noted(peer, call) {
            self.keep();
        }
    }

    /// `peer` says at `now` that it called in vain `seconds` ago: the record to be kept of that, if it
    /// is news. `Err`: that can't be found out, and is to be said again another time.
    ///
    /// # Errors
    /// The records can't be read.
    pub fn missed(
        &self,
        name: &str,
        (peer, call, seconds): (PeerKey, CallId, u64),
        now: u64,
    ) -> Result<Option<Record>, StoreError> {
        let fingerprint = peer.fingerprint();
        let known = Records::load(&self.state)?.knows(&fingerprint, call);
        let record = || Record {
            name: name.to_owned(),
            fingerprint,
            direction: Direction::Incoming,
            // A peer may say anything.
            began: now.saturating_sub(seconds.min(KEPT)),
            answered: false,
            seconds: 0,
            reason: EndReason::Unreachable,
            call,
            figures: Default::default(),
        };
        Ok((!known).then(record))
    }

    /// Whether one more word of `peer` about a call in vain is listened to on this link.
    pub fn listens(&mut self, peer: PeerKey) -> bool {
        let told = self.told.entry(peer).or_default();
        *told += 1;
        *told <= PER_PEER
    }

    /// These are the contacts now.
    pub fn know(&mut self, contacts: &[Contact]) {
        let fingerprints: Vec<_> =
            contacts.iter().map(|contact| contact.key.fingerprint()).collect();
        self.seen.know(|fingerprint| fingerprints.iter().any(|known| known == fingerprint));
        if self.outbox.know(|peer| contacts.iter().any(|contact| contact.key == peer)) {
            self.keep();
        }
    }

    fn keep(&self) {
        if let Err(error) = self.outbox.keep(&self.state) {
            tracing::warn!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Party;
    use crate::clock::Time;
    use crate::records;

    const ANNA: PeerKey = PeerKey([2; 32]);
    const NOON: u64 = 1_790_000_000;

    fn outcome(direction: Direction, reason: EndReason, rang: bool) -> Outcome {
        let party = Party { call: 7, peer: ANNA, direction, began: Time::default() };
        Outcome { party, talked: None, reason, rang }
    }

    #[test]
    fn only_a_call_of_ours_that_they_may_not_have_heard_of_is_told_later() {
        use Direction::{Incoming, Outgoing};
        for (direction, reason, rang, told) in [
            (Outgoing, EndReason::Unreachable, false, true),
            (Outgoing, EndReason::Unreachable, true, true),
            (Outgoing, EndReason::NoAnswer, false, true),
            (Outgoing, EndReason::NoAnswer, true, false),
            (Outgoing, EndReason::Cancelled, false, false),
            (Outgoing, EndReason::Busy, false, false),
            (Outgoing, EndReason::Declined, false, false),
            (Incoming, EndReason::NoAnswer, false, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut presence = Presence::load(folder.path());
            presence.over(&outcome(direction, reason, rang), NOON);
            // A restart loses nothing.
            let words = Presence::load(folder.path()).up(ANNA, NOON + 60);
            let missed = Signal::Missed { call: 7, seconds: 60 };
            assert_eq!(words, Vec::from_iter(told.then_some(missed)), "{direction:?} {reason:?}");
            presence.noted(ANNA, 7);
            assert_eq!(Presence::load(folder.path()).up(ANNA, NOON + 90), []);
        }
    }

    #[test]
    fn a_call_in_vain_is_recorded_once_and_within_the_week() {
        let folder = tempfile::tempdir().unwrap();
        let presence = Presence::load(folder.path());
        let told = |seconds| presence.missed("Anna", (ANNA, 7, seconds), NOON).unwrap();
        assert_eq!(told(u64::MAX).unwrap().began, NOON - KEPT);
        let record = told(600).unwrap();
        assert_eq!((record.began, record.is_missed()), (NOON - 600, true));
        records::append(folder.path(), &record).unwrap();
        assert_eq!(told(700), None);
        assert!(presence.missed("Bert", (PeerKey([3; 32]), 7, 1), NOON).unwrap().is_some());
    }

    #[test]
    fn sixteen_words_of_calls_in_vain_are_listened_to_on_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let mut presence = Presence::load(folder.path());
        let heard = (0..100).filter(|_| presence.listens(ANNA)).count();
        assert_eq!(heard, PER_PEER);
        presence.up(ANNA, NOON);
        assert!(presence.listens(ANNA));
    }
}
