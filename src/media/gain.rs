//! Volume by arithmetic, for loudspeakers without a mixer.
//!
//! 10 leaves the sound as it is, every step below is 4 dB quieter, which sounds even, and 0 is
//! silent. A change is spread over 10 ms, or it would click.

/// Decibels of one step.
const STEP_DB: f32 = 4.0;

/// The factor for a volume of 0 to 10.
pub fn factor(volume: u8) -> f32 {
    match volume {
        0 => 0.0,
        10.. => 1.0,
        steps => 10f32.powf(-STEP_DB * f32::from(10 - steps) / 20.0),
    }
}

/// Applies a volume, gliding from the last one.
#[derive(Debug)]
pub struct Gain {
    current: f32,
}

impl Gain {
    /// Starts at `volume`.
    pub fn new(volume: u8) -> Self {
        Self { current: factor(volume) }
    }

    /// Scale `samples`, arriving at `volume` at their end.
    pub fn apply(&mut self, samples: &mut [i16], volume: u8) {
        let target = factor(volume);
        if self.current == 1.0 && target == 1.0 {
            return;
        }
        let step = (target - self.current) / samples.len().max(1) as f32;
        for (index, sample) in (1u16..).zip(samples.iter_mut()) {
            let factor = self.current + step * f32::from(index);
            *sample = (f32::from(*sample) * factor) as i16;
        }
        self.current = target;
    }
}

/// The peak of some samples, 0 to 32768, for a level meter.
pub fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_changes_nothing_and_nought_is_silent() {
        let mut samples = [i16::MIN, -5, 0, 5, i16::MAX];
        let before = samples;
        Gain::new(10).apply(&mut samples, 10);
        assert_eq!(samples, before);
        Gain::new(0).apply(&mut samples, 0);
        assert_eq!(samples, [0; 5]);
    }

    #[test]
    fn every_step_is_quieter_by_the_same_ratio() {
        for volume in 2..=10 {
            let ratio = factor(volume) / factor(volume - 1);
            assert!((ratio - 1.585).abs() < 0.01, "{volume}: {ratio}");
        }
    }

    #[test]
    fn a_change_glides() {
        let mut samples = [10_000; 480];
        Gain::new(10).apply(&mut samples, 0);
        assert!(samples[0] > 9_900 && samples[479] == 0);
        assert!(samples.windows(2).all(|pair| pair[0] >= pair[1]));
    }
}
