//! What a maker chose: `twocan.toml`. Every key has a default and works without a file, but for
//! the relay and the door, which are absent until somebody names them.
//!
//! A mistake in the file is one sentence with the file, the line, the key and what was expected;
//! see [`ConfigError`]. `kiosk/twocan.toml` shows every key at its default, held there by a test.

#[macro_use]
mod value;
mod call;
mod camera;
mod display;
mod explain;
mod listen;
mod network;
mod paths;
mod sections;
mod station;
mod station_server;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::caps::CONFIG_LIMIT;

pub use call::{Call, Cleaning};
pub use camera::{Exposure, WhiteBalance};
pub use display::{
    BacklightChoice, BlankSeconds, Brightness, Connector, DimSeconds, QuietHours, Rotation,
    VideoPath,
};
pub use listen::{HearSource, Hearable};
pub use network::{Metered, Network};
pub use paths::{Paths, PathsError};
pub use sections::{Camera, Display, Door, Kiosk, Microphone, Relay, Speaker};
pub use station::{Folder, KeepMs, Led, MaxGain, Station, StationCoding, StationServer, Through};
pub use station_server::{HouseStation, StationHouse, StationName, StationWay};
pub use value::{
    Bitrate, CameraSize, CameraSource, Fps, FrameMs, HostKey, Label, Listen, Minutes, Port,
    Quality, RelayFolder, RingSeconds, ScreenKind, ScreenSize, SoundDevice, User, Volume,
};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[kiosk]`
    pub kiosk: Kiosk,
    /// `[display]`
    pub display: Display,
    /// `[camera]`
    pub camera: Camera,
    /// `[microphone]`
    pub microphone: Microphone,
    /// `[speaker]`
    pub speaker: Speaker,
    /// `[call]`
    pub call: Call,
    /// `[network]`
    pub network: Network,
    /// `[relay]`; without it only direct addresses are tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relay>,
    /// `[door]`; without it nothing listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// `[station]`; without it `twocan station` is told everything on its command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub station: Option<Station>,
    /// `[station_server]`; for `twocan station-server` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub station_server: Option<StationHouse>,
    /// `[[listen]]`, in the order of the tiles; without one there is nothing to listen to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Hearable>,
}

/// Why there is no configuration. A command that meets it exits with code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file says something that cannot be.
    #[error("{file}:{line}: {sentence}")]
    Wrong {
        /// The file as it was named.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong there and what was expected.
        sentence: String,
    },
    /// The command line, with or without the file, asks for what cannot be.
    #[error("{0}")]
    Asked(String),
}

impl Config {
    /// The file's, or the defaults when none is named.
    ///
    /// # Errors
    /// See [`ConfigError`]; a file that was named must exist.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, CONFIG_LIMIT + 1), &mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > CONFIG_LIMIT {
            return Err(failed(io::Error::other("the file is over 1 MiB")));
        }
        Self::parse(&path.display().to_string(), &bytes)
    }

    /// From the bytes of a file; `file` is what errors call it.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`].
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ConfigError> {
        let wrong = |(line, sentence)| ConfigError::Wrong { file: file.to_owned(), line, sentence };
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = explain::line(bytes, e.valid_up_to());
            wrong((line, "not UTF-8 text; expected TOML".to_owned()))
        })?;
        explain::parse(text).map_err(wrong)
    }
}
