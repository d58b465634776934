//! What the loop does for [`crate::app::presence`]: says and keeps what is to be said and kept of who is
//! up, and the records of calls.

use chrono::Local;

use super::Loop;
use crate::app::record::{self, Course};
use crate::app::{refusals, words};
use crate::call::Outcome;
use crate::clock;
use crate::identity::PeerKey;
use crate::records;
use crate::tunnel;
use crate::wire::signal::{CallId, Signal};

/// What of the tunnel's news is about presence.
#[derive(Clone, Copy)]
pub(super) enum Matter {
    Up(PeerKey),
    Beats(PeerKey),
    Down { peer: PeerKey, was_up: bool },
    Missed { peer: PeerKey, call: CallId, seconds: u64 },
    Noted { peer: PeerKey, call: CallId },
}

impl Loop {
    /// To be asked before the core hears of it.
    pub(super) fn matter(&self, event: &tunnel::Event) -> Option<Matter> {
        Some(match *event {
            tunnel::Event::PeerUp { peer, .. } => Matter::Up(peer),
            tunnel::Event::Clock { peer, .. } => Matter::Beats(peer),
            tunnel::Event::PeerDown { peer, .. } => {
                Matter::Down { peer, was_up: self.core.reaches(peer) }
            }
            tunnel::Event::Signal { peer, signal: Signal::Missed { call, seconds } } => {
                Matter::Missed { peer, call, seconds }
            }
            tunnel::Event::Signal { peer, signal: Signal::Noted { call } } => {
                Matter::Noted { peer, call }
            }
            _ => return None,
        })
    }

    /// To be done when the core has heard of it.
    pub(super) fn attend(&mut self, matter: Matter) {
        let now = clock::unix_seconds();
        match matter {
            Matter::Up(peer) => {
                self.core.seen(peer, now);
                for signal in self.presence.up(peer, now) {
                    self.tunnel.send(tunnel::Command::Send { peer, signal });
                }
            }
            Matter::Beats(peer) => self.presence.beats(peer, now),
            Matter::Down { peer, was_up } => {
                self.presence.down(peer, was_up, now);
                if was_up {
                    self.core.seen(peer, now);
                }
            }
            Matter::Missed { peer, call, seconds } => self.missed_later(peer, call, seconds, now),
            Matter::Noted { peer, call } => self.presence.noted(peer, call),
        }
    }

    fn missed_later(&mut self, peer: PeerKey, call: CallId, seconds: u64, now: u64) {
        if !self.presence.listens(peer) {
            return;
        }
        let known = self.core.neighbours().iter().find(|known| known.person.key == peer);
        if let Some(name) = known.filter(|known| known.may_ring).map(|known| &known.person.name) {
            let record = self.presence.missed(name, (peer, call, seconds), now);
            let kept = record.and_then(|record| {
                record
                    .as_ref()
                    .map_or(Ok(()), |record| records::append(&self.state_folder, record))?;
                Ok(record)
            });
            match kept {
                Ok(None) => {}
                Ok(Some(record)) => {
                    self.core.missed(peer, words::called(record.began, Local::now()));
                }
                // It will be said again on the next link.
                Err(error) => return tracing::warn!("{error}"),
            }
        }
        self.tunnel.send(tunnel::Command::Send { peer, signal: Signal::Noted { call } });
    }

    /// A call is over, or was not to be.
    pub(super) fn record(&mut self, outcome: Outcome) {
        let mut course = Course::default();
        // Somebody who got busy leaves a record as well, in the middle of our call.
        if let Some(media) = self.media.take_if(|_| outcome.talked.is_some()) {
            let (bytes_sent, bytes_received) = media.bytes();
            let figures = media.whole_call();
            refusals::add(&mut self.refused, &figures);
            course = Course {
                figures,
                bytes_sent,
                bytes_received,
                reconnects: self.reconnects,
                worst: Some(self.core.pictures().worst()),
            };
            self.next_look = None;
            self.face.clear_pictures();
        }
        let name = self.name_of(outcome.party.peer);
        let record = record::of(name, outcome, &course);
        if let Err(error) = records::append(&self.state_folder, &record) {
            tracing::warn!("{error}");
        }
        self.presence.over(&outcome, record.began);
        if record.is_missed() {
            self.core.missed(outcome.party.peer, words::called(record.began, Local::now()));
        }
    }

    /// As on the tile; empty for whoever is no contact any more.
    pub(in crate::app) fn name_of(&self, peer: PeerKey) -> String {
        let known = self.core.neighbours().iter().find(|known| known.person.key == peer);
        known.map(|known| known.person.name.clone()).unwrap_or_default()
    }
}
