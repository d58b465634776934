//! Pictures scaled to the pixels they are drawn on, since the renderer takes the nearest pixel.
//!
//! Bilinear, in fixed point: first the two rows that a row of the target lies between are mixed
//! (16 bits, which compilers turn into vectors), then two neighbours of that row. Pixel centres
//! meet pixel centres. 640x360 to 680x412 takes 0.7 ms of a desktop's core; a ratio that is a whole
//! number, up or down, is left to the renderer.

use crate::frame::Size;

/// Where a picture is drawn: the pixels that are there for it, and their shape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Room {
    pub(super) size: Size,
    /// See [`super::panel::Panel::pixel_aspect`].
    pub(super) pixel_aspect: f32,
}

impl Room {
    /// The size at which a picture is drawn here, as `picture.slint` computes it; `None` where the
    /// renderer does as well.
    pub(super) fn scaled(&self, picture: Size) -> Option<Size> {
        if self.size.pixels() == 0 || picture.pixels() == 0 {
            return None;
        }
        let fitted = fitted(picture, self.size, self.pixel_aspect);
        let whole = |small: Size, large: Size| {
            large.width.is_multiple_of(small.width) && large.height.is_multiple_of(small.height)
        };
        (!whole(picture, fitted) && !whole(fitted, picture)).then_some(fitted)
    }
}

/// The largest size in `room` that has the shape of `picture`, whose pixels are square, on pixels of
/// the shape `pixel_aspect`; see [`super::panel::Panel::pixel_aspect`]. No size is zero.
pub(super) fn fitted(picture: Size, room: Size, pixel_aspect: f32) -> Size {
    let (width, height) = (room.width as f32, room.height as f32);
    let ratio = ratio(picture) * pixel_aspect;
    Size::new(
        (width.min(height * ratio).round() as u32).max(1),
        (height.min(width / ratio).round() as u32).max(1),
    )
}

/// Width over height.
pub(super) fn ratio(size: Size) -> f32 {
    size.width as f32 / size.height.max(1) as f32
}

/// Scales RGB pictures; keeps what it needs from one to the next.
#[derive(Default)]
pub(super) struct Scaler {
    widths: (u32, u32),
    /// For each column of the target: the byte of its left neighbour, and how much of the right one.
    columns: Vec<(usize, u32)>,
    /// The mixed row, 15 bits a value, its last pixel twice.
    row: Vec<u16>,
}

impl Scaler {
    /// Fill `target`, RGB pixels of `to`, from `source`, RGB pixels of `from`. No size is zero.
    pub(super) fn scale(&mut self, source: &[u8], from: Size, target: &mut [u8], to: Size) {
        self.rows(source, from, target.as_chunks_mut::<3>().0, to, |color| color);
    }

    /// The same into pixels that are 0xffRRGGBB.
    #[cfg(feature = "kms")]
    pub(super) fn scale_to_words(
        &mut self,
        source: &[u8],
        from: Size,
        target: &mut [u32],
        to: Size,
    ) {
        self.rows(source, from, target, to, word);
    }

    fn rows<P>(
        &mut self,
        source: &[u8],
        from: Size,
        target: &mut [P],
        to: Size,
        pixel: impl Fn([u8; 3]) -> P,
    ) {
        let stride = from.width as usize * 3;
        if self.widths != (from.width, to.width) {
            self.widths = (from.width, to.width);
            self.columns.clear();
            self.columns.extend((0..to.width).map(|x| {
                let (left, part) = between(x, from.width, to.width);
                (left * 3, u32::from(part))
            }));
            self.row.clear();
            self.row.resize(stride + 3, 0);
        }
        if from == to {
            let colors = source.as_chunks::<3>().0;
            target.iter_mut().zip(colors).for_each(|(to, color)| *to = pixel(*color));
            return;
        }
        let lines = target.chunks_exact_mut(to.width as usize);
        for (y, line) in (0..to.height).zip(lines) {
            let (upper, part) = between(y, from.height, to.height);
            let lower = (upper + 1).min(from.height as usize - 1);
            let upper = &source[upper * stride..][..stride];
            let lower = &source[lower * stride..][..stride];
            for ((mixed, upper), lower) in self.row.iter_mut().zip(upper).zip(lower) {
                *mixed = (u16::from(*upper) * (256 - part) + u16::from(*lower) * part) >> 1;
            }
            self.row.copy_within(stride - 3..stride, stride);
            for (to, (left, part)) in line.iter_mut().zip(&self.columns) {
                let pair = &self.row[*left..][..6];
                *to = pixel(std::array::from_fn(|color| {
                    let (left, right) = (u32::from(pair[color]), u32::from(pair[color + 3]));
                    ((left * (256 - part) + right * part + (1 << 14)) >> 15) as u8
                }));
            }
        }
    }
}

#[cfg(feature = "kms")]
fn word([red, green, blue]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0xff, red, green, blue])
}

/// The pixel before the centre of pixel `place` of `to`, counted in `from`, and how much of the next
/// one belongs to it, of 256.
fn between(place: u32, from: u32, to: u32) -> (usize, u16) {
    let centre = (2 * u64::from(place) + 1) * u64::from(from) * 256 / (2 * u64::from(to));
    let at = centre.saturating_sub(128).min((u64::from(from) - 1) * 256);
    ((at >> 8) as usize, (at & 255) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::panel::Panel;

    fn scaled(source: &[u8], from: Size, to: Size) -> Vec<u8> {
        let mut target = vec![1; to.pixels() * 3];
        Scaler::default().scale(source, from, &mut target, to);
        target
    }

    #[test]
    fn two_pixels_become_three_with_their_mean_in_the_middle_along_a_row_and_down_a_column() {
        let pair = [0, 10, 255, 200, 20, 255];
        let three = [0, 10, 255, 100, 15, 255, 200, 20, 255];
        assert_eq!(scaled(&pair, Size::new(2, 1), Size::new(3, 1)), three);
        assert_eq!(scaled(&pair, Size::new(1, 2), Size::new(1, 3)), three);
    }

    #[test]
    fn one_colour_stays_that_colour_at_every_size() {
        for value in [0, 1, 77, 254, 255] {
            for (from, to) in [((640, 360), (680, 412)), ((7, 5), (3, 4)), ((1, 1), (5, 3))] {
                let (from, to) = (Size::new(from.0, from.1), Size::new(to.0, to.1));
                let target = scaled(&vec![value; from.pixels() * 3], from, to);
                assert!(target.iter().all(|pixel| *pixel == value), "{value}: {from} to {to}");
            }
        }
    }

    #[test]
    fn a_ramp_stays_a_ramp_without_a_step_twice_as_high_as_another() {
        let ramp: Vec<u8> = (0..64_u8).flat_map(|x| [x * 4; 3]).collect();
        let wide = scaled(&ramp, Size::new(64, 1), Size::new(75, 1));
        let steps = wide.chunks_exact(3).map(|pixel| i32::from(pixel[0])).collect::<Vec<_>>();
        assert!(steps.windows(2).all(|pair| (0..=4).contains(&(pair[1] - pair[0]))), "{steps:?}");
        assert_eq!((steps[0], steps[74]), (0, 252));
    }

    #[test]
    fn a_scaler_that_changes_its_sizes_draws_what_a_new_one_draws() {
        let source: Vec<u8> = (0..12 * 9 * 3).map(|n| (n * 37 % 256) as u8).collect();
        let mut scaler = Scaler::default();
        for (from, to) in [((12, 9), (17, 5)), ((9, 12), (17, 20)), ((12, 9), (10, 10))] {
            let (from, to) = (Size::new(from.0, from.1), Size::new(to.0, to.1));
            let mut target = vec![1; to.pixels() * 3];
            scaler.scale(&source, from, &mut target, to);
            assert_eq!(target, scaled(&source, from, to), "{from} to {to}");
        }
    }

    #[cfg(feature = "kms")]
    #[test]
    fn words_hold_the_colours_that_bytes_hold() {
        let source: Vec<u8> = (0..12 * 9 * 3).map(|n| (n * 37 % 256) as u8).collect();
        for to in [Size::new(17, 5), Size::new(12, 9)] {
            let mut words = vec![0; to.pixels()];
            Scaler::default().scale_to_words(&source, Size::new(12, 9), &mut words, to);
            let bytes = scaled(&source, Size::new(12, 9), to);
            let colors = words.iter().flat_map(|word| word.to_be_bytes()[1..].to_vec());
            assert!(colors.eq(bytes), "{to}");
        }
    }

    #[test]
    fn a_picture_fills_the_room_in_its_shape_and_a_whole_ratio_is_left_alone() {
        let pixel_aspect = Panel::SEVEN_INCH.pixel_aspect;
        let room = Room { size: Size::new(680, 412), pixel_aspect };
        assert_eq!(room.scaled(Size::new(640, 360)), Some(Size::new(680, 412)));
        assert_eq!(room.scaled(Size::new(640, 480)), Some(Size::new(510, 412)));
        let square = Room { size: Size::new(640, 480), pixel_aspect: 1.0 };
        assert_eq!(square.scaled(Size::new(320, 240)), None);
        assert_eq!(square.scaled(Size::new(640, 480)), None);
        assert_eq!(square.scaled(Size::new(1280, 960)), None);
        assert_eq!(square.scaled(Size::new(0, 480)), None);
        assert_eq!(Room::default().scaled(Size::new(640, 480)), None);
    }
}
