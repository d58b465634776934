//! When the next change may be asked for: at most one per refresh of the panel. Pure.
//!
//! A panel that keeps its pace says when a change was shown, and the next one can follow at once:
//! it is shown with the next refresh. Emulated panels show every change at once, thousands in a
//! second; there the next one waits until a refresh would have come.

use std::time::Duration;

use crate::clock::Time;

/// What is known of a panel's pace.
pub(super) struct Pace {
    interval: Duration,
    last: Option<Time>,
    /// Two changes were shown in less than a refresh.
    hasty: bool,
}

impl Pace {
    /// For a panel that is refreshed so often in a second; 0: as if 60 times.
    pub(super) fn new(refresh: u32) -> Self {
        let refresh = if refresh == 0 { 60 } else { refresh };
        Self { interval: Duration::from_secs(1) / refresh, last: None, hasty: false }
    }

    /// A change was shown.
    pub(super) fn shown(&mut self, at: Time) {
        // Timestamps of a true refresh differ by a few µs; half an interval is no such difference.
        self.hasty |= self.last.is_some_and(|last| at.since(last) < self.interval / 2);
        self.last = Some(at);
    }

    /// Before this moment nothing is to be asked for.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.last.filter(|_| self.hasty).map(|last| last + self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_that_keeps_its_pace_is_never_waited_for() {
        let mut pace = Pace::new(60);
        assert_eq!(pace.earliest(), None);
        for n in 0..100 {
            pace.shown(Time::from_micros(16_667 * n + n % 3 * 50));
            assert_eq!(pace.earliest(), None);
        }
    }

    #[test]
    fn one_that_shows_at_once_is_asked_sixty_times_a_second() {
        let mut pace = Pace::new(60);
        let (mut now, mut changes) = (Time::from_micros(0), 0);
        while now < Time::from_micros(1_000_000) {
            now = pace.earliest().map_or(now, |earliest| earliest.max(now));
            now = now + Duration::from_micros(200);
            pace.shown(now);
            changes += 1;
        }
        assert!((58..=62).contains(&changes), "{changes} changes in a second");
    }

    #[test]
    fn pictures_thirty_times_a_second_are_not_delayed_on_any_panel() {
        let mut pace = Pace::new(60);
        for n in 0..30 {
            pace.shown(Time::from_micros(33_333 * n));
        }
        assert_eq!(pace.earliest(), None);
    }
}
