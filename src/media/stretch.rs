//! Takes a few milliseconds out of sound, or puts them in, without a click or a change of pitch.
//!
//! ```text
//! shorten   a b c d e ─> a(b×c) d e        lengthen   a b c d ─> a b(c×a) b c d
//! ```
//! Two stretches that look alike, one pitch period apart, are laid over each other: what lay between
//! is gone, or is heard twice (overlap-add at the best similarity, as WSOLA does: Verhelst and
//! Roelands, ICASSP 1993). Pure.

use std::collections::VecDeque;

/// Samples that are looked at: 20 ms.
pub const NEEDED: usize = 960;
/// Samples laid over each other: 5 ms.
const OVERLAP: usize = 240;
/// Shortest and longest piece: 2.5 to 15 ms, a voice's pitch periods.
pub const SHORTEST: usize = 120;
const LONGEST: usize = NEEDED - OVERLAP;

/// Take between 2.5 and 15 ms, at most `most` samples, out of the front 20 ms of `sound`; the
/// samples taken, 0 if there are fewer than [`NEEDED`].
pub fn shorten(sound: &mut VecDeque<i16>, most: usize) -> usize {
    let Some((front, lag)) = front(sound, most, NEEDED) else { return 0 };
    for index in 0..OVERLAP {
        let share = index as f32 / OVERLAP as f32;
        sound[index] = (front[index] * (1.0 - share) + front[index + lag] * share) as i16;
    }
    sound.drain(OVERLAP..OVERLAP + lag);
    lag
}

/// Put between 2.5 and 15 ms, at most `most` samples, into the front of `sound`; the samples put in,
/// 0 where there is too little to repeat (7.5 ms).
pub fn lengthen(sound: &mut VecDeque<i16>, most: usize) -> usize {
    let Some((front, lag)) = front(sound, most, OVERLAP + SHORTEST) else { return 0 };
    // The first `lag` samples twice, with the second start laid over what went on.
    for index in 0..OVERLAP {
        let share = index as f32 / OVERLAP as f32;
        sound[index] = (front[index + lag] * (1.0 - share) + front[index] * share) as i16;
    }
    for sample in front[..lag].iter().rev() {
        sound.push_front(*sample as i16);
    }
    lag
}

/// The front of `sound`, and the distance at which it looks most like its own start.
fn front(sound: &VecDeque<i16>, most: usize, needed: usize) -> Option<(Vec<f32>, usize)> {
    if sound.len() < needed || most < SHORTEST {
        return None;
    }
    let front: Vec<f32> = sound.iter().take(NEEDED).map(|sample| f32::from(*sample)).collect();
    let longest = most.min(LONGEST).min(front.len() - OVERLAP);
    let lag = best_lag(&front, longest);
    Some((front, lag))
}

/// Where the sound looks most like its own start; the longest where there is only quiet.
fn best_lag(front: &[f32], longest: usize) -> usize {
    let start = &front[..OVERLAP];
    let mut best = (longest, f32::MIN);
    // Every fourth lag and sample: 12 kHz is enough to find a pitch of at most 400 Hz.
    for lag in (SHORTEST..=longest).rev().step_by(4) {
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

    fn wave() -> VecDeque<i16> {
        (0..2000).map(|i| ((i as f32 / 240.0 * TAU).sin() * 8000.0) as i16).collect()
    }

    /// The largest step from one sample to the next; the wave itself has 210.
    fn steepest(sound: &VecDeque<i16>) -> i32 {
        let steps = sound.iter().zip(sound.iter().skip(1));
        steps.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_loses_whole_waves_and_does_not_click() {
        let mut sound = wave();
        let taken = shorten(&mut sound, usize::MAX);
        assert!((SHORTEST..=LONGEST).contains(&taken));
        assert_eq!(sound.len(), 2000 - taken);
        assert!(steepest(&sound) < 400, "a step of {}", steepest(&sound));
    }

    #[test]
    fn a_tone_gains_whole_waves_and_does_not_click() {
        for most in [usize::MAX, 300] {
            let mut sound = wave();
            let put = lengthen(&mut sound, most);
            assert!((SHORTEST..=LONGEST.min(most)).contains(&put));
            assert_eq!(sound.len(), 2000 + put);
            assert!(steepest(&sound) < 400, "a step of {}", steepest(&sound));
        }
    }

    #[test]
    fn no_more_is_taken_or_put_in_than_is_asked_for() {
        let mut quiet: VecDeque<i16> = vec![0; 2000].into();
        assert_eq!(shorten(&mut quiet, 200), 200);
        assert_eq!(lengthen(&mut quiet, 250), 250);
        assert_eq!(shorten(&mut quiet, SHORTEST - 1), 0);
    }

    #[test]
    fn too_little_sound_stays_as_it_is() {
        let mut sound: VecDeque<i16> = (0..959).collect();
        assert_eq!(shorten(&mut sound, usize::MAX), 0);
        assert_eq!(sound.len(), 959);
        let mut little: VecDeque<i16> = (0..359).collect();
        assert_eq!(lengthen(&mut little, usize::MAX), 0);
    }
}
