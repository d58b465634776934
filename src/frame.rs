//! What flows through a call: frames (raw) and packets (encoded), always time-stamped.
//!
//! ```text
//! source -> Picture/Sound --encode--> Packet ~~~stream~~~> Packet --decode--> Picture/Sound -> sink
//! ```
//! `captured` is the moment the light or the sound reached the device, on the clock of the machine
//! that holds the frame: the tunnel maps it when a packet crosses from one kiosk to the other.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::clock::Time;

/// Samples per second of all sound inside twocan: mono, signed 16 bit.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples in the 10 ms that one device period and one `read` of a microphone hold.
pub const PERIOD_SAMPLES: usize = 480;

/// Width and height of a picture in pixels.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Size {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// A size of `width` by `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Pixels in the whole picture.
    pub const fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// So many eighths of it (8 at most) each way, even: what a picture made smaller has.
    pub const fn eighths(self, count: u32) -> Self {
        if count >= 8 {
            return self;
        }
        let width = (self.width * count).div_ceil(8) & !1;
        let height = (self.height * count).div_ceil(8) & !1;
        Self::new(if width < 2 { 2 } else { width }, if height < 2 { 2 } else { height })
    }

    /// Whether it can be coded 4:2:0 without rounding: both even, neither zero.
    pub const fn is_even(self) -> bool {
        self.pixels() > 0 && self.width.is_multiple_of(2) && self.height.is_multiple_of(2)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// The text was not a size such as `640x480`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a size; expected WIDTHxHEIGHT in pixels, such as 640x480")]
pub struct SizeError(String);

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let parse = || {
            let (width, height) = text.split_once('x')?;
            let size = Size::new(width.parse().ok()?, height.parse().ok()?);
            (size.width > 0 && size.height > 0).then_some(size)
        };
        parse().ok_or_else(|| SizeError(text.to_owned()))
    }
}

/// How the bytes of a [`Picture`] are laid out. Rows are packed: no padding at their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// A whole JPEG picture, as a camera compressed it.
    Jpeg,
    /// Planes Y, U, V; U and V at half width and height (V4L2 calls it YU12). BT.601, full range.
    #[default]
    I420,
    /// Plane Y, then U and V interleaved at half width and height.
    Nv12,
    /// Y U Y V in turn, U and V at half width.
    Yuyv,
    /// Red, green, blue, a byte each.
    Rgb8,
}

impl PixelFormat {
    /// Bytes of one picture of `size`; 0 for [`PixelFormat::Jpeg`], which has as many as it has.
    /// Odd sizes round chroma up.
    pub const fn bytes(self, size: Size) -> usize {
        let (half_width, half_height) = (size.width.div_ceil(2), size.height.div_ceil(2));
        match self {
            Self::Jpeg => 0,
            Self::I420 | Self::Nv12 => {
                size.pixels() + 2 * Size::new(half_width, half_height).pixels()
            }
            Self::Yuyv => 4 * Size::new(half_width, size.height).pixels(),
            Self::Rgb8 => 3 * size.pixels(),
        }
    }
}

/// One raw picture, or one that the camera compressed itself.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// When its light was captured.
    pub captured: Time,
    /// In pixels.
    pub size: Size,
    /// How `data` is laid out.
    pub format: PixelFormat,
    /// The pixels (or the JPEG), exactly; sources reuse the allocation.
    pub data: Vec<u8>,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// One Opus packet.
    Voice,
    /// One JPEG picture.
    Picture,
    /// The receiver's word on one picture; see [`Ack`].
    Ack,
    /// "The picture did not change": an empty packet, every 700 ms, so that still and frozen
    /// differ.
    Same,
    /// One URTP datagram: 20 ms of a station's microphone.
    Station,
}

/// One encoded frame with what its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What the payload is.
    pub kind: PacketKind,
    /// Counts up by one per packet of a kind, from 0 in each call; wraps.
    pub sequence: u32,
    /// When the frame was captured, on this machine's clock.
    pub captured: Time,
    /// Voice: the sender left a gap before this packet on purpose (late voice was skipped). `Same`:
    /// the stream says that it lives, and nobody has looked whether the picture is the same.
    pub after_gap: bool,
    /// The encoded frame.
    pub payload: Bytes,
}

/// What became of a picture at the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ack {
    /// The picture's sequence number.
    pub sequence: u32,
    /// When it arrived, on this machine's clock.
    pub arrived: Time,
    /// Shown, or dropped because a newer one was there.
    pub shown: bool,
    /// When this word was said; where the picture came from, when it came back there.
    pub came: Time,
}
