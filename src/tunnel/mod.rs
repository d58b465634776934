//! The string: how two kiosks reach each other. The only place that knows SSH.
//!
//! ```text
//!  app ── Command ──> ┌───────────── thread `tunnel` ─────────────┐
//!      <── Event ──── │ runtime: one Link machine per connection  │
//!                     │   outer voice ┐    russh clients          │──TCP──> relay (stock sshd)
//!                     │   outer video ┘    -R own sockets, -L peers'
//!                     │   door: SSH server, contacts' keys only   │<─ from the relay, or TCP direct
//!  MediaPorts         │   per peer: inner voice (control + audio) │
//!   queues  <───────> │             inner video                   │
//!                     └───────────────────────────────────────────┘
//! ```
//! Of two contacts the one with the smaller key dials; the other one *knocks* (logs in at the door
//! and leaves) when it has come back, so that it is dialled at once, and dials itself where that does
//! not happen. The inner sessions prove both
//! pinned keys, so the relay carries ciphertext and is believed in nothing.
//!
//! Dead links are noticed by silence (alive.rs) and tried again (state.rs), at once when the network
//! changes (runtime/network.rs). A dial tries the direct addresses and the relay side by side (peer.rs);
//! a call stays where it runs until that dies, an idle link moves back to the direct way when it leads
//! there again (runtime/roads.rs).
//!
//! Every stream has a task that always drains it: a stream nobody reads would hold up its whole SSH
//! connection. What arrives while no ports are attached is dropped and counted.

mod alive;
mod client;
mod clock_offset;
mod control;
mod counters;
mod cut;
mod door;
mod enrol;
mod error;
mod forward;
mod framing;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod meet;
mod options;
mod peer;
mod pipe;
mod relay;
mod road;
mod runtime;
mod state;
mod streams;
mod vigil;
mod visitor;
mod ways;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

pub use client::race;
use counters::count;
pub use counters::{Counters, Fault};
pub use enrol::enrol;
pub use forward::{ForwardError, Forwarded, Forwarder, Probe};

use crate::caps;
use crate::card::Card;
use crate::frame::{Ack, Packet};
use crate::identity::{Identity, PeerKey};
use crate::known_hosts::HostPins;
use crate::meeting::{MeetingPoint, Place, Ticket};
use crate::pairing;
use crate::queue::Queue;
use crate::wire::signal::{Media, Signal};

/// Everything the tunnel has to know.
#[derive(Clone, Debug)]
pub struct TunnelConfig {
    /// Our key: logs in at the relay and at peers' doors, and is our door's host key.
    pub identity: Identity,
    /// What we call ourselves in hello.
    pub name: String,
    /// What we can receive, as said in hello.
    pub media: Media,
    /// The OpenSSH host that we and our contacts can reach, if there is one.
    pub relay: Option<RelayConfig>,
    /// Where to listen for contacts that come directly; `None`: no listening socket at all.
    pub door: Option<SocketAddr>,
    /// Whom we know.
    pub contacts: Vec<PeerConfig>,
}

/// A relay. The login is by our identity's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// Name or address.
    pub host: String,
    /// Usually 22.
    pub port: u16,
    /// The login's name.
    pub user: String,
    /// Where the host keys stand that it may show.
    pub pins: HostPins,
    /// The folder on the relay for the sockets of all kiosks that meet there, from the root.
    /// `None`: `.twocan` in the login's home folder, which the relay tells us. Where it does not, or
    /// forwards no sockets, ports of its loopback address are used.
    pub folder: Option<String>,
    /// Where our own sockets lie at a hardened relay, which has a login and a place for each kiosk and
    /// forwards nothing else; `None`: in `folder`, under the name of our key.
    pub place: Option<Place>,
}

impl RelayConfig {
    /// How others find the kiosk that is at this relay: its login is told where it is shared. None: it is
    /// not known what the relay has to prove. Reads its pins: it may wait for the disk.
    pub fn point(&self) -> Option<MeetingPoint> {
        let line = self.pins.look_up(&self.host, self.port).key()?.to_openssh().ok()?;
        Some(MeetingPoint {
            host: self.host.parse().ok()?,
            port: self.port,
            host_key: line.parse().ok()?,
            user: self.place.is_none().then(|| self.user.parse().ok()).flatten(),
            place: self.place.clone(),
        })
    }
}

/// A contact, as far as the tunnel is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// Its pinned key.
    pub key: PeerKey,
    /// `host:port` of its door, tried in this order; each way, and the relay after them, starts 250 ms
    /// after the one before it, or when that has failed.
    pub direct: Vec<String>,
    /// Whether it may be found at the relay.
    pub via_relay: bool,
    /// Where its sockets lie there, if they are not named by its key.
    pub place: Option<Place>,
}

/// The card of the kiosk with this configuration: its name and key, where it is met, and its door if that
/// is at an address that others can know.
pub fn card_of(config: &TunnelConfig) -> Card {
    let (name, key) = (config.name.clone(), config.identity.public());
    meet::Us { name, key, door: config.door }.card(config.relay.as_ref())
}

/// What the app asks.
#[derive(Clone, Debug)]
pub enum Command {
    /// Tell a peer something. Lost, with a line in the log, when the peer is not up.
    Send {
        /// To whom.
        peer: PeerKey,
        /// What. Hello, ping and pong are the tunnel's own business.
        signal: Signal,
    },
    /// Media flows between these queues and the peer from now on, through every reconnect.
    Attach {
        /// With whom.
        peer: PeerKey,
        /// From and to where.
        ports: MediaPorts,
    },
    /// No media any more; the link stays.
    Detach {
        /// With whom.
        peer: PeerKey,
    },
    /// These are the contacts now; sessions with others end.
    SetContacts(Vec<PeerConfig>),
    /// A human asks for another attempt now, whatever was blocked or waiting.
    Retry,
    /// Pairing with a kiosk that is not known yet.
    Pair(pairing::Ask),
    /// Bring our key to the relay that the ticket is for.
    Enrol(Ticket),
    /// The relay is this one now, or none.
    SetRelay(Option<RelayConfig>),
    /// The network is paid for by the byte from now on, or not any more: outside calls, pings are as
    /// seldom as a link allows.
    SetMetered(bool),
}

/// How a session with a peer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// Through the relay.
    Relay,
    /// Without it: the address that we dialled, or that the peer came from.
    Direct(String),
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Path::Relay => f.write_str("relay"),
            Path::Direct(address) => f.write_str(address),
        }
    }
}

/// How it stands with the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayStatus {
    /// None configured, or just going down.
    Disconnected,
    /// An attempt is running.
    Connecting,
    /// Logged in, and our socket there leads to us.
    Connected,
    /// Waiting for the next attempt.
    Backoff {
        /// Why the last one failed.
        sentence: String,
        /// The relay refused our key: it may take a human.
        refused: bool,
    },
    /// A human has to look at it, then [`Command::Retry`].
    Blocked {
        /// What it is.
        sentence: String,
    },
}

/// What the app hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The relay's status changed.
    Relay(RelayStatus),
    /// A peer said hello: signals get through. Comes again after every reconnect.
    PeerUp {
        /// Who.
        peer: PeerKey,
        /// What it calls itself, cleaned.
        name: String,
        /// What it can receive.
        media: Media,
        /// How signals and voice get there. Pictures find a way of their own.
        path: Path,
    },
    /// A peer cannot be reached, or not any more.
    PeerDown {
        /// Who.
        peer: PeerKey,
        /// Why.
        sentence: String,
    },
    /// A person has to do something about it: wherever the peer might be there is another key (then only
    /// [`Command::Retry`] tries again), or it does not know us any more.
    PeerBlocked {
        /// Who.
        peer: PeerKey,
        /// What was found.
        sentence: String,
    },
    /// A peer said something.
    Signal {
        /// Who.
        peer: PeerKey,
        /// What.
        signal: Signal,
    },
    /// How the peer's clock stands, after every pong.
    Clock {
        /// Whose.
        peer: PeerKey,
        /// Its clock minus ours, in µs.
        offset_us: i64,
        /// The round trip of the best recent sample, in µs.
        rtt_us: u64,
    },
    /// How pairing goes.
    Pairing(pairing::News),
    /// The relay of the ticket has taken our key (and this is how we meet there), or has not, and why.
    Enrolled(Result<MeetingPoint, String>),
    /// The door listens for direct sessions.
    DoorOpen {
        /// Where (with the port that was found when 0 was asked for).
        address: SocketAddr,
    },
    /// The door cannot listen, or not accept; it is tried again, and [`Event::DoorOpen`] says when.
    DoorFailed {
        /// Why.
        sentence: String,
    },
}

/// The queues between the media workers and a peer. All of them newest-wins.
#[derive(Clone)]
pub struct MediaPorts {
    /// Our voice, on its way out.
    pub voice_out: Queue<Packet>,
    /// Our acknowledgements of pictures, on their way out (in the voice session).
    pub acks_out: Queue<Ack>,
    /// Our pictures (and `Same`), on their way out.
    pub pictures_out: Queue<Packet>,
    /// Bytes a second at which pictures are to be put on the line; 0: as fast as it takes them.
    pub pictures_spacing: Arc<AtomicU32>,
    /// See [`MediaPorts::blank`].
    pictures_blank: Arc<AtomicU32>,
    /// The peer's voice; `captured` is on our clock.
    pub voice_in: Queue<Packet>,
    /// The peer's acknowledgements; `arrived` is on our clock.
    pub acks_in: Queue<Ack>,
    /// The peer's pictures (and `Same`); `captured` is on our clock.
    pub pictures_in: Queue<Packet>,
    /// See [`MediaPorts::voice_alone`].
    has_pictures: bool,
    /// What went through.
    pub stats: Arc<StreamStats>,
}

impl MediaPorts {
    /// Empty ports of the usual sizes: 200 ms of sound out, 600 ms in, few pictures.
    pub fn new() -> Self {
        Self {
            voice_out: Queue::newest_wins(caps::VOICE_OUT_QUEUED),
            acks_out: Queue::newest_wins(caps::ACKS_OUT_QUEUED),
            pictures_out: Queue::newest_wins(caps::PICTURES_QUEUED),
            pictures_spacing: Arc::default(),
            pictures_blank: Arc::default(),
            voice_in: Queue::newest_wins(caps::VOICE_IN_QUEUED),
            acks_in: Queue::newest_wins(caps::ACKS_IN_QUEUED),
            pictures_in: Queue::newest_wins(caps::PICTURES_QUEUED),
            has_pictures: true,
            stats: Arc::default(),
        }
    }

    /// The same where only sound flows: no session for pictures is made for it, and nothing is said on one
    /// that is there.
    pub fn voice_alone() -> Self {
        Self { has_pictures: false, ..Self::new() }
    }

    /// Whatever of a picture is not on the line yet goes there as zeros: of a packet that has begun the
    /// receiver must have every byte, but nothing of what they said.
    pub fn blank(&self) {
        self.pictures_blank.fetch_add(1, Ordering::SeqCst);
    }
}

impl Default for MediaPorts {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MediaPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaPorts").field("stats", &self.stats).finish_non_exhaustive()
    }
}

/// What went through a pair of ports.
#[derive(Debug, Default)]
pub struct StreamStats {
    /// Payload and header bytes received.
    pub bytes_in: AtomicU64,
    /// Payload and header bytes handed to SSH.
    pub bytes_out: AtomicU64,
    /// Packets received.
    pub packets_in: AtomicU64,
    /// Packets handed to SSH.
    pub packets_out: AtomicU64,
    /// Voice packets that waited over 200 ms here and were skipped.
    pub voice_skipped: AtomicU64,
    /// Packets dropped because the peer's clock was not known yet.
    pub unclocked: AtomicU64,
}

type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// Commands that may wait; more is an error of ours.
const COMMANDS: usize = 256;
/// How long dropping the tunnel takes at most.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The running tunnel. Dropping it ends everything.
pub struct Tunnel {
    commands: Queue<Command>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    finished: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// Start the thread. `events` is called in it and must not wait: put them into a queue.
    ///
    /// # Errors
    /// The system has no thread or no poll descriptor to give.
    pub fn start(
        config: TunnelConfig,
        events: impl Fn(Event) + Send + Sync + 'static,
    ) -> io::Result<Tunnel> {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let commands = Queue::fail_on_full(COMMANDS);
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = watch::channel(false);
        let (done, finished) = mpsc::channel();
        let runtime = runtime::Runtime::new(config, Arc::new(events), Arc::clone(&counters));
        let incoming = commands.clone();
        let thread = std::thread::Builder::new().name("tunnel".to_owned()).spawn(move || {
            tokio.block_on(runtime.run(incoming, stopped));
            tokio.shutdown_background();
            // Nobody listening any more is fine.
            let _ = done.send(());
        })?;
        Ok(Tunnel { commands, counters, stop, finished, thread: Some(thread) })
    }

    /// Ask for something. Never waits.
    pub fn send(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::error!("the tunnel does not keep up with its commands; one is lost");
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Say what is still to be said to the peers, end everything. False: it was not over `within`.
    pub fn stop(mut self, within: Duration) -> bool {
        self.end(within)
    }

    fn end(&mut self, within: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        self.stop.send_replace(true);
        if self.finished.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("the tunnel did not stop in time");
            return false;
        }
        if thread.join().is_err() {
            tracing::error!("the tunnel ended with a panic");
        }
        true
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.end(STOP_LIMIT);
    }
}
