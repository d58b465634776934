//! A window (or a headless screen) as the app's [`Face`].

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::face::{Face, Hook, Shown};
use super::handle::UiHandle;
use super::screen::Screen;
use super::window::Ui;
use crate::clock::Time;
use crate::device::VideoSink;
use crate::wire::status::ScreenStatus;

/// Reaches the window from the app's threads.
pub struct WindowFace {
    handle: UiHandle,
    first_frame: Arc<FirstFrame>,
}

/// When the first frame was drawn, and who waits for it.
#[derive(Default)]
struct FirstFrame {
    drawn: OnceLock<Time>,
    hook: Mutex<Option<Hook>>,
}

impl FirstFrame {
    /// Hold `hook` until there is a frame. The lock orders it with the drawing: one of the two finds
    /// the other.
    fn wait(&self, hook: Hook) {
        let mut waits = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
        if self.drawn.get().is_none() {
            *waits = Some(hook);
            return;
        }
        drop(waits);
        hook();
    }

    fn drawn(&self, now: Time) {
        let mut waits = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
        self.drawn.get_or_init(|| now);
        let hook = waits.take();
        drop(waits);
        if let Some(hook) = hook {
            hook();
        }
    }
}

impl WindowFace {
    /// The face of this window.
    pub fn of(ui: &mut Ui) -> Self {
        let first_frame = Arc::new(FirstFrame::default());
        let seen = Arc::clone(&first_frame);
        ui.on_first_frame(move |now| seen.drawn(now));
        Self { handle: ui.handle(), first_frame }
    }
}

impl Face for WindowFace {
    fn publish(&self, screen: Screen) {
        self.handle.publish(screen);
    }

    fn remote(&self, shown: Shown) -> Box<dyn VideoSink> {
        self.handle.remote(shown)
    }

    fn own(&self) -> Option<Box<dyn VideoSink>> {
        Some(Box::new(self.handle.self_view_sink()))
    }

    fn clear_pictures(&self) {
        self.handle.clear_video();
    }

    fn first_frame(&self) -> Option<Time> {
        self.first_frame.drawn.get().copied()
    }

    fn on_first_frame(&self, hook: Hook) {
        let handle = self.handle.clone();
        self.first_frame.wait(Box::new(move || handle.once_on_panel(hook)));
    }

    fn come_round(&self, answer: Hook) {
        self.handle.come_round(answer);
    }

    fn status(&self) -> ScreenStatus {
        self.handle.status()
    }

    fn screenshot(&self) -> Result<Vec<u8>, String> {
        let snapshot = self.handle.screenshot().map_err(|error| error.to_string())?;
        let mut png = Vec::new();
        snapshot.encode_png(&mut png).map_err(|error| error.to_string())?;
        Ok(png)
    }

    fn tap(&self, x: u32, y: u32) -> Result<(), String> {
        self.handle.tap(x as f32, y as f32);
        Ok(())
    }

    fn quit(&self) {
        self.handle.quit();
    }
}
