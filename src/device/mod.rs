//! The four ends of a call's media, and every driver for them.
//!
//! ```text
//! VideoSource -> camera worker ~~~> viewer worker -> VideoSink
//! AudioSource -> talk worker   ~~~> listen worker -> AudioSink
//! ```
//! Drivers are chosen by config data, never by `cfg`; the synthetic ones ship. This is the only
//! place that opens `/dev` for media. A driver opens in its constructor and fails plainly with the
//! device named; trying again is the supervisor's business.

pub mod alsa;
pub mod alsa_mixer;
mod auto_camera;
mod auto_sound;
pub mod backlight;
mod card_memory;
pub mod clock_sync;
pub mod file_video;
pub mod headroom;
pub mod jpeg_file;
pub mod led;
mod letters;
pub mod loudness;
pub mod memory;
pub mod metered;
pub mod mirror;
pub mod namespace;
pub mod network_news;
pub mod null_audio;
pub mod null_video;
pub mod open;
pub mod priority;
pub mod rpicam;
pub mod sound;
pub mod sound_cards;
pub mod sound_server;
pub mod sound_watch;
pub mod stamp;
pub mod station_mic;
pub mod tcp_flow;
pub mod test_pattern;
mod ticker;
pub mod tone;
pub mod touch_devices;
pub mod tun;
pub mod v4l2;
pub mod wav;

use std::time::Duration;

use crate::clock::Time;
use crate::frame::{PERIOD_SAMPLES, Picture, PixelFormat, Size};
use crate::geometry::Turn;
use crate::stop::Stop;

/// A device could not do something; the text names the device and the deed.
#[derive(Debug, thiserror::Error)]
#[error("{deed} {device}: {cause}")]
pub struct DeviceError {
    /// What was tried, as a verb: `open camera`, `read from microphone`.
    pub deed: &'static str,
    /// The device as the config names it.
    pub device: String,
    /// What the system said.
    pub cause: String,
}

/// A camera, a file or a generator.
pub trait VideoSource: Send {
    /// What the pictures will be: size, and the format they come in.
    fn shape(&self) -> (Size, PixelFormat);

    /// Wait for the next picture and put it into `into`, whose allocation is reused.
    /// False: it is time to stop, or the source has ended.
    ///
    /// # Errors
    /// The device is gone or broken.
    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError>;

    /// How its pictures have yet to be turned: what was asked for and the device can't do itself.
    fn left_to_turn(&self) -> Turn {
        Turn::NONE
    }

    /// Pictures that came from the device and were of no use: empty, cut short, marked as broken.
    fn broken(&self) -> u64 {
        0
    }
}

/// A screen, a counter or a file.
pub trait VideoSink: Send {
    /// The layout it wants: [`PixelFormat::I420`], [`PixelFormat::Rgb8`], or [`PixelFormat::Jpeg`]
    /// for a sink that keeps the bytes as they came.
    fn format(&self) -> PixelFormat;

    /// A buffer of exactly `bytes` for one picture of `size`, to be filled and then pushed. A second
    /// lease without a push takes the first one back; of the same size it still holds what was in it.
    fn lease(&mut self, size: Size, bytes: usize) -> &mut [u8];

    /// Show what was leased last: it replaces a picture that still waits to be shown.
    ///
    /// # Errors
    /// The device is gone or full.
    fn push(&mut self, captured: Time) -> Result<(), DeviceError>;
}

/// A microphone, a file or a generator: 48 kHz mono.
pub trait AudioSource: Send {
    /// Wait for the next 10 ms. The time is that of the first sample; `None`: it is time to stop,
    /// or the source has ended.
    ///
    /// # Errors
    /// The device is gone or broken.
    fn read(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        stop: &Stop,
    ) -> Result<Option<Time>, DeviceError>;

    /// Times the device had sound that nobody took, and it was lost.
    fn overruns(&self) -> u64 {
        0
    }
}

/// A loudspeaker, a file or a void: 48 kHz mono.
pub trait AudioSink: Send {
    /// Wait until 10 ms can be written at once, so that what is written can be chosen as late as
    /// possible. False: it is time to stop.
    ///
    /// # Errors
    /// The device is gone or broken.
    fn wait(&mut self, stop: &Stop) -> Result<bool, DeviceError>;

    /// Take any number of samples, waiting until the device has room. False: it is time to stop.
    ///
    /// # Errors
    /// The device is gone or broken.
    fn write(&mut self, samples: &[i16], stop: &Stop) -> Result<bool, DeviceError>;

    /// Sound that would go on playing if nothing more were written.
    fn queued(&mut self) -> Duration;

    /// How long the next sample written would wait until it is heard.
    fn delay(&mut self) -> Duration;

    /// Times the device ran out of sound.
    fn underruns(&self) -> u64 {
        0
    }
}
