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
