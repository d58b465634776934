//! Stations and listeners that come through the tunnel.
//!
//! ```text
//!  PeerUp of a station's key ──> Attach: its packets of kind Station come in        (receive.rs)
//!  Hear from a contact       ──> Attach: its ear gets voice packets                  (sound.rs)
//!                            <── Hearing: live, silent, unknown; again when it changes
//! ```
//! Contacts may hear every station. A key that is only a station's may hear none.

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
use crate::tunnel::{Command, Event, MediaPorts, Tunnel};
use crate::wire::signal::{Hearing, Signal};

/// Between two looks at whether stations are live.
const LOOK: Duration = Duration::from_millis(500);

/// See the top of the file.
pub(super) struct Direct {
    pub(super) house: Arc<House>,
    pub(super) tunnel: Tunnel,
    pub(super) events: Queue<Event>,
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
    /// What it was told last.
    said: Hearing,
}

impl Worker for Direct {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut looked = clock::now();
        loop {
            match self.events.receive(stop, Some(LOOK)) {
                Received::Item(event) => self.heard(event),
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
        let found = self.house.station(name).filter(|_| self.listeners.contains(&peer)).cloned();
        let Some(station) = found else {
            self.stop_hearing(peer);
            if !self.keyed.contains_key(&peer) {
                self.tunnel.send(Command::Detach { peer });
            }
            if !name.is_empty() {
                let name: String = name.chars().take(STATION_NAME_LIMIT).collect();
                self.say(peer, name, Hearing::Unknown);
            }
            return;
        };
        let said = state(&station, now);
        self.say(peer, station.name.clone(), said);
        if let Some(listener) = self.hearing.get_mut(&peer)
            && Arc::ptr_eq(&listener.station, &station)
        {
            // It was away for a moment; what it hears goes on.
            listener.said = said;
            return;
        }
        self.stop_hearing(peer);
        let ports = self.keyed.get(&peer).cloned().unwrap_or_else(MediaPorts::voice_alone);
        station.add_ear(Ear { peer, voice_out: ports.voice_out.clone(), sequence: 0 });
        self.tunnel.send(Command::Attach { peer, ports });
        self.hearing.insert(peer, Listener { station, said });
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
                changed.push((*peer, listener.station.name.clone(), state));
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

fn state(station: &Station, now: Time) -> Hearing {
    if station.is_live(now) { Hearing::Live } else { Hearing::Silent }
}
