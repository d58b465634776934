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
