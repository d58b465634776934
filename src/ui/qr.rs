//! A text as a QR code: an image with a pixel a module, which the page draws as large as it can.
//!
//! ```text
//!  text ──> modules ──> Image of (modules + 2 x 4) pixels ──> scan.slint: x a whole number
//! ```
//! The quiet zone of four modules (ISO/IEC 18004, 6.3.8) belongs to the image. The least error
//! correction makes the largest modules, and a small camera at arm's length lacks pixels, not ink:
//! the code on a panel is neither torn nor dirty, and carries a check sum of its own.

use fast_qr::{ECL, QRBuilder};
use slint::{Image, Rgb8Pixel, SharedPixelBuffer};

/// White modules around a code.
const QUIET: usize = 4;

/// The code that was drawn last.
#[derive(Default)]
pub(super) struct QrCode {
    text: String,
    image: Image,
}

impl QrCode {
    /// Draws only what differs from the last one. An empty image for an empty text, or one that is
    /// longer than any code.
    pub(super) fn of(&mut self, text: &str) -> Image {
        if self.text != text {
            text.clone_into(&mut self.text);
            self.image = draw(text).unwrap_or_else(|| {
                if !text.is_empty() {
                    tracing::warn!("no QR code holds {} bytes", text.len());
                }
                Image::default()
            });
        }
        self.image.clone()
    }
}

fn draw(text: &str) -> Option<Image> {
    if text.is_empty() {
        return None;
    }
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let side = code.size + 2 * QUIET;
    let pixels = u32::try_from(side).ok()?;
    let white = Rgb8Pixel::new(255, 255, 255);
    let mut buffer = SharedPixelBuffer::<Rgb8Pixel>::new(pixels, pixels);
    let all = buffer.make_mut_slice();
    all.fill(white);
    for y in 0..code.size {
        for (x, module) in code[y].iter().take(code.size).enumerate() {
            if module.value() {
                all[(y + QUIET) * side + x + QUIET] = Rgb8Pixel::new(0, 0, 0);
            }
        }
    }
    Some(Image::from_rgb8(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_a_white_zone_of_four_modules_and_the_finder_in_the_corner() {
        let image = QrCode::default().of("TWOCAN1:AEBAGBAF");
        let pixels = image.to_rgb8().unwrap();
        let side = pixels.width() as usize;
        let dark = |x: usize, y: usize| pixels.as_slice()[y * side + x].r == 0;
        assert!((0..side).all(|at| (0..4).all(|edge| !dark(at, edge) && !dark(edge, at))));
        assert!((4..11).all(|x| dark(x, 4)) && !dark(11, 4), "the finder's upper edge");
    }

    #[test]
    fn the_same_text_is_drawn_once_and_no_text_is_no_image() {
        let mut code = QrCode::default();
        let (one, again) = (code.of("TWOCAN1:AEBAGBAF"), code.of("TWOCAN1:AEBAGBAF"));
        assert!(one == again, "the same buffer");
        assert_eq!(code.of("").size().width, 0);
        assert_eq!(code.of(&"A".repeat(10_000)).size().width, 0, "longer than any code");
    }
}
