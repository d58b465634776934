//! One newest-wins slot into the event loop, with at most one wake-up on its way.
//!
//! However fast a thread posts, the event loop is asked to come once, and takes what is newest then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The slot and what the event loop does with an item.
pub(super) struct Mailbox<T> {
    slot: Mutex<Option<T>>,
    waking: AtomicBool,
    open: Box<dyn Fn(T) + Send + Sync>,
}

impl<T: Send + 'static> Mailbox<T> {
    /// A slot whose items the event loop hands to `open`.
    pub(super) fn new(open: impl Fn(T) + Send + Sync + 'static) -> Arc<Self> {
        let (slot, waking) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { slot, waking, open: Box::new(open) })
    }

    /// Put `item` in the slot; what it replaced comes back.
    ///
    /// # Errors
    /// The event loop has ended (or there never was one); the item is dropped.
    pub(super) fn post(self: &Arc<Self>, item: T) -> Result<Option<T>, slint::EventLoopError> {
        let replaced = self.lock().replace(item);
        if !self.waking.swap(true, Ordering::SeqCst) {
            let mailbox = Arc::clone(self);
            let woken = slint::invoke_from_event_loop(move || {
                // Before the look: what is posted after it asks for its own wake-up.
                mailbox.waking.store(false, Ordering::SeqCst);
                let item = mailbox.lock().take();
                if let Some(item) = item {
                    (mailbox.open)(item);
                }
            });
            if let Err(ended) = woken {
                self.waking.store(false, Ordering::SeqCst);
                self.lock().take();
                return Err(ended);
            }
        }
        Ok(replaced)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
