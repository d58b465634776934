//! When the next picture may go, and how large it may be: pictures that never queue.
//!
//! ```text
//!   word on a picture ──> Line: base, queue, rate ──rate──> Ladder: rung, quality ──> Order
//!                           │                                            ▲
//!   picture taken ──> credits: room on the way? ──── its time? ──────────┘        ──> encode, send
//!                           │                                                       in pieces,
//!                           └── spacing ──────────────────────────────────────────> spaced
//! ```
//! A full socket is no measure on a path through SSH, whose windows and relay hold seconds of
//! pictures unseen, and voice stands in the same queue. So a picture goes when what is under way is
//! not overdue: one at least, six at most. Measured through a 0.6 Mbit/s relay, credits by delay keep
//! pictures at 0.12 s where blocking writes let them grow 15 s old. The rest is in [`mod@line`] (how
//! much), [`ladder`] (of what), and in the stream's writer, which puts a picture on the line in pieces
//! at the rate it was found to carry, so that voice finds a gap behind each.

mod ceiling;
pub mod ladder;
mod late;
mod line;
mod probe;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod stories;

use std::collections::VecDeque;
use std::time::Duration;

pub use ceiling::Ceiling;
use ladder::{Ladder, Order, STILLS, Top, VOICE_ONLY};
use line::{Line, Trip, Verdict};

use crate::clock::Time;
use crate::frame::Size;
use crate::quality::Quality;
use crate::wire::packet::{piece_of, segment_of};

/// Unacknowledged pictures that are allowed before a word came, and on a line without a limit.
const ALWAYS: usize = 2;
/// Unacknowledged pictures that are never exceeded.
const NEVER_OVER: usize = 6;
/// What a picture may be over the way there and back on a thin line, besides the line's tolerance.
const GRACE: Duration = Duration::from_millis(20);
/// The same on a line without a known limit, where a machine's own hiccups are most of it.
const OPEN_GRACE: Duration = Duration::from_millis(40);
/// How fast the base of the round trip rises: 5 ms in a second.
const RISE_PER_SECOND: f64 = 0.005;
/// A picture without word for this long is taken for lost: acknowledgements may be, and a gate
/// that waits for them would be shut for ever. This leaves a still every two seconds.
const FORGOTTEN: Duration = Duration::from_secs(2);
/// So many lost in a row, and there is only the voice.
const LOST_FOR_VOICE: u64 = 3;
/// How much earlier than the line would be free a picture may be made.
const EARLY: Duration = Duration::from_millis(3);
/// Pictures a second before two were taken.
const USUAL_FPS: f64 = 30.0;

#[derive(Clone, Copy, Debug)]
struct Sent {
    sequence: u32,
    bytes: usize,
    piece: usize,
    began: Time,
    left: Time,
    probe: bool,
}

/// The gate and what is behind it. Pure: `now` is an argument.
#[derive(Clone, Debug)]
pub struct Pace {
    line: Line,
    ladder: Ladder,
    unacknowledged: VecDeque<Sent>,
    /// The least from a picture's leaving to its word's being read, slowly rising.
    round: Option<Duration>,
    measured: Time,
    /// When the stream's writer will be done with what it has, and its bytes a second.
    free: Time,
    written_at: u32,
    due: Time,
    /// When the last picture was handed over.
    last: Option<Time>,
    /// Whoever writes the pictures spaces them.
    spaced: bool,
    taken: Option<Time>,
    interval: f64,
    lost_in_row: u64,
    lost: u64,
}

impl Pace {
    /// A gate that knows nothing of the path yet, for pictures of `size` and `quality` at their best.
    pub fn new(size: Size, quality: u8) -> Self {
        Self {
            line: Line::new(),
            ladder: Ladder::new(Top { size, fps: USUAL_FPS, quality }),
            unacknowledged: VecDeque::new(),
            round: None,
            measured: Time::default(),
            free: Time::default(),
            written_at: 0,
            due: Time::default(),
            last: None,
            spaced: true,
            taken: None,
            interval: 1.0 / USUAL_FPS,
            lost_in_row: 0,
            lost: 0,
        }
    }

    /// The same where nobody spaces pictures: each leaves at once, whatever [`Pace::spacing`] was.
    #[must_use]
    pub fn unspaced(self) -> Self {
        Self { spaced: false, ..self }
    }

    /// The camera took a picture, whatever becomes of it: how often it does is learnt from that.
    pub fn taken(&mut self, captured: Time) {
        if let Some(before) = self.taken.replace(captured) {
            let interval = captured.since(before).as_secs_f64().clamp(0.001, 2.0);
            self.interval += (interval - self.interval) / 8.0;
        }
        self.ladder.set_fps(1.0 / self.interval);
    }

    /// How the picture just taken is to be, if it may go now. Nothing is kept of the answer: a
    /// picture that is then not sent costs nothing.
    pub fn order(&mut self, ceiling: Quality, now: Time) -> Option<Order> {
        self.forget(now);
        if ceiling == Quality::VoiceOnly {
            self.ladder.to_voice_only();
            return None;
        }
        let order = if self.lost_in_row > 0 {
            self.ladder.still()
        } else {
            let settle = !self.line.is_suspected();
            let starting = self.line.is_starting();
            self.ladder.order(self.line.rate(), ceiling, starting, settle, now)
        };
        (self.has_room(now) && self.is_due(&order, now)).then_some(order)
    }

    fn forget(&mut self, now: Time) {
        let old = |sent: &Sent| now.since(sent.left) > FORGOTTEN;
        while self.unacknowledged.front().is_some_and(old) {
            self.unacknowledged.pop_front();
            self.lost += 1;
            self.lost_in_row += 1;
        }
    }

    fn has_room(&self, now: Time) -> bool {
        let waiting = self.unacknowledged.len();
        let Some(oldest) = self.unacknowledged.front() else { return true };
        if waiting >= NEVER_OVER || now + EARLY < self.free {
            return false;
        }
        let Some(round) = self.round else { return waiting < ALWAYS };
        if self.lost_in_row > 0 {
            return false;
        }
        if self.line.rate().is_none() {
            let patience = round + self.line.tolerance() + OPEN_GRACE;
            return waiting < ALWAYS || now.since(oldest.left) < patience;
        }
        now.since(oldest.left) < round + self.line.tolerance() + GRACE
    }

    fn is_due(&self, order: &Order, now: Time) -> bool {
        let interval = 1.0 / order.fps;
        if interval < 1.2 * self.interval {
            return true;
        }
        let early = Duration::from_secs_f64((self.interval / 2.0).min(interval / 4.0));
        // The rung of the one before may have been a slower one.
        let since_last =
            self.last.map_or(Time::default(), |last| last + Duration::from_secs_f64(interval));
        now + early >= self.due.min(since_last)
    }

    /// The picture `sequence`, made by `order` and with the quality it says there, has `bytes` and is
    /// handed to the stream now.
    pub fn sent(&mut self, sequence: u32, order: &Order, bytes: usize, now: Time) {
        self.ladder.cost_was(order.eighths, order.quality, bytes);
        let began = now.max(self.free);
        let (spacing, probe) = (self.spacing(), self.line.probes());
        self.line.handed_over(now);
        self.written_at = spacing;
        let (piece, left) = if spacing == 0 {
            (segment_of(bytes), began)
        } else {
            let piece = piece_of(bytes, spacing);
            let before_last = bytes.saturating_sub(1) / piece * piece;
            let took = |bytes: usize| Duration::from_secs_f64(bytes as f64 / f64::from(spacing));
            self.free = began + took(bytes);
            (piece, began + took(before_last))
        };
        self.unacknowledged.push_back(Sent { sequence, bytes, piece, began, left, probe });
        let interval = Duration::from_secs_f64(1.0 / order.fps);
        self.due = self.due.min(now + interval).max(now - interval) + interval;
        self.last = Some(now);
    }

    /// The receiver's word on `sequence` came at `now`, which may be a moment ago: it and all before it
    /// are there or given up. It had `arrived` at that moment of our clock. How long the way took, as far as is known; `None` when
    /// it was not waited for.
    pub fn acknowledged(&mut self, sequence: u32, arrived: Time, now: Time) -> Option<Duration> {
        let at = self.unacknowledged.iter().position(|sent| sent.sequence == sequence)?;
        let sent = self.unacknowledged.drain(..=at).next_back()?;
        let took = now.since(sent.left);
        let risen = self.round.map(|round| {
            round
                + Duration::from_secs_f64(now.since(self.measured).as_secs_f64() * RISE_PER_SECOND)
        });
        self.round = Some(risen.map_or(took, |risen| risen.min(took)));
        self.measured = now;
        if std::mem::take(&mut self.lost_in_row) > 0 {
            // What came through a silence says when that ended, and nothing of the line.
            self.line.silent(now);
            self.ladder.forget_failures();
            return Some(took);
        }
        let Sent { bytes, piece, began, left, probe, .. } = sent;
        let arrived = arrived.near(now);
        let trip = Trip { bytes, piece, began, left, probe, arrived };
        let full = self.ladder.full_bytes();
        let verdict = self.line.arrived(&trip, full, now);
        if verdict == Verdict::Cut {
            self.ladder.troubled(now);
        }
        Some(took)
    }

    /// The quality for one more try at a picture that came out far larger than it should; `None`:
    /// it may go as it is.
    pub fn another_try(&self, order: &Order, bytes: usize) -> Option<u8> {
        let quality = self.ladder.quality_for(order, bytes)?;
        let far = bytes as f64 > 1.4 * order.budget? as f64;
        (far && quality + 5 <= order.quality).then_some(quality)
    }

    /// Bytes a second at which the stream is to write pictures; 0: as fast as it can.
    pub fn spacing(&self) -> u32 {
        if self.spaced { self.line.spacing() as u32 } else { 0 }
    }

    /// The spacing for what is being written now, if that is no longer what it began with.
    pub fn respaced(&mut self, now: Time) -> Option<u32> {
        let (before, after) = (self.written_at, self.spacing().max(self.written_at / 4));
        // A doubt may be a stall, and slowness then would be one of our own.
        let doubted = self.line.is_suspected();
        if after == before || doubted || self.spacing() == 0 || self.free <= now {
            return None;
        }
        let ratio = f64::from(before) / f64::from(after);
        let moved = |then: Time| now + then.since(now).mul_f64(ratio);
        self.free = moved(self.free);
        if let Some(last) = self.unacknowledged.back_mut().filter(|last| last.left > now) {
            last.left = moved(last.left);
        }
        self.written_at = after;
        Some(after)
    }

    /// Where on the ladder pictures are.
    pub fn rung(&self) -> usize {
        match self.lost_in_row {
            0 => self.ladder.rung(),
            1..LOST_FOR_VOICE => self.ladder.rung().max(STILLS),
            _ => VOICE_ONLY,
        }
    }

    /// Bytes a second that pictures may take; `None`: no limit is known.
    pub fn rate(&self) -> Option<f64> {
        self.line.rate()
    }

    /// Whether the rate is known, as far as it can be: pictures need not be sent to learn it.
    pub fn is_settled(&self) -> bool {
        self.lost_in_row == 0 && !self.line.is_starting()
    }

    /// Pictures nobody has said a word about in two seconds.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}
