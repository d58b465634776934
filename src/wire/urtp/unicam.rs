//! UNICAM: a millisecond in 16 bytes and a half, all its samples shifted down by what its loudest needs.
//!
//! ```text
//!  │ 16 samples │ shifts │ 16 samples │   ten times: 20 ms
//!      block 2k   hi  lo   block 2k+1
//!                  │   └── of block 2k
//!                  └────── of block 2k+1
//! ```
//! Samples are signed bytes, cut off and not rounded.

use super::{BLOCK, UNICAM_LEN};

/// Samples that share a shift.
const GROUP: usize = 16;
/// Bytes of two of them.
const PAIR: usize = 2 * GROUP + 1;
/// The most that 16 bits need.
const MAX_SHIFT: u32 = 8;

/// 20 ms to bytes.
pub(super) fn encode(samples: &[i16; BLOCK], out: &mut [u8; UNICAM_LEN]) {
    for (pair, out) in samples.chunks_exact(2 * GROUP).zip(out.chunks_exact_mut(PAIR)) {
        let (even, odd) = pair.split_at(GROUP);
        let low = group(even, &mut out[..GROUP]);
        let high = group(odd, &mut out[GROUP + 1..]);
        out[GROUP] = high << 4 | low;
    }
}

fn group(samples: &[i16], out: &mut [u8]) -> u8 {
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    let used = u16::BITS - loudest.leading_zeros() + 1;
    // -32768 counts as 17 bits and needs but 16.
    let shift = used.saturating_sub(8).min(MAX_SHIFT);
    for (out, sample) in out.iter_mut().zip(samples) {
        *out = (sample >> shift) as u8;
    }
    shift as u8
}

/// Bytes to 20 ms: each sample in the middle of what it may have been, since cutting off has
/// moved all of them down, and the de-emphasis lifts what doesn't move to sixteen times.
pub(super) fn decode(bytes: &[u8; UNICAM_LEN], out: &mut [f32; BLOCK]) {
    for (pair, out) in bytes.chunks_exact(PAIR).zip(out.chunks_exact_mut(2 * GROUP)) {
        let shifts = pair[GROUP];
        let (even, odd) = out.split_at_mut(GROUP);
        ungroup(&pair[..GROUP], shifts & 15, even);
        ungroup(&pair[GROUP + 1..], shifts >> 4, odd);
    }
}

fn ungroup(bytes: &[u8], shift: u8, out: &mut [f32]) {
    let step = f32::from(1_u16 << shift);
    let middle = (step - 1.0) / 2.0;
    for (out, byte) in out.iter_mut().zip(bytes) {
        *out = f32::from(*byte as i8) * step + middle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(samples: &[i16; BLOCK]) -> [u8; UNICAM_LEN] {
        let mut out = [7; UNICAM_LEN];
        encode(samples, &mut out);
        out
    }

    #[test]
    fn each_block_is_shifted_by_what_its_loudest_needs_and_the_two_shifts_share_a_byte() {
        let mut samples = [0; BLOCK];
        samples[..3].copy_from_slice(&[511, -512, -3]);
        samples[16..18].copy_from_slice(&[-32768, 255]);
        samples[BLOCK - 1] = 127;
        let bytes = encoded(&samples);
        // -512 counts as if it were 513: the sign's bit is added to ten.
        assert_eq!(bytes[..4], [63, 192, 255, 0]);
        assert_eq!(bytes[16], 0x83);
        assert_eq!(bytes[17..20], [0x80, 0, 0]);
        assert_eq!(bytes[UNICAM_LEN - 17..], [&[0; 16][..], &[127]].concat());
    }

    #[test]
    fn every_sample_comes_back_to_within_half_a_step_and_no_shift_is_over_eight() {
        for loudest in 0..=i16::MAX {
            let mut samples = [0; BLOCK];
            for (at, sample) in (1..).zip(&mut samples) {
                *sample = (i32::from(!loudest) * at / BLOCK as i32) as i16;
            }
            let bytes = encoded(&samples);
            let shifts: Vec<u8> = bytes
                .chunks_exact(PAIR)
                .flat_map(|pair| [pair[GROUP] & 15, pair[GROUP] >> 4])
                .collect();
            let mut back = [0.0; BLOCK];
            decode(&bytes, &mut back);
            for (at, (sample, back)) in samples.iter().zip(back).enumerate() {
                let shift = shifts[at / GROUP];
                assert!(shift <= 8);
                let half = (f32::from(1_u16 << shift) - 1.0) / 2.0;
                assert!((f32::from(*sample) - back).abs() <= half, "{sample} came back as {back}");
            }
        }
    }

    #[test]
    fn every_shift_that_a_byte_can_claim_is_a_finite_sample() {
        let mut out = [0.0; BLOCK];
        decode(&[0xff; UNICAM_LEN], &mut out);
        assert_eq!(out[0], -32768.0 + 16383.5);
        decode(&[0x7f; UNICAM_LEN], &mut out);
        assert_eq!(
            out[..17],
            [&[127.0 * 32768.0 + 16383.5; 16][..], &[127.0 * 128.0 + 63.5]].concat()
        );
    }
}
