//! The tunnel's one loop: commands and news in, events out; it owns every link and every session.
//!
//! Each outer session and each lane of each peer has a [`Link`] machine that says when to try;
//! attempts run in tasks of their own and come back as [`News`]. Nothing here waits for a peer.
//!
//! Of two contacts the smaller key dials. The other one knocks; where that brings no session in 2 s,
//! or nobody was there, the way may lead in one direction only, and it *stands in*: it dials too.
//! When both do, the smaller key decides: while its own session lives it refuses the other's, while
//! the other's lives it dials none; the larger key gives its own up for any that comes.

mod happenings;
mod links;
mod network;
mod relays;
mod roads;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use russh::client::Handle;
use ssh_key::PrivateKey;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::client::Pinned;
use super::clock_offset::Estimate;
use super::control::Control;
use super::cut::Cut;
use super::door::{Door, Subsystem};
use super::error::TunnelError;
use super::meet::{self, Desk, Meet, Point};
use super::options::Lane;
use super::peer::{Dialled, Failure};
use super::relay::Outer;
use super::road::Road;
use super::state::{self, Link};
use super::streams::{End, Shared, Stream};
use super::vigil::Times;
use super::ways::Aside;
use super::{
    Command, Counters, Event, EventSink, PeerConfig, RelayConfig, RelayStatus, TunnelConfig,
};
use crate::clock;
use crate::device::network_news::Network;
use crate::identity::PeerKey;
use crate::pairing::Ask;
use crate::queue::Queue;
use crate::wire::signal::{self, Media, Signal};

/// News that may wait; a task that has more waits itself.
const NEWS: usize = 256;
/// What people ask of pairing that may wait.
const ASKS: usize = 16;
/// How long the last words to the peers may take.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long an idle loop sleeps at most: only a limit, everything that happens wakes it.
const LONG: Duration = Duration::from_secs(3600);

/// Names a session; never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionId(u64);

impl SessionId {
    /// One that was not there before.
    pub(super) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// What the tasks report.
pub(super) enum News {
    /// An attempt at the relay succeeded.
    OuterUp(Lane, SessionId, Arc<Outer>),
    /// An attempt at the relay failed.
    OuterFailed(Lane, SessionId, TunnelError),
    /// The session with the relay ended.
    OuterLost(Lane, SessionId, String),
    /// A dial came to its end.
    Dialled(PeerKey, Lane, SessionId, Result<Dialled, Failure>),
    /// A look for a better road than that of the session named first came to its end.
    Looked(PeerKey, SessionId, Option<Dialled>, Duration),
    /// We are in another network.
    Network(Network),
    /// A knock was not heard.
    NotHeard(PeerKey, TunnelError),
    /// The one who is to dial had time enough to do so.
    Unanswered(PeerKey),
    /// A contact logged in at our door.
    Visited(PeerKey),
    /// A contact opened a stream at our door.
    Opened(Opened),
    /// The first signal.
    Hello { peer: PeerKey, session: SessionId, name: String, media: Media },
    /// A signal for the app.
    Signal { peer: PeerKey, session: SessionId, signal: Signal },
    /// A pong.
    Clock { peer: PeerKey, session: SessionId, estimate: Estimate },
    /// A stream ended, and with it its session.
    Ended { peer: PeerKey, lane: Lane, session: SessionId, end: End },
    /// The door listens.
    DoorOpen(SocketAddr),
    /// The door cannot listen.
    DoorFailed(String),
}

/// A stream of an inner session, ready to be used.
pub(super) struct Opened {
    /// With whom.
    pub(super) peer: PeerKey,
    /// In which session.
    pub(super) session: SessionId,
    /// Ends that session.
    pub(super) cut: Cut,
    /// Keeps that session, if we dialled it.
    pub(super) keep: Option<Arc<Handle<Pinned>>>,
    /// What it runs on.
    pub(super) road: Road,
    /// Which stream it is.
    pub(super) subsystem: Subsystem,
    /// The stream.
    pub(super) stream: Stream,
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Task {
    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One inner session in use. Dropping it ends it.
struct Session {
    id: SessionId,
    cut: Cut,
    road: Road,
    control: Option<Arc<Control>>,
    /// The peer said hello.
    up: bool,
    tasks: Vec<Task>,
    /// There if we dialled it.
    keep: Option<Arc<Handle<Pinned>>>,
}

impl Session {
    fn is_ours(&self) -> bool {
        self.keep.is_some()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cut.cut();
    }
}

/// One lane to the relay.
struct OuterSlot {
    link: Link,
    attempt: Option<SessionId>,
    task: Option<Task>,
    outer: Option<Arc<Outer>>,
}

impl OuterSlot {
    fn new() -> Self {
        Self { link: Link::new(), attempt: None, task: None, outer: None }
    }
}

/// One lane to a peer.
struct Slot {
    link: Link,
    attempt: Option<SessionId>,
    dial: Option<Task>,
    /// The way through the relay, as dials know it.
    outer: watch::Sender<Option<Arc<Outer>>>,
    session: Option<Session>,
}

impl Slot {
    fn new(outer: Option<Arc<Outer>>) -> Self {
        let outer = watch::Sender::new(outer);
        Self { link: Link::new(), attempt: None, dial: None, outer, session: None }
    }
}

struct Peer {
    config: PeerConfig,
    /// We are the one to dial: our key is the smaller one.
    dials: bool,
    /// We are not, but the other one could not, for each lane.
    stands_in: [bool; 2],
    shared: Arc<Shared>,
    slots: [Slot; 2],
    knocks: [Option<Task>; 2],
    /// Looks for a better road while there is no call.
    look: Option<Task>,
    aside: Arc<Aside>,
    /// The last sentence the app was told, so that none is told twice.
    told: Option<String>,
}

impl Peer {
    fn voice(&mut self) -> &mut Slot {
        &mut self.slots[Lane::Voice as usize]
    }

    /// The peer has dialled the session on a lane.
    fn has_foreign(&self, lane: Lane) -> bool {
        self.slots[lane as usize].session.as_ref().is_some_and(|session| !session.is_ours())
    }

    /// We have dialled the session on a lane.
    fn has_own(&self, lane: Lane) -> bool {
        self.slots[lane as usize].session.as_ref().is_some_and(Session::is_ours)
    }

    /// Something flows, or is to flow, on a lane. Voice is part of all that flows.
    fn is_attached(&self, lane: Lane) -> bool {
        self.shared.attached(lane).is_some()
    }
}

/// Which link.
#[derive(Clone, Copy)]
enum Which {
    Outer(Lane),
    Peer(PeerKey, Lane),
}

/// See the top of the file.
pub(super) struct Runtime {
    me: PeerKey,
    key: Arc<PrivateKey>,
    hello: Signal,
    relay: Option<Arc<RelayConfig>>,
    listen: Option<SocketAddr>,
    door: Arc<Door>,
    events: EventSink,
    counters: Arc<Counters>,
    news: mpsc::Sender<News>,
    heard: mpsc::Receiver<News>,
    outers: [OuterSlot; 2],
    in_call: watch::Sender<bool>,
    metered: watch::Sender<bool>,
    peers: BTreeMap<PeerKey, Peer>,
    status: RelayStatus,
    /// A ticket that is being brought.
    enrolment: Option<Task>,
    /// Where strangers come to, and what pairing knows of the relay.
    desk: Arc<Desk>,
    us: meet::Us,
    point: watch::Sender<Point>,
    asks: mpsc::Sender<Ask>,
    asked: Option<mpsc::Receiver<Ask>>,
    tasks: Vec<Task>,
}

impl Runtime {
    /// One that has not begun yet.
    pub(super) fn new(config: TunnelConfig, events: EventSink, counters: Arc<Counters>) -> Self {
        let TunnelConfig { identity, name, media, relay, door: listen, contacts } = config;
        let (news, heard) = mpsc::channel(NEWS);
        let (asks, asked) = mpsc::channel(ASKS);
        let relay = relay.map(Arc::new);
        let us = meet::Us { name: name.clone(), key: identity.public(), door: listen };
        let key = identity.private_key().clone();
        let door = Door::new(key.clone(), news.clone(), Arc::clone(&counters));
        let mut runtime = Self {
            me: identity.public(),
            key: Arc::new(key),
            hello: Signal::Hello { version: signal::VERSION, name, media },
            relay: relay.clone(),
            listen,
            door: Arc::new(door),
            events,
            counters,
            news,
            heard,
            outers: Lane::ALL.map(|_| OuterSlot::new()),
            in_call: watch::Sender::new(false),
            metered: watch::Sender::new(false),
            peers: BTreeMap::new(),
            status: RelayStatus::Disconnected,
            enrolment: None,
            desk: Arc::default(),
            us,
            point: watch::Sender::new(Point { outer: None, relay }),
            asks,
            asked: Some(asked),
            tasks: Vec::new(),
        };
        runtime.keep_contacts(contacts);
        runtime
    }

    /// Run until told to stop.
    pub(super) async fn run(mut self, commands: Queue<Command>, mut stop: watch::Receiver<bool>) {
        self.tasks.push(Task::spawn(network::watch(self.news.clone())));
        if let Some(asks) = self.asked.take() {
            let (us, point) = (self.us.clone(), self.point.subscribe());
            let (desk, events) = (Arc::clone(&self.desk), Arc::clone(&self.events));
            self.tasks.push(Task::spawn(Meet { us, point, desk, asks, events }.run()));
        }
        if let Some(address) = self.listen {
            self.tasks.push(Task::spawn(Arc::clone(&self.door).listen(address)));
        }
        if self.relay.is_some() {
            for lane in Lane::ALL {
                self.drive(Which::Outer(lane), state::Event::Want(true));
            }
        }
        self.want_peers();
        self.knock_all(Lane::Voice);
        loop {
            let wake = self.wake_in();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                news = self.heard.recv() => {
                    self.take_news(news.expect("the runtime holds a sender itself"));
                }
                command = commands.next() => {
                    if let Some(command) = command {
                        self.obey(command);
                    }
                }
                () = tokio::time::sleep(wake) => self.wake(),
            }
        }
        // What was asked before the stop still counts: a last bye above all.
        while let Some(command) = commands.try_receive() {
            self.obey(command);
        }
        self.last_words().await;
    }

    async fn last_words(&mut self) {
        let controls = self.peers.values().filter_map(|peer| {
            let session = peer.slots[Lane::Voice as usize].session.as_ref()?;
            session.control.clone().filter(|_| session.up)
        });
        let controls: Vec<_> = controls.collect();
        let said = async {
            for control in controls {
                control.flushed().await;
            }
        };
        // A peer that does not answer in time is not waited for.
        let mut heard = std::pin::pin!(tokio::time::timeout(LAST_WORDS, said));
        loop {
            tokio::select! {
                _ = &mut heard => break,
                // The tasks must not wait for us meanwhile.
                _ = self.heard.recv() => {}
            }
        }
        self.peers.clear();
        for outer in self.outers.iter().filter_map(|slot| slot.outer.as_ref()) {
            // The ends of the inner sessions are on their way through it.
            let _ = tokio::time::timeout(LAST_WORDS, outer.flush()).await;
        }
    }

    fn wake_in(&self) -> Duration {
        let peers = self.peers.values().flat_map(|peer| peer.slots.iter().map(|slot| &slot.link));
        let links = self.outers.iter().map(|slot| &slot.link).chain(peers);
        let first = links.filter_map(Link::wake_at).min();
        first.map_or(LONG, |at| at.since(clock::now()))
    }

    fn wake(&mut self) {
        for lane in Lane::ALL {
            self.drive(Which::Outer(lane), state::Event::Wake);
        }
        for peer in self.keys() {
            for lane in Lane::ALL {
                self.drive(Which::Peer(peer, lane), state::Event::Wake);
            }
        }
    }

    fn keys(&self) -> Vec<PeerKey> {
        self.peers.keys().copied().collect()
    }

    fn emit(&self, event: Event) {
        (self.events)(event);
    }
}
