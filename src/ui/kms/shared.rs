//! Where the pages, the picture's worker and the display thread meet.
//!
//! ```text
//!  pages:  patches, room, clear, snapshot? ─┐
//!  worker: newest picture ──────────────────┼─> State ──wake──> display thread
//!          spare buffers, layout, room <────┘  (one lock, held for moments)
//! ```

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::card::Card;
use super::choose::Layout;
use super::dumb::Dumb;
use super::error::KmsError;
use super::picture::{Content, Waiting};
use super::surface::{Patch, Room};
use crate::frame::Size;
use crate::ui::face::Hook;
use crate::ui::snapshot::Snapshot;
use crate::wire::status::ScreenStatus;

/// Buffers that are kept to be filled again. Of a call's frames one is scanned out, one is on its way
/// to be, one or two wait, and one is being filled.
const BUFFERS: usize = 5;

/// What they all know.
pub(super) struct Shared {
    state: Mutex<State>,
    wake: EventFd,
}

/// What is behind the lock.
pub(super) struct State {
    /// Of the drawing.
    pub(super) size: Size,
    /// What becomes of a picture.
    pub(super) layout: Layout,
    /// New parts of the drawing.
    pub(super) patches: Vec<Patch>,
    /// Where the picture belongs.
    pub(super) room: Option<Room>,
    /// The newest picture.
    pub(super) waiting: Option<Waiting>,
    /// The picture is to be taken away.
    pub(super) cleared: bool,
    /// Who wants to know what the panel shows.
    pub(super) snapshots: Vec<mpsc::Sender<Snapshot>>,
    /// Who wants to know when all of it is on the panel.
    pub(super) rounds: Vec<Hook>,
    /// What is known of the panel.
    pub(super) status: ScreenStatus,
    frames: Vec<Dumb>,
    /// Whose frames are of use. Not held: a card that is let go of has to be closed.
    card: Weak<Card>,
    words: Vec<Vec<u32>>,
}

impl State {
    /// A buffer to be scanned out, of this size.
    pub(super) fn spare_frame(&mut self, size: Size) -> Option<Dumb> {
        let at = self.frames.iter().position(|frame| frame.size() == size)?;
        Some(self.frames.swap_remove(at))
    }

    /// Memory for a picture, of any length.
    pub(super) fn spare_words(&mut self) -> Vec<u32> {
        self.words.pop().unwrap_or_default()
    }

    /// A buffer that nobody scans out any more.
    pub(super) fn give_back(&mut self, frame: Dumb) {
        let ours = self.card.upgrade().is_some_and(|card| frame.is_of(&card));
        if ours && self.frames.len() < BUFFERS {
            self.frames.push(frame);
        }
    }

    /// Memory that is done with.
    pub(super) fn give_back_words(&mut self, words: Vec<u32>) {
        if self.words.len() < BUFFERS {
            self.words.push(words);
        }
    }

    /// Only frames of this size are of use from now on.
    pub(super) fn keep_frames(&mut self, size: Size) {
        self.frames.retain(|frame| frame.size() == size);
    }

    /// Only frames of this card are of use from now on.
    pub(super) fn keep_frames_of(&mut self, card: &Arc<Card>) {
        self.card = Arc::downgrade(card);
        self.frames.retain(|frame| frame.is_of(card));
    }

    /// The card is let go of; its frames, to be dropped without the lock. Those that are still lent
    /// are dropped when they come back.
    #[must_use]
    pub(super) fn forget_frames(&mut self) -> Vec<Dumb> {
        self.card = Weak::new();
        std::mem::take(&mut self.frames)
    }

    fn recycle(&mut self, waiting: Waiting) {
        match waiting.content {
            Content::Frame(frame) => self.give_back(frame),
            Content::Words(words) => self.give_back_words(words.pixels),
            Content::I420(..) => {}
        }
    }

    /// Take the picture away that is, and the one that waits.
    pub(super) fn clear(&mut self) {
        self.cleared = true;
        if let Some(waiting) = self.waiting.take() {
            self.recycle(waiting);
        }
    }
}

impl Shared {
    /// Nothing has been drawn, nothing is shown.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub(super) fn new(size: Size, status: ScreenStatus) -> Result<Self, KmsError> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|error| KmsError::Thread(error.into()))?;
        let state = State {
            size,
            layout: Layout::Compose,
            patches: Vec::new(),
            room: None,
            waiting: None,
            cleared: false,
            snapshots: Vec::new(),
            rounds: Vec::new(),
            status,
            frames: Vec::new(),
            card: Weak::new(),
            words: Vec::new(),
        };
        Ok(Self { state: Mutex::new(state), wake })
    }

    /// Look at it, or change it. Whoever wants the display thread to see it calls [`Shared::wake`].
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The display thread is to look.
    pub(super) fn wake(&self) {
        // A full counter is readable already, which is all that is asked of it.
        let _ = self.wake.write(1);
    }

    /// It looks.
    pub(super) fn awake(&self) {
        // Nothing in it: somebody else woke it.
        let _ = self.wake.read();
    }

    /// Show this picture instead of one that still waits.
    pub(super) fn wait_for_panel(&self, waiting: Waiting) {
        let mut state = self.lock();
        if let Some(old) = state.waiting.replace(waiting) {
            state.recycle(old);
        }
        drop(state);
        self.wake();
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
