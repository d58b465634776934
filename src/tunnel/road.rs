//! What an inner session runs on: through the relay or directly, and what the TCP connection beneath
//! brings.
//!
//! An SSH packet shows itself only when all of it is there. On a thin line a still takes longer than a
//! lane may be silent, and holds up the lane beside it. So whoever suspects a silence looks at the bytes
//! that came instead: on its own connection, on any of ours for the relay, on its own for a peer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
        Flow::of(std::slice::from_ref(self), self)
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

/// What one peer sends, on whatever roads its lanes run.
///
/// Our line to the relay may be well while the peer's is full, so nothing but what the peer itself sends
/// speaks for or against it. Its pongs cannot: in a silence there are none.
#[derive(Debug, Default)]
pub(super) struct Roads {
    lanes: Mutex<[Pulse; 2]>,
    /// For the answers alone.
    answers: Pulse,
}

impl Roads {
    fn lanes(&self) -> MutexGuard<'_, [Pulse; 2]> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The peer's session on `lane` runs on this from now on.
    pub(super) fn take(&self, lane: Lane, pulse: Pulse) {
        self.lanes()[lane as usize] = pulse;
    }

    /// What came at `now` was on its way for so long.
    pub(super) fn came(&self, trip: Duration, now: Time) {
        self.answers.answered(trip, now);
    }

    /// Look at them from now on.
    pub(super) fn flow(&self) -> Flow {
        Flow::of(&*self.lanes(), &self.answers)
    }
}

/// Tells a line that is full from one that is dead.
///
/// ```text
///  bytes come   quickly    so the line is
///  no           no         dead
///  yes          no         full: what is silent may wait in a queue
///  yes          yes        well: what is silent has itself to blame
/// ```
/// What is quick is the answer of a relay, or a picture of a peer.
pub(super) struct Flow {
    /// Each with its bytes at the last look.
    marks: Vec<(Arc<Beats>, u64)>,
    answers: Arc<Beats>,
}

impl Flow {
    fn of(pulses: &[Pulse], answers: &Pulse) -> Self {
        let mark =
            |pulse: &Pulse| (Arc::clone(&pulse.own), pulse.own.bytes.load(Ordering::Relaxed));
        Self { marks: pulses.iter().map(mark).collect(), answers: Arc::clone(&answers.own) }
    }

    /// Whether more came since the last look than the answers to pings.
    pub(super) fn has_moved(&mut self) -> bool {
        let since = |(beats, mark): &mut (Arc<Beats>, u64)| {
            let bytes = beats.bytes.load(Ordering::Relaxed);
            bytes - std::mem::replace(mark, bytes)
        };
        self.marks.iter_mut().map(since).sum::<u64>() >= MOVING
    }

    /// The same, some of it well after something was last `heard` of what is silent, and nothing came
    /// quickly of late.
    pub(super) fn is_full(&mut self, heard: Time, now: Time) -> bool {
        let last = self.marks.iter().map(|(beats, _)| beats.last.load(Ordering::Relaxed)).max();
        let last = Time::from_micros(last.unwrap_or_default());
        let quick = Time::from_micros(self.answers.quick.load(Ordering::Relaxed));
        // What came before the silence began says nothing of it, nor what came quickly as it began.
        let went_on = last >= heard + SILENCE_IN_CALL / 4;
        self.has_moved() && went_on && now.since(quick) >= SILENCE_IN_CALL / 2
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
        let heard = now - SILENCE_IN_CALL;
        assert!(!flow.is_full(heard, now), "nothing came");
        other.beat(100);
        assert!(!flow.is_full(heard, now), "the answers to pings");
        other.beat(20_000);
        assert!(!own.has_moved());
        assert!(flow.is_full(heard, now));
        other.beat(20_000);
        all.answered(Duration::from_secs(2), now);
        assert!(flow.is_full(heard, now));
        other.beat(20_000);
        assert!(!flow.is_full(now, now + SILENCE_IN_CALL), "all of it came as the silence began");
        other.beat(20_000);
        all.answered(Duration::from_millis(40), now - SILENCE_IN_CALL);
        assert!(flow.is_full(heard, now));
        other.beat(20_000);
        all.answered(Duration::from_millis(40), now - SILENCE_IN_CALL / 4);
        assert!(!flow.is_full(heard, now));
    }

    #[test]
    fn a_peer_is_judged_by_what_it_sends_and_not_by_our_line_or_by_others() {
        let (all, roads) = (Pulse::default(), Roads::default());
        let [voice, video, other] = [(); 3].map(|()| all.branch());
        roads.take(Lane::Voice, voice.clone());
        roads.take(Lane::Video, video.clone());
        let mut flow = roads.flow();
        let now = clock::now();
        let heard = now - SILENCE_IN_CALL;
        other.beat(20_000);
        assert!(!flow.is_full(heard, now), "another peer's bytes");
        // The peer's line became thin: our relay answers at once, its pictures trickle in.
        all.answered(Duration::from_millis(40), now);
        roads.came(Duration::from_millis(100), now - SILENCE_IN_CALL);
        video.beat(20_000);
        assert!(flow.is_full(heard, now));
        roads.came(Duration::from_secs(2), now);
        video.beat(20_000);
        assert!(flow.is_full(heard, now), "what came late");
        // Its voice connection died and its pictures do not suffer, whether there is a relay or none.
        roads.came(Duration::from_millis(100), now);
        video.beat(20_000);
        assert!(!flow.is_full(heard, now));
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
