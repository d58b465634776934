//! Ctrl-C, SIGTERM and a terminal that is gone (SIGHUP) as a [`Stop`].
//!
//! The signals are blocked and read from a descriptor by a thread of their own: no handler runs
//! anywhere. Call it first, since only threads started later have them blocked too. Once is a clean
//! stop; twice ends the process at once.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::stop::{Stop, stop_pair};

/// The stop that comes with SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// The system has no descriptor or thread to give.
pub fn stop_on_signals() -> io::Result<Stop> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block()?;
    let descriptor = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
    let (stopper, stop) = stop_pair();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut first = Some(stopper);
        loop {
            match descriptor.read_signal() {
                Ok(Some(signal)) => match first.take() {
                    Some(stopper) => drop(stopper),
                    None => std::process::exit(128 + i32::try_from(signal.ssi_signo).unwrap_or(0)),
                },
                Ok(None) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => {
                    tracing::error!("wait for signals: {error}");
                    return;
                }
            }
        }
    })?;
    Ok(stop)
}
