//! The pictures that two people compare, drawn in the size in which they are shown.
//!
//! ```text
//!  ui/images/pictures/NAME.svg ── build.rs ──> NAME.png, 288x288 on white ──> Image of 27 mm
//! ```
//! They are drawn when the program is built: a renderer of vectors is not part of every build, and
//! four pictures are too few to carry one. Nothing is unpacked before pictures are compared.

use slint::{Image, Rgb8Pixel, SharedPixelBuffer};

use super::panel::Panel;
use super::scale::Scaler;
use crate::frame::Size;
use crate::pairing::PICTURES;

/// Bytes of PNG files, in the order of [`PICTURES`].
static FILES: [&[u8]; PICTURES.len()] = include!(concat!(env!("OUT_DIR"), "/pictures.rs"));

/// Millimetres that a picture is wide and high.
const SIDE_MM: f32 = 27.0;

/// Picture `place` of [`PICTURES`] for `panel`; an empty one if there is no such place.
pub(super) fn picture(place: u8, panel: Panel) -> Image {
    FILES.get(usize::from(place)).and_then(|file| unpack(file)).map_or_else(
        Image::default,
        |(pixels, from)| {
            let to = side(panel);
            let mut buffer = SharedPixelBuffer::<Rgb8Pixel>::new(to.width, to.height);
            Scaler::default().scale(&pixels, from, buffer.make_mut_bytes(), to);
            Image::from_rgb8(buffer)
        },
    )
}

fn side(panel: Panel) -> Size {
    let pixels = |per_mm: f32| ((SIDE_MM * per_mm).round() as u32).max(1);
    Size::new(pixels(panel.pixels_per_mm_x), pixels(panel.pixels_per_mm_y))
}

/// RGB pixels and how many.
fn unpack(file: &[u8]) -> Option<(Vec<u8>, Size)> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    let size = Size::new(info.width, info.height);
    let step = info.color_type.samples();
    let rgb = pixels.chunks_exact(step).flat_map(|pixel| pixel[..3].iter().copied()).collect();
    (step >= 3 && info.bit_depth == png::BitDepth::Eight).then_some((rgb, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_picture_of_27_mm_and_no_two_look_alike() {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (place, name) in PICTURES.iter().enumerate() {
            let image = picture(u8::try_from(place).unwrap(), Panel::SEVEN_INCH).to_rgb8().unwrap();
            assert_eq!((image.width(), image.height()), (140, 151), "{name}");
            let bytes = image.as_bytes().to_vec();
            assert!(bytes[..3] == [255, 255, 255], "{name} stands on white");
            assert!(!seen.contains(&bytes), "{name} is there twice");
            seen.push(bytes);
        }
        assert_eq!(picture(200, Panel::SEVEN_INCH).size().width, 0);
    }
}
