//! When each contact was up last, by the clock on the wall: `STATE/seen.json`, a fingerprint and the
//! seconds since 1970 each. Written at changes and, while somebody is up, every five minutes: that is
//! what a power cut may cost. It can be made again, so no copy of it is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::identity::PeerKey;
use crate::store::{self, Loaded};

const FILE: &str = "seen.json";
/// In seconds.
const EVERY: u64 = 300;
/// 2020: a clock that says less has not been set, and what it says is worth nothing.
const CLOCK_IS_SET: u64 = 1_577_836_800;

/// What is known.
#[derive(Debug)]
pub struct LastSeen {
    path: PathBuf,
    at: BTreeMap<String, u64>,
    written: u64,
    fails: bool,
}

impl LastSeen {
    /// That of the state folder `state`; a broken file is an empty one, with a line in the log.
    pub fn load(state: &Path) -> Self {
        let path = state.join(FILE);
        let parse = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| error.to_string());
        let Loaded { value: at, trouble, .. } = store::load(&path, parse);
        if let Some(trouble) = trouble {
            tracing::warn!("{trouble}");
        }
        Self { path, at, written: 0, fails: false }
    }

    /// When `peer` was up last.
    pub fn at(&self, peer: PeerKey) -> Option<u64> {
        self.at.get(&peer.fingerprint()).copied()
    }

    /// `peer` is up at `now`, or was until now (then it is a `change`).
    pub fn note(&mut self, peer: PeerKey, change: bool, now: u64) {
        if now < CLOCK_IS_SET {
            return;
        }
        self.at.insert(peer.fingerprint(), now);
        if change || now.abs_diff(self.written) >= EVERY {
            self.keep(now);
        }
    }

    /// Forget whoever is not `known`.
    pub fn know(&mut self, known: impl Fn(&str) -> bool) {
        self.at.retain(|fingerprint, _| known(fingerprint));
    }

    fn keep(&mut self, now: u64) {
        self.written = now;
        let text = serde_json::to_vec(&self.at).expect("names and numbers are JSON");
        let kept = store::replace(&self.path, &text);
        let failed = kept.is_err();
        // A full disk is said once, and not every five minutes.
        if let (Err(error), false) = (kept, self.fails) {
            tracing::warn!("{error}");
        }
        self.fails = failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: PeerKey = PeerKey([2; 32]);
    const NOON: u64 = 1_790_000_000;

    fn on_disk(state: &Path) -> Option<u64> {
        LastSeen::load(state).at(ANNA)
    }

    #[test]
    fn it_is_written_at_changes_and_every_five_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = LastSeen::load(folder.path());
        seen.note(ANNA, true, NOON);
        assert_eq!(on_disk(folder.path()), Some(NOON));
        (1..60).for_each(|beat| seen.note(ANNA, false, NOON + 5 * beat));
        assert_eq!((on_disk(folder.path()), seen.at(ANNA)), (Some(NOON), Some(NOON + 295)));
        seen.note(ANNA, false, NOON + 300);
        assert_eq!(on_disk(folder.path()), Some(NOON + 300));
        seen.note(ANNA, true, NOON + 301);
        assert_eq!(on_disk(folder.path()), Some(NOON + 301));
    }

    #[test]
    fn a_clock_that_is_not_set_says_nothing_and_who_is_forgotten_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = LastSeen::load(folder.path());
        seen.note(ANNA, true, NOON);
        seen.note(ANNA, true, 60);
        assert_eq!(seen.at(ANNA), Some(NOON));
        seen.know(|_| false);
        assert_eq!(seen.at(ANNA), None);
    }
}
