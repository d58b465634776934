//! A sink that shows what it is given as a mirror does: for the picture of oneself, since people
//! know their own face from mirrors and reach for the wrong side of anything else.

use super::{DeviceError, VideoSink};
use crate::clock::Time;
use crate::frame::{PixelFormat, Size};

/// A mirror in front of a sink that takes RGB; others are left as they are.
pub struct Mirror {
    sink: Box<dyn VideoSink>,
    leased: Option<(Size, usize)>,
}

impl Mirror {
    /// In front of `sink`.
    pub fn new(sink: Box<dyn VideoSink>) -> Self {
        Self { sink, leased: None }
    }
}

impl VideoSink for Mirror {
    fn format(&self) -> PixelFormat {
        self.sink.format()
    }

    fn lease(&mut self, size: Size, bytes: usize) -> &mut [u8] {
        self.leased = Some((size, bytes));
        self.sink.lease(size, bytes)
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        if let Some((size, bytes)) = self.leased.take()
            && self.sink.format() == PixelFormat::Rgb8
            && size.width > 0
        {
            // Leased again it still holds what was put in.
            let pixels = self.sink.lease(size, bytes);
            for row in pixels.chunks_exact_mut(3 * size.width as usize) {
                let (pixels, _) = row.as_chunks_mut::<3>();
                pixels.reverse();
            }
        }
        self.sink.push(captured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Keeper(Vec<u8>, Arc<Mutex<Vec<u8>>>);
    impl VideoSink for Keeper {
        fn format(&self) -> PixelFormat {
            PixelFormat::Rgb8
        }
        fn lease(&mut self, _: Size, bytes: usize) -> &mut [u8] {
            self.0.resize(bytes, 0);
            &mut self.0
        }
        fn push(&mut self, _: Time) -> Result<(), DeviceError> {
            *self.1.lock().unwrap() = std::mem::take(&mut self.0);
            Ok(())
        }
    }

    #[test]
    fn what_is_at_the_left_is_shown_at_the_right() {
        let seen = Arc::default();
        let mut mirror = Mirror::new(Box::new(Keeper(Vec::new(), Arc::clone(&seen))));
        mirror.lease(Size::new(3, 2), 18).copy_from_slice(b"RgbRGBrgbCmyCMYcmy");
        mirror.push(Time::from_micros(1)).unwrap();
        assert_eq!(*seen.lock().unwrap(), b"rgbRGBRgbcmyCMYCmy");
    }
}
