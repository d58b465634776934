//! What is on the screen, as pixels and as a PNG file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use crate::frame::Size;

/// A copy of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// In pixels.
    pub size: Size,
    /// Red, green, blue, a byte each, rows packed.
    pub rgb8: Vec<u8>,
}

impl Snapshot {
    /// Red, green and blue of one pixel; None outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        let inside = x < self.size.width && y < self.size.height;
        let at = (y as usize * self.size.width as usize + x as usize) * 3;
        inside.then(|| self.rgb8.get(at..at + 3)?.try_into().ok())?
    }

    /// Write it as a PNG file.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write_png(&self, path: &Path) -> std::io::Result<()> {
        self.encode_png(BufWriter::new(File::create(path)?))
    }

    /// The same into anything that takes bytes.
    ///
    /// # Errors
    /// It does not take them.
    pub fn encode_png(&self, out: impl std::io::Write) -> std::io::Result<()> {
        let mut encoder = png::Encoder::new(out, self.size.width, self.size.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb8)?;
        writer.finish()?;
        Ok(())
    }

    /// What `window` shows, drawn anew.
    ///
    /// # Errors
    /// The window can't be drawn.
    pub(super) fn of(window: &slint::Window) -> Result<Self, slint::PlatformError> {
        let pixels = window.take_snapshot()?;
        let rgb8 = pixels.as_slice().iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
        Ok(Self { size: Size::new(pixels.width(), pixels.height()), rgb8 })
    }
}
