//! What is done to our voice before it is sent: nobody hears himself, nor our fan.
//!
//! ```text
//!  microphone ─10 ms─> Cleaner ─> level ─> Opus
//!                         ▲ what was heard meanwhile
//!  listen ──> FarEnd ─────┘
//! ```
//! The canceller learns how the room answers the loudspeaker, so it wants to be told what was really
//! heard and when: see [`FarEnd`]. Why not a library's own queue of what was played: it counts
//! periods, and a card that runs dry, or two cards that drift apart, shift it by as much as was lost.

mod far_end;
mod processing;

use std::time::Duration;

pub use far_end::FarEnd;

use crate::config::Cleaning;
use crate::frame::PERIOD_SAMPLES;
use processing::Processing;

/// Cleans the sound of a microphone, 10 ms after 10 ms.
pub trait Cleaner: Send {
    /// Replace `near`, which the microphone captured, by what is to be sent. `far` is what the
    /// loudspeaker played meanwhile; silence where [`Cleaner::wants_far_end`] is false.
    fn clean(&mut self, near: &mut [i16; PERIOD_SAMPLES], far: &[i16; PERIOD_SAMPLES]);

    /// Whether it looks at what the loudspeaker played.
    fn wants_far_end(&self) -> bool;

    /// By how much what it gives is older than what it was given last.
    fn delay(&self) -> Duration;
}

/// A cleaner with no past that does what `cleaning` says.
pub fn cleaner(cleaning: Cleaning) -> Box<dyn Cleaner> {
    match cleaning {
        Cleaning::Full => Box::new(Processing::full()),
        Cleaning::Noise => Box::new(Processing::noise_only()),
        Cleaning::Off => Box::new(Untouched),
    }
}

/// Sends what the microphone heard.
struct Untouched;

impl Cleaner for Untouched {
    fn clean(&mut self, _near: &mut [i16; PERIOD_SAMPLES], _far: &[i16; PERIOD_SAMPLES]) {}

    fn wants_far_end(&self) -> bool {
        false
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}
