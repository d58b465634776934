//! The work that one picture makes under compose, by itself, for the benchmark.

use super::canvas::Canvas;
use super::compose::{Layer, Painter, Target};
use super::surface::Patch;
use crate::frame::Size;
use crate::geometry::{Rect, Rotation};

/// Pages of a call, a picture in their hole, and a buffer that both are mixed into.
pub struct Mixing {
    canvas: Canvas,
    picture: Vec<u32>,
    at: Rect,
    pixels: Vec<u32>,
    painter: Painter,
}

impl Mixing {
    /// Pages that are `drawing` large, with the hole `at`. Over it stands what stands over it in a
    /// call: something opaque in a corner, and a half-transparent strip below.
    pub fn new(drawing: Size, at: Rect) -> Self {
        let mut canvas = Canvas::new(drawing);
        let (right, bottom) = (at.right(), at.bottom());
        for (rect, pixel) in [
            (Rect::whole(drawing), 0xff20_3040),
            (at, 0),
            (Rect::new(right - 160, at.y, 160, 120), 0xff40_4040),
            (Rect::new(at.x, bottom - 40, at.size.width, 40), 0x8010_1010),
        ] {
            canvas.apply(&Patch { rect, pixels: vec![pixel; rect.size.pixels()] });
        }
        let picture = (0..at.size.pixels() as u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
        let pixels = vec![0; drawing.pixels()];
        Self { canvas, picture, at, pixels, painter: Painter::default() }
    }

    /// Mix the picture in, turned by `rotation`; a pixel of what came of it.
    pub fn mix(&mut self, rotation: Rotation) -> u32 {
        let pitch = rotation.turned(self.canvas.size()).width as usize;
        let mut target = Target { pixels: &mut self.pixels, pitch, rotation };
        let layer = Layer { at: self.at, pixels: &self.picture };
        self.painter.paint(&mut target, &mut self.canvas, Some(layer), self.at);
        self.pixels[self.pixels.len() / 2]
    }
}
