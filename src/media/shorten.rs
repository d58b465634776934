//! Takes a few milliseconds out of sound without a click or a change of pitch.
//!
//! Two stretches that look alike, one pitch period apart, are laid over each other and what lay
//! between is gone (overlap-add at the best similarity). Pure.

use std::collections::VecDeque;

/// Samples that must be there: 20 ms.
pub const NEEDED: usize = 960;
/// Samples laid over each other: 5 ms.
const OVERLAP: usize = 240;
/// Shortest and longest piece taken out: 2.5 to 15 ms, a voice's pitch periods.
const SHORTEST: usize = 120;
const LONGEST: usize = NEEDED - OVERLAP;

/// Take between 2.5 and 15 ms out of the front 20 ms of `sound`; the samples taken, 0 if there are
/// fewer than [`NEEDED`].
pub fn shorten(sound: &mut VecDeque<i16>) -> usize {
    if sound.len() < NEEDED {
        return 0;
    }
    let front: Vec<f32> = sound.iter().take(NEEDED).map(|sample| f32::from(*sample)).collect();
    let lag = best_lag(&front);
    for index in 0..OVERLAP {
        let share = index as f32 / OVERLAP as f32;
        sound[index] = (front[index] * (1.0 - share) + front[index + lag] * share) as i16;
    }
    sound.drain(OVERLAP..OVERLAP + lag);
    lag
}

/// Where the sound looks most like its own start; the longest where there is only quiet.
fn best_lag(front: &[f32]) -> usize {
    let start = &front[..OVERLAP];
    let mut best = (LONGEST, f32::MIN);
    // Every fourth lag and sample: 12 kHz is enough to find a pitch of at most 400 Hz.
    for lag in (SHORTEST..=LONGEST).rev().step_by(4) {
        let (mut product, mut energy) = (0.0, 1.0);
        for index in (0..OVERLAP).step_by(4) {
            product += start[index] * front[index + lag];
            energy += front[index + lag] * front[index + lag];
        }
        let likeness = product / energy.sqrt();
        if likeness > best.1 {
            best = (lag, likeness);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    #[test]
    fn a_tone_loses_whole_waves_and_does_not_click() {
        let wave = |i: usize| ((i as f32 / 240.0 * TAU).sin() * 8000.0) as i16;
        let mut sound: VecDeque<i16> = (0..2000).map(wave).collect();
        let taken = shorten(&mut sound);
        assert!((SHORTEST..=LONGEST).contains(&taken));
        assert_eq!(sound.len(), 2000 - taken);
        let steps = sound.iter().zip(sound.iter().skip(1));
        let steepest = steps.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap();
        assert!(steepest < 400, "a step of {steepest}, a wave has 210");
    }

    #[test]
    fn too_little_sound_stays_as_it_is() {
        let mut sound: VecDeque<i16> = (0..959).collect();
        assert_eq!(shorten(&mut sound), 0);
        assert_eq!(sound.len(), 959);
    }
}
