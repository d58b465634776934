//! The runtime's links: what their machines say is done here, and what changed is told to the app.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Lane, News, Runtime, SessionId, Task, Times, Which};
use crate::clock;
use crate::identity::PeerKey;
use crate::tunnel::meet::Point;
use crate::tunnel::peer::{self, Dial};
use crate::tunnel::relay::{self, Us};
use crate::tunnel::state::{self, Effect, State};
use crate::tunnel::{Event, RelayConfig, RelayStatus, vigil};

/// How long the one who is to dial may take for it after a knock.
const ANSWER: Duration = Duration::from_secs(2);

impl Runtime {
    pub(super) fn drive(&mut self, which: Which, event: state::Event) {
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
                let us = Us {
                    key: Arc::clone(&self.key),
                    peer: self.me,
                    door: Arc::clone(&self.door),
                    desk: Arc::clone(&self.desk),
                };
                let slot = &mut self.outers[lane as usize];
                let times =
                    Times { in_call: self.in_call.subscribe(), metered: self.metered.subscribe() };
                slot.attempt = Some(id);
                slot.outer = None;
                slot.task = Some(Task::spawn(keep_outer(relay, lane, us, times, id, news)));
            }
            Which::Peer(key, lane) => {
                let Some(dial) = self.dial(key, lane).map(Arc::new) else { return };
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
                (slot.attempt, slot.dial) = (None, None);
                // One that the peer dialled is no business of our link's.
                slot.session.take_if(|session| session.is_ours());
            }
        }
    }

    pub(super) fn dial(&self, key: PeerKey, lane: Lane) -> Option<Dial> {
        let known = self.peers.get(&key)?;
        let (peer, aside) = (known.config.clone(), Arc::clone(&known.aside));
        let outer = known.slots[lane as usize].outer.subscribe();
        let relay_may_come = self.relay.is_some();
        let (key, pulse) = (Arc::clone(&self.key), self.door.pulse.clone());
        let counters = Arc::clone(&self.counters);
        Some(Dial { peer, lane, key, outer, relay_may_come, pulse, aside, counters })
    }

    /// Tell the dials of a lane, those that run too, which way leads through the relay now.
    pub(super) fn renew_outer(&mut self, lane: Lane) {
        let outer = &self.outers[lane as usize].outer;
        for peer in self.peers.values() {
            peer.slots[lane as usize].outer.send_replace(outer.clone());
        }
        if lane == Lane::Voice {
            self.point.send_replace(Point { outer: outer.clone(), relay: self.relay.clone() });
        }
    }

    pub(super) fn tell_outer(&mut self, lane: Lane) {
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
            State::Backoff { sentence, refused, .. } => RelayStatus::Backoff { sentence, refused },
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
            State::Backoff { sentence, refused, .. } => (sentence.clone(), *refused),
            State::Blocked { sentence } => (sentence.clone(), true),
            State::Disconnected | State::Connecting | State::Connected | State::Disconnecting => {
                return;
            }
        };
        if lane == Lane::Video || peer.voice().session.is_some() {
            tracing::debug!("{}: {sentence}", lane.name());
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
    pub(super) fn want_peers(&mut self) {
        for key in self.keys() {
            for lane in Lane::ALL {
                let way = self.has_way(key, lane);
                let Some(peer) = self.peers.get(&key) else { continue };
                let dials =
                    (peer.dials || peer.stands_in[lane as usize]) && !peer.has_foreign(lane);
                let asked = dials && (lane == Lane::Voice || peer.is_attached(lane));
                let alive = peer.has_own(lane);
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

    /// The same for one peer: what is being tried through the relay is begun once more beside it.
    pub(super) fn renew_outer_of(&self, key: PeerKey, lane: Lane) {
        if let Some(peer) = self.peers.get(&key) {
            let outer = self.outers[lane as usize].outer.clone();
            peer.slots[lane as usize].outer.send_replace(outer);
        }
    }

    /// Something flows with one of them.
    pub(super) fn is_in_call(&self) -> bool {
        self.peers.values().any(|peer| peer.is_attached(Lane::Voice))
    }

    pub(super) fn set_in_call(&mut self) {
        let any = self.is_in_call();
        self.in_call.send_replace(any);
        for lane in Lane::ALL {
            self.drive(Which::Outer(lane), state::Event::InCall(any));
        }
        for key in self.keys() {
            let attached = self.peers.get(&key).is_some_and(|peer| peer.is_attached(Lane::Voice));
            for lane in Lane::ALL {
                self.drive(Which::Peer(key, lane), state::Event::InCall(attached));
            }
        }
    }

    /// Tell those who dial us that we are here, unless they know.
    pub(super) fn knock_all(&mut self, lane: Lane) {
        for key in self.keys() {
            self.knock(key, lane);
        }
    }

    pub(super) fn knock(&mut self, key: PeerKey, lane: Lane) {
        self.knock_after(Duration::ZERO, key, lane);
    }

    fn knock_after(&mut self, pause: Duration, key: PeerKey, lane: Lane) {
        let dial = self.dial(key, lane).filter(|_| self.has_way(key, lane)).map(Arc::new);
        let Some(dial) = dial else { return };
        let news = self.news.clone();
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let missing = peer.slots[lane as usize].session.is_none();
        if peer.dials || !missing || (lane == Lane::Video && !peer.is_attached(lane)) {
            return;
        }
        peer.knocks[lane as usize] = Some(Task::spawn(async move {
            tokio::time::sleep(pause).await;
            let heard = match dial.knock().await {
                Err(error) => News::NotHeard(key, error),
                Ok(()) => {
                    tokio::time::sleep(ANSWER).await;
                    News::Unanswered(key)
                }
            };
            // The runtime is gone: nobody asks any more.
            let _ = news.send(heard).await;
        }));
    }

    /// A session that the peer dialled has ended: it has this long to dial again. At the relay it
    /// can, as soon as we could; it is asked there whether it still knows us.
    pub(super) fn expect_answer(&mut self, key: PeerKey) {
        let news = self.news.clone();
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.dials) else { return };
        if peer.config.direct.is_empty() {
            return self.knock_after(ANSWER, key, Lane::Voice);
        }
        peer.knocks[Lane::Voice as usize] = Some(Task::spawn(async move {
            tokio::time::sleep(ANSWER).await;
            // The runtime is gone: nobody asks any more.
            let _ = news.send(News::Unanswered(key)).await;
        }));
    }

    /// Dial in the place of a peer who could not, unless it has done so by now.
    pub(super) fn stand_in(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.dials) else { return };
        if peer.voice().session.is_none() && peer.stands_in != [true; 2] {
            tracing::info!("{} does not dial: we do", peer::who(key));
            peer.stands_in = [true; 2];
            self.want_peers();
        }
    }

    /// The peer dials a lane itself.
    pub(super) fn stand_down(&mut self, key: PeerKey, lane: Lane) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if std::mem::take(&mut peer.stands_in[lane as usize]) {
            self.end_session(key, lane, "replaced by a newer session");
            self.drive(Which::Peer(key, lane), state::Event::Want(false));
        }
    }

    pub(super) fn doubt_outers(&self) {
        for outer in self.outers.iter().filter_map(|slot| slot.outer.as_ref()) {
            // Its end comes as news by itself.
            outer.doubt();
        }
    }
}

/// One attempt at the relay, and then the session until its end.
async fn keep_outer(
    relay: Arc<RelayConfig>,
    lane: Lane,
    us: Us,
    times: Times,
    id: SessionId,
    news: mpsc::Sender<News>,
) {
    let last = match relay::connect(&relay, lane, &us).await {
        Err(error) => News::OuterFailed(lane, id, error),
        Ok((outer, ended)) => {
            // The runtime is gone: nobody asks any more, here and below.
            let outer = Arc::new(outer);
            let _ = news.send(News::OuterUp(lane, id, Arc::clone(&outer))).await;
            News::OuterLost(lane, id, vigil::keep(outer, ended, times).await)
        }
    };
    let _ = news.send(last).await;
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without a random number all retries are merely in step.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 256.0
}
