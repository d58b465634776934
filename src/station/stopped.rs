//! A stop as a future, for the runtimes in a station's threads.
//!
//! ```text
//!  Stopper ── stop ──> Stop ── wakes ──> stopped(&stop).await is over
//! ```

use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::stop::{Stop, Wake};

/// Completes when it is time to stop.
pub(super) async fn stopped(stop: &Stop) {
    let woken = Arc::new(Woken::default());
    let as_wake: Weak<dyn Wake> = Arc::downgrade(&(Arc::clone(&woken) as Arc<dyn Wake>));
    stop.wakes(as_wake);
    while !stop.is_stopped() {
        woken.0.notified().await;
    }
}

/// The end of a stop that a task waits at.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(&self) {
        // Kept for whoever is about to wait.
        self.0.notify_one();
    }
}
