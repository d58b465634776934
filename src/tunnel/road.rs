//! What an inner session runs on: through the relay or directly, and what the TCP connection beneath
//! brings.
//!
//! An SSH packet shows itself only when all of it is there. On a thin line a still takes longer than a
//! lane may be silent, and holds up the lane beside it. So whoever suspects a silence looks at the bytes
//! that moved instead: on its own connection, or on any of ours.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

use super::Path;
use super::alive::SILENCE_IN_CALL;
use super::options::Lane;
use crate::clock;
use crate::clock::Time;
use crate::device::tcp_flow::acknowledged;

/// Bytes in the time of a silence which say that something large is on its way; the answers to pings
/// alone are fewer.
const MOVING: u64 = 1024;

/// Bytes that one look at a connection takes from it: an SSH packet, whatever is in it.
const READ_AHEAD: usize = 32 * 1024;

/// An answer this quick comes over a line that is not full.
const QUICK: Duration = Duration::from_millis(500);

/// What has come over a TCP connection so far, or over all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse {
    own: Arc<Beats>,
    all: Option<Arc<Beats>>,
}

#[derive(Debug, Default)]
struct Beats {
    bytes: AtomicU64,
    /// In µs of our clock.
    last: AtomicU64,
    /// When a quick answer last came, likewise.
    quick: AtomicU64,
    /// The connection, for as long as it is one.
    socket: Mutex<Option<OwnedFd>>,
    /// Those that this one is the sum of.
    branches: Mutex<Vec<Weak<Beats>>>,
}

impl Beats {
    /// Bytes that the other ends acknowledged, and when one of them last said so.
    fn acknowledged(&self) -> (u64, Time) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let known = socket.as_ref().and_then(|socket| acknowledged(socket).ok());
        let own = known.map(|known| (known.bytes, clock::now() - known.ago));
        drop(socket);
        let branches = self.branches.lock().unwrap_or_else(PoisonError::into_inner);
        let branches = branches.iter().filter_map(Weak::upgrade).map(|one| one.acknowledged());
        let sum =
            |(bytes, at): (u64, Time), (more, then): (u64, Time)| (bytes + more, at.max(then));
        branches.chain(own).fold((0, Time::default()), sum)
    }
}

impl Pulse {
    /// That of a connection, one of those that this one is the sum of.
    pub(super) fn branch(&self) -> Self {
        let own = Arc::<Beats>::default();
        let mut branches = self.own.branches.lock().unwrap_or_else(PoisonError::into_inner);
        branches.retain(|branch| branch.strong_count() > 0);
        branches.push(Arc::downgrade(&own));
        Self { own, all: Some(Arc::clone(&self.own)) }
    }

    /// Count what comes over `stream`.
    pub(super) fn of(&self, stream: TcpStream) -> Felt {
        // Without a second handle, what is acknowledged is not known, and the bytes that come are all.
        self.connected(stream.as_fd().try_clone_to_owned().ok());
        Felt { stream: BufReader::with_capacity(READ_AHEAD, stream), pulse: self.clone() }
    }

    fn connected(&self, socket: Option<OwnedFd>) {
        *self.own.socket.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }

    /// Look at it from now on.
    pub(super) fn flow(&self) -> Flow {
        let mark = self.own.bytes.load(Ordering::Relaxed);
        Flow { pulse: self.clone(), mark, acknowledged: self.own.acknowledged().0 }
    }

    /// When the last ones did; the clock's start before any.
    pub(super) fn last(&self) -> Time {
        Time::from_micros(self.own.last.load(Ordering::Relaxed))
    }

    /// An answer came at `now` to what was asked `trip` before.
    pub(super) fn answered(&self, trip: Duration, now: Time) {
        if trip < QUICK {
            self.own.quick.store(now.micros(), Ordering::Relaxed);
        }
    }

    fn beat(&self, bytes: usize) {
        let now = clock::now().micros();
        for beats in [Some(&self.own), self.all.as_ref()].into_iter().flatten() {
            beats.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            beats.last.store(now, Ordering::Relaxed);
        }
    }
}

/// Tells a line that is full from one that is dead.
///
/// ```text
///  bytes move   quick answers    so the line is
///  no           no               dead
///  yes          no               full: what is silent may wait in a queue
///  yes          yes              well: what is silent has itself to blame
/// ```
/// They move when they come, or when the other end's kernel acknowledges ours: where our own pictures
/// fill the line, nothing else does. Those from the last look on count, which was up to a ping's pause
/// before the silence began. So a line that dies in the middle of pictures is taken for full once, and
/// has until a silence after the last that moved.
pub(super) struct Flow {
    pulse: Pulse,
    mark: u64,
    acknowledged: u64,
}

impl Flow {
    /// Whether more came since the last look than the answers to pings.
    pub(super) fn has_moved(&mut self) -> bool {
        let bytes = self.pulse.own.bytes.load(Ordering::Relaxed);
        bytes - std::mem::replace(&mut self.mark, bytes) >= MOVING
    }

    /// More moves, either way, and no answer came quickly of late: when it last did.
    pub(super) fn is_full(&mut self, now: Time) -> Option<Time> {
        let quick = Time::from_micros(self.pulse.own.quick.load(Ordering::Relaxed));
        let came = self.has_moved().then(|| self.pulse.last());
        let (bytes, at) = self.pulse.own.acknowledged();
        let before = std::mem::replace(&mut self.acknowledged, bytes);
        let went = (bytes.saturating_sub(before) >= MOVING).then_some(at);
        came.max(went).filter(|_| now.since(quick) >= SILENCE_IN_CALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn a_line_is_full_when_things_come_and_no_answer_is_quick() {
        let all = Pulse::default();
        let (one, other) = (all.branch(), all.branch());
        let (mut flow, mut own) = (all.flow(), one.flow());
        // Of the real clock, which the bytes are noted by.
        let now = clock::now();
        assert_eq!(flow.is_full(now), None, "nothing came");
        other.beat(100);
        assert_eq!(flow.is_full(now), None, "the answers to pings");
        other.beat(20_000);
        assert!(!own.has_moved());
        assert_eq!(flow.is_full(now), Some(other.last()));
        other.beat(20_000);
        all.answered(Duration::from_secs(2), now);
        assert!(flow.is_full(now).is_some());
        other.beat(20_000);
        all.answered(Duration::from_millis(40), now - SILENCE_IN_CALL);
        assert!(flow.is_full(now).is_some());
        other.beat(20_000);
        all.answered(Duration::from_millis(40), now - SILENCE_IN_CALL / 4);
        assert_eq!(flow.is_full(now), None);
    }

    #[tokio::test]
    async fn a_line_is_full_when_only_what_we_write_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let all = Pulse::default();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut ours = all.branch().of(stream);
        let (mut theirs, _) = listener.accept().await.unwrap();
        let (mut flow, began) = (all.flow(), clock::now());
        ours.write_all(&[0; 5000]).await.unwrap();
        theirs.read_exact(&mut [0; 5000]).await.unwrap();
        theirs.write_all(b"!").await.unwrap();
        ours.read_exact(&mut [0]).await.unwrap();
        let since = flow.is_full(clock::now()).unwrap();
        // The kernel counts in ticks of up to ten milliseconds.
        assert!(since + Duration::from_millis(20) >= began);
        assert_eq!(flow.is_full(clock::now()), None, "and then nothing moved");
        drop(ours);
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0, "a second handle holds nothing open");
    }
}

/// A connection whose bytes are counted. SSH asks for a packet's length and then for the packet: what
/// there is is read at once.
pub(super) struct Felt {
    stream: BufReader<TcpStream>,
    pulse: Pulse,
}

impl Drop for Felt {
    fn drop(&mut self) {
        // The stream is closed with it, and only then the other end hears of that.
        self.pulse.connected(None);
    }
}

impl AsyncRead for Felt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = buf.filled().len() - before;
        if came > 0 {
            self.pulse.beat(came);
        }
        polled
    }
}

impl AsyncWrite for Felt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How a session runs.
#[derive(Clone, Debug)]
pub(super) struct Road {
    /// As people are told.
    pub(super) path: Path,
    /// The outer session it runs through.
    pub(super) via: Option<Lane>,
    /// Our address, where it does not.
    pub(super) local: Option<IpAddr>,
    /// Of the TCP connection at the bottom.
    pub(super) pulse: Pulse,
}

impl Road {
    /// Through the relay, by the outer session of this lane.
    pub(super) fn relay(lane: Lane, pulse: Pulse) -> Self {
        Self { path: Path::Relay, via: Some(lane), local: None, pulse }
    }

    /// Without a relay, to or from `address`; `local` is our end, where it is known.
    pub(super) fn direct(address: String, local: io::Result<SocketAddr>, pulse: Pulse) -> Self {
        let local = local.ok().map(|local| local.ip());
        Self { path: Path::Direct(address), via: None, local, pulse }
    }
}
