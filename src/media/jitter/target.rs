//! How long sound is to be held back, from how late packets were; pure.
//!
//! ```text
//! arrival − capture ─> over the fastest of the last 3 s = lateness ─┬─> forgetting histogram ─> 95 % ─┐
//!                                                                   └─> stalls that come again ───────┴─> max
//! ```
//! The fastest is of so short a time that a queue which stands on the way is soon taken for the way
//! itself: nothing is held back for what is always there. A single stall is caught up at once; the
//! second one within seconds says that there will be a third (Wi-Fi that sleeps, a cell that hands
//! over), and then its height is held for as long as they come.

use std::collections::VecDeque;
use std::time::Duration;

use super::CEILING;
use crate::clock::Time;

/// The least that is held back: wake-ups alone spread that much.
pub const FLOOR: Duration = Duration::from_millis(4);
/// The fastest packet of this long says how long the way is.
const BASE_SLOT: Duration = Duration::from_millis(500);
const BASE_SLOTS: usize = 6;
/// A packet's weight falls to a third in this time.
const MEMORY: f64 = 2.0;
/// What share of packets is to be in time by the histogram alone.
const SHARE: f64 = 0.95;
/// Lateness of one bin of the histogram, in µs, and how many there are: up to 400 ms.
const BIN: u64 = 2_000;
const BINS: usize = 200;
/// Lateness over the histogram's answer that makes a packet the peak of a stall.
const PEAK: Duration = Duration::from_millis(20);
/// Late packets this soon after a peak belong to the same stall.
const SAME_STALL: Duration = Duration::from_millis(100);
/// Peaks that are further apart are chance.
const PEAK_MEMORY: Duration = Duration::from_secs(4);

/// What arrivals say of the way.
#[derive(Debug)]
pub struct Target {
    /// Fastest transit, in µs, of slots of time, newest last.
    fastest: VecDeque<(Time, i64)>,
    bins: Box<[f64; BINS]>,
    /// Weight of the next packet; all others weigh less by having been added earlier.
    weight: f64,
    total: f64,
    last: Option<Time>,
    /// When and how high.
    peaks: VecDeque<(Time, Duration)>,
    usual: Duration,
    wanted: Duration,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            fastest: VecDeque::with_capacity(BASE_SLOTS),
            bins: Box::new([0.0; BINS]),
            weight: 1.0,
            total: 0.0,
            last: None,
            peaks: VecDeque::new(),
            usual: FLOOR,
            wanted: FLOOR,
        }
    }
}

impl Target {
    /// A packet came whose arrival minus capture is `transit` µs (the clocks need not agree); how
    /// much later that is than the fastest.
    pub fn arrived(&mut self, transit: i64, now: Time) -> Duration {
        self.note_fastest(transit, now);
        let late = u64::try_from(transit - self.fastest()).unwrap_or(0);
        let late = Duration::from_micros(late);
        self.note_peak(late, now);
        self.note_usual(late, now);
        let again = self.stall_to_come(now);
        self.wanted = self.usual.max(again).clamp(FLOOR, CEILING);
        late
    }

    /// What to hold back, over the fastest packet.
    pub fn wanted(&self) -> Duration {
        self.wanted
    }

    /// The least arrival minus capture of late, in µs.
    pub fn fastest(&self) -> i64 {
        self.fastest.iter().map(|(_, transit)| *transit).min().unwrap_or(0)
    }

    fn note_fastest(&mut self, transit: i64, now: Time) {
        match self.fastest.back_mut() {
            Some((began, least)) if now.since(*began) < BASE_SLOT => *least = transit.min(*least),
            _ => self.fastest.push_back((now, transit)),
        }
        let window = BASE_SLOT * BASE_SLOTS as u32;
        self.fastest.retain(|(began, _)| now.since(*began) < window);
    }

    fn note_usual(&mut self, late: Duration, now: Time) {
        let since = self.last.replace(now).map_or(0.0, |last| now.since(last).as_secs_f64());
        self.weight *= (since.min(10.0) / MEMORY).exp();
        let bin = usize::try_from(late.as_micros() as u64 / BIN).unwrap_or(BINS).min(BINS - 1);
        self.bins[bin] += self.weight;
        self.total += self.weight;
        if self.weight > 1e9 {
            self.bins.iter_mut().for_each(|weight| *weight /= self.weight);
            self.total /= self.weight;
            self.weight = 1.0;
        }
        let mut below = 0.0;
        let bin = self.bins.iter().position(|weight| {
            below += weight;
            below >= self.total * SHARE
        });
        self.usual = Duration::from_micros((bin.unwrap_or(BINS - 1) as u64 + 1) * BIN);
    }

    fn note_peak(&mut self, late: Duration, now: Time) {
        if late < self.usual + PEAK && late < PEAK + PEAK {
            return;
        }
        match self.peaks.back_mut() {
            Some((at, height)) if now.since(*at) < SAME_STALL => *height = late.max(*height),
            _ => {
                if self.peaks.len() >= 8 {
                    self.peaks.pop_front();
                }
                self.peaks.push_back((now, late));
            }
        }
    }

    /// The height of the stalls that keep coming, if they do.
    fn stall_to_come(&mut self, now: Time) -> Duration {
        self.peaks.retain(|(at, _)| now.since(*at) < 2 * PEAK_MEMORY);
        let recent = |peak: &&(Time, Duration)| now.since(peak.0) < PEAK_MEMORY;
        if self.peaks.len() < 2 || self.peaks.iter().filter(recent).count() == 0 {
            return Duration::ZERO;
        }
        self.peaks.iter().map(|(_, height)| *height).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Packets every 20 ms from `from` to `to` ms, each `late(ms)` ms late.
    fn come(target: &mut Target, from: u64, to: u64, late: impl Fn(u64) -> u64) {
        for ms in (from..to).step_by(20) {
            let late = late(ms);
            target
                .arrived(((50 + late) * 1000).cast_signed(), Time::from_micros((ms + late) * 1000));
        }
    }

    #[test]
    fn a_clean_way_needs_next_to_nothing() {
        let mut target = Target::default();
        come(&mut target, 0, 5000, |_| 0);
        assert_eq!(target.wanted(), FLOOR);
    }

    #[test]
    fn a_spread_is_held_while_it_lasts_and_let_go_within_seconds() {
        let mut target = Target::default();
        come(&mut target, 0, 5000, |ms| ms / 20 * 7919 % 60);
        assert!(target.wanted() >= MS(50), "{:?}", target.wanted());
        come(&mut target, 5000, 11_000, |_| 0);
        assert!(target.wanted() <= MS(10), "{:?}", target.wanted());
    }

    #[test]
    fn one_stall_is_forgotten_and_two_are_a_habit() {
        let stall = |begin: u64| move |ms: u64| (begin + 200).saturating_sub(ms.max(begin)) % 200;
        let mut target = Target::default();
        come(&mut target, 0, 3000, |_| 0);
        come(&mut target, 3000, 3200, stall(3000));
        come(&mut target, 3200, 3400, |_| 0);
        assert!(target.wanted() < MS(200));
        come(&mut target, 3400, 4400, |_| 0);
        come(&mut target, 4400, 4600, stall(4400));
        come(&mut target, 4600, 4700, |_| 0);
        assert!(target.wanted() >= MS(170), "{:?}", target.wanted());
        come(&mut target, 4700, 14_000, |_| 0);
        assert!(target.wanted() <= MS(10), "{:?}", target.wanted());
    }

    #[test]
    fn a_queue_that_stands_is_soon_the_way_itself() {
        let mut target = Target::default();
        come(&mut target, 0, 3000, |_| 0);
        come(&mut target, 3000, 13_000, |_| 400);
        assert!(target.wanted() <= MS(10), "{:?}", target.wanted());
        assert_eq!(target.fastest(), 450_000);
    }
}
