//! A counter and a time burned into a picture's luma, so that what comes out of any path tells when
//! it went in.
//!
//! Three rows of forty black or white blocks at the top: counter (32 bits), CLOCK_MONOTONIC in µs
//! (64), checksum (24). A block's edge is a fortieth of the width (16 pixels at 640), which makes
//! the stamp survive JPEG at low quality, and scaling as well: the smaller picture has it smaller.

use crate::clock::Time;
use crate::frame::Size;

const COLUMNS: usize = 40;
const ROWS: usize = 3;
const BYTES: usize = COLUMNS * ROWS / 8;
/// Below this many pixels a block would not survive JPEG.
const SMALLEST_BLOCK: usize = 4;
const BLACK: u8 = 16;
const WHITE: u8 = 240;

/// What a picture's stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Counts the source's pictures.
    pub counter: u32,
    /// When the picture was made.
    pub time: Time,
}

/// Write `stamp` into the luma plane (rows packed) of a picture of `size`. False: it is too small,
/// under 160 pixels wide.
pub fn burn(luma: &mut [u8], size: Size, stamp: Stamp) -> bool {
    let Some(block) = block_of(size).filter(|_| luma.len() >= size.pixels()) else { return false };
    let bytes = encode(stamp);
    let width = size.width as usize;
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let bit = row * COLUMNS + column;
            let white = bytes[bit / 8] >> (7 - bit % 8) & 1 == 1;
            for y in row * block..(row + 1) * block {
                let start = y * width + column * block;
                luma[start..start + block].fill(if white { WHITE } else { BLACK });
            }
        }
    }
    true
}

/// The stamp in the luma plane (rows packed) of a picture of `size`, if it has one.
pub fn read(luma: &[u8], size: Size) -> Option<Stamp> {
    read_by(size, luma.len(), |at| luma[at])
}

/// The stamp in a picture of `size` whose pixels are red, green, blue.
pub fn read_rgb(rgb: &[u8], size: Size) -> Option<Stamp> {
    read_by(size, rgb.len() / 3, |at| {
        let [red, green, blue] = [0, 1, 2].map(|part| u32::from(rgb[at * 3 + part]));
        // BT.601; the parts of 256 sum up to 256.
        ((77 * red + 150 * green + 29 * blue) >> 8) as u8
    })
}

fn read_by(size: Size, pixels: usize, luma: impl Fn(usize) -> u8) -> Option<Stamp> {
    let block = block_of(size).filter(|_| pixels >= size.pixels())?;
    let width = size.width as usize;
    let mut bytes = [0u8; BYTES];
    for bit in 0..COLUMNS * ROWS {
        let (row, column) = (bit / COLUMNS, bit % COLUMNS);
        let middle = (row * block + block / 2) * width + column * block + block / 2;
        let around = [middle - width - 1, middle - width, middle - 1, middle];
        let sum: u32 = around.iter().map(|at| u32::from(luma(*at))).sum();
        bytes[bit / 8] |= u8::from(sum >= 4 * 128) << (7 - bit % 8);
    }
    let [c0, c1, c2, c3, t0, t1, t2, t3, t4, t5, t6, t7, ..] = bytes;
    let stamp = Stamp {
        counter: u32::from_be_bytes([c0, c1, c2, c3]),
        time: Time::from_micros(u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7])),
    };
    (encode(stamp) == bytes).then_some(stamp)
}

/// Rows of pixels that the stamp takes at the top of a picture of `size`.
pub(crate) fn height(size: Size) -> usize {
    block_of(size).map_or(0, |block| block * ROWS)
}

fn block_of(size: Size) -> Option<usize> {
    let block = size.width as usize / COLUMNS;
    (block >= SMALLEST_BLOCK && block * ROWS <= size.height as usize).then_some(block)
}

fn encode(stamp: Stamp) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..4].copy_from_slice(&stamp.counter.to_be_bytes());
    bytes[4..12].copy_from_slice(&stamp.time.micros().to_be_bytes());
    // FNV-1a; a black picture has no valid stamp, since its checksum is not zero.
    let hash = bytes[..12]
        .iter()
        .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    bytes[12..].copy_from_slice(&(hash ^ hash >> 24).to_be_bytes()[1..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::{Decoder, Encoder, Limits};
    use crate::frame::{Picture, PixelFormat};
    use proptest::prelude::*;

    fn stamped(size: Size, stamp: Stamp) -> Picture {
        let mut data = vec![90; PixelFormat::I420.bytes(size)];
        assert!(burn(&mut data, size, stamp));
        Picture { size, format: PixelFormat::I420, data, ..Picture::default() }
    }

    proptest! {
        #[test]
        fn a_stamp_survives_jpeg_at_every_size_and_quality_of_the_ladder(
            counter in any::<u32>(), micros in any::<u64>(), quality in 35u8..=95,
        ) {
            let stamp = Stamp { counter, time: Time::from_micros(micros) };
            for (width, height) in [(1280, 720), (640, 480), (592, 444), (480, 270), (320, 180)] {
                let size = Size::new(width, height);
                let mut encoder = Encoder::new(quality).unwrap();
                let jpeg = encoder.encode(&stamped(size, stamp)).unwrap();
                let mut data = Vec::new();
                Decoder::new(Limits::of(size)).unwrap().decode(jpeg, PixelFormat::I420, |_, bytes| {
                    data.resize(bytes, 0);
                    &mut data
                }).unwrap();
                prop_assert_eq!(read(&data, size), Some(stamp));
                Decoder::new(Limits::of(size)).unwrap().decode(jpeg, PixelFormat::Rgb8, |_, bytes| {
                    data.resize(bytes, 0);
                    &mut data
                }).unwrap();
                prop_assert_eq!(read_rgb(&data, size), Some(stamp));
            }
        }

        #[test]
        fn noise_has_no_stamp(seed in any::<u64>()) {
            let mut state = seed | 1;
            let luma: Vec<u8> = (0..640 * 480).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            }).collect();
            prop_assert_eq!(read(&luma, Size::new(640, 480)), None);
        }
    }

    #[test]
    fn pictures_without_a_stamp_or_too_small_for_one_read_as_none() {
        for level in [0, 128, 255] {
            assert_eq!(read(&vec![level; 640 * 480], Size::new(640, 480)), None);
        }
        let small = Size::new(159, 120);
        assert_eq!(read(&vec![0; small.pixels()], small), None);
        let stamp = Stamp { counter: 1, time: Time::from_micros(1) };
        assert!(!burn(&mut vec![0; small.pixels()], small, stamp));
        assert_eq!(read(&[0; 100], Size::new(640, 480)), None);
    }
}
