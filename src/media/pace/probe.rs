//! When one picture goes whole on a line that is taken for thin, to see whether it is: pure.
//!
//! ```text
//!         the rate is large enough, the wait is over
//!  waits ───────────────────────────────────────────> asked ── handed over ──┐
//!    ▲  it took as long as the rate says: twice the wait                     │
//!    └───────────────────────────────────────────────────────────────────────┤
//!                                        it passed at once: the line is open ┘
//! ```
//! Pictures that are spaced arrive no faster than they leave, so without this a line on which a busy
//! machine once looked like a thin one would stay one for half a minute.

use std::time::Duration;

use crate::clock::Time;

/// From this many bytes a second on a whole picture makes voice wait 30 to 60 ms at most.
const FROM: f64 = 600_000.0;
/// Between two; doubles up to the longest.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(32);

/// The next probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    after: Time,
    wait: Duration,
    asked: bool,
}

impl Probe {
    pub(super) fn new() -> Self {
        Self { after: Time::default(), wait: WAIT, asked: false }
    }

    /// The next picture is to go whole.
    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    /// The line carries `rate` bytes a second, as far as is known.
    pub(super) fn known(&mut self, rate: f64, now: Time) {
        self.asked |= rate >= FROM && now >= self.after;
    }

    /// A picture has gone whole, or there is trouble: not again for a while.
    pub(super) fn rest(&mut self, now: Time) {
        (self.asked, self.after) = (false, now + self.wait);
    }

    /// It passed at once, or it didn't.
    pub(super) fn judged(&mut self, passed: bool, now: Time) {
        self.wait = if passed { WAIT } else { (self.wait * 2).min(LONGEST_WAIT) };
        self.rest(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_stays_thin_is_asked_less_and_less_often() {
        let mut probe = Probe::new();
        let (mut asked, mut last) = (Vec::new(), 0);
        for second in 100..200 {
            let now = Time::from_micros(second * 1_000_000);
            probe.known(FROM / 2.0, now);
            assert!(!probe.is_asked());
            probe.known(FROM, now);
            if probe.is_asked() {
                asked.push(second - last);
                last = second;
                probe.judged(false, now);
            }
        }
        assert_eq!(asked, [100, 2, 4, 8, 16, 32, 32]);
        probe.judged(true, Time::default());
        probe.known(FROM, Time::default() + WAIT);
        assert!(probe.is_asked());
    }
}
