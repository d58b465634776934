//! `[call]`: what a call is made of.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::value::{Bitrate, FrameMs, RingSeconds, Text, TextVisitor};

/// What is done to our voice before it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cleaning {
    /// Echo cancelled, noise suppressed, loudness evened out.
    #[default]
    Full,
    /// Noise suppressed and nothing else: for a headset, or a microphone that cancels echo itself.
    Noise,
    /// Nothing.
    Off,
}

impl fmt::Display for Cleaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Noise => "noise",
            Self::Off => "off",
        })
    }
}

text!(Cleaning, "\"full\", \"noise\" or \"off\"", |text| {
    [Cleaning::Full, Cleaning::Noise, Cleaning::Off]
        .into_iter()
        .find(|cleaning| cleaning.to_string() == text)
});

/// What a call is made of.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Call {
    /// Milliseconds of sound in one packet, 10 or 20. Default 20.
    pub frame_ms: FrameMs,
    /// Bits of sound a second. Default 24000.
    pub bitrate: Bitrate,
    /// Send next to nothing while nobody speaks. Default true.
    pub dtx: bool,
    /// `full` (default), `noise` or `off`.
    pub cleaning: Cleaning,
    /// Seconds until nobody answered. Default 40.
    pub ring_seconds: RingSeconds,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            frame_ms: FrameMs::default(),
            bitrate: Bitrate::default(),
            dtx: true,
            cleaning: Cleaning::default(),
            ring_seconds: RingSeconds::default(),
        }
    }
}
