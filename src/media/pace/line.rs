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

use std::time::Duration;

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
    Start { first_word: Option<Time>, doubled: Time, clean: u32 },
    Known { top: f64, grown: f64 },
    Open,
}

/// A run of pictures that were all late.
#[derive(Clone, Copy, Debug)]
struct LateRun {
    since: Time,
    words: u32,
    bytes: f64,
    seconds: f64,
    /// Bytes a second of the fastest.
    best: f64,
    least: i64,
    /// Delay of the one before, and when that began.
    before: (i64, Time),
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
    /// The rate before the last cut, until that is beyond doubt.
    uncut: Option<f64>,
    cut: Time,
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
            uncut: None,
            cut: Time::default(),
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
            Mode::Known { .. } => self.rate().unwrap_or(0.0),
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
        let change = (excess - self.excess).abs().min(MOST_JITTER);
        self.jitter += (change as f64 - self.jitter) / 16.0;
        self.excess = excess;
        let (bytes, seconds) = self.train(trip, base);
        let since_word = self.word.replace(now).map_or(Duration::ZERO, |word| now.since(word));
        let late = u128::try_from(excess).unwrap_or(0) > self.tolerance().as_micros();
        if !late {
            self.run = None;
            self.suspected = None;
            let sample = (bytes > 0.0).then(|| bytes / seconds);
            if let Some(sample) = sample {
                // Half a picture's pieces may have waited behind a word of voice: a fast one counts more.
                let weight = if sample > self.passed { 0.5 } else { 0.125 };
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
            // It left before less was sent, and still tells whether that was needed.
            self.doubt_the_cut(excess, bytes / seconds);
            return Verdict::Late;
        }
        self.uncut = None;
        self.late(trip, delay, (bytes, seconds), now)
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
            self.mode = Mode::Known { top: self.rate / AFTER_CUT, grown: 0.0 };
            self.uncut = None;
        }
    }

    fn late(&mut self, trip: &Trip, delay: i64, train: (f64, f64), now: Time) -> Verdict {
        let (bytes, seconds) = train;
        let run = self.run.get_or_insert(LateRun {
            since: now,
            words: 0,
            bytes: 0.0,
            seconds: 0.0,
            best: 0.0,
            least: i64::MAX,
            before: (delay, trip.began),
        });
        run.words += 1;
        run.bytes += bytes;
        run.seconds += seconds;
        run.best = run.best.max(bytes / seconds);
        run.least = run.least.min(delay);
        // A stall's end is the same for all that waited: who left later waited less.
        let (before, began) = std::mem::replace(&mut run.before, (delay, trip.began));
        let falls = before.saturating_sub(delay).saturating_mul(2)
            > micros_between(began, trip.began)
            && run.words > 1;
        let run = *run;
        if run.words >= STUBBORN_WORDS && now.since(run.since) >= STUBBORN {
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
        let mean = run.bytes / run.seconds;
        let lasting = now.since(run.since) >= LASTING && mean < known;
        if bytes == 0.0 || (sample >= known || falls) && !lasting {
            // A stall: what waited behind it came at once.
            self.suspected = None;
            return Verdict::Late;
        }
        if run.words < enough {
            if !matches!(self.mode, Mode::Open) || delay - self.base.unwrap_or(0) > FAR_OVER {
                self.suspected = Some((AFTER_CUT * sample).max(LEAST_RATE));
            }
            return Verdict::Late;
        }
        // The first one behind a stall has waited for that.
        let measured = if run.best < known { run.best } else { mean };
        self.uncut = Some(self.rate).filter(|_| !matches!(self.mode, Mode::Open));
        let most = if matches!(self.mode, Mode::Open) { known } else { 0.95 * known };
        self.rate = (AFTER_CUT * measured).min(most).max(LEAST_RATE);
        self.mode = Mode::Known { top: (self.rate / AFTER_CUT).max(LEAST_RATE), grown: 0.0 };
        self.suspected = None;
        self.cut = now;
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
            self.rate = (AFTER_WARM * *best).max(LEAST_RATE);
            self.mode = Mode::Known { top: self.rate / AFTER_CUT, grown: 0.0 };
            self.warm = (0, 0.0);
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
                        self.mode = Mode::Known { top: self.rate, grown: PLATEAU };
                    }
                } else if held && *clean >= 10 {
                    // No more passes: from here on by small steps.
                    self.mode = Mode::Known { top: self.rate, grown: PLATEAU };
                }
            }
            Mode::Known { top, grown } => {
                let passes = BEYOND * self.passed >= self.rate;
                if passes {
                    *grown += since_word.as_secs_f64().min(2.0);
                    let cubed = match *grown - PLATEAU {
                        below if below < 0.0 => (1.0 - AFTER_CUT) * (below / PLATEAU).powi(3),
                        above => 0.1 * (above / STRIDE).powi(3),
                    };
                    self.rate = self.rate.max(*top * (1.0 + cubed));
                }
            }
        }
        if self.rate * OPEN_WITHIN >= full.max(LARGEST) as f64 {
            self.mode = Mode::Open;
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

fn micros_between(from: Time, to: Time) -> i64 {
    let micros = i128::from(to.micros()) - i128::from(from.micros());
    i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
}
