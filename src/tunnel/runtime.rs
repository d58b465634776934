//! The tunnel's one loop: commands and news in, events out; it owns every link and every session.
//!
//! Each outer session and each lane of each peer has a [`Link`] machine that says when to try;
//! attempts run in tasks of their own and come back as [`News`]. Nothing here waits for a peer.

use std::collections::{BTreeMap, HashSet};
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
use super::options::Lane;
use super::peer::{self, Dial, Dialled};
use super::relay::{self, Outer, Us};
use super::state::{self, Effect, FailureKind, Link, State};
use super::streams::{self, End, Shared, Stream};
use super::{
    Command, Counters, Event, EventSink, MediaPorts, PeerConfig, RelayConfig, RelayStatus,
    TunnelConfig, count,
};
use crate::clock;
use crate::identity::PeerKey;
use crate::queue::Queue;
use crate::wire::signal::{self, Media, Signal};

/// News that may wait; a task that has more waits itself.
const NEWS: usize = 256;
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
    Dialled(PeerKey, Lane, SessionId, Result<Dialled, TunnelError>),
    /// A knock was not heard.
    NotHeard(PeerKey, TunnelError),
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
    /// The outer session it runs through.
    pub(super) via: Option<Lane>,
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
    via: Option<Lane>,
    control: Option<Arc<Control>>,
    /// The peer said hello.
    up: bool,
    tasks: Vec<Task>,
    _keep: Option<Arc<Handle<Pinned>>>,
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
    check: Option<Task>,
}

/// One lane to a peer.
struct Slot {
    link: Link,
    attempt: Option<SessionId>,
    dial: Option<Task>,
    session: Option<Session>,
}

impl Slot {
    fn new() -> Self {
        Self { link: Link::new(), attempt: None, dial: None, session: None }
    }
}

struct Peer {
    config: PeerConfig,
    /// We are the one to dial.
    dials: bool,
    shared: Arc<Shared>,
    slots: [Slot; 2],
    knock: Option<Task>,
    /// The last sentence the app was told, so that none is told twice.
    told: Option<String>,
}

impl Peer {
    fn voice(&mut self) -> &mut Slot {
        &mut self.slots[Lane::Voice as usize]
    }

    fn is_attached(&self) -> bool {
        self.shared.ports.borrow().is_some()
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
    peers: BTreeMap<PeerKey, Peer>,
    status: RelayStatus,
    tasks: Vec<Task>,
}

impl Runtime {
    /// One that has not begun yet.
    pub(super) fn new(config: TunnelConfig, events: EventSink, counters: Arc<Counters>) -> Self {
        let TunnelConfig { identity, name, media, relay, door: listen, contacts } = config;
        let (news, heard) = mpsc::channel(NEWS);
        let key = identity.private_key().clone();
        let door = Door::new(key.clone(), news.clone(), Arc::clone(&counters));
        let outer =
            || OuterSlot { link: Link::new(), attempt: None, task: None, outer: None, check: None };
        let mut runtime = Self {
            me: identity.public(),
            key: Arc::new(key),
            hello: Signal::Hello { version: signal::VERSION, name, media },
            relay: relay.map(Arc::new),
            listen,
            door: Arc::new(door),
            events,
            counters,
            news,
            heard,
            outers: [outer(), outer()],
            peers: BTreeMap::new(),
            status: RelayStatus::Disconnected,
            tasks: Vec::new(),
        };
        runtime.keep_contacts(contacts);
        runtime
    }

    /// Run until told to stop.
    pub(super) async fn run(mut self, commands: Queue<Command>, mut stop: watch::Receiver<bool>) {
        if let Some(address) = self.listen {
            self.tasks.push(Task::spawn(Arc::clone(&self.door).listen(address)));
        }
        if self.relay.is_some() {
            for lane in Lane::ALL {
                self.drive(Which::Outer(lane), state::Event::Want(true));
            }
        }
        self.want_peers();
        self.knock_all();
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

    // ---- links -------------------------------------------------------------------------------

    fn drive(&mut self, which: Which, event: state::Event) {
        let link = match which {
            Which::Outer(lane) => &mut self.outers[lane as usize].link,
            Which::Peer(peer, lane) => match self.peers.get_mut(&peer) {
                Some(peer) => &mut peer.slots[lane as usize].link,
                None => return,
            },
        };
        let before = link.state().clone();
        let effect = link.handle(event, clock::now(), jitter());
        let changed = *link.state() != before;
        match effect {
            Some(Effect::Connect) => self.connect(which),
            Some(Effect::Disconnect) => {
                self.disconnect(which);
                self.drive(which, state::Event::Ended);
            }
            None => {}
        }
        if changed {
            match which {
                Which::Outer(lane) => self.tell_outer(lane),
                Which::Peer(peer, lane) => self.tell_peer(peer, lane),
            }
        }
    }

    fn connect(&mut self, which: Which) {
        let id = SessionId::next();
        let news = self.news.clone();
        match which {
            Which::Outer(lane) => {
                let Some(relay) = self.relay.clone() else { return };
                let us =
                    Us { key: Arc::clone(&self.key), peer: self.me, door: Arc::clone(&self.door) };
                let slot = &mut self.outers[lane as usize];
                slot.attempt = Some(id);
                slot.outer = None;
                slot.task = Some(Task::spawn(keep_outer(relay, lane, us, id, news)));
            }
            Which::Peer(key, lane) => {
                let Some(dial) = self.dial(key, lane) else { return };
                let Some(peer) = self.peers.get_mut(&key) else { return };
                let slot = &mut peer.slots[lane as usize];
                slot.attempt = Some(id);
                slot.dial = Some(Task::spawn(async move {
                    let result = dial.run().await;
                    // The runtime is gone: nobody asks any more.
                    let _ = news.send(News::Dialled(key, lane, id, result)).await;
                }));
            }
        }
    }

    fn disconnect(&mut self, which: Which) {
        match which {
            Which::Outer(lane) => {
                let slot = &mut self.outers[lane as usize];
                (slot.attempt, slot.task, slot.outer) = (None, None, None);
            }
            Which::Peer(peer, lane) => {
                let Some(peer) = self.peers.get_mut(&peer) else { return };
                let slot = &mut peer.slots[lane as usize];
                (slot.attempt, slot.dial, slot.session) = (None, None, None);
            }
        }
    }

    fn dial(&self, key: PeerKey, lane: Lane) -> Option<Dial> {
        let peer = self.peers.get(&key)?.config.clone();
        let outer = self.outers[lane as usize].outer.clone();
        Some(Dial { peer, lane, key: Arc::clone(&self.key), outer })
    }

    fn tell_outer(&mut self, lane: Lane) {
        let state = self.outers[lane as usize].link.state().clone();
        if let State::Backoff { sentence, .. } | State::Blocked { sentence } = &state {
            tracing::warn!("{} session: {sentence}", lane.name());
        }
        if lane == Lane::Video {
            return;
        }
        let status = match state {
            State::Disconnected | State::Disconnecting => RelayStatus::Disconnected,
            State::Connecting => RelayStatus::Connecting,
            State::Connected => RelayStatus::Connected,
            State::Backoff { sentence, .. } => RelayStatus::Backoff { sentence },
            State::Blocked { sentence } => RelayStatus::Blocked { sentence },
        };
        if status != self.status {
            self.status = status.clone();
            self.emit(Event::Relay(status));
        }
    }

    fn tell_peer(&mut self, key: PeerKey, lane: Lane) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let (sentence, blocked) = match peer.slots[lane as usize].link.state() {
            State::Backoff { sentence, .. } => (sentence.clone(), false),
            State::Blocked { sentence } => (sentence.clone(), true),
            State::Disconnected | State::Connecting | State::Connected | State::Disconnecting => {
                return;
            }
        };
        if lane == Lane::Video {
            tracing::debug!("pictures: {sentence}");
            return;
        }
        if peer.told.as_ref() == Some(&sentence) {
            return;
        }
        peer.told = Some(sentence.clone());
        tracing::info!("{sentence}");
        self.emit(if blocked {
            Event::PeerBlocked { peer: key, sentence }
        } else {
            Event::PeerDown { peer: key, sentence }
        });
    }

    /// Bring what is wanted of the peers' links up to what is possible and asked for.
    fn want_peers(&mut self) {
        for key in self.keys() {
            for lane in Lane::ALL {
                let way = self.has_way(key, lane);
                let Some(peer) = self.peers.get(&key) else { continue };
                let asked = peer.dials && (lane == Lane::Voice || peer.is_attached());
                let alive = peer.slots[lane as usize].session.is_some();
                self.drive(Which::Peer(key, lane), state::Event::Want(asked && (way || alive)));
            }
        }
    }

    fn has_way(&self, key: PeerKey, lane: Lane) -> bool {
        self.peers.get(&key).is_some_and(|peer| {
            let outer = self.outers[lane as usize].outer.is_some();
            !peer.config.direct.is_empty() || (peer.config.via_relay && outer)
        })
    }

    fn set_in_call(&mut self) {
        let any = self.peers.values().any(Peer::is_attached);
        for lane in Lane::ALL {
            self.drive(Which::Outer(lane), state::Event::InCall(any));
        }
        for key in self.keys() {
            let attached = self.peers.get(&key).is_some_and(Peer::is_attached);
            for lane in Lane::ALL {
                self.drive(Which::Peer(key, lane), state::Event::InCall(attached));
            }
        }
    }

    /// Tell those who dial us that we are here, unless they know.
    fn knock_all(&mut self) {
        for key in self.keys() {
            self.knock(key);
        }
    }

    fn knock(&mut self, key: PeerKey) {
        let Some(dial) = self.dial(key, Lane::Voice).filter(|_| self.has_way(key, Lane::Voice))
        else {
            return;
        };
        let news = self.news.clone();
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.dials || peer.voice().session.is_some() {
            return;
        }
        peer.knock = Some(Task::spawn(async move {
            if let Err(error) = dial.knock().await {
                // The runtime is gone: nobody asks any more.
                let _ = news.send(News::NotHeard(key, error)).await;
            }
        }));
    }

    fn doubt_outer(&mut self, lane: Lane) {
        let slot = &mut self.outers[lane as usize];
        if let Some(outer) = slot.outer.clone() {
            // Its end comes as news by itself.
            slot.check = Some(Task::spawn(async move { outer.check().await }));
        }
    }

    // ---- news --------------------------------------------------------------------------------

    fn take_news(&mut self, news: News) {
        match news {
            News::OuterUp(lane, id, outer) => self.outer_up(lane, id, outer),
            News::OuterFailed(lane, id, error) => {
                if self.outers[lane as usize].attempt == Some(id) {
                    let failed = state::Event::Failed(error.kind(), error.to_string());
                    self.drive(Which::Outer(lane), failed);
                }
            }
            News::OuterLost(lane, id, reason) => {
                if self.outers[lane as usize].attempt == Some(id) {
                    self.outers[lane as usize].outer = None;
                    let host = self.relay.as_ref().map_or("", |relay| &relay.host);
                    let sentence = format!("the session with relay {host} ended: {reason}");
                    self.drive(Which::Outer(lane), state::Event::Lost(sentence));
                    self.want_peers();
                }
            }
            News::Dialled(peer, lane, id, result) => self.dialled(peer, lane, id, result),
            News::NotHeard(peer, error) => self.not_heard(peer, &error),
            News::Visited(peer) => self.visited(peer),
            News::Opened(opened) => self.opened(opened),
            News::Hello { peer, session, name, media } => self.hello(peer, session, name, media),
            News::Signal { peer, session, signal } => {
                if self.is_voice(peer, session) {
                    self.emit(Event::Signal { peer, signal });
                }
            }
            News::Clock { peer, session, estimate: Estimate { offset_us, rtt_us } } => {
                if self.is_voice(peer, session) {
                    self.emit(Event::Clock { peer, offset_us, rtt_us });
                }
            }
            News::Ended { peer, lane, session, end } => self.ended(peer, lane, session, &end),
            News::DoorOpen(address) => self.emit(Event::DoorOpen { address }),
            News::DoorFailed(sentence) => {
                tracing::warn!("door: {sentence}");
                self.emit(Event::DoorFailed { sentence });
            }
        }
    }

    fn outer_up(&mut self, lane: Lane, id: SessionId, outer: Arc<Outer>) {
        let slot = &mut self.outers[lane as usize];
        if slot.attempt != Some(id) {
            return;
        }
        slot.outer = Some(outer);
        tracing::info!("the relay listens for us ({})", lane.name());
        self.drive(Which::Outer(lane), state::Event::Up);
        self.want_peers();
        for key in self.keys() {
            self.drive(Which::Peer(key, lane), state::Event::Kick);
        }
        if lane == Lane::Voice {
            self.knock_all();
        }
    }

    fn dialled(
        &mut self,
        key: PeerKey,
        lane: Lane,
        id: SessionId,
        result: Result<Dialled, TunnelError>,
    ) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let slot = &mut peer.slots[lane as usize];
        if slot.attempt != Some(id) {
            return;
        }
        slot.dial = None;
        match result {
            Ok(Dialled { handle, cut, streams, via_relay }) => {
                let via = via_relay.then_some(lane);
                for (subsystem, stream) in streams {
                    let (cut, keep) = (cut.clone(), Some(Arc::clone(&handle)));
                    let session = id;
                    self.opened(Opened { peer: key, session, cut, keep, via, subsystem, stream });
                }
                self.drive(Which::Peer(key, lane), state::Event::Up);
            }
            Err(error) => {
                if matches!(error, TunnelError::TimedOut { .. }) {
                    self.doubt_outer(lane);
                }
                let failed = state::Event::Failed(error.kind(), error.to_string());
                self.drive(Which::Peer(key, lane), failed);
            }
        }
    }

    fn not_heard(&mut self, key: PeerKey, error: &TunnelError) {
        tracing::debug!("knock: {error}");
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let sentence = error.to_string();
        if peer.voice().session.is_some() || peer.told.as_ref() == Some(&sentence) {
            return;
        }
        peer.told = Some(sentence.clone());
        self.emit(match error.kind() {
            FailureKind::KeyChanged => Event::PeerBlocked { peer: key, sentence },
            FailureKind::Trouble | FailureKind::LoginRefused => {
                Event::PeerDown { peer: key, sentence }
            }
        });
    }

    /// A contact that does not dial us has knocked: it is back, and any session we have is old.
    fn visited(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.dials) else { return };
        match peer.voice().session.as_ref().and_then(|session| session.control.as_ref()) {
            Some(control) => control.doubt(),
            None => self.drive(Which::Peer(key, Lane::Voice), state::Event::Kick),
        }
    }

    fn opened(&mut self, opened: Opened) {
        let Opened { peer: key, session: id, cut, keep, via, subsystem, stream } = opened;
        let lane = match subsystem {
            Subsystem::Control | Subsystem::Audio => Lane::Voice,
            Subsystem::Video => Lane::Video,
        };
        if subsystem != Subsystem::Audio {
            // The newest session of a contact is the one it uses.
            self.end_session(key, lane, "replaced by a newer session");
        }
        let news = self.news.clone();
        let hello = self.hello.clone();
        let Some(peer) = self.peers.get_mut(&key) else { return cut.cut() };
        let shared = Arc::clone(&peer.shared);
        let slot = &mut peer.slots[lane as usize];
        if subsystem == Subsystem::Audio {
            let Some(session) = slot.session.as_mut().filter(|session| session.id == id) else {
                tracing::info!("{}: a sound stream without a control stream", peer::who(key));
                return cut.cut();
            };
            let Stream { read, write } = stream;
            let reading = streams::read_packets(read, lane, Arc::clone(&shared));
            let writing = streams::write_packets(write, lane, shared);
            session.tasks.push(watch_over(reading, key, lane, id, news.clone()));
            session.tasks.push(watch_over(writing, key, lane, id, news));
            return;
        }
        let mut session =
            Session { id, cut, via, control: None, up: false, tasks: Vec::new(), _keep: keep };
        let Stream { read, write } = stream;
        if subsystem == Subsystem::Control {
            let control = Arc::new(Control::new(key, id, hello, shared, news.clone()));
            let reading = Arc::clone(&control).read(read);
            let writing = Arc::clone(&control).write(write);
            session.tasks.push(watch_over(reading, key, lane, id, news.clone()));
            session.tasks.push(watch_over(writing, key, lane, id, news));
            session.control = Some(control);
        } else {
            let reading = streams::read_packets(read, lane, Arc::clone(&shared));
            let writing = streams::write_packets(write, lane, shared);
            session.tasks.push(watch_over(reading, key, lane, id, news.clone()));
            session.tasks.push(watch_over(writing, key, lane, id, news));
        }
        slot.session = Some(session);
    }

    fn is_voice(&self, key: PeerKey, id: SessionId) -> bool {
        let session =
            self.peers.get(&key).and_then(|p| p.slots[Lane::Voice as usize].session.as_ref());
        session.is_some_and(|session| session.id == id)
    }

    fn hello(&mut self, key: PeerKey, id: SessionId, name: String, media: Media) {
        if !self.is_voice(key, id) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if let Some(session) = peer.voice().session.as_mut() {
            session.up = true;
        }
        peer.told = None;
        self.emit(Event::PeerUp { peer: key, name, media });
        self.drive(Which::Peer(key, Lane::Video), state::Event::Kick);
    }

    fn ended(&mut self, key: PeerKey, lane: Lane, id: SessionId, end: &End) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let slot = &peer.slots[lane as usize];
        let Some(session) = slot.session.as_ref().filter(|session| session.id == id) else {
            return;
        };
        let via = session.via;
        if end.bad {
            count(&self.counters.bad_sessions);
            tracing::warn!("{} ({}): {}", peer::who(key), lane.name(), end.sentence);
        }
        self.end_session(key, lane, &end.sentence);
        if let Some(lane) = via.filter(|_| end.silent) {
            self.doubt_outer(lane);
        }
        self.want_peers();
    }

    /// End a lane's session, if there is one; a link of ours takes it as lost.
    fn end_session(&mut self, key: PeerKey, lane: Lane, why: &str) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let Some(session) = peer.slots[lane as usize].session.take() else { return };
        let was_up = session.up;
        drop(session);
        let sentence = format!("{}: {why}", peer::who(key));
        if was_up {
            peer.told = Some(sentence.clone());
            self.emit(Event::PeerDown { peer: key, sentence: sentence.clone() });
        }
        self.drive(Which::Peer(key, lane), state::Event::Lost(sentence));
    }

    // ---- commands ----------------------------------------------------------------------------

    fn obey(&mut self, command: Command) {
        match command {
            Command::Send { peer, signal } => self.send(peer, signal),
            Command::Attach { peer, ports } => self.attach(peer, Some(ports)),
            Command::Detach { peer } => self.attach(peer, None),
            Command::SetContacts(contacts) => {
                self.keep_contacts(contacts);
                self.want_peers();
                self.knock_all();
            }
            Command::Retry => {
                for lane in Lane::ALL {
                    self.drive(Which::Outer(lane), state::Event::Retry);
                }
                for key in self.keys() {
                    for lane in Lane::ALL {
                        self.drive(Which::Peer(key, lane), state::Event::Retry);
                    }
                    self.knock(key);
                }
            }
        }
    }

    fn send(&mut self, key: PeerKey, signal: Signal) {
        let session =
            self.peers.get(&key).and_then(|p| p.slots[Lane::Voice as usize].session.as_ref());
        let Some(control) = session.and_then(|session| session.control.as_ref()) else {
            tracing::info!("{} is not up: {signal:?} is lost", peer::who(key));
            return;
        };
        if control.out.send(signal).is_err() {
            self.end_session(key, Lane::Voice, "64 signals wait to be sent");
        }
    }

    fn attach(&mut self, key: PeerKey, ports: Option<MediaPorts>) {
        let Some(peer) = self.peers.get_mut(&key) else {
            tracing::warn!("{} is no contact: nothing to attach to", peer::who(key));
            return;
        };
        peer.shared.ports.send_replace(ports.map(Arc::new));
        self.set_in_call();
        self.want_peers();
        self.knock(key);
    }

    fn keep_contacts(&mut self, contacts: Vec<PeerConfig>) {
        let keys: HashSet<PeerKey> = contacts.iter().map(|contact| contact.key).collect();
        let gone: Vec<_> = self.keys().into_iter().filter(|key| !keys.contains(key)).collect();
        for key in gone {
            self.end_session(key, Lane::Video, "no contact any more");
            self.end_session(key, Lane::Voice, "no contact any more");
            self.peers.remove(&key);
        }
        self.door.set_contacts(keys);
        for config in contacts {
            if config.key == self.me {
                tracing::warn!("our own key is among the contacts: left out");
                continue;
            }
            let (dials, counters) = (self.me < config.key, &self.counters);
            let peer = self.peers.entry(config.key).or_insert_with(|| Peer {
                config: config.clone(),
                dials,
                shared: Arc::new(Shared::new(Arc::clone(counters))),
                slots: [Slot::new(), Slot::new()],
                knock: None,
                told: None,
            });
            peer.config = config;
        }
    }
}

/// One attempt at the relay, and then the session until its end.
async fn keep_outer(
    relay: Arc<RelayConfig>,
    lane: Lane,
    us: Us,
    id: SessionId,
    news: mpsc::Sender<News>,
) {
    let last = match relay::connect(&relay, lane, &us).await {
        Err(error) => News::OuterFailed(lane, id, error),
        Ok((outer, ended)) => {
            // The runtime is gone: nobody asks any more, here and below.
            let _ = news.send(News::OuterUp(lane, id, Arc::new(outer))).await;
            News::OuterLost(lane, id, ended.wait().await)
        }
    };
    let _ = news.send(last).await;
}

/// Run a stream's task and report its end.
fn watch_over(
    work: impl Future<Output = End> + Send + 'static,
    peer: PeerKey,
    lane: Lane,
    session: SessionId,
    news: mpsc::Sender<News>,
) -> Task {
    Task::spawn(async move {
        let end = work.await;
        // The runtime is gone: nobody asks any more.
        let _ = news.send(News::Ended { peer, lane, session, end }).await;
    })
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without a random number all retries are merely in step.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 256.0
}
