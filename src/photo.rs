//! The photo of a contact as a file: a JPEG or a PNG, looked at by its header only. Whoever shows
//! it decodes it later; what is refused here never gets that far.

use crate::frame::Size;

pub use crate::caps::{PHOTO_LIMIT as SIZE_LIMIT, PHOTO_SIDE_LIMIT as SIDE_LIMIT};

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Baseline or progressive.
    Jpeg,
    /// Of any colour type.
    Png,
}

impl Kind {
    /// What its files end in, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

/// Why a file is no photo for a tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// Over [`SIZE_LIMIT`].
    #[error("the photo is over 8 MiB")]
    TooLong,
    /// Neither kind, or cut in its header.
    #[error("the photo is neither a JPEG nor a PNG")]
    Unreadable,
    /// Over [`SIDE_LIMIT`], or empty.
    #[error("the photo is {0} pixels; at most 4096x4096 are taken")]
    Dimensions(Size),
}

/// What the header says.
///
/// # Errors
/// See [`PhotoError`].
pub fn inspect(bytes: &[u8]) -> Result<(Kind, Size), PhotoError> {
    if bytes.len() > SIZE_LIMIT {
        return Err(PhotoError::TooLong);
    }
    let png = || Some((Kind::Png, png_size(bytes)?));
    let jpeg = || Some((Kind::Jpeg, jpeg_size(bytes)?));
    let (kind, size) = png().or_else(jpeg).ok_or(PhotoError::Unreadable)?;
    let fits = |side| (1..=SIDE_LIMIT).contains(&side);
    if !fits(size.width) || !fits(size.height) {
        return Err(PhotoError::Dimensions(size));
    }
    Ok((kind, size))
}

/// The signature, then the IHDR chunk (PNG specification, 5.2 and 11.2.1).
fn png_size(bytes: &[u8]) -> Option<Size> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some(Size::new(number(0)?, number(4)?))
}

/// Segment by segment to the first start-of-frame (ITU-T T.81, B.2.2).
fn jpeg_size(bytes: &[u8]) -> Option<Size> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let marker = *rest.strip_prefix(&[0xff])?.first()?;
        // Any number of 0xff may stand before a marker.
        if marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let segment = &rest[2..];
        let number =
            |at: usize| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
        let length = usize::from(number(0)?);
        match marker {
            // SOF0 to SOF15, but for DHT, JPG and DAC which stand between them.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some(Size::new(u32::from(number(5)?), u32::from(number(3)?)));
            }
            // Start of scan or end of image before a frame; or a marker without a length.
            0xda | 0xd9 | 0x00..=0xbf | 0xd0..=0xd8 => return None,
            _ if length < 2 => return None,
            _ => rest = segment.get(length..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let [w, h] = [width.to_be_bytes(), height.to_be_bytes()];
        let sof = [0xff, 0xff, 0xc2, 0, 11, 8, h[0], h[1], w[0], w[1], 1, 1, 0x11, 0];
        [&[0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2][..], &sof].concat()
    }

    #[test]
    fn a_header_says_the_kind_and_the_size() {
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 3, 2);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[0; 6]).unwrap();
        assert_eq!(inspect(&png).unwrap(), (Kind::Png, Size::new(3, 2)));
        assert_eq!(inspect(&jpeg(768, 512)).unwrap(), (Kind::Jpeg, Size::new(768, 512)));
        for length in 0..20 {
            assert_eq!(inspect(&png[..length]), Err(PhotoError::Unreadable));
            assert_eq!(inspect(&jpeg(7, 5)[..length.min(16)]), Err(PhotoError::Unreadable));
        }
    }

    #[test]
    fn a_photo_that_is_too_large_or_empty_is_refused() {
        assert_eq!(inspect(&jpeg(4097, 1)), Err(PhotoError::Dimensions(Size::new(4097, 1))));
        assert_eq!(inspect(&jpeg(16, 0)), Err(PhotoError::Dimensions(Size::new(16, 0))));
        assert_eq!(inspect(&vec![0; SIZE_LIMIT + 1]), Err(PhotoError::TooLong));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(tail in any::<Vec<u8>>()) {
            let _ = inspect(&[&[0xff, 0xd8, 0xff][..], &tail].concat());
            let _ = inspect(&[&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..], &tail].concat());
        }
    }
}
