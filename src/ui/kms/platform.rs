//! The pages on a [`Surface`]: drawn into a shadow, touched through libinput.
//!
//! ```text
//!  event loop ── paint ──> Shadow ── patches ──> Surface::present
//!      │  ▲                  └── and with them, where the page's hole is
//!      │  └── changed (another panel): laid out again, presented as a whole
//!      └── attend: Devices ──> Fingers ──> the window's pointer
//! ```

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use slint::LogicalPosition;
use slint::platform::software_renderer::SoftwareRenderer;
use slint::platform::{PointerEventButton, WindowEvent};

use super::input::{Devices, Names};
use super::shadow::Shadow;
use super::surface::{Room, Surface};
use super::touch::{Fingers, Pointer};
use super::{Changed, KmsError};
use crate::frame::Size;
use crate::geometry::{Rect, Rotation};
use crate::ui::behind;
use crate::ui::event_loop::{Painter, Post};
use crate::ui::snapshot::Snapshot;
use crate::ui::window::UiError;

/// Opens what the pages are shown on; told whom to tell of another panel.
pub type OpenSurface = Box<dyn FnOnce(Changed) -> Result<Arc<dyn Surface>, KmsError>>;

/// What the screen of an appliance is made of.
pub struct Appliance {
    /// What shows the pages.
    pub surface: OpenSurface,
    /// How the panel that the machine's input devices belong to is turned; `None`: they are left
    /// alone.
    pub fingers: Option<Rotation>,
}

/// An open appliance, as every thread may use it.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) surface: Arc<dyn Surface>,
    pub(crate) touch: Names,
}

/// Draws for a [`Surface`] and listens to fingers.
pub(crate) struct Platform {
    surface: Arc<dyn Surface>,
    shadow: RefCell<Shadow>,
    /// Present everything, and not only what has changed.
    whole: Cell<bool>,
    placed: Cell<Option<Room>>,
    devices: Option<Devices>,
    fingers: RefCell<Fingers>,
}

impl Platform {
    /// Open it; `post` leads to the loop that will draw.
    pub(crate) fn open(appliance: Appliance, post: &Arc<Post>) -> Result<(Self, Opened), KmsError> {
        let post = Arc::clone(post);
        let surface = (appliance.surface)(Box::new(move || post.run(behind::panel_changed)))?;
        let touch = Arc::new(Mutex::default());
        let devices = appliance.fingers.and_then(|_| {
            // A kiosk that nobody can touch still shows who calls, and can be reached.
            let opened = Devices::open(Arc::clone(&touch));
            opened.inspect_err(|error| tracing::warn!("{error}; nothing can be touched")).ok()
        });
        let platform = Self {
            shadow: RefCell::new(Shadow::new(surface.size())),
            surface: Arc::clone(&surface),
            whole: Cell::new(true),
            placed: Cell::new(None),
            devices,
            fingers: RefCell::new(Fingers::new(appliance.fingers.unwrap_or_default())),
        };
        Ok((platform, Opened { surface, touch }))
    }

    /// Where the page that was drawn has its hole.
    fn room(&self) -> Option<Room> {
        behind::hole()
            .filter(|_| self.surface.has_hole())
            .map(|(rect, pixel_aspect)| Room { rect: rect.meet(self.whole()), pixel_aspect })
            .filter(|room| !room.rect.is_empty())
    }

    fn whole(&self) -> Rect {
        Rect::whole(self.size())
    }
}

impl Painter for Platform {
    fn size(&self) -> Size {
        self.shadow.borrow().size()
    }

    fn paint(&self, renderer: &SoftwareRenderer) -> usize {
        let mut shadow = self.shadow.borrow_mut();
        let mut patches = shadow.draw(renderer);
        if self.whole.replace(false) {
            patches = vec![shadow.whole()];
        }
        drop(shadow);
        let room = self.room();
        let pixels = patches.iter().map(|patch| patch.pixels.len()).sum();
        if self.placed.replace(room) != room || pixels > 0 {
            self.surface.present(patches, room);
        }
        pixels
    }

    fn snapshot(&self) -> Result<Snapshot, UiError> {
        self.surface.snapshot().map_err(UiError::Panel)
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.devices.as_ref().map(|devices| devices.readable().as_fd())
    }

    fn attend(&self, window: &slint::Window) {
        let Some(devices) = &self.devices else { return };
        let contacts = devices.contacts();
        let mut fingers = self.fingers.borrow_mut();
        for contact in contacts {
            for pointer in fingers.handle(contact, self.size()) {
                window.dispatch_event(event(pointer));
            }
        }
        behind::show_mouse(fingers.mouse());
    }

    fn changed(&self) -> Size {
        let size = self.surface.size();
        if size != self.size() {
            self.shadow.replace(Shadow::new(size));
        }
        self.whole.set(true);
        self.placed.set(None);
        size
    }
}

fn event(pointer: Pointer) -> WindowEvent {
    let at = LogicalPosition::new;
    let button = PointerEventButton::Left;
    match pointer {
        Pointer::Moved(x, y) => WindowEvent::PointerMoved { position: at(x, y) },
        Pointer::Pressed(x, y) => WindowEvent::PointerPressed { position: at(x, y), button },
        Pointer::Released(x, y) => WindowEvent::PointerReleased { position: at(x, y), button },
        Pointer::Exited => WindowEvent::PointerExited,
    }
}
