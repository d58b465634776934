//! How loud it is, for the meters on the screen: up at once, down slowly, in steps that sound even.
//!
//! The steps count peaks: speech at a normal distance peaks 10 to 25 dB under full scale (3 and 4),
//! a quiet room 50 dB under it and less (0).

use std::sync::atomic::{AtomicU16, Ordering};

use super::gain::peak;

/// Peaks from which on a step is reached: 46, 37, 28, 18 and 7 dB under full scale.
const STEPS: [u16; 5] = [164, 463, 1305, 4125, 14637];
/// What is left of the reading after 10 ms without sound: it falls by 40 dB a second, so a pause
/// between two words shows and one between two syllables does not.
const FALL: f32 = 0.955;

/// Bring a meter's reading (0 to 32768), which one worker writes, forward by a period of 10 ms.
pub fn follow(reading: &AtomicU16, period: &[i16]) {
    let fallen = f32::from(reading.load(Ordering::Relaxed)) * FALL;
    reading.store(peak(period).max(fallen as u16), Ordering::Relaxed);
}

/// The step of a reading: 0 (silence) to 5 (as loud as it gets).
pub fn step(reading: u16) -> u8 {
    STEPS.iter().filter(|from| reading >= **from).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decibels(below: f32) -> u16 {
        (32768.0 * 10f32.powf(-below / 20.0)) as u16
    }

    #[test]
    fn speech_shows_three_or_four_and_a_quiet_room_nothing() {
        assert_eq!(step(0), 0);
        assert_eq!(step(decibels(50.0)), 0);
        assert_eq!(step(decibels(24.0)), 3);
        assert_eq!(step(decibels(12.0)), 4);
        assert_eq!(step(32768), 5);
    }

    #[test]
    fn no_step_is_left_out_on_the_way_up_or_down() {
        let mut last = 0;
        for reading in 0..=32768 {
            let now = step(reading);
            assert!(now == last || now == last + 1, "{last} to {now} at {reading}");
            last = now;
        }
        assert_eq!(last, 5);
    }

    #[test]
    fn a_shout_shows_at_once_and_is_gone_after_a_second_of_silence() {
        let reading = AtomicU16::new(0);
        let hear = |sample| {
            follow(&reading, &[sample; 480]);
            step(reading.load(Ordering::Relaxed))
        };
        assert_eq!(hear(-30_000), 5);
        assert_eq!(hear(0), 5);
        let after = (0..120).map(|_| hear(0)).collect::<Vec<_>>();
        assert!(after.is_sorted_by(|a, b| a >= b), "{after:?}");
        assert_eq!(after.last(), Some(&0));
    }
}
