//! Memory that a card scans out and the processor writes: dumb buffers with their framebuffers.
//!
//! ```text
//!  words   one plane, rows `pitch` words apart as the driver likes them (800 pixels may be 832)
//!  i420    Y, U and V in one buffer, packed: what the decoder writes is what is scanned out
//! ```
//! A buffer lives as long as something may scan it out or write to it; whoever holds it owns both.
#![allow(unsafe_code)]

use std::io;
use std::sync::Arc;

use drm::buffer::{Buffer as _, DrmFourcc, DrmModifier, Handle, PlanarBuffer};
use drm::control::dumbbuffer::{DumbBuffer, DumbMapping};
use drm::control::{Device as _, FbCmd2Flags, framebuffer};

use super::card::Card;
use crate::frame::{PixelFormat, Size};

/// One buffer, mapped, with a framebuffer.
pub(super) struct Dumb {
    card: Arc<Card>,
    buffer: DumbBuffer,
    framebuffer: framebuffer::Handle,
    /// `Some` until it is dropped, before what it maps.
    mapping: Option<DumbMapping<'static>>,
    size: Size,
}

const MAPPED: &str = "it is mapped from the beginning to the end";

/// How the planes of a framebuffer lie in their one buffer.
struct Planes {
    format: DrmFourcc,
    size: Size,
    buffer: Handle,
    pitches: [u32; 4],
    offsets: [u32; 4],
}

impl PlanarBuffer for Planes {
    fn size(&self) -> (u32, u32) {
        (self.size.width, self.size.height)
    }

    fn format(&self) -> DrmFourcc {
        self.format
    }

    fn modifier(&self) -> Option<DrmModifier> {
        None
    }

    fn pitches(&self) -> [u32; 4] {
        self.pitches
    }

    fn handles(&self) -> [Option<Handle>; 4] {
        self.pitches.map(|pitch| (pitch > 0).then_some(self.buffer))
    }

    fn offsets(&self) -> [u32; 4] {
        self.offsets
    }
}

impl Dumb {
    /// `size` pixels of 32 bits: ARGB8888 where there is a `hole` in them, else XRGB8888. Zeroed.
    ///
    /// # Errors
    /// The card has no memory left, or does not take the format.
    pub(super) fn new_words(card: &Arc<Card>, size: Size, hole: bool) -> io::Result<Self> {
        let format = if hole { DrmFourcc::Argb8888 } else { DrmFourcc::Xrgb8888 };
        let buffer = card.create_dumb_buffer((size.width, size.height), format, 32)?;
        let pitches = [buffer.pitch(), 0, 0, 0];
        let planes = Planes { format, size, buffer: buffer.handle(), pitches, offsets: [0; 4] };
        Self::new(card, buffer, &planes, size)
    }

    /// One picture of `size` in [`PixelFormat::I420`].
    ///
    /// # Errors
    /// The card has no memory left, or does not take the format.
    pub(super) fn new_i420(card: &Arc<Card>, size: Size) -> io::Result<Self> {
        let rows = size.height + 2 * size.height.div_ceil(2);
        let (format, width) = (DrmFourcc::Yuv420, size.width.next_multiple_of(2));
        let buffer = card.create_dumb_buffer((width, rows), format, 8)?;
        let half = size.width.div_ceil(2);
        let chroma = half * size.height.div_ceil(2);
        let luma = size.width * size.height;
        // The kernel wants whole pairs of pixels; the last one of an odd row is not shown.
        let shown = Size::new(size.width & !1, size.height & !1);
        let planes = Planes {
            format,
            size: shown,
            buffer: buffer.handle(),
            pitches: [size.width, half, half, 0],
            offsets: [0, luma, luma + chroma, 0],
        };
        Self::new(card, buffer, &planes, size)
    }

    fn new(
        card: &Arc<Card>,
        mut buffer: DumbBuffer,
        planes: &Planes,
        size: Size,
    ) -> io::Result<Self> {
        let framebuffer = match card.add_planar_framebuffer(planes, FbCmd2Flags::empty()) {
            Ok(framebuffer) => framebuffer,
            Err(error) => {
                // What can't be freed now is freed with the card.
                let _ = card.destroy_dumb_buffer(buffer);
                return Err(error);
            }
        };
        let mut dumb = Self { card: Arc::clone(card), buffer, framebuffer, mapping: None, size };
        let mapping = card.map_dumb_buffer(&mut buffer)?;
        // SAFETY: the lifetime only ties the mapping to the number of the buffer, of which `dumb`
        // holds a copy; `dumb` unmaps it before it destroys the buffer.
        let mapping: DumbMapping<'static> = unsafe { std::mem::transmute(mapping) };
        dumb.mapping = Some(mapping);
        Ok(dumb)
    }

    /// What planes are told to show.
    pub(super) fn framebuffer(&self) -> u32 {
        self.framebuffer.into()
    }

    /// In pixels, as it was asked for.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Words from one row to the next.
    pub(super) fn pitch(&self) -> usize {
        self.buffer.pitch() as usize / 4
    }

    /// All of it as words.
    pub(super) fn as_words(&mut self) -> &mut [u32] {
        // SAFETY: every pattern of bits is a u32, and the slice is not used otherwise meanwhile.
        let (before, words, _) = unsafe { self.mapped().align_to_mut::<u32>() };
        debug_assert!(before.is_empty(), "a mapping begins with a page");
        words
    }

    /// The bytes of a picture in I420, exactly.
    pub(super) fn as_i420(&mut self) -> &mut [u8] {
        let bytes = PixelFormat::I420.bytes(self.size);
        &mut self.mapped()[..bytes]
    }

    /// The same to be read, which is slow.
    pub(super) fn i420(&self) -> &[u8] {
        let mapping = self.mapping.as_ref().expect(MAPPED);
        &mapping.as_ref()[..PixelFormat::I420.bytes(self.size)]
    }

    /// It is a buffer of this card, and not of one that is gone.
    pub(super) fn is_of(&self, card: &Arc<Card>) -> bool {
        Arc::ptr_eq(&self.card, card)
    }

    fn mapped(&mut self) -> &mut [u8] {
        self.mapping.as_mut().expect(MAPPED).as_mut()
    }
}

impl Drop for Dumb {
    fn drop(&mut self) {
        self.mapping = None;
        // A card that is gone has freed them itself.
        let _ = self.card.destroy_framebuffer(self.framebuffer);
        let _ = self.card.destroy_dumb_buffer(self.buffer);
    }
}
