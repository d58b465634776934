//! When the next picture may go: credits that the receiver's acknowledgements give back.
//!
//! A full socket is no measure on a path through SSH, whose windows and relay hold seconds of
//! pictures unseen. So a picture goes when fewer than 2 are unacknowledged, or fewer than 6 and the
//! oldest of them is younger than 2·base + 60 ms, where `base` is the path at its best: the least
//! time from sending to acknowledgement, slowly rising. Measured through a 0.6 Mbit/s relay this
//! keeps pictures at 0.12 s where blocking writes let them grow 15 s old.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Time;

/// Unacknowledged pictures that are always allowed.
const ALWAYS: usize = 2;
/// Unacknowledged pictures that are never exceeded.
const NEVER_OVER: usize = 6;
/// What the oldest may be over twice the base.
const GRACE: Duration = Duration::from_millis(60);
/// How fast the base rises, so that a path that grew longer is learnt: 5 ms in a second.
const RISE_PER_SECOND: f64 = 0.005;
/// A picture without word for this long is taken for lost: acknowledgements may be, and a gate
/// that waits for them would be shut for ever. This leaves a still every two seconds.
const FORGOTTEN: Duration = Duration::from_secs(2);

/// The gate. Pure: `now` is an argument.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    unacknowledged: VecDeque<(u32, Time)>,
    base: Option<Duration>,
    measured: Time,
    lost: u64,
}

impl Pace {
    /// A gate that knows nothing of the path yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a picture may go now. Only an acknowledgement, or two seconds, opens a closed gate.
    pub fn may_send(&mut self, now: Time) -> bool {
        while self.unacknowledged.front().is_some_and(|(_, at)| now.since(*at) > FORGOTTEN) {
            self.unacknowledged.pop_front();
            self.lost += 1;
        }
        let Some((_, oldest)) = self.unacknowledged.front() else { return true };
        let waiting = self.unacknowledged.len();
        // Before the first word nothing is known of the path: no burst into it.
        let young = self.base.is_some_and(|base| now.since(*oldest) < base * 2 + GRACE);
        waiting < ALWAYS || waiting < NEVER_OVER && young
    }

    /// The picture `sequence` was handed to the path.
    pub fn sent(&mut self, sequence: u32, now: Time) {
        self.unacknowledged.push_back((sequence, now));
    }

    /// The receiver's word on `sequence` came: it and all before it are there or given up. How long
    /// that took; `None` when it was not waited for.
    pub fn acknowledged(&mut self, sequence: u32, now: Time) -> Option<Duration> {
        let at = self.unacknowledged.iter().position(|(number, _)| *number == sequence)?;
        let (_, sent) = self.unacknowledged.drain(..=at).next_back()?;
        let took = now.since(sent);
        let risen = self.base.map(|base| {
            base + Duration::from_secs_f64(now.since(self.measured).as_secs_f64() * RISE_PER_SECOND)
        });
        self.base = Some(risen.map_or(took, |risen| risen.min(took)));
        self.measured = now;
        Some(took)
    }

    /// The least time from sending to acknowledgement, slowly rising.
    pub fn base(&self) -> Option<Duration> {
        self.base
    }

    /// Pictures nobody has said a word about in two seconds.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1000)
    }

    #[test]
    fn two_pictures_go_unacknowledged_and_the_third_waits_for_a_word() {
        let mut pace = Pace::new();
        for (sequence, ms) in [(0, 0), (1, 100)] {
            assert!(pace.may_send(at(ms)));
            pace.sent(sequence, at(ms));
        }
        assert!(!pace.may_send(at(100)));
        assert_eq!(pace.acknowledged(0, at(140)), Some(Duration::from_millis(140)));
        assert!(pace.may_send(at(140)));
    }

    #[test]
    fn up_to_six_are_on_their_way_while_the_oldest_is_young() {
        let mut pace = Pace::new();
        pace.sent(0, at(0));
        assert_eq!(pace.acknowledged(0, at(40)), Some(Duration::from_millis(40)));
        for sequence in 1..=5 {
            assert!(pace.may_send(at(100)), "{sequence}");
            pace.sent(sequence, at(100));
        }
        assert!(pace.may_send(at(239)));
        assert!(!pace.may_send(at(241)));
        pace.sent(6, at(239));
        assert!(!pace.may_send(at(239)));
    }

    #[test]
    fn a_word_on_a_later_picture_settles_the_earlier_ones() {
        let mut pace = Pace::new();
        pace.sent(0, at(0));
        pace.sent(1, at(1));
        assert!(pace.acknowledged(1, at(30)).is_some());
        assert_eq!(pace.acknowledged(0, at(31)), None);
        assert_eq!(pace.acknowledged(77, at(31)), None);
        assert!(pace.may_send(at(31)));
    }

    #[test]
    fn silence_opens_the_gate_once_in_two_seconds() {
        let mut pace = Pace::new();
        pace.sent(0, at(0));
        pace.sent(1, at(0));
        assert!(!pace.may_send(at(2000)));
        assert!(pace.may_send(at(2001)));
        assert_eq!(pace.lost(), 2);
    }

    #[test]
    fn the_base_falls_at_once_and_rises_slowly() {
        let mut pace = Pace::new();
        for (sequence, took) in [(0, 100), (1, 20), (2, 80)] {
            pace.sent(sequence, at(1000 * u64::from(sequence)));
            pace.acknowledged(sequence, at(1000 * u64::from(sequence) + took));
        }
        let base = pace.base().unwrap();
        assert!(base > Duration::from_millis(20) && base < Duration::from_millis(30), "{base:?}");
    }

    proptest! {
        #[test]
        fn never_more_than_six_are_unacknowledged(
            steps in prop::collection::vec((0u64..200, any::<bool>()), 0..300),
        ) {
            let (mut pace, mut now, mut next) = (Pace::new(), 0, 0u32);
            for (wait, acknowledge) in steps {
                now += wait;
                if pace.may_send(at(now)) {
                    pace.sent(next, at(now));
                    next += 1;
                }
                prop_assert!(pace.unacknowledged.len() <= NEVER_OVER);
                if acknowledge && next > 0 {
                    pace.acknowledged(next - 1, at(now));
                    prop_assert!(pace.may_send(at(now)));
                }
            }
        }
    }
}
