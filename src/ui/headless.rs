//! A screen without a display: Slint draws into memory.
//!
//! A real event loop: it sleeps until a timer is due, until something was posted, or until what
//! changed may be drawn. Nothing is drawn when nothing changed, and never more than two pictures in
//! two sixtieths of a second, so that neither of two moving pictures waits for the other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slint::platform::software_renderer::{MinimalSoftwareWindow, RepaintBufferType};
use slint::platform::{
    EventLoopProxy, Platform, WindowAdapter, duration_until_next_timer_update,
    update_timers_and_animations,
};
use slint::{EventLoopError, PhysicalSize, PlatformError, Rgb8Pixel};

use super::snapshot::Snapshot;
use crate::clock::{self, Time};
use crate::frame::Size;

/// Two drawings may fall into this.
const TWO_FRAMES: Duration = Duration::from_micros(2 * 1_000_000 / 60);

type Event = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Posted {
    events: VecDeque<Event>,
    quit: bool,
}

/// What other threads reach of the loop.
#[derive(Default)]
struct Post {
    posted: Mutex<Posted>,
    changed: Condvar,
    ended: AtomicBool,
}

impl Post {
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
        change(&mut posted);
        self.changed.notify_one();
        Ok(())
    }

    /// Refuse everything from now on. What was posted is dropped: who waits for it hears that.
    fn end(&self) {
        let mut posted = self.lock();
        self.ended.store(true, Ordering::SeqCst);
        let dropped = std::mem::take(&mut *posted);
        drop(posted);
        drop(dropped);
    }

    /// What was posted; waits for it up to `limit` (`None` = for ever).
    fn take(&self, limit: Option<Duration>) -> Posted {
        let quiet = |posted: &mut Posted| posted.events.is_empty() && !posted.quit;
        let posted = self.lock();
        let mut posted = match limit {
            None => self.changed.wait_while(posted, quiet).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(posted, limit, quiet);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        std::mem::take(&mut posted)
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

type FirstFrame = Box<dyn FnOnce(Time)>;

/// The memory that is drawn into, and the loop that draws.
pub(super) struct Headless {
    window: Rc<MinimalSoftwareWindow>,
    size: Size,
    pixels: RefCell<Vec<Rgb8Pixel>>,
    post: Arc<Post>,
    draws: Arc<AtomicU64>,
    /// When the last two drawings were, the older one first.
    drawn_at: Cell<[Option<Time>; 2]>,
    first_frame: RefCell<Option<FirstFrame>>,
    after_draw: fn(Time),
}

impl Headless {
    /// Make it this thread's platform. `draws` counts the drawings, `after_draw` hears of each.
    pub(super) fn install(
        size: Size,
        draws: Arc<AtomicU64>,
        after_draw: fn(Time),
    ) -> Result<Rc<Self>, slint::platform::SetPlatformError> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        let headless = Rc::new(Self {
            window,
            size,
            pixels: RefCell::new(vec![Rgb8Pixel::default(); size.pixels()]),
            post: Arc::default(),
            draws,
            drawn_at: Cell::default(),
            first_frame: RefCell::default(),
            after_draw,
        });
        slint::platform::set_platform(Box::new(HeadlessPlatform(Rc::clone(&headless))))?;
        headless.window.set_size(PhysicalSize::new(size.width, size.height));
        Ok(headless)
    }

    /// Call `hook` once the first frame is drawn.
    pub(super) fn on_first_frame(&self, hook: FirstFrame) {
        *self.first_frame.borrow_mut() = Some(hook);
    }

    /// What the memory holds, after drawing what has changed.
    pub(super) fn snapshot(&self) -> Snapshot {
        update_timers_and_animations();
        self.draw();
        let pixels = self.pixels.borrow();
        let rgb8 = pixels.iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
        Snapshot { size: self.size, rgb8 }
    }

    /// Draw if something changed.
    fn draw(&self) {
        let drawn = self.window.draw_if_needed(|renderer| {
            renderer.render(&mut self.pixels.borrow_mut(), self.size.width as usize);
        });
        if drawn {
            let now = clock::now();
            self.draws.fetch_add(1, Ordering::SeqCst);
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

    fn run(&self) {
        let mut limit = Some(Duration::ZERO);
        loop {
            let posted = self.post.take(limit);
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

struct HeadlessPlatform(Rc<Headless>);

impl Platform for HeadlessPlatform {
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
