//! Pages and picture into the pixels that are scanned out. Pure: slices in, slices out.
//!
//! ```text
//!  canvas row ──────────────> outside the picture: copied
//!  canvas row + picture row ─> inside: hole = picture, opaque = pages, else ui + video·(255-a)/255
//!                                │
//!                                └─> not turned: in place; by a half: the row backwards;
//!                                    by a quarter: 16 rows at a time, written as 16 columns
//! ```
//! The hole outside of the picture is 0, which is black. Buffers are written in order and never
//! read: the memory that is scanned out is slow to read.

use super::canvas::{Canvas, Cover};
use super::pixel::kept;
use crate::frame::Size;
use crate::geometry::{Rect, Rotation};

/// A picture where it is drawn: `at` in the drawing, rows packed, 0x??RRGGBB.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    /// Where; inside the drawing.
    pub(super) at: Rect,
    /// As many as `at` holds.
    pub(super) pixels: &'a [u32],
}

impl Layer<'_> {
    fn row(&self, y: u32) -> &[u32] {
        let width = self.at.size.width as usize;
        &self.pixels[(y - self.at.y) as usize * width..][..width]
    }
}

/// What is painted into.
pub(super) struct Target<'a> {
    /// Rows of `pitch` pixels, of which the first ones are seen.
    pub(super) pixels: &'a mut [u32],
    /// Pixels from one row to the next.
    pub(super) pitch: usize,
    /// How the drawing is turned in it.
    pub(super) rotation: Rotation,
}

/// Rows that are turned at a time: 64 bytes of each row of the target.
const STRIP: usize = 16;

/// Paints; keeps its memory.
#[derive(Default)]
pub(super) struct Painter {
    strip: Vec<u32>,
}

impl Painter {
    /// Paint `part` of the drawing, with `picture` behind its hole.
    pub(super) fn paint(
        &mut self,
        target: &mut Target<'_>,
        canvas: &mut Canvas,
        picture: Option<Layer<'_>>,
        part: Rect,
    ) {
        let part = part.meet(Rect::whole(canvas.size()));
        if let Some(picture) = picture {
            let rows = picture.at.meet(part);
            canvas.look(rows.y..rows.bottom());
        }
        let size = canvas.size();
        let fill = |y, row: &mut [u32]| mix_row(row, canvas, picture, y, part);
        self.turn(target, size, part, fill);
    }

    /// Copy pixels, as large as the drawing turned back, into a buffer of their own.
    pub(super) fn copy(&mut self, target: &mut Target<'_>, size: Size, pixels: &[u32]) {
        let width = size.width as usize;
        let fill = |y, row: &mut [u32]| {
            row.copy_from_slice(&pixels[y as usize * width..][..width]);
        };
        self.turn(target, size, Rect::whole(size), fill);
    }

    /// Have each row of `part` filled and put it where it belongs.
    fn turn(
        &mut self,
        target: &mut Target<'_>,
        size: Size,
        part: Rect,
        fill: impl Fn(u32, &mut [u32]),
    ) {
        let width = part.size.width as usize;
        let there = target.rotation.to_panel(part, size);
        let pitch = target.pitch;
        let start = there.y as usize * pitch + there.x as usize;
        match target.rotation {
            Rotation::None => {
                for n in 0..part.size.height {
                    let at = start + n as usize * pitch;
                    fill(part.y + n, &mut target.pixels[at..at + width]);
                }
            }
            Rotation::Half => {
                self.strip.resize(width, 0);
                for n in 0..part.size.height {
                    fill(part.bottom() - 1 - n, &mut self.strip);
                    let at = start + n as usize * pitch;
                    let row = &mut target.pixels[at..at + width];
                    row.iter_mut().zip(self.strip.iter().rev()).for_each(|(to, from)| *to = *from);
                }
            }
            Rotation::Quarter | Rotation::ThreeQuarters => {
                self.strip.resize(width * STRIP, 0);
                let clockwise = target.rotation == Rotation::Quarter;
                let height = part.size.height as usize;
                for first in (0..height).step_by(STRIP) {
                    let rows = STRIP.min(height - first);
                    // The rows in the order in which they become columns, from the left.
                    for (n, row) in self.strip.chunks_exact_mut(width).take(rows).enumerate() {
                        let n = (first + n) as u32;
                        let y = if clockwise { part.bottom() - 1 - n } else { part.y + n };
                        fill(y, row);
                    }
                    for n in 0..width {
                        let x = if clockwise { n } else { width - 1 - n };
                        let at = start + n * pitch + first;
                        let row = &mut target.pixels[at..at + rows];
                        for (to, line) in row.iter_mut().zip(self.strip.chunks_exact(width)) {
                            *to = line[x];
                        }
                    }
                }
            }
        }
    }
}

/// The pixels of row `y` that are in `part`.
fn mix_row(row: &mut [u32], canvas: &Canvas, picture: Option<Layer<'_>>, y: u32, part: Rect) {
    let ui = canvas.row(y);
    let picture = picture.filter(|picture| picture.at.y <= y && y < picture.at.bottom());
    let (left, right) = match picture {
        Some(picture) => {
            let place = |x: u32| x.clamp(part.x, part.right());
            (place(picture.at.x), place(picture.at.right()))
        }
        None => (part.right(), part.right()),
    };
    let at = |x: u32| (x - part.x) as usize;
    row[..at(left)].copy_from_slice(&ui[part.x as usize..left as usize]);
    row[at(right)..].copy_from_slice(&ui[right as usize..part.right() as usize]);
    let Some(picture) = picture else { return };
    let video = picture.row(y);
    let runs = canvas.runs(y);
    let mut x = left;
    for run in &runs[runs.partition_point(|run| run.end <= left)..] {
        if x >= right {
            break;
        }
        let end = run.end.min(right);
        let to = &mut row[at(x)..at(end)];
        let ui = &ui[x as usize..end as usize];
        let video = &video[(x - picture.at.x) as usize..(end - picture.at.x) as usize];
        match run.cover {
            Cover::Hole => to.copy_from_slice(video),
            Cover::Opaque => to.copy_from_slice(ui),
            Cover::Mixed => {
                for ((to, ui), video) in to.iter_mut().zip(ui).zip(video) {
                    *to = over(*ui, *video);
                }
            }
        }
        x = end;
    }
}

/// `ui + video·(255 - a)/255`, rounded, for all colours; two of them in one multiplication.
fn over(ui: u32, video: u32) -> u32 {
    let part = 255 - (ui >> 24);
    let red_blue = kept(video, part);
    let green = kept((video >> 8) & 0xff, part) << 8;
    // Colours that were not multiplied by alpha would overflow into their neighbours.
    let add = |mask: u32, under: u32| ((ui & mask) + under) & mask;
    add(0x00ff_00ff, red_blue) | add(0x0000_ff00, green) | 0xff00_0000
}

/// `pixels` of `from` drawn at the size `to`, each of the nearest pixel: for the moment between a
/// change of its room and the next picture.
pub(super) fn resample(pixels: &[u32], from: Size, to: Size) -> Vec<u32> {
    let place =
        |at: u32, from: u32, to: u32| (u64::from(at) * u64::from(from) / u64::from(to)) as usize;
    let columns: Vec<usize> = (0..to.width).map(|x| place(x, from.width, to.width)).collect();
    let rows = (0..to.height).map(|y| place(y, from.height, to.height));
    let width = from.width as usize;
    rows.flat_map(|y| columns.iter().map(move |x| pixels[y * width + x])).collect()
}

/// A whole I420 picture as 0xffRRGGBB; BT.601, full range (JFIF 1.02, page 3).
pub(super) fn from_i420(bytes: &[u8], size: Size) -> Vec<u32> {
    let (width, half) = (size.width as usize, size.width.div_ceil(2) as usize);
    let (luma, chroma) = bytes.split_at(size.pixels());
    let (u, v) = chroma.split_at(half * size.height.div_ceil(2) as usize);
    let clamp = |value: i32| ((value + (1 << 15)) >> 16).clamp(0, 255) as u32;
    let mut pixels = Vec::with_capacity(size.pixels());
    for (y, row) in luma.chunks_exact(width).enumerate() {
        for (x, luma) in row.iter().enumerate() {
            let at = y / 2 * half + x / 2;
            let (y, u, v) =
                (i32::from(*luma) << 16, i32::from(u[at]) - 128, i32::from(v[at]) - 128);
            let red = clamp(y + 91_881 * v);
            let green = clamp(y - 22_554 * u - 46_802 * v);
            let blue = clamp(y + 116_130 * u);
            pixels.push(0xff00_0000 | red << 16 | green << 8 | blue);
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::super::surface::Patch;
    use super::*;

    const SIZE: Size = Size::new(70, 37);
    const EVERY: [Rotation; 4] =
        [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

    /// Pages with a hole, something opaque in it, and half-transparent ones at its edge.
    fn canvas() -> Canvas {
        let mut canvas = Canvas::new(SIZE);
        let pixels = |rect: Rect| {
            let places =
                (0..rect.size.height).flat_map(move |y| (0..rect.size.width).map(move |x| (x, y)));
            places.map(move |(x, y)| (x + rect.x, y + rect.y)).map(page)
        };
        let rect = Rect::whole(SIZE);
        assert!(canvas.apply(&Patch { rect, pixels: pixels(rect).collect() }));
        canvas
    }

    fn page((x, y): (u32, u32)) -> u32 {
        let hole = (10..60).contains(&x) && (5..30).contains(&y);
        let button = (20..40).contains(&x) && (8..12).contains(&y);
        match (hole, button) {
            (true, false) => 0,
            (true, true) if x < 30 => 0xff10_2030,
            (true, true) => 0x8040_2010,
            _ => 0xff00_0000 | x << 16 | y << 8 | (x ^ y),
        }
    }

    fn video(at: Rect) -> Vec<u32> {
        (0..at.size.pixels() as u32).map(|n| n.wrapping_mul(2_654_435_761) & 0x00ff_ffff).collect()
    }

    /// The same, pixel by pixel and by the book.
    fn expected(x: u32, y: u32, at: Rect, video: &[u32]) -> u32 {
        let ui = page((x, y));
        let inside = Rect::new(x, y, 1, 1).meet(at).size.pixels() == 1;
        let behind = match inside {
            true => video[((y - at.y) * at.size.width + x - at.x) as usize],
            false => 0,
        };
        let alpha = f64::from(ui >> 24);
        (0..3).fold(0, |pixel, color| {
            let part = |pixel: u32| f64::from(pixel >> (8 * color) & 255);
            let value = part(ui) + (part(behind) * (255.0 - alpha) / 255.0).round();
            pixel | (value as u32) << (8 * color)
        })
    }

    #[test]
    fn every_rotation_paints_pages_and_picture_pixel_by_pixel_where_they_belong() {
        let at = Rect::new(12, 4, 44, 27);
        let video = video(at);
        for rotation in EVERY {
            let panel = rotation.turned(SIZE);
            let pitch = panel.width as usize + 3;
            let mut pixels = vec![0xdead_beef; pitch * panel.height as usize];
            let mut target = Target { pixels: &mut pixels, pitch, rotation };
            let picture = Layer { at, pixels: &video };
            Painter::default().paint(&mut target, &mut canvas(), Some(picture), Rect::whole(SIZE));
            for y in 0..SIZE.height {
                for x in 0..SIZE.width {
                    let there = rotation.to_panel(Rect::new(x, y, 1, 1), SIZE);
                    let pixel = pixels[there.y as usize * pitch + there.x as usize] & 0x00ff_ffff;
                    let expected = expected(x, y, at, &video);
                    assert_eq!(pixel, expected, "{x} {y} turned by {}", rotation.degrees());
                }
            }
            let behind = |row: usize| &pixels[row * pitch + panel.width as usize..][..3];
            assert!((0..panel.height as usize).all(|row| behind(row) == [0xdead_beef; 3]));
        }
    }

    #[test]
    fn a_part_touches_nothing_beside_it() {
        let at = Rect::new(12, 4, 44, 27);
        let video = video(at);
        let part = Rect::new(9, 3, 33, 21);
        for rotation in EVERY {
            let panel = rotation.turned(SIZE);
            let pitch = panel.width as usize;
            let mut pixels = vec![7; panel.pixels()];
            let mut target = Target { pixels: &mut pixels, pitch, rotation };
            let picture = Some(Layer { at, pixels: &video });
            Painter::default().paint(&mut target, &mut canvas(), picture, part);
            let there = rotation.to_panel(part, SIZE);
            for (n, pixel) in pixels.iter().enumerate() {
                let (x, y) = ((n % pitch) as u32, (n / pitch) as u32);
                let inside = Rect::new(x, y, 1, 1).meet(there).size.pixels() == 1;
                assert_eq!(*pixel == 7, !inside, "{x} {y} turned by {}", rotation.degrees());
            }
        }
    }

    #[test]
    fn a_picture_alone_is_turned_like_the_pages() {
        let size = Size::new(19, 33);
        let pixels = video(Rect::whole(size));
        for rotation in EVERY {
            let panel = rotation.turned(size);
            let mut turned = vec![0; panel.pixels()];
            let pitch = panel.width as usize;
            let mut target = Target { pixels: &mut turned, pitch, rotation };
            Painter::default().copy(&mut target, size, &pixels);
            for y in 0..size.height {
                for x in 0..size.width {
                    let there = rotation.to_panel(Rect::new(x, y, 1, 1), size);
                    let pixel = turned[there.y as usize * pitch + there.x as usize];
                    assert_eq!(pixel, pixels[(y * size.width + x) as usize]);
                }
            }
        }
    }

    #[test]
    fn colours_of_a_jpeg_come_out_as_they_went_in() {
        let one = |y, u, v| from_i420(&[y, u, v], Size::new(1, 1))[0];
        assert_eq!(one(255, 128, 128), 0xffff_ffff);
        assert_eq!(one(0, 128, 128), 0xff00_0000);
        assert_eq!(one(76, 85, 255), 0xfffe_0000, "red");
        assert_eq!(one(29, 255, 107), 0xff00_00fe, "blue");
    }

    #[test]
    fn a_picture_that_is_resampled_keeps_its_corners() {
        let pixels: Vec<u32> = (0..12).collect();
        let larger = resample(&pixels, Size::new(4, 3), Size::new(8, 6));
        assert_eq!((larger[0], larger[7], larger[40], larger[47]), (0, 3, 8, 11));
        assert_eq!(resample(&pixels, Size::new(4, 3), Size::new(4, 3)), pixels);
    }
}
