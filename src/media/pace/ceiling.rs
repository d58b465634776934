//! The best class of pictures that may be sent, set from outside: what a metered line may cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::quality::Quality;

/// Shared by whoever knows what the line costs and the camera's pace; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Ceiling(Arc<AtomicU8>);

impl Ceiling {
    /// Nothing better than `quality` from the next picture on; [`Quality::Full`] is no ceiling and
    /// [`Quality::VoiceOnly`] means that no picture is sent at all.
    pub fn set(&self, quality: Quality) {
        self.0.store(quality.into(), Ordering::Relaxed);
    }

    /// What was set last.
    pub fn get(&self) -> Quality {
        self.0.load(Ordering::Relaxed).into()
    }
}
