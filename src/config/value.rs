//! The kinds of values in the file, each with its range, so that a wrong one is refused in words:
//! `` `fps` in [camera] is 90; expected a number of frames per second, 1 to 60``.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::{Serialize, Serializer};
use ssh_key::PublicKey;

use crate::address::Host;
use crate::frame::Size;
use crate::known_hosts;
use crate::meeting::Place;
use crate::name::clean_name;

/// A value that is text in the file.
pub(super) trait Text: Sized {
    /// What was expected, for the sentence.
    const EXPECTED: &'static str;
    fn parse(text: &str) -> Option<Self>;
}

/// A text was not what it should be: what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct Expected(pub &'static str);

/// Characters of a wrong text that its sentence repeats.
const SHOWN: usize = 60;

pub(super) struct TextVisitor<T>(PhantomData<T>);

impl<T> TextVisitor<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Text> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).ok_or_else(|| {
            // A key may be longer than the sentence: what was expected must still find room.
            let mut shown: String = text.chars().take(SHOWN).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            E::invalid_value(Unexpected::Str(&shown), &self)
        })
    }
}

macro_rules! text {
    ($name:ident, $expected:literal, $parse:expr) => {
        impl Text for $name {
            const EXPECTED: &'static str = $expected;
            fn parse(text: &str) -> Option<Self> {
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(TextVisitor::new())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
                into.collect_str(self)
            }
        }
    };
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $type:ty, $default:literal, $allowed:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name($type);

        impl $name {
            /// None: out of the range.
            pub fn new(value: $type) -> Option<Self> {
                let allowed: fn(i64) -> bool = $allowed;
                allowed(i64::from(value)).then_some(Self(value))
            }

            /// The number.
            pub const fn get(self) -> $type {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Number;
                impl Visitor<'_> for Number {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_i64<E: de::Error>(self, value: i64) -> Result<$name, E> {
                        <$type>::try_from(value)
                            .ok()
                            .and_then($name::new)
                            .ok_or_else(|| E::invalid_value(Unexpected::Signed(value), &self))
                    }

                    fn visit_u64<E: de::Error>(self, value: u64) -> Result<$name, E> {
                        self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
                    }
                }
                from.deserialize_i64(Number)
            }
        }
    };
}

number!(
    /// Pictures a second, 1 to 60.
    Fps, u32, 30, |n| (1..=60).contains(&n), "a number of frames per second, 1 to 60"
);
number!(
    /// JPEG quality, 10 to 95.
    Quality, u8, 75, |n| (10..=95).contains(&n), "a JPEG quality, 10 to 95"
);
number!(
    /// Loudness in ten steps, 0 (silent) to 10.
    Volume, u8, 7, |n| (0..=10).contains(&n), "a volume, 0 to 10"
);
number!(
    /// Milliseconds of sound in one packet, 10 or 20.
    FrameMs, u32, 20, |n| n == 10 || n == 20, "a number of milliseconds, 10 or 20"
);
number!(
    /// Bits of sound a second, 6000 to 96000.
    Bitrate, u32, 24_000, |n| (6_000..=96_000).contains(&n), "a number of bits per second, 6000 to 96000"
);
number!(
    /// Seconds until nobody answered, 5 to 300.
    RingSeconds, u32, 40, |n| (5..=300).contains(&n), "a number of seconds, 5 to 300"
);
number!(
    /// Minutes in a month, 0 to 44640 (all of them).
    Minutes, u32, 0, |n| (0..=44_640).contains(&n), "a number of minutes, 0 to 44640"
);
number!(
    /// A TCP port, 1 to 65535.
    Port, u16, 22, |n| n != 0, "a port number, 1 to 65535"
);

/// Words to show: cleaned, 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// None: nothing is left of `text` once it is cleaned.
    pub fn new(text: &str) -> Option<Self> {
        let name = clean_name(text);
        (!name.is_empty()).then_some(Self(name))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(Label, "a name in quotes, 1 to 64 characters", Label::new);

/// Where the screen is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScreenKind {
    /// A window where there is a display, else a panel that is connected, else headless.
    #[default]
    Auto,
    /// A panel of the kernel's, without a desktop.
    Kms,
    /// A window on the desktop.
    Window,
    /// Drawn, and shown to nobody but `twocan screenshot`.
    Headless,
}

impl fmt::Display for ScreenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Kms => "kms",
            Self::Window => "window",
            Self::Headless => "headless",
        })
    }
}

text!(ScreenKind, "\"auto\", \"kms\", \"window\" or \"headless\"", |text| {
    [ScreenKind::Auto, ScreenKind::Kms, ScreenKind::Window, ScreenKind::Headless]
        .into_iter()
        .find(|kind| kind.to_string() == text)
});

/// A size in the file, `"640x480"`, between two others.
fn size(text: &str, smallest: Size, largest: Size) -> Option<Size> {
    let size: Size = text.parse().ok()?;
    let within = |n, low, high| (low..=high).contains(&n);
    let fits = within(size.width, smallest.width, largest.width)
        && within(size.height, smallest.height, largest.height);
    fits.then_some(size)
}

/// The size of the screen in pixels, 320x240 to 3840x3840 (panels stand upright too).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenSize(pub Size);

impl fmt::Display for ScreenSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text!(ScreenSize, "a size in pixels such as \"800x480\", 320x240 to 3840x3840", |text| {
    size(text, Size::new(320, 240), Size::new(3840, 3840)).map(ScreenSize)
});

/// The size of the camera's picture in pixels, 64x48 to 1280x720: the largest a peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraSize(pub Size);

impl fmt::Display for CameraSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text!(
    CameraSize,
    "a size in pixels such as \"640x480\", even numbers, 64x48 to 1280x720",
    |text| {
        size(text, Size::new(64, 48), Size::new(1280, 720))
            .filter(|size| size.width % 2 == 0 && size.height % 2 == 0)
            .map(CameraSize)
    }
);

/// Where pictures come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CameraSource {
    /// The first `/dev/video*` that captures, else `rpicam-vid`. Where there is neither the camera
    /// fails with a sentence: nobody sees a test pattern by surprise.
    #[default]
    Auto,
    /// The test pattern.
    Pattern,
    /// What the program `rpicam-vid` sends: a Raspberry Pi's own camera.
    Rpicam,
    /// A device `/dev/video0`, a file of JPEGs back to back, or a folder of JPEGs.
    Path(PathBuf),
}

impl fmt::Display for CameraSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Pattern => f.write_str("pattern"),
            Self::Rpicam => f.write_str("rpicam"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

text!(
    CameraSource,
    "\"auto\", \"pattern\", \"rpicam\", a device such as \"/dev/video0\" or a file",
    |text| {
        match text {
            "auto" => Some(CameraSource::Auto),
            "pattern" => Some(CameraSource::Pattern),
            "rpicam" => Some(CameraSource::Rpicam),
            path => path_text(path).map(|path| CameraSource::Path(PathBuf::from(path))),
        }
    }
);

/// The name of a microphone or speaker, as the sound devices understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundDevice(String);

impl SoundDevice {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SoundDevice {
    fn default() -> Self {
        Self("auto".to_owned())
    }
}

impl fmt::Display for SoundDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(SoundDevice, "the name of a sound device in quotes, such as \"auto\"", |text| {
    path_text(text).map(|text| SoundDevice(text.to_owned()))
});

/// Text fit for a path or a device name: not empty, no control characters, at most 4096 bytes.
pub(super) fn path_text(text: &str) -> Option<&str> {
    (!text.is_empty() && text.len() <= 4096 && !text.chars().any(char::is_control)).then_some(text)
}

text!(Host, "a host name or an IP address in quotes", |text| text.parse().ok());

/// The login name on the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(String);

impl User {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(User, "a login name in quotes, without blanks", |text| {
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    (!text.is_empty() && text.len() <= 256 && text.chars().all(plain))
        .then(|| User(text.to_owned()))
});

/// The folder on the relay for the sockets of all kiosks: a path from its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayFolder(String);

impl RelayFolder {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelayFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(RelayFolder, "a path from the root in quotes, such as \"/home/family/.twocan\"", |text| {
    path_text(text).filter(|text| text.starts_with('/')).map(|text| RelayFolder(text.to_owned()))
});

/// The key a relay must prove: pinned, of a kind that our side can check. RSA is none of them, so a
/// pinned RSA key could never be shown and every relay would look like an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey(pub PublicKey);

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_openssh().map_err(|_| fmt::Error)?)
    }
}

text!(
    HostKey,
    "a public key of the kind ssh-ed25519 or ecdsa-sha2-nistp256, 384 or 521 (not ssh-rsa), such as \
     \"ssh-ed25519 AAAA…\", as ssh-keyscan prints it behind the host",
    |text| known_hosts::pinnable(text).map(HostKey)
);

/// Where the door listens. Port 0: the system chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text!(Listen, "an address and a port such as \"127.0.0.1:5022\" or \"[::]:5022\"", |text| {
    text.parse().ok().map(Listen)
});

text!(
    Place,
    "a folder such as \"/anna/\": small letters, digits, - and _ between slashes",
    Place::new
);

/// Texts that come from elsewhere, too.
macro_rules! from_text {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = Expected;

            fn from_str(text: &str) -> Result<Self, Expected> {
                Text::parse(text).ok_or(Expected(Self::EXPECTED))
            }
        }
    )*};
}

from_text!(User, HostKey, Place, SoundDevice);
