//! Whether a device is open: known by the worker that opened it, not by whoever wants it open or shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many of a kind of device are open; clones are the same sign. Two may be for a moment, when one
/// hangs in its driver and another was opened in its place.
#[derive(Clone, Debug, Default)]
pub struct Sign(Arc<AtomicU32>);

/// One device that is open, or being opened, until this is dropped. Made before the device is opened
/// and dropped after it, the sign never says less than is true.
#[derive(Debug)]
pub struct Lit(Sign);

impl Sign {
    /// One more.
    #[must_use]
    pub fn light(&self) -> Lit {
        self.0.fetch_add(1, Ordering::SeqCst);
        Lit(self.clone())
    }

    /// Whether any is open.
    pub fn is_lit(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Lit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
