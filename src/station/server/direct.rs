//! Stations and listeners that come through the tunnel.
//!
//! ```text
//!  PeerUp of a station's key ──> Attach: its packets of kind Station come in        (receive.rs)
//!  Hear from a contact       ──> Attach: its ear gets voice packets                  (sound.rs)
//!                            <── Hearing: live, silent, unknown; again when it changes
//! ```
//! Contacts may hear every station. A key that is only a station's may hear none. Contacts come and go while
//! it runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::house::{Ear, House, Station};
use super::rounds::Round;
use crate::caps::STATION_NAME_LIMIT;
use crate::clock::{self, Time};
use crate::identity::PeerKey;
use crate::queue::{Queue, Received};
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};
use crate::tunnel::{Command, Event, MediaPorts, PeerConfig, Tunnel, TunnelConfig};
use crate::wire::signal::{Hearing, Signal};

/// Between two looks at whether stations are live.
const LOOK: Duration = Duration::from_millis(500);

/// What it hears of.
pub(super) enum News {
    /// From the tunnel.
    Tunnel(Box<Event>),
    /// The relay and the contacts are others now; nothing else of it counts.
    Changed(Box<TunnelConfig>),
}

/// See the top of the file.
pub(super) struct Direct {
    pub(super) house: Arc<House>,
    pub(super) tunnel: Tunnel,
    pub(super) news: Queue<News>,
    /// Who may hear.
    pub(super) listeners: HashSet<PeerKey>,
    /// Whose packets are a station's.
    pub(super) keyed: HashMap<PeerKey, MediaPorts>,
    /// Who hears what.
    pub(super) hearing: HashMap<PeerKey, Listener>,
    pub(super) round: Round,
}

/// A peer that hears a station.
pub(super) struct Listener {
    station: Arc<Station>,
    /// As it calls it.
    name: String,
    /// What it was told last.
    said: Hearing,
}

impl Worker for Direct {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut looked = clock::now();
        loop {
            match self.news.receive(stop, Some(LOOK)) {
                Received::Item(News::Tunnel(event)) => self.heard(*event),
                Received::Item(News::Changed(config)) => self.change(*config),
                Received::Timeout => {}
                Received::Stopped => return Ok(()),
            }
            self.round.done();
            let now = clock::now();
            if now.since(looked) >= LOOK {
                looked = now;
                self.look(now);
            }
        }
    }
}

impl Direct {
    fn heard(&mut self, event: Event) {
        match event {
            Event::PeerUp { peer, .. } => {
                if let Some(ports) = self.keyed.get(&peer) {
                    let ports = ports.clone();
                    self.tunnel.send(Command::Attach { peer, ports });
                }
            }
            Event::PeerDown { peer, .. } | Event::PeerBlocked { peer, .. } => {
                self.stop_hearing(peer);
                self.tunnel.send(Command::Detach { peer });
            }
            Event::Signal { peer, signal: Signal::Hear { station } } => self.asked(peer, &station),
            Event::Signal { peer, signal: Signal::Invite { call } } => {
                // There is nobody here.
                self.tunnel.send(Command::Send { peer, signal: Signal::Decline { call } });
            }
            Event::DoorOpen { address } => tracing::info!("kiosks may come directly to {address}"),
            Event::DoorFailed { sentence } => tracing::warn!("{sentence}"),
            Event::Relay(status) => tracing::debug!("relay: {status:?}"),
            Event::Signal { .. } | Event::Clock { .. } | Event::Pairing(_) | Event::Enrolled(_) => {
            }
        }
    }

    /// `peer` wants to hear the station called `name`, or none any more.
    fn asked(&mut self, peer: PeerKey, name: &str) {
        let now = clock::now();
        let asked: String = name.chars().take(STATION_NAME_LIMIT).collect();
        let found = self.house.station(name).filter(|_| self.listeners.contains(&peer)).cloned();
        let Some(station) = found else {
            self.let_go(peer);
            if !name.is_empty() {
                self.say(peer, asked, Hearing::Unknown);
            }
            return;
        };
        let said = state(&station, now);
        self.say(peer, asked.clone(), said);
        if let Some(listener) = self.hearing.get_mut(&peer)
            && Arc::ptr_eq(&listener.station, &station)
        {
            // It was away for a moment; what it hears goes on.
            (listener.name, listener.said) = (asked, said);
            return;
        }
        self.stop_hearing(peer);
        let ports = self.keyed.get(&peer).cloned().unwrap_or_else(MediaPorts::voice_alone);
        station.add_ear(Ear { peer, voice_out: ports.voice_out.clone(), sequence: 0 });
        self.tunnel.send(Command::Attach { peer, ports });
        self.hearing.insert(peer, Listener { station, name: asked, said });
    }

    /// Contacts came and went: those who are none any more hear nothing from now on.
    fn change(&mut self, config: TunnelConfig) {
        self.listeners = config.contacts.iter().map(|contact| contact.key).collect();
        let heard = self.hearing.iter().filter(|(peer, _)| !self.listeners.contains(peer));
        let gone: Vec<_> = heard.map(|(peer, listener)| (*peer, listener.name.clone())).collect();
        for (peer, name) in gone {
            self.let_go(peer);
            self.say(peer, name, Hearing::Unknown);
        }
        let contacts = with_stations(config.contacts, self.keyed.keys());
        self.tunnel.send(Command::SetRelay(config.relay));
        self.tunnel.send(Command::SetContacts(contacts));
    }

    /// This peer hears nothing; if it is a station it is still heard.
    fn let_go(&mut self, peer: PeerKey) {
        self.stop_hearing(peer);
        if !self.keyed.contains_key(&peer) {
            self.tunnel.send(Command::Detach { peer });
        }
    }

    fn stop_hearing(&mut self, peer: PeerKey) {
        if let Some(listener) = self.hearing.remove(&peer) {
            listener.station.remove_ear(peer);
        }
    }

    /// Tell listeners whose station has fallen silent, or is back.
    fn look(&mut self, now: Time) {
        let mut changed = Vec::new();
        for (peer, listener) in &mut self.hearing {
            let state = state(&listener.station, now);
            if std::mem::replace(&mut listener.said, state) != state {
                changed.push((*peer, listener.name.clone(), state));
            }
        }
        for (peer, name, state) in changed {
            self.say(peer, name, state);
        }
    }

    fn say(&self, peer: PeerKey, station: String, state: Hearing) {
        let signal = Signal::Hearing { station, state };
        self.tunnel.send(Command::Send { peer, signal });
    }
}

/// Stations need not be contacts: they are found at the relay then, or find our door, and may not listen.
pub(super) fn with_stations<'a>(
    mut contacts: Vec<PeerConfig>,
    stations: impl Iterator<Item = &'a PeerKey>,
) -> Vec<PeerConfig> {
    let known: HashSet<PeerKey> = contacts.iter().map(|peer| peer.key).collect();
    contacts.extend(stations.filter(|key| !known.contains(key)).map(|key| {
        let (direct, place) = (Vec::new(), None);
        PeerConfig { key: *key, direct, via_relay: true, place }
    }));
    contacts
}

fn state(station: &Station, now: Time) -> Hearing {
    if station.is_live(now) { Hearing::Live } else { Hearing::Silent }
}
