//! Pictures made smaller, by eighths of their size each way.
//!
//! ```text
//!  raw  ──> planes ──> means of boxes ──> I420
//!  JPEG ──> decoded straight to the smaller size ──> I420
//!       └─> its luma at an eighth: a thumbnail to compare
//! ```
//! A JPEG's coefficients of the finer details are left out before they are transformed, so a smaller
//! picture costs less to decode than a whole one.

use turbojpeg::{
    Colorspace, DecompressHeader, Decompressor, Image, PixelFormat as Layout, ScalingFactor,
    Subsamp, YuvImage,
};

use crate::frame::{Picture, PixelFormat, Size};

use super::jpeg::{JpegError, is_forgiven, may_be_sent, planes};
use super::planes::to_i420;
use crate::caps::SCAN_LIMIT;

/// Makes pictures smaller; keeps its buffers.
#[derive(Debug)]
pub struct Shrinker {
    decompressor: Decompressor,
    native: Vec<u8>,
    whole: Vec<u8>,
    planes: Vec<u8>,
    small: Picture,
}

impl Shrinker {
    /// One with nothing in its buffers.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new() -> Result<Self, JpegError> {
        let mut decompressor = Decompressor::new().map_err(JpegError::Library)?;
        decompressor.set_scan_limit(SCAN_LIMIT).map_err(JpegError::Library)?;
        let (native, whole, planes) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { decompressor, native, whole, planes, small: Picture::default() })
    }

    /// A raw picture at `eighths` of its size, as I420; good until the next call.
    ///
    /// # Errors
    /// The format is not a YUV one, or the bytes are not those of the size.
    pub fn raw(&mut self, picture: &Picture, eighths: u32) -> Result<&Picture, JpegError> {
        let from = planes(picture, &mut self.planes)?;
        self.small.captured = picture.captured;
        shrink(from, picture.size, picture.size.eighths(eighths), &mut self.small);
        Ok(&self.small)
    }

    /// A JPEG of a size that was checked, decoded at `eighths` of it, as I420; good until the next
    /// call.
    ///
    /// # Errors
    /// It is no JPEG as cameras make them, or half of one.
    pub fn jpeg(&mut self, jpeg: &[u8], eighths: u32) -> Result<&Picture, JpegError> {
        let header = self.header(jpeg, ScalingFactor::new(eighths.clamp(1, 8) as usize, 8))?;
        let DecompressHeader { width, height, subsamp, .. } = header;
        let bytes =
            turbojpeg::yuv_pixels_len(width, 1, height, subsamp).map_err(JpegError::Broken)?;
        self.native.resize(bytes, 0);
        let pixels = self.native.as_mut_slice();
        let image = YuvImage { pixels, width, align: 1, height, subsamp };
        forgive(self.decompressor.decompress_to_yuv(jpeg, image))?;
        let size = Size::new(width as u32, height as u32);
        self.whole.resize(PixelFormat::I420.bytes(size), 0);
        let pixels = self.native.as_slice();
        to_i420(&YuvImage { pixels, width, align: 1, height, subsamp }, &mut self.whole);
        // An odd last row or column is left out.
        crop(&self.whole, size, &mut self.small);
        Ok(&self.small)
    }

    /// The luma of a JPEG at an eighth of its size, each value the mean of a block.
    ///
    /// # Errors
    /// It is no JPEG, or half of one.
    pub fn thumbnail(&mut self, jpeg: &[u8], into: &mut Vec<u8>) -> Result<(), JpegError> {
        let DecompressHeader { width, height, .. } =
            self.header(jpeg, ScalingFactor::ONE_EIGHTH)?;
        into.resize(width * height, 0);
        let pixels = into.as_mut_slice();
        let image = Image { pixels, width, pitch: width, height, format: Layout::GRAY };
        forgive(self.decompressor.decompress(jpeg, image))
    }

    /// What is decoded at this scale.
    fn header(&mut self, jpeg: &[u8], scale: ScalingFactor) -> Result<DecompressHeader, JpegError> {
        let header = self.decompressor.read_header(jpeg).map_err(JpegError::Broken)?;
        may_be_sent(&header)?;
        let gray = header.colorspace == Colorspace::Gray;
        let yuv = header.colorspace == Colorspace::YCbCr || gray;
        if header.is_lossless || header.subsamp == Subsamp::Unknown || !yuv {
            return Err(JpegError::Kind("a JPEG that is not YUV as cameras make it"));
        }
        self.decompressor.set_scaling_factor(scale).map_err(JpegError::Library)?;
        Ok(header.scaled(scale))
    }
}

fn forgive(decoded: Result<(), turbojpeg::Error>) -> Result<(), JpegError> {
    match decoded {
        Err(error) if !is_forgiven(&error) => Err(JpegError::Broken(error)),
        _ => Ok(()),
    }
}

/// The planes of I420 pictures of `size`, with their widths.
fn widths(size: Size) -> [(usize, usize); 3] {
    let (width, height) = (size.width as usize, size.height as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    [(width, height), (half_width, half_height), (half_width, half_height)]
}

fn shrink(from: &[u8], size: Size, to: Size, into: &mut Picture) {
    (into.size, into.format) = (to, PixelFormat::I420);
    into.data.resize(PixelFormat::I420.bytes(to), 0);
    let (mut read, mut written) = (0, 0);
    for ((width, height), (to_width, to_height)) in widths(size).into_iter().zip(widths(to)) {
        let plane = &from[read..read + width * height];
        let target = &mut into.data[written..written + to_width * to_height];
        boxes(plane, (width, height), target, (to_width, to_height));
        read += width * height;
        written += to_width * to_height;
    }
}

/// Each pixel the mean of the box that it covers; boxes differ by a pixel where sizes don't divide.
fn boxes(from: &[u8], size: (usize, usize), into: &mut [u8], to: (usize, usize)) {
    let span = |index: usize, of: usize, to: usize| {
        let start = index * of / to;
        start..((index + 1) * of / to).max(start + 1)
    };
    let mut sums = vec![0u32; to.0];
    for (y, row) in into.chunks_exact_mut(to.0).enumerate() {
        let rows = span(y, size.1, to.1);
        sums.fill(0);
        for line in from[rows.start * size.0..rows.end * size.0].chunks_exact(size.0) {
            for (x, sum) in sums.iter_mut().enumerate() {
                *sum +=
                    line[span(x, size.0, to.0)].iter().map(|value| u32::from(*value)).sum::<u32>();
            }
        }
        for (x, (value, sum)) in row.iter_mut().zip(&sums).enumerate() {
            let pixels = (rows.len() * span(x, size.0, to.0).len()) as u32;
            *value = ((sum + pixels / 2) / pixels) as u8;
        }
    }
}

/// The same picture with even sides.
fn crop(from: &[u8], size: Size, into: &mut Picture) {
    let to = Size::new(size.width.max(2) & !1, size.height.max(2) & !1);
    (into.size, into.format) = (to, PixelFormat::I420);
    into.data.clear();
    let mut read = 0;
    for ((width, height), (to_width, to_height)) in widths(size).into_iter().zip(widths(to)) {
        let rows = from[read..read + width * height].chunks_exact(width);
        into.data.extend(rows.take(to_height).flat_map(|row| &row[..to_width.min(width)]));
        read += width * height;
    }
    // A picture one pixel wide or high is no camera's.
    into.data.resize(PixelFormat::I420.bytes(to), 128);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::Encoder;

    const SIZE: Size = Size::new(160, 120);

    /// Smooth, so that every way of making it smaller gives nearly the same.
    fn picture() -> Picture {
        let (width, height) = (SIZE.width as usize, SIZE.height as usize);
        let mut data = Vec::new();
        for (every, base) in [(1, 40), (2, 60), (2, 80)] {
            for y in (0..height).step_by(every) {
                data.extend((0..width).step_by(every).map(|x| (base + x / 2 + y / 2) as u8));
            }
        }
        Picture { size: SIZE, data, ..Picture::default() }
    }

    #[test]
    fn a_raw_picture_and_its_jpeg_become_the_same_small_picture_at_every_scale() {
        let jpeg = Encoder::new(95).unwrap().encode(&picture()).unwrap().to_vec();
        let (mut one, mut other) = (Shrinker::new().unwrap(), Shrinker::new().unwrap());
        for eighths in 1..=8 {
            let raw = one.raw(&picture(), eighths).unwrap();
            let decoded = other.jpeg(&jpeg, eighths).unwrap();
            assert_eq!((raw.size, decoded.size), (SIZE.eighths(eighths), raw.size));
            assert_eq!(raw.data.len(), PixelFormat::I420.bytes(raw.size));
            assert_eq!(decoded.data.len(), raw.data.len());
            let furthest = raw.data.iter().zip(&decoded.data).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(furthest <= Some(8), "{eighths}: {furthest:?}");
        }
    }

    #[test]
    fn a_thumbnail_is_the_means_of_blocks() {
        let jpeg = Encoder::new(95).unwrap().encode(&picture()).unwrap().to_vec();
        let mut thumbnail = Vec::new();
        Shrinker::new().unwrap().thumbnail(&jpeg, &mut thumbnail).unwrap();
        assert_eq!(thumbnail.len(), 20 * 15);
        assert!(thumbnail[0].abs_diff(43) <= 3, "{}", thumbnail[0]);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut shrinker = Shrinker::new().unwrap();
        assert!(shrinker.jpeg(b"\xff\xd8 not a picture", 4).is_err());
        let jpeg = Encoder::new(75).unwrap().encode(&picture()).unwrap().to_vec();
        assert!(shrinker.jpeg(&jpeg[..jpeg.len() / 2], 4).is_err());
        assert!(shrinker.thumbnail(&jpeg[..jpeg.len() / 2], &mut Vec::new()).is_err());
    }
}
