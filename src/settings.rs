//! What the resident has set by touch and finds again after a power cut: `STATE/settings.toml`. Of what
//! was not touched yet the configuration's values hold.

use std::path::Path;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use crate::config::QuietHours;
use crate::store::{self, Loaded, StoreError};

const FILE: &str = "settings.toml";

/// Steps of loudness.
pub const LOUDEST: u8 = 10;
/// Steps of light.
pub const BRIGHTEST: u8 = 5;

/// The settings; none: not set by touch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Loudness of a call, 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<u8>,
    /// Loudness of the ring, 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_volume: Option<u8>,
    /// Light of the screen in steps, 1 to 5; see [`percent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brightness: Option<u8>,
    /// When nobody may ring but the exceptions, and the screen is dark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The quiet hours as they were when they were switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_before: Option<QuietHours>,
}

/// One of them, by touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Loudness of a call.
    Volume(u8),
    /// Loudness of the ring.
    RingVolume(u8),
    /// Light of the screen in steps.
    Brightness(u8),
    /// The quiet hours, and what they are when they are switched on again.
    Quiet {
        /// From now on.
        hours: QuietHours,
        /// With times.
        before: QuietHours,
    },
}

impl Settings {
    /// The same with this change.
    pub fn with(mut self, change: Change) -> Self {
        match change {
            Change::Volume(volume) => self.volume = Some(volume.min(LOUDEST)),
            Change::RingVolume(volume) => self.ring_volume = Some(volume.min(LOUDEST)),
            Change::Brightness(step) => self.brightness = Some(step.clamp(1, BRIGHTEST)),
            Change::Quiet { hours, before } => {
                self.quiet_hours = Some(hours);
                self.quiet_before = Some(before);
            }
        }
        self
    }
}

/// The light of a step, in percent of the panel's, where `most` percent are what the configuration
/// calls bright: each step looks about as much brighter as the one before it.
pub fn percent(step: u8, most: u8) -> u8 {
    let share: u32 = match step {
        0 | 1 => 8,
        2 => 20,
        3 => 38,
        4 => 64,
        _ => 100,
    };
    u8::try_from((share * u32::from(most)).div_ceil(100)).unwrap_or(most).max(1)
}

/// The quiet hours that are proposed where there never were any.
pub fn usual_night() -> (NaiveTime, NaiveTime) {
    let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day");
    (hour(22), hour(7))
}

/// What was kept last; nothing where nothing was, or when it can't be read (with a line in the log).
pub fn load(state: &Path) -> Settings {
    let parse = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        toml::from_str::<Settings>(text).map_err(|error| error.message().to_owned())
    };
    let Loaded { value, trouble, .. } = store::load(&state.join(FILE), parse);
    if let Some(trouble) = trouble {
        tracing::warn!("{trouble}");
    }
    value
}

/// Keep these.
///
/// # Errors
/// The disk does not take them.
pub fn keep(state: &Path, settings: Settings) -> Result<(), StoreError> {
    let text = toml::to_string(&settings).expect("numbers and times are TOML");
    store::write(&state.join(FILE), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again_and_a_broken_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), Settings::default());
        let (from, to) = usual_night();
        let night = QuietHours::between(from, to).unwrap();
        let quiet = Change::Quiet { hours: QuietHours::default(), before: night };
        let kept = [Change::Volume(4), Change::RingVolume(0), Change::Brightness(9), quiet]
            .into_iter()
            .fold(Settings::default(), Settings::with);
        keep(folder.path(), kept).unwrap();
        assert_eq!(load(folder.path()), kept);
        assert_eq!(kept.brightness, Some(BRIGHTEST));
        std::fs::write(folder.path().join(FILE), "volume = 'loud'").unwrap();
        assert_eq!(load(folder.path()), Settings::default());
        // As the version before wrote it.
        std::fs::write(folder.path().join(FILE), "volume = 4\n").unwrap();
        let before = Settings { volume: Some(4), ..Settings::default() };
        assert_eq!(load(folder.path()), before);
    }

    #[test]
    fn five_steps_of_light_grow_and_end_at_what_the_configuration_calls_bright() {
        assert_eq!([1, 2, 3, 4, 5].map(|step| percent(step, 100)), [8, 20, 38, 64, 100]);
        assert_eq!([1, 5, 200].map(|step| percent(step, 50)), [4, 50, 50]);
        assert_eq!(percent(1, 1), 1);
    }
}
