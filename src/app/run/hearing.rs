//! What the loop does for a station that is listened to: opens the ear, joins it with the tunnel, and looks
//! after it while somebody sees the page.

use std::time::Duration;

use super::{Input, Loop};
use crate::app::events::Event;
use crate::app::hear::{News, Sound};
use crate::app::status;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::station::ear::{self, Ear};
use crate::tunnel::{self, MediaPorts};
use crate::ui::screen::Light;
use crate::wire::status::{HearingStatus, WorkerStatus};

/// How often the ear is looked at while somebody sees its page.
const LOOK: Duration = Duration::from_secs(1);

/// What is heard now.
#[derive(Default)]
pub(in crate::app) struct Hearing {
    open: Option<Open>,
    /// Counts what was opened: news of what is closed are none.
    round: u64,
}

struct Open {
    ear: Ear,
    /// Whose packets it plays.
    peer: Option<PeerKey>,
    next_look: Time,
}

impl Hearing {
    /// As the volume says from now on.
    pub(in crate::app) fn set_volume(&self, volume: u8) {
        if let Some(open) = &self.open {
            open.ear.set_volume(volume);
        }
    }

    /// When it is to be looked at.
    pub(super) fn deadline(&self, light: Light) -> Option<Time> {
        self.open.as_ref().filter(|_| light != Light::Dark).map(|open| open.next_look)
    }

    /// How its workers are.
    pub(in crate::app) fn workers(&self) -> Vec<WorkerStatus> {
        let workers = self.open.iter().flat_map(|open| open.ear.workers());
        workers.map(|(name, health)| status::worker(name, health)).collect()
    }
}

impl Loop {
    /// Have this heard in the place of what is.
    pub(super) fn hear(&mut self, sound: Option<Sound>, now: Time) {
        if let Some(Open { ear, peer, .. }) = self.hearing.open.take() {
            // The loudspeaker is free then.
            drop(ear);
            if let Some(peer) = peer {
                self.tunnel.send(tunnel::Command::Detach { peer });
            }
        }
        self.hearing.round += 1;
        let Some(sound) = sound else { return };
        let (peer, sound) = match sound {
            Sound::Playlist(address) => {
                let (inbox, round) = (self.inbox.clone(), self.hearing.round);
                let tell = move |state| {
                    // An app that has ended, or is swamped, hears the next one or none.
                    let _ = inbox.send(Input::Heard(round, state));
                };
                (None, ear::Sound::Playlist(address, Box::new(tell)))
            }
            Sound::Peer(peer, _) => {
                let ports = MediaPorts::voice_alone();
                self.tunnel.send(tunnel::Command::Attach { peer, ports: ports.clone() });
                (Some(peer), ear::Sound::Packets(ports.voice_in))
            }
        };
        let ear = Ear::open(sound, self.plan.speaker(), self.core.volume());
        self.hearing.open = Some(Open { ear, peer, next_look: now + LOOK });
    }

    /// Whoever fetches it says so.
    pub(super) fn heard_of(&mut self, round: u64, state: ear::State, now: Time) -> bool {
        if round != self.hearing.round || self.hearing.open.is_none() {
            return true;
        }
        self.feed(Event::Heard(News::State(state)), now)
    }

    /// How its loudspeaker is, when that is due.
    pub(super) fn look_at_hearing(&mut self, now: Time) {
        let Some(open) = self.hearing.open.as_mut().filter(|open| open.next_look <= now) else {
            return;
        };
        open.next_look = now + LOOK;
        let news = open.ear.news();
        let speaker = News::Speaker { broken: news.speaker.is_some(), gone: news.speaker_gone };
        self.feed(Event::Heard(speaker), now);
    }

    /// For the status.
    pub(in crate::app) fn hearing_status(&self) -> Option<HearingStatus> {
        let hear = self.core.hear();
        let station = self.core.station(hear.chosen()?)?;
        let news = self.hearing.open.as_ref().map(|open| open.ear.news()).unwrap_or_default();
        Some(HearingStatus {
            name: station.name,
            state: hear.state().word().to_owned(),
            sounds: hear.sounds(),
            waiting_ms: u64::try_from(news.waiting.as_millis()).unwrap_or(u64::MAX),
            gaps: news.gaps,
            cuts: news.cuts,
        })
    }
}
