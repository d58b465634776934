//! How every other thread reaches the window: publish a Screen, push pictures, look, touch, quit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use slint::platform::{PointerEventButton, WindowEvent};
use slint::{ComponentHandle, Image, LogicalPosition};

use super::adapters::Adapters;
#[cfg(feature = "kms")]
use super::behind::Behind;
use super::event_loop::{Drawn, EventLoop};
use super::face::Hook;
use super::mailbox::Mailbox;
use super::pages::{KioskWindow, PictureAdapter, PictureWindow};
use super::properties;
use super::scale::Room;
use super::screen::Screen;
use super::snapshot::Snapshot;
use super::video::{OnShown, PictureSink, PictureStats, Place, Way};
use super::window::UiError;
use crate::device::VideoSink;
use crate::wire::status::ScreenStatus;

/// An event loop that takes longer than this to answer has hung.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The window itself.
pub(super) enum Shown {
    Kiosk(KioskWindow, Rc<Adapters>),
    Viewer(PictureWindow),
}

impl Shown {
    pub(super) fn window(&self) -> &slint::Window {
        match self {
            Shown::Kiosk(window, _) => window.window(),
            Shown::Viewer(window) => window.window(),
        }
    }
}

/// What only the window's thread may touch; handles reach it through the event loop.
pub(super) struct Local {
    pub(super) shown: Shown,
    /// What draws it, where it is no window.
    pub(super) event_loop: Option<Rc<EventLoop>>,
    #[cfg(feature = "kms")]
    pub(super) behind: Option<Behind>,
}

thread_local! {
    static LOCAL: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

pub(super) fn set_local(local: Option<Rc<Local>>) {
    let before = LOCAL.with(|slot| slot.replace(local));
    drop(before);
}

pub(super) fn local() -> Option<Rc<Local>> {
    LOCAL.with(|slot| slot.borrow().clone())
}

/// In the event loop: do something to the kiosk's window, if there is one.
#[cfg(feature = "kms")]
pub(super) fn with_kiosk<T>(look: impl FnOnce(&KioskWindow) -> T) -> Option<T> {
    match &local()?.shown {
        Shown::Kiosk(window, _) => Some(look(window)),
        Shown::Viewer(_) => None,
    }
}

/// Show a picture whose width over height was `ratio`; where it is drawn, if it is worth scaling.
pub(super) fn show_picture(place: Place, image: Image, ratio: f32) -> Room {
    match local().as_deref() {
        Some(Local { shown: Shown::Kiosk(window, _), .. }) if place == Place::SelfView => {
            window.global::<PictureAdapter>().set_own(image);
            Room::default()
        }
        Some(Local { shown: Shown::Kiosk(window, _), .. }) => {
            properties::show_remote(&window.global(), &window.global(), image, ratio)
        }
        Some(Local { shown: Shown::Viewer(window), .. }) => {
            properties::show_remote(&window.global(), &window.global(), image, ratio)
        }
        None => Room::default(),
    }
}

/// Whether [`super::video::drawn`] will be called after each drawing.
pub(super) fn tells_when_drawn() -> bool {
    local().is_some_and(|local| local.event_loop.is_some())
}

fn snapshot_here() -> Result<Snapshot, UiError> {
    let local = local().ok_or(UiError::Ended)?;
    match &local.event_loop {
        Some(event_loop) => event_loop.snapshot(),
        None => Ok(Snapshot::of(local.shown.window())?),
    }
}

/// Reaches the window from any thread. When the event loop has ended, nothing happens any more.
#[derive(Clone)]
pub struct UiHandle {
    screens: Arc<Mailbox<Screen>>,
    remote: Way,
    own: Way,
    kind: &'static str,
    drawn: Arc<Drawn>,
    #[cfg(feature = "kms")]
    behind: Option<Behind>,
}

impl UiHandle {
    pub(super) fn new(kind: &'static str, drawn: Arc<Drawn>) -> Self {
        let screens = Mailbox::new(|screen| {
            if let Some(Local { shown: Shown::Kiosk(_, adapters), .. }) = local().as_deref() {
                adapters.publish(screen);
            }
        });
        Self {
            screens,
            remote: Way::to(Place::Remote),
            own: Way::to(Place::SelfView),
            kind,
            drawn,
            #[cfg(feature = "kms")]
            behind: None,
        }
    }

    /// The same with a panel behind the pages.
    #[cfg(feature = "kms")]
    pub(super) fn before(self, behind: Behind) -> Self {
        Self { behind: Some(behind), ..self }
    }

    #[cfg(feature = "kms")]
    pub(super) fn behind(&self) -> Option<Behind> {
        self.behind.clone()
    }

    /// Show `screen`: the newest published one wins. Ignored by a viewer's window.
    pub fn publish(&self, screen: Screen) {
        if self.screens.post(screen).is_err() {
            tracing::debug!("nobody shows this screen: the window has gone");
        }
    }

    /// A sink for the other's pictures (the viewer's, in a viewer's window).
    pub fn video_sink(&self) -> PictureSink {
        self.remote.sink()
    }

    /// A sink for the other's pictures: behind the pages where there is a hole, else on them.
    /// `shown` hears of each that is seen.
    pub fn remote(&self, shown: OnShown) -> Box<dyn VideoSink> {
        #[cfg(feature = "kms")]
        if let Some(behind) = &self.behind
            && let Some(sink) = behind.sink(Arc::clone(&shown))
        {
            return sink;
        }
        self.on_shown(shown);
        Box::new(self.video_sink())
    }

    /// A sink for the small own picture.
    pub fn self_view_sink(&self) -> PictureSink {
        self.own.sink()
    }

    /// Take both moving pictures away; what was pushed before is not shown after.
    pub fn clear_video(&self) {
        self.remote.clear();
        self.own.clear();
        #[cfg(feature = "kms")]
        if let Some(behind) = &self.behind {
            behind.clear();
        }
    }

    /// From now on `hook` hears of each of the other's pictures that is on show.
    pub fn on_shown(&self, hook: OnShown) {
        self.remote.on_shown(hook);
    }

    /// What became of the other's pictures so far.
    pub fn picture_stats(&self) -> PictureStats {
        self.remote.stats()
    }

    /// How often something was drawn; 0 in a window, which does not tell.
    pub fn draws(&self) -> u64 {
        self.drawn.drawings.load(Ordering::SeqCst)
    }

    /// What it is and how much it drew.
    pub fn status(&self) -> ScreenStatus {
        #[cfg(feature = "kms")]
        let status = self.behind.as_ref().map(Behind::status);
        #[cfg(not(feature = "kms"))]
        let status = None;
        let status = status.unwrap_or_else(|| ScreenStatus {
            video_path: "image".to_owned(),
            ..ScreenStatus::default()
        });
        let count = |figure: &AtomicU64| figure.load(Ordering::SeqCst);
        ScreenStatus {
            kind: self.kind.to_owned(),
            drawings: count(&self.drawn.drawings),
            full_drawings: count(&self.drawn.full_drawings),
            copied_pixels: count(&self.drawn.pixels),
            ..status
        }
    }

    /// What is on the screen now.
    ///
    /// # Errors
    /// The event loop has ended or does not answer, or the window can't be drawn.
    pub fn screenshot(&self) -> Result<Snapshot, UiError> {
        if local().is_some() {
            return snapshot_here();
        }
        let (answer, answered) = mpsc::channel();
        slint::invoke_from_event_loop(move || {
            // Nobody listening means that the limit is over.
            let _ = answer.send(snapshot_here());
        })
        .map_err(|_| UiError::Ended)?;
        answered.recv_timeout(ANSWER_LIMIT).map_err(|_| UiError::Ended)?
    }

    /// What is on the screen now, as a PNG file.
    ///
    /// # Errors
    /// As [`UiHandle::screenshot`], or the file can't be written.
    pub fn screenshot_png(&self, path: &std::path::Path) -> Result<(), UiError> {
        let wrote = self.screenshot()?.write_png(path);
        wrote.map_err(|cause| UiError::Write { path: path.to_owned(), cause })
    }

    /// Touch the pixel at `x`, `y` and let go: what a finger does.
    pub fn tap(&self, x: f32, y: f32) {
        let tapped = slint::invoke_from_event_loop(move || {
            let Some(local) = local() else { return };
            let window = local.shown.window();
            let factor = window.scale_factor();
            let position = LogicalPosition::new(x / factor, y / factor);
            let button = PointerEventButton::Left;
            for event in [
                WindowEvent::PointerMoved { position },
                WindowEvent::PointerPressed { position, button },
                WindowEvent::PointerReleased { position, button },
                WindowEvent::PointerExited,
            ] {
                window.dispatch_event(event);
            }
        });
        if tapped.is_err() {
            tracing::debug!("nobody feels this touch: the window has gone");
        }
    }

    /// Call `answer` once what was drawn before is on the panel; at once where a window draws.
    pub fn once_on_panel(&self, answer: Hook) {
        #[cfg(feature = "kms")]
        if let Some(behind) = &self.behind {
            return behind.surface().come_round(answer);
        }
        answer();
    }

    /// Call `answer` when the window's event loop, and behind it the panel's, has come round; never,
    /// when one of them has hung or ended.
    pub fn come_round(&self, answer: Hook) {
        let handle = self.clone();
        if slint::invoke_from_event_loop(move || handle.once_on_panel(answer)).is_err() {
            tracing::debug!("nobody comes round: the window has gone");
        }
    }

    /// End the event loop: [`super::Ui::run`] returns.
    pub fn quit(&self) {
        if slint::quit_event_loop().is_err() {
            tracing::debug!("the window has gone already");
        }
    }
}
