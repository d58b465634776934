//! How far the peer's clock is from ours, from pings and pongs.
//!
//! A pong says what the peer's clock was; half the round trip is taken as the way there. The sample
//! with the shortest round trip is the one that queues have spoilt least (as NTP's clock filter does,
//! RFC 5905, 10), among the recent ones, so that drifting clocks are followed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Time;

/// Samples looked at: in a call two come a second, which is all of [`RECENT`].
const SAMPLES: usize = 64;
/// Older samples no longer count: 200 ppm of skew moves a clock by 6 ms in this time.
const RECENT: Duration = Duration::from_secs(30);

/// What the filter found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate {
    /// The peer's clock minus ours, in µs.
    pub(super) offset_us: i64,
    /// The round trip of the sample it comes from, in µs.
    pub(super) rtt_us: u64,
}

/// Keeps the samples of one session.
#[derive(Debug, Default)]
pub(super) struct Filter {
    samples: VecDeque<(Time, Estimate)>,
}

impl Filter {
    /// Our ping left at `sent`, the peer read `theirs` on its clock, the pong came at `now`.
    pub(super) fn sample(&mut self, sent: Time, theirs: Time, now: Time) -> Estimate {
        let rtt_us = u64::try_from(now.since(sent).as_micros()).unwrap_or(u64::MAX);
        let middle = i128::from(sent.micros()) + i128::from(rtt_us / 2);
        let offset = i128::from(theirs.micros()) - middle;
        let limit = i128::from(i64::MAX);
        let offset_us = i64::try_from(offset.clamp(-limit, limit)).expect("clamped just now");
        while self.samples.len() >= SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((now, Estimate { offset_us, rtt_us }));
        self.samples.retain(|(at, _)| now.since(*at) <= RECENT);
        let best = self.samples.iter().map(|(_, estimate)| *estimate).min_by_key(|e| e.rtt_us);
        best.expect("a sample was put in just now")
    }

    /// Samples it has.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }
}

/// The offset as the streams read it; unknown until the first pong.
#[derive(Debug)]
pub(super) struct PeerClock(AtomicI64);

const UNKNOWN: i64 = i64::MIN;

impl PeerClock {
    /// Not known yet.
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }

    /// From now on `offset_us`.
    pub(super) fn set(&self, offset_us: i64) {
        self.0.store(offset_us, Ordering::Relaxed);
    }

    /// Not known any more: a new session may be one with a kiosk that has started anew.
    pub(super) fn forget(&self) {
        self.set(UNKNOWN);
    }

    /// A moment of the peer's clock on ours.
    pub(super) fn to_ours(&self, theirs: Time) -> Option<Time> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            offset => Some(theirs.offset(offset.saturating_neg())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1000)
    }

    #[test]
    fn the_quickest_pong_is_believed() {
        let mut filter = Filter::default();
        // Their clock is 5000 ms ahead; the first pong was held up on its way back.
        filter.sample(at(100), at(5110), at(220));
        let estimate = filter.sample(at(300), at(5310), at(320));
        assert_eq!(estimate, Estimate { offset_us: 5_000_000, rtt_us: 20_000 });
        let estimate = filter.sample(at(400), at(5500), at(600));
        assert_eq!(estimate.offset_us, 5_000_000);
    }

    #[test]
    fn an_old_sample_does_not_count_however_quick_it_was() {
        let mut filter = Filter::default();
        filter.sample(at(0), at(1), at(2));
        let estimate = filter.sample(at(40_000), at(40_020), at(40_020));
        assert_eq!(estimate.offset_us, 10_000);
    }

    #[test]
    fn a_quick_pong_is_believed_for_half_a_minute_of_a_call() {
        let mut filter = Filter::default();
        filter.sample(at(0), at(1), at(2));
        for second in 1..=29 {
            for ms in [second * 1000 - 500, second * 1000] {
                let estimate = filter.sample(at(ms), at(ms + 90), at(ms + 100));
                assert_eq!(estimate, Estimate { offset_us: 0, rtt_us: 2_000 });
            }
        }
    }

    #[test]
    fn the_wildest_clock_is_still_a_clock() {
        let clock = PeerClock::new();
        assert_eq!(clock.to_ours(at(1)), None);
        let estimate = Filter::default().sample(at(1), Time::from_micros(u64::MAX), at(2));
        clock.set(estimate.offset_us);
        assert!(clock.to_ours(Time::default()).is_some());
        assert!(clock.to_ours(Time::from_micros(u64::MAX)).is_some());
        clock.forget();
        assert_eq!(clock.to_ours(at(1)), None);
    }
}
