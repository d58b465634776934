//! The noise of the other's room, for the time in which nothing is known of it.
//!
//! ```text
//! decoded ─> the quietest 20 ms of late ─> pieces of it, at random places, laid over each other
//! ```
//! Digital silence between words sounds like a line that died. The noise is made of what the room
//! itself sounded like, so its colour fits; pieces overlap by half with slopes whose squares add up
//! to one, so its loudness does, too. Pure: the chance is a seed.

use std::collections::VecDeque;
use std::f32::consts::FRAC_PI_2;

/// Samples that are looked at and kept: 20 ms.
const BED: usize = 960;
/// Samples of a slope, half a piece: 5 ms.
const SLOPE: usize = 240;
/// By how much the level that counts as quiet rises with each 20 ms (1.7 dB a second): a room that
/// got louder is believed after some seconds.
const RISE: f32 = 1.004;
/// Never louder than this, root of mean square: 38 dB under full scale.
const LOUDEST: f32 = 400.0;

/// Learns the noise and makes more of it.
#[derive(Debug)]
pub struct Comfort {
    bed: Vec<f32>,
    level: f32,
    heard: Vec<f32>,
    /// The second half of the last piece.
    tail: Vec<f32>,
    made: VecDeque<i16>,
    /// Sine and cosine along a slope.
    slope: Vec<(f32, f32)>,
    seed: u32,
}

impl Default for Comfort {
    fn default() -> Self {
        Self {
            bed: vec![0.0; BED],
            level: LOUDEST,
            heard: Vec::with_capacity(BED),
            tail: vec![0.0; SLOPE],
            made: VecDeque::new(),
            slope: (0..SLOPE)
                .map(|index| ((index as f32 + 0.5) / SLOPE as f32 * FRAC_PI_2).sin_cos())
                .collect(),
            seed: 1,
        }
    }
}

impl Comfort {
    /// This was decoded.
    pub fn learn(&mut self, sound: &[i16]) {
        for sample in sound {
            self.heard.push(f32::from(*sample));
            if self.heard.len() == BED {
                self.judge();
            }
        }
    }

    /// Root of mean square of what counts as quiet.
    pub fn level(&self) -> f32 {
        self.level
    }

    /// The next sample of noise.
    pub fn sample(&mut self) -> i16 {
        if self.made.is_empty() {
            self.make();
        }
        self.made.pop_front().unwrap_or(0)
    }

    /// The next `count` samples of noise, behind what is in `into`.
    pub fn samples(&mut self, mut count: usize, into: &mut Vec<i16>) {
        while count > 0 {
            if self.made.is_empty() {
                self.make();
            }
            let there = count.min(self.made.len());
            into.extend(self.made.drain(..there));
            count -= there;
        }
    }

    fn judge(&mut self) {
        let energy: f32 = self.heard.iter().map(|sample| sample * sample).sum();
        let level = (energy / BED as f32).sqrt();
        self.level = (self.level * RISE).min(LOUDEST);
        if level <= self.level {
            self.level = level.max(1.0);
            std::mem::swap(&mut self.bed, &mut self.heard);
        }
        self.heard.clear();
    }

    fn make(&mut self) {
        let chance = self.chance();
        let from = chance as usize % (BED - 2 * SLOPE);
        let sign = if chance & 0x8000 == 0 { 1.0 } else { -1.0 };
        let (rise, fall) = (&self.bed[from..], &self.bed[from + SLOPE..]);
        let tail = self.tail.iter_mut();
        for (((sin, cos), tail), (rise, fall)) in
            self.slope.iter().zip(tail).zip(rise.iter().zip(fall))
        {
            self.made.push_back((*tail + rise * sign * sin) as i16);
            *tail = fall * sign * cos;
        }
    }

    /// A linear congruential generator (Numerical Recipes), its upper half.
    fn chance(&mut self) -> u32 {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.seed >> 16
    }
}

/// Lay the start of `new` over what would have gone on: from the old to the new, evenly.
pub fn blend(new: &mut [i16], mut old: impl FnMut(usize) -> i16) {
    let length = new.len() as f32;
    for (index, sample) in new.iter_mut().enumerate() {
        let share = (index as f32 + 0.5) / length;
        *sample = (f32::from(*sample) * share + f32::from(old(index)) * (1.0 - share)) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(level: f32, count: usize) -> Vec<i16> {
        let mut seed = 7u32;
        let mut chance = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32 * 2.0 - 1.0
        };
        (0..count).map(|_| (chance() * level * 3f32.sqrt()) as i16).collect()
    }

    fn level(sound: &[i16]) -> f32 {
        let energy: f32 = sound.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        (energy / sound.len() as f32).sqrt()
    }

    #[test]
    fn the_noise_between_words_is_as_loud_as_the_room_was() {
        let mut comfort = Comfort::default();
        for _ in 0..20 {
            comfort.learn(&noise(60.0, 9600));
            comfort.learn(&noise(5000.0, 9600));
        }
        let mut made = Vec::new();
        comfort.samples(47_950, &mut made);
        made.extend((0..50).map(|_| comfort.sample()));
        assert_eq!(made.len(), 48_000);
        assert!((45.0..75.0).contains(&level(&made)), "{}", level(&made));
    }

    #[test]
    fn a_room_that_got_louder_is_believed_after_a_while() {
        let mut comfort = Comfort::default();
        comfort.learn(&noise(10.0, 9600));
        comfort.learn(&noise(100.0, 48_000 * 15));
        assert!(comfort.level() > 80.0, "{}", comfort.level());
    }

    #[test]
    fn before_anything_was_heard_there_is_silence() {
        let mut comfort = Comfort::default();
        assert!((0..4800).all(|_| comfort.sample() == 0));
    }

    #[test]
    fn loud_sound_alone_is_no_noise_of_a_room() {
        let mut comfort = Comfort::default();
        comfort.learn(&noise(5000.0, 48_000));
        assert!((0..4800).all(|_| comfort.sample() == 0));
    }
}
