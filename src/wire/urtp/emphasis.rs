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
