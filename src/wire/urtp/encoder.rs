//! The station's side: 20 ms of a microphone to a datagram.
//!
//! ```text
//!  24-bit samples ──> gain ──┬─> pre-emphasis ──> UNICAM ──┬──> header, sound
//!                            └────────── PCM ──────────────┘
//! ```
//! One encoder per stream, as long as the microphone is open: its gain and filter go on over links that
//! come and go. Nothing here allocates.

use super::emphasis::Pre;
use super::gain::Gain;
use super::{BLOCK, Coding, DATAGRAM_LIMIT, HEADER_LEN, Header, PCM_LEN, UNICAM_LEN, unicam};

/// See the module.
#[derive(Debug, Clone)]
pub struct Encoder {
    coding: Coding,
    gain: Gain,
    pre: Pre,
}

impl Encoder {
    /// Which lifts quiet sound by at most so many bits ([`super::MAX_GAIN`] is the most of all).
    pub fn new(coding: Coding, max_gain: u8) -> Self {
        Self { coding, gain: Gain::new(max_gain), pre: Pre::default() }
    }

    /// By how many bits the next block is lifted.
    pub const fn shift(&self) -> u8 {
        self.gain.shift()
    }

    /// The datagram of one block, written to the front of `out`; its length.
    ///
    /// `left` holds samples of 24 bits, sign-extended; `timestamp_us` is when the first of
    /// them was captured, in microseconds since 1970.
    pub fn encode(
        &mut self,
        left: &[i32; BLOCK],
        sequence: u16,
        timestamp_us: u64,
        out: &mut [u8; DATAGRAM_LIMIT],
    ) -> usize {
        let mut samples = [0; BLOCK];
        self.gain.apply(left, &mut samples);
        let header = Header { coding: self.coding, sequence, timestamp_us };
        let (head, body) =
            out.split_first_chunk_mut::<HEADER_LEN>().expect("a datagram holds a header");
        *head = header.encode();
        match self.coding {
            Coding::Pcm => {
                let body: &mut [u8; PCM_LEN] =
                    body.first_chunk_mut().expect("a datagram holds PCM");
                for (bytes, sample) in body.chunks_exact_mut(2).zip(samples) {
                    bytes.copy_from_slice(&sample.to_be_bytes());
                }
            }
            Coding::Unicam => {
                self.pre.apply(&mut samples);
                let body: &mut [u8; UNICAM_LEN] =
                    body.first_chunk_mut().expect("a datagram holds UNICAM");
                unicam::encode(&samples, body);
            }
        }
        HEADER_LEN + self.coding.body_len()
    }
}
