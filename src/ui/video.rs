//! Moving pictures into a page: filled by a worker, shown by the event loop, newest wins.
//!
//! ```text
//! worker: lease -> fill Rgb8 -> push ──> one slot ──wake-up──> event loop: Image -> property
//!            ▲                    └ replaced: counted               │
//!            └──────────────── spare buffers ◀── the one before ────┘
//! ```
//! A [`slint::Image`] cannot cross threads, its pixel buffer can. Buffers go round, so a call
//! allocates nothing once it runs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slint::{Image, Rgb8Pixel, SharedPixelBuffer};

use super::handle;
use super::mailbox::Mailbox;
use crate::clock::{self, Time};
use crate::device::{DeviceError, VideoSink};
use crate::frame::{PixelFormat, Size};

/// Told of each picture when it is on show: when it was captured, and now. Called in the event
/// loop: after the drawing when headless, when it is handed to the drawing in a window.
pub type OnShown = Arc<dyn Fn(Time, Time) + Send + Sync>;

type Buffer = SharedPixelBuffer<Rgb8Pixel>;

/// Buffers kept to be filled again: one waits in the slot, one is shown, one is being filled.
const SPARE_BUFFERS: usize = 2;

/// Where a picture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The other's picture, or the viewer's.
    Remote,
    /// The small own picture.
    SelfView,
}

/// What became of the pictures pushed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureStats {
    /// On show, at least for a moment.
    pub shown: u64,
    /// Never on show: a newer one came first.
    pub replaced: u64,
}

struct Waiting {
    buffer: Buffer,
    captured: Time,
}

struct Shared {
    place: Place,
    mailbox: Arc<Mailbox<Option<Waiting>>>,
    tally: Arc<Tally>,
}

/// What the event loop and the workers both know.
struct Tally {
    spare: Mutex<Vec<Buffer>>,
    shown: AtomicU64,
    replaced: AtomicU64,
    on_shown: Mutex<Option<OnShown>>,
}

impl Tally {
    fn recycle(&self, buffer: Buffer) {
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }

    fn replaced(&self) {
        self.replaced.fetch_add(1, Ordering::Relaxed);
    }

    fn shown(&self, captured: Time, now: Time) {
        self.shown.fetch_add(1, Ordering::Relaxed);
        let hook = lock(&self.on_shown).clone();
        if let Some(hook) = hook {
            hook(captured, now);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way into one place on the page; sinks are made from it, one per worker run.
#[derive(Clone)]
pub(super) struct Way(Arc<Shared>);

impl Way {
    pub(super) fn to(place: Place) -> Self {
        let tally = Arc::new(Tally {
            spare: Mutex::default(),
            shown: AtomicU64::new(0),
            replaced: AtomicU64::new(0),
            on_shown: Mutex::default(),
        });
        let arriving = Arc::clone(&tally);
        let mailbox = Mailbox::new(move |waiting| arrive(place, &arriving, waiting));
        Self(Arc::new(Shared { place, mailbox, tally }))
    }

    pub(super) fn sink(&self) -> PictureSink {
        PictureSink { way: self.clone(), leased: None }
    }

    pub(super) fn stats(&self) -> PictureStats {
        let tally = &self.0.tally;
        PictureStats {
            shown: tally.shown.load(Ordering::Relaxed),
            replaced: tally.replaced.load(Ordering::Relaxed),
        }
    }

    pub(super) fn on_shown(&self, hook: OnShown) {
        *lock(&self.0.tally.on_shown) = Some(hook);
    }

    /// Take the picture away. One pushed before this is not shown after it.
    pub(super) fn clear(&self) {
        // No event loop, no picture.
        if let Ok(Some(Some(_))) = self.0.mailbox.post(None) {
            self.0.tally.replaced();
        }
    }
}

/// What is on show in one place, kept so that its buffer can go round; and the capture time of a
/// picture that was set and not yet drawn.
#[derive(Default)]
struct OnShow {
    buffer: Option<Buffer>,
    undrawn: Option<(Arc<Tally>, Time)>,
}

thread_local! {
    static ON_SHOW: [RefCell<OnShow>; 2] = Default::default();
}

/// In the event loop: a picture (or its absence) has come.
fn arrive(place: Place, tally: &Arc<Tally>, waiting: Option<Waiting>) {
    ON_SHOW.with(|places| {
        let mut on_show = places[place as usize].borrow_mut();
        if let Some((tally, _)) = on_show.undrawn.take() {
            tally.replaced();
        }
        let image = match &waiting {
            Some(waiting) => Image::from_rgb8(waiting.buffer.clone()),
            None => Image::default(),
        };
        handle::show_picture(place, image);
        let captured = waiting.as_ref().map(|waiting| waiting.captured);
        if let Some(old) = std::mem::replace(&mut on_show.buffer, waiting.map(|w| w.buffer)) {
            tally.recycle(old);
        }
        on_show.undrawn = captured.map(|captured| (Arc::clone(tally), captured));
    });
    if !handle::tells_when_drawn() {
        drawn(clock::now());
    }
}

/// In the event loop: what was set has been drawn.
pub(super) fn drawn(now: Time) {
    ON_SHOW.with(|places| {
        for place in places {
            let undrawn = place.borrow_mut().undrawn.take();
            if let Some((tally, captured)) = undrawn {
                tally.shown(captured, now);
            }
        }
    });
}

/// A [`VideoSink`] that is a place on the page. Belongs to one worker.
pub struct PictureSink {
    way: Way,
    leased: Option<Buffer>,
}

impl PictureSink {
    /// What became of the pictures pushed to this place so far, by any sink.
    pub fn stats(&self) -> PictureStats {
        self.way.stats()
    }
}

impl VideoSink for PictureSink {
    fn format(&self) -> PixelFormat {
        PixelFormat::Rgb8
    }

    fn lease(&mut self, size: Size, bytes: usize) -> &mut [u8] {
        let fits = |buffer: &Buffer| buffer.width() == size.width && buffer.height() == size.height;
        let spare = self.leased.take().or_else(|| lock(&self.way.0.tally.spare).pop());
        let buffer = spare.filter(fits).unwrap_or_else(|| Buffer::new(size.width, size.height));
        let room = self.leased.insert(buffer).make_mut_bytes();
        debug_assert_eq!(room.len(), bytes, "RGB pixels of {size}");
        room
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        let Some(buffer) = self.leased.take() else { return Ok(()) };
        let shared = &self.way.0;
        let replaced =
            shared.mailbox.post(Some(Waiting { buffer, captured })).map_err(|ended| {
                DeviceError {
                    deed: "show a picture on",
                    device: format!("{:?}", shared.place),
                    cause: ended.to_string(),
                }
            })?;
        if let Some(Some(old)) = replaced {
            shared.tally.replaced();
            shared.tally.recycle(old.buffer);
        }
        Ok(())
    }
}
