//! Pre-emphasis, which is the wire's, and the de-emphasis that undoes it, which is ours.
//!
//! ```text
//!  gain ──> 13 taps, symmetric ──> UNICAM ~~~~> UNICAM ──> 65 taps, symmetric ──> ear
//!           -24 dB at 0 Hz, +1 dB at 7 kHz                 the inverse
//! ```
//! The first filter turns 6 samples' delay and a real response A(w) that is nowhere zero. So 1/A(w) has
//! a symmetric impulse response; it fades to an eighth every 16 samples. The second filter is that
//! response, cut off after 32 samples on each side, which is the closest of this length to 1/A(w) in
//! least squares. Both together are flat to 0.3 dB between 0 and 8 kHz, and since both are
//! symmetric, nothing but late: by 6 and 32 samples, 2.4 ms. The inverse forgets after 4 ms, so what
//! was lost or damaged is not heard for longer.

use super::BLOCK;

/// Of the pre-emphasis, as the wire has it: another one is heard as another tone.
const PRE: [f64; 13] = [
    -0.07951087685285016,
    0.01945354671754785,
    -0.005453575732499895,
    -0.04837063849132621,
    -0.07168597959153167,
    -0.16374206778816897,
    0.7588178512425175,
    -0.16374206778816897,
    -0.07168597959153167,
    -0.04837063849132621,
    -0.005453575732499895,
    0.01945354671754785,
    -0.07951087685285016,
];
/// Samples of the past that the pre-emphasis looks at.
const PRE_PAST: usize = PRE.len() - 1;

/// Of the de-emphasis, from its middle outwards.
const DE: [f32; REACH + 1] = [
    2.0337703,
    0.9049531,
    0.7468557,
    0.6591926,
    0.54700196,
    0.48115814,
    0.55846685,
    0.42391804,
    0.36495328,
    0.32151362,
    0.2753605,
    0.23840038,
    0.2229184,
    0.19081901,
    0.16663222,
    0.14657104,
    0.12770797,
    0.11134412,
    0.09896454,
    0.08647174,
    0.07576063,
    0.06652308,
    0.058256827,
    0.05099283,
    0.04483849,
    0.039300986,
    0.034457218,
    0.030230068,
    0.026504194,
    0.023231056,
    0.020383164,
    0.017873928,
    0.015673647,
];
/// Samples that the de-emphasis looks to each side.
const REACH: usize = 32;
const DE_PAST: usize = 2 * REACH;

/// Samples computed side by side, each in its own order of summing.
const LANES: usize = 16;

/// The station's filter.
#[derive(Debug, Clone)]
pub(super) struct Pre {
    samples: [f64; PRE_PAST + BLOCK],
}

impl Default for Pre {
    fn default() -> Self {
        Self { samples: [0.0; PRE_PAST + BLOCK] }
    }
}

impl Pre {
    /// One block, after the ones before it. Where the filter reaches over 16 bits it saturates.
    pub(super) fn apply(&mut self, block: &mut [i16; BLOCK]) {
        self.samples.copy_within(BLOCK.., 0);
        for (sample, new) in self.samples[PRE_PAST..].iter_mut().zip(&*block) {
            *sample = f64::from(*new);
        }
        for (place, out) in (PRE_PAST..).step_by(LANES).zip(block.chunks_exact_mut(LANES)) {
            let mut sums = [0.0; LANES];
            // The newest sample first, as on the wire: the order decides the last bit.
            for (back, tap) in PRE.iter().enumerate() {
                let past = &self.samples[place - back..][..LANES];
                for (sum, sample) in sums.iter_mut().zip(past) {
                    *sum += sample * tap;
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum as i16;
            }
        }
    }
}

/// The listener's filter.
#[derive(Debug, Clone)]
pub(super) struct De {
    samples: [f32; DE_PAST + BLOCK],
}

impl Default for De {
    fn default() -> Self {
        Self { samples: [0.0; DE_PAST + BLOCK] }
    }
}

impl De {
    /// One block, after the ones before it, [`REACH`] samples late.
    pub(super) fn apply(&mut self, block: &[f32; BLOCK], out: &mut [i16; BLOCK]) {
        self.samples.copy_within(BLOCK.., 0);
        self.samples[DE_PAST..].copy_from_slice(block);
        for (place, out) in (REACH..).step_by(LANES).zip(out.chunks_exact_mut(LANES)) {
            let mut sums = [0.0; LANES];
            for (sum, sample) in sums.iter_mut().zip(&self.samples[place..][..LANES]) {
                *sum = sample * DE[0];
            }
            for (away, tap) in DE.iter().enumerate().skip(1) {
                let before = &self.samples[place - away..][..LANES];
                let after = &self.samples[place + away..][..LANES];
                for ((sum, before), after) in sums.iter_mut().zip(before).zip(after) {
                    *sum += (before + after) * tap;
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = (sum + 0.5_f32.copysign(sum)) as i16;
            }
        }
    }

    /// Forget what was.
    pub(super) fn clear(&mut self) {
        self.samples.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// The response of a symmetric filter, given from its middle outwards, at this many radians a
    /// sample, apart from its delay.
    fn response(half: impl ExactSizeIterator<Item = f64>, w: f64) -> f64 {
        half.enumerate()
            .map(|(k, tap)| if k == 0 { tap } else { 2.0 * tap * (k as f64 * w).cos() })
            .sum()
    }

    fn pre(w: f64) -> f64 {
        response(PRE[6..].iter().copied(), w)
    }

    fn de(w: f64) -> f64 {
        response(DE.iter().map(|tap| f64::from(*tap)), w)
    }

    fn radians(hertz: f64) -> f64 {
        hertz / f64::from(super::super::RATE) * TAU
    }

    #[test]
    fn the_taps_of_the_de_emphasis_are_the_middle_of_the_inverse_of_the_pre_emphasis() {
        // The inverse transform of 1/A(w), on a circle of points so dense that what is aliased is nothing.
        const POINTS: usize = 4096;
        let inverse: Vec<f64> =
            (0..POINTS).map(|at| 1.0 / pre(TAU * at as f64 / POINTS as f64)).collect();
        for (k, tap) in DE.iter().enumerate() {
            let turn = |at: usize| (TAU * (k * at % POINTS) as f64 / POINTS as f64).cos();
            let sum: f64 = inverse.iter().enumerate().map(|(at, value)| value * turn(at)).sum();
            let made = sum / POINTS as f64;
            assert!((made - f64::from(*tap)).abs() < 1e-6, "tap {k} is {tap}, made {made}");
        }
    }

    #[test]
    fn pre_emphasis_and_de_emphasis_together_are_flat_within_three_tenths_of_a_decibel() {
        for hertz in (0..=8000).step_by(10) {
            let w = radians(f64::from(hertz));
            let decibels = 20.0 * (pre(w) * de(w)).log10();
            assert!(decibels.abs() < 0.3, "{decibels} dB at {hertz} Hz");
        }
    }

    #[test]
    fn the_pre_emphasis_has_the_response_that_servers_expect() {
        for (hertz, gain) in [(0.0, 0.060), (440.0, 0.153), (1000.0, 0.415), (4000.0, 1.050)] {
            assert!((pre(radians(hertz)) - gain).abs() < 0.001, "{hertz} Hz");
        }
        assert!(PRE.iter().eq(PRE.iter().rev()));
    }

    #[test]
    fn an_impulse_gives_the_taps_cut_off_towards_zero_across_blocks() {
        let expected = [-10, 2, 0, -6, -9, -20, 97, -20, -9, -6, 0, 2, -10];
        for place in [0, 5, BLOCK - 1] {
            for (height, sign) in [(128, 1), (-128, -1)] {
                let (mut filter, mut blocks) = (Pre::default(), [[0; BLOCK]; 2]);
                blocks[0][place] = height;
                blocks.iter_mut().for_each(|block| filter.apply(block));
                let out = blocks.concat();
                let found = expected.map(|tap: i16| sign * tap);
                assert_eq!(out[place..][..13], found);
                assert_eq!(out.iter().filter(|sample| **sample != 0).count(), 11);
            }
        }
    }

    #[test]
    fn the_loudest_that_the_pre_emphasis_can_be_given_saturates() {
        let mut block = [0; BLOCK];
        for (sample, tap) in block.iter_mut().zip(PRE) {
            *sample = if tap < 0.0 { i16::MIN } else { i16::MAX };
        }
        let negative = block.map(|sample| !sample);
        Pre::default().apply(&mut block);
        assert_eq!(block[12], i16::MAX);
        block = negative;
        Pre::default().apply(&mut block);
        assert_eq!(block[12], i16::MIN);
    }

    #[test]
    fn the_de_emphasis_is_as_late_as_it_says_and_saturates() {
        let mut filter = De::default();
        let (mut block, mut out) = ([0.0; BLOCK], [0; BLOCK]);
        block[0] = 1000.0;
        filter.apply(&block, &mut out);
        assert_eq!(out[REACH], 2034);
        assert_eq!((out[0], out[2 * REACH], out[2 * REACH + 1]), (16, 16, 0));
        filter.apply(&[f32::from(i16::MIN); BLOCK], &mut out);
        assert_eq!(out[BLOCK - 1], i16::MIN);
        filter.clear();
        filter.apply(&[0.0; BLOCK], &mut out);
        assert_eq!(out, [0; BLOCK]);
    }
}
