//! Generated sound: a steady tone to hear that something works, and bursts to measure when.
//!
//! A burst is 40 ms of 1 kHz every 1010 ms. The odd interval keeps it from falling on the same
//! phase of 10 and 20 ms frames for ever, and a second of quiet tells one burst from the next.

use std::f32::consts::TAU;

use super::null_audio::Metronome;
use super::{AudioSource, DeviceError};
use crate::clock::Time;
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};
use crate::stop::Stop;

/// Samples from the start of a burst to the start of the next: 1010 ms.
pub const BURST_INTERVAL: u64 = 1010 * 48;
/// Samples of a burst: 40 ms.
pub const BURST_SAMPLES: u64 = 40 * 48;

/// A sine, steady or in bursts.
pub struct ToneSource {
    metronome: Metronome,
    /// After so many samples the sine begins anew.
    cycle: Vec<i16>,
    bursts: bool,
    played: u64,
}

impl ToneSource {
    /// A steady sine of `hertz`, its peak at `level` of full scale (0 to 1).
    pub fn steady(hertz: u32, level: f32) -> Self {
        let level = level.clamp(0.0, 1.0);
        let samples = SAMPLE_RATE / common_divisor(hertz, SAMPLE_RATE);
        let sample = |at: u32| {
            // The phase is kept small, or f32 would lose it.
            let phase = (u64::from(at) * u64::from(hertz) % u64::from(SAMPLE_RATE)) as f32;
            ((phase / SAMPLE_RATE as f32 * TAU).sin() * level * 32767.0) as i16
        };
        let cycle = (0..samples).map(sample).collect();
        Self { metronome: Metronome::default(), cycle, bursts: false, played: 0 }
    }

    /// Bursts of 1 kHz at half of full scale.
    pub fn bursts() -> Self {
        Self { bursts: true, ..Self::steady(1000, 0.5) }
    }

    fn sample(&self, at: u64) -> i16 {
        if self.bursts && at % BURST_INTERVAL >= BURST_SAMPLES {
            return 0;
        }
        self.cycle[at as usize % self.cycle.len()]
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl AudioSource for ToneSource {
    fn read(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        stop: &Stop,
    ) -> Result<Option<Time>, DeviceError> {
        for (at, sample) in (self.played..).zip(into.iter_mut()) {
            *sample = self.sample(at);
        }
        self.played += PERIOD_SAMPLES as u64;
        Ok(self.metronome.tick(stop))
    }

    fn overruns(&self) -> u64 {
        self.metronome.overruns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_start_every_1010_ms_and_last_40() {
        let source = ToneSource::bursts();
        let loud = |from: u64, to: u64| (from..to).any(|at| source.sample(at) != 0);
        assert!(loud(0, BURST_SAMPLES));
        assert!(!loud(BURST_SAMPLES, BURST_INTERVAL));
        assert!(loud(BURST_INTERVAL, BURST_INTERVAL + BURST_SAMPLES));
    }

    #[test]
    fn a_tone_keeps_to_its_level() {
        let source = ToneSource::steady(440, 0.25);
        let peak = (0..48_000).map(|at| source.sample(at).unsigned_abs()).max().unwrap();
        assert!((8100..=8192).contains(&peak), "{peak}");
    }
}
