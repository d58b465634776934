//! Two sound cards never count alike: how much the far microphone is faster than our loudspeaker,
//! and sound that is resampled by as much.
//!
//! ```text
//! capture times against samples sent   ─> Rate ─┐
//!                                               ├─ difference ─> Follower: ±0.5 %, not under 20 ppm
//! times it is heard against samples played ─> Rate ─┘
//! ```
//! Measured against the clock and not by the buffer's level: the level moves with every packet that
//! is late, the two rates only with the cards. The slope is the median of the slopes of all pairs
//! of seconds (Theil 1950, Sen 1968), which a second with an xrun does not bend. Pure.

use std::collections::VecDeque;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Adjustable, Async, FixedAsync, PolynomialDegree, Resampler};

use super::comfort::blend;
use crate::clock::Time;
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};

/// Seconds of which the means are kept.
const KEPT: usize = 40;
/// Seconds from which on a slope is believed.
const BELIEVED: usize = 15;
/// Samples (in time) in which one mean is taken: a second.
const SPAN: u64 = SAMPLE_RATE as u64;
/// Drift under which nothing is resampled, in parts per million: 1.2 ms a minute, which a cut in ten
/// minutes makes good for less. Once resampling runs it goes on.
const LEFT_ALONE: f64 = 20.0;
/// More than any card is off; what asks for more is no drift.
const MOST: f64 = 5000.0;

/// How fast a card counts against the clock.
#[derive(Debug, Default)]
pub struct Rate {
    /// Position in µs of the nominal rate, and how much later than that the clock was, in µs.
    means: VecDeque<(f64, f64)>,
    first: Option<(Time, u64)>,
    span: (u64, f64, f64, u32),
    slope: Option<f64>,
}

impl Rate {
    /// When sample number `position` came or went by the clock.
    pub fn note(&mut self, position: u64, at: Time) {
        let (first, from) = *self.first.get_or_insert((at, position));
        let count = position.wrapping_sub(from);
        let nominal = count as f64 * 1e6 / f64::from(SAMPLE_RATE);
        let later = at.micros() as f64 - first.micros() as f64 - nominal;
        let span = &mut self.span;
        if count / SPAN != span.0 && span.3 > 0 {
            let number = f64::from(span.3);
            let mean = (span.1 / number, span.2 / number);
            *span = (count / SPAN, 0.0, 0.0, 0);
            self.take(mean);
        }
        let span = &mut self.span;
        span.0 = count / SPAN;
        span.1 += nominal;
        span.2 += later;
        span.3 += 1;
    }

    /// By how many parts per million it counts faster than the clock; none while not known.
    pub fn ppm(&self) -> Option<f64> {
        self.slope.map(|slope| -slope * 1e6)
    }

    fn take(&mut self, mean: (f64, f64)) {
        if self.means.len() == KEPT {
            self.means.pop_front();
        }
        self.means.push_back(mean);
        if self.means.len() < BELIEVED {
            return;
        }
        let mut slopes = Vec::with_capacity(KEPT * KEPT / 2);
        for (index, one) in self.means.iter().enumerate() {
            for other in self.means.iter().skip(index + 1) {
                slopes.push((other.1 - one.1) / (other.0 - one.0));
            }
        }
        let middle = slopes.len() / 2;
        let (_, median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
        self.slope = Some(*median);
    }
}

/// Resamples by a drift that changes slowly.
pub struct Follower {
    resampler: Option<Async<f32>>,
    /// Parts per million that are being followed.
    ppm: f64,
    output: Vec<f32>,
    /// The next period is its first.
    starts: bool,
}

impl Default for Follower {
    fn default() -> Self {
        Self { resampler: None, ppm: 0.0, output: vec![0.0; PERIOD_SAMPLES], starts: true }
    }
}

impl Follower {
    /// The sound to come is faster than the loudspeaker by so many parts per million.
    pub fn follow(&mut self, ppm: f64) {
        let ppm = ppm.clamp(-MOST, MOST);
        if let Some(resampler) = &mut self.resampler {
            // Once it runs it goes on: starting costs a seam, running costs 5 µs in 10 ms.
            if (ppm - self.ppm).abs() >= LEFT_ALONE / 4.0
                && resampler.set_resample_ratio(ratio(ppm), true).is_ok()
            {
                self.ppm = ppm;
            }
        } else if ppm.abs() >= LEFT_ALONE {
            self.resampler = Async::new_poly(
                ratio(ppm),
                1.011,
                PolynomialDegree::Septic,
                PERIOD_SAMPLES,
                1,
                FixedAsync::Output,
            )
            .ok();
            self.ppm = ppm;
        }
    }

    /// Samples that the next period is made of.
    pub fn needed(&self) -> usize {
        self.resampler.as_ref().map_or(PERIOD_SAMPLES, Resampler::input_frames_next)
    }

    /// Make a period of the front of `sound`, of which [`Follower::needed`] samples are gone then.
    pub fn take(&mut self, sound: &mut VecDeque<i16>, into: &mut [i16; PERIOD_SAMPLES]) {
        let needed = self.needed();
        let taken = sound.drain(..needed.min(sound.len()));
        let Some(resampler) = &mut self.resampler else {
            into.iter_mut().zip(taken).for_each(|(sample, next)| *sample = next);
            return;
        };
        let input: Vec<f32> = taken.map(f32::from).collect();
        let frames = input.len();
        let made = SequentialSlice::new(&input, 1, frames).and_then(|input| {
            SequentialSlice::new_mut(&mut self.output, 1, PERIOD_SAMPLES)
                .map(|mut output| resampler.process_into_buffer(&input, &mut output, None).is_ok())
        });
        if matches!(made, Ok(true)) {
            for (sample, next) in into.iter_mut().zip(&self.output) {
                *sample = next.clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16;
            }
            if std::mem::take(&mut self.starts) {
                // It begins four samples late: slide over to it.
                blend(into, |index| input.get(index).map_or(0, |sample| *sample as i16));
            }
        } else {
            into.iter_mut().zip(input).for_each(|(sample, next)| *sample = next as i16);
        }
    }

    /// Parts per million that are being followed.
    pub fn ppm(&self) -> f64 {
        self.ppm
    }
}

/// Samples out for each sample in.
fn ratio(ppm: f64) -> f64 {
    1.0 / (1.0 + ppm * 1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that is `ppm` too fast, read every 10 ms with up to 4 ms of delay, and 50 ms more
    /// from `torn` seconds on.
    fn measured(ppm: f64, torn: u64) -> f64 {
        let mut rate = Rate::default();
        for n in 0..40 * 100u64 {
            let true_micros = n as f64 * 1e4 / (1.0 + ppm * 1e-6);
            let jump = if n / 100 >= torn { 50_000.0 } else { 0.0 };
            let noise = (n * 7919 % 4001) as f64;
            rate.note(n * 480, Time::from_micros((1e6 + true_micros + jump + noise) as u64));
        }
        rate.ppm().unwrap()
    }

    #[test]
    fn a_card_is_known_to_a_few_parts_per_million() {
        for ppm in [0.0, 50.0, -200.0, 1000.0] {
            let found = measured(ppm, 1000);
            assert!((found - ppm).abs() < 8.0, "{found} for {ppm}");
        }
    }

    #[test]
    fn a_jump_does_not_bend_it() {
        assert!((measured(200.0, 35) - 200.0).abs() < 40.0, "{}", measured(200.0, 35));
    }

    #[test]
    fn nothing_is_resampled_for_a_few_parts_per_million() {
        let mut follower = Follower::default();
        follower.follow(15.0);
        assert_eq!((follower.needed(), follower.ppm()), (PERIOD_SAMPLES, 0.0));
    }

    #[test]
    fn a_tone_stays_a_tone_and_as_much_is_used_up_as_the_drift_says() {
        let wave = |n: usize| ((n as f32 * 0.05).sin() * 10_000.0) as i16;
        for ppm in [1000.0, -1000.0, 5000.0] {
            let mut follower = Follower::default();
            follower.follow(ppm);
            let (mut sound, mut fed, mut used) = (VecDeque::new(), 0, 0);
            let mut heard = Vec::new();
            for _ in 0..1000 {
                let needed = follower.needed();
                sound.extend((fed..fed + needed).map(wave));
                (fed, used) = (fed + needed, used + needed);
                let mut period = [0; PERIOD_SAMPLES];
                follower.take(&mut sound, &mut period);
                heard.extend(period);
            }
            let wanted = 480_000.0 * (1.0 + ppm * 1e-6);
            assert!((used as f64 - wanted).abs() < 20.0, "{used} for {wanted}");
            let steps = heard[480..].windows(2).map(|pair| (pair[1] - pair[0]).abs());
            assert!(steps.max().unwrap() < 520, "the wave has 500");
        }
    }
}
