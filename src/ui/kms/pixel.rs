//! A pixel of the shadow: colours multiplied by alpha, and the alpha kept.
//!
//! ```text
//!  0x00000000  the hole: the picture behind is seen as it is
//!  0x80402010  half of the picture behind, and this colour over it
//!  0xff804020  nothing of it
//! ```

use slint::platform::software_renderer::{PremultipliedRgbaColor, TargetPixel};

/// 0xAARRGGBB; the same bytes as DRM's ARGB8888.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Argb(pub(super) u32);

impl Argb {
    /// Nothing drawn.
    pub(super) const HOLE: Argb = Argb(0);
}

impl TargetPixel for Argb {
    fn blend(&mut self, color: PremultipliedRgbaColor) {
        let over = u32::from_be_bytes([color.alpha, color.red, color.green, color.blue]);
        let keep = u32::from(u8::MAX - color.alpha);
        let below = (kept(self.0 >> 8, keep) << 8) | kept(self.0, keep);
        // No channel runs over: what is kept is at most 255 - alpha, what comes at most alpha.
        *self = Argb(over.wrapping_add(below));
    }

    fn from_rgb(red: u8, green: u8, blue: u8) -> Self {
        Argb(u32::from_be_bytes([0xff, red, green, blue]))
    }

    fn background() -> Self {
        Argb::HOLE
    }
}

/// Two channels, in every second byte of `pair`, times `keep`/255 and rounded: opaque stays opaque.
pub(super) fn kept(pair: u32, keep: u32) -> u32 {
    let product = (pair & 0x00ff_00ff) * keep + 0x0080_0080;
    ((product + ((product >> 8) & 0x00ff_00ff)) >> 8) & 0x00ff_00ff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blended(below: u32, [alpha, red, green, blue]: [u8; 4]) -> u32 {
        let mut pixel = Argb(below);
        pixel.blend(PremultipliedRgbaColor { red, green, blue, alpha });
        pixel.0
    }

    #[test]
    fn an_opaque_colour_replaces_a_clear_one_changes_nothing() {
        assert_eq!(blended(0x8040_2010, [255, 1, 2, 3]), 0xff01_0203);
        assert_eq!(blended(0xff80_4020, [0, 0, 0, 0]), 0xff80_4020);
        assert_eq!(blended(0, [0, 0, 0, 0]), 0);
    }

    #[test]
    fn half_a_colour_over_the_hole_stays_half_clear() {
        assert_eq!(blended(0, [0x80, 0x40, 0x20, 0x10]), 0x8040_2010);
    }

    #[test]
    fn over_an_opaque_pixel_every_colour_stays_opaque_and_no_channel_runs_over() {
        for alpha in 0..=255_u8 {
            for value in [0, alpha / 2, alpha] {
                for below in [0xff00_0000_u32, 0xff80_8080, 0xffff_ffff] {
                    let mixed = blended(below, [alpha, value, value, value]);
                    let keep = f64::from(255 - alpha) / 255.0;
                    let want = f64::from(below & 0xff) * keep + f64::from(value);
                    let got = f64::from(mixed & 0xff);
                    assert!((got - want).abs() <= 0.5, "{below:08x} {alpha} {value}: {mixed:08x}");
                    assert_eq!(mixed >> 24, 0xff, "{below:08x} under {alpha}: {mixed:08x}");
                }
            }
        }
    }
}
