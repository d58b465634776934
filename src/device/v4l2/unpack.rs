//! Pictures out of a driver's buffer: rows packed, and video range stretched to the full range that
//! JPEG and the rest of us work in.
//!
//! ```text
//! row row row ..pad      row row row
//! row row row ..pad  ->  row row row   (each plane in turn)
//! ```

use crate::frame::{PixelFormat, Size};

use super::raw;

/// How rows lie in a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) stride: usize,
    pub(super) full_range: bool,
}

impl Rows {
    /// As the driver says.
    pub(super) fn of(pixels: &raw::Pixels, format: PixelFormat) -> Self {
        let stride = (pixels.bytes_per_line as usize).max(packed_row(format, pixels.width));
        Self { stride, full_range: is_full_range(pixels) }
    }
}

/// V4L2_MAP_QUANTIZATION_DEFAULT: YUV is in video range unless said otherwise or in JPEG's colours.
fn is_full_range(pixels: &raw::Pixels) -> bool {
    const COLORSPACE_JPEG: u32 = 7;
    match pixels.quantization {
        1 => true,
        2 => false,
        _ => pixels.colorspace == COLORSPACE_JPEG,
    }
}

fn packed_row(format: PixelFormat, width: u32) -> usize {
    match format {
        PixelFormat::Yuyv => 2 * width as usize,
        _ => width as usize,
    }
}

/// Copy the picture in a buffer into `data`, rows packed and in full range. False: there are fewer
/// bytes than it needs.
pub(super) fn unpack(
    bytes: &[u8],
    size: Size,
    format: PixelFormat,
    rows: Rows,
    data: &mut Vec<u8>,
) -> bool {
    data.clear();
    if format == PixelFormat::Jpeg {
        data.extend_from_slice(bytes);
        return true;
    }
    let row = packed_row(format, size.width);
    let (height, stride) = (size.height as usize, rows.stride);
    // Each plane: rows, bytes of a row, stride.
    let planes: &[(usize, usize, usize)] = match format {
        PixelFormat::Nv12 => &[(height, row, stride), (height / 2, row, stride)],
        PixelFormat::I420 => &[
            (height, row, stride),
            (height / 2, row / 2, stride / 2),
            (height / 2, row / 2, stride / 2),
        ],
        _ => &[(height, row, stride)],
    };
    let mut rest = bytes;
    for (number, (height, row, stride)) in planes.iter().enumerate() {
        for y in 0..*height {
            // The last row may end with its picture.
            let Some(line) = rest.get(..*row) else { return false };
            let start = data.len();
            data.extend_from_slice(line);
            if !rows.full_range {
                stretch(&mut data[start..], format, number);
            }
            let last = number + 1 == planes.len() && y + 1 == *height;
            match rest.get(*stride..) {
                Some(after) => rest = after,
                None if last => {}
                None => return false,
            }
        }
    }
    true
}

/// From video range (luma 16-235, chroma 16-240) to full range (ITU-R BT.601-7, 2.5.3).
fn stretch(row: &mut [u8], format: PixelFormat, plane: usize) {
    let luma = |value: u8| (((i32::from(value) - 16) * 298 + 128) >> 8).clamp(0, 255) as u8;
    let chroma = |value: u8| (((i32::from(value) - 128) * 291 + 128) >> 8).clamp(-128, 127) + 128;
    match (format, plane) {
        (PixelFormat::Yuyv, _) => {
            for pair in row.chunks_exact_mut(2) {
                (pair[0], pair[1]) = (luma(pair[0]), chroma(pair[1]) as u8);
            }
        }
        (_, 0) => row.iter_mut().for_each(|value| *value = luma(*value)),
        _ => row.iter_mut().for_each(|value| *value = chroma(*value) as u8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: bool = true;

    #[test]
    fn padded_rows_come_out_packed_in_every_raw_format() {
        let size = Size::new(4, 2);
        let cases: [(PixelFormat, usize, &[u8], &[u8]); 3] = [
            (PixelFormat::Yuyv, 10, b"aubvcudv..eufvguhv", b"aubvcudveufvguhv"),
            (PixelFormat::Nv12, 6, b"abcd..efgh..uvuv", b"abcdefghuvuv"),
            (PixelFormat::I420, 6, b"abcd..efgh..uu.vv.", b"abcdefghuuvv"),
        ];
        for (format, stride, bytes, wanted) in cases {
            let rows = Rows { stride, full_range: FULL };
            let mut data = Vec::new();
            assert!(unpack(bytes, size, format, rows, &mut data), "{format:?}");
            assert_eq!(data, wanted);
            assert_eq!(data.len(), format.bytes(size));
            assert!(!unpack(&bytes[..bytes.len() - 2], size, format, rows, &mut data));
        }
    }

    #[test]
    fn video_range_is_stretched_to_full_range() {
        let rows = Rows { stride: 4, full_range: false };
        let mut data = Vec::new();
        let bytes = [16, 128, 235, 16, 0, 240, 255, 128];
        assert!(unpack(&bytes, Size::new(2, 2), PixelFormat::Yuyv, rows, &mut data));
        assert_eq!(data, [0, 128, 255, 1, 0, 255, 255, 128]);
    }
}
