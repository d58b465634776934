//! How good the pictures of a call are, ours and theirs, and what one end tells the other of it.
//!
//! ```text
//!  measured by our workers ─> ours ──┐                     ┌── theirs <─┐
//!                                    ├─ report ~~~> report ┤            └─ what they send
//!  what ours may cost ──────> takes ─┘                     └── takes ───┐
//!                     the best that goes either way <── the worse of both takes
//! ```
//! Pure. A report goes out when it says something else than the last one, and on every new link. Where
//! nothing was said, everything is full.

use std::time::Duration;

use crate::clock::Time;
use crate::quality::Quality;

/// Pictures begin small and grow, and what was measured before belongs to the line before: until then
/// nothing is news.
const BEGINNING: Duration = Duration::from_secs(3);

/// What a peer takes gets better at most so often: each time our camera is set anew.
const BETTER_AGAIN: Duration = Duration::from_secs(1);

/// What is known of the pictures of the call that runs, or of the last one.
#[derive(Debug)]
pub struct Pictures {
    theirs: Quality,
    /// What they take as far as it is taken up, and as they said it last.
    their_takes: Quality,
    their_word: Quality,
    better_since: Time,
    /// Since when ours go out, from their smallest on.
    ours_since: Time,
    theirs_since: Time,
    worst: Quality,
    reported: Option<Report>,
    allowed: Quality,
}

/// What one end tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// How good the pictures are that it sends.
    pub quality: Quality,
    /// The best ones that it takes.
    pub takes: Quality,
}

impl Pictures {
    /// None yet, at `now`.
    pub fn new(now: Time) -> Self {
        let full = Quality::Full;
        Self {
            theirs: full,
            their_takes: full,
            their_word: full,
            better_since: now,
            ours_since: now,
            theirs_since: now,
            worst: full,
            reported: Some(Report { quality: full, takes: full }),
            allowed: full,
        }
    }

    /// What they said last of theirs.
    pub fn theirs(&self) -> Quality {
        self.theirs
    }

    /// Ours, of which `measured` is what the workers say, as far as it is news.
    pub fn ours(&self, measured: Quality, now: Time) -> Quality {
        if now.since(self.ours_since) < BEGINNING { Quality::Full } else { measured }
    }

    /// The best that goes either way, where `takes` is the best that may cost us.
    pub fn allowed(&self, takes: Quality) -> Quality {
        self.their_takes.max(takes)
    }

    /// The least that was said of ours or of theirs in this call.
    pub fn worst(&self) -> Quality {
        self.worst
    }

    /// Since when pictures of theirs can be expected.
    pub fn theirs_since(&self) -> Time {
        self.theirs_since
    }

    /// Our camera opens again.
    pub fn ours_anew(&mut self, now: Time) {
        self.ours_since = now;
    }

    /// Theirs does.
    pub fn theirs_anew(&mut self, now: Time) {
        self.theirs_since = now;
    }

    /// What they were told last may have gone with the link before this one.
    pub fn link_renewed(&mut self, now: Time) {
        self.reported = None;
        self.ours_since = now;
    }

    /// They say this.
    pub fn heard(&mut self, report: Report, now: Time) {
        if self.theirs == Quality::VoiceOnly && report.quality < Quality::VoiceOnly {
            self.theirs_since = now;
        }
        (self.theirs, self.their_word) = (report.quality, report.takes);
    }

    /// Worse at once, better not at every word of theirs.
    fn take_up(&mut self, now: Time) {
        let better = self.their_word < self.their_takes;
        if better && now.since(self.better_since) < BETTER_AGAIN {
            return;
        }
        if better {
            self.better_since = now;
        }
        self.their_takes = self.their_word;
    }

    /// What our workers are to be told of the best that is allowed, if that is news.
    pub fn allow(&mut self, takes: Quality, now: Time) -> Option<Quality> {
        self.take_up(now);
        let allowed = self.allowed(takes);
        let before = std::mem::replace(&mut self.allowed, allowed);
        if before == Quality::VoiceOnly && allowed < before {
            // Nothing was sent for what it costs: what was said of either end speaks of that, not
            // of the line.
            (self.ours_since, self.theirs_since) = (now, now);
            self.theirs = self.theirs.min(allowed);
        }
        (allowed != before).then_some(allowed)
    }

    /// What they are to be told, if that is news; it counts as said.
    pub fn report(&mut self, measured: Quality, takes: Quality, now: Time) -> Option<Report> {
        let quality = self.ours(measured, now);
        self.worst = self.worst.max(quality).max(self.theirs);
        let report = Report { quality, takes };
        (self.reported.replace(report) != Some(report)).then_some(report)
    }
}
