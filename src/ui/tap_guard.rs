//! A double tap must not answer and hang up: taps right after a change of page are ignored.

use std::time::Duration;

use crate::clock::Time;

/// How long after a change of page a tap is ignored.
pub const SETTLE: Duration = Duration::from_millis(600);

/// Remembers when the page last changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct TapGuard {
    page_changed_at: Option<Time>,
}

impl TapGuard {
    /// Another page is on show since `now`.
    pub fn page_changed(&mut self, now: Time) {
        self.page_changed_at = Some(now);
    }

    /// Whether a tap at `now` counts.
    pub fn allows(&self, now: Time) -> bool {
        self.page_changed_at.is_none_or(|changed| now.since(changed) >= SETTLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_counts_only_600_ms_after_the_page_changed() {
        let changed = Time::from_micros(1_000_000);
        let mut guard = TapGuard::default();
        assert!(guard.allows(changed));
        guard.page_changed(changed);
        assert!(!guard.allows(changed));
        assert!(!guard.allows(changed + Duration::from_millis(599)));
        assert!(guard.allows(changed + SETTLE));
    }
}
