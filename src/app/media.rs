//! The media of one call: four workers between the devices and the tunnel's queues.
//!
//! ```text
//!  camera ─> Camera ─┬─> pictures_out        pictures_in ─> Viewer ─> the screen
//!            acks_in ┘ └─> Viewer ─> self view    acks_out <─┘
//!  microphone ─> Talk ─> voice_out           voice_in ─> Listen ─> loudspeaker
//!                 ▲              FarEnd               │
//!                 └───────── what is heard ───────────┘
//! ```
//! What we send and what we receive have a supervisor each: *hide* stops the first one, which closes
//! camera and microphone. A worker that fails is tried again by its supervisor while the rest of
//! the call goes on.

mod asked;
mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::eye::{self, Eye, StampReader};
use super::facts::News;
use super::status::worker;
use crate::clock::Time;
use crate::codec::jpeg::Limits;
use crate::device::loudness::Loudness;
use crate::device::mirror::Mirror;
use crate::device::open::CameraName;
use crate::device::sound::{Loudspeaker, Microphone};
use crate::frame::Packet;
use crate::identity::PeerKey;
use crate::media::announce::Announcer;
use crate::media::camera::{self, Camera, Gate};
use crate::media::level;
use crate::media::listen::{Lateness, Listen, ListenStats};
use crate::media::pace::Ceiling;
use crate::media::playout::{Playout, Stamps};
use crate::media::talk::{Talk, TalkStats};
use crate::media::viewer::{self, Viewer};
use crate::media::voice::FarEnd;
use crate::queue::Queue;
use crate::supervisor::{Health, Restart, Supervisor, Worker};
use crate::tunnel::MediaPorts;
use crate::ui::face::Face;
use crate::ui::screen::{Levels, Open, Page, Screen};
use crate::wire::packet::PICTURE_LIMIT;
use crate::wire::signal::Media;
use crate::wire::status::{AudioFigures, Figures, VideoFigures, WorkerStatus};
pub(super) use plan::MediaPlan;

/// The workers of one call, and what they counted.
pub(super) struct CallMedia {
    peer: PeerKey,
    plan: MediaPlan,
    face: Arc<dyn Face>,
    ports: MediaPorts,
    own_pictures: Queue<Packet>,
    new_path: Arc<AtomicBool>,
    ceiling: Ceiling,
    camera: Arc<camera::Counters>,
    talk: Arc<TalkStats>,
    viewer: Arc<viewer::Counters>,
    listen: Arc<ListenStats>,
    far_end: Arc<FarEnd>,
    loudness: Arc<Loudness>,
    speaker_gone: Arc<AtomicBool>,
    announcer: Announcer,
    eye: Arc<Eye>,
    sending: Team,
    receiving: Team,
    own_view: Team,
    started: Time,
    baseline: Option<Figures>,
}

/// A device that hangs longer than this in its driver is left behind: hanging up must not wait.
const TEAM_STOP: Duration = Duration::from_secs(1);

/// Workers that are started and stopped together.
#[derive(Default)]
struct Team {
    supervisor: Supervisor,
    members: Vec<(&'static str, Arc<Health>)>,
}

impl Team {
    fn start<W: Worker + 'static>(
        &mut self,
        name: &'static str,
        make: impl FnOnce(Arc<Health>) -> W,
    ) {
        match self.supervisor.start_with(name, Restart::DEVICE, make) {
            Ok(health) => self.members.push((name, health)),
            Err(error) => tracing::error!("start the worker {name}: {error}"),
        }
    }

    fn stop(&mut self) {
        self.supervisor.stop_within(TEAM_STOP);
        self.members.clear();
    }

    fn trouble(&self, name: &str) -> Option<String> {
        self.members.iter().find(|(member, _)| *member == name)?.1.trouble()
    }
}

impl CallMedia {
    /// Open everything and let it run.
    pub(super) fn start(
        plan: MediaPlan,
        peer: PeerKey,
        ports: MediaPorts,
        face: &Arc<dyn Face>,
        volume: u8,
        now: Time,
    ) -> Self {
        let loudness = Loudness::new(volume);
        let mut media = Self {
            peer,
            plan,
            face: Arc::clone(face),
            ports,
            own_pictures: Queue::newest_wins(1),
            new_path: Arc::default(),
            ceiling: Ceiling::default(),
            camera: Arc::default(),
            talk: Arc::default(),
            viewer: Arc::default(),
            listen: Arc::new(ListenStats::as_loud_as(loudness.left())),
            far_end: Arc::default(),
            loudness,
            speaker_gone: Arc::default(),
            announcer: Announcer::new(),
            eye: Arc::default(),
            sending: Team::default(),
            receiving: Team::default(),
            own_view: Team::default(),
            started: now,
            baseline: None,
        };
        media.start_receiving();
        media.start_sending();
        media
    }

    fn start_receiving(&mut self) {
        let (eye, face) = (Arc::clone(&self.eye), Arc::clone(&self.face));
        // Whoever looks at a test pattern is a test; nobody else pays for reading stamps.
        let stamped = matches!(self.plan.camera, CameraName::Pattern(_));
        let open: viewer::OpenSink = Box::new(move || {
            let sink = face.remote(eye::shown(&eye));
            Ok(if stamped { Box::new(StampReader::new(sink, &eye)) } else { sink })
        });
        let (pictures, acks) = (self.ports.pictures_in.clone(), self.ports.acks_out.clone());
        let counters = Arc::clone(&self.viewer);
        self.receiving.start("viewer", |health| {
            Viewer::new(open, limits(), pictures, Some(acks), counters, health)
        });
        let (voice, stats) = (self.ports.voice_in.clone(), Arc::clone(&self.listen));
        let mut speaker = Loudspeaker::new(&self.plan.speaker, Some(Arc::clone(&self.loudness)));
        let watch = speaker.watch();
        self.speaker_gone = speaker.stands_in();
        let open = Box::new(move || speaker.open());
        // libopus refuses when memory is out; then there is no sound, and the picture goes on.
        let (far_end, announcer) = (Arc::clone(&self.far_end), self.announcer.clone());
        match Playout::new(Stamps::Captured) {
            Ok(playout) => self.receiving.start("listen", |health| {
                Listen::new(open, voice, playout, None, stats, health)
                    .with_announcer(announcer)
                    .woken_by(watch)
                    .told_what_is_played(Arc::new(move |sound, at| far_end.played(sound, at)))
            }),
            Err(error) => tracing::error!("start the worker listen: {error}"),
        }
    }

    fn start_sending(&mut self) {
        let open = self.plan.open_camera();
        let settings = camera::Settings { quality: self.plan.quality, limit: self.plan.limit };
        let gate = Gate::acknowledged(self.ports.acks_in.clone(), Arc::clone(&self.new_path));
        let (pictures, own) = (self.ports.pictures_out.clone(), self.own_pictures.clone());
        let counters = Arc::clone(&self.camera);
        let (ceiling, spacing) = (self.ceiling.clone(), Arc::clone(&self.ports.pictures_spacing));
        let frosted_until = self.plan.frosted_until;
        self.sending.start("camera", |health| {
            Camera::new(open, settings, gate, pictures, counters, health)
                .with_own_view(own)
                .with_ceiling(ceiling)
                .with_spacing(spacing)
                .frosted_until(frosted_until)
        });
        let mut microphone = Microphone::new(&self.plan.microphone);
        let watch = microphone.watch();
        let open = Box::new(move || microphone.open());
        let (voice, stats) = (self.ports.voice_out.clone(), Arc::clone(&self.talk));
        let (format, cleaning) = (self.plan.voice, self.plan.cleaning);
        let far_end = Arc::clone(&self.far_end);
        let camera = Arc::clone(&self.camera);
        self.sending.start("talk", |health| {
            Talk::new(open, format, voice, stats, health)
                .cleaned(cleaning, Some(far_end))
                .sparing(Box::new(move || camera.class()))
                .woken_by(watch)
        });
    }

    /// With whom.
    pub(super) fn peer(&self) -> PeerKey {
        self.peer
    }

    /// Close camera and microphone, or open them again.
    pub(super) fn hide(&mut self, hidden: bool) {
        if hidden {
            // What was taken before the touch must not leave the house after it: not the rest of a
            // picture that is half on the line, either, nor one that is taken while the camera closes.
            self.ports.blank();
            self.own_view.stop();
            self.sending.stop();
            self.ports.pictures_out.clear();
            self.ports.voice_out.clear();
            self.ports.blank();
            self.own_pictures.clear();
        } else {
            self.start_sending();
        }
    }

    /// The link is a new one: what was on its way is gone, and nobody will acknowledge it.
    pub(super) fn path_renewed(&self) {
        self.new_path.store(true, Ordering::Relaxed);
    }

    /// 0 to 10.
    pub(super) fn set_volume(&self, volume: u8) {
        self.loudness.set(volume);
    }

    /// Run the small own picture exactly while the screen shows it.
    pub(super) fn follow_screen(&mut self, screen: &Screen) {
        let wanted = matches!(screen.page, Page::InCall { self_view: true, .. });
        let runs = !self.own_view.members.is_empty();
        if wanted && !runs {
            let face = Arc::clone(&self.face);
            let Some(sink) = face.own() else { return };
            drop(sink);
            let open: viewer::OpenSink = Box::new(move || {
                // People know themselves from mirrors.
                Ok(Box::new(Mirror::new(face.own().expect("it was there"))))
            });
            let pictures = self.own_pictures.clone();
            self.own_view.start("own view", |health| {
                Viewer::new(open, limits(), pictures, None, Arc::default(), health)
            });
        } else if !wanted && runs {
            self.own_view.stop();
        }
    }

    /// Stop all of it.
    pub(super) fn stop(&mut self) {
        self.own_view.stop();
        self.sending.stop();
        self.receiving.stop();
    }

    /// What the core wants to know once a second.
    pub(super) fn news(&self) -> News {
        News {
            // What a panel that is away would not tell.
            picture: self.viewer.last().map(|(shown, _)| shown),
            voice: self.listen.arrived(),
            quality: self.camera.class(),
            levels: self.levels(),
            open: self.open(),
            camera: self.sending.trouble("camera"),
            microphone: self.sending.trouble("talk"),
            speaker: self.receiving.trouble("listen"),
            speaker_gone: self.speaker_gone.load(Ordering::Relaxed),
        }
    }

    /// What of us is open now.
    pub(super) fn open(&self) -> Open {
        Open { camera: self.camera.open.is_lit(), microphone: self.talk.open.is_lit() }
    }

    /// How loud both ends are now.
    pub(super) fn levels(&self) -> Levels {
        Levels {
            ours: level::step(self.talk.level.load(Ordering::Relaxed)),
            theirs: level::step(self.listen.level.load(Ordering::Relaxed)),
        }
    }

    /// A remote picture was handed to the screen.
    pub(super) fn has_picture(&self) -> bool {
        self.viewer.last().is_some()
    }

    /// When the first remote picture was shown.
    pub(super) fn first_picture(&self) -> Option<Time> {
        self.eye.first()
    }

    /// Begin to count anew: the figures that matter are those of a call that has settled.
    pub(super) fn settle(&mut self, now: Time) {
        self.eye.settle();
        self.listen.settle();
        self.baseline = Some(Figures { since_us: now.micros(), ..self.counted() });
    }

    /// What was counted since [`CallMedia::settle`], or so far.
    pub(super) fn figures(&self) -> Figures {
        let Some(baseline) = &self.baseline else { return self.whole_call() };
        let mut figures = self.counted().since(baseline);
        (figures.video.age_ms, figures.video.stamp_age_ms) = self.eye.since_settled();
        self.with_lateness(figures, self.listen.since_settled())
    }

    /// What was counted in all of the call.
    pub(super) fn whole_call(&self) -> Figures {
        let mut figures = self.counted();
        (figures.video.age_ms, figures.video.stamp_age_ms) = self.eye.whole_call();
        self.with_lateness(figures, self.listen.whole_call())
    }

    /// Sound's delays, and how far it is ahead of the picture: from medians, where there are both.
    fn with_lateness(&self, mut figures: Figures, sound: Lateness) -> Figures {
        let (audio, picture) = (&mut figures.audio, &figures.video.age_ms);
        (audio.arrival_ms, audio.heard_ms) = (sound.arrival, sound.heard);
        if sound.heard.count > 0 && picture.count > 0 {
            audio.lip_sync_ms = picture.p50 - sound.heard.p50;
        }
        figures
    }

    fn counted(&self) -> Figures {
        let (camera, viewer) = (&self.camera, &self.viewer);
        let (talk, listen) = (&self.talk, &self.listen);
        let shown = self.eye.count();
        let last = self.eye.last();
        Figures {
            since_us: self.started.micros(),
            video: VideoFigures {
                captured: count(&camera.captured),
                sent: count(&camera.sent),
                bytes_sent: count(&camera.bytes),
                skipped: count(&camera.skipped),
                unchanged: count(&camera.unchanged),
                rung: count(&camera.rung),
                quality: camera.class().word().to_owned(),
                shown,
                // Replaced on the way to the decoder, or between it and the eye.
                dropped: self.ports.pictures_in.displaced()
                    + count(&viewer.dropped)
                    + count(&viewer.shown).saturating_sub(shown),
                late: count(&viewer.late),
                bad: count(&viewer.broken),
                oversize: count(&viewer.oversize),
                bytes_received: count(&viewer.bytes),
                last_captured_us: last.map(|(captured, _)| captured.micros()),
                last_shown_us: last.map(|(_, shown)| shown.micros()),
                ..VideoFigures::default()
            },
            audio: AudioFigures {
                sent: count(&talk.packets),
                bytes_sent: count(&talk.bytes),
                packets: count(&listen.packets),
                bytes_received: count(&listen.bytes),
                gaps: count(&listen.gaps),
                late: count(&listen.late),
                bad: count(&listen.refused),
                concealed_ms: count(&listen.concealed_ms),
                received_ms: count(&listen.received_ms),
                target_ms: count(&listen.target_ms),
                xruns: count(&talk.overruns) + count(&listen.underruns),
                ..AudioFigures::default()
            },
        }
    }

    /// How the workers are.
    pub(super) fn workers(&self) -> Vec<WorkerStatus> {
        let teams = [&self.receiving, &self.sending, &self.own_view];
        let members = teams.into_iter().flat_map(|team| &team.members);
        members.map(|(name, health)| worker(name, health)).collect()
    }
}

pub(super) fn limits() -> Limits {
    Limits { size: Media::default().size, bytes: PICTURE_LIMIT }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
