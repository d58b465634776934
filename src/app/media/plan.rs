//! Which devices a kiosk has and how its media is to be, before there is a call.

use crate::clock::Time;
use crate::codec::opus::VoiceFormat;
use crate::config::{self, Cleaning, Config};
use crate::device::loudness::Loudness;
use crate::device::open::{CameraName, Opener, Wish};
use crate::device::sound::Loudspeaker;
use crate::frame::Size;
use crate::geometry::Turn;
use crate::media::camera;
use crate::media::ring::{RingPlayer, Stretch};
use crate::wire::signal::Media;

/// Which devices a kiosk has and how its media is to be, from its config.
#[derive(Debug, Clone)]
pub(in crate::app) struct MediaPlan {
    pub(super) camera: CameraName,
    wish: Wish,
    pub(super) limit: Size,
    pub(super) quality: u8,
    pub(super) microphone: String,
    pub(super) speaker: String,
    pub(super) voice: VoiceFormat,
    pub(super) cleaning: Cleaning,
    ring_volume: u8,
    pub(super) frosted_until: Option<Time>,
}

impl MediaPlan {
    /// What the config says, and how loud the ring is to be.
    pub(in crate::app) fn new(config: &Config, ring_volume: u8) -> Self {
        let Ok(camera) = config.camera.source.to_string().parse();
        Self {
            camera,
            wish: wish(&config.camera),
            limit: Media::default().size,
            quality: config.camera.quality.get(),
            microphone: config.microphone.device.as_str().to_owned(),
            speaker: config.speaker.device.as_str().to_owned(),
            voice: VoiceFormat {
                frame_ms: config.call.frame_ms.get(),
                bitrate: config.call.bitrate.get(),
                dtx: config.call.dtx,
                // Who asks for short packets asks for little delay.
                low_delay: config.call.frame_ms.get() == 10,
            },
            cleaning: config.call.cleaning,
            ring_volume,
            frosted_until: None,
        }
    }

    /// The ring is to be as loud as this, 0 to 10.
    pub(in crate::app) fn set_ring_volume(&mut self, volume: u8) {
        self.ring_volume = volume;
    }

    /// The same for a peer that takes pictures of at most `limit`.
    pub(in crate::app) fn within(&self, limit: Size) -> Self {
        let ours = Media::default().size;
        let limit = Size::new(limit.width.min(ours.width), limit.height.min(ours.height));
        // The camera's own size is the one before turning.
        let untouched = self.wish.turn.rotation.turned(limit);
        let wish = Wish { size: fitted(self.wish.size, untouched), ..self.wish };
        Self { wish, limit, ..self.clone() }
    }

    /// The same with frosted pictures until then.
    pub(in crate::app) fn frosted_until(self, end: Option<Time>) -> Self {
        Self { frosted_until: end, ..self }
    }

    /// What opens the camera, again after each failure.
    pub(in crate::app) fn open_camera(&self) -> camera::OpenSource {
        let mut opener = Opener::new(self.camera.clone(), self.wish);
        Box::new(move || opener.open())
    }

    /// The loudspeaker, as it was named.
    pub(in crate::app) fn speaker(&self) -> &str {
        &self.speaker
    }

    /// The largest picture that is made.
    pub(in crate::app) fn limit(&self) -> Size {
        self.limit
    }

    /// What plays `pattern` as loud as the bell is to be.
    pub(in crate::app) fn ring(&self, pattern: &'static [Stretch]) -> RingPlayer {
        let loudness = Loudness::new(self.ring_volume);
        let volume = loudness.left();
        let mut speaker = Loudspeaker::new(&self.speaker, Some(loudness));
        let watch = speaker.watch();
        RingPlayer::new(Box::new(move || speaker.open()), pattern, volume).woken_by(watch)
    }
}

fn wish(camera: &config::Camera) -> Wish {
    Wish {
        turn: Turn { rotation: camera.rotate.0, mirror: camera.mirror },
        exposure: camera.exposure.get(),
        white_balance: camera.white_balance.get(),
        ..Wish::new(camera.size.0, f64::from(camera.fps.get()))
    }
}

/// `size` made smaller, with even sides, so that it fits into `limit`.
fn fitted(size: Size, limit: Size) -> Size {
    if size.width <= limit.width && size.height <= limit.height {
        return size;
    }
    let scaled = |side: u32, by: u32, of: u32| (side * by / of.max(1)).max(2) & !1;
    if size.width * limit.height >= limit.width * size.height {
        Size::new(limit.width.max(2) & !1, scaled(size.height, limit.width, size.width))
    } else {
        Size::new(scaled(size.width, limit.height, size.height), limit.height.max(2) & !1)
    }
}
