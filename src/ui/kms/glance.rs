//! What the kernel knows of a connector, without having it look again.
//!
//! A probe asks the panel itself, which takes its time and may flicker. The kernel makes one whenever
//! a program with rights to the card leaves no room for modes in its question. The `drm` crate leaves
//! room for as many as were there before: none, where nothing is connected. So whether there are any
//! is asked here first.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use drm::control::connector;

/// `struct drm_mode_get_connector`, include/uapi/drm/drm_mode.h.
#[repr(C)]
#[derive(Default)]
struct GetConnector {
    encoders: u64,
    modes: u64,
    properties: u64,
    values: u64,
    modes_len: u32,
    properties_len: u32,
    encoders_len: u32,
    encoder: u32,
    connector: u32,
    kind: u32,
    kind_number: u32,
    connection: u32,
    width_mm: u32,
    height_mm: u32,
    subpixel: u32,
    padding: u32,
}

/// Words of a `struct drm_mode_modeinfo`, in the same file.
const MODE_WORDS: usize = 17;

nix::ioctl_readwrite!(get_connector, b'd', 0xa7, GetConnector);

/// What is known of a connector.
#[derive(Debug)]
pub(super) struct Glance {
    /// As in `/sys/class/drm`, without the card: `DSI-1`.
    pub(super) name: String,
    /// A panel is there.
    pub(super) connected: bool,
    /// How many modes it has.
    pub(super) modes: u32,
}

/// Ask for it.
///
/// # Errors
/// The card or the connector is gone.
pub(super) fn at(card: &impl AsFd, connector: connector::Handle) -> io::Result<Glance> {
    // Room for one mode: enough for the kernel to look no further than into its memory.
    let mut mode = [0_u32; MODE_WORDS];
    let mut ask = GetConnector {
        connector: connector.into(),
        modes: mode.as_mut_ptr() as u64,
        modes_len: 1,
        ..GetConnector::default()
    };
    // SAFETY: the structure is the kernel's; it writes one mode at most to `mode`, which outlives the
    // call and is as large as one, and, their lengths being 0, none of the other lists.
    unsafe { get_connector(card.as_fd().as_raw_fd(), &mut ask) }?;
    let kind = connector::Interface::from(ask.kind);
    Ok(Glance {
        name: format!("{}-{}", kind.as_str(), ask.kind_number),
        connected: connector::State::from(ask.connection) == connector::State::Connected,
        modes: ask.modes_len,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_as_large_as_the_kernels() {
        assert_eq!(size_of::<GetConnector>(), 80);
        assert_eq!(size_of::<[u32; MODE_WORDS]>(), 68);
        assert_eq!(align_of::<GetConnector>(), 8);
    }
}
