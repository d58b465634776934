//! Whether the threads of the server come round: what its watchdog is fed by.
//!
//! ```text
//!  intake, web, direct, sound ── each at least once a second ──> Round ──┐
//!  Server::rounds() ── all further than at the last look? <── Rounds ────┘
//! ```
//! A thread that waits for sound, or for a listener, comes round; one that hangs in a lock does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest that a thread which has nothing to do waits.
const PAUSE: Duration = Duration::from_secs(1);

/// Of one thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Round(Arc<AtomicU64>);

impl Round {
    /// The thread has come round.
    pub(super) fn done(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Never ends; as long as the runtime comes round so does this.
    pub(super) async fn go_on(&self) {
        loop {
            self.done();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Of all threads.
#[derive(Debug, Default)]
pub(super) struct All(Vec<Round>);

impl All {
    /// One more thread.
    pub(super) fn add(&mut self) -> Round {
        let round = Round::default();
        self.0.push(round.clone());
        round
    }

    pub(super) fn look(&self) -> Rounds {
        Rounds(self.0.iter().map(|round| round.0.load(Ordering::Relaxed)).collect())
    }
}

/// A look at how far each thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds(Vec<u64>);

impl Rounds {
    /// Whether every thread has come round since `before`.
    pub fn is_ahead_of(&self, before: &Self) -> bool {
        self.0.iter().zip(&before.0).all(|(now, before)| now > before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_that_hangs_is_no_progress_however_far_the_others_are() {
        let mut all = All::default();
        let (one, other) = (all.add(), all.add());
        let before = all.look();
        assert!(!all.look().is_ahead_of(&before));
        one.done();
        one.done();
        assert!(!all.look().is_ahead_of(&before));
        other.done();
        assert!(all.look().is_ahead_of(&before));
    }
}
