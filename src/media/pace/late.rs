//! Pictures that came late one after the other, and what they say together: pure.

use super::line::micros_between;
use crate::clock::Time;

/// So many samples say something.
const ENOUGH: u32 = 2;

/// What some pictures carried.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    pub(super) words: u32,
    bytes: f64,
    seconds: f64,
    /// Bytes a second of the fastest.
    pub(super) best: f64,
}

impl Carried {
    /// One more, whose bytes came in so many seconds.
    pub(super) fn add(&mut self, bytes: f64, seconds: f64) {
        self.words += 1;
        self.bytes += bytes;
        self.seconds += seconds;
        self.best = self.best.max(bytes / seconds);
    }

    /// Bytes a second of all.
    pub(super) fn mean(&self) -> f64 {
        self.bytes / self.seconds
    }

    /// They are enough to say something.
    pub(super) fn tells(&self) -> bool {
        self.words >= ENOUGH
    }
}

/// A run of pictures that were all late.
#[derive(Clone, Copy, Debug)]
pub(super) struct LateRun {
    pub(super) since: Time,
    pub(super) all: Carried,
    /// The least delay, in µs.
    pub(super) least: i64,
    /// Delay of the one before, and when that began.
    before: (i64, Time),
    /// Something was cut for it.
    pub(super) cut: bool,
}

impl LateRun {
    /// One that begins with a picture that began to leave at `began` and had this `delay`.
    pub(super) fn new(delay: i64, began: Time, now: Time) -> Self {
        let all = Carried::default();
        Self { since: now, all, least: i64::MAX, before: (delay, began), cut: false }
    }

    /// One more, of these bytes and seconds. True: it waited less than the one before, as behind a
    /// stall, whose end is the same for all that waited.
    pub(super) fn add(&mut self, train: (f64, f64), delay: i64, began: Time) -> bool {
        self.all.add(train.0, train.1);
        self.least = self.least.min(delay);
        let (before, then) = std::mem::replace(&mut self.before, (delay, began));
        before.saturating_sub(delay).saturating_mul(2) > micros_between(then, began)
            && self.all.words > 1
    }
}
