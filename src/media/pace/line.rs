//! What the line carries, learnt from when pictures arrived: a rate that leaves no queue behind.
//!
//! ```text
//!                      two pictures late, slower than they were sent: cut
//!            ┌───────────────────────────────┐ ┌─────┐
//!            │                               ▼ ▼     │
//!  ──> Start ┤ doubles on clean words      Known ────┘ grows by a cubic since the cut
//!            │                              ▲ │
//!            └──> Open <────────────────────┼─┘ a whole picture passes in 10 ms
//!                  └────── three late ──────┘
//! ```
//! *Delay* is from the last byte's leaving to the picture's arrival, so a picture's own length is not
//! in it; *base* is its least, slowly rising; what is over the base is a queue that pictures made, and
//! voice stands in the same one. A rate is measured as a train of bytes at the far end: bytes by the
//! time from the first one's arrival (or the picture's before, if that was later) to the last one's.
//! A stall and a thin line look alike at the first late picture and differ at the second: behind a
//! stall it comes at once. The cubic is that of RFC 9438, its time in seconds and not in round trips:
//! close to what was too much it is slow, and far from it fast.
//!
//! A machine or a radio with hiccups looks like that too, now and then, and pictures that are spaced
//! can't arrive faster than they leave. So late runs that ended by themselves are remembered for some
//! seconds: with them it takes more to cut, and a cut is no more than a half until what was under way
//! has borne it out. And where the rate is large enough for it to do no harm, one picture goes whole
//! now and then: if it passes in 10 ms, the line is open again.

use std::time::Duration;

use super::late::{Carried, LateRun};
use super::probe::Probe;
use crate::clock::Time;

/// Bytes a second that are tried first; the opening of a call must not be a burst.
const FIRST_RATE: f64 = 32_000.0;
/// Nothing slower is believed: a still would take for ever.
const LEAST_RATE: f64 = 2_000.0;
/// How long the first rate is kept, after the first word.
const HOLD: Duration = Duration::from_secs(1);
/// Between two doublings, at least.
const DOUBLING: Duration = Duration::from_millis(90);
/// A line on which the largest picture stands in front of voice for no longer than this needs no care.
const OPEN_WITHIN: f64 = 0.010;
/// What the largest picture is taken for, at least, in bytes.
const LARGEST: usize = 16_000;
/// How fast the base rises, as much as clocks drift apart: half a millisecond in a second.
const RISE: f64 = 0.0005;
/// Of the rate measured while there was a queue, this is taken: the rest empties it.
const AFTER_CUT: f64 = 0.9;
/// Seconds after a cut at which the cubic is back where the cut was.
const PLATEAU: f64 = 2.0;
/// Seconds behind the plateau in which a rate that is not too much grows by a tenth, and then faster.
const STRIDE: f64 = 1.4;
/// A stall does not last so long.
const LASTING: Duration = Duration::from_millis(400);
/// On a line without a known limit, one picture so many µs late casts a doubt on that.
const FAR_OVER: i64 = 100_000;
/// A picture so many µs late has met no hiccup.
const NO_STALL: i64 = 150_000;
/// So many words in a row that met a queue, too short to be late, are one that stands.
const WARM_WORDS: u32 = 4;
/// Of what passed then, this is taken.
const AFTER_WARM: f64 = 0.95;
/// In µs: pictures that are later than this are so because of a queue, or of something lost.
const LONGEST_STALL: i64 = 250_000;
/// More than this, in µs, is no jitter but a stall or a queue.
const MOST_JITTER: i64 = 40_000;
/// What was measured before a pause of this length is not mixed with what is measured now.
const OLD: Duration = Duration::from_millis(500);
/// A rate is believed up to this many times what was measured: bursts at it have to pass.
const BEYOND: f64 = 1.1;
/// Words that were all late for this long, whatever was cut, speak of a longer path and no queue.
const STUBBORN: Duration = Duration::from_millis(1500);
/// How many they must be.
const STUBBORN_WORDS: u32 = 4;
/// Late runs that ended by themselves are forgotten in about so many seconds.
const HICCUP_MEMORY: f64 = 5.0;
/// So many more words at most are waited for because of them.
const MOST_PATIENCE: u32 = 3;
/// Where a late run may be a hiccup, no more is cut at a time than leaves this.
const HALF: f64 = 0.5;
/// A run of this length is no hiccup.
const NO_HICCUP: Duration = Duration::from_millis(250);

/// One picture's way to the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trip {
    /// Its bytes.
    pub(super) bytes: usize,
    /// Bytes that left together at first.
    pub(super) piece: usize,
    /// When its first byte left.
    pub(super) began: Time,
    /// When its last piece left.
    pub(super) left: Time,
    /// It left whole, to see whether it passes ([`Line::probes`]).
    pub(super) probe: bool,
    /// When it had arrived, on our clock.
    pub(super) arrived: Time,
}

/// What a word on a picture meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// In time.
    Clean,
    /// Late; whether the line is to blame is not known.
    Late,
    /// The line is thinner than what is sent: less from now on.
    Cut,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Start {
        first_word: Option<Time>,
        doubled: Time,
        clean: u32,
    },
    /// `drop`: by what part of `top` the rate was cut.
    Known {
        top: f64,
        grown: f64,
        drop: f64,
    },
    Open,
}

/// The estimate. Pure: `now` is an argument.
#[derive(Clone, Debug)]
pub(super) struct Line {
    mode: Mode,
    rate: f64,
    suspected: Option<f64>,
    base: Option<i64>,
    /// The piece with which the base was measured: its own length is in it.
    base_piece: usize,
    measured: Time,
    excess: i64,
    jitter: f64,
    arrived: Option<Time>,
    word: Option<Time>,
    run: Option<LateRun>,
    /// Bytes a second that passed in time, smoothed.
    passed: f64,
    /// Words in a row that met half a queue, and the fastest of them.
    warm: (u32, f64),
    /// What was under way at the last cut.
    behind: Carried,
    /// The rate before the last cut, until that is beyond doubt.
    uncut: Option<f64>,
    cut: Time,
    /// Late runs of late that ended by themselves.
    hiccups: f64,
    probe: Probe,
}

impl Line {
    /// One of which nothing is known.
    pub(super) fn new() -> Self {
        Self {
            mode: Mode::Start { first_word: None, doubled: Time::default(), clean: 0 },
            rate: FIRST_RATE,
            suspected: None,
            base: None,
            base_piece: 0,
            measured: Time::default(),
            excess: 0,
            jitter: 0.0,
            arrived: None,
            word: None,
            run: None,
            passed: 0.0,
            warm: (0, 0.0),
            behind: Carried::default(),
            uncut: None,
            cut: Time::default(),
            hiccups: 0.0,
            probe: Probe::new(),
        }
    }

    /// Bytes a second that pictures may take; `None`: as many as they are.
    pub(super) fn rate(&self) -> Option<f64> {
        match self.mode {
            Mode::Open => self.suspected,
            Mode::Start { .. } | Mode::Known { .. } => {
                Some(self.suspected.map_or(self.rate, |suspected| suspected.min(self.rate)))
            }
        }
    }

    /// A late picture has cast a doubt on the rate that the next word will settle.
    pub(super) fn is_suspected(&self) -> bool {
        self.suspected.is_some()
    }

    /// Bytes a second at which a picture's pieces are to leave; 0: at once.
    pub(super) fn spacing(&self) -> f64 {
        match self.mode {
            Mode::Open => self.suspected.unwrap_or(0.0),
            // The first picture goes as it is; the next ones ask whether more would pass.
            Mode::Start { first_word: None, .. } => 0.0,
            Mode::Start { .. } => 4.0 * self.rate,
            Mode::Known { .. } if self.probes() => 0.0,
            Mode::Known { .. } => self.rate().unwrap_or(0.0),
        }
    }

    /// The next picture is to go whole, to see whether it passes.
    pub(super) fn probes(&self) -> bool {
        self.probe.is_asked() && self.suspected.is_none()
    }

    /// A picture has been handed over; one that was to go whole has.
    pub(super) fn handed_over(&mut self, now: Time) {
        if self.probes() {
            self.probe.rest(now);
        }
    }

    /// It climbs for the first time, or again after silence: nothing has been too much yet.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self.mode, Mode::Start { .. })
    }

    /// How far over the base a picture may be and still be in time.
    pub(super) fn tolerance(&self) -> Duration {
        let base = self.base.unwrap_or(0).clamp(0, 100_000) as f64;
        let own = match self.mode {
            Mode::Known { .. } => 10_000.0,
            Mode::Start { .. } | Mode::Open => 25_000.0,
        };
        Duration::from_micros((own + base / 10.0 + (1.5 * self.jitter).min(30_000.0)) as u64)
    }

    /// A picture has arrived; `full` is what one at the top of the ladder has in bytes.
    pub(super) fn arrived(&mut self, trip: &Trip, full: usize, now: Time) -> Verdict {
        let delay = micros_between(trip.left, trip.arrived);
        let risen = self
            .base
            .map(|base| base + (now.since(self.measured).as_secs_f64() * RISE * 1e6) as i64);
        let base = risen.map_or(delay, |risen| risen.min(delay));
        if base == delay {
            self.base_piece = trip.piece;
        }
        (self.base, self.measured) = (Some(base), now);
        let excess = delay - base;
        if trip.probe && self.judge_probe(trip, excess, now) {
            self.arrived = Some(trip.arrived);
            self.word = Some(now);
            return Verdict::Clean;
        }
        let change = (excess - self.excess).abs().min(MOST_JITTER);
        self.jitter += (change as f64 - self.jitter) / 16.0;
        self.excess = excess;
        let (bytes, seconds) = self.train(trip, base);
        let since_word = self.word.replace(now).map_or(Duration::ZERO, |word| now.since(word));
        if self.hiccups > 0.0 {
            self.hiccups *= (-since_word.as_secs_f64() / HICCUP_MEMORY).exp();
        }
        let late = u128::try_from(excess).unwrap_or(0) > self.tolerance().as_micros();
        if !late {
            if self.run.take().is_some_and(|run| !run.cut) {
                self.hiccups += 1.0;
            }
            self.suspected = None;
            let sample = (bytes > 0.0).then(|| bytes / seconds);
            if let Some(sample) = sample {
                // Half a picture's pieces may have waited behind a word of voice: a fast one counts more.
                let weight = if sample > self.passed { 0.5 } else { 0.125 };
                // What waited behind something lost comes at once, which says nothing of the line.
                let sample = if self.is_starting() { sample } else { sample.min(2.0 * self.rate) };
                let weight = if since_word > OLD { 1.0 } else { weight };
                self.passed += (sample - self.passed) * weight;
            }
            if self.is_warm() {
                if trip.began >= self.cut {
                    self.cool(sample, now);
                }
                return Verdict::Clean;
            }
            self.warm = (0, 0.0);
            self.grow(sample, since_word, full, now);
            return Verdict::Clean;
        }
        if trip.began < self.cut {
            // It left before less was sent, and still tells whether that was needed, and enough.
            self.doubt_the_cut(excess, bytes / seconds);
            self.deepen_the_cut(bytes, seconds);
            return Verdict::Late;
        }
        self.uncut = None;
        self.late(trip, delay, (bytes, seconds), now)
    }

    /// Whether a picture that left whole was no later than that makes it. If it passed as on a line
    /// that needs no care, this is one.
    fn judge_probe(&mut self, trip: &Trip, excess: i64, now: Time) -> bool {
        let over = excess as f64 / 1e6;
        let passed = over <= OPEN_WITHIN;
        if passed {
            self.mode = Mode::Open;
        }
        self.probe.judged(passed, now);
        over <= trip.bytes as f64 / self.rate + self.tolerance().as_secs_f64()
    }

    /// The bytes that came one after the other, and how long that took.
    fn train(&mut self, trip: &Trip, base: i64) -> (f64, f64) {
        let alone = trip.began.offset(base);
        let before = self.arrived.replace(trip.arrived).filter(|before| *before > alone);
        let bytes = match before {
            Some(_) => trip.bytes,
            None => trip.bytes.saturating_sub(self.base_piece),
        };
        let took = trip.arrived.since(before.unwrap_or(alone));
        (bytes as f64, took.as_secs_f64().max(200e-6))
    }

    /// What was under way at a cut passed as fast as before: two stalls in a row have looked like a
    /// thin line.
    fn doubt_the_cut(&mut self, excess: i64, sample: f64) {
        let Some(rate) = self.uncut else { return };
        if excess < LONGEST_STALL && sample >= AFTER_CUT * rate {
            self.rate = self.rate.max(AFTER_CUT * rate);
            self.hiccups += 1.0;
            self.known_to_carry(self.rate);
            self.uncut = None;
        }
    }

    /// `rate` is what is left of a little more.
    fn known_to_carry(&mut self, rate: f64) {
        self.rate = rate.max(LEAST_RATE);
        let top = self.rate / AFTER_CUT;
        self.mode = Mode::Known { top, grown: 0.0, drop: 1.0 - AFTER_CUT };
    }

    /// What was under way at a cut came more slowly still: the first ones had passed the old line in
    /// part. Carried something lost they would come at once.
    fn deepen_the_cut(&mut self, bytes: f64, seconds: f64) {
        self.behind.add(bytes, seconds);
        let mean = AFTER_CUT * self.behind.mean();
        if self.behind.tells() && self.behind.best < self.rate && mean < AFTER_CUT * self.rate {
            self.known_to_carry(mean);
        }
    }

    fn late(&mut self, trip: &Trip, delay: i64, train: (f64, f64), now: Time) -> Verdict {
        let (bytes, seconds) = train;
        let run = self.run.get_or_insert_with(|| LateRun::new(delay, trip.began, now));
        let falls = run.add(train, delay, trip.began);
        let run = *run;
        if run.all.words >= STUBBORN_WORDS && now.since(run.since) >= STUBBORN {
            self.base = Some(run.least);
            self.run = None;
            self.suspected = None;
            return Verdict::Late;
        }
        let sample = bytes / seconds;
        let (enough, known) = match self.mode {
            Mode::Open => (3, LARGEST as f64 / OPEN_WITHIN),
            Mode::Start { .. } | Mode::Known { .. } => (2, self.rate),
        };
        let open = matches!(self.mode, Mode::Open);
        let over = delay - self.base.unwrap_or(0);
        let far = over > NO_STALL;
        let patience = if far { 0 } else { (self.hiccups as u32).min(MOST_PATIENCE) };
        let enough = enough + patience;
        let lasts = far || now.since(run.since) >= NO_HICCUP;
        let least = if (open || patience > 0) && !lasts { HALF * known } else { LEAST_RATE };
        let mean = run.all.mean();
        let lasting = now.since(run.since) >= LASTING && mean < known;
        if bytes == 0.0 || (sample >= known || falls) && !lasting {
            // A stall: what waited behind it came at once.
            self.suspected = None;
            return Verdict::Late;
        }
        if run.all.words < enough {
            if !open || over > FAR_OVER {
                self.suspected = Some((AFTER_CUT * sample).max(least));
            }
            return Verdict::Late;
        }
        // The first one behind a stall has waited for that.
        let measured = if run.all.best < known { run.all.best } else { mean };
        self.uncut = Some(self.rate).filter(|_| !open);
        let most = if open { known } else { 0.95 * known };
        self.known_to_carry((AFTER_CUT * measured).min(most).max(least));
        if AFTER_CUT * measured < least {
            self.mode = Mode::Known { top: known, grown: 0.0, drop: 1.0 - HALF };
        }
        if let Some(run) = &mut self.run {
            run.cut = true;
        }
        self.probe.rest(now);
        self.suspected = None;
        self.cut = now;
        self.behind = Carried::default();
        Verdict::Cut
    }

    /// Half of what would be late: a queue begins to stand.
    fn is_warm(&self) -> bool {
        let jitter = (1.5 * self.jitter).min(30_000.0);
        // A start asks for more than the line carries; that is how it is to be.
        !self.is_starting()
            && self.excess as f64 >= (self.tolerance().as_micros() as f64 + jitter) / 2.0
    }

    /// Where it stands, a little less: what passes is what the line carries.
    fn cool(&mut self, sample: Option<f64>, now: Time) {
        let (words, best) = &mut self.warm;
        *words += 1;
        *best = best.max(sample.unwrap_or(f64::INFINITY));
        if *words >= WARM_WORDS && *best < self.rate && !matches!(self.mode, Mode::Open) {
            let best = std::mem::take(&mut self.warm).1;
            self.known_to_carry(AFTER_WARM * best);
            self.cut = now;
        }
    }

    /// More, since nothing was late.
    fn grow(&mut self, sample: Option<f64>, since_word: Duration, full: usize, now: Time) {
        match &mut self.mode {
            Mode::Open => return,
            Mode::Start { first_word: first_word @ None, doubled, .. } => {
                *first_word = Some(now);
                *doubled = now;
            }
            Mode::Start { first_word: Some(first_word), doubled, clean } => {
                *clean += 1;
                let held = now.since(*first_word) >= HOLD && now.since(*doubled) >= DOUBLING;
                let room = sample.is_none_or(|sample| sample >= 1.2 * self.rate);
                if held && *clean >= 2 && room {
                    let most = sample.map_or(f64::INFINITY, |sample| 0.8 * sample);
                    (*doubled, *clean) = (now, 0);
                    let known = most < 1.2 * self.rate;
                    self.rate = (2.0 * self.rate).min(most).max(self.rate);
                    if known {
                        self.mode = Mode::Known { top: self.rate, grown: PLATEAU, drop: 0.0 };
                    }
                } else if held && *clean >= 10 {
                    // No more passes: from here on by small steps.
                    self.mode = Mode::Known { top: self.rate, grown: PLATEAU, drop: 0.0 };
                }
            }
            Mode::Known { top, grown, drop } => {
                let passes = BEYOND * self.passed >= self.rate;
                if passes {
                    *grown += since_word.as_secs_f64().min(2.0);
                    let cubed = match *grown - PLATEAU {
                        below if below < 0.0 => *drop * (below / PLATEAU).powi(3),
                        above => 0.1 * (above / STRIDE).powi(3),
                    };
                    self.rate = self.rate.max(*top * (1.0 + cubed));
                }
            }
        }
        if self.rate * OPEN_WITHIN >= full.max(LARGEST) as f64 {
            self.mode = Mode::Open;
        }
        if matches!(self.mode, Mode::Known { .. }) {
            self.probe.known(self.rate, now);
        }
    }

    /// Nobody has said a word for long: what was known is old, and a part of it is tried first.
    pub(super) fn silent(&mut self, now: Time) {
        let known = self.rate().unwrap_or(FIRST_RATE * 8.0);
        self.rate = (known / 4.0).max(FIRST_RATE.min(known));
        self.mode = Mode::Start { first_word: Some(now - HOLD), doubled: now, clean: 0 };
        self.suspected = None;
        self.run = None;
        self.cut = now;
    }
}

pub(super) fn micros_between(from: Time, to: Time) -> i64 {
    let micros = i128::from(to.micros()) - i128::from(from.micros());
    i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
}
