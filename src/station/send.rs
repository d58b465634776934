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
//! hears of it. The thread is a worker: should it fail, or panic, the supervisor begins it anew, and what
//! is in the ring waits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::cause::Cause;
use super::peer;
use super::ring::Ring;
use super::supply::{Direct, Sending};
use crate::address::HostPort;
use crate::clock;
use crate::identity::{Identity, PeerKey};
use crate::stop::Stop;
use crate::supervisor::{Health, Restart, Supervisor, Worker, WorkerError};
use crate::tunnel::{Forwarder, RelayConfig, TunnelConfig};

/// How long dropping the sender takes at most.
const STOP_LIMIT: Duration = Duration::from_millis(800);
/// Between two beats of [`SendStats::beat`].
const BEAT: Duration = Duration::from_secs(1);
/// A worker that could not begin is tried again without haste.
const AGAIN: Restart =
    Restart::Backoff { first: Duration::from_millis(500), most: Duration::from_secs(8) };
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
        /// Why, for people,
        sentence: String,
        /// and for the event log.
        cause: Cause,
    },
    /// The connection is over.
    Lost {
        /// Why, for people,
        sentence: String,
        /// and for the event log.
        cause: Cause,
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
    /// Bytes that came from the server and were no answer.
    pub junk: AtomicU64,
    /// When the thread last came round, in µs of our clock: once a second whatever the line does.
    pub beat: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(super) type EventSink = Arc<dyn Fn(LinkEvent) + Send + Sync>;

/// The running sender. Dropping it ends it.
pub struct Sender {
    stats: Arc<SendStats>,
    health: Arc<Health>,
    workers: Supervisor,
}

impl Sender {
    /// Start the thread `send`. `events` is called in it and must not wait.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(
        to: Destination,
        ring: Ring,
        events: impl Fn(LinkEvent) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let stats = Arc::new(SendStats::default());
        let mut workers = Supervisor::new();
        let events: EventSink = Arc::new(events);
        let counted = Arc::clone(&stats);
        let sends = Sends { to, ring, events, stats: counted };
        let health = workers.start("send", AGAIN, sends)?;
        Ok(Self { stats, health, workers })
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Arc<SendStats> {
        &self.stats
    }

    /// What became of its thread so far.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Send what is left, for a moment, and end. False: it was not over `within`.
    pub fn stop(mut self, within: Duration) -> bool {
        self.workers.stop_within(within).is_empty()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.workers.stop_within(STOP_LIMIT);
    }
}

/// The worker.
struct Sends {
    to: Destination,
    ring: Ring,
    events: EventSink,
    stats: Arc<SendStats>,
}

impl Sends {
    /// A connection of which nobody was told that it ended, ended with the panic of who had it.
    fn end_the_last(&self, news: &mut News) {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        if now(&self.stats.connected) > now(&self.stats.lost) {
            count(&self.stats.lost);
            let sentence = "the sender began anew".to_owned();
            news.tell(LinkEvent::Lost { sentence, cause: Cause::Panic });
        }
    }

    async fn send(&self, stop: &Stop) -> Result<(), WorkerError> {
        let mut news = News {
            name: self.to.to_string(),
            events: Arc::clone(&self.events),
            said: None,
            stats: Arc::clone(&self.stats),
        };
        self.end_the_last(&mut news);
        let ring = self.ring.clone();
        let (relay, to) = match self.to.clone() {
            Destination::Kiosk { tunnel, key } => {
                return peer::send(*tunnel, key, ring, news, stop).await;
            }
            Destination::Relayed { server, relay, identity } => {
                (Some(Forwarder::new(*relay, &identity)), Direct::Tcp(server))
            }
            Destination::Tcp(server) => (None, Direct::Tcp(server)),
            Destination::Udp(server) => (None, Direct::Udp(server)),
        };
        Sending::new(to, relay, ring, news, stop.clone()).run().await;
        Ok(())
    }
}

impl Worker for Sends {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(NAME_THREADS)
            .thread_keep_alive(Duration::from_secs(1))
            .thread_name("names")
            .build()?;
        let done = tokio.block_on(async {
            tokio::select! {
                done = self.send(stop) => done,
                () = beat(&self.stats) => Ok(()),
            }
        });
        // A thread that waits for a name service is left to itself.
        tokio.shutdown_background();
        done
    }
}

async fn beat(stats: &SendStats) {
    loop {
        stats.beat.store(clock::now().micros(), Ordering::Relaxed);
        sleep(BEAT).await;
    }
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
            LinkEvent::Failed { sentence, .. } | LinkEvent::Lost { sentence, .. } => {
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

    #[cfg(test)]
    pub(super) fn to_nobody(stats: Arc<SendStats>) -> Self {
        Self { name: "nobody".to_owned(), events: Arc::new(|_| {}), said: None, stats }
    }

    /// The attempt failed before it was one; the supervisor logs why.
    pub(super) fn cannot(&self, sentence: String, cause: Cause) -> WorkerError {
        count(&self.stats.failed);
        (self.events)(LinkEvent::Failed { sentence: sentence.clone(), cause });
        sentence.into()
    }
}
