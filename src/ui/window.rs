//! The window, in the thread that owns it: on a desktop, or headless in memory.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slint::{CloseRequestResponse, ComponentHandle, PhysicalSize, PlatformError};

use super::adapters::Adapters;
#[cfg(feature = "kms")]
use super::behind::{self, Behind};
use super::event_loop::{Drawn, EventLoop, Painter, Post};
use super::handle::{self, Local, Shown, UiHandle};
use super::headless::Headless;
#[cfg(feature = "kms")]
use super::kms;
use super::pages::{KioskWindow, PanelAdapter, PictureWindow};
use super::panel::Panel;
use super::screen::Command;
use super::video;
use crate::clock::{self, Time};
use crate::frame::Size;

/// Where the pages are drawn.
pub enum ScreenKind {
    /// A window on a desktop (feature `desktop`).
    Window,
    /// Memory.
    Headless,
    /// A panel of the kernel's, without a desktop.
    #[cfg(feature = "kms")]
    Kms(kms::Appliance),
}

/// The screen could not do something.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// No window, no display, no font: Slint says which.
    #[error("open the screen: {0}")]
    Platform(#[from] PlatformError),
    /// One process has one screen.
    #[error("open the screen: this process has one already")]
    Taken,
    /// The program was built without the feature `desktop`.
    #[error("open a window: this twocan was built without `desktop`; use `--screen headless`")]
    NoDesktop,
    /// There is no panel to be had.
    #[cfg(feature = "kms")]
    #[error(transparent)]
    Kms(#[from] kms::KmsError),
    /// What shows the pages can't tell what it shows.
    #[error("look at the panel: {0}")]
    Panel(String),
    /// Nobody answers.
    #[error("ask the screen: its event loop has ended")]
    Ended,
    /// The screenshot could not be kept.
    #[error("write screenshot {}: {cause}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// The window and its event loop. Stays in the thread that made it: the main one.
pub struct Ui {
    local: Rc<Local>,
    handle: UiHandle,
    first_frame: Option<Box<dyn FnOnce(Time)>>,
}

impl Ui {
    /// Open the kiosk's window for `panel` (on a panel of the kernel's: for the one that is
    /// connected); what a finger says goes to `commands`.
    ///
    /// # Errors
    /// There is no display, or this process has a window already.
    pub fn new(
        kind: ScreenKind,
        panel: Panel,
        commands: impl Fn(Command) + Send + 'static,
    ) -> Result<Self, UiError> {
        let (event_loop, handle) = open(kind, panel.size)?;
        let window = KioskWindow::new()?;
        let commands = Rc::new(commands);
        let closing = Rc::clone(&commands);
        window.window().on_close_requested(move || {
            closing(Command::Quit);
            CloseRequestResponse::KeepWindowShown
        });
        let adapters =
            Adapters::connect(&window, panel, move |command| commands(command), clock::now);
        let ui = Self::with(Shown::Kiosk(window, adapters), event_loop, handle);
        #[cfg(feature = "kms")]
        behind::panel_changed();
        Ok(ui)
    }

    fn with(shown: Shown, event_loop: Option<Rc<EventLoop>>, handle: UiHandle) -> Self {
        let local = Rc::new(Local {
            shown,
            event_loop,
            #[cfg(feature = "kms")]
            behind: handle.behind(),
        });
        handle::set_local(Some(Rc::clone(&local)));
        Self { local, handle, first_frame: None }
    }

    /// What other threads use.
    pub fn handle(&self) -> UiHandle {
        self.handle.clone()
    }

    /// Call `hook` once, when the first frame is on show: after the drawing where we draw; in a
    /// window in the event loop's first turn, which is as near as it tells.
    pub fn on_first_frame(&mut self, hook: impl FnOnce(Time) + 'static) {
        self.first_frame = Some(Box::new(hook));
    }

    /// Show the window and work until [`UiHandle::quit`].
    ///
    /// # Errors
    /// The display went away.
    pub fn run(mut self) -> Result<(), UiError> {
        if let Some(hook) = self.first_frame.take() {
            match &self.local.event_loop {
                Some(event_loop) => event_loop.on_first_frame(hook),
                None => slint::Timer::single_shot(Duration::ZERO, move || hook(clock::now())),
            }
        }
        self.local.shown.window().show()?;
        slint::run_event_loop_until_quit()?;
        self.local.shown.window().hide()?;
        Ok(())
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        handle::set_local(None);
    }
}

/// A window with one moving picture in it and nothing else: push to its handle's `video_sink`.
///
/// # Errors
/// There is no display, or this process has a window already.
pub fn viewer_window(
    kind: ScreenKind,
    size: Size,
    on_close: impl Fn() + 'static,
) -> Result<Ui, UiError> {
    let (event_loop, handle) = open(kind, size)?;
    let window = PictureWindow::new()?;
    window.global::<PanelAdapter>().set_pixel_aspect(1.0);
    window.window().set_size(PhysicalSize::new(size.width, size.height));
    window.window().on_close_requested(move || {
        on_close();
        CloseRequestResponse::KeepWindowShown
    });
    Ok(Ui::with(Shown::Viewer(window), event_loop, handle))
}

/// The loop that draws, where it is not a window's own, and the way to it.
fn open(kind: ScreenKind, size: Size) -> Result<(Option<Rc<EventLoop>>, UiHandle), UiError> {
    let drawn = Arc::new(Drawn::default());
    let post = Post::new();
    let install = |painter: Box<dyn Painter>| {
        let installed =
            EventLoop::install(Arc::clone(&post), painter, Arc::clone(&drawn), video::drawn);
        installed.map_err(|_| UiError::Taken)
    };
    match kind {
        ScreenKind::Headless => {
            let event_loop = install(Box::new(Headless::new(size)))?;
            Ok((Some(event_loop), UiHandle::new("headless", drawn)))
        }
        #[cfg(feature = "kms")]
        ScreenKind::Kms(appliance) => {
            let (platform, opened) = kms::Platform::open(appliance, &post)?;
            let event_loop = install(Box::new(platform))?;
            Ok((Some(event_loop), UiHandle::new("kms", drawn).before(Behind::new(opened))))
        }
        ScreenKind::Window => {
            open_desktop()?;
            Ok((None, UiHandle::new("window", drawn)))
        }
    }
}

#[cfg(feature = "desktop")]
fn open_desktop() -> Result<(), UiError> {
    let selector = slint::BackendSelector::new()
        .backend_name("winit".to_owned())
        .renderer_name("software".to_owned());
    Ok(selector.select()?)
}

#[cfg(not(feature = "desktop"))]
fn open_desktop() -> Result<(), UiError> {
    Err(UiError::NoDesktop)
}
