//! What the loudspeaker plays and when it is heard, for the canceller on the microphone's side.
//!
//! ```text
//!  listen ─ played(10 ms, heard at) ─> [ .... a second of loudspeaker time .... ]
//!  talk  <─ heard_during(captured) ──────────────┘
//! ```
//! Both sides bring time stamps that jitter and clocks that drift, while a canceller wants a
//! reference without a seam. So the writer puts period behind period and only its idea of when the
//! first sample was heard moves, slowly; and the reader goes on where it was, at most [`SLEW`] faster
//! or slower, between the samples where it must. A stamp that is [`JUMP`] off, several times running,
//! is believed at once: a card ran dry, or was opened anew. What was never played is silence.

use std::sync::{Mutex, PoisonError};

use crate::clock::Time;
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};

/// Samples kept: a power of two, 1.4 s.
const KEPT: usize = 1 << 16;
/// One sample in µs.
const SAMPLE: f64 = 1e6 / SAMPLE_RATE as f64;
/// A stamp further off than this is no jitter: 5 ms, in samples.
const JUMP: f64 = 240.0;
/// So many stamps running must agree that there was a jump.
const BELIEVED: u32 = 3;
/// The reference is ahead of the microphone by this, in µs: an echo before its cause is not found,
/// and a late one is.
const LEAD: i64 = 5_000;
/// The writer takes in this share of what a stamp is off, once it has seen as many of them.
const SETTLED: f64 = 64.0;
/// The reader makes up for this share of what it is off in a period ...
const CATCH_UP: f64 = 1.0 / 400.0;
/// ... and for no more than this many samples: 500 ppm, more than two cards drift apart.
const SLEW: f64 = 0.25;

/// A second of what was heard; shared by the two workers, locked for microseconds.
#[derive(Debug, Default)]
pub struct FarEnd(Mutex<Track>);

impl FarEnd {
    /// These samples follow those before; the first one is heard at `heard_at`.
    pub fn played(&self, samples: &[i16; PERIOD_SAMPLES], heard_at: Time) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(samples, heard_at);
    }

    /// What was heard in the 10 ms from `captured` on (a little ahead of it, see [`LEAD`]).
    pub fn heard_during(&self, captured: Time, into: &mut [i16; PERIOD_SAMPLES]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(captured, into);
    }
}

/// Loudspeaker time, counted in samples from the first one that was played.
#[derive(Debug)]
struct Track {
    ring: Box<[i16]>,
    /// From here on samples are known, and silence where none were played ...
    begin: i64,
    /// ... up to here.
    end: i64,
    /// When the sample 0 was heard, or would have been by the card's clock of now, in µs.
    origin: Option<f64>,
    stamps: f64,
    writer: Doubt,
    /// Where the reader goes on.
    at: Option<f64>,
    reader: Doubt,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            ring: vec![0; KEPT].into_boxed_slice(),
            begin: 0,
            end: 0,
            origin: None,
            stamps: 0.0,
            writer: Doubt::default(),
            at: None,
            reader: Doubt::default(),
        }
    }
}

impl Track {
    fn write(&mut self, samples: &[i16; PERIOD_SAMPLES], heard_at: Time) {
        let heard_at = heard_at.micros() as f64;
        let origin = *self.origin.get_or_insert(heard_at - self.end as f64 * SAMPLE);
        // In samples; positive: heard later than the ones before would have it.
        let off = (heard_at - origin) / SAMPLE - self.end as f64;
        if self.writer.is_jump(off) {
            self.skip(off.round() as i64);
            self.stamps = 0.0;
        } else if off.abs() <= JUMP {
            self.stamps = (self.stamps + 1.0).min(SETTLED);
            self.origin = Some(origin + off * SAMPLE / self.stamps);
        }
        self.append(samples);
    }

    /// Nothing was heard for `samples`; or, if negative, the last ones will not be heard.
    fn skip(&mut self, samples: i64) {
        if samples.unsigned_abs() >= KEPT as u64 {
            self.end += samples;
            self.begin = self.end;
        } else if samples < 0 {
            self.end += samples;
            self.begin = self.begin.min(self.end);
        } else {
            for _ in 0..samples {
                self.append(&[0]);
            }
        }
    }

    fn append(&mut self, samples: &[i16]) {
        for sample in samples {
            self.ring[slot(self.end)] = *sample;
            self.end += 1;
        }
        self.begin = self.begin.max(self.end - KEPT as i64);
    }

    fn read(&mut self, captured: Time, into: &mut [i16; PERIOD_SAMPLES]) {
        let Some(origin) = self.origin else {
            into.fill(0);
            return;
        };
        let wanted = (captured.offset(LEAD).micros() as f64 - origin) / SAMPLE;
        let at = *self.at.get_or_insert(wanted);
        let off = wanted - at;
        let (at, slew) = if self.reader.is_jump(off) {
            (wanted, 0.0)
        } else if off.abs() <= JUMP {
            (at, (off * CATCH_UP).clamp(-SLEW, SLEW))
        } else {
            (at, 0.0)
        };
        let step = 1.0 + slew / PERIOD_SAMPLES as f64;
        for (n, sample) in (0u16..).zip(into.iter_mut()) {
            *sample = self.between(at + f64::from(n) * step);
        }
        self.at = Some(at + step * PERIOD_SAMPLES as f64);
    }

    /// The sound at a place between two samples, by a Catmull-Rom spline through four.
    fn between(&self, at: f64) -> i16 {
        let first = at.floor();
        let t = (at - first) as f32;
        let index = first as i64;
        let [a, b, c, d] = [-1, 0, 1, 2].map(|n| f32::from(self.sample(index + n)));
        let slope = c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a));
        (b + 0.5 * t * slope).round() as i16
    }

    fn sample(&self, index: i64) -> i16 {
        if (self.begin..self.end).contains(&index) { self.ring[slot(index)] } else { 0 }
    }
}

fn slot(index: i64) -> usize {
    index.rem_euclid(KEPT as i64) as usize
}

/// Tells a jump from an outlier.
#[derive(Debug, Default)]
struct Doubt {
    agreeing: u32,
    last: f64,
}

impl Doubt {
    /// Whether `off` (in samples) is the last of enough stamps that tell of the same jump.
    fn is_jump(&mut self, off: f64) -> bool {
        if off.abs() <= JUMP {
            self.agreeing = 0;
            return false;
        }
        let agrees = self.agreeing > 0 && (off - self.last).abs() <= JUMP;
        self.agreeing = if agrees { self.agreeing + 1 } else { 1 };
        self.last = off;
        if self.agreeing < BELIEVED {
            return false;
        }
        self.agreeing = 0;
        true
    }
}

#[cfg(test)]
mod tests;
