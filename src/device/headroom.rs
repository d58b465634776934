//! How much sound a loudspeaker's buffer holds: little, until the card shows that it needs more.
//!
//! ```text
//! 30 ms (USB 60) ── more than 5 times dry in 10 s ──> +30 ms ── again ──> … ──> 120 ms
//! ```
//! It never shrinks: what made a card run dry in this call will do so again. Pure; who has the card
//! tells it the time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Time;

/// A larger buffer is heard as delay more than it helps.
const MOST: Duration = Duration::from_millis(120);
const STEP: Duration = Duration::from_millis(30);
/// Running dry this often within [`WINDOW`] is chance.
const TOLERATED: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);

/// The size that is asked of the card, and what speaks for a larger one.
#[derive(Debug)]
pub struct Headroom {
    size: Duration,
    usb: Duration,
    dry: VecDeque<Time>,
}

impl Headroom {
    /// `size` to start with, `usb` on a card that hangs on USB.
    pub fn new(size: Duration, usb: Duration) -> Self {
        Self { size, usb, dry: VecDeque::new() }
    }

    /// The one in the lock.
    pub(super) fn of(shared: &Mutex<Self>) -> MutexGuard<'_, Self> {
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the buffer is to hold.
    pub fn size(&self) -> Duration {
        self.size
    }

    /// The card hangs on USB.
    pub fn on_usb(&mut self) {
        self.size = self.size.max(self.usb);
    }

    /// The card ran dry: the size it is to have from now on, if that is another one.
    pub fn ran_dry(&mut self, now: Time) -> Option<Duration> {
        self.dry.retain(|moment| now.since(*moment) < WINDOW);
        self.dry.push_back(now);
        if self.dry.len() <= TOLERATED || self.size >= MOST {
            return None;
        }
        self.dry.clear();
        self.size = (self.size + STEP).min(MOST);
        Some(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1000)
    }

    /// The sizes it grew to while the card ran dry every `every` ms, `times` times.
    fn grown(headroom: &mut Headroom, every: u64, times: u64) -> Vec<Duration> {
        (1..=times).filter_map(|n| headroom.ran_dry(at(n * every))).collect()
    }

    #[test]
    fn a_card_that_runs_dry_now_and_then_keeps_its_buffer() {
        let mut headroom = Headroom::new(MS(30), MS(60));
        assert_eq!(grown(&mut headroom, 2000, 100), []);
        assert_eq!(headroom.size(), MS(30));
    }

    #[test]
    fn a_card_that_crackles_gets_more_step_by_step_and_no_more_than_120_ms() {
        let mut headroom = Headroom::new(MS(30), MS(60));
        assert_eq!(grown(&mut headroom, 500, 5), []);
        assert_eq!(grown(&mut headroom, 500, 100), [60, 90, 120].map(MS));
        assert_eq!(headroom.size(), MS(120));
    }

    #[test]
    fn usb_starts_larger_and_what_was_learnt_stays() {
        let mut headroom = Headroom::new(MS(30), MS(60));
        headroom.on_usb();
        assert_eq!(grown(&mut headroom, 100, 6), [MS(90)]);
        headroom.on_usb();
        assert_eq!(headroom.size(), MS(90));
    }
}
