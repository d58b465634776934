//! What calls, and stations that are listened to, may cost: whether the network is paid for by the byte, how
//! much of the month's minutes with pictures is left, and what that means for the pictures.
//!
//! ```text
//!  not metered ──> Full      metered, minutes left (or no limit) ──> Smaller
//!                            metered, none left ──────────────────> VoiceOnly
//!  minutes left, said once each in a call:  … ─> 10 ─> 5 ─> 1 ─> 0: paused, for the rest of it
//! ```
//! Pure: it is told once a second what has gone through, and in which month that was. A second
//! counts as one with pictures while they go in either direction; voice costs no minutes.

use std::time::Duration;

use super::words;
use crate::clock::Time;
use crate::quality::Quality;
use crate::usage::{Month, Spent, Usage};

/// With so many minutes left, or fewer, that is said.
const SAID_AT: [u64; 3] = [10, 5, 1];
/// As long as it is to be read.
const SAID_FOR: Duration = Duration::from_secs(20);
/// A picture makes the seconds after it seconds with pictures: stills come slowly.
const STILL_GOES: Duration = Duration::from_secs(3);
/// The file is written this often in a call: a power cut loses no more, and a card lives long.
const KEPT_EVERY: Duration = Duration::from_secs(600);

/// What went through in a call so far, both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything, in bytes.
    pub bytes: u64,
    /// Pictures alone, in bytes.
    pub picture_bytes: u64,
}

/// The account.
#[derive(Debug)]
pub struct Budget {
    usage: Usage,
    month: Month,
    minutes: Option<u64>,
    metered: bool,
    call: Option<Counting>,
    /// When bytes of a station were kept last.
    kept: Option<Time>,
}

/// What is known of the call that runs.
#[derive(Debug)]
struct Counting {
    counted: Time,
    tally: Tally,
    pictured: Option<Time>,
    kept: Time,
    /// Parts of a second that no count has yet.
    metered_rest: Duration,
    picture_rest: Duration,
    /// The last number of minutes that was said, and when.
    said: Option<(u64, Time)>,
}

impl Budget {
    /// An account with what was spent before; `minutes` with pictures a month on a metered network,
    /// 0: as many as one likes.
    pub fn new(usage: Usage, minutes: u64, month: Month) -> Self {
        let minutes = (minutes > 0).then_some(minutes);
        Self { usage, month, minutes, metered: false, call: None, kept: None }
    }

    /// The network is paid for by the byte.
    pub fn is_metered(&self) -> bool {
        self.metered
    }

    /// It is from now on, or is not.
    pub fn set_metered(&mut self, metered: bool) {
        self.metered = metered;
    }

    /// The month that is counted in.
    pub fn month(&self) -> Month {
        self.month
    }

    /// Another one has begun.
    pub fn set_month(&mut self, month: Month) {
        self.month = month;
        if let Some(call) = &mut self.call {
            // What was said is of the month before.
            call.said = None;
        }
    }

    /// What this month has cost so far.
    pub fn spent(&self) -> Spent {
        self.usage.of(self.month)
    }

    /// All of it, to be kept.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Minutes with pictures that are left this month on a metered network, those begun counted
    /// whole; none: no limit.
    pub fn minutes_left(&self) -> Option<u64> {
        let minutes = self.minutes?;
        Some((minutes * 60).saturating_sub(self.spent().picture_seconds).div_ceil(60))
    }

    /// The best pictures that may be sent and are wanted.
    pub fn allowed(&self) -> Quality {
        match (self.metered, self.minutes_left()) {
            (false, _) => Quality::Full,
            (true, Some(0)) => Quality::VoiceOnly,
            (true, _) => Quality::Smaller,
        }
    }

    /// A call begins to cost.
    pub fn begin(&mut self, now: Time) {
        self.call = Some(Counting {
            counted: now,
            tally: Tally::default(),
            pictured: None,
            kept: now,
            metered_rest: Duration::ZERO,
            picture_rest: Duration::ZERO,
            said: None,
        });
    }

    /// So much has gone through the call by `now`. True: what was counted is to be kept.
    pub fn count(&mut self, tally: Tally, now: Time) -> bool {
        let (metered, month) = (self.metered, self.month);
        let Some(call) = &mut self.call else { return false };
        let passed = now.since(call.counted);
        call.counted = now;
        let bytes = tally.bytes.saturating_sub(call.tally.bytes);
        if tally.picture_bytes > call.tally.picture_bytes {
            call.pictured = Some(now);
        }
        call.tally = tally;
        let spent = self.usage.count(month);
        spent.bytes += bytes;
        if metered {
            spent.metered_bytes += bytes;
            spent.metered_seconds += whole_seconds(&mut call.metered_rest, passed);
            if call.pictured.is_some_and(|last| now.since(last) < STILL_GOES) {
                spent.picture_seconds += whole_seconds(&mut call.picture_rest, passed);
            }
        }
        self.consider_saying(now);
        let Some(call) = &mut self.call else { return false };
        let due = now.since(call.kept) >= KEPT_EVERY;
        if due {
            call.kept = now;
        }
        due
    }

    /// So many bytes more have gone through for a station that is listened to. True: what was counted is to
    /// be kept.
    pub fn listened(&mut self, bytes: u64, now: Time) -> bool {
        let metered = self.metered;
        let spent = self.usage.count(self.month);
        spent.bytes += bytes;
        spent.metered_bytes += if metered { bytes } else { 0 };
        let due = now.since(*self.kept.get_or_insert(now)) >= KEPT_EVERY;
        if due {
            self.kept = Some(now);
        }
        due
    }

    /// The call is over.
    pub fn end(&mut self) {
        self.call = None;
    }

    fn consider_saying(&mut self, now: Time) {
        let Some(left) = self.minutes_left().filter(|left| self.metered && *left > 0) else {
            return;
        };
        let Some(call) = &mut self.call else { return };
        let mark = |left: u64| SAID_AT.into_iter().filter(|mark| left <= *mark).min();
        let Some(reached) = mark(left) else { return };
        if call.said.is_none_or(|(said, _)| mark(said).is_none_or(|before| reached < before)) {
            call.said = Some((left, now));
        }
    }

    /// What the resident is to read of it at this moment.
    pub fn words(&self, now: Time) -> Option<String> {
        let (left, since) = self.call.as_ref()?.said?;
        let fresh = self.allowed() == Quality::Smaller && now.since(since) < SAID_FOR;
        fresh.then(|| words::minutes_left(left))
    }
}

fn whole_seconds(rest: &mut Duration, passed: Duration) -> u64 {
    *rest += passed;
    let whole = rest.as_secs();
    *rest -= Duration::from_secs(whole);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(number: u32) -> Month {
        Month::new(2026, number).unwrap()
    }

    fn at(ms: u64) -> Time {
        Time::from_micros(ms * 1000)
    }

    /// `seconds` of a call from `from` on, looked at every 990 ms; with pictures, or voice alone.
    fn talk(
        budget: &mut Budget,
        tally: &mut Tally,
        pictures: bool,
        from: u64,
        seconds: u64,
    ) -> u64 {
        let mut now = from * 1000;
        while now < (from + seconds) * 1000 {
            now += 990;
            tally.bytes += 100;
            tally.picture_bytes += if pictures { 60 } else { 0 };
            budget.count(*tally, at(now));
        }
        now / 1000
    }

    #[test]
    fn seconds_count_where_they_cost_and_none_gets_lost_between_two_looks() {
        let mut budget = Budget::new(Usage::default(), 0, month(11));
        let mut tally = Tally::default();
        budget.begin(at(0));
        let end = talk(&mut budget, &mut tally, true, 0, 100);
        assert_eq!(budget.spent(), Spent { bytes: 10_200, ..Spent::default() });
        budget.set_metered(true);
        let end = talk(&mut budget, &mut tally, true, end, 99);
        let voice = talk(&mut budget, &mut tally, false, end, 99);
        let spent = budget.spent();
        assert_eq!(spent.bytes, tally.bytes);
        assert_eq!(spent.metered_bytes, tally.bytes - 10_200);
        assert!((197..=201).contains(&spent.metered_seconds), "{spent:?} until {voice}");
        assert!((98..=103).contains(&spent.picture_seconds), "{spent:?}");
    }

    #[test]
    fn a_new_month_begins_at_nothing_and_the_old_one_stays() {
        let mut budget = Budget::new(Usage::default(), 1, month(11));
        budget.set_metered(true);
        budget.begin(at(0));
        let mut tally = Tally::default();
        let end = talk(&mut budget, &mut tally, true, 0, 70);
        assert_eq!(budget.allowed(), Quality::VoiceOnly);
        assert_eq!(budget.minutes_left(), Some(0));
        budget.set_month(month(12));
        assert_eq!((budget.allowed(), budget.minutes_left()), (Quality::Smaller, Some(1)));
        talk(&mut budget, &mut tally, true, end, 10);
        assert!(budget.usage().of(month(11)).picture_seconds >= 60);
        assert!(budget.usage().of(month(12)).picture_seconds <= 12);
    }

    #[test]
    fn it_is_kept_every_ten_minutes() {
        let mut budget = Budget::new(Usage::default(), 0, month(11));
        budget.begin(at(0));
        let tally = Tally { bytes: 1, picture_bytes: 0 };
        let kept = (1..=3000_u64).filter(|second| budget.count(tally, at(second * 1000))).count();
        assert_eq!(kept, 5);
        budget.end();
        assert!(!budget.count(tally, at(9_000_000)));
    }

    #[test]
    fn what_a_station_costs_is_counted_too_and_takes_no_minutes_of_pictures() {
        let mut budget = Budget::new(Usage::default(), 12, month(11));
        assert!(!budget.listened(1000, at(0)));
        budget.set_metered(true);
        assert!(!budget.listened(200, at(599_000)));
        assert!(budget.listened(30, at(600_000)));
        let spent = Spent { bytes: 1230, metered_bytes: 230, ..Spent::default() };
        assert_eq!((budget.spent(), budget.minutes_left()), (spent, Some(12)));
    }

    #[test]
    fn the_minutes_left_are_said_at_ten_five_and_one_and_for_a_while() {
        let mut budget = Budget::new(Usage::default(), 12, month(11));
        budget.set_metered(true);
        budget.begin(at(0));
        let mut tally = Tally::default();
        let mut said = Vec::new();
        for second in 1..=13 * 60_u64 {
            tally.picture_bytes += 1;
            budget.count(tally, at(second * 1000));
            let words = budget.words(at(second * 1000));
            if let Some(words) = words.filter(|words| said.last() != Some(words)) {
                said.push(words);
            }
        }
        let starts: Vec<_> = said.iter().filter_map(|words| words.split(" with").next()).collect();
        assert_eq!(starts, ["10 minutes", "5 minutes", "1 minute"]);
        assert_eq!(budget.allowed(), Quality::VoiceOnly);
        assert_eq!(budget.words(at(13 * 60 * 1000)), None);
    }

    #[test]
    fn a_month_that_begins_in_a_call_takes_the_words_back_and_says_its_own() {
        let mut budget = Budget::new(Usage::default(), 2, month(11));
        budget.set_metered(true);
        budget.begin(at(0));
        let mut tally = Tally::default();
        let end = talk(&mut budget, &mut tally, true, 0, 62);
        assert!(budget.words(at(end * 1000)).unwrap().starts_with("1 minute with"));
        budget.set_month(month(12));
        assert_eq!(budget.words(at(end * 1000)), None);
        let end = talk(&mut budget, &mut tally, true, end, 2);
        assert!(budget.words(at(end * 1000)).unwrap().starts_with("2 minutes with"));
        let end = talk(&mut budget, &mut tally, true, end, 62);
        assert!(budget.words(at(end * 1000)).unwrap().starts_with("1 minute with"));
    }

    #[test]
    fn a_call_that_starts_with_few_minutes_says_how_many() {
        let mut usage = Usage::default();
        usage.count(month(11)).picture_seconds = 53 * 60 + 1;
        let mut budget = Budget::new(usage, 60, month(11));
        budget.set_metered(true);
        budget.begin(at(0));
        budget.count(Tally::default(), at(1000));
        assert!(budget.words(at(1000)).unwrap().starts_with("7 minutes with pictures"));
        assert_eq!(budget.words(at(22_000)), None);
        // On a network that costs nothing there is nothing to say.
        budget.set_metered(false);
        budget.begin(at(30_000));
        budget.count(Tally::default(), at(31_000));
        assert_eq!(budget.words(at(31_000)), None);
    }
}
