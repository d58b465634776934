//! How long sound is to be held back, from how late packets were; pure.
//!
//! ```text
//! arrival − capture ─> over the fastest of the last 3 s = lateness ─> forgetting histogram ─> 99 %
//! ```
//! A packet that is late raises it at once, since one in a hundred is more than may be late; what it
//! was raised by is forgotten within seconds. A cut that no ceiling would have covered teaches nothing,
//! nor does what waited behind it. The fastest is of so short a time that a queue which
//! stands on the way is soon taken for the way itself: nothing is held back for what is always there.
//! Share and memory are those that came out best in [`trial`](crate::media::trial); a detector of
//! stalls that come again, as others have, came out worse than this histogram alone.

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
const MEMORY: f64 = 3.0;
/// What share of packets is to be in time.
const SHARE: f64 = 0.99;
/// Lateness of one bin of the histogram, in µs, and how many there are: up to 400 ms.
const BIN: u64 = 2_000;
const BINS: usize = 200;
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
    /// What the lateness in `bins` is measured against.
    base: Option<i64>,
    /// Since something was later than is ever held back, nothing was in time.
    beyond: bool,
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
            base: None,
            beyond: false,
            wanted: FLOOR,
        }
    }
}

impl Target {
    /// A packet came whose arrival minus capture is `transit` µs (the clocks need not agree); how
    /// much later that is than the fastest.
    pub fn arrived(&mut self, transit: i64, now: Time) -> Duration {
        self.note_fastest(transit, now);
        self.forgive_longer_way();
        let late = u64::try_from(transit - self.fastest()).unwrap_or(0);
        let late = Duration::from_micros(late);
        self.beyond = late > CEILING || self.beyond && late > self.wanted;
        if !self.beyond {
            self.note(late, now);
        }
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

    /// Where the way itself got longer, what came late by the old one was less late by the new one.
    fn forgive_longer_way(&mut self) {
        let fastest = self.fastest();
        let longer = fastest - self.base.unwrap_or(fastest);
        // Whole bins only; what is left over waits.
        let bins = usize::try_from(longer / BIN as i64).unwrap_or(0);
        if longer < 0 || self.base.is_none() {
            self.base = Some(fastest);
        }
        if bins == 0 {
            return;
        }
        self.base = self.base.map(|base| base + bins as i64 * BIN as i64);
        let first = bins.min(BINS - 1);
        let forgiven: f64 = self.bins[..=first].iter().sum();
        self.bins.copy_within(first.., 0);
        self.bins[0] = forgiven;
        self.bins[BINS - first..].fill(0.0);
    }

    fn note(&mut self, late: Duration, now: Time) {
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
        let usual = Duration::from_micros((bin.unwrap_or(BINS - 1) as u64 + 1) * BIN);
        self.wanted = usual.clamp(FLOOR, CEILING);
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
    fn a_spread_is_held_while_it_lasts_and_let_go_afterwards() {
        let mut target = Target::default();
        come(&mut target, 0, 5000, |ms| ms / 20 * 7919 % 60);
        assert!(target.wanted() >= MS(50), "{:?}", target.wanted());
        come(&mut target, 5000, 20_000, |_| 0);
        assert!(target.wanted() <= MS(10), "{:?}", target.wanted());
    }

    #[test]
    fn a_stall_raises_it_at_once_and_is_forgotten_within_seconds() {
        let stall = |ms: u64| 3200u64.saturating_sub(ms);
        let mut target = Target::default();
        come(&mut target, 0, 3000, |_| 0);
        come(&mut target, 3000, 3060, stall);
        assert!(target.wanted() >= MS(150), "{:?}", target.wanted());
        come(&mut target, 3060, 3200, stall);
        come(&mut target, 3200, 11_000, |_| 0);
        assert!(target.wanted() <= MS(10), "{:?}", target.wanted());
    }

    #[test]
    fn a_cut_that_nothing_could_bridge_does_not_hold_back_what_comes_after_it() {
        let mut target = Target::default();
        come(&mut target, 0, 3000, |_| 0);
        come(&mut target, 3000, 4200, |ms| 4200 - ms);
        come(&mut target, 4200, 5000, |_| 0);
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
