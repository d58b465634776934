//! From the name a person gives a camera to the driver behind it: data, never `cfg`.
//!
//! ```text
//! "auto" ──> every V4L2 node that is a camera, in turn ──none opens──> rpicam-vid, where it is
//!            installed
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::clock;
use crate::frame::{Picture, PixelFormat, Size};
use crate::geometry::Turn;
use crate::stop::Stop;

use super::auto_camera::AutoCamera;
use super::jpeg_file::JpegFile;
use super::rpicam::{self, Rpicam};
use super::test_pattern::TestPattern;
use super::v4l2::{self, Camera};
use super::{DeviceError, VideoSource};

/// A camera as config and command line name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraName {
    /// `auto`: the first camera that can do it.
    Auto,
    /// `pattern`, or `pattern:B` for another letter and tint.
    Pattern(char),
    /// `grain`: the test pattern with a camera's grain over it, which codecs find harder.
    Grain,
    /// `rpicam`: what the program `rpicam-vid` sends.
    Rpicam,
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
            "grain" => Self::Grain,
            "rpicam" => Self::Rpicam,
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
            Self::Grain => f.write_str("grain"),
            Self::Rpicam => f.write_str("rpicam"),
            Self::Device(path) | Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What is asked of a camera. It does what it can; turning is done for it where it can't.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// About this size, before it is turned.
    pub size: Size,
    /// Pictures a second.
    pub fps: f64,
    /// How pictures are to be laid.
    pub turn: Turn,
    /// Units of 100 µs; `None`: the camera chooses.
    pub exposure: Option<u32>,
    /// Kelvin; `None`: the camera chooses.
    pub white_balance: Option<u32>,
}

impl Wish {
    /// Pictures of about `size`, `fps` a second, and everything else as the camera likes it.
    pub const fn new(size: Size, fps: f64) -> Self {
        Self { size, fps, turn: Turn::NONE, exposure: None, white_balance: None }
    }
}

/// Opens one camera, as often as it is asked to.
#[derive(Clone, Debug)]
pub struct Opener {
    name: CameraName,
    wish: Wish,
    auto: AutoCamera,
    /// What was complained of already: once is enough.
    said: Vec<String>,
}

impl Opener {
    /// For the camera of this name.
    pub fn new(name: CameraName, wish: Wish) -> Self {
        Self { name, wish, auto: AutoCamera::default(), said: Vec::new() }
    }

    /// Open it: a camera takes the nearest it has to the wish, a file has what it has.
    ///
    /// # Errors
    /// It is not there, is in use, or can't do it; the text names it.
    pub fn open(&mut self) -> Result<Box<dyn VideoSource>, DeviceError> {
        let Wish { size, fps, turn, .. } = self.wish;
        Ok(match self.name.clone() {
            CameraName::Auto => self.any()?,
            CameraName::Pattern(letter) => turned(TestPattern::new(size, fps, letter)?, turn),
            CameraName::Grain => turned(TestPattern::grainy(size, fps, 'A')?, turn),
            CameraName::Rpicam => Box::new(Rpicam::open(&rpicam::program()?, &self.wish)?),
            CameraName::Device(path) => Box::new(self.v4l2(&path)?),
            CameraName::File(path) => turned(JpegFile::open(&path, fps)?, turn),
        })
    }

    fn any(&mut self) -> Result<Box<dyn VideoSource>, DeviceError> {
        let (auto, wish) = (self.auto.clone(), self.wish);
        auto.open(
            clock::now(),
            &v4l2::find(),
            |path| Ok(Box::new(self.v4l2(path)?)),
            || Ok(Box::new(Rpicam::open(&rpicam::program()?, &wish)?)),
        )
    }

    fn v4l2(&mut self, path: &Path) -> Result<Camera, DeviceError> {
        let camera = Camera::open(path, &self.wish)?;
        for complaint in camera.complaints() {
            let sentence = format!("camera {}: {complaint}", path.display());
            if !self.said.contains(&sentence) {
                tracing::warn!("{sentence}");
                self.said.push(sentence);
            }
        }
        Ok(camera)
    }
}

/// A source that can't turn its pictures, and how they are to be turned.
struct Unturned<S> {
    source: S,
    turn: Turn,
}

fn turned<S: VideoSource + 'static>(source: S, turn: Turn) -> Box<dyn VideoSource> {
    Box::new(Unturned { source, turn })
}

impl<S: VideoSource> VideoSource for Unturned<S> {
    fn shape(&self) -> (Size, PixelFormat) {
        self.source.shape()
    }

    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
        self.source.read(into, stop)
    }

    fn left_to_turn(&self) -> Turn {
        self.turn
    }

    fn broken(&self) -> u64 {
        self.source.broken()
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
    v4l2::list().into_iter().chain(rpicam::found()).collect()
}
