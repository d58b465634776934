//! Pictures that the pages do not draw: they lie behind a hole in the page.
//!
//! ```text
//!  worker ─ push ─> the surface's sink ─> the panel
//!              └─ the first one: the page takes away what it showed instead
//! ```
//! After that the page hears of no picture and draws nothing for one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::face;
use super::handle::{self, Shown};
use super::kms::Opened;
use super::kms::surface::Surface;
use super::panel::Panel;
use super::properties;
use crate::clock::Time;
use crate::device::{DeviceError, VideoSink};
use crate::frame::{PixelFormat, Size};
use crate::geometry::Rect;
use crate::wire::status::ScreenStatus;

/// What a handle knows of the panel behind the pages.
#[derive(Clone)]
pub(super) struct Behind {
    opened: Opened,
    /// Whether the page knows that there is a picture.
    known: Arc<AtomicBool>,
}

impl Behind {
    pub(super) fn new(opened: Opened) -> Self {
        Self { opened, known: Arc::default() }
    }

    pub(super) fn surface(&self) -> &Arc<dyn Surface> {
        &self.opened.surface
    }

    /// A sink behind the hole; `None` where the pages draw pictures themselves.
    pub(super) fn sink(&self, shown: face::Shown) -> Option<Box<dyn VideoSink>> {
        let surface = self.surface();
        surface.has_hole().then(|| {
            let sink = surface.pictures(shown);
            Box::new(BehindSink { sink, known: Arc::clone(&self.known) }) as Box<dyn VideoSink>
        })
    }

    /// Take the picture away.
    pub(super) fn clear(&self) {
        self.surface().clear();
        if self.known.swap(false, Ordering::SeqCst) {
            tell(Arc::clone(&self.known));
        }
    }

    /// What the surface says, and who can touch it.
    pub(super) fn status(&self) -> ScreenStatus {
        let touch = self.opened.touch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ScreenStatus { touch, ..self.surface().status() }
    }
}

/// Let the page know whether there is a picture, as it is when the event loop comes to it.
fn tell(known: Arc<AtomicBool>) {
    let told = slint::invoke_from_event_loop(move || {
        handle::with_kiosk(|window| properties::set_behind(window, known.load(Ordering::SeqCst)));
    });
    if told.is_err() {
        tracing::debug!("nobody shows this picture: the screen has gone");
    }
}

struct BehindSink {
    sink: Box<dyn VideoSink>,
    known: Arc<AtomicBool>,
}

impl VideoSink for BehindSink {
    fn format(&self) -> PixelFormat {
        self.sink.format()
    }

    fn lease(&mut self, size: Size, bytes: usize) -> &mut [u8] {
        self.sink.lease(size, bytes)
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        self.sink.push(captured)?;
        if !self.known.swap(true, Ordering::SeqCst) {
            tell(Arc::clone(&self.known));
        }
        Ok(())
    }
}

/// In the event loop: another panel, or another way onto it. The pages are laid out for it.
pub(super) fn panel_changed() {
    let Some(local) = handle::local() else { return };
    if let (Shown::Kiosk(window, _), Some(event_loop), Some(behind)) =
        (&local.shown, &local.event_loop, &local.behind)
    {
        let size = event_loop.changed();
        properties::lay_out(window, Panel::of(size));
        properties::set_hole(window, behind.surface().has_hole());
    }
}

/// In the event loop: where the page has a hole, and the shape of the pixels there.
pub(super) fn hole() -> Option<(Rect, f32)> {
    handle::with_kiosk(properties::hole).flatten()
}

/// In the event loop: show where the mouse is, if there is one.
pub(super) fn show_mouse(at: Option<(f32, f32)>) {
    handle::with_kiosk(|window| properties::set_mouse(window, at));
}
