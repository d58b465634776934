//! The sections of the file, key by key, with units and defaults.

use serde::{Deserialize, Serialize};

use super::camera::{Exposure, WhiteBalance};
use super::display::{
    BacklightChoice, BlankSeconds, Brightness, Connector, DimSeconds, QuietHours, Rotation,
    VideoPath,
};
use super::value::{
    CameraSize, CameraSource, Fps, HostKey, Label, Listen, Port, Quality, RelayFolder, ScreenKind,
    ScreenSize, SoundDevice, User, Volume,
};
use crate::address::Host;
use crate::frame::Size;
use crate::meeting::Place;

/// The appliance itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kiosk {
    /// What the other end sees before it has named us in its contacts. Default `Twocan`.
    pub name: Label,
    /// `auto` (default), `kms`, `window` or `headless`.
    pub screen: ScreenKind,
    /// Of the window or the headless screen, in pixels. Default 800x480.
    pub size: ScreenSize,
    /// Accept every contact's call without a touch. Default false: it is for the demo and for tests
    /// of the line, since whoever calls then sees and hears at once.
    pub auto_answer: bool,
    /// Who is named on the screen when something needs a helper. Default `your helper`.
    pub helper: Label,
}

impl Default for Kiosk {
    fn default() -> Self {
        Self {
            name: Label::new("Twocan").expect("a name"),
            screen: ScreenKind::default(),
            size: ScreenSize(Size::new(800, 480)),
            auto_answer: false,
            helper: Label::new("your helper").expect("a name"),
        }
    }
}

/// The panel: which, how it hangs, and when it is dark.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Display {
    /// `auto` (default: the best that is connected, `DSI-1` first) or a connector's name.
    pub connector: Connector,
    /// Degrees that picture and touch are turned by, clockwise: 0 (default), 90, 180 or 270.
    pub rotate: Rotation,
    /// `auto` (default), `plane`, `compose` or `image`.
    pub video_path: VideoPath,
    /// Percent, while somebody uses it. Default 100.
    pub brightness: Brightness,
    /// Seconds without a touch until it is dimmed to 30 %; 0: never. Default 300.
    pub dim_after: DimSeconds,
    /// Seconds without a touch until it is dark; 0: never. Default 1800.
    pub blank_after: BlankSeconds,
    /// When it is dark as soon as nobody uses it. Default none.
    pub quiet_hours: QuietHours,
    /// `auto` (default), `none`, or a folder of `/sys/class/backlight`.
    pub backlight: BacklightChoice,
}

/// Our pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Camera {
    /// `auto` (default), `pattern`, `rpicam`, a device, a file of JPEGs or a folder of them.
    pub source: CameraSource,
    /// In pixels, before it is turned. Default 640x480.
    pub size: CameraSize,
    /// Pictures a second. Default 30.
    pub fps: Fps,
    /// JPEG quality, 10 to 95. Default 75. Pictures that the camera compressed are passed on as they are.
    pub quality: Quality,
    /// Degrees that the picture is turned by, clockwise: 0 (default), 90, 180 or 270.
    pub rotate: Rotation,
    /// Swap left and right (after turning) in what the other sees. Default false. The small own
    /// picture is a mirror in any case.
    pub mirror: bool,
    /// `auto` (default), or units of 100 µs.
    pub exposure: Exposure,
    /// `auto` (default), or kelvin.
    pub white_balance: WhiteBalance,
}

impl Default for Camera {
    fn default() -> Self {
        Self {
            source: CameraSource::default(),
            size: CameraSize(Size::new(640, 480)),
            fps: Fps::default(),
            quality: Quality::default(),
            rotate: Rotation::default(),
            mirror: false,
            exposure: Exposure::default(),
            white_balance: WhiteBalance::default(),
        }
    }
}

/// Our sound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Microphone {
    /// `auto` (default: the sound server, else the best card), an ALSA device, `tone`, `bursts`, `silence` or a WAV file.
    pub device: SoundDevice,
}

/// Their sound, and the ring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Speaker {
    /// `auto` (default: the sound server, else the best card), an ALSA device, `null` or a WAV file to write.
    pub device: SoundDevice,
    /// Loudness of calls, 0 to 10. Default 7; what the resident chose later is kept in the state folder.
    pub volume: Volume,
    /// Loudness of the ring, 0 to 10. Default 8.
    pub ring_volume: Volume,
}

impl Default for Speaker {
    fn default() -> Self {
        Self {
            device: SoundDevice::default(),
            volume: Volume::default(),
            ring_volume: Volume::new(8).expect("in the range"),
        }
    }
}

/// The OpenSSH login that both kiosks can reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// A name or an address. No default.
    pub host: Host,
    /// Default 22.
    #[serde(default)]
    pub port: Port,
    /// The login name. No default.
    pub user: User,
    /// The key the relay must prove. No default: nothing is trusted at first sight.
    pub host_key: HostKey,
    /// The folder there for the sockets of all kiosks. Default: the relay is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<RelayFolder>,
    /// Where our own sockets lie there, at a relay that was made by `twocan relay install`. Default: in
    /// `folder`, under the name of our key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A listening socket for contacts that reach us directly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// An address and a port. No default.
    pub listen: Listen,
}
