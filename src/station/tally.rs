//! What a station has counted, in one sentence: of a minute, and in the end of everything. Pure.

use std::fmt;

/// The counters; all only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) captured: u64,
    pub(super) overruns: u64,
    pub(super) panics: u64,
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
const COUNT: usize = 17;

/// Their words, in the order of [`Tally::all`], and whether they mean trouble.
const WORDS: [(&str, bool); COUNT] = [
    ("blocks captured", false),
    ("times sound lost at the card", true),
    ("panics of the capture", true),
    ("let go unsent", true),
    ("sent", false),
    ("sent again", true),
    ("connections made", false),
    ("connections lost", true),
    ("attempts failed", true),
    ("of them without an address", true),
    ("answers", false),
    ("answers too old", true),
    ("bytes of no answer", true),
    ("log records written", false),
    ("log records lost", true),
    ("log files removed", true),
    ("log files uploaded", false),
];

impl Tally {
    fn all(&self) -> [u64; COUNT] {
        let Self { captured, overruns, panics, dropped, sent, again, connected, lost, .. } = *self;
        let Self {
            failed,
            unresolved,
            answers,
            stale,
            junk,
            written,
            unwritten,
            removed,
            uploaded,
            ..
        } = *self;
        [
            captured, overruns, panics, dropped, sent, again, connected, lost, failed, unresolved,
            answers, stale, junk, written, unwritten, removed, uploaded,
        ]
    }

    fn of(all: [u64; COUNT]) -> Self {
        let [captured, overruns, panics, dropped, sent, again, connected, lost, rest @ ..] = all;
        let [failed, unresolved, answers, stale, junk, written, unwritten, removed, uploaded] =
            rest;
        Self {
            captured,
            overruns,
            panics,
            dropped,
            sent,
            again,
            connected,
            lost,
            failed,
            unresolved,
            answers,
            stale,
            junk,
            written,
            unwritten,
            removed,
            uploaded,
        }
    }

    /// What has come since.
    pub(super) fn since(&self, before: &Self) -> Self {
        let (now, before) = (self.all(), before.all());
        Self::of(std::array::from_fn(|at| now[at].saturating_sub(before[at])))
    }

    /// Whether nothing of it is trouble.
    pub(super) fn is_smooth(&self) -> bool {
        self.all().iter().zip(WORDS).all(|(count, (_, is_trouble))| *count == 0 || !is_trouble)
    }
}

/// Those that are not zero.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (count, (words, _)) in self.all().into_iter().zip(WORDS) {
            if count > 0 {
                write!(f, "{comma}{count} {words}")?;
                comma = ", ";
            }
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
        assert!(minute.is_smooth() && !after.is_smooth());
        let bad = Tally { failed: 5, unresolved: 2, stale: 1, junk: 70, ..after }.since(&after);
        assert_eq!(
            bad.to_string(),
            "2 attempts failed, 2 of them without an address, 1 answers too old, 70 bytes of no answer"
        );
        assert_eq!(Tally::default().to_string(), "nothing");
    }

    #[test]
    fn every_counter_has_its_own_place() {
        let all = std::array::from_fn(|at| at as u64 + 1);
        assert_eq!(Tally::of(all).all(), all);
        let words = Tally::of(all).to_string();
        let places = words.split(", ").zip(1..).all(|(one, n)| one.starts_with(&format!("{n} ")));
        assert!(places, "{words}");
    }
}
