//! Which segment of a live stream is to be fetched next, and what there is to hear: pure.
//!
//! ```text
//!             a segment came            nothing new for 10 s, or an empty list
//!  Looking ───────────────────> Live ───────────────────────────────────────────> Silent
//!    │  ▲                        │ ▲ ^───────────── a segment came ─────────────────┘
//!    │  └── listed again ──┐     │ └── a segment came ──┐
//!    └── can't be fetched ─┴──> Away <── nothing for 3 s┘      Unknown <── there is no such list, for 3 s
//! ```
//! It begins at the newest segment and takes each behind it once, by its address. Whoever has missed more
//! than two, or asks for one that is gone, goes on at the newest: a listener is where the sound is made, not
//! where it was.

use std::collections::VecDeque;
use std::time::Duration;

use super::State;
use crate::clock::Time;
use crate::wire::playlist::{Playlist, Segment};

/// How often the playlist is looked at where nothing new is due: half of a usual segment.
pub const POLL: Duration = Duration::from_millis(500);
/// The longest pause where nothing can be fetched.
pub const MOST_PAUSE: Duration = Duration::from_secs(4);
/// So long after the last sound a server that does not answer is said to be away.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// A playlist that has been the same for so long is silence.
pub const STALLED: Duration = Duration::from_secs(10);
/// How often where something is: it is seen that much late at most.
const WATCH: Duration = Duration::from_millis(250);
/// Nothing is due any more so long after the last segment was over.
const OVERDUE: Duration = Duration::from_secs(1);
/// After so long a silence it is looked for ever so seldom: whoever pays by the byte has left it on.
pub const LONG_SILENCE: Duration = Duration::from_secs(60);
/// More segments than this are not caught up with.
const CAUGHT_UP: usize = 2;

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Fetch the playlist; then [`Machine::listed`], [`Machine::missing`] or [`Machine::failed`].
    Playlist,
    /// Fetch the segment of this address; then [`Machine::came`], [`Machine::gone`] or [`Machine::failed`].
    Segment(String),
    /// Nothing until then.
    Rest(Time),
}

/// The state.
#[derive(Debug)]
pub struct Machine {
    state: State,
    waiting: VecDeque<Segment>,
    /// The newest one that was ever taken from the list.
    newest: Option<String>,
    next_look: Time,
    /// When the list had something new, and when sound came.
    renewed: Time,
    sounded: Time,
    /// Until then it is looked for something new ever so often.
    due: Time,
    /// Since when there has been no such list.
    missing: Option<Time>,
    last_gone: Option<Time>,
    failures: u32,
}

impl Machine {
    /// Somebody wants to hear it, from `now` on.
    pub fn new(now: Time) -> Self {
        Self {
            state: State::Looking,
            waiting: VecDeque::new(),
            newest: None,
            next_look: now,
            renewed: now,
            sounded: now,
            due: now,
            missing: None,
            last_gone: None,
            failures: 0,
        }
    }

    /// What there is to hear.
    pub fn state(&self) -> State {
        self.state
    }

    /// What to do at `now`.
    pub fn next(&self, now: Time) -> Wish {
        match self.waiting.front() {
            Some(segment) => Wish::Segment(segment.uri.clone()),
            None if now >= self.next_look => Wish::Playlist,
            None => Wish::Rest(self.next_look),
        }
    }

    /// The playlist came.
    pub fn listed(&mut self, playlist: &Playlist, now: Time) {
        self.failures = 0;
        self.missing = None;
        let Some(last) = playlist.segments.last() else {
            if self.newest.take().is_some() || self.state != State::Silent {
                (self.state, self.renewed) = (State::Silent, now);
            }
            self.next_look = now + self.pause(now);
            return;
        };
        if self.newest.as_ref() == Some(&last.uri) {
            if matches!(self.state, State::Away | State::Unknown) {
                (self.state, self.renewed) = (State::Looking, now);
            }
            if now.since(self.renewed) >= STALLED {
                self.state = State::Silent;
            }
            self.next_look = now + self.pause(now);
            return;
        }
        let known = |segment: &Segment| Some(&segment.uri) == self.newest.as_ref();
        let behind = playlist.segments.iter().rev().take_while(|segment| !known(segment)).count();
        let is_known = behind < playlist.segments.len();
        let taken = if is_known && behind <= CAUGHT_UP { behind } else { 1 };
        self.waiting.extend(playlist.segments.iter().rev().take(taken).rev().cloned());
        let first = self.newest.replace(last.uri.clone()).is_none();
        self.renewed = now;
        self.due = now + last.length.min(STALLED) + OVERDUE;
        // The next one is due when this one is over, and this one was seen late; who knows how late, if it is
        // the first?
        let over = last.length.saturating_sub(WATCH).clamp(WATCH, MOST_PAUSE);
        self.next_look = now + if first { WATCH } else { over };
    }

    /// Until the next look, where the list has nothing new.
    fn pause(&self, now: Time) -> Duration {
        match self.state {
            State::Silent if now.since(self.renewed) >= LONG_SILENCE => MOST_PAUSE,
            State::Silent => POLL,
            _ if now < self.due => WATCH,
            _ => POLL,
        }
    }

    /// The segment came, and sound was in it.
    pub fn came(&mut self, now: Time) {
        self.waiting.pop_front();
        self.failures = 0;
        self.sounded = now;
        self.state = State::Live;
    }

    /// The segment is there no more: on at the newest.
    pub fn gone(&mut self, now: Time) {
        self.waiting.clear();
        self.newest = None;
        // Once at once; a server whose list lies is not asked without end.
        let again = self.last_gone.is_some_and(|last| now.since(last) < POLL);
        self.last_gone = Some(now);
        self.next_look = if again { now + POLL } else { now };
    }

    /// The playlist or the segment could not be fetched, or was none.
    pub fn failed(&mut self, now: Time) {
        self.waiting.pop_front();
        self.missing = None;
        self.look_later(now);
        if self.state != State::Live || now.since(self.sounded) >= PATIENCE {
            self.state = State::Away;
        }
    }

    /// Whoever answers has no such playlist: so it is while a server starts, too. It is looked for further.
    pub fn missing(&mut self, now: Time) {
        self.look_later(now);
        let since = *self.missing.get_or_insert(now);
        if now.since(since) >= PATIENCE {
            self.state = State::Unknown;
        }
    }

    fn look_later(&mut self, now: Time) {
        let pause = POLL * 2_u32.saturating_pow(self.failures.min(8));
        self.failures += 1;
        self.next_look = now + pause.min(MOST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1000)
    }

    fn list(numbers: std::ops::Range<u32>) -> Playlist {
        let segment = |n| Segment { uri: format!("{n}.ts"), length: Duration::from_millis(972) };
        Playlist { segments: numbers.map(segment).collect() }
    }

    fn segment(number: u32) -> Wish {
        Wish::Segment(format!("{number}.ts"))
    }

    /// A machine that has heard the last of seven segments, 6.ts.
    fn live() -> Machine {
        let mut machine = Machine::new(at(0));
        assert_eq!((machine.state(), machine.next(at(0))), (State::Looking, Wish::Playlist));
        machine.listed(&list(0..7), at(10));
        assert_eq!(machine.next(at(10)), segment(6));
        machine.came(at(20));
        assert_eq!((machine.state(), machine.next(at(20))), (State::Live, Wish::Rest(at(260))));
        machine
    }

    #[test]
    fn it_begins_at_the_newest_and_takes_each_that_follows_once() {
        let mut machine = live();
        assert_eq!(machine.next(at(260)), Wish::Playlist);
        machine.listed(&list(0..7), at(740));
        assert_eq!(machine.next(at(740)), Wish::Rest(at(990)));
        machine.listed(&list(2..9), at(1010));
        assert_eq!(machine.next(at(1010)), segment(7));
        machine.came(at(1100));
        assert_eq!(machine.next(at(1100)), segment(8));
        machine.came(at(1200));
        assert_eq!(machine.next(at(1200)), Wish::Rest(at(1732)));
    }

    #[test]
    fn who_has_missed_more_than_two_goes_on_at_the_newest() {
        let mut machine = live();
        machine.listed(&list(3..10), at(5000));
        assert_eq!(machine.next(at(5000)), segment(9));
        machine.came(at(5010));
        assert_eq!(machine.next(at(5010)), Wish::Rest(at(5722)));
        // None of the list is known: the server began anew.
        machine.listed(&list(100..103), at(5500));
        assert_eq!(machine.next(at(5500)), segment(102));
    }

    #[test]
    fn an_empty_list_is_silence_and_whatever_comes_then_is_heard() {
        let mut machine = live();
        machine.listed(&list(0..0), at(1000));
        assert_eq!(machine.state(), State::Silent);
        // The first segment may be called as the last one was.
        machine.listed(&list(6..7), at(1500));
        assert_eq!(machine.next(at(1500)), segment(6));
        machine.came(at(1510));
        assert_eq!(machine.state(), State::Live);
    }

    #[test]
    fn a_list_that_stands_still_is_silence_after_ten_seconds() {
        let mut machine = live();
        machine.listed(&list(0..7), at(10_009));
        assert_eq!(machine.state(), State::Live);
        machine.listed(&list(0..7), at(10_010));
        assert_eq!(machine.state(), State::Silent);
        machine.listed(&list(1..8), at(12_000));
        assert_eq!(machine.next(at(12_000)), segment(7));
    }

    #[test]
    fn a_segment_that_is_gone_leads_to_the_newest_and_a_list_that_lies_to_no_flood() {
        let mut machine = live();
        machine.listed(&list(1..9), at(1000));
        machine.gone(at(1010));
        assert_eq!(machine.next(at(1010)), Wish::Playlist);
        machine.listed(&list(3..10), at(1020));
        assert_eq!(machine.next(at(1020)), segment(9));
        machine.gone(at(1030));
        assert_eq!(machine.next(at(1030)), Wish::Rest(at(1530)));
    }

    #[test]
    fn a_server_that_does_not_answer_is_away_after_three_seconds_and_asked_ever_less_often() {
        let mut machine = live();
        let mut now = at(1000);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            machine.failed(now);
            let Wish::Rest(next) = machine.next(now) else { panic!("no rest") };
            pauses.push(next.since(now).as_millis());
            now = next;
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(machine.state(), State::Away);
        machine.listed(&list(0..7), now);
        assert_eq!(machine.state(), State::Looking);

        let mut machine = live();
        machine.failed(at(3019));
        assert_eq!(machine.state(), State::Live, "what was fetched is being heard still");
        machine.failed(at(3020));
        assert_eq!(machine.state(), State::Away);

        let mut machine = Machine::new(at(0));
        machine.failed(at(5));
        assert_eq!(machine.state(), State::Away, "who has just touched it is told at once");
    }

    #[test]
    fn a_segment_that_is_no_sound_is_left_out() {
        let mut machine = live();
        machine.listed(&list(1..9), at(1000));
        machine.failed(at(1010));
        assert_eq!(machine.next(at(1010)), segment(8));
        machine.came(at(1020));
        assert_eq!(machine.state(), State::Live);
    }

    #[test]
    fn a_list_that_is_not_there_is_unknown_when_it_has_been_so_for_three_seconds() {
        let mut machine = live();
        machine.missing(at(1000));
        assert_eq!((machine.state(), machine.next(at(1000))), (State::Live, Wish::Rest(at(1500))));
        // A server that was starting.
        machine.listed(&list(0..7), at(1500));
        machine.missing(at(3000));
        machine.missing(at(5999));
        assert_eq!(machine.state(), State::Live);
        machine.missing(at(6000));
        assert_eq!(
            (machine.state(), machine.next(at(6000))),
            (State::Unknown, Wish::Rest(at(8000)))
        );
        machine.failed(at(8000));
        assert_eq!(machine.state(), State::Away, "now nobody answers");
        machine.missing(at(8500));
        assert_eq!(machine.state(), State::Away);
        machine.missing(at(11_500));
        machine.listed(&list(0..7), at(12_000));
        assert_eq!(machine.state(), State::Looking);
        machine.listed(&list(1..8), at(12_500));
        machine.came(at(12_600));
        assert_eq!(machine.state(), State::Live);
    }

    #[test]
    fn after_a_minute_of_silence_it_looks_every_four_seconds() {
        let pause = |machine: &Machine, now| match machine.next(now) {
            Wish::Rest(next) => next.since(now).as_millis(),
            other => panic!("{other:?}"),
        };
        for silence in [list(0..0), list(0..7)] {
            let mut machine = live();
            for (now, wanted) in [(11_000, 500), (59_000, 500), (71_000, 4000), (900_000, 4000)] {
                machine.listed(&silence, at(now));
                assert_eq!((machine.state(), pause(&machine, at(now))), (State::Silent, wanted));
            }
            machine.listed(&list(1..8), at(904_000));
            machine.came(at(904_010));
            assert!(pause(&machine, at(904_010)) < 1000, "it is awake again");
        }
    }
}
