//! What the loop does for a station that is listened to: opens the ear, joins it with the tunnel, and looks
//! after it while somebody sees the page.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Input, Loop};
use crate::app::events::Event;
use crate::app::hear::{News, Sound};
use crate::app::status;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::station::ear::{self, Ear};
use crate::tunnel::{self, MediaPorts, StreamStats};
use crate::ui::screen::Light;
use crate::wire::status::{HearingStatus, WorkerStatus};

/// How often the ear is looked at while somebody sees its page.
const LOOK: Duration = Duration::from_secs(1);
/// How often in the dark, for what it costs: a power cut loses no more.
const DARK_LOOK: Duration = Duration::from_secs(600);

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
    peer: Option<(PeerKey, Arc<StreamStats>)>,
    looked: Time,
    /// Bytes that were told to the core.
    counted: u64,
}

impl Open {
    /// Bytes that nobody was told of.
    fn uncounted(&mut self) -> u64 {
        let stream = |(_, stats): &(PeerKey, Arc<StreamStats>)| {
            stats.bytes_in.load(Ordering::Relaxed) + stats.bytes_out.load(Ordering::Relaxed)
        };
        let bytes = self.ear.fetched() + self.peer.as_ref().map_or(0, stream);
        bytes - std::mem::replace(&mut self.counted, bytes)
    }
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
        let pause = if light == Light::Dark { DARK_LOOK } else { LOOK };
        self.open.as_ref().map(|open| open.looked + pause)
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
        if let Some(mut open) = self.hearing.open.take() {
            let bytes = open.uncounted();
            // The loudspeaker is free then.
            drop(open.ear);
            if let Some((peer, _)) = open.peer {
                self.tunnel.send(tunnel::Command::Detach { peer });
            }
            self.feed(Event::Listened(bytes), now);
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
                (Some((peer, ports.stats)), ear::Sound::Packets(ports.voice_in))
            }
        };
        // A bell that was tried gives its loudspeaker back first.
        self.follow_ring();
        let ear = Ear::open(sound, self.plan.speaker(), self.core.volume());
        self.hearing.open = Some(Open { ear, peer, looked: now, counted: 0 });
    }

    /// Whoever fetches it says so.
    pub(super) fn heard_of(&mut self, round: u64, state: ear::State, now: Time) -> bool {
        if round != self.hearing.round || self.hearing.open.is_none() {
            return true;
        }
        self.feed(Event::Heard(News::State(state)), now)
    }

    /// How its loudspeaker is, and what it costs, when that is due.
    pub(super) fn look_at_hearing(&mut self, now: Time) {
        let due = |open: &&mut Open| open.looked + LOOK <= now;
        let Some(open) = self.hearing.open.as_mut().filter(due) else { return };
        open.looked = now;
        let (news, bytes) = (open.ear.news(), open.uncounted());
        self.feed(Event::Listened(bytes), now);
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
