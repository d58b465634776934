//! The photo on a tile: read from the state folder, decoded, and made no larger than a tile needs.

use std::path::Path;
use std::sync::Arc;

use crate::codec::jpeg::{self, Limits};
use crate::frame::{Picture, PixelFormat, Size};
use crate::photo::{self, Kind, SIDE_LIMIT, SIZE_LIMIT};
use crate::ui::screen::Photo;

/// The longest side of a photo in memory, in pixels: the tile of a kiosk with one contact.
const SIDE: u32 = 768;

/// The photo in this file; none, with a line in the log, when it can't be shown.
pub(super) fn load(path: &Path) -> Option<Photo> {
    let decoded = std::fs::read(path).map_err(|error| error.to_string()).and_then(|b| decode(&b));
    match decoded {
        Ok(picture) => Some(Photo(Arc::new(smaller(picture)))),
        Err(cause) => {
            tracing::warn!("show the photo {}: {cause}", path.display());
            None
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let (kind, size) = photo::inspect(bytes).map_err(|error| error.to_string())?;
    match kind {
        Kind::Jpeg => {
            let limits = Limits { size: Size::new(SIDE_LIMIT, SIDE_LIMIT), bytes: SIZE_LIMIT };
            jpeg::decode_rgb(bytes, limits).map_err(|error| error.to_string())
        }
        Kind::Png => decode_png(bytes, size).map_err(|error| error.to_string()),
    }
}

fn decode_png(bytes: &[u8], size: Size) -> Result<Picture, png::DecodingError> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    // The header was checked: at most 4096 x 4096 in 8 bits and four channels.
    let mut pixels = vec![0; size.pixels() * 4];
    let info = reader.next_frame(&mut pixels)?;
    let channels = info.color_type.samples();
    let data = pixels
        .chunks_exact(channels)
        .take(size.pixels())
        .flat_map(|pixel| match *pixel {
            [grey] | [grey, _] => [grey; 3],
            [red, green, blue, ..] => [red, green, blue],
            [] => [0; 3],
        })
        .collect();
    Ok(Picture { size, format: PixelFormat::Rgb8, data, ..Picture::default() })
}

/// The mean of whole blocks of pixels, so that no side is longer than [`SIDE`].
fn smaller(picture: Picture) -> Picture {
    let Size { width, height } = picture.size;
    let block = width.max(height).div_ceil(SIDE);
    if block <= 1 {
        return picture;
    }
    let size = Size::new((width / block).max(1), (height / block).max(1));
    let mut data = Vec::with_capacity(size.pixels() * 3);
    for row in 0..size.height {
        for column in 0..size.width {
            let mut sum = [0u32; 3];
            let mut counted = 0;
            for y in (row * block)..((row + 1) * block).min(height) {
                for x in (column * block)..((column + 1) * block).min(width) {
                    let at = (y as usize * width as usize + x as usize) * 3;
                    for (sum, value) in sum.iter_mut().zip(&picture.data[at..at + 3]) {
                        *sum += u32::from(*value);
                    }
                    counted += 1;
                }
            }
            data.extend(sum.map(|sum| (sum / counted) as u8));
        }
    }
    Picture { size, data, ..picture }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_of(size: Size, color: png::ColorType, bytes: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        file
    }

    #[test]
    fn a_png_of_any_colour_type_becomes_rgb() {
        let size = Size::new(2, 1);
        let grey = decode(&png_of(size, png::ColorType::Grayscale, &[10, 200])).unwrap();
        assert_eq!(grey.data, [10, 10, 10, 200, 200, 200]);
        let clear = [1, 2, 3, 0, 4, 5, 6, 255];
        let rgba = decode(&png_of(size, png::ColorType::Rgba, &clear)).unwrap();
        assert_eq!(rgba.data, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_large_photo_shrinks_to_what_a_tile_needs() {
        let size = Size::new(2000, 1000);
        let data = [9, 90, 200].repeat(size.pixels());
        let shrunk = smaller(Picture { size, data, ..Picture::default() });
        assert_eq!(shrunk.size, Size::new(666, 333));
        assert_eq!(shrunk.data.len(), shrunk.size.pixels() * 3);
        assert!(shrunk.data.chunks(3).all(|pixel| pixel == [9, 90, 200]));
    }
}
