//! Moving pictures into a page: filled by a worker, shown by the event loop, newest wins.
//!
//! ```text
//! worker: lease -> fill Rgb8 -> push: scale ──> one slot ──wake-up──> event loop: Image -> property
//!                                ▲        └ replaced: counted              │
//!                                └─ spare buffers ◀── the one before, room ┘
//! ```
//! The other's picture is scaled in the worker to the room that the event loop last found for it.
//! A [`slint::Image`] cannot cross threads, its pixel buffer can. Buffers go round, so a call
//! allocates nothing once it runs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slint::{Image, Rgb8Pixel, SharedPixelBuffer};

use super::handle;
use super::mailbox::Mailbox;
use super::scale::{Room, Scaler, ratio};
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
    /// Before it was scaled.
    ratio: f32,
}

struct Shared {
    place: Place,
    mailbox: Arc<Mailbox<Option<Waiting>>>,
    tally: Arc<Tally>,
}

/// What the event loop and the workers both know.
struct Tally {
    spare: Mutex<Vec<Buffer>>,
    room: Mutex<Room>,
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

    /// One of `size`, with any pixels.
    fn buffer(&self, size: Size) -> Buffer {
        let spare = lock(&self.spare).pop();
        spare
            .filter(|spare| fits(spare, size))
            .unwrap_or_else(|| Buffer::new(size.width, size.height))
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

fn fits(buffer: &Buffer, size: Size) -> bool {
    buffer.width() == size.width && buffer.height() == size.height
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
            room: Mutex::default(),
            shown: AtomicU64::new(0),
            replaced: AtomicU64::new(0),
            on_shown: Mutex::default(),
        });
        let arriving = Arc::clone(&tally);
        let mailbox = Mailbox::new(move |waiting| arrive(place, &arriving, waiting));
        Self(Arc::new(Shared { place, mailbox, tally }))
    }

    pub(super) fn sink(&self) -> PictureSink {
        PictureSink { way: self.clone(), leased: None, kept: None, scaler: Scaler::default() }
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
        let (image, ratio) = match &waiting {
            Some(waiting) => (Image::from_rgb8(waiting.buffer.clone()), waiting.ratio),
            None => (Image::default(), 0.0),
        };
        *lock(&tally.room) = handle::show_picture(place, image, ratio);
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
    /// What was leased before and has been scaled into another buffer.
    kept: Option<Buffer>,
    scaler: Scaler,
}

impl PictureSink {
    /// `buffer` in the pixels it will be drawn on.
    fn scaled(&mut self, mut buffer: Buffer) -> Buffer {
        let tally = &self.way.0.tally;
        let from = Size::new(buffer.width(), buffer.height());
        let room = *lock(&tally.room);
        let Some(to) = room.scaled(from) else { return buffer };
        let mut target = tally.buffer(to);
        self.scaler.scale(buffer.make_mut_bytes(), from, target.make_mut_bytes(), to);
        self.kept = Some(buffer);
        target
    }

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
        let kept = self.leased.take().or_else(|| self.kept.take());
        let kept = kept.filter(|kept| fits(kept, size));
        let buffer = kept.unwrap_or_else(|| self.way.0.tally.buffer(size));
        let room = self.leased.insert(buffer).make_mut_bytes();
        debug_assert_eq!(room.len(), bytes, "RGB pixels of {size}");
        room
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        let Some(buffer) = self.leased.take() else { return Ok(()) };
        let ratio = ratio(Size::new(buffer.width(), buffer.height()));
        let buffer = self.scaled(buffer);
        let shared = &self.way.0;
        let replaced =
            shared.mailbox.post(Some(Waiting { buffer, captured, ratio })).map_err(|ended| {
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
