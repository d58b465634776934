//! Changes of what a CRTC shows, one after the other, each all or nothing.
//!
//! ```text
//!  Objects (connector, CRTC, its planes: property name -> id)
//!     └─> Change: set, set, set ──> test: would it work?
//!                                └─> now: wait for it │ flip: with the next refresh, an event comes
//! ```

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use drm::control::atomic::AtomicModeReq;
use drm::control::{AtomicCommitFlags, Device as _, connector, crtc, plane, property};

use super::bits;
use super::card::{Card, Properties, choices, raw};
use super::choose::Role;
use crate::frame::Size;
use crate::geometry::{Rect, Rotation};

/// What can be changed of one CRTC, its connector and its planes.
pub(super) struct Objects {
    card: Arc<Card>,
    connector: u32,
    crtc: u32,
    /// The planes that can belong to the CRTC.
    planes: Vec<u32>,
    properties: HashMap<u32, Properties>,
    /// The CRTC's mode and its colour tables before, as the kernel wants them back: it forgets what
    /// nobody uses.
    blobs: Vec<(&'static str, Vec<u8>)>,
}

impl Objects {
    /// Ask for their properties.
    ///
    /// # Errors
    /// The card is gone.
    pub(super) fn read(
        card: &Arc<Card>,
        connector: u32,
        crtc: u32,
        planes: Vec<u32>,
    ) -> io::Result<Self> {
        let mut properties = HashMap::new();
        let handle = connector::Handle::from(raw(connector)?);
        properties.insert(connector, card.properties(handle)?);
        properties.insert(crtc, card.properties(crtc::Handle::from(raw(crtc)?))?);
        for plane in &planes {
            let handle = plane::Handle::from(raw(*plane)?);
            properties.insert(*plane, card.properties(handle)?);
        }
        let mut blobs = Vec::new();
        for name in CRTC_BLOBS {
            let known = properties.get(&crtc).and_then(|crtc| crtc.get(name));
            if let Some((_, blob)) = known.filter(|(_, blob)| *blob > 0) {
                blobs.push((name, card.get_property_blob(*blob)?));
            }
        }
        Ok(Self { card: Arc::clone(card), connector, crtc, planes, properties, blobs })
    }

    /// What the kernel says of a property now (when it was asked); `None`: there is none.
    pub(super) fn value(&self, object: u32, property: &str) -> Option<u64> {
        self.properties.get(&object)?.get(property).map(|(_, value)| *value)
    }

    /// Have everything as it was when it was asked for, or dark where that is not to be had.
    ///
    /// # Errors
    /// The kernel takes neither.
    pub(super) fn restore(&self) -> io::Result<()> {
        let mut change = self.change();
        change.set_as_before();
        for name in CRTC_BLOBS {
            let before = self.blobs.iter().find(|(known, _)| *known == name);
            let blob = before.map(|(_, bytes)| mode_blob(&self.card, &bytes[..])).transpose()?;
            change.set(self.crtc, name, blob.unwrap_or(0));
        }
        change.now().or_else(|_| {
            // What was shown belongs to somebody who is gone.
            let mut dark = self.change();
            dark.clear_planes();
            dark.set(self.connector, "CRTC_ID", 0);
            dark.set(self.crtc, "ACTIVE", 0);
            dark.set(self.crtc, "MODE_ID", 0);
            dark.now()
        })
    }

    /// An empty change.
    pub(super) fn change(&self) -> Change<'_> {
        Change { objects: self, request: AtomicModeReq::new() }
    }
}

/// A picture on a plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    /// The framebuffer's id.
    pub(super) framebuffer: u32,
    /// How much of it, from its corner.
    pub(super) source: Size,
    /// Where on the panel.
    pub(super) at: Rect,
    /// How the hardware turns it, clockwise.
    pub(super) turned: Rotation,
}

/// What is to change, together.
pub(super) struct Change<'a> {
    objects: &'a Objects,
    request: AtomicModeReq,
}

impl Change<'_> {
    /// What an object does not have is not set: hardware differs.
    fn set(&mut self, object: u32, property: &str, value: u64) {
        let known = self.objects.properties.get(&object).and_then(|known| known.get(property));
        let (Some((info, _)), Ok(handle)) = (known, raw(object)) else { return };
        if info.mutable() {
            self.request.add_raw_property(handle, info.handle(), value);
        }
    }

    /// The CRTC drives the connector in this mode.
    pub(super) fn light(&mut self, mode_blob: u64) {
        let Objects { connector, crtc, .. } = *self.objects;
        self.set(connector, "CRTC_ID", u64::from(crtc));
        self.set(crtc, "MODE_ID", mode_blob);
        self.set(crtc, "ACTIVE", 1);
    }

    /// A plane shows this, as high as its role says; `None`: nothing.
    pub(super) fn show(&mut self, role: Role, shown: Option<Shown>) {
        let plane = role.plane;
        let Some(Shown { framebuffer, source, at, turned }) = shown else {
            self.set(plane, "FB_ID", 0);
            self.set(plane, "CRTC_ID", 0);
            return;
        };
        self.set(plane, "FB_ID", u64::from(framebuffer));
        self.set(plane, "CRTC_ID", u64::from(self.objects.crtc));
        for (property, value) in [
            ("SRC_X", 0),
            ("SRC_Y", 0),
            ("SRC_W", u64::from(source.width) << 16),
            ("SRC_H", u64::from(source.height) << 16),
            ("CRTC_X", u64::from(at.x)),
            ("CRTC_Y", u64::from(at.y)),
            ("CRTC_W", u64::from(at.size.width)),
            ("CRTC_H", u64::from(at.size.height)),
        ] {
            self.set(plane, property, value);
        }
        if let Some(zpos) = role.zpos {
            self.set(plane, "zpos", zpos);
        }
        // The kernel counts the other way round.
        let degrees = turned.back().degrees();
        let bit = bits::TURNS.into_iter().find(|(_, known)| *known == degrees);
        self.set(plane, "rotation", bit.map_or(1, |(bit, _)| 1 << bit));
    }

    /// A plane shows colours as JPEG has them: BT.601, full range (JFIF 1.02, page 3).
    pub(super) fn color_like_jpeg(&mut self, role: Role) {
        for (property, name) in
            [("COLOR_ENCODING", "ITU-R BT.601 YCbCr"), ("COLOR_RANGE", "YCbCr full range")]
        {
            self.choose(role, property, name);
        }
    }

    /// Every plane shows nothing, but for those that are shown afterwards.
    pub(super) fn clear_planes(&mut self) {
        for plane in &self.objects.planes {
            let other = self.objects.value(*plane, "CRTC_ID");
            let ours = other.is_none_or(|crtc| crtc == 0 || crtc == u64::from(self.objects.crtc));
            if ours {
                self.show(Role { plane: *plane, zpos: None }, None);
            }
        }
    }

    /// Colours reach the panel as they are: no table of another program's bends them.
    pub(super) fn plain_colors(&mut self) {
        for name in COLOR_TABLES {
            self.set(self.objects.crtc, name, 0);
        }
    }

    /// A plane hides as much of what is below it as its pixels say.
    pub(super) fn blend_plainly(&mut self, role: Role) {
        self.set(role.plane, "alpha", OPAQUE);
        self.choose(role, "pixel blend mode", "Pre-multiplied");
    }

    /// Set an enumeration by the name of the value, where it has that.
    fn choose(&mut self, role: Role, property: &str, name: &str) {
        let known = self.objects.properties.get(&role.plane);
        let info = known.and_then(|known| known.get(property));
        let choices = info.map(|(info, _)| choices(info)).unwrap_or_default();
        if let Some((_, value)) = choices.into_iter().find(|(known, _)| known == name) {
            self.set(role.plane, property, value);
        }
    }

    fn set_as_before(&mut self) {
        let Objects { connector, crtc, .. } = *self.objects;
        let was = |object, property| self.objects.value(object, property).unwrap_or(0);
        let (driver, active) = (was(connector, "CRTC_ID"), was(crtc, "ACTIVE"));
        self.set(connector, "CRTC_ID", driver);
        self.set(crtc, "ACTIVE", active);
        for plane in &self.objects.planes {
            for property in PLANE_STATE {
                let Some(value) = self.objects.value(*plane, property) else { continue };
                self.set(*plane, property, value);
            }
        }
    }

    /// Whether the kernel would take it.
    ///
    /// # Errors
    /// It would not; EACCES: somebody else holds the card.
    pub(super) fn test(self) -> io::Result<()> {
        let flags = AtomicCommitFlags::TEST_ONLY | AtomicCommitFlags::ALLOW_MODESET;
        self.objects.card.atomic_commit(flags, self.request)
    }

    /// Change it and wait until that is done; the mode may change, too.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub(super) fn now(self) -> io::Result<()> {
        self.objects.card.atomic_commit(AtomicCommitFlags::ALLOW_MODESET, self.request)
    }

    /// Change it with the next refresh; an event of the card's says when that was.
    ///
    /// # Errors
    /// The kernel does not take it; EBUSY: the change before it is not done.
    pub(super) fn flip(self) -> io::Result<()> {
        let flags = AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT;
        self.objects.card.atomic_commit(flags, self.request)
    }
}

/// Properties of a CRTC that bend colours.
const COLOR_TABLES: [&str; 3] = ["DEGAMMA_LUT", "CTM", "GAMMA_LUT"];
/// What of a CRTC is put back in the end, and is a blob.
const CRTC_BLOBS: [&str; 4] = ["MODE_ID", "DEGAMMA_LUT", "CTM", "GAMMA_LUT"];
/// `alpha` of a plane; DRM_BLEND_ALPHA_OPAQUE of include/drm/drm_blend.h.
const OPAQUE: u64 = 0xffff;

/// What of a plane is put back in the end.
const PLANE_STATE: [&str; 16] = [
    "FB_ID",
    "CRTC_ID",
    "SRC_X",
    "SRC_Y",
    "SRC_W",
    "SRC_H",
    "CRTC_X",
    "CRTC_Y",
    "CRTC_W",
    "CRTC_H",
    "zpos",
    "rotation",
    "alpha",
    "pixel blend mode",
    "COLOR_ENCODING",
    "COLOR_RANGE",
];

/// A mode, or another blob, for the kernel to keep; its number.
///
/// # Errors
/// The card is gone.
pub(super) fn mode_blob(card: &Card, mode: &impl ?Sized) -> io::Result<u64> {
    match card.create_property_blob(mode)? {
        property::Value::Blob(blob) => Ok(blob),
        _ => Err(io::Error::other("no blob was made")),
    }
}
