//! Which bits a property of the kernel's can have: the one question that the `drm` crate, which
//! knows enumerations and sets of bits apart, does not pass on for the latter.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use drm::control::property;

/// `struct drm_mode_get_property`, include/uapi/drm/drm_mode.h.
#[repr(C)]
#[derive(Default)]
struct GetProperty {
    values: u64,
    names: u64,
    id: u32,
    flags: u32,
    name: [u8; 32],
    values_len: u32,
    names_len: u32,
}

/// `struct drm_mode_property_enum`, in the same file.
#[repr(C)]
#[derive(Clone)]
struct Named {
    value: u64,
    name: [u8; 32],
}

nix::ioctl_readwrite!(get_property, b'd', 0xaa, GetProperty);

/// Bits of `rotation` and the degrees they stand for, counter-clockwise, as drm_mode.h has them.
pub(super) const TURNS: [(u64, u16); 4] = [(0, 0), (1, 90), (2, 180), (3, 270)];

/// The numbers of the bits that a set of bits can have.
///
/// # Errors
/// The card is gone.
pub(super) fn of(card: &impl AsFd, property: property::Handle) -> io::Result<Vec<u64>> {
    let mut names = vec![Named { value: 0, name: [0; 32] }; 64];
    let mut ask = GetProperty {
        id: property.into(),
        names: names.as_mut_ptr() as u64,
        names_len: names.len() as u32,
        ..GetProperty::default()
    };
    // SAFETY: the structures are the kernel's, and it writes at most `names_len` names to `names`,
    // which outlives the call; `values_len` is 0, so it writes none of those.
    unsafe { get_property(card.as_fd().as_raw_fd(), &mut ask) }?;
    names.truncate(ask.names_len as usize);
    Ok(names.into_iter().map(|named| named.value).collect())
}
