//! News of sound cards that come and go, as a descriptor.
//!
//! ```text
//! kernel ──> udevd ──netlink──> SoundWatch ──> rest(): a wait that news cuts short
//!                                        └──> news(): is it worth to look at the cards again?
//! ```
//! What the news says does not matter: whoever hears of it looks at the cards themselves. Without
//! udevd (a container, a rescue shell) the kernel's own messages are taken. Each user has a watch
//! of its own, since news is read but once.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{MsgFlags, recv};

use crate::stop::Stop;

/// A socket that gets a message for every change.
#[derive(Debug)]
pub struct SoundWatch {
    fd: OwnedFd,
    heard: AtomicU64,
}

impl SoundWatch {
    /// Listen from now on; `None` where the system has no such news to give.
    pub fn new() -> Option<Arc<Self>> {
        match Self::listen() {
            Ok(fd) => Some(Self::of(fd)),
            Err(error) => {
                tracing::debug!("no news of sound cards: {error}");
                None
            }
        }
    }

    fn listen() -> std::io::Result<OwnedFd> {
        let builder = if Path::new("/run/udev/control").exists() {
            udev::MonitorBuilder::new()?
        } else {
            udev::MonitorBuilder::new_kernel()?
        };
        let monitor = builder.match_subsystem("sound")?.listen()?;
        // Subscription and filter belong to the socket, which lives on in the duplicate; the
        // monitor's parsing of messages, which may not change threads, is not needed.
        monitor.as_fd().try_clone_to_owned()
    }

    /// One whose news are the datagrams at `fd`.
    pub fn of(fd: OwnedFd) -> Arc<Self> {
        Arc::new(Self { fd, heard: AtomicU64::new(0) })
    }

    /// Take in all the news there is; whether there was any.
    pub fn news(&self) -> bool {
        let any = self.drain();
        self.heard.fetch_add(u64::from(any), Ordering::Relaxed);
        any
    }

    /// How often there was news so far, whoever took it in.
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    fn drain(&self) -> bool {
        let mut any = false;
        let mut message = [0; 8192];
        loop {
            match recv(self.fd.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return any,
                // More news than the socket could hold is news.
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(Errno::EINTR) => {}
                Err(_) => return any,
            }
        }
    }

    /// [`SoundWatch::rest`] where there is a watch, else a plain sleep.
    pub fn rest_with(watch: Option<&Self>, pause: Duration, stop: &Stop) -> bool {
        match watch {
            Some(watch) => watch.rest(pause, stop),
            None => {
                stop.sleep(pause);
                false
            }
        }
    }

    /// Sleep for `pause`, or until the stop, or until there is news; true for news.
    pub fn rest(&self, pause: Duration, stop: &Stop) -> bool {
        let mut fds = [
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.fd.as_fd(), PollFlags::POLLIN),
        ];
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX);
        // An interrupted sleep is a shorter sleep.
        let _ = nix::poll::poll(&mut fds, timeout);
        if stop.is_stopped() || fds[1].any() != Some(true) {
            return false;
        }
        let news = self.news();
        if !news {
            // A socket that is ready with nothing in it would make the wait a busy one.
            stop.sleep(pause);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixDatagram;
    use std::time::Instant;

    use super::*;
    use crate::stop::stop_pair;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn news_cuts_a_rest_short_and_is_taken_in_once() {
        let (_stopper, stop) = stop_pair();
        let (kernel, ours) = UnixDatagram::pair().unwrap();
        let watch = SoundWatch::of(ours.into());
        assert!(!watch.rest(Duration::from_millis(1), &stop));
        kernel.send(b"add@/devices/usb1/sound/card1").unwrap();
        kernel.send(b"change@/devices/usb1/sound/card1").unwrap();
        assert!(watch.rest(LONG, &stop));
        assert!(!watch.news());
        assert_eq!(watch.heard(), 1);
    }

    #[test]
    fn a_stop_ends_a_rest_and_is_no_news() {
        let (stopper, stop) = stop_pair();
        let (_kernel, ours) = UnixDatagram::pair().unwrap();
        stopper.stop();
        assert!(!SoundWatch::of(ours.into()).rest(LONG, &stop));
    }

    #[test]
    fn a_socket_that_is_ready_without_news_does_not_make_the_rest_a_busy_one() {
        let (_stopper, stop) = stop_pair();
        let (mut writer, reader) = std::os::unix::net::UnixStream::pair().unwrap();
        writer.write_all(b"").unwrap();
        drop(writer);
        let watch = SoundWatch::of(reader.into());
        let began = Instant::now();
        assert!(!watch.rest(Duration::from_millis(50), &stop));
        assert!(began.elapsed() >= Duration::from_millis(50));
    }
}
