//! What an inner session runs on: through the relay or directly, and what the TCP connection beneath
//! brings.
//!
//! An SSH packet shows itself only when all of it is there. On a thin line a still takes longer than a
//! lane may be silent, and holds up the lane beside it. So whoever suspects a silence looks at the bytes
//! that came instead: on its own connection, or on any of ours.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};

use super::Path;
use super::alive::SILENCE_IN_CALL;
use super::options::Lane;
use crate::clock;
use crate::clock::Time;

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
}

impl Pulse {
    /// That of a connection, one of those that this one is the sum of.
    pub(super) fn branch(&self) -> Self {
        Self { own: Arc::default(), all: Some(Arc::clone(&self.own)) }
    }

    /// Count what comes over `stream`.
    pub(super) fn of<S: AsyncRead>(&self, stream: S) -> Felt<S> {
        let stream = BufReader::with_capacity(READ_AHEAD, stream);
        Felt { stream, pulse: self.clone() }
    }

    /// Look at it from now on.
    pub(super) fn flow(&self) -> Flow {
        let mark = self.own.bytes.load(Ordering::Relaxed);
        Flow { pulse: self.clone(), mark }
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
///  bytes come   quick answers    so the line is
///  no           no               dead
///  yes          no               full: what is silent may wait in a queue
///  yes          yes              well: what is silent has itself to blame
/// ```
/// Bytes count from the last look on, which was up to a ping's pause before the silence began: a line
/// that dies in the middle of pictures is given one silence more.
pub(super) struct Flow {
    pulse: Pulse,
    mark: u64,
}

impl Flow {
    /// Whether more came since the last look than the answers to pings.
    pub(super) fn has_moved(&mut self) -> bool {
        let bytes = self.pulse.own.bytes.load(Ordering::Relaxed);
        bytes - std::mem::replace(&mut self.mark, bytes) >= MOVING
    }

    /// The same, and no answer came quickly of late.
    pub(super) fn is_full(&mut self, now: Time) -> bool {
        let quick = Time::from_micros(self.pulse.own.quick.load(Ordering::Relaxed));
        self.has_moved() && now.since(quick) >= SILENCE_IN_CALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_full_when_things_come_and_no_answer_is_quick() {
        let all = Pulse::default();
        let (one, other) = (all.branch(), all.branch());
        let (mut flow, mut own) = (all.flow(), one.flow());
        // Of the real clock, which the bytes are noted by.
        let now = clock::now();
        assert!(!flow.is_full(now), "nothing came");
        other.beat(100);
        assert!(!flow.is_full(now), "the answers to pings");
        other.beat(20_000);
        assert!(!own.has_moved());
        assert!(flow.is_full(now));
        other.beat(20_000);
        all.answered(Duration::from_secs(2), now);
        assert!(flow.is_full(now));
        other.beat(20_000);
        all.answered(Duration::from_millis(40), now - SILENCE_IN_CALL);
        assert!(flow.is_full(now));
        other.beat(20_000);
        all.answered(Duration::from_millis(40), now - SILENCE_IN_CALL / 4);
        assert!(!flow.is_full(now));
    }
}

/// A connection whose bytes are counted. SSH asks for a packet's length and then for the packet: what
/// there is is read at once.
pub(super) struct Felt<S> {
    stream: BufReader<S>,
    pulse: Pulse,
}

impl<S: AsyncRead + Unpin> AsyncRead for Felt<S> {
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Felt<S> {
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
