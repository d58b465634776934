//! Decides which packet is heard when; pure, `now` is an argument.
//!
//! ```text
//!            first packet                 target reached
//!  Quiet ─────────────────> Filling ─────────────────────> Playing <─────┐ a packet
//!    ▲                                                        │ nothing   │ came
//!    └───────────────────── 60 ms hidden ── Hiding <──────────┘───────────┘
//! ```
//! The target is the spread of the arrivals of the last 10 s (97th percentile over the fastest),
//! within [`FLOOR`] and [`CEILING`]. Nothing makes the delay grow but lateness itself: what was
//! hidden or quiet is time gained. What is there above the target for a second is [`Jitter::excess`],
//! which the playout takes out again. Sound that was missing counts as a gap only if the peer was
//! sending meanwhile: its capture times tell.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Time;
use crate::frame::{PERIOD_SAMPLES, Packet, SAMPLE_RATE};

/// The least sound held back, on a clean path.
pub const FLOOR: Duration = Duration::from_millis(20);
/// The most sound held back.
pub const CEILING: Duration = Duration::from_millis(300);
/// The longest time that is hidden by inventing sound; then it is quiet.
const HIDDEN_LIMIT: usize = 60 * 48;
/// Packets whose arrival is remembered: 10 s of 20 ms.
const REMEMBERED: usize = 500;
/// Of these, what share may be later than the target allows.
const PERCENTILE: usize = 97;
/// Pulls between two looks at the lowest depth: 1 s.
const WINDOW: u32 = 100;
/// Depth over the target that is left alone.
const SLACK: usize = 10 * 48;
/// More than this over the ceiling is dropped in one piece.
const FLOOD: usize = 200 * 48;
/// Sequence numbers further back than this are another sender's, not late.
const LATE_LIMIT: i32 = 1000;
/// Samples of the slots in which gaps are counted.
const GAP_SLOT: usize = 20 * 48;

/// What the playout is to do for its next samples.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Decode this packet.
    Decode(Packet),
    /// Invent this many samples.
    Conceal(usize),
    /// This many samples of quiet.
    Quiet(usize),
}

/// Figures so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterFigures {
    /// Packets taken in.
    pub packets: u64,
    /// Slots of 20 ms without sound while the peer was sending.
    pub gaps: u64,
    /// Packets that came twice, or after their turn.
    pub late: u64,
    /// Packets dropped because far too much was waiting.
    pub dropped: u64,
    /// The delay aimed at.
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
    first_arrival: Time,
    last: Option<Last>,
    /// Sequence number of the packet played last.
    played: Option<u32>,
    /// Samples without sound since the last packet that was played.
    missing: usize,
    /// Arrival after capture in µs, newest last. The clocks need not agree: only the spread counts.
    transits: VecDeque<i64>,
    lowest: usize,
    pulls: u32,
    excess: usize,
    figures: JitterFigures,
}

impl Default for Jitter {
    fn default() -> Self {
        Self {
            phase: Phase::Quiet,
            held: VecDeque::new(),
            held_samples: 0,
            first_arrival: Time::default(),
            last: None,
            played: None,
            missing: 0,
            transits: VecDeque::with_capacity(REMEMBERED),
            lowest: usize::MAX,
            pulls: 0,
            excess: 0,
            figures: JitterFigures { target: FLOOR, ..JitterFigures::default() },
        }
    }
}

impl Jitter {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet of `samples` has arrived.
    pub fn push(&mut self, packet: Packet, samples: usize, now: Time) {
        if let Some(last) = &self.last {
            let step = packet.sequence.wrapping_sub(last.sequence).cast_signed();
            if (-LATE_LIMIT..=0).contains(&step) {
                self.figures.late += 1;
                return;
            }
            if !(0..=LATE_LIMIT).contains(&step) {
                // Another sender, or one that started anew.
                self.transits.clear();
                self.missing = 0;
                self.played = None;
            } else {
                self.forgive_pause(last_silence(last, &packet, step));
            }
        } else {
            self.missing = 0;
        }
        self.note_transit(&packet, now);
        self.last = Some(Last { sequence: packet.sequence, captured: packet.captured, samples });
        self.figures.packets += 1;
        if self.held.is_empty() && self.phase == Phase::Quiet {
            self.phase = Phase::Filling;
            self.first_arrival = now;
        }
        self.held_samples += samples;
        self.held.push_back(Held { packet, samples });
        self.drop_flood();
    }

    /// What comes next when `decoded` samples are waiting behind the decoder. Call again until there
    /// are enough for one period.
    pub fn next(&mut self, decoded: usize, now: Time) -> Step {
        if self.phase == Phase::Filling {
            let waited = now.since(self.first_arrival);
            if waited < self.figures.target && self.held_samples < samples(self.figures.target) {
                if self.missing > 0 {
                    self.missing += PERIOD_SAMPLES;
                }
                return Step::Quiet(PERIOD_SAMPLES);
            }
            self.phase = Phase::Playing;
            self.start_window();
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

    /// The playout has taken a period and `decoded` samples are left behind the decoder.
    pub fn pulled(&mut self, decoded: usize) {
        if self.phase != Phase::Playing {
            return;
        }
        self.lowest = self.lowest.min(self.held_samples + decoded);
        self.pulls += 1;
        if self.pulls >= WINDOW {
            let wanted = samples(self.figures.target) + SLACK;
            // Down to the target itself, or the slack would stay for ever.
            self.excess = if self.lowest > wanted { self.lowest - wanted + SLACK } else { 0 };
            self.start_window();
        }
    }

    /// Samples that lie above the target and are to be taken out.
    pub fn excess(&self) -> usize {
        if self.phase == Phase::Playing { self.excess } else { 0 }
    }

    /// The playout has taken this many samples out.
    pub fn shortened(&mut self, samples: usize) {
        self.excess = self.excess.saturating_sub(samples);
        self.lowest = self.lowest.saturating_sub(samples);
    }

    /// Whether sound is being played and fewer samples than a period are there for it.
    pub fn is_starving(&self, decoded: usize) -> bool {
        self.phase == Phase::Playing && self.held_samples + decoded < PERIOD_SAMPLES
    }

    /// Figures so far.
    pub fn figures(&self) -> JitterFigures {
        self.figures
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
            let is_low = self.held_samples + decoded <= samples(self.figures.target) + SLACK;
            if is_low && hide >= PERIOD_SAMPLES {
                return Some(Step::Conceal(hide - hide % PERIOD_SAMPLES));
            }
        }
        let next = self.held.pop_front()?;
        self.held_samples -= next.samples;
        self.played = Some(next.packet.sequence);
        self.count_missing();
        if self.phase != Phase::Playing {
            self.phase = Phase::Playing;
            self.start_window();
        }
        Some(Step::Decode(next.packet))
    }

    fn start_window(&mut self) {
        self.pulls = 0;
        self.lowest = usize::MAX;
    }

    /// What was missing since the last packet turns out to be a gap.
    fn count_missing(&mut self) {
        // A slot counts from its half on: 10 ms is one.
        self.figures.gaps += ((self.missing + GAP_SLOT / 2) / GAP_SLOT) as u64;
        self.missing = 0;
    }

    /// The peer sent nothing for `pause`: as much of what is missing was no gap.
    fn forgive_pause(&mut self, pause: Duration) {
        self.missing = self.missing.saturating_sub(samples(pause));
        if pause > CEILING {
            // It was hidden: filling up again is no gap either, and old arrivals tell nothing.
            self.missing = 0;
            self.transits.clear();
        }
    }

    fn note_transit(&mut self, packet: &Packet, now: Time) {
        if self.transits.len() == REMEMBERED {
            self.transits.pop_front();
        }
        let transit = now.micros().cast_signed() - packet.captured.micros().cast_signed();
        self.transits.push_back(transit);
        if self.figures.packets.is_multiple_of(10) {
            let mut sorted: Vec<i64> = self.transits.iter().copied().collect();
            sorted.sort_unstable();
            let fastest = sorted.first().copied().unwrap_or(0);
            let late = sorted.get((sorted.len() - 1) * PERCENTILE / 100).copied().unwrap_or(0);
            let spread = u64::try_from(late - fastest).unwrap_or(0);
            self.figures.target = Duration::from_micros(spread).clamp(FLOOR, CEILING);
        }
    }

    /// A sender that caught up after a long cut: the newest wins.
    fn drop_flood(&mut self) {
        if self.held_samples <= samples(CEILING) + FLOOD {
            return;
        }
        while self.held_samples > samples(self.figures.target) {
            let Some(old) = self.held.pop_front() else { break };
            self.held_samples -= old.samples;
            self.played = Some(old.packet.sequence);
            self.figures.dropped += 1;
            self.figures.gaps += (old.samples / GAP_SLOT) as u64;
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

#[cfg(test)]
mod tests;
