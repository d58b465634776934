//! The peer of `faults`: pictures from GStreamer through two `ssh` that autossh starts again when they
//! end, as people keep such strings up by hand.
//!
//! ```text
//!  tcpserversink <── autossh ssh -R ── sshd ── autossh ssh -L <── this process: connects again, reads stamps
//! ```
//! Its reader is ours and connects again at once, which is more than `tcpclientsrc` does; each `ssh` asks
//! once a second whether the other end is there (`ServerAliveInterval`).

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::lab::{self, LIMIT, Lab, Part};
use super::naive::{self, Sender};
use super::string::{Login, SshString};
use crate::cli::demo::place::Place;
use crate::cli::demo::sshd::free_port;
use crate::clock::{self, Time};
use crate::stop::{Stop, Stopper, stop_pair};

/// As a table names it.
pub(super) const NAME: &str = "autossh, GStreamer";
/// Between two attempts of the reader, and two looks at what it has read.
const AGAIN: Duration = Duration::from_millis(20);
const OFTEN: Duration = Duration::from_millis(2);

/// It can be measured here.
pub(super) fn is_installed() -> bool {
    ["autossh", "ssh", "ssh-keygen", "gst-launch-1.0"].into_iter().all(lab::installed)
}

/// Pictures that come through such a string.
pub(super) struct Kept {
    /// When the newest picture that was read had been made, in µs of our clock.
    newest: Arc<AtomicU64>,
    /// The string and its relay. What the reader waits for ends with it, and with the stop.
    pub(super) string: SshString,
    _sender: Part,
    _stopper: Stopper,
}

impl Kept {
    /// Start all of it; returns when pictures come.
    ///
    /// # Errors
    /// One of the programs ended, or no picture came in time.
    pub(super) fn start(lab: &Lab) -> anyhow::Result<Self> {
        let folder = lab.folder("keeper")?;
        let (stopper, stop) = stop_pair();
        let port = free_port()?;
        let log = folder.join("sender.log");
        let sender = naive::send(Sender::GStreamer, port, &Place::here(), &folder, &log, &stop)?;
        lab::wait_for_listener(port)?;
        let string = SshString::tie(lab, Login::Kept, port)?;
        let newest = Arc::new(AtomicU64::default());
        let (shared, at) = (Arc::clone(&newest), SocketAddr::from(([127, 0, 0, 1], string.port)));
        // It ends with the stop and the string, and nobody has to wait for that.
        std::thread::Builder::new()
            .name("eye".to_owned())
            .spawn(move || read_again_and_again(at, &shared, &stop))?;
        let kept = Self { newest, string, _sender: sender, _stopper: stopper };
        kept.back(lab, clock::now())?;
        Ok(kept)
    }

    /// When a picture was read that had been made after `fault`; [`LIMIT`] after it where none was.
    ///
    /// # Errors
    /// The bench is told to stop.
    pub(super) fn back(&self, lab: &Lab, fault: Time) -> anyhow::Result<Time> {
        while self.newest.load(Ordering::Relaxed) <= fault.micros() {
            if clock::now() > fault + LIMIT {
                return Ok(fault + LIMIT);
            }
            lab.wait(OFTEN)?;
        }
        Ok(clock::now())
    }
}

fn read_again_and_again(at: SocketAddr, newest: &AtomicU64, stop: &Stop) {
    while !stop.sleep(AGAIN) {
        let Ok(line) = TcpStream::connect_timeout(&at, AGAIN) else { continue };
        let seen = |made: Time| {
            newest.fetch_max(made.micros(), Ordering::Relaxed);
        };
        if let Err(error) = naive::watch(line, seen) {
            tracing::debug!("the reader ended: {error:#}");
        }
    }
}
