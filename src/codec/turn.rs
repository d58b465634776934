//! Pictures turned and mirrored on their way out of a camera that can't do it by itself.
//!
//! ```text
//!  JPEG ──> its blocks moved about, never decoded ──> JPEG       (lossless)
//!  raw  ──> planes ──> pixels moved about ──> I420
//! ```
//! A JPEG whose size is no multiple of its blocks loses the rest of a block, up to 15 pixels, at the
//! edges that would have to begin with it.

use turbojpeg::{OutputBuf, Transform, TransformOp, Transformer};

use crate::frame::{Picture, PixelFormat};
use crate::geometry::{Rotation, Turn};

use super::jpeg::{JpegError, is_forgiven, planes};

/// Turns pictures; keeps its buffers.
#[derive(Debug)]
pub struct Turner {
    turn: Turn,
    transformer: Transformer,
    planes: Vec<u8>,
    turned: Picture,
}

impl Turner {
    /// One that does this turn.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(turn: Turn) -> Result<Self, JpegError> {
        let transformer = Transformer::new().map_err(JpegError::Library)?;
        Ok(Self { turn, transformer, planes: Vec::new(), turned: Picture::default() })
    }

    /// The same JPEG, turned without loss.
    ///
    /// # Errors
    /// It is no JPEG, or half of one.
    pub fn jpeg(&mut self, jpeg: &[u8]) -> Result<Vec<u8>, JpegError> {
        let mut transform = Transform::op(operation(self.turn));
        transform.trim = true;
        transform.copy_none = true;
        let mut out = OutputBuf::new_owned();
        match self.transformer.transform(&transform, jpeg, &mut out) {
            Err(error) if !is_forgiven(&error) => Err(JpegError::Broken(error)),
            _ => Ok(out.to_vec()),
        }
    }

    /// The same raw picture, turned, as I420; good until the next call.
    ///
    /// # Errors
    /// The format is not a YUV one, or the bytes are not those of the size.
    pub fn raw(&mut self, picture: &Picture) -> Result<&Picture, JpegError> {
        let size = picture.size;
        let from = planes(picture, &mut self.planes)?;
        let into = &mut self.turned;
        into.captured = picture.captured;
        into.size = self.turn.rotation.turned(size);
        into.format = PixelFormat::I420;
        into.data.resize(from.len(), 0);
        let (width, height) = (size.width as usize, size.height as usize);
        let (luma, chroma) = (width * height, width * height / 4);
        let mut at = 0;
        for (length, width) in [(luma, width), (chroma, width / 2), (chroma, width / 2)] {
            turn_plane(&from[at..at + length], width, self.turn, &mut into.data[at..at + length]);
            at += length;
        }
        Ok(&self.turned)
    }
}

fn operation(turn: Turn) -> TransformOp {
    match (turn.rotation, turn.mirror) {
        (Rotation::None, false) => TransformOp::None,
        (Rotation::Quarter, false) => TransformOp::Rot90,
        (Rotation::Half, false) => TransformOp::Rot180,
        (Rotation::ThreeQuarters, false) => TransformOp::Rot270,
        (Rotation::None, true) => TransformOp::Hflip,
        (Rotation::Quarter, true) => TransformOp::Transpose,
        (Rotation::Half, true) => TransformOp::Vflip,
        (Rotation::ThreeQuarters, true) => TransformOp::Transverse,
    }
}

/// Turn one plane whose rows are `width` long.
fn turn_plane(from: &[u8], width: usize, turn: Turn, into: &mut [u8]) {
    let height = from.len() / width;
    if let Some((across, down)) = turn.flips() {
        for (y, row) in into.chunks_exact_mut(width).enumerate() {
            let y = if down { height - 1 - y } else { y };
            row.copy_from_slice(&from[y * width..][..width]);
            if across {
                row.reverse();
            }
        }
        return;
    }
    // Each row of the turned plane was a column.
    let clockwise = turn.rotation == Rotation::Quarter;
    let upwards = clockwise != turn.mirror;
    for (column, row) in into.chunks_exact_mut(height).enumerate() {
        let column = if clockwise { column } else { width - 1 - column };
        let values = from[column..].iter().step_by(width);
        if upwards {
            row.iter_mut().zip(values.rev()).for_each(|(into, value)| *into = *value);
        } else {
            row.iter_mut().zip(values).for_each(|(into, value)| *into = *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::{Decoder, Encoder, Limits};
    use crate::frame::Size;

    const SIZE: Size = Size::new(64, 32);

    fn turns() -> impl Iterator<Item = Turn> {
        [0, 90, 180, 270].into_iter().flat_map(|degrees| {
            let rotation = Rotation::of_degrees(degrees).unwrap();
            [false, true].map(|mirror| Turn { rotation, mirror })
        })
    }

    /// Bright at the upper left, and different at every corner.
    fn picture() -> Picture {
        let (width, height) = (SIZE.width as usize, SIZE.height as usize);
        let mut data: Vec<u8> = Vec::new();
        for y in 0..height {
            data.extend((0..width).map(|x| (250 - 2 * x - 3 * y) as u8));
        }
        for plane in [3, 1] {
            for y in 0..height / 2 {
                data.extend((0..width / 2).map(|x| (90 + plane * x + y) as u8));
            }
        }
        Picture { size: SIZE, data, ..Picture::default() }
    }

    #[test]
    fn a_plane_is_turned_clockwise_and_then_mirrored() {
        let plane = b"abcdef";
        let wanted: [&[u8]; 8] = [
            b"abcdef", b"cbafed", b"daebfc", b"adbecf", b"fedcba", b"defabc", b"cfbead", b"fcebda",
        ];
        for (turn, wanted) in turns().zip(wanted) {
            let mut into = [0; 6];
            turn_plane(plane, 3, turn, &mut into);
            assert_eq!(into, wanted, "{turn:?}");
        }
    }

    #[test]
    fn a_jpeg_and_a_raw_picture_turn_into_the_same() {
        for turn in turns() {
            let mut turner = Turner::new(turn).unwrap();
            let raw = turner.raw(&picture()).unwrap().clone();
            assert_eq!(raw.size, turn.rotation.turned(SIZE));
            let jpeg = Encoder::new(95).unwrap().encode(&picture()).unwrap().to_vec();
            let jpeg = turner.jpeg(&jpeg).unwrap();
            let mut data = Vec::new();
            let limits = Limits::of(Size::new(64, 64));
            let size = Decoder::new(limits)
                .unwrap()
                .decode(&jpeg, PixelFormat::I420, |_, bytes| {
                    data.resize(bytes, 0);
                    &mut data
                })
                .unwrap();
            assert_eq!(size, raw.size);
            let furthest = raw.data.iter().zip(&data).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(furthest < Some(8), "{turn:?}: {furthest:?}");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut turner = Turner::new(Turn::of_flips(true, false)).unwrap();
        assert!(turner.jpeg(b"\xff\xd8 not a picture").is_err());
        let mut short = picture();
        short.data.pop();
        assert!(turner.raw(&short).is_err());
    }
}
