//! The ear: what a station sends is heard here, over HTTP or through our own tunnel.
//!
//! ```text
//!  ioc-server, station server ── HTTP ──> Fetch ──> Buffer ──> Player ──> loudspeaker
//!  station server of a contact ── tunnel ──> packets ──> media's Listen ──> loudspeaker
//! ```
//! Only a loudspeaker is ever opened. What comes over HTTP is heard two seconds late, what comes through
//! the tunnel as late as a voice in a call.

mod buffer;
mod fetch;
pub mod machine;
mod player;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use self::fetch::Fetch;
use self::player::{Player, Shared};
use crate::device::loudness::Loudness;
use crate::device::sound::Loudspeaker;
use crate::frame::Packet;
use crate::media::listen::{Listen, ListenStats};
use crate::media::playout::{Playout, Stamps};
use crate::queue::Queue;
use crate::supervisor::{Health, Restart, Supervisor, Worker};

/// A loudspeaker that hangs longer than this in its driver is left behind: a call must not wait for it.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// What there is to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is not known yet.
    Looking,
    /// Sound comes.
    Live,
    /// The station sends nothing.
    Silent,
    /// Whoever would have it does not answer.
    Away,
    /// There is no such station there.
    Unknown,
}

impl State {
    /// For the status.
    pub fn word(self) -> &'static str {
        match self {
            Self::Looking => "looking",
            Self::Live => "live",
            Self::Silent => "silent",
            Self::Away => "away",
            Self::Unknown => "unknown",
        }
    }
}

/// Is told when the state is another one, in the fetching thread: put it into a queue.
pub type Tell = Box<dyn FnMut(State) + Send>;

/// Where the sound comes from.
pub enum Sound {
    /// The playlist at this address, and who is told what there is to hear.
    Playlist(String, Tell),
    /// Voice packets, as of a call.
    Packets(Queue<Packet>),
}

/// How it goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EarNews {
    /// Sound that waits to be heard.
    pub waiting: Duration,
    /// Times it ran dry.
    pub gaps: u64,
    /// Times too much had come while it was heard, and the oldest was left out.
    pub cuts: u64,
    /// What is wrong with the loudspeaker.
    pub speaker: Option<String>,
    /// Sound comes out of another loudspeaker, since ours was pulled out.
    pub speaker_gone: bool,
}

/// Somebody listens, until this is dropped.
pub struct Ear {
    playing: Supervisor,
    fetching: Supervisor,
    sound: Shared,
    fetched: Arc<AtomicU64>,
    packets: Arc<ListenStats>,
    loudness: Arc<Loudness>,
    speaker_gone: Arc<AtomicBool>,
    workers: Vec<(&'static str, Arc<Health>)>,
}

impl Ear {
    /// Have `sound` heard from the loudspeaker called `speaker`, as loud as `volume` (0 to 10).
    pub fn open(sound: Sound, speaker: &str, volume: u8) -> Self {
        let loudness = Loudness::new(volume);
        let mut speaker = Loudspeaker::new(speaker, Some(Arc::clone(&loudness)));
        let (watch, speaker_gone) = (speaker.watch(), speaker.stands_in());
        let open = Box::new(move || speaker.open());
        let mut ear = Self {
            playing: Supervisor::new(),
            fetching: Supervisor::new(),
            sound: Shared::default(),
            fetched: Arc::default(),
            packets: Arc::new(ListenStats::as_loud_as(loudness.left())),
            loudness,
            speaker_gone,
            workers: Vec::new(),
        };
        match sound {
            Sound::Playlist(address, tell) => {
                let (sound, volume) = (ear.sound.clone(), ear.loudness.left());
                ear.play(|health| Player { open, sound, volume, health, watch });
                let fetched = Arc::clone(&ear.fetched);
                let fetch = Fetch::new(&address, ear.sound.clone(), fetched, tell);
                let started = ear.fetching.start("ear fetch", Restart::DEVICE, fetch);
                ear.note("ear fetch", started);
            }
            Sound::Packets(packets) => match Playout::new(Stamps::Captured) {
                Ok(playout) => {
                    let stats = Arc::clone(&ear.packets);
                    ear.play(|health| {
                        Listen::new(open, packets, playout, None, stats, health).woken_by(watch)
                    });
                }
                Err(error) => tracing::error!("start the worker ear: {error}"),
            },
        }
        ear
    }

    fn play<W: Worker + 'static>(&mut self, make: impl FnOnce(Arc<Health>) -> W) {
        let started = self.playing.start_with("ear", Restart::DEVICE, make);
        self.note("ear", started);
    }

    fn note(&mut self, name: &'static str, started: std::io::Result<Arc<Health>>) {
        match started {
            Ok(health) => self.workers.push((name, health)),
            Err(error) => tracing::error!("start the worker {name}: {error}"),
        }
    }

    /// 0 to 10.
    pub fn set_volume(&self, volume: u8) {
        self.loudness.set(volume);
    }

    /// Its workers by name, and how they are.
    pub fn workers(&self) -> &[(&'static str, Arc<Health>)] {
        &self.workers
    }

    /// Bytes that went through for a playlist so far, about; packets are counted where they come from.
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// How it goes.
    pub fn news(&self) -> EarNews {
        let (seconds, dry, cuts) = {
            let sound = self.sound.lock();
            (sound.seconds(), sound.gaps(), sound.cuts())
        };
        let target = self.packets.target_ms.load(Ordering::Relaxed);
        let player = self.workers.iter().find(|(name, _)| *name == "ear");
        EarNews {
            waiting: Duration::from_secs_f64(seconds) + Duration::from_millis(target),
            gaps: dry + self.packets.gaps.load(Ordering::Relaxed),
            cuts,
            speaker: player.and_then(|(_, health)| health.trouble()),
            speaker_gone: self.speaker_gone.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Ear {
    /// The loudspeaker is free when this has returned; a request to a slow server ends by itself.
    fn drop(&mut self) {
        self.playing.stop_within(STOP_LIMIT);
        let mut fetching = std::mem::take(&mut self.fetching);
        let end = move || drop(fetching.stop());
        if let Err(error) = std::thread::Builder::new().name("ear end".to_owned()).spawn(end) {
            tracing::error!("end what fetches a station's sound: {error}");
        }
    }
}
