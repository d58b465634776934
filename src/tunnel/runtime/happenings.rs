//! What the tasks report and what the app asks, and what the runtime makes of it.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Lane, News, Opened, Peer, Runtime, Session, SessionId, Slot, Task, Which};
use crate::identity::PeerKey;
use crate::tunnel::clock_offset::Estimate;
use crate::tunnel::control::Control;
use crate::tunnel::door::Subsystem;
use crate::tunnel::error::TunnelError;
use crate::tunnel::peer::{self, Dialled, Failure};
use crate::tunnel::relay::Outer;
use crate::tunnel::state::{self, FailureKind};
use crate::tunnel::streams::{self, End, Shared, Stream};
use crate::tunnel::{Command, Event, MediaPorts, PeerConfig, count};
use crate::wire::signal::{Media, Signal};

impl Runtime {
    pub(super) fn take_news(&mut self, news: News) {
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
                    self.outer_lost(lane, &reason);
                }
            }
            News::Looked(peer, session, found, pause) => {
                self.looked(peer, session, found, pause);
            }
            News::Network(network) => self.network_changed(&network),
            News::Dialled(peer, lane, id, result) => self.dialled(peer, lane, id, result),
            News::NotHeard(peer, error) => self.not_heard(peer, &error),
            News::Unanswered(peer) => self.stand_in(peer),
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
        self.renew_outer(lane);
        self.want_peers();
        for key in self.keys() {
            self.drive(Which::Peer(key, lane), state::Event::Kick);
        }
        self.knock_all(lane);
    }

    pub(super) fn outer_lost(&mut self, lane: Lane, reason: &str) {
        if let Some(outer) = self.outers[lane as usize].outer.take() {
            // Others may hold it still.
            outer.end();
        }
        self.renew_outer(lane);
        let host = self.relay.as_ref().map_or("", |relay| &relay.host);
        let sentence = format!("the session with relay {host} ended: {reason}");
        self.drive(Which::Outer(lane), state::Event::Lost(sentence));
        self.want_peers();
    }

    fn dialled(
        &mut self,
        key: PeerKey,
        lane: Lane,
        id: SessionId,
        result: Result<Dialled, Failure>,
    ) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let slot = &mut peer.slots[lane as usize];
        if slot.attempt != Some(id) {
            return;
        }
        slot.dial = None;
        match result {
            Ok(dialled) => {
                self.open_all(key, id, dialled);
                self.drive(Which::Peer(key, lane), state::Event::Up);
                // The way is there for both lanes.
                for lane in Lane::ALL {
                    self.drive(Which::Peer(key, lane), state::Event::Kick);
                }
            }
            Err(Failure { error, relay_was_late }) => {
                if relay_was_late {
                    self.doubt_outers();
                }
                let failed = state::Event::Failed(error.kind(), error.to_string());
                self.drive(Which::Peer(key, lane), failed);
            }
        }
    }

    /// The streams of a session that we dialled.
    pub(super) fn open_all(&mut self, peer: PeerKey, session: SessionId, dialled: Dialled) {
        let Dialled { handle, cut, streams, road } = dialled;
        for (subsystem, stream) in streams {
            let (cut, keep, road) = (cut.clone(), Some(Arc::clone(&handle)), road.clone());
            self.opened(Opened { peer, session, cut, keep, road, subsystem, stream });
        }
    }

    fn not_heard(&mut self, key: PeerKey, error: &TunnelError) {
        tracing::debug!("knock: {error}");
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let sentence = error.to_string();
        if peer.voice().session.is_some() {
            return;
        }
        let reachable = !peer.config.direct.is_empty();
        if peer.told.as_ref() != Some(&sentence) {
            peer.told = Some(sentence.clone());
            self.emit(match error.kind() {
                FailureKind::KeyRefused | FailureKind::LoginRefused => {
                    Event::PeerBlocked { peer: key, sentence }
                }
                FailureKind::Trouble => Event::PeerDown { peer: key, sentence },
            });
        }
        // When it comes, it may not know where we are; at the relay it finds us.
        if reachable && error.kind() == FailureKind::Trouble {
            self.stand_in(key);
        }
    }

    /// A contact that does not dial us has knocked: it is back, and any session we have is old.
    fn visited(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.dials) else { return };
        if peer.voice().session.is_none() {
            self.drive(Which::Peer(key, Lane::Voice), state::Event::Kick);
        }
        self.doubt(key);
        self.drive(Which::Peer(key, Lane::Video), state::Event::Kick);
        for lane in Lane::ALL {
            // What runs may have been led to the remains of the session it had with the relay.
            self.renew_outer_of(key, lane);
        }
    }

    pub(super) fn doubt(&mut self, key: PeerKey) {
        let session = self.peers.get_mut(&key).and_then(|peer| peer.voice().session.as_ref());
        if let Some(control) = session.and_then(|session| session.control.as_ref()) {
            control.doubt();
        }
    }

    fn opened(&mut self, opened: Opened) {
        let Opened { peer: key, session: id, cut, keep, road, subsystem, stream } = opened;
        let lane = match subsystem {
            Subsystem::Control | Subsystem::Audio => Lane::Voice,
            Subsystem::Video => Lane::Video,
        };
        if subsystem != Subsystem::Audio {
            if keep.is_none() {
                if self.peers.get(&key).is_some_and(|peer| peer.dials && peer.has_own(lane)) {
                    // It dials because it has lost ours, or has crossed it; ours shows soon which.
                    tracing::debug!("{}: a crossed session is refused", peer::who(key));
                    self.doubt(key);
                    return cut.cut();
                }
                self.stand_down(key, lane);
            }
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
            let reading = streams::read_packets(read, lane, Arc::clone(&shared), road.pulse);
            let writing = streams::write_packets(write, lane, shared);
            session.tasks.push(watch_over(reading, key, lane, id, news.clone()));
            session.tasks.push(watch_over(writing, key, lane, id, news));
            return;
        }
        let beneath = road.pulse.clone();
        let mut session =
            Session { id, cut, road, control: None, up: false, tasks: Vec::new(), keep };
        let Stream { read, write } = stream;
        if subsystem == Subsystem::Control {
            let control = Arc::new(Control::new(key, id, hello, shared, news.clone()));
            let reading = Arc::clone(&control).read(read);
            let writing = Arc::clone(&control).write(write);
            session.tasks.push(watch_over(reading, key, lane, id, news.clone()));
            session.tasks.push(watch_over(writing, key, lane, id, news));
            session.control = Some(control);
        } else {
            let reading = streams::read_packets(read, lane, Arc::clone(&shared), beneath);
            let writing = streams::write_packets(write, lane, shared);
            session.tasks.push(watch_over(reading, key, lane, id, news.clone()));
            session.tasks.push(watch_over(writing, key, lane, id, news));
        }
        let ours = session.is_ours();
        slot.session = Some(session);
        // It is here: nobody has to be asked.
        if lane == Lane::Voice {
            peer.knocks[lane as usize] = None;
        }
        if !ours {
            // While the peer's session holds we need none.
            self.want_peers();
        }
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
        let Some(session) = peer.voice().session.as_mut() else { return };
        session.up = true;
        let path = session.road.path.clone();
        peer.told = None;
        tracing::info!("{}: reached ({path})", peer::who(key));
        self.emit(Event::PeerUp { peer: key, name, media, path });
        self.drive(Which::Peer(key, Lane::Video), state::Event::Kick);
        self.look_around(key, None);
    }

    fn ended(&mut self, key: PeerKey, lane: Lane, id: SessionId, end: &End) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let slot = &peer.slots[lane as usize];
        if slot.session.as_ref().is_none_or(|session| session.id != id) {
            return;
        }
        if let Some(fault) = end.fault {
            self.counters.blame(fault);
        }
        if end.bad {
            count(&self.counters.bad_sessions);
            tracing::warn!("{} ({}): {}", peer::who(key), lane.name(), end.sentence);
        }
        if end.silent {
            // The relay is the road it took, or the one that is left.
            self.doubt_outers();
        }
        self.lose_session(key, lane, &end.sentence);
    }

    /// End a lane's session that is of no use any more, and see to another one.
    pub(super) fn lose_session(&mut self, key: PeerKey, lane: Lane, why: &str) {
        let theirs = self.peers.get(&key).is_some_and(|peer| peer.has_foreign(lane));
        self.end_session(key, lane, why);
        if theirs && lane == Lane::Voice {
            self.expect_answer(key);
        }
        self.want_peers();
    }

    /// End a lane's session, if there is one; a link of ours takes it as lost.
    pub(super) fn end_session(&mut self, key: PeerKey, lane: Lane, why: &str) {
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

    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Send { peer, signal } => self.send(peer, signal),
            Command::Attach { peer, ports } => self.attach(peer, Some(ports)),
            Command::Detach { peer } => self.attach(peer, None),
            Command::SetContacts(contacts) => {
                let moved = self.keep_contacts(contacts);
                self.want_peers();
                for key in moved {
                    for lane in Lane::ALL {
                        self.drive(Which::Peer(key, lane), state::Event::Kick);
                    }
                }
                self.knock_all(Lane::Voice);
            }
            Command::Pair(ask) => {
                if self.asks.try_send(ask).is_err() {
                    tracing::error!("pairing does not keep up with what is asked; one is lost");
                }
            }
            Command::Enrol(ticket) => self.enrol(ticket),
            Command::SetRelay(relay) => self.set_relay(relay),
            Command::SetMetered(metered) => drop(self.metered.send_replace(metered)),
            Command::Retry => {
                self.peers.values().for_each(|peer| peer.aside.clear());
                for lane in Lane::ALL {
                    self.drive(Which::Outer(lane), state::Event::Retry);
                }
                for key in self.keys() {
                    for lane in Lane::ALL {
                        self.drive(Which::Peer(key, lane), state::Event::Retry);
                    }
                    self.knock(key, Lane::Voice);
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
        self.knock(key, Lane::Voice);
        self.look_around(key, None);
    }

    /// Know these and no others; those that are to be found elsewhere than before.
    pub(super) fn keep_contacts(&mut self, contacts: Vec<PeerConfig>) -> Vec<PeerKey> {
        let mut moved = Vec::new();
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
            let slot = |lane: Lane| Slot::new(self.outers[lane as usize].outer.clone());
            let peer = self.peers.entry(config.key).or_insert_with(|| Peer {
                config: config.clone(),
                dials,
                stands_in: [false; 2],
                shared: Arc::new(Shared::new(
                    self.metered.subscribe(),
                    self.door.pulse.clone(),
                    Arc::clone(counters),
                )),
                slots: Lane::ALL.map(slot),
                knocks: [None, None],
                look: None,
                aside: Arc::default(),
                told: None,
            });
            if peer.config != config {
                moved.push(config.key);
                peer.aside.clear();
                peer.config = config;
            }
        }
        moved
    }
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
