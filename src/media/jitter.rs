//! Decides which packet is heard when; pure, `now` is an argument.
//!
//! ```text
//!            first packet                 margin reached
//!  Quiet ─────────────────> Filling ─────────────────────> Playing <─────┐ a packet
//!    ▲                                                        │ nothing   │ came
//!    └───────────────────── 60 ms hidden ── Hiding <──────────┘───────────┘
//! ```
//! The *margin* is how much later than the fastest packet a packet may come and still be in time. It
//! is known at every arrival, since it is the time until that packet is played plus its lateness. The
//! margin wanted is [`target`]'s. Where the two differ [`Jitter::excess`] and [`Jitter::lack`] tell
//! the playout what to take out or to put in; in a pause the next packet simply waits as long as is
//! right. Sound that was missing is a gap only if the peer was sending meanwhile: its capture times
//! tell.

pub mod target;

use std::collections::VecDeque;
use std::time::Duration;

use self::target::Target;
use crate::clock::Time;
use crate::frame::{PERIOD_SAMPLES, Packet, SAMPLE_RATE};

/// The most sound held back.
pub const CEILING: Duration = Duration::from_millis(300);
/// The longest time that is hidden by inventing sound; then there is noise only.
const HIDDEN_LIMIT: usize = 60 * 48;
/// More than this over the ceiling is dropped in one piece.
const FLOOD: usize = 200 * 48;
/// Sequence numbers further back than this are another sender's, not late.
const LATE_LIMIT: i32 = 1000;
/// Samples of the slots in which gaps are counted.
const GAP_SLOT: usize = 20 * 48;
/// Margin over and under what is wanted that is left alone, in µs.
const OVER: i64 = 10_000;
const UNDER: i64 = 3_000;
/// A packet is overdue when it is this much later than the fastest would be.
const OVERDUE: Duration = Duration::from_millis(10);
/// Silence of the sender's own will from here on is a pause, in which everything may change.
const PAUSE: Duration = Duration::from_millis(60);

/// What the playout is to do for its next samples.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Decode this packet.
    Decode(Packet),
    /// Invent this many samples.
    Conceal(usize),
    /// This many samples of the noise of the room.
    Quiet(usize),
}

/// Figures so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterFigures {
    /// Packets taken in.
    pub packets: u64,
    /// Samples in them.
    pub samples: u64,
    /// Slots of 20 ms without sound while the peer was sending.
    pub gaps: u64,
    /// Samples without sound while the peer was sending.
    pub concealed: u64,
    /// Packets that came twice, or after their turn.
    pub late: u64,
    /// Packets dropped because far too much was waiting.
    pub dropped: u64,
    /// The margin aimed at.
    pub target: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Quiet,
    Filling,
    Playing,
    /// Samples hidden so far.
    Hiding(usize),
}

struct Held {
    packet: Packet,
    samples: usize,
}

struct Last {
    sequence: u32,
    captured: Time,
    samples: usize,
}

/// The buffer between arrival and playing.
pub struct Jitter {
    phase: Phase,
    held: VecDeque<Held>,
    held_samples: usize,
    last: Option<Last>,
    /// Sequence number of the packet played last.
    played: Option<u32>,
    /// Samples without sound since the last packet that was played.
    missing: usize,
    target: Target,
    /// Margin at the last arrival, with what was taken out and put in since, in µs.
    margin: i64,
    /// When the playout was last asked, and what was left behind the decoder then.
    pulled: Option<(Time, usize)>,
    figures: JitterFigures,
}

impl Default for Jitter {
    fn default() -> Self {
        Self {
            phase: Phase::Quiet,
            held: VecDeque::new(),
            held_samples: 0,
            last: None,
            played: None,
            missing: 0,
            target: Target::default(),
            margin: 0,
            pulled: None,
            figures: JitterFigures { target: target::FLOOR, ..JitterFigures::default() },
        }
    }
}

impl Jitter {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet of `samples` has arrived.
    pub fn push(&mut self, mut packet: Packet, samples: usize, now: Time) {
        packet.captured = packet.captured.near(now);
        if let Some(last) = &self.last {
            let step = packet.sequence.wrapping_sub(last.sequence).cast_signed();
            if (-LATE_LIMIT..=0).contains(&step) {
                self.figures.late += 1;
                return;
            }
            if !(0..=LATE_LIMIT).contains(&step) {
                // Another sender, or one that started anew.
                self.target = Target::default();
                self.missing = 0;
                self.played = None;
            } else {
                self.forgive_pause(last_silence(last, &packet, step));
            }
        } else {
            self.missing = 0;
        }
        let transit = now.micros().cast_signed() - packet.captured.micros().cast_signed();
        let late = self.target.arrived(transit, now);
        self.figures.target = self.target.wanted();
        if matches!(self.phase, Phase::Playing | Phase::Hiding(_)) {
            self.margin = self.time_left(now) + micros(late);
        }
        self.last = Some(Last { sequence: packet.sequence, captured: packet.captured, samples });
        self.figures.packets += 1;
        self.figures.samples += samples as u64;
        if self.held.is_empty() && self.phase == Phase::Quiet {
            self.phase = Phase::Filling;
        }
        self.held_samples += samples;
        self.held.push_back(Held { packet, samples });
        self.drop_flood();
    }

    /// What comes next when `decoded` samples are waiting behind the decoder. Call again until there
    /// are enough for one period.
    pub fn next(&mut self, decoded: usize, now: Time) -> Step {
        if self.phase == Phase::Filling {
            if !self.is_filled(now) {
                if self.missing > 0 {
                    self.missing += PERIOD_SAMPLES;
                }
                return Step::Quiet(PERIOD_SAMPLES);
            }
            self.phase = Phase::Playing;
        }
        if let Some(step) = self.take_next(decoded) {
            return step;
        }
        match self.phase {
            Phase::Quiet | Phase::Filling => {
                self.missing = self.missing.saturating_add(PERIOD_SAMPLES);
                Step::Quiet(PERIOD_SAMPLES)
            }
            Phase::Playing | Phase::Hiding(_) => {
                let hidden = if let Phase::Hiding(hidden) = self.phase { hidden } else { 0 };
                self.missing += PERIOD_SAMPLES;
                if hidden >= HIDDEN_LIMIT {
                    self.phase = Phase::Quiet;
                    Step::Quiet(PERIOD_SAMPLES)
                } else {
                    self.phase = Phase::Hiding(hidden + PERIOD_SAMPLES);
                    Step::Conceal(PERIOD_SAMPLES)
                }
            }
        }
    }

    /// The playout has taken a period at `now` and `decoded` samples are left behind the decoder.
    pub fn pulled(&mut self, decoded: usize, now: Time) {
        self.pulled = Some((now, decoded));
    }

    /// Samples that lie above the margin wanted and are to be taken out.
    pub fn excess(&self) -> usize {
        let over = self.margin - micros(self.target.wanted());
        if self.phase == Phase::Playing && over > OVER { samples_of(over) } else { 0 }
    }

    /// Samples by which the margin is too small and that are to be put in.
    pub fn lack(&self) -> usize {
        let under = micros(self.target.wanted()) - self.margin;
        if self.phase == Phase::Playing && under > UNDER { samples_of(under) } else { 0 }
    }

    /// The playout has taken this many samples out, or put them in where it is negative.
    pub fn shortened(&mut self, samples: i64) {
        self.margin -= samples * 1_000_000 / i64::from(SAMPLE_RATE);
    }

    /// Samples that can be had without inventing any, with `decoded` behind the decoder.
    pub fn at_hand(&self, decoded: usize) -> usize {
        if self.phase == Phase::Playing { self.held_samples + decoded } else { decoded }
    }

    /// Whether what is there ends within a frame and the packet that goes on from it is overdue: time
    /// to stretch what there is.
    pub fn is_running_dry(&self, decoded: usize, now: Time) -> bool {
        let Some(last) = &self.last else { return false };
        if self.phase != Phase::Playing || self.held_samples > 0 || decoded > last.samples {
            return false;
        }
        let due = last.captured.offset(self.target.fastest()) + duration(last.samples);
        now.since(due) > OVERDUE
    }

    /// Whether nothing is played and nothing waits to be.
    pub fn is_quiet(&self) -> bool {
        self.phase == Phase::Quiet && self.held.is_empty()
    }

    /// Whether sound is being played and fewer samples than `needed` are there for it.
    pub fn is_starving(&self, decoded: usize, needed: usize) -> bool {
        self.phase == Phase::Playing && self.held_samples + decoded < needed
    }

    /// Figures so far.
    pub fn figures(&self) -> JitterFigures {
        self.figures
    }

    /// Time from `now` until a packet that came now would be played, in µs.
    fn time_left(&self, now: Time) -> i64 {
        let Some((pulled, decoded)) = self.pulled else { return 0 };
        let next = pulled + duration(PERIOD_SAMPLES + decoded + self.held_samples);
        next.micros().cast_signed() - now.micros().cast_signed()
    }

    /// Whether a start with the next packet would give the margin that is wanted.
    fn is_filled(&mut self, now: Time) -> bool {
        let Some(first) = self.held.front() else { return false };
        let age = now.micros().cast_signed() - first.packet.captured.micros().cast_signed();
        let margin = age - self.target.fastest();
        let wanted = micros(self.target.wanted());
        // Whole periods: what is nearer to the wish than the next one is near enough.
        let filled = margin + 5_000 >= wanted || self.held_samples >= samples(CEILING);
        if filled {
            self.margin = margin;
        }
        filled
    }

    fn take_next(&mut self, decoded: usize) -> Option<Step> {
        if !matches!(self.phase, Phase::Playing | Phase::Hiding(_)) {
            return None;
        }
        let next = self.held.front()?;
        let lost = self
            .played
            .map_or(0, |played| next.packet.sequence.wrapping_sub(played).wrapping_sub(1));
        // Further apart than that are two senders.
        if (1..=LATE_LIMIT.cast_unsigned()).contains(&lost) {
            // Never came: hidden, unless it was already, or time is to be made up for anyway.
            self.played = Some(next.packet.sequence.wrapping_sub(1));
            let lost = (lost as usize).saturating_mul(next.samples);
            let hide = lost.saturating_sub(self.missing).min(HIDDEN_LIMIT);
            self.missing = self.missing.max(lost);
            let wanted = samples(self.target.wanted()) + samples_of(OVER);
            let is_low = self.held_samples + decoded <= wanted.max(GAP_SLOT);
            if is_low && hide >= PERIOD_SAMPLES {
                return Some(Step::Conceal(hide - hide % PERIOD_SAMPLES));
            }
        }
        let next = self.held.pop_front()?;
        self.held_samples -= next.samples;
        self.played = Some(next.packet.sequence);
        self.count_missing();
        self.phase = Phase::Playing;
        Some(Step::Decode(next.packet))
    }

    /// What was missing since the last packet turns out to be a gap.
    fn count_missing(&mut self) {
        // A slot counts from its half on: 10 ms is one.
        self.figures.gaps += ((self.missing + GAP_SLOT / 2) / GAP_SLOT) as u64;
        self.figures.concealed += self.missing as u64;
        self.missing = 0;
    }

    /// The peer sent nothing for `pause`: as much of what is missing was no gap. After a real pause
    /// the delay is chosen anew, which is no gap either.
    fn forgive_pause(&mut self, pause: Duration) {
        let mut forgiven = pause;
        if pause >= PAUSE {
            forgiven += self.target.wanted() + duration(GAP_SLOT);
        }
        self.missing = self.missing.saturating_sub(samples(forgiven));
    }

    /// A sender that caught up after a long cut: the newest wins.
    fn drop_flood(&mut self) {
        if self.held_samples <= samples(CEILING) + FLOOD {
            return;
        }
        while self.held_samples > samples(self.target.wanted()) {
            let Some(old) = self.held.pop_front() else { break };
            self.held_samples -= old.samples;
            self.margin -= micros(duration(old.samples));
            self.played = Some(old.packet.sequence);
            self.figures.dropped += 1;
            self.figures.gaps += (old.samples / GAP_SLOT) as u64;
            self.figures.concealed += old.samples as u64;
        }
    }
}

/// How long the sender was silent of its own will between its last packet and this one.
fn last_silence(last: &Last, packet: &Packet, step: i32) -> Duration {
    if packet.after_gap {
        return Duration::ZERO;
    }
    let frames = u64::try_from(step).unwrap_or(1) * last.samples as u64;
    let sent = Duration::from_micros(frames * 1_000_000 / u64::from(SAMPLE_RATE));
    packet.captured.since(last.captured).saturating_sub(sent)
}

fn samples(duration: Duration) -> usize {
    (duration.as_micros() * u128::from(SAMPLE_RATE) / 1_000_000) as usize
}

/// Samples in so many µs, which are not negative.
fn samples_of(micros: i64) -> usize {
    samples(Duration::from_micros(micros.cast_unsigned()))
}

fn duration(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
