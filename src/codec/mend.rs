//! A camera's JPEG as every decoder takes it.
//!
//! ```text
//!  ..SOI segments SOS data EOI 000   whole: passed byte for byte, what follows the end cut off
//!    SOI segments SOS data           the end marker is missing: appended, if the data is all there
//!    SOI seg-(DHT)-ments SOS data    no Huffman tables: the standard ones inserted before the scan
//!    SOI segm                        cut short: refused
//! ```
//! USB cameras leave the tables out because they never change, and the end marker because the
//! transfer has an end of its own. A picture without its end marker may also be half of one, which
//! only decoding tells: it is decoded, at an eighth of its size. Others are not looked into.
//! Of a picture that has a few stray bytes before a marker the decoder tells that and nothing more: if
//! it lacks its end marker too and is cut short, the cut is not seen and its rest is grey.

use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

use super::jpeg::{JpegError, is_forgiven, may_be_sent};
use crate::caps::SCAN_LIMIT;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DHT: u8 = 0xc4;
/// Frame headers of pictures that have Huffman tables, and may leave them out: baseline and
/// extended sequential.
const SEQUENTIAL: std::ops::RangeInclusive<u8> = 0xc0..=0xc1;

/// Tables K.3 (DC, luminance), K.5 (AC, luminance), K.4 and K.6 (chrominance) of ITU-T T.81, each as
/// in a DHT segment: class and destination, how many codes of each length, their values.
const TABLES: [u8; 416] = [
    0x00, 0x00, 0x01, 0x05, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x00, 0x02,
    0x01, 0x03, 0x03, 0x02, 0x04, 0x03, 0x05, 0x05, 0x04, 0x04, 0x00, 0x00, 0x01, 0x7d, 0x01, 0x02,
    0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33,
    0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a,
    0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53,
    0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73,
    0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92,
    0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
    0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
    0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4,
    0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    0x01, 0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x11, 0x00, 0x02,
    0x01, 0x02, 0x04, 0x04, 0x03, 0x04, 0x07, 0x05, 0x04, 0x04, 0x00, 0x01, 0x02, 0x77, 0x00, 0x01,
    0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62,
    0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a,
    0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a,
    0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3,
    0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

/// Makes pictures whole.
#[derive(Debug)]
pub struct Mender {
    decompressor: Decompressor,
    pixels: Vec<u8>,
    out: Vec<u8>,
}

/// Where the parts of a picture are.
struct Outline {
    /// The first scan's marker.
    scan: usize,
    /// Huffman tables stand before it, or it needs none.
    tables: bool,
    /// Behind the end marker; `None`: there is none.
    end: Option<usize>,
}

impl Mender {
    /// One that has mended nothing yet.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new() -> Result<Self, JpegError> {
        let mut decompressor = Decompressor::new().map_err(JpegError::Library)?;
        decompressor.set_scan_limit(SCAN_LIMIT).map_err(JpegError::Library)?;
        decompressor.set_scaling_factor(ScalingFactor::ONE_EIGHTH).map_err(JpegError::Library)?;
        Ok(Self { decompressor, pixels: Vec::new(), out: Vec::new() })
    }

    /// The picture as every decoder takes it, good until the next call. What is whole comes back
    /// byte for byte.
    ///
    /// # Errors
    /// It is no JPEG, or half of one.
    pub fn whole<'a>(&'a mut self, jpeg: &'a [u8]) -> Result<&'a [u8], JpegError> {
        let outline = outline(jpeg).ok_or(JpegError::Kind("a picture without its data"))?;
        if let Some(end) = outline.end {
            if outline.tables {
                return Ok(&jpeg[..end]);
            }
            self.assemble(&outline, &jpeg[..end], false);
            return Ok(&self.out);
        }
        // Zeros behind the data are the rest of a transfer, or (rarely) the data's own.
        let mut ends = vec![trimmed(jpeg), jpeg.len()];
        ends.dedup();
        let mut error = JpegError::Kind("a picture without its data");
        for end in ends.into_iter().filter(|end| *end > outline.scan) {
            self.assemble(&outline, &jpeg[..end], true);
            match self.check() {
                Ok(()) => return Ok(&self.out),
                Err(cause) => error = cause,
            }
        }
        Err(error)
    }

    fn assemble(&mut self, outline: &Outline, jpeg: &[u8], needs_end: bool) {
        self.out.clear();
        let (before, scan) = jpeg.split_at(outline.scan);
        self.out.extend_from_slice(before);
        if !outline.tables {
            let length = (TABLES.len() as u16 + 2).to_be_bytes();
            self.out.extend_from_slice(&[0xff, DHT, length[0], length[1]]);
            self.out.extend_from_slice(&TABLES);
        }
        self.out.extend_from_slice(scan);
        if needs_end {
            self.out.extend_from_slice(&[0xff, EOI]);
        }
    }

    /// Whether all of what was assembled is there.
    fn check(&mut self) -> Result<(), JpegError> {
        let header = self.decompressor.read_header(&self.out).map_err(JpegError::Broken)?;
        may_be_sent(&header)?;
        let small = header.scaled(ScalingFactor::ONE_EIGHTH);
        let (width, height) = (small.width, small.height);
        self.pixels.resize(width * height, 0);
        let pixels = self.pixels.as_mut_slice();
        let image = Image { pixels, width, pitch: width, height, format: PixelFormat::GRAY };
        match self.decompressor.decompress(&self.out, image) {
            Err(error) if !is_forgiven(&error) => Err(JpegError::Broken(error)),
            _ => Ok(()),
        }
    }
}

/// Where the data ends when zeros follow it. A zero behind 0xff belongs to the data.
fn trimmed(jpeg: &[u8]) -> usize {
    let end = jpeg.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // A lone 0xff at the end is half an end marker, or half a stuffed pair.
    match jpeg[..end].last() {
        Some(0xff) if end < jpeg.len() => end + 1,
        Some(0xff) => end - 1,
        _ => end,
    }
}

/// Follow the markers; `None`: no scan begins in it.
fn outline(jpeg: &[u8]) -> Option<Outline> {
    if !jpeg.starts_with(&[0xff, SOI]) {
        return None;
    }
    let (mut at, mut scan, mut tables, mut sequential) = (2, None, false, false);
    loop {
        let rest = jpeg.get(at..).unwrap_or_default();
        match *rest {
            [0xff, EOI, ..] => {
                at += 2;
                break;
            }
            // The next picture, or a marker that can't stand here: the end is missing.
            [0xff, SOI, ..] => return None,
            [0xff, 0xff, ..] => at += 1,
            [0xff, 0x00 | 0x01 | 0xd0..=0xd7, ..] => at += 2,
            [0xff, marker, high, low, ..] => {
                tables |= marker == DHT && scan.is_none();
                sequential |= SEQUENTIAL.contains(&marker);
                if marker == SOS {
                    scan.get_or_insert(at);
                }
                at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
            [0xff, ..] | [] => {
                let scan = scan?;
                return Some(Outline { scan, tables: tables || !sequential, end: None });
            }
            // Data of a scan, or a stray byte.
            _ => at += rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len()),
        }
    }
    let scan = scan?;
    Some(Outline { scan, tables: tables || !sequential, end: Some(at) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::{Encoder, Limits, decode_rgb};
    use crate::frame::{Picture, PixelFormat, Size};
    use proptest::prelude::*;

    const SIZE: Size = Size::new(96, 64);

    fn jpeg() -> Vec<u8> {
        let noise = |at: usize| (at * at / 7 % 251) as u8;
        let data = (0..PixelFormat::I420.bytes(SIZE)).map(noise).collect();
        let picture = Picture { size: SIZE, data, ..Picture::default() };
        Encoder::new(75).unwrap().encode(&picture).unwrap().to_vec()
    }

    /// The same picture with its Huffman tables cut out.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let mut out = jpeg[..2].to_vec();
        let mut rest = &jpeg[2..];
        loop {
            let length = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            if rest[1] == SOS {
                out.extend_from_slice(rest);
                return out;
            }
            if rest[1] != DHT {
                out.extend_from_slice(&rest[..length]);
            }
            rest = &rest[length..];
        }
    }

    fn pixels(jpeg: &[u8]) -> Vec<u8> {
        decode_rgb(jpeg, Limits::of(SIZE)).unwrap().data
    }

    fn mend(jpeg: &[u8]) -> Result<Vec<u8>, JpegError> {
        Mender::new()?.whole(jpeg).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_whole_picture_passes_byte_for_byte_and_what_follows_it_does_not() {
        let whole = jpeg();
        assert_eq!(mend(&whole).unwrap(), whole);
        for garbage in [&[0; 3000][..], b"garbage", &[0xff, 0xd8, 0xff], &[0xff]] {
            assert_eq!(mend(&[&whole, garbage].concat()).unwrap(), whole);
        }
    }

    #[test]
    fn a_missing_end_marker_is_appended_whatever_stands_in_its_place() {
        let whole = jpeg();
        let open = &whole[..whole.len() - 2];
        for rest in [&[][..], &[0xff], &[0; 3000], &[0xff, 0]] {
            let mended = mend(&[open, rest].concat()).unwrap();
            assert!(mended.ends_with(&[0xff, EOI]));
            assert_eq!(pixels(&mended), pixels(&whole), "{} bytes behind it", rest.len());
        }
    }

    #[test]
    fn missing_tables_are_inserted_and_the_picture_is_the_same() {
        let whole = jpeg();
        let bare = without_tables(&whole);
        assert_eq!(bare.len(), whole.len() - TABLES.len() - 4 * 4);
        let mended = mend(&bare).unwrap();
        assert_eq!(pixels(&mended), pixels(&whole));
        assert_eq!(mended.len(), bare.len() + TABLES.len() + 4);
        let mended = mend(&bare[..bare.len() - 2]).unwrap();
        assert_eq!(pixels(&mended), pixels(&whole));
    }

    #[test]
    fn half_a_picture_and_no_picture_are_refused() {
        let whole = jpeg();
        for length in 0..whole.len() - 20 {
            assert!(mend(&whole[..length]).is_err(), "{length} bytes of it");
        }
        for nothing in [&[][..], &[0; 500], b"\xff\xd8\xff\xd9", b"\xff\xd8"] {
            assert!(mend(nothing).is_err());
        }
        let two = [&whole[..whole.len() / 2], &whole].concat();
        assert!(mend(&two).is_err());
    }

    proptest! {
        #[test]
        fn whatever_a_camera_sends_it_is_a_picture_or_refused(
            cut in 0usize..3000, at in 0usize..3000, byte in any::<u8>(), more in 0usize..50,
        ) {
            let mut torn = jpeg();
            torn.truncate(cut);
            torn.extend(std::iter::repeat_n(byte, more));
            if let Some(place) = torn.get_mut(at) {
                *place = byte;
            }
            if let Ok(mended) = mend(&torn) {
                prop_assert!(mended.starts_with(&[0xff, SOI]) && mended.ends_with(&[0xff, EOI]));
            }
        }
    }
}
