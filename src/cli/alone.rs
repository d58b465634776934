//! How a worker that runs alone comes to its end: by a signal, its time, or because nothing is left
//! to do.
//!
//! A device that fails is opened again, for it may come back. A file that can't be written will not:
//! its worker is not started again, and [`Last`] ends the command, which writes its statistics and
//! exits with 1.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::stop::{Stop, Stopper};
use crate::supervisor::{Restart, Worker, WorkerError};

/// A worker without which there is nothing to do: when its thread has ended, for whatever reason,
/// so has the run.
pub(super) struct Last<W> {
    worker: W,
    ended: Arc<Stopper>,
}

impl<W> Last<W> {
    pub(super) fn new(worker: W, ended: &Arc<Stopper>) -> Self {
        Self { worker, ended: Arc::clone(ended) }
    }
}

impl<W: Worker> Worker for Last<W> {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        self.worker.run_once(stop)
    }

    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        self.worker.rest(pause, stop)
    }
}

impl<W> Drop for Last<W> {
    fn drop(&mut self) {
        self.ended.stop();
    }
}

/// How a sink's worker is started again.
pub(super) fn restart(is_file: bool) -> Restart {
    if is_file { Restart::Never } else { Restart::DEVICE }
}

/// Wait for one of the stops (a signal, the run's own end), or for the seconds given.
pub(super) fn wait(stops: &[&Stop], seconds: Option<u64>) {
    const A_DAY: Duration = Duration::from_secs(86_400);
    let deadline = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while !stops.iter().any(|stop| stop.is_stopped()) {
        let left = deadline.map_or(A_DAY, |at| at.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return;
        }
        let fds = stops.iter().map(|stop| PollFd::new(stop.as_fd(), PollFlags::POLLIN));
        let mut fds: Vec<PollFd> = fds.collect();
        let left = left.min(A_DAY) + Duration::from_micros(999);
        // An interrupted wait is a shorter one.
        let _ = nix::poll::poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::stop_pair;
    use crate::supervisor::Supervisor;

    #[test]
    fn the_end_of_the_last_worker_ends_the_wait_and_a_restarted_one_does_not() {
        let (_stopper, stop) = stop_pair();
        let (stopper, ended) = stop_pair();
        let stopper = Arc::new(stopper);
        let mut runs = 0;
        let worker = move |_: &Stop| {
            runs += 1;
            if runs < 3 { Err("not yet".into()) } else { Ok(()) }
        };
        let mut supervisor = Supervisor::new();
        let health =
            supervisor.start("last", Restart::DEVICE, Last::new(worker, &stopper)).unwrap();
        wait(&[&stop, &ended], None);
        assert_eq!(health.failures(), 2);
    }
}
