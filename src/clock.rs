//! The one clock that decides anything: CLOCK_MONOTONIC in microseconds.
//!
//! State machines take a [`Time`] as an argument and never ask for one. The wall clock is only for
//! what people read (when a call was), so a Raspberry Pi that wakes up in 1970 drops nothing.

use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment on this machine's CLOCK_MONOTONIC, in microseconds since an arbitrary start (boot).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment `micros` microseconds after the clock's start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock's start.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This moment, held within an hour of `now`: what a peer says of time may be anything.
    pub fn near(self, now: Time) -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        self.clamp(now - HOUR, now + HOUR)
    }

    /// This moment moved by a signed number of microseconds, held at the clock's ends.
    pub const fn offset(self, micros: i64) -> Self {
        Self(self.0.saturating_add_signed(micros))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(micros(duration)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        Time(self.0.saturating_sub(micros(duration)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Now, on CLOCK_MONOTONIC: comparable between processes of one machine.
pub fn now() -> Time {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .expect("CLOCK_MONOTONIC exists on every Linux");
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec()).unwrap_or(0);
    Time(seconds * 1_000_000 + nanos / 1_000)
}

/// Seconds since the Unix epoch by the wall clock, for people to read; 0 before 1970.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Microseconds since the Unix epoch by the wall clock, for what others read; 0 before 1970.
pub fn unix_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
}

/// The wall clock's time at `moment`, in microseconds since the Unix epoch: by how far apart the clocks
/// are now, so that a clock that is set shows at once. The closest of three looks at both counts.
pub fn unix_micros_at(moment: Time) -> u64 {
    let look = || {
        let (before, wall, after) = (now(), unix_micros(), now());
        (after.since(before), wall, before)
    };
    let looks = [look(), look(), look()];
    let (took, wall, before) =
        looks.into_iter().min_by_key(|(took, ..)| *took).expect("three looks");
    let middle = before + took / 2;
    wall.saturating_add_signed(moment.0 as i64 - middle.0 as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_our_clock_is_the_walls_of_then() {
        let moment = now();
        let wall = unix_micros();
        let (then, an_hour_on) =
            (unix_micros_at(moment), unix_micros_at(moment + Duration::from_secs(3600)));
        // Whoever sets the clock in between has bad luck; a machine that halts does not matter.
        assert!(wall.abs_diff(then) < 60_000_000, "{wall} {then}");
        assert!(an_hour_on.abs_diff(then + 3_600_000_000) < 1_000_000);
    }
}
