//! A line that is lost in a call: when that is said on the screen, when aloud, and when it is over.
//!
//! ```text
//!   lost ──1 s──> covered with words ──0.5 s──> said aloud ──to 10 s──> "Still trying"
//!     └────────────── back: the words go, a fresh picture is waited for ──────┘
//! ```
//! A blink shows in the strip alone. Aloud it is said once for each loss, and not again within 20 s:
//! a line that comes and goes must not talk all the time.

use std::time::Duration;

use crate::call::State;
use crate::clock::Time;

/// The last picture may stand still this long before words cover it.
const COVERED: Duration = Duration::from_secs(1);
/// A loss this long is said aloud.
const ALOUD: Duration = Duration::from_millis(1500);
/// Not again for so long.
const ALOUD_AGAIN: Duration = Duration::from_secs(20);
/// From here on patience is asked for.
const LONG: Duration = Duration::from_secs(10);

/// How far a loss has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It may be a blink.
    Blink,
    /// The picture is covered with words.
    Lost,
    /// It takes long.
    Long,
}

/// What is known of the losses of this call.
#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Time>,
    /// Said aloud for the loss that is.
    said: bool,
    said_last: Option<Time>,
    looked: Time,
}

/// What has just changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is to be said aloud now.
    Aloud,
    /// The line is back.
    Over,
}

impl Outage {
    /// Look at the call; what that means, if anything.
    pub fn follow(&mut self, call: &State, now: Time) -> Option<Change> {
        self.looked = now;
        let State::Reconnecting { lost, .. } = call else {
            let was = self.since.take();
            self.said = false;
            return was.map(|_| Change::Over);
        };
        if self.since != Some(*lost) {
            (self.since, self.said) = (Some(*lost), false);
        }
        let aloud = self.aloud_at().is_some_and(|due| due <= now);
        if aloud {
            (self.said, self.said_last) = (true, Some(now));
        }
        aloud.then_some(Change::Aloud)
    }

    fn aloud_at(&self) -> Option<Time> {
        let due = self.since.filter(|_| !self.said)? + ALOUD;
        Some(self.said_last.map_or(due, |last| due.max(last + ALOUD_AGAIN)))
    }

    /// How it stands; none while there is a line.
    pub fn stage(&self, now: Time) -> Option<Stage> {
        let lasted = now.since(self.since?);
        Some(match lasted {
            _ if lasted >= LONG => Stage::Long,
            _ if lasted >= COVERED => Stage::Lost,
            _ => Stage::Blink,
        })
    }

    /// When it is to be looked at again.
    pub fn deadline(&self) -> Option<Time> {
        let since = self.since?;
        let stages = [Some(since + COVERED), Some(since + LONG), self.aloud_at()];
        stages.into_iter().flatten().filter(|due| *due > self.looked).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Party;
    use crate::identity::PeerKey;
    use crate::records::Direction;

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1000)
    }

    fn party() -> Party {
        Party { call: 1, peer: PeerKey([1; 32]), direction: Direction::Incoming, began: at(0) }
    }

    fn talking() -> State {
        State::Established { party: party(), answered: at(0) }
    }

    fn lost(since: u64) -> State {
        State::Reconnecting { party: party(), answered: at(0), lost: at(since) }
    }

    /// Follow a loss by its own deadlines until `until`; when what changed.
    fn live_through(outage: &mut Outage, since: u64, until: u64) -> Vec<(u64, Change)> {
        let mut changes = Vec::new();
        let mut now = at(since);
        while now <= at(until) {
            let change = outage.follow(&lost(since), now);
            changes.extend(change.map(|change| (now.micros() / 1000, change)));
            let Some(due) = outage.deadline() else { break };
            assert!(due > now, "it would spin");
            now = due;
        }
        changes
    }

    #[test]
    fn a_blink_is_neither_covered_nor_said() {
        let mut outage = Outage::default();
        assert_eq!(live_through(&mut outage, 1000, 1900), []);
        assert_eq!(outage.stage(at(1900)), Some(Stage::Blink));
        assert_eq!(outage.follow(&talking(), at(1950)), Some(Change::Over));
        assert_eq!(outage.follow(&talking(), at(1960)), None);
        assert_eq!((outage.stage(at(5000)), outage.deadline()), (None, None));
    }

    #[test]
    fn a_loss_is_covered_then_said_once_then_asks_for_patience() {
        let mut outage = Outage::default();
        assert_eq!(live_through(&mut outage, 1000, 60_000), [(2500, Change::Aloud)]);
        let stages = [1999, 2000, 10_999, 11_000].map(|ms| outage.stage(at(ms)));
        let expected = [Stage::Blink, Stage::Lost, Stage::Lost, Stage::Long];
        assert_eq!(stages, expected.map(Some));
    }

    #[test]
    fn a_line_that_comes_and_goes_is_not_said_twice_within_twenty_seconds() {
        let mut outage = Outage::default();
        let mut said = Vec::new();
        for start in (0..60).map(|n| n * 3000) {
            said.extend(live_through(&mut outage, start, start + 2000));
            assert_eq!(outage.follow(&talking(), at(start + 2001)), Some(Change::Over));
        }
        assert!(said.len() > 5);
        assert!(said.windows(2).all(|two| two[1].0 - two[0].0 >= 20_000), "{said:?}");
    }
}
