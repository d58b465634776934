//! A station's microphone: both channels in 24 bits, at whatever rate the card has.
//!
//! ```text
//! mic_hw, plughw:…  ──> card.rs ──┐
//! PATH.s32 PATH.wav ──> file.rs ──┼──> [left, right] in 24 bits, stamped ──> capture, meter
//! tone, silence     ──> file.rs ──┘
//! ```
//! Unlike a call's microphone (48 kHz mono in 16 bits) it loses nothing on the way: a quiet garden is in
//! the lowest of the 24 bits. Bringing it to 16 kHz is not a device's business.

mod card;
mod file;
mod sample;

use std::path::Path;

use super::DeviceError;
use crate::clock::Time;
use crate::stop::Stop;

pub use card::CardMic;
pub use file::{FileMic, Pace, ToneMic};
pub use sample::Sample;

/// Left and right, 24 bits each, sign-extended. Of a card with one channel both are that.
pub type Stereo = [i32; 2];

/// The largest value of a sample.
pub const FULL_SCALE: i32 = 0x7f_ffff;

/// A station's microphone, or what stands for one.
pub trait StationMic: Send {
    /// Frames a second.
    fn rate(&self) -> u32;

    /// Channels that the device itself has: with one, left and right are the same.
    fn channels(&self) -> usize;

    /// Wait for frames and put them into `into`, which is emptied first: some 20 ms. The time is that of
    /// the first one; `None`: it is time to stop, or the source has ended.
    ///
    /// # Errors
    /// The device is gone or broken.
    fn read(&mut self, into: &mut Vec<Stereo>, stop: &Stop) -> Result<Option<Time>, DeviceError>;

    /// Times the device had sound that nobody took, and it was lost.
    fn overruns(&self) -> u64 {
        0
    }
}

/// Open what `text` means: `tone`, `silence`, a file `PATH.s32` or `PATH.wav`, else an ALSA device.
///
/// # Errors
/// It can't be opened; the text names it.
pub fn open(text: &str) -> Result<Box<dyn StationMic>, DeviceError> {
    let path = Path::new(text);
    let is = |wanted| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted));
    Ok(match text {
        "tone" => Box::new(ToneMic::new(440, 0.25)),
        "silence" => Box::new(ToneMic::new(440, 0.0)),
        _ if is("s32") || is("wav") => Box::new(FileMic::open(path, Pace::Real)?),
        name => Box::new(CardMic::open(name.strip_prefix("alsa:").unwrap_or(name))?),
    })
}
