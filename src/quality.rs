//! How good the picture on a line is, in the few classes that have a word.
//!
//! The ladder of `media::pace` has more rungs; what a resident reads, and what one end tells the
//! other in a `report`, are these.

use serde::{Deserialize, Serialize};

/// From the best to the least: a greater one is a worse picture.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "u8", into = "u8")]
pub enum Quality {
    /// As it was configured.
    #[default]
    Full,
    /// Coarser or smaller, still moving well.
    Smaller,
    /// Few pictures a second.
    Slower,
    /// A still every two seconds.
    Stills,
    /// No picture at all: what there is of the line belongs to the voice.
    VoiceOnly,
}

impl Quality {
    /// All of them, the best first.
    pub const ALL: [Quality; 5] =
        [Self::Full, Self::Smaller, Self::Slower, Self::Stills, Self::VoiceOnly];

    /// As the status says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Smaller => "smaller",
            Self::Slower => "slower",
            Self::Stills => "stills",
            Self::VoiceOnly => "voice-only",
        }
    }
}

impl From<u8> for Quality {
    /// A number of a later version is taken for the worst.
    fn from(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::VoiceOnly)
    }
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> Self {
        quality as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_survives_the_wire_and_an_unknown_one_is_the_worst() {
        for quality in Quality::ALL {
            assert_eq!(Quality::from(u8::from(quality)), quality);
        }
        assert_eq!(Quality::from(5), Quality::VoiceOnly);
        assert_eq!(Quality::from(255), Quality::VoiceOnly);
    }
}
