//! The one seam between the app and whatever shows it: a window, a headless screen, or nothing.

use std::sync::Arc;

use super::screen::Screen;
use crate::clock::{self, Time};
use crate::device::{DeviceError, VideoSink};
use crate::frame::{PixelFormat, Size};
use crate::wire::status::ScreenStatus;

/// Told of every picture that reaches the eye: when it was captured, and when it was shown.
pub type Shown = Arc<dyn Fn(Time, Time) + Send + Sync>;

/// Called once, in whatever thread.
pub type Hook = Box<dyn FnOnce() + Send>;

/// Shows screens and pictures. Every call returns at once.
pub trait Face: Send + Sync {
    /// Show this from now on.
    fn publish(&self, screen: Screen);

    /// Where the peer's pictures go.
    fn remote(&self, shown: Shown) -> Box<dyn VideoSink>;

    /// Where our own pictures go, where there is a place for them.
    fn own(&self) -> Option<Box<dyn VideoSink>>;

    /// Forget the pictures of the call that is over.
    fn clear_pictures(&self);

    /// When the first frame was drawn.
    fn first_frame(&self) -> Option<Time>;

    /// Call `hook` once the first frame is drawn, and on the panel where there is one; at once where
    /// there is nothing to draw on.
    fn on_first_frame(&self, hook: Hook);

    /// Call `answer`, in whatever thread, when the event loop that draws has come round, and the panel
    /// has what was drawn before; at once where there is none, never when one has hung or ended.
    fn come_round(&self, answer: Hook);

    /// What it is, and how much it drew.
    fn status(&self) -> ScreenStatus;

    /// The whole screen as a PNG file.
    ///
    /// # Errors
    /// There is no screen, or it does not answer: a sentence.
    fn screenshot(&self) -> Result<Vec<u8>, String>;

    /// Press and release, as a finger would, at this place in pixels.
    ///
    /// # Errors
    /// There is no screen: a sentence.
    fn tap(&self, x: u32, y: u32) -> Result<(), String>;

    /// End the event loop.
    fn quit(&self);
}

/// Nothing to look at: for `twocan call`.
pub struct Faceless;

impl Face for Faceless {
    fn publish(&self, _screen: Screen) {}

    fn remote(&self, shown: Shown) -> Box<dyn VideoSink> {
        Box::new(Unseen { shown, buffer: Vec::new() })
    }

    fn own(&self) -> Option<Box<dyn VideoSink>> {
        None
    }

    fn clear_pictures(&self) {}

    fn first_frame(&self) -> Option<Time> {
        None
    }

    fn on_first_frame(&self, hook: Hook) {
        hook();
    }

    fn come_round(&self, answer: Hook) {
        answer();
    }

    fn status(&self) -> ScreenStatus {
        ScreenStatus { kind: "none".to_owned(), ..ScreenStatus::default() }
    }

    fn screenshot(&self) -> Result<Vec<u8>, String> {
        Err("this kiosk has no screen".to_owned())
    }

    fn tap(&self, _x: u32, _y: u32) -> Result<(), String> {
        Err("this kiosk has no screen".to_owned())
    }

    fn quit(&self) {}
}

/// Decodes like a screen would, and lets go.
struct Unseen {
    shown: Shown,
    buffer: Vec<u8>,
}

impl VideoSink for Unseen {
    fn format(&self) -> PixelFormat {
        PixelFormat::I420
    }

    fn lease(&mut self, _size: Size, bytes: usize) -> &mut [u8] {
        self.buffer.resize(bytes, 0);
        &mut self.buffer
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        (self.shown)(captured, clock::now());
        Ok(())
    }
}
