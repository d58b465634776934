//! The subcommands: arguments in, parts put together, an exit code out. 0: done; 1: it could not go
//! on; 2: the arguments were wrong.

pub mod camera;
pub mod demo;
pub mod listen;
pub mod signals;
pub mod talk;
pub mod viewer;

use std::time::{Duration, Instant};

use crate::stop::Stop;

/// Wait for the stop, or for the seconds given.
fn run_until(stop: &Stop, seconds: Option<u64>) {
    const A_DAY: Duration = Duration::from_secs(86_400);
    let deadline = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let left = deadline.map_or(A_DAY, |at| at.saturating_duration_since(Instant::now()));
        if left.is_zero() || stop.sleep(left.min(A_DAY)) {
            return;
        }
    }
}
