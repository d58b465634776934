//! The sender: one thread that keeps a server supplied with what is in the ring.
//!
//! ```text
//!                ┌───────────────── thread `send` ─────────────────┐
//!  Ring ───────> │ supply.rs: a server over TCP, UDP or a relay    │ ~~~> server
//!                │ peer.rs:   a contact's kiosk, through the tunnel│ ~~~> its station server
//!  LinkEvent <── │ News: what is told, counted, and logged once    │
//!                └─────────────────────────────────────────────────┘
//! ```
//! Sequence and gain go on over whatever happens to the line, since both are the encoder's, which never
//! hears of it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::peer;
use super::ring::Ring;
use super::supply::{Direct, Sending};
use crate::address::HostPort;
use crate::clock::{self, Time};
use crate::identity::{Identity, PeerKey};
use crate::tunnel::{Forwarder, RelayConfig, TunnelConfig};

/// How long dropping the sender takes at most.
const STOP_LIMIT: Duration = Duration::from_millis(800);
/// Between two beats of [`SendStats::beat`].
const BEAT: Duration = Duration::from_secs(1);
/// Threads that wait for a name service; one that hangs must not keep the next attempt from it.
const NAME_THREADS: usize = 4;

/// Where sound goes.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum Destination {
    /// A server, over TCP.
    Tcp(HostPort),
    /// A server, over UDP.
    Udp(HostPort),
    /// A server that a relay can reach, as it is called there.
    Relayed {
        /// The server.
        server: HostPort,
        /// By which relay.
        relay: Box<RelayConfig>,
        /// With which login key.
        identity: Identity,
    },
    /// A contact's kiosk, which runs a station server.
    Kiosk {
        /// Who we are, its relay, and the contact.
        tunnel: Box<TunnelConfig>,
        /// The contact.
        key: PeerKey,
    },
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(server) => server.fmt(f),
            Self::Udp(server) => write!(f, "udp:{server}"),
            Self::Relayed { server, relay, .. } => write!(f, "{server} through {}", relay.host),
            Self::Kiosk { key, .. } => write!(f, "kiosk {}", key.id16()),
        }
    }
}

/// What is told while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// An attempt begins.
    Connecting,
    /// The server was reached and datagrams go; it has not answered yet.
    Online,
    /// It answered, for the first time on this connection (or the contact's kiosk is there).
    Streaming,
    /// It answered: so long after a datagram was sent.
    RoundTrip(Duration),
    /// An answer to what nobody sends any more; ignored.
    StaleAnswer,
    /// The attempt failed.
    Failed {
        /// Why.
        sentence: String,
    },
    /// The connection is over.
    Lost {
        /// Why.
        sentence: String,
    },
}

/// What is counted.
#[derive(Debug, Default)]
pub struct SendStats {
    /// Datagrams that the line has taken whole.
    pub sent: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Datagrams that a connection swallowed when it died and that went out again.
    pub again: AtomicU64,
    /// Connections made.
    pub connected: AtomicU64,
    /// Connections that ended.
    pub lost: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    /// Those of them that failed for want of an address.
    pub unresolved: AtomicU64,
    /// Answers of the server.
    pub answers: AtomicU64,
    /// Answers that were too old.
    pub stale: AtomicU64,
    /// When the thread last came round, in µs of our clock: once a second whatever the line does.
    pub beat: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl SendStats {
    /// How long ago the thread last came round.
    pub fn beat_ago(&self, now: Time) -> Duration {
        now.since(Time::from_micros(self.beat.load(Ordering::Relaxed)))
    }
}

pub(super) type EventSink = Box<dyn Fn(LinkEvent) + Send>;

/// The running sender. Dropping it ends it.
pub struct Sender {
    stats: Arc<SendStats>,
    stopping: watch::Sender<bool>,
    finished: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    /// Start the thread `send`. `events` is called in it and must not wait.
    ///
    /// # Errors
    /// The system has no thread or no poll descriptor to give.
    pub fn start(
        to: Destination,
        ring: Ring,
        events: impl Fn(LinkEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(NAME_THREADS)
            .thread_keep_alive(Duration::from_secs(1))
            .thread_name("names")
            .build()?;
        let stats = Arc::new(SendStats::default());
        let (stopping, told) = watch::channel(false);
        let (done, finished) = mpsc::channel();
        let counted = Arc::clone(&stats);
        let thread = std::thread::Builder::new().name("send".to_owned()).spawn(move || {
            tokio.block_on(async {
                tokio::select! {
                    () = send(to, ring, Box::new(events), &counted, told) => {}
                    () = beat(&counted) => {}
                }
            });
            // A thread that waits for a name service is left to itself.
            tokio.shutdown_background();
            // Nobody listening any more is fine.
            let _ = done.send(());
        })?;
        Ok(Self { stats, stopping, finished, thread: Some(thread) })
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Arc<SendStats> {
        &self.stats
    }

    /// Send what is left, for a moment, and end. False: it was not over `within`.
    pub fn stop(mut self, within: Duration) -> bool {
        self.end(within)
    }

    fn end(&mut self, within: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        self.stopping.send_replace(true);
        if self.finished.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("the sender did not stop in time");
            return false;
        }
        if thread.join().is_err() {
            tracing::error!("the sender ended with a panic");
        }
        true
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.end(STOP_LIMIT);
    }
}

async fn beat(stats: &SendStats) {
    loop {
        stats.beat.store(clock::now().micros(), Ordering::Relaxed);
        sleep(BEAT).await;
    }
}

async fn send(
    to: Destination,
    ring: Ring,
    events: EventSink,
    stats: &Arc<SendStats>,
    stopping: watch::Receiver<bool>,
) {
    let name = to.to_string();
    let (relay, to) = match to {
        Destination::Kiosk { tunnel, key } => {
            let news = News { name, events, said: None, stats: Arc::clone(stats) };
            return peer::send(*tunnel, key, ring, news, stopping).await;
        }
        Destination::Relayed { server, relay, identity } => {
            (Some(Forwarder::new(*relay, &identity)), Direct::Tcp(server))
        }
        Destination::Tcp(server) => (None, Direct::Tcp(server)),
        Destination::Udp(server) => (None, Direct::Udp(server)),
    };
    let news = News { name, events, said: None, stats: Arc::clone(stats) };
    Sending::new(to, relay, ring, news, stopping).run().await;
}

/// What people and counters hear; the same trouble again is logged once.
pub(super) struct News {
    name: String,
    events: EventSink,
    said: Option<String>,
    pub(super) stats: Arc<SendStats>,
}

impl News {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn tell(&mut self, event: LinkEvent) {
        match &event {
            LinkEvent::Failed { sentence } | LinkEvent::Lost { sentence } => {
                if self.said.as_ref() != Some(sentence) {
                    tracing::warn!("station to {}: {sentence}", self.name);
                    self.said = Some(sentence.clone());
                }
            }
            LinkEvent::Streaming => {
                tracing::info!("station to {}: streaming", self.name);
                self.said = None;
            }
            LinkEvent::Connecting
            | LinkEvent::Online
            | LinkEvent::RoundTrip(_)
            | LinkEvent::StaleAnswer => {}
        }
        (self.events)(event);
    }
}

/// Completes when it is time to stop.
pub(super) async fn told(stopping: &mut watch::Receiver<bool>) {
    // The sender's end is a stop too.
    let _ = stopping.wait_for(|stop| *stop).await;
}
