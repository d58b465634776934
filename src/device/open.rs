//! From the name a person gives a camera to the driver behind it: data, never `cfg`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::frame::Size;

use super::jpeg_file::JpegFile;
use super::test_pattern::TestPattern;
use super::v4l2::Camera;
use super::{DeviceError, VideoSource};

/// A camera as config and command line name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraName {
    /// `auto`: the first camera that can do it.
    Auto,
    /// `pattern`, or `pattern:B` for another letter and tint.
    Pattern(char),
    /// `/dev/video0`, or a link under `/dev`.
    Device(PathBuf),
    /// A file of JPEGs back to back, or a folder of them.
    File(PathBuf),
}

impl FromStr for CameraName {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "auto" => Self::Auto,
            "pattern" => Self::Pattern('A'),
            _ => match name.strip_prefix("pattern:").map(|letter| letter.chars().next()) {
                Some(letter) => Self::Pattern(letter.unwrap_or('A')),
                None if name.starts_with("/dev/") => Self::Device(name.into()),
                None => Self::File(name.into()),
            },
        })
    }
}

impl fmt::Display for CameraName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Pattern(letter) => write!(f, "pattern:{letter}"),
            Self::Device(path) | Self::File(path) => path.display().fmt(f),
        }
    }
}

impl CameraName {
    /// Open it for pictures of about `size`, `fps` a second: a camera takes the nearest it has, a
    /// file has what it has.
    ///
    /// # Errors
    /// It is not there, is in use, or can't do it; the text names it.
    pub fn open(&self, size: Size, fps: f64) -> Result<Box<dyn VideoSource>, DeviceError> {
        Ok(match self {
            Self::Auto => {
                let path = super::v4l2::find().into_iter().next().ok_or_else(|| DeviceError {
                    deed: "find",
                    device: "a camera".to_owned(),
                    cause: "no /dev/video* captures pictures in a format known here".to_owned(),
                })?;
                Box::new(Camera::open(&path, size, fps)?)
            }
            Self::Pattern(letter) => Box::new(TestPattern::new(size, fps, *letter)?),
            Self::Device(path) => Box::new(Camera::open(path, size, fps)?),
            Self::File(path) => Box::new(JpegFile::open(path, fps)?),
        })
    }
}

/// A camera, or what looks like one, that this machine has now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CameraFound {
    /// As `camera.source` in the config would say it.
    pub name: String,
    /// What its maker calls it; empty where it can't be asked.
    pub card: String,
    /// The kernel's driver, or the program behind it.
    pub driver: String,
    /// The formats it sends, as the kernel names them: `MJPG`, `YUYV`.
    pub formats: Vec<String>,
    /// Whether pictures can be had from it.
    pub usable: bool,
    /// What there is to say of it, for a helper.
    pub sentence: String,
}

/// Every camera that is connected, in the order in which `auto` tries them, and what looks like
/// one but is of no use. Nothing is started.
pub fn cameras() -> Vec<CameraFound> {
    super::v4l2::list()
}
