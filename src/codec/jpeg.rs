//! JPEG by libjpeg-turbo, from and to YUV without a detour through RGB.
//!
//! ```text
//! I420 ─────────────────────────┐                      ┌─> I420 (4:2:0 straight into the buffer,
//! NV12, YUYV ─> planes (reused) ┴─> Encoder ~> Decoder ┤    other samplings through a reused one)
//!                                                      └─> Rgb8
//! ```
//! JPEG's own colours throughout: BT.601, full range. Nothing a stranger sends is trusted: bytes,
//! then size, then the kind of JPEG are checked before memory is taken, and a picture may have only
//! so many scans. Cameras that leave the end marker out, or put a stray byte before one, are
//! forgiven; a picture that is cut short is not.

use turbojpeg::{Colorspace, Compressor, DecompressHeader, Decompressor, Image, Subsamp, YuvImage};

use crate::caps::{PICTURE_LIMIT, PICTURE_SIZE, SCAN_LIMIT, STRAY_LIMIT};
use crate::frame::{Picture, PixelFormat, Size};

use super::planes::{nv12_to_i420, to_i420, yuyv_to_i420};

const EOI: [u8; 2] = [0xff, 0xd9];

/// What a picture may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels, each way.
    pub size: Size,
    /// Bytes of the JPEG.
    pub bytes: usize,
}

impl Limits {
    /// At most `size`, and the bytes that a packet may have.
    pub const fn of(size: Size) -> Self {
        Self { size, bytes: PICTURE_LIMIT }
    }
}

/// Why a picture could not be coded.
#[derive(Debug, thiserror::Error)]
pub enum JpegError {
    /// The JPEG is longer than agreed.
    #[error("a picture of {bytes} bytes, at most {limit} are allowed")]
    TooLong {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// The picture has more pixels than agreed.
    #[error("a picture of {size}, at most {limit} is allowed")]
    TooLarge {
        /// What it has.
        size: Size,
        /// What it may have.
        limit: Size,
    },
    /// A kind of JPEG no camera makes (lossless, CMYK, odd samplings), or a raw picture whose
    /// bytes are not those of its size.
    #[error("{0}")]
    Kind(&'static str),
    /// Bytes that are no JPEG, or half of one.
    #[error("not a whole JPEG: {0}")]
    Broken(turbojpeg::Error),
    /// The library could not start.
    #[error("libjpeg-turbo: {0}")]
    Library(turbojpeg::Error),
}

/// Makes JPEGs of raw pictures, 4:2:0.
#[derive(Debug)]
pub struct Encoder {
    compressor: Compressor,
    planes: Vec<u8>,
    out: Vec<u8>,
}

impl Encoder {
    /// `quality` is 1 to 100; what is outside is held at the ends.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(quality: u8) -> Result<Self, JpegError> {
        let compressor = Compressor::new().map_err(JpegError::Library)?;
        let mut encoder = Self { compressor, planes: Vec::new(), out: Vec::new() };
        encoder.set_quality(quality)?;
        Ok(encoder)
    }

    /// From the next picture on.
    ///
    /// # Errors
    /// None in practice: the value is held within what the library takes.
    pub fn set_quality(&mut self, quality: u8) -> Result<(), JpegError> {
        let quality = i32::from(quality.clamp(1, 100));
        self.compressor.set_quality(quality).map_err(JpegError::Library)
    }

    /// Whether each picture gets its own Huffman tables, from the next one on: 12 % fewer bytes at
    /// quality 20 and 320x180, 5 % at 50, for going over the picture twice.
    ///
    /// # Errors
    /// None in practice.
    pub fn set_thorough(&mut self, thorough: bool) -> Result<(), JpegError> {
        self.compressor.set_optimize(thorough).map_err(JpegError::Library)
    }

    /// The picture as a JPEG, good until the next call. Width and height are even.
    ///
    /// # Errors
    /// The format is not a YUV one, or the bytes are not those of the size.
    pub fn encode(&mut self, picture: &Picture) -> Result<&[u8], JpegError> {
        let size = picture.size;
        let pixels = planes(picture, &mut self.planes)?;
        let (width, height) = (size.width as usize, size.height as usize);
        let room = turbojpeg::compressed_buf_len(width, height, Subsamp::Sub2x2)
            .map_err(JpegError::Library)?;
        if self.out.len() < room {
            // Pages that the allocator zeroes and no JPEG is ever long enough for cost nothing.
            self.out = vec![0; room];
        }
        let image = YuvImage { pixels, width, align: 1, height, subsamp: Subsamp::Sub2x2 };
        let length = self
            .compressor
            .compress_yuv_to_slice(image, &mut self.out)
            .map_err(JpegError::Library)?;
        Ok(&self.out[..length])
    }
}

/// The I420 of a raw picture, made in `scratch` where it is laid out otherwise.
pub(super) fn planes<'a>(
    picture: &'a Picture,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], JpegError> {
    let size = picture.size;
    if !size.is_even() {
        return Err(JpegError::Kind("a raw picture whose width or height is odd or zero"));
    }
    if picture.data.len() != picture.format.bytes(size) {
        return Err(JpegError::Kind("a raw picture with too few or too many bytes"));
    }
    match picture.format {
        PixelFormat::I420 => return Ok(&picture.data),
        PixelFormat::Nv12 => nv12_to_i420(&picture.data, size, scratch),
        PixelFormat::Yuyv => yuyv_to_i420(&picture.data, size, scratch),
        PixelFormat::Jpeg | PixelFormat::Rgb8 => {
            return Err(JpegError::Kind("only YUV pictures are encoded"));
        }
    }
    Ok(scratch)
}

/// Reads JPEGs under limits.
#[derive(Debug)]
pub struct Decoder {
    decompressor: Decompressor,
    limits: Limits,
    patched: Vec<u8>,
    native: Vec<u8>,
}

impl Decoder {
    /// One that takes pictures within `limits`.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(limits: Limits) -> Result<Self, JpegError> {
        let mut decompressor = Decompressor::new().map_err(JpegError::Library)?;
        decompressor.set_scan_limit(SCAN_LIMIT).map_err(JpegError::Library)?;
        Ok(Self { decompressor, limits, patched: Vec::new(), native: Vec::new() })
    }

    /// What a JPEG's header says, if that is within the limits.
    ///
    /// # Errors
    /// Too long, too large, or not a JPEG.
    pub fn size(&mut self, jpeg: &[u8]) -> Result<Size, JpegError> {
        self.header(jpeg).map(|header| size_of(&header))
    }

    /// Decode into the buffer that `lease` gives for the size and the number of bytes needed; it is
    /// asked only when the header is within the limits. `format` is I420 or Rgb8.
    ///
    /// # Errors
    /// Outside the limits, broken or cut short (then the buffer holds anything).
    pub fn decode<'a>(
        &mut self,
        jpeg: &[u8],
        format: PixelFormat,
        lease: impl FnOnce(Size, usize) -> &'a mut [u8],
    ) -> Result<Size, JpegError> {
        let header = self.header(jpeg)?;
        let size = size_of(&header);
        if !matches!(format, PixelFormat::I420 | PixelFormat::Rgb8) {
            return Err(JpegError::Kind("pictures are decoded to I420 or RGB"));
        }
        let gray = header.colorspace == Colorspace::Gray;
        if format == PixelFormat::I420
            && (header.subsamp == Subsamp::Unknown
                || header.colorspace != Colorspace::YCbCr && !gray)
        {
            return Err(JpegError::Kind("a JPEG that is not YUV as cameras make it"));
        }
        let into = lease(size, format.bytes(size));
        if into.len() != format.bytes(size) {
            return Err(JpegError::Kind("a buffer of another size than was asked for"));
        }
        self.patched.clear();
        let jpeg = if jpeg.ends_with(&EOI) {
            jpeg
        } else {
            self.patched.extend_from_slice(jpeg);
            self.patched.extend_from_slice(&EOI);
            &self.patched
        };
        let (width, height, subsamp) = (header.width, header.height, header.subsamp);
        let decoded = if format == PixelFormat::Rgb8 {
            let format = turbojpeg::PixelFormat::RGB;
            let image = Image { pixels: into, width, pitch: 3 * width, height, format };
            self.decompressor.decompress(jpeg, image)
        } else if subsamp == Subsamp::Sub2x2 && width % 2 == 0 && height % 2 == 0 {
            let image = YuvImage { pixels: into, width, align: 1, height, subsamp };
            self.decompressor.decompress_to_yuv(jpeg, image)
        } else {
            let bytes =
                turbojpeg::yuv_pixels_len(width, 1, height, subsamp).map_err(JpegError::Broken)?;
            self.native.resize(bytes, 0);
            let pixels = self.native.as_mut_slice();
            let image = YuvImage { pixels, width, align: 1, height, subsamp };
            let decoded = self.decompressor.decompress_to_yuv(jpeg, image);
            let pixels = self.native.as_slice();
            to_i420(&YuvImage { pixels, width, align: 1, height, subsamp }, into);
            decoded
        };
        match decoded {
            Err(error) if !is_forgiven(&error) => Err(JpegError::Broken(error)),
            _ => Ok(size),
        }
    }

    fn header(&mut self, jpeg: &[u8]) -> Result<DecompressHeader, JpegError> {
        let Limits { size: limit, bytes } = self.limits;
        if jpeg.len() > bytes {
            return Err(JpegError::TooLong { bytes: jpeg.len(), limit: bytes });
        }
        let header = self.decompressor.read_header(jpeg).map_err(JpegError::Broken)?;
        let size = size_of(&header);
        if size.width > limit.width || size.height > limit.height || size.pixels() == 0 {
            return Err(JpegError::TooLarge { size, limit });
        }
        if header.is_lossless {
            return Err(JpegError::Kind("a lossless JPEG"));
        }
        Ok(header)
    }
}

/// A photo as RGB, decoded once.
///
/// # Errors
/// Outside the limits, or not a JPEG.
pub fn decode_rgb(jpeg: &[u8], limits: Limits) -> Result<Picture, JpegError> {
    let mut data = Vec::new();
    let size = Decoder::new(limits)?.decode(jpeg, PixelFormat::Rgb8, |_, bytes| {
        data.resize(bytes, 0);
        &mut data
    })?;
    Ok(Picture { size, format: PixelFormat::Rgb8, data, ..Picture::default() })
}

/// Whether a camera's picture is one that may be sent, whichever way it is turned: asked before memory is
/// taken for it.
pub(super) fn may_be_sent(header: &DecompressHeader) -> Result<(), JpegError> {
    let (size, limit) = (size_of(header), PICTURE_SIZE);
    let long = limit.width.max(limit.height);
    if size.width > long || size.height > long || size.pixels() == 0 {
        return Err(JpegError::TooLarge { size, limit });
    }
    Ok(())
}

fn size_of(header: &DecompressHeader) -> Size {
    // A JPEG's fields have 16 bits; whatever doesn't fit is over every limit.
    let pixels = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Size::new(pixels(header.width), pixels(header.height))
}

/// Whether the library only complains of a few stray bytes before a marker. It tells its first
/// complaint alone: behind it there may be another one, such as data that ends too early. What is
/// decoded then has a grey rest.
pub(super) fn is_forgiven(error: &turbojpeg::Error) -> bool {
    let turbojpeg::Error::TurboJpegError(text) = error else { return false };
    let Some((before, _)) = text.split_once(" extraneous bytes before marker") else {
        return false;
    };
    let count = before.rsplit(' ').next().and_then(|count| count.parse::<u32>().ok());
    count.is_some_and(|count| count <= STRAY_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(96, 64);

    /// Smooth in luma and chroma, so that coding costs little: what differs is a mistake.
    fn yuv_at(x: usize, y: usize) -> [u8; 3] {
        [60 + x as u8 + y as u8 / 2, 112 + y as u8 / 4, 144 - x as u8 / 6]
    }

    fn i420() -> Picture {
        let (width, height) = (SIZE.width as usize, SIZE.height as usize);
        let mut data = Vec::new();
        for (plane, every) in [(0, 1), (1, 2), (2, 2)] {
            for y in (0..height).step_by(every) {
                data.extend((0..width).step_by(every).map(|x| yuv_at(x, y)[plane]));
            }
        }
        Picture { size: SIZE, format: PixelFormat::I420, data, ..Picture::default() }
    }

    fn yuyv() -> Picture {
        let (width, height) = (SIZE.width as usize, SIZE.height as usize);
        let mut data = Vec::new();
        for y in 0..height {
            for x in (0..width).step_by(2) {
                let [luma, u, v] = yuv_at(x, y);
                data.extend([luma, u, yuv_at(x + 1, y)[0], v]);
            }
        }
        Picture { size: SIZE, format: PixelFormat::Yuyv, data, ..Picture::default() }
    }

    fn nv12() -> Picture {
        let planar = i420();
        let (luma, chroma) = planar.data.split_at(SIZE.pixels());
        let (u, v) = chroma.split_at(SIZE.pixels() / 4);
        let uv = u.iter().zip(v).flat_map(|(u, v)| [*u, *v]);
        let data = luma.iter().copied().chain(uv).collect();
        Picture { data, format: PixelFormat::Nv12, ..planar }
    }

    fn decode(jpeg: &[u8], format: PixelFormat) -> Result<(Size, Vec<u8>), JpegError> {
        let mut data = Vec::new();
        let size = Decoder::new(Limits::of(SIZE))?.decode(jpeg, format, |size, bytes| {
            assert!(size.width <= SIZE.width && size.height <= SIZE.height);
            data.resize(bytes, 0);
            &mut data
        })?;
        Ok((size, data))
    }

    fn furthest(a: &[u8], b: &[u8]) -> u8 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    #[test]
    fn every_raw_format_comes_back_as_the_same_planes() {
        for picture in [i420(), yuyv(), nv12()] {
            let mut encoder = Encoder::new(95).unwrap();
            let jpeg = encoder.encode(&picture).unwrap();
            let (size, data) = decode(jpeg, PixelFormat::I420).unwrap();
            assert_eq!(size, SIZE);
            assert!(furthest(&data, &i420().data) <= 4, "{:?}", picture.format);
        }
    }

    #[test]
    fn every_sampling_decodes_to_the_same_planes() {
        let rgb = {
            let jpeg = Encoder::new(100).unwrap().encode(&i420()).unwrap().to_vec();
            decode_rgb(&jpeg, Limits::of(SIZE)).unwrap().data
        };
        let (width, height) = (SIZE.width as usize, SIZE.height as usize);
        for (width, height) in [(width, height), (width - 3, height - 5)] {
            let format = turbojpeg::PixelFormat::RGB;
            let pitch = 3 * SIZE.width as usize;
            let image = Image { pixels: rgb.as_slice(), width, pitch, height, format };
            let size = Size::new(width as u32, height as u32);
            for subsamp in [
                Subsamp::Sub2x2,
                Subsamp::Sub2x1,
                Subsamp::None,
                Subsamp::Sub1x2,
                Subsamp::Sub4x1,
                Subsamp::Sub1x4,
            ] {
                let jpeg = turbojpeg::compress(image, 95, subsamp).unwrap();
                let (got, data) = decode(&jpeg, PixelFormat::I420).unwrap();
                assert_eq!(got, size);
                for (index, value) in data[..size.pixels()].iter().enumerate() {
                    let want = yuv_at(index % width, index / width)[0];
                    assert!(value.abs_diff(want) <= 8, "{subsamp:?} luma {index}");
                }
                let half = width.div_ceil(2);
                let chroma = data[size.pixels()..].chunks_exact(half * height.div_ceil(2));
                for (plane, values) in chroma.enumerate() {
                    for (index, value) in values.iter().enumerate() {
                        let want = yuv_at(index % half * 2, index / half * 2)[plane + 1];
                        assert!(value.abs_diff(want) <= 8, "{subsamp:?} {plane} {index}");
                    }
                }
            }
            let jpeg = turbojpeg::compress(image, 95, Subsamp::Gray).unwrap();
            let (_, data) = decode(&jpeg, PixelFormat::I420).unwrap();
            assert!(data[size.pixels()..].iter().all(|value| *value == 128));
        }
    }

    #[test]
    fn a_missing_end_marker_and_a_stray_byte_before_it_are_forgiven() {
        let jpeg = Encoder::new(75).unwrap().encode(&i420()).unwrap().to_vec();
        let whole = decode(&jpeg, PixelFormat::I420).unwrap();
        let without_end = &jpeg[..jpeg.len() - 2];
        assert_eq!(decode(without_end, PixelFormat::I420).unwrap(), whole);
        let stray = [without_end, &[0, 0xff, 0xd9]].concat();
        assert_eq!(decode(&stray, PixelFormat::I420).unwrap(), whole);
        let trailing = [jpeg.as_slice(), &[0; 100]].concat();
        assert_eq!(decode(&trailing, PixelFormat::I420).unwrap(), whole);
    }

    #[test]
    fn a_picture_over_the_limits_is_refused_before_a_buffer_is_asked_for() {
        let jpeg = Encoder::new(75).unwrap().encode(&i420()).unwrap().to_vec();
        let refuse = |limits| {
            let mut decoder = Decoder::new(limits).unwrap();
            decoder.decode(&jpeg, PixelFormat::I420, |_, _| panic!("a buffer was asked for"))
        };
        let small = Limits { size: Size::new(96, 63), bytes: PICTURE_LIMIT };
        assert!(matches!(refuse(small), Err(JpegError::TooLarge { size: SIZE, .. })));
        let short = Limits { size: SIZE, bytes: jpeg.len() - 1 };
        assert!(matches!(refuse(short), Err(JpegError::TooLong { .. })));
        let mut huge = jpeg.clone();
        let header = huge.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        huge[header + 5..header + 9].fill(0xfa);
        let error = decode(&huge, PixelFormat::I420).unwrap_err();
        assert!(error.to_string().contains("64250x64250"), "{error}");
    }

    #[test]
    fn cut_and_flipped_pictures_are_errors_or_pictures_and_never_more() {
        let jpeg = Encoder::new(50).unwrap().encode(&i420()).unwrap().to_vec();
        let progressive = {
            let rgb = decode_rgb(&jpeg, Limits::of(SIZE)).unwrap();
            let mut compressor = Compressor::new().unwrap();
            compressor.set_progressive(true).unwrap();
            let (width, height) = (SIZE.width as usize, SIZE.height as usize);
            let format = turbojpeg::PixelFormat::RGB;
            let pixels = rgb.data.as_slice();
            let image = Image { pixels, width, pitch: 3 * width, height, format };
            compressor.compress_to_vec(image).unwrap()
        };
        // A progressive picture cut between two scans is a whole one, less sharp.
        for (jpeg, is_whole_only_whole) in [(jpeg, true), (progressive, false)] {
            for format in [PixelFormat::I420, PixelFormat::Rgb8] {
                for length in 0..jpeg.len() - 20 {
                    let decoded = decode(&jpeg[..length], format);
                    assert!(decoded.is_err() || !is_whole_only_whole, "{length} bytes of it");
                }
                for at in 0..jpeg.len() {
                    for flip in [0x01, 0x10, 0xff] {
                        let mut torn = jpeg.clone();
                        torn[at] ^= flip;
                        let _ = decode(&torn, format);
                    }
                }
            }
        }
    }

    #[test]
    fn a_raw_picture_with_the_wrong_number_of_bytes_is_refused() {
        let mut encoder = Encoder::new(75).unwrap();
        for mut picture in [i420(), yuyv(), nv12()] {
            picture.data.pop();
            assert!(matches!(encoder.encode(&picture), Err(JpegError::Kind(_))));
        }
        let odd = Picture { size: Size::new(3, 2), data: vec![0; 10], ..Picture::default() };
        assert!(matches!(encoder.encode(&odd), Err(JpegError::Kind(_))));
    }
}
