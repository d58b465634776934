//! When a connection counts as dead: pure, the same rule for a session with the relay and with a peer.
//!
//! ```text
//!              a ping every   dead after silence of
//!  in a call        0.5 s     1.4 s, or more where answers take long
//!  idle             5 s       15 s
//!  metered         25 s       75 s
//!  in doubt       at once     as in a call
//! ```
//! A false alarm is worse than a late one: building two sessions anew through a line that is merely
//! full makes it fuller. So the patience in a call follows the round trips of late (a queue that made
//! answers take a second may well grow as long again), and is longest while none is known. And where a
//! queue has grown all at once, something else still comes through it, late (road.rs tells): as long as
//! that goes on, what is silent has the longest time as well ([`Grace`]), and its silence is counted from
//! the last of it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Time;

/// Silence in a call on a line that answers quickly: a second and a half with what was still on its
/// way and the time to say so.
pub(super) const SILENCE_IN_CALL: Duration = Duration::from_millis(1400);
/// Silence in a call on the slowest line; also where no answer is known yet.
pub(super) const SILENCE_LONGEST: Duration = Duration::from_secs(5);
/// Round trips older than this say nothing of the queues of now.
const RECENT: Duration = Duration::from_secs(10);
/// Round trips looked at.
const TRIPS: usize = 32;

/// What a connection is for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A call depends on it.
    InCall,
    /// It waits for one.
    Idle,
    /// It waits for one, and every byte is paid for.
    Metered,
}

impl Mode {
    /// In a call nobody saves on pings.
    pub(super) fn of(in_call: bool, metered: bool) -> Self {
        match (in_call, metered) {
            (true, _) => Self::InCall,
            (false, false) => Self::Idle,
            (false, true) => Self::Metered,
        }
    }

    /// Between two pings.
    pub(super) fn ping(self) -> Duration {
        match self {
            Self::InCall => Duration::from_millis(500),
            Self::Idle => Duration::from_secs(5),
            Self::Metered => Duration::from_secs(25),
        }
    }
}

/// The round trips of late.
#[derive(Debug, Default)]
pub(super) struct RoundTrips(VecDeque<(Time, Duration)>);

impl RoundTrips {
    /// An answer came at `now` to what was asked `trip` before.
    pub(super) fn add(&mut self, trip: Duration, now: Time) {
        while self.0.len() >= TRIPS {
            self.0.pop_front();
        }
        self.0.push_back((now, trip));
    }

    /// How long a silence in a call may be: twice the worst round trip of late and the pause between
    /// two pings, between [`SILENCE_IN_CALL`] and [`SILENCE_LONGEST`].
    pub(super) fn patience(&self, now: Time) -> Duration {
        let Some((last, _)) = self.0.back() else { return SILENCE_LONGEST };
        // In a silence the last ones stay the last ones.
        let since = (*last).min(now) - RECENT;
        let recent = self.0.iter().filter(|(at, _)| *at >= since);
        let worst = recent.map(|(_, trip)| *trip).max().unwrap_or_default();
        (worst * 2 + Mode::InCall.ping()).clamp(SILENCE_IN_CALL, SILENCE_LONGEST)
    }
}

/// What is known of a connection's life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// What it is for.
    pub(super) mode: Mode,
    /// Since when it has been for that.
    pub(super) since: Time,
    /// When something last came.
    pub(super) heard: Time,
    /// When somebody asked for a sign of life.
    pub(super) doubted: Option<Time>,
    /// See [`RoundTrips::patience`].
    pub(super) patience: Duration,
}

impl Life {
    /// When it counts as dead unless something comes before, and with which words.
    pub(super) fn deadline(&self) -> (Time, String) {
        let patience = self.patience.as_secs_f64();
        // What the other mode's pace allowed is no silence in this one.
        let from = self.heard.max(self.since);
        let silence = match self.mode {
            Mode::InCall => (from + self.patience, format!("silent for {patience:.1} s in a call")),
            Mode::Idle => (from + Duration::from_secs(15), "silent for 15 s".to_owned()),
            Mode::Metered => (from + Duration::from_secs(75), "silent for 75 s".to_owned()),
        };
        match self.doubted {
            Some(at) if self.heard <= at && at + self.patience < silence.0 => {
                (at + self.patience, format!("no answer within {patience:.1} s"))
            }
            _ => silence,
        }
    }
}

/// Since when there is a doubt, when somebody has one at `now` and one stands already: the new one takes
/// its place only if something was `heard` in between, so that no doubt puts off the end.
pub(super) fn doubted(standing: Option<Time>, heard: Time, now: Time) -> Time {
    standing.filter(|at| heard <= *at).unwrap_or(now)
}

/// More time for what is silent on a line that is full.
#[derive(Debug)]
pub(super) struct Grace(Time);

impl Grace {
    /// None yet, for a connection that began at `began`.
    pub(super) fn new(began: Time) -> Self {
        Self(began)
    }

    /// When something last came, or last seemed about to.
    pub(super) fn heard(&self, heard: Time) -> Time {
        heard.max(self.0)
    }

    /// The deadline has come at `now`; `full`: other things come, late, the last of them then. Whether
    /// the silence is to be counted from that.
    pub(super) fn grant(&mut self, heard: Time, full: Option<Time>, now: Time) -> bool {
        let last = full.filter(|_| now < heard + SILENCE_LONGEST);
        self.0 = last.unwrap_or(self.0);
        last.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Time {
        Time::from_micros(100_000_000 + ms * 1000)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Answers every half second, each after `trip`.
    fn trips(trip: Duration) -> RoundTrips {
        let mut trips = RoundTrips::default();
        (0..20).for_each(|n| trips.add(trip, at(n * 500)));
        trips
    }

    #[test]
    fn a_line_that_answers_quickly_has_a_second_and_a_half_and_a_slow_one_more() {
        let now = at(10_000);
        assert_eq!(trips(ms(40)).patience(now), SILENCE_IN_CALL);
        assert_eq!(trips(ms(450)).patience(now), SILENCE_IN_CALL);
        assert_eq!(trips(ms(1200)).patience(now), ms(2900));
        assert_eq!(trips(ms(9000)).patience(now), SILENCE_LONGEST);
        assert_eq!(RoundTrips::default().patience(now), SILENCE_LONGEST);
    }

    #[test]
    fn a_queue_that_has_drained_is_forgotten_and_a_silence_forgets_nothing() {
        let mut trips = trips(ms(1200));
        // Nothing came since: what is known stays known.
        assert_eq!(trips.patience(at(30_000)), ms(2900));
        (0..30).for_each(|n| trips.add(ms(40), at(10_000 + n * 500)));
        assert_eq!(trips.patience(at(25_000)), SILENCE_IN_CALL);
    }

    #[test]
    fn each_mode_has_its_limit_and_a_doubt_is_as_short_as_a_call() {
        let life = |mode, doubted| Life {
            mode,
            since: at(0),
            heard: at(1000),
            doubted,
            patience: SILENCE_IN_CALL,
        };
        let silent = |mode| life(mode, None).deadline();
        assert_eq!(silent(Mode::InCall), (at(2400), "silent for 1.4 s in a call".to_owned()));
        assert_eq!(silent(Mode::Idle), (at(16_000), "silent for 15 s".to_owned()));
        assert_eq!(silent(Mode::Metered), (at(76_000), "silent for 75 s".to_owned()));
        let doubted = life(Mode::Metered, Some(at(9000))).deadline();
        assert_eq!(doubted, (at(10_400), "no answer within 1.4 s".to_owned()));
        // Something came after the doubt: it is no more.
        assert_eq!(life(Mode::Idle, Some(at(900))).deadline(), silent(Mode::Idle));
    }

    #[test]
    fn a_doubt_upon_a_doubt_does_not_put_off_the_end() {
        assert_eq!(doubted(None, at(1000), at(9000)), at(9000));
        assert_eq!(doubted(Some(at(9000)), at(1000), at(9900)), at(9000));
        assert_eq!(doubted(Some(at(9000)), at(9500), at(9900)), at(9900));
    }

    #[test]
    fn the_slow_pace_of_before_is_no_silence_when_a_call_begins() {
        let life = Life {
            mode: Mode::InCall,
            since: at(20_000),
            heard: at(0),
            doubted: None,
            patience: SILENCE_IN_CALL,
        };
        assert_eq!(life.deadline().0, at(21_400));
    }

    #[test]
    fn while_pictures_come_a_silence_may_last_longer_but_not_for_ever() {
        let mut grace = Grace::new(at(0));
        let heard = at(1000);
        assert!(!grace.grant(heard, None, at(2500)));
        assert!(grace.grant(heard, Some(at(2300)), at(2500)));
        assert_eq!(grace.heard(heard), at(2300));
        assert!(grace.grant(heard, Some(at(3900)), at(4000)));
        assert!(!grace.grant(heard, Some(at(5900)), at(6000)));
        assert_eq!(grace.heard(at(9000)), at(9000));
    }

    proptest! {
        /// A queue grows by what is put into it and never makes the next answer take more than twice
        /// as long: such a line is never given up, however full it gets (up to two seconds and more).
        #[test]
        fn a_line_that_is_merely_full_is_not_given_up(
            growth in prop::collection::vec(0.5f64..2.0, 1..200),
        ) {
            let mut trips = RoundTrips::default();
            let (mut trip, mut heard) = (40f64, 0u64);
            for (n, factor) in growth.into_iter().enumerate() {
                let asked = n as u64 * 500;
                trip = (trip * factor).clamp(40.0, 2200.0);
                let answered = (asked + trip as u64).max(heard);
                if n > 0 {
                    let patience = trips.patience(at(answered));
                    prop_assert!(answered - heard <= patience.as_millis() as u64);
                }
                trips.add(ms(answered - asked), at(answered));
                heard = answered;
            }
        }

        #[test]
        fn patience_has_its_limits(given in prop::collection::vec((0u64..20_000, 0u64..600), 0..60)) {
            let mut trips = RoundTrips::default();
            let mut now = at(0);
            for (trip, passed) in given {
                now = now + ms(passed);
                trips.add(ms(trip), now);
            }
            prop_assert!((SILENCE_IN_CALL..=SILENCE_LONGEST).contains(&trips.patience(now)));
        }
    }
}
