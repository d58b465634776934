//! The listener's side: a datagram to 20 ms of sound.
//!
//! ```text
//!  datagram ──> lengths ──┬─> UNICAM ──> de-emphasis ──┬──> 16-bit samples at 16 kHz
//!                         └────────── PCM ─────────────┘
//! ```
//! One decoder per stream; datagrams go in in their order, and what is to be heard for lost ones is the
//! caller's. UNICAM comes out 2.4 ms late ([`super::emphasis`]), PCM at once. Nothing here allocates.

use super::emphasis::De;
use super::{BLOCK, Coding, HEADER_LEN, Header, UrtpError, unicam};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    de: De,
}

impl Decoder {
    /// The sound of one whole datagram, from its header to its last byte.
    ///
    /// # Errors
    /// See [`Header::of_datagram`]; `out` is as it was.
    pub fn decode(&mut self, datagram: &[u8], out: &mut [i16; BLOCK]) -> Result<Header, UrtpError> {
        let header = Header::of_datagram(datagram)?;
        let body = &datagram[HEADER_LEN..];
        match header.coding {
            Coding::Pcm => {
                self.de.clear();
                for (bytes, out) in body.chunks_exact(2).zip(out) {
                    *out = i16::from_be_bytes([bytes[0], bytes[1]]);
                }
            }
            Coding::Unicam => {
                let body = body.first_chunk().expect("the length was looked at");
                let mut samples = [0.0; BLOCK];
                unicam::decode(body, &mut samples);
                self.de.apply(&samples, out);
            }
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::urtp::{DATAGRAM_LIMIT, Encoder};

    /// The datagrams of a tone that our encoder makes.
    fn datagrams(coding: Coding, count: usize) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(coding, 8);
        let mut out = [0; DATAGRAM_LIMIT];
        let datagram = |block: usize| {
            let tone = |at: usize| (2e5 * ((block * BLOCK + at) as f64 * 0.2).sin()) as i32;
            let left = std::array::from_fn(tone);
            let length = encoder.encode(&left, block as u16, 0, &mut out);
            out[..length].to_vec()
        };
        (0..count).map(datagram).collect()
    }

    #[test]
    fn a_datagram_of_any_other_length_is_refused_and_leaves_the_sound_as_it_was() {
        for coding in [Coding::Pcm, Coding::Unicam] {
            let whole = datagrams(coding, 1).remove(0);
            let (mut decoder, mut out) = (Decoder::default(), [5; BLOCK]);
            for length in 0..whole.len() {
                let error = decoder.decode(&whole[..length], &mut out);
                assert_eq!(error, Err(UrtpError::Size(length)));
            }
            let more = [&whole[..], &[0]].concat();
            assert_eq!(decoder.decode(&more, &mut out), Err(UrtpError::Size(more.len())));
            // What kills the first server: a length that is not whole blocks, and one of none.
            for claimed in [0, 5, 329, 331, 654] {
                let mut other = whole.clone();
                other[12..14].copy_from_slice(&u16::to_be_bytes(claimed));
                other.resize(HEADER_LEN + usize::from(claimed), 0);
                let expected = coding.body_len();
                let error = Err(UrtpError::Length { length: claimed, expected });
                assert_eq!(decoder.decode(&other, &mut out), error);
            }
            assert_eq!(out, [5; BLOCK]);
            assert!(decoder.decode(&whole, &mut out).is_ok());
        }
    }

    #[test]
    fn pcm_is_the_sample_itself_and_a_stream_that_changes_its_coding_starts_from_silence() {
        let (mut decoder, mut out) = (Decoder::default(), [0; BLOCK]);
        for datagram in datagrams(Coding::Unicam, 3) {
            decoder.decode(&datagram, &mut out).unwrap();
        }
        let pcm = datagrams(Coding::Pcm, 1).remove(0);
        let header = decoder.decode(&pcm, &mut out).unwrap();
        assert_eq!((header.coding, header.sequence), (Coding::Pcm, 0));
        assert_eq!(out[1], (((2e5 * 0.2_f64.sin()) as i32) >> 8) as i16);
        let unicam = datagrams(Coding::Unicam, 1).remove(0);
        let mut fresh = [1; BLOCK];
        decoder.decode(&unicam, &mut out).unwrap();
        Decoder::default().decode(&unicam, &mut fresh).unwrap();
        assert_eq!(out, fresh);
    }
}
