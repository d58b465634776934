//! A picture behind frosted glass: that somebody is there can be seen, and not who or what they do.
//!
//! Every square of it is its mean. The squares are those a JPEG is made of, or several, so a frosted
//! picture is small; about twenty of them stand side by side, whatever its size.

use crate::frame::{Picture, PixelFormat, Size};

/// Squares side by side, about.
const ACROSS: usize = 20;
/// A square's side is a multiple of this: the JPEG's units have 16 pixels each way at I420.
const UNIT: usize = 16;

/// `into` becomes the I420 picture `from`, frosted.
pub fn frost(from: &Picture, into: &mut Picture) {
    debug_assert_eq!(from.format, PixelFormat::I420);
    let Size { width, height } = from.size;
    let (width, height) = (width as usize, height as usize);
    let side = (width.max(height) / ACROSS).next_multiple_of(UNIT).max(UNIT);
    (into.captured, into.size, into.format) = (from.captured, from.size, from.format);
    into.data.clear();
    into.data.extend_from_slice(&from.data);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let (luma, chroma) = into.data.split_at_mut(width * height);
    let (u, v) = chroma.split_at_mut(half_width * half_height);
    squares(luma, width, side);
    squares(u, half_width, side / 2);
    squares(v, half_width, side / 2);
}

/// Each square of `side` pixels becomes its mean.
fn squares(plane: &mut [u8], width: usize, side: usize) {
    for rows in plane.chunks_mut(width * side) {
        for left in (0..width).step_by(side) {
            let right = (left + side).min(width);
            let pixels = || rows.chunks(width).flat_map(|row| row.get(left..right).unwrap_or(&[]));
            let (sum, count) =
                pixels().fold((0_u32, 0_u32), |(sum, n), value| (sum + u32::from(*value), n + 1));
            let mean = (sum + count / 2).checked_div(count).unwrap_or(0) as u8;
            for row in rows.chunks_mut(width) {
                if let Some(pixels) = row.get_mut(left..right) {
                    pixels.fill(mean);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(size: Size) -> Picture {
        let mut chance = 88_172_645_463_325_252_u64;
        let mut next = || {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            chance as u8
        };
        let data = (0..PixelFormat::I420.bytes(size)).map(|_| next()).collect();
        Picture { size, data, ..Picture::default() }
    }

    #[test]
    fn a_frosted_picture_has_no_more_than_a_few_hundred_values_whatever_its_size() {
        for size in [(640, 480), (320, 240), (80, 60), (2, 2), (480, 640), (1280, 720)] {
            let size = Size::new(size.0, size.1);
            let (from, mut into) = (noise(size), Picture::default());
            frost(&from, &mut into);
            assert_eq!((into.size, into.data.len()), (size, from.data.len()));
            let width = size.width as usize;
            let luma = &into.data[..size.pixels()];
            // Where one square ends and the next begins: at most so often in a row and in a column.
            let edges = |values: Vec<u8>| values.windows(2).filter(|two| two[0] != two[1]).count();
            let row = edges(luma[..width].to_vec());
            let column = edges(luma.iter().step_by(width).copied().collect());
            assert!(row < ACROSS && column < ACROSS, "{size}: {row} {column}");
        }
    }

    #[test]
    fn the_light_of_it_stays() {
        let from = noise(Size::new(320, 240));
        let mut into = Picture::default();
        frost(&from, &mut into);
        let mean = |picture: &Picture| {
            picture.data.iter().map(|value| u64::from(*value)).sum::<u64>()
                / picture.data.len() as u64
        };
        assert!(mean(&from).abs_diff(mean(&into)) <= 1);
    }
}
