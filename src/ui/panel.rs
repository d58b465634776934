//! How large the panel is, in pixels and in millimetres.
//!
//! Fingers and eyes are measured in millimetres, so every length on a page is. The official 7"
//! panel has 800x480 pixels on 154.08 x 85.92 mm: they are not square, and pictures are drawn
//! accordingly.

use crate::frame::Size;

/// The panel a page is laid out for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Panel {
    /// In pixels.
    pub size: Size,
    /// Pixels per millimetre along a row.
    pub pixels_per_mm_x: f32,
    /// Pixels per millimetre down a column.
    pub pixels_per_mm_y: f32,
    /// How pictures are drawn: pixels per mm along a row over those down a column; 1 = square.
    pub pixel_aspect: f32,
}

impl Panel {
    /// The official 7" touch display, landscape.
    pub const SEVEN_INCH: Panel = Panel::with_pixels_per_mm(Size::new(800, 480), 5.192, 5.587);
    /// The second official touch display, portrait.
    pub const PORTRAIT: Panel = Panel::with_pixels_per_mm(Size::new(720, 1280), 8.28, 8.28);

    /// A panel of `size` whose pixels lie this densely.
    pub const fn with_pixels_per_mm(size: Size, x: f32, y: f32) -> Self {
        Self { size, pixels_per_mm_x: x, pixels_per_mm_y: y, pixel_aspect: x / y }
    }

    /// The panel that most likely has `size` pixels: one of the two official ones, as it is or turned
    /// by a quarter, or else one as large as the 7" panel in the direction in which that fits.
    pub fn of(size: Size) -> Self {
        if size == Self::SEVEN_INCH.size {
            return Self::SEVEN_INCH;
        }
        if size == Self::PORTRAIT.size {
            return Self::PORTRAIT;
        }
        for known in [Self::SEVEN_INCH, Self::PORTRAIT].map(Self::turned) {
            if size == known.size {
                return known;
            }
        }
        let (wide, high) = if size.width >= size.height { (154.08, 85.92) } else { (86.96, 154.6) };
        let density = (size.width as f32 / wide).min(size.height as f32 / high);
        Self::with_pixels_per_mm(size, density, density)
    }

    /// The same panel hung upright, or lying.
    const fn turned(self) -> Self {
        let size = Size::new(self.size.height, self.size.width);
        Self::with_pixels_per_mm(size, self.pixels_per_mm_y, self.pixels_per_mm_x)
    }

    /// The same panel, with pictures drawn as on square pixels: a window on a desktop.
    pub const fn square(self) -> Self {
        Self { pixel_aspect: 1.0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_4_to_3_picture_is_595_wide_when_it_is_480_high_on_the_seven_inch_panel() {
        assert_eq!((480.0 * 4.0 / 3.0 * Panel::SEVEN_INCH.pixel_aspect).round(), 595.0);
    }

    #[test]
    fn an_unknown_panel_keeps_square_pixels_and_fits_both_ways() {
        let panel = Panel::of(Size::new(1024, 600));
        assert_eq!(panel.pixel_aspect, 1.0);
        assert!((panel.pixels_per_mm_x - 1024.0 / 154.08).abs() < 0.001);
    }
}
