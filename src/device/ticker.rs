//! Ticks at a steady rate for the devices that have no clock of their own, by absolute deadlines:
//! one late tick makes none of the next ones late.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::clock::{self, Time};
use crate::stop::Stop;

/// A steady beat.
pub(crate) struct Ticker {
    timer: TimerFd,
    period: Duration,
    next: Time,
}

impl Ticker {
    /// `per_second` ticks (at least 1 a minute), the first one now.
    pub(crate) fn new(per_second: f64) -> nix::Result<Self> {
        let period = Duration::from_secs_f64(1.0 / per_second.max(1.0 / 60.0));
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        Ok(Self { timer, period, next: clock::now() })
    }

    /// Wait for the next tick: when it was due; `None` at the stop. Ticks that were missed by a
    /// whole period are left out.
    pub(crate) fn tick(&mut self, stop: &Stop) -> nix::Result<Option<Time>> {
        let late = clock::now().since(self.next);
        if late >= self.period {
            let missed = late.as_micros() / self.period.as_micros().max(1);
            self.next = self.next + self.period * u32::try_from(missed).unwrap_or(u32::MAX);
        }
        if late.is_zero() {
            let due = TimeSpec::from_duration(Duration::from_micros(self.next.micros()));
            self.timer.set(Expiration::OneShot(due), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            let mut fds = [
                PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            ];
            while clock::now() < self.next && !stop.is_stopped() {
                match nix::poll::poll(&mut fds, PollTimeout::NONE) {
                    Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let due = self.next;
        self.next = due + self.period;
        Ok((!stop.is_stopped()).then_some(due))
    }
}
