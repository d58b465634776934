//! An open card: the kernel's side of a model.
//!
//! Opening asks for atomic changes and for all planes. Whoever opens a card first while nobody
//! holds it becomes its master and may change what is shown; everyone else may only look.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use drm::control::{
    Device as _, ModeTypeFlags, PlaneType, ResourceHandle, ResourceHandles, connector, plane,
    property,
};
use drm::{ClientCapability, Device as _};

use super::bits;
use super::error::KmsError;
use super::glance;
use super::model::{Connector, Kind, Mode, Model, Plane, Zpos};

/// How closely a card is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What the kernel knows already.
    Glance,
    /// The kernel asks every panel anew, which is slow: at the start, and when something came or
    /// went. Where another program shows something on the card, it is that one's to do, and the
    /// kernel says what it knows.
    Probe,
}

/// Where the cards are.
const FOLDER: &str = "/dev/dri";

/// A card that takes atomic changes.
pub(super) struct Card {
    file: File,
    path: PathBuf,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// The device files of all cards, by number; empty where there are none.
pub(super) fn cards() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let number =
        |path: &Path| path.file_name()?.to_str()?.strip_prefix("card")?.parse::<u32>().ok();
    let mut cards: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    cards.sort();
    cards.into_iter().map(|(_, path)| path).collect()
}

impl Card {
    /// Open it.
    ///
    /// # Errors
    /// It is gone, not ours to open, or takes no atomic changes.
    pub(super) fn open(path: &Path) -> Result<Self, KmsError> {
        let open = || -> io::Result<Card> {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(path)?;
            let card = Card { file, path: path.to_owned() };
            card.set_client_capability(ClientCapability::UniversalPlanes, true)?;
            card.set_client_capability(ClientCapability::Atomic, true)?;
            Ok(card)
        };
        open().map_err(|source| KmsError::Open { path: path.to_owned(), source })
    }

    /// Its device file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says to a deed that failed.
    pub(super) fn failed(&self, deed: &'static str) -> impl FnOnce(io::Error) -> KmsError + use<> {
        let path = self.path.clone();
        move |source| KmsError::Card { deed, path, source }
    }

    /// Everything it has.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn model(&self, look: Look) -> Result<Model, KmsError> {
        let read = || -> io::Result<Model> {
            let resources = self.resource_handles()?;
            let driver = self.get_driver()?.name().to_string_lossy().into_owned();
            let connectors = resources.connectors().iter();
            let connectors = connectors.map(|handle| self.connector(&resources, *handle, look));
            let planes = self.plane_handles()?;
            let planes = planes.iter().map(|handle| self.plane(&resources, *handle));
            Ok(Model {
                driver,
                connectors: connectors.collect::<io::Result<_>>()?,
                crtcs: resources.crtcs().iter().map(|crtc| u32::from(*crtc)).collect(),
                planes: planes.collect::<io::Result<_>>()?,
            })
        };
        read().map_err(self.failed("ask what it has"))
    }

    /// A mode of a connector, as the kernel wants it back.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn mode(&self, connector: u32, at: usize) -> Result<drm::control::Mode, KmsError> {
        let failed = self.failed("ask for a mode");
        let handle = raw(connector).map(connector::Handle::from);
        let read = handle.and_then(|handle| self.get_connector(handle, false));
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        read.and_then(|info| info.modes().get(at).copied().ok_or_else(gone)).map_err(failed)
    }

    /// One of its connectors, probed.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn probe(&self, connector: u32) -> Result<Connector, KmsError> {
        let read = || -> io::Result<Connector> {
            let handle = connector::Handle::from(raw(connector)?);
            self.connector(&self.resource_handles()?, handle, Look::Probe)
        };
        read().map_err(self.failed("look at a connector"))
    }

    fn connector(
        &self,
        resources: &ResourceHandles,
        handle: connector::Handle,
        look: Look,
    ) -> io::Result<Connector> {
        if look == Look::Glance {
            let glance::Glance { name, connected, modes } = glance::at(self, handle)?;
            if modes == 0 {
                // Nothing to take; a full answer would cost a probe.
                let (modes, crtcs) = (Vec::new(), Vec::new());
                return Ok(Connector {
                    id: handle.into(),
                    name,
                    connected,
                    modes,
                    crtcs,
                    crtc: None,
                });
            }
        }
        let info = self.get_connector(handle, look == Look::Probe)?;
        let mut crtcs = Vec::new();
        for encoder in info.encoders() {
            let possible = self.get_encoder(*encoder)?.possible_crtcs();
            crtcs.extend(resources.filter_crtcs(possible).into_iter().map(u32::from));
        }
        crtcs.sort_unstable();
        crtcs.dedup();
        let crtc = match info.current_encoder() {
            Some(encoder) => self.get_encoder(encoder)?.crtc().map(u32::from),
            None => None,
        };
        let mode = |mode: &drm::control::Mode| Mode {
            width: u32::from(mode.size().0),
            height: u32::from(mode.size().1),
            refresh: mode.vrefresh(),
            preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
        };
        Ok(Connector {
            id: handle.into(),
            name: info.to_string(),
            connected: info.state() == connector::State::Connected,
            modes: info.modes().iter().map(mode).collect(),
            crtcs,
            crtc,
        })
    }

    fn plane(&self, resources: &ResourceHandles, handle: plane::Handle) -> io::Result<Plane> {
        let info = self.get_plane(handle)?;
        let properties = self.properties(handle)?;
        let value = |name: &str| properties.get(name).map(|(_, value)| *value);
        let kind = match value("type").and_then(|kind| u32::try_from(kind).ok()) {
            Some(kind) if kind == PlaneType::Primary as u32 => Kind::Primary,
            Some(kind) if kind == PlaneType::Cursor as u32 => Kind::Cursor,
            _ => Kind::Overlay,
        };
        let letters = |format: &u32| String::from_utf8_lossy(&format.to_le_bytes()).into_owned();
        let crtcs = resources.filter_crtcs(info.possible_crtcs());
        Ok(Plane {
            id: handle.into(),
            kind,
            formats: info.formats().iter().map(letters).collect(),
            crtcs: crtcs.into_iter().map(u32::from).collect(),
            zpos: zpos(&properties),
            turns: turns(self, &properties)?,
            encodings: names(&properties, "COLOR_ENCODING"),
            ranges: names(&properties, "COLOR_RANGE"),
        })
    }

    /// The properties of an object by name, each with its value now.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn properties<H: ResourceHandle>(&self, handle: H) -> io::Result<Properties> {
        let values = self.get_properties(handle)?;
        let mut properties = HashMap::new();
        for (id, value) in &values {
            let info = self.get_property(*id)?;
            let name = info.name().to_string_lossy().into_owned();
            properties.insert(name, (info, *value));
        }
        Ok(properties)
    }
}

/// What an object can be set to, and is.
pub(super) type Properties = HashMap<String, (property::Info, property::RawValue)>;

fn no_object() -> io::Error {
    io::Error::other("the kernel numbers objects from 1")
}

/// A handle of the number that a model has for it.
pub(super) fn raw(id: u32) -> io::Result<NonZeroU32> {
    NonZeroU32::new(id).ok_or_else(no_object)
}

fn zpos(properties: &Properties) -> Option<Zpos> {
    let (info, value) = properties.get("zpos")?;
    let (min, max) = match info.value_type() {
        property::ValueType::UnsignedRange(min, max) => (*min, *max),
        property::ValueType::Boolean => (0, 1),
        _ => (*value, *value),
    };
    Some(Zpos { value: *value, mutable: info.mutable(), min, max })
}

/// Names and values of an enumeration or a set of bits.
pub(super) fn choices(info: &property::Info) -> Vec<(String, u64)> {
    let property::ValueType::Enum(values) = info.value_type() else { return Vec::new() };
    let (_, names) = values.values();
    let name = |value: &property::EnumValue| value.name().to_string_lossy().into_owned();
    names.iter().map(|value| (name(value), value.value())).collect()
}

fn names(properties: &Properties, property: &str) -> Vec<String> {
    let choices = properties.get(property).map(|(info, _)| choices(info));
    choices.into_iter().flatten().map(|(name, _)| name).collect()
}

/// Degrees, counter-clockwise. A plane without the property shows pictures as they are.
fn turns(card: &Card, properties: &Properties) -> io::Result<Vec<u16>> {
    let Some((info, _)) = properties.get("rotation") else { return Ok(vec![0]) };
    let bits = bits::of(card, info.handle())?;
    let known = bits::TURNS.into_iter().filter(|(bit, _)| bits.contains(bit));
    Ok(known.map(|(_, degrees)| degrees).collect())
}
