//! The event loop of a screen that is no window: asleep until there is something to do.
//!
//! ```text
//!  posted events ─ eventfd ─┐
//!  fingers (painter's own) ─┼─> poll ─> events ─> timers ─> paint, if something changed and it
//!  Slint's timers ──────────┘    ▲                          is not too soon
//!                                └────────────── again ◀───────┘
//! ```
//! Nothing is drawn when nothing changed, and never more than two drawings in two sixtieths of a
//! second, so that neither of two moving pictures waits for the other. A [`Painter`] says where the
//! drawing goes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use slint::platform::software_renderer::{
    MinimalSoftwareWindow, RepaintBufferType, SoftwareRenderer,
};
use slint::platform::{
    EventLoopProxy, Platform, SetPlatformError, WindowAdapter, duration_until_next_timer_update,
    update_timers_and_animations,
};
use slint::{EventLoopError, PhysicalSize, PlatformError};

use super::snapshot::Snapshot;
use super::window::UiError;
use crate::clock::{self, Time};
use crate::frame::Size;

/// Two drawings may fall into this.
const TWO_FRAMES: Duration = Duration::from_micros(2 * 1_000_000 / 60);

type Event = Box<dyn FnOnce() + Send>;
type FirstFrame = Box<dyn FnOnce(Time)>;

/// Where the drawing goes.
pub(super) trait Painter {
    /// How large it is.
    fn size(&self) -> Size;

    /// Draw what has changed; how many pixels these were.
    fn paint(&self, renderer: &SoftwareRenderer) -> usize;

    /// What is seen.
    ///
    /// # Errors
    /// Whatever shows the drawing does not answer.
    fn snapshot(&self) -> Result<Snapshot, UiError>;

    /// A descriptor that wakes the loop when it is readable.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// It is readable: take what has come, for this window.
    fn attend(&self, _window: &slint::Window) {}

    /// What shows the drawing is another one now: the window's new size.
    fn changed(&self) -> Size {
        self.size()
    }
}

/// How much was drawn.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// Drawings with at least one pixel.
    pub(super) drawings: AtomicU64,
    /// Of these, drawings of every pixel.
    pub(super) full_drawings: AtomicU64,
    /// Pixels in all of them.
    pub(super) pixels: AtomicU64,
}

impl Drawn {
    fn count(&self, pixels: usize, size: Size) {
        if pixels == 0 {
            return;
        }
        self.drawings.fetch_add(1, Ordering::SeqCst);
        self.pixels.fetch_add(pixels as u64, Ordering::SeqCst);
        if pixels >= size.pixels() {
            self.full_drawings.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[derive(Default)]
struct Posted {
    events: VecDeque<Event>,
    quit: bool,
}

impl Posted {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && !self.quit
    }
}

/// What other threads reach of the loop.
pub(super) struct Post {
    posted: Mutex<Posted>,
    wake: EventFd,
    ended: AtomicBool,
}

impl Post {
    pub(super) fn new() -> Arc<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .expect("an eventfd can be made unless the process is out of descriptors");
        Arc::new(Self { posted: Mutex::default(), wake, ended: AtomicBool::new(false) })
    }

    fn lock(&self) -> MutexGuard<'_, Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Change what is posted and wake the loop.
    ///
    /// # Errors
    /// The loop has ended.
    fn put(&self, change: impl FnOnce(&mut Posted)) -> Result<(), EventLoopError> {
        let mut posted = self.lock();
        if self.ended.load(Ordering::SeqCst) {
            return Err(EventLoopError::EventLoopTerminated);
        }
        if posted.is_empty() {
            // A full counter is readable already, which is all that is asked of it.
            let _ = self.wake.write(1);
        }
        change(&mut posted);
        Ok(())
    }

    /// Run `event` in the loop; nothing happens when that has ended.
    pub(super) fn run(&self, event: impl FnOnce() + Send + 'static) {
        if self.put(|posted| posted.events.push_back(Box::new(event))).is_err() {
            tracing::debug!("the screen's event loop has ended already");
        }
    }

    /// Refuse everything from now on. What was posted is dropped: who waits for it hears that.
    fn end(&self) {
        let mut posted = self.lock();
        self.ended.store(true, Ordering::SeqCst);
        let dropped = std::mem::take(&mut *posted);
        drop(posted);
        drop(dropped);
    }

    fn take(&self) -> Posted {
        let mut posted = self.lock();
        // Nothing to read is nothing to do.
        let _ = self.wake.read();
        std::mem::take(&mut *posted)
    }
}

struct Proxy(Arc<Post>);

impl EventLoopProxy for Proxy {
    fn quit_event_loop(&self) -> Result<(), EventLoopError> {
        self.0.put(|posted| posted.quit = true)
    }

    fn invoke_from_event_loop(&self, event: Event) -> Result<(), EventLoopError> {
        self.0.put(|posted| posted.events.push_back(event))
    }
}

/// One window, and the loop that draws it. Lives in the thread that made it.
pub(super) struct EventLoop {
    window: Rc<MinimalSoftwareWindow>,
    painter: Box<dyn Painter>,
    post: Arc<Post>,
    drawn: Arc<Drawn>,
    /// When the last two drawings were, the older one first.
    drawn_at: Cell<[Option<Time>; 2]>,
    first_frame: RefCell<Option<FirstFrame>>,
    after_draw: fn(Time),
}

impl EventLoop {
    /// Make it this thread's platform. `after_draw` hears of each drawing.
    pub(super) fn install(
        post: Arc<Post>,
        painter: Box<dyn Painter>,
        drawn: Arc<Drawn>,
        after_draw: fn(Time),
    ) -> Result<Rc<Self>, SetPlatformError> {
        let event_loop = Rc::new(Self {
            window: MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer),
            painter,
            post,
            drawn,
            drawn_at: Cell::default(),
            first_frame: RefCell::default(),
            after_draw,
        });
        slint::platform::set_platform(Box::new(Installed(Rc::clone(&event_loop))))?;
        event_loop.resize(event_loop.painter.size());
        Ok(event_loop)
    }

    fn resize(&self, size: Size) {
        self.window.set_size(PhysicalSize::new(size.width, size.height));
    }

    /// Call `hook` once the first frame is drawn.
    pub(super) fn on_first_frame(&self, hook: FirstFrame) {
        *self.first_frame.borrow_mut() = Some(hook);
    }

    /// What is seen, after drawing what has changed.
    pub(super) fn snapshot(&self) -> Result<Snapshot, UiError> {
        update_timers_and_animations();
        self.draw();
        self.painter.snapshot()
    }

    /// What shows the drawing is another one now: everything is drawn again. Returns its size.
    pub(super) fn changed(&self) -> Size {
        let size = self.painter.changed();
        self.resize(size);
        self.window.request_redraw();
        size
    }

    /// Draw if something changed.
    fn draw(&self) {
        let drawn = self.window.draw_if_needed(|renderer| {
            let pixels = self.painter.paint(renderer);
            self.drawn.count(pixels, self.painter.size());
        });
        if drawn {
            let now = clock::now();
            let [_, last] = self.drawn_at.get();
            self.drawn_at.set([last, Some(now)]);
            if let Some(hook) = self.first_frame.take() {
                hook(now);
            }
            (self.after_draw)(now);
        }
    }

    /// How long the next drawing still has to wait.
    fn too_soon(&self) -> Option<Duration> {
        let [older, _] = self.drawn_at.get();
        let since = clock::now().since(older?);
        TWO_FRAMES.checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Sleep up to `limit` (`None`: for ever) or until something has come.
    fn wait(&self, limit: Option<Duration>) {
        let mut descriptors = vec![PollFd::new(self.post.wake.as_fd(), PollFlags::POLLIN)];
        descriptors
            .extend(self.painter.watched().map(|watched| PollFd::new(watched, PollFlags::POLLIN)));
        // An interrupted wait is a shorter one.
        let _ = ppoll(&mut descriptors, limit.map(TimeSpec::from_duration), None);
        if descriptors.get(1).is_some_and(|watched| watched.any() == Some(true)) {
            self.painter.attend(&self.window);
        }
    }

    fn run(&self) {
        let mut limit = Some(Duration::ZERO);
        loop {
            self.wait(limit);
            let posted = self.post.take();
            for event in posted.events {
                event();
            }
            if posted.quit {
                return;
            }
            update_timers_and_animations();
            let too_soon = self.too_soon();
            if too_soon.is_none() {
                self.draw();
            }
            let animation = self.window.has_active_animations().then_some(TWO_FRAMES / 2);
            let timer = duration_until_next_timer_update();
            limit = [too_soon, animation, timer].into_iter().flatten().min();
        }
    }
}

struct Installed(Rc<EventLoop>);

impl Platform for Installed {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(Rc::clone(&self.0.window) as Rc<dyn WindowAdapter>)
    }

    fn run_event_loop(&self) -> Result<(), PlatformError> {
        self.0.run();
        self.0.post.end();
        Ok(())
    }

    fn new_event_loop_proxy(&self) -> Option<Box<dyn EventLoopProxy>> {
        Some(Box::new(Proxy(Arc::clone(&self.0.post))))
    }
}
