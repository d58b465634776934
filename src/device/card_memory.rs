//! What a microphone or loudspeaker remembers of its cards from one opening to the next.
//!
//! ```text
//! failed right after it was opened ──> goes last ──news of cards──> its old rank
//! failed, and another took its place ──> that one stands in ──it is back, or a better one──> forgotten
//! ```
//! The first keeps a card that opens and does not work from locking out every other one. The second
//! is for the person: on a Pi 4 the loudspeaker that is pulled out is followed by the socket for
//! headphones, where nobody listens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by everything that is opened for one microphone or loudspeaker.
#[derive(Clone, Debug, Default)]
pub(super) struct CardMemory {
    notes: Arc<Mutex<Notes>>,
    stands_in: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Notes {
    /// Those that failed at once, the last one last.
    failed: Vec<String>,
    /// How much news there was when the last of them did.
    heard: u64,
    /// What failed and is not back.
    missing: Option<String>,
    /// What was taken instead.
    stand_in: Option<String>,
}

impl CardMemory {
    /// True while a card stands in for one that failed or was pulled out.
    pub(super) fn stands_in(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stands_in)
    }

    /// `names`, the best first, with those that failed at once behind the others; `heard` is how
    /// often there was news of cards.
    pub(super) fn ranked(&self, mut names: Vec<String>, heard: u64) -> Vec<String> {
        let mut notes = self.lock();
        notes.hear(heard);
        names.sort_by_key(|name| notes.failed.iter().position(|failed| failed == name));
        names
    }

    /// The card `name` failed; `at_once` says that it had hardly served.
    pub(super) fn failed(&self, name: &str, at_once: bool, heard: u64) {
        let mut notes = self.lock();
        notes.hear(heard);
        if at_once {
            notes.failed.retain(|failed| failed != name);
            notes.failed.push(name.to_owned());
        }
        notes.missing.get_or_insert_with(|| name.to_owned());
        notes.stand_in = None;
        self.tell(&notes);
    }

    /// The card `name` was opened and is used from now on.
    pub(super) fn took(&self, name: &str) {
        let mut notes = self.lock();
        let is_first = notes.stand_in.is_none();
        let back = notes.missing.as_deref() == Some(name);
        if back || (!is_first && notes.stand_in.as_deref() != Some(name)) {
            (notes.missing, notes.stand_in) = (None, None);
        } else if notes.missing.is_some() {
            notes.stand_in = Some(name.to_owned());
        }
        self.tell(&notes);
    }

    fn tell(&self, notes: &Notes) {
        self.stands_in.store(notes.stand_in.is_some(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// News since the last failure makes another try worth it.
    fn hear(&mut self, heard: u64) {
        if heard != self.heard {
            self.failed.clear();
            self.heard = heard;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &str) -> Vec<String> {
        names.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn those_that_failed_at_once_go_last_in_the_order_of_their_failures_until_there_is_news() {
        let memory = CardMemory::default();
        memory.failed("b", true, 0);
        memory.failed("a", true, 0);
        memory.failed("c", false, 0);
        assert_eq!(memory.ranked(names("a b c"), 0), names("c b a"));
        memory.failed("b", true, 0);
        assert_eq!(memory.ranked(names("a b c"), 0), names("c a b"));
        assert_eq!(memory.ranked(names("a b c"), 1), names("a b c"));
        memory.failed("a", true, 1);
        assert_eq!(memory.ranked(names("a b c"), 1), names("b c a"));
    }

    #[test]
    fn a_card_stands_in_until_the_other_is_back_or_a_better_one_is_plugged_in() {
        let memory = CardMemory::default();
        let stands_in = || memory.stands_in().load(Ordering::Relaxed);
        memory.took("usb");
        memory.failed("usb", false, 0);
        assert!(!stands_in(), "nothing plays");
        memory.took("built-in");
        assert!(stands_in());
        memory.failed("built-in", false, 0);
        memory.took("built-in");
        assert!(stands_in(), "opened again, and still not what it was");
        memory.took("usb");
        assert!(!stands_in());
        memory.failed("usb", false, 0);
        memory.took("built-in");
        memory.took("another usb");
        assert!(!stands_in());
        memory.failed("another usb", false, 0);
        memory.took("another usb");
        assert!(!stands_in(), "a card that only stumbled");
    }
}
