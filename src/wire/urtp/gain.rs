//! The station's gain: by how many bits quiet sound is lifted, from one block to the next.
//!
//! ```text
//!  24-bit samples ──> << shift, saturated ──> the upper 16 of 32 bits
//!                          ▲
//!   loudest sample ──> bits over, least so far (forgets one bit a block) ──> one bit less at once,
//!                                                                            one more after 10 s
//! ```
//! The same decisions as the first system's, block for block, measured before the gain. Two things it
//! did are not done: it let loud sound wrap around, and began at nine bits however few were allowed.

use super::BLOCK;

/// The most that is ever lifted, in bits.
pub const MAX_GAIN: u8 = 12;
/// Where a stream begins, if so much is allowed.
const START: u8 = 9;
/// Bits over that are wanted; fewer take gain away.
const WANTED: u8 = 4;
/// More bits over than these ask for gain.
const PLENTY: u8 = WANTED + 3;
/// Blocks that must have asked for gain; the next one gets it.
const PATIENCE: u16 = 500;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Gain {
    shift: u8,
    most: u8,
    /// Bits over of the loudest sample, forgotten by one a block.
    over: u8,
    /// Blocks that asked for more, not in a row.
    asked: u16,
}

impl Gain {
    /// With so many bits at most; [`MAX_GAIN`] is the most of all.
    pub(super) fn new(most: u8) -> Self {
        let most = most.min(MAX_GAIN);
        Self { shift: START.min(most), most, over: u8::MAX, asked: 0 }
    }

    /// The gain of the next block, in bits.
    pub(super) const fn shift(&self) -> u8 {
        self.shift
    }

    /// One block of 24-bit samples to 16 bits, and what it means for the next.
    pub(super) fn apply(&mut self, left: &[i32; BLOCK], out: &mut [i16; BLOCK]) {
        let down = 16 - u32::from(self.shift);
        let mut loudest = 0;
        for (sample, out) in left.iter().zip(out) {
            // The same as lifting, saturating to 32 bits and taking the upper 16.
            *out = (sample >> down).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
            loudest = loudest.max(sample.unsigned_abs());
        }
        self.heard(loudest);
    }

    fn heard(&mut self, loudest: u32) {
        self.over = self.over.min(loudest.leading_zeros().saturating_sub(1) as u8);
        self.shift = self.shift.min(self.over);
        let left = self.over - self.shift;
        if left > PLENTY && self.shift < self.most {
            self.asked += 1;
            if self.asked > PATIENCE {
                self.shift += 1;
                self.asked = 0;
            }
        } else if left < WANTED && self.shift > 0 {
            self.shift -= 1;
            self.asked = 0;
        }
        self.over += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gain of each of so many blocks of a tone of this amplitude, in units of 24 bits.
    fn trace(gain: &mut Gain, amplitude: f64, blocks: usize) -> Vec<u8> {
        let tone = |at: usize| (amplitude * (at as f64 * 0.157).sin()) as i32;
        let block: [i32; BLOCK] = std::array::from_fn(tone);
        let mut out = [0; BLOCK];
        let mut next = || {
            let shift = gain.shift();
            gain.apply(&block, &mut out);
            shift
        };
        (0..blocks).map(|_| next()).collect()
    }

    /// Where it changes, and to what.
    fn changes(trace: &[u8]) -> Vec<(usize, u8)> {
        let change = |(at, pair): (usize, &[u8])| (pair[0] != pair[1]).then(|| (at + 1, pair[1]));
        trace.windows(2).enumerate().filter_map(change).collect()
    }

    #[test]
    fn a_quiet_tone_is_lifted_by_one_bit_every_ten_seconds_up_to_the_most() {
        let trace = trace(&mut Gain::new(12), 300.0, 3000);
        assert_eq!(trace[0], 9);
        assert_eq!(changes(&trace), [(501, 10), (1002, 11), (1503, 12)]);
    }

    #[test]
    fn the_first_block_has_no_more_than_is_allowed_and_nor_has_any_other() {
        for most in 0..=MAX_GAIN {
            let trace = trace(&mut Gain::new(most), 1.0, 3000);
            assert_eq!((trace[0], trace[2999]), (most.min(9), most));
            assert!(trace.is_sorted());
        }
        assert_eq!(Gain::new(200).most, MAX_GAIN);
    }

    #[test]
    fn what_is_loud_lowers_the_gain_at_once_and_then_by_a_bit_a_block_to_the_wanted_room() {
        // 23 bits: 8 over. Nine are too many; then a bit a block until four are left, and the bits
        // that are forgotten in between give some back.
        let trace = trace(&mut Gain::new(12), 8_000_000.0, 12);
        assert_eq!(trace, [9, 7, 6, 5, 4, 4, 4, 4, 4, 4, 4, 4]);
    }

    #[test]
    fn what_would_wrap_around_saturates_and_what_fits_is_cut_off() {
        let mut gain = Gain::new(12);
        let mut left = [0; BLOCK];
        left[..8]
            .copy_from_slice(&[8_388_607, -8_388_608, 4_194_304, -4_194_304, 127, 128, -1, -129]);
        let mut out = [9; BLOCK];
        gain.apply(&left, &mut out);
        assert_eq!(out[..9], [32767, -32768, 32767, -32768, 0, 1, -1, -2, 0]);
    }
}
