//! What Slint has drawn, with its alpha; and what of it is new, cut out.
//!
//! ```text
//!  render ─> shadow ─ the rectangles that changed ─> patches, by value
//! ```
//! Slint draws into the same memory every time and changes only what differs, so the shadow always
//! holds the whole drawing. Reading it back never touches the panel's memory, which is slow to read.

use slint::platform::software_renderer::SoftwareRenderer;

use super::pixel::Argb;
use super::surface::Patch;
use crate::frame::Size;
use crate::geometry::Rect;

/// The whole drawing.
pub(super) struct Shadow {
    size: Size,
    pixels: Vec<Argb>,
}

impl Shadow {
    /// Nothing is drawn in it yet.
    pub(super) fn new(size: Size) -> Self {
        Self { size, pixels: vec![Argb::HOLE; size.pixels()] }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Let `renderer` draw what has changed; what that is.
    pub(super) fn draw(&mut self, renderer: &SoftwareRenderer) -> Vec<Patch> {
        let changed = renderer.render(&mut self.pixels, self.size.width as usize);
        let rects = changed.iter().map(|(at, size)| {
            let start = |place: i32| u32::try_from(place).unwrap_or(0);
            Rect::new(start(at.x), start(at.y), size.width, size.height)
        });
        let rects = rects.map(|rect| rect.meet(Rect::whole(self.size)));
        rects.filter(|rect| !rect.is_empty()).map(|rect| self.cut(rect)).collect()
    }

    /// All of it.
    pub(super) fn whole(&self) -> Patch {
        self.cut(Rect::whole(self.size))
    }

    /// A copy of what is in `rect`, which lies inside.
    fn cut(&self, rect: Rect) -> Patch {
        let mut pixels = Vec::with_capacity(rect.size.pixels());
        let width = self.size.width as usize;
        for row in
            self.pixels.chunks_exact(width).skip(rect.y as usize).take(rect.size.height as usize)
        {
            let row = &row[rect.x as usize..rect.right() as usize];
            pixels.extend(row.iter().map(|pixel| pixel.0));
        }
        Patch { rect, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_the_pixels_of_its_rectangle_row_by_row() {
        let mut shadow = Shadow::new(Size::new(4, 3));
        for (n, pixel) in (0..).zip(&mut shadow.pixels) {
            *pixel = Argb(n);
        }
        let patch = shadow.cut(Rect::new(1, 1, 2, 2));
        assert_eq!(patch, Patch { rect: Rect::new(1, 1, 2, 2), pixels: vec![5, 6, 9, 10] });
        assert_eq!(shadow.whole().pixels, (0..12).collect::<Vec<_>>());
    }
}
