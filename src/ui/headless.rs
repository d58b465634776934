//! A screen without a display: Slint draws into memory, for screenshots.

use std::cell::RefCell;

use slint::Rgb8Pixel;
use slint::platform::software_renderer::SoftwareRenderer;

use super::event_loop::Painter;
use super::snapshot::Snapshot;
use super::window::UiError;
use crate::frame::Size;

/// The memory that is drawn into.
pub(super) struct Headless {
    size: Size,
    pixels: RefCell<Vec<Rgb8Pixel>>,
}

impl Headless {
    pub(super) fn new(size: Size) -> Self {
        Self { size, pixels: RefCell::new(vec![Rgb8Pixel::default(); size.pixels()]) }
    }
}

impl Painter for Headless {
    fn size(&self) -> Size {
        self.size
    }

    fn paint(&self, renderer: &SoftwareRenderer) -> usize {
        let changed = renderer.render(&mut self.pixels.borrow_mut(), self.size.width as usize);
        changed.iter().map(|(_, size)| size.width as usize * size.height as usize).sum()
    }

    fn snapshot(&self) -> Result<Snapshot, UiError> {
        let pixels = self.pixels.borrow();
        let rgb8 = pixels.iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
        Ok(Snapshot { size: self.size, rgb8 })
    }
}
