//! What a station has counted, in one sentence: of a minute, and in the end of everything. Pure.

use std::fmt;

/// The counters; all only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) captured: u64,
    pub(super) overruns: u64,
    pub(super) panics: u64,
    pub(super) send_panics: u64,
    pub(super) dropped: u64,
    pub(super) sent: u64,
    pub(super) again: u64,
    pub(super) connected: u64,
    pub(super) lost: u64,
    pub(super) failed: u64,
    pub(super) unresolved: u64,
    pub(super) answers: u64,
    pub(super) stale: u64,
    pub(super) junk: u64,
    pub(super) written: u64,
    pub(super) unwritten: u64,
    pub(super) removed: u64,
    pub(super) uploaded: u64,
}

/// How many there are.
const COUNT: usize = 18;

/// A count, its words, and whether it means trouble.
type Counted = (u64, &'static str, bool);

/// What came between two moments.
pub(super) struct Came([Counted; COUNT]);

impl Tally {
    fn all(&self) -> [Counted; COUNT] {
        let (fine, trouble) = (false, true);
        [
            (self.captured, "blocks captured", fine),
            (self.overruns, "times sound lost at the card", trouble),
            (self.panics, "panics of the capture", trouble),
            (self.send_panics, "panics of the sender", trouble),
            (self.dropped, "let go unsent", trouble),
            (self.sent, "sent", fine),
            (self.again, "sent again", trouble),
            (self.connected, "connections made", fine),
            (self.lost, "connections lost", trouble),
            (self.failed, "attempts failed", trouble),
            (self.unresolved, "of them without an address", trouble),
            (self.answers, "answers", fine),
            (self.stale, "answers too old", trouble),
            (self.junk, "bytes of no answer", trouble),
            (self.written, "log records written", fine),
            (self.unwritten, "log records lost", trouble),
            (self.removed, "log files removed", trouble),
            (self.uploaded, "log files uploaded", fine),
        ]
    }

    /// What has come since.
    pub(super) fn since(&self, before: &Self) -> Came {
        let (mut all, before) = (self.all(), before.all());
        for (now, before) in all.iter_mut().zip(before) {
            now.0 = now.0.saturating_sub(before.0);
        }
        Came(all)
    }
}

impl Came {
    /// Whether nothing of it is trouble.
    pub(super) fn is_smooth(&self) -> bool {
        self.0.iter().all(|(count, _, is_trouble)| *count == 0 || !is_trouble)
    }
}

/// Those that are not zero.
impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (count, words, _) in self.0.iter().filter(|(count, ..)| *count > 0) {
            write!(f, "{comma}{count} {words}")?;
            comma = ", ";
        }
        if comma.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_there_was_and_no_more() {
        let before = Tally { captured: 100, failed: 3, ..Tally::default() };
        let after = Tally { captured: 150, sent: 50, ..before };
        let minute = after.since(&before);
        assert_eq!(minute.to_string(), "50 blocks captured, 50 sent");
        assert!(minute.is_smooth() && !after.since(&Tally::default()).is_smooth());
        let bad = Tally { failed: 5, unresolved: 2, stale: 1, junk: 70, ..after }.since(&after);
        assert_eq!(
            bad.to_string(),
            "2 attempts failed, 2 of them without an address, 1 answers too old, 70 bytes of no answer"
        );
        assert_eq!(after.since(&after).to_string(), "nothing");
    }
}
