//! How cards and files write a sample, and what its upper 24 bits are.

use super::Stereo;

/// How a sample is written; little-endian, as all of ALSA's that a Raspberry Pi meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// 32 bits: the upper 24 count, as I2S microphones have them.
    S32,
    /// 24 bits in the lower part of 32.
    S24,
    /// 24 bits in three bytes.
    S24In3,
    /// 16 bits.
    S16,
}

impl Sample {
    /// How many bytes one takes.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::S32 | Self::S24 => 4,
            Self::S24In3 => 3,
            Self::S16 => 2,
        }
    }

    /// 24 bits, sign-extended, of the bytes of one.
    fn value(self, bytes: &[u8]) -> i32 {
        match (self, bytes) {
            (Self::S32, [_, low, middle, high, ..]) => {
                i32::from_le_bytes([0, *low, *middle, *high]) >> 8
            }
            (Self::S24 | Self::S24In3, [low, middle, high, ..]) => {
                i32::from_le_bytes([0, *low, *middle, *high]) >> 8
            }
            (Self::S16, [low, high, ..]) => i32::from(i16::from_le_bytes([*low, *high])) << 8,
            _ => 0,
        }
    }

    /// The first two channels of each whole frame of `channels` in `bytes`; a single one twice.
    pub fn frames(self, channels: usize, bytes: &[u8]) -> impl Iterator<Item = Stereo> {
        let right = if channels > 1 { self.bytes() } else { 0 };
        let frames = bytes.chunks_exact((self.bytes() * channels).max(1));
        frames.map(move |frame| [self.value(frame), self.value(&frame[right..])])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(sample: Sample, channels: usize, bytes: &[u8]) -> Stereo {
        sample.frames(channels, bytes).next().unwrap()
    }

    #[test]
    fn the_upper_24_bits_are_taken_with_their_sign_and_the_garbage_below_is_not() {
        assert_eq!(
            first(Sample::S32, 2, &[0xff, 1, 2, 3, 0xaa, 0xff, 0xff, 0xff]),
            [0x03_0201, -1]
        );
        assert_eq!(first(Sample::S24, 2, &[1, 2, 0x83, 0, 1, 0, 0, 0]), [0x03_0201 - 0x80_0000, 1]);
        assert_eq!(first(Sample::S24In3, 2, &[1, 2, 3, 0xff, 0xff, 0xff]), [0x03_0201, -1]);
        assert_eq!(first(Sample::S16, 2, &[0x34, 0x12, 0xff, 0xff]), [0x12_3400, -256]);
    }

    #[test]
    fn one_channel_is_both_and_of_eight_the_first_two_count() {
        assert_eq!(first(Sample::S16, 1, &[1, 0]), [256, 256]);
        let eight: Vec<u8> = (1..=8).flat_map(|channel| [channel, 0]).collect();
        assert_eq!(first(Sample::S16, 8, &eight), [256, 512]);
        assert_eq!(Sample::S16.frames(8, &eight[..15]).count(), 0);
    }
}
