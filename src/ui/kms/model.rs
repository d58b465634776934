//! A card as plain data: what it has, without a handle on it.
//!
//! ```text
//!  connectors ──possible──> crtcs <──possible── planes: type, formats, zpos, rotation, colours
//! ```
//! Read from an open card, or from a file: models of different hardware (tests/data/kms) let the
//! choice of planes be tested where none of it is. Ids are the kernel's and change from boot to boot.

use serde::{Deserialize, Serialize};

use crate::frame::Size;

/// 4:2:0 in three planes: Y, U, V.
pub(super) const YUV420: &str = "YU12";
/// The pages with their hole: 0xAARRGGBB, little endian.
pub(super) const ARGB8888: &str = "AR24";
/// The same without a hole.
pub(super) const XRGB8888: &str = "XR24";

/// One card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    /// The kernel driver's name, such as `vc4`.
    pub(super) driver: String,
    /// Where panels are plugged in.
    pub(super) connectors: Vec<Connector>,
    /// Ids of what generates pictures, in the kernel's order.
    pub(super) crtcs: Vec<u32>,
    /// Layers, in the kernel's order.
    pub(super) planes: Vec<Plane>,
}

/// Where a panel is plugged in, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connector {
    /// The kernel's number for it.
    pub(super) id: u32,
    /// As in `/sys/class/drm`, without the card: `DSI-1`.
    pub(super) name: String,
    /// A panel is there.
    pub(super) connected: bool,
    /// What the panel can show, in the kernel's order.
    pub(super) modes: Vec<Mode>,
    /// Ids of the CRTCs it can be driven by.
    pub(super) crtcs: Vec<u32>,
    /// The one that drives it now.
    pub(super) crtc: Option<u32>,
}

/// One mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mode {
    /// Pixels across.
    pub(super) width: u32,
    /// Rows.
    pub(super) height: u32,
    /// Pictures a second.
    pub(super) refresh: u32,
    /// The panel's own wish.
    pub(super) preferred: bool,
}

impl Mode {
    /// In pixels.
    pub(super) fn size(self) -> Size {
        Size::new(self.width, self.height)
    }
}

/// What a plane was made for; legacy programs care, the hardware often does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// At the bottom where nothing says otherwise.
    Primary,
    /// Above it.
    Overlay,
    /// On top, and small.
    Cursor,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plane {
    /// The kernel's number for it.
    pub(super) id: u32,
    /// What it was made for.
    pub(super) kind: Kind,
    /// Four letters each, such as `XR24`.
    pub(super) formats: Vec<String>,
    /// Ids of the CRTCs it can belong to.
    pub(super) crtcs: Vec<u32>,
    /// How high it lies; `None`: the kernel does not say.
    pub(super) zpos: Option<Zpos>,
    /// Degrees it can turn its picture by, counter-clockwise as the kernel counts; 0 is in it.
    pub(super) turns: Vec<u16>,
    /// Names of its COLOR_ENCODING values.
    pub(super) encodings: Vec<String>,
    /// Names of its COLOR_RANGE values.
    pub(super) ranges: Vec<String>,
}

impl Plane {
    /// Whether it takes pixels in the format of these four letters.
    pub(super) fn takes(&self, format: &str) -> bool {
        self.formats.iter().any(|known| known == format)
    }
}

/// How high a plane lies, and can lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Zpos {
    /// Now.
    pub(super) value: u64,
    /// It can be set.
    pub(super) mutable: bool,
    /// The lowest.
    pub(super) min: u64,
    /// The highest.
    pub(super) max: u64,
}

impl Zpos {
    /// The lowest value above `floor` that it can have.
    pub(super) fn above(self, floor: Option<u64>) -> Option<u64> {
        let least = floor.map_or(0, |floor| floor + 1);
        if self.mutable {
            let value = self.min.max(least);
            (value <= self.max).then_some(value)
        } else {
            (self.value >= least).then_some(self.value)
        }
    }
}

#[cfg(test)]
pub(super) mod models {
    //! The models in tests/data/kms; its README says where each comes from.

    use super::Model;

    fn read(json: &str) -> Model {
        serde_json::from_str(json).unwrap()
    }

    pub(in super::super) fn vc4() -> Model {
        read(include_str!("../../../tests/data/kms/vc4.json"))
    }

    pub(in super::super) fn rp1_dsi() -> Model {
        read(include_str!("../../../tests/data/kms/rp1-dsi.json"))
    }

    pub(in super::super) fn virtio_gpu() -> Model {
        read(include_str!("../../../tests/data/kms/virtio-gpu.json"))
    }

    pub(in super::super) fn vkms() -> Model {
        read(include_str!("../../../tests/data/kms/vkms.json"))
    }
}
