//! A station's sound to Opus packets: 16 kHz mono in frames of 20 ms.
//!
//! Opus takes 16 kHz as they are, and its decoder gives whatever rate the listener has: nothing is
//! resampled, and nobody pays for an upper band in which there is nothing.

use opus::{Application, Bitrate, Channels, Encoder};

use super::opus::{VoiceEncoder, VoiceError};
use crate::wire::urtp::{BLOCK, RATE};

/// Bits a second: a garden is no voice, and wants more than one.
const BITRATE: i32 = 32_000;

/// See the top of the file.
pub struct StationVoice {
    encoder: Encoder,
}

impl StationVoice {
    /// With no past.
    ///
    /// # Errors
    /// libopus refuses.
    pub fn new() -> Result<Self, VoiceError> {
        let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
        encoder.set_complexity(5)?;
        Ok(Self { encoder })
    }

    /// Encode 20 ms into `packet` (replaced).
    ///
    /// # Errors
    /// libopus refuses.
    pub fn encode(&mut self, block: &[i16; BLOCK], packet: &mut Vec<u8>) -> Result<(), VoiceError> {
        packet.resize(VoiceEncoder::LARGEST, 0);
        let length = self.encoder.encode(block, packet)?;
        packet.truncate(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::opus::VoiceDecoder;

    #[test]
    fn a_tone_at_16_khz_is_the_same_tone_at_48_khz() {
        let mut encoder = StationVoice::new().unwrap();
        let mut decoder = VoiceDecoder::new().unwrap();
        let (mut packet, mut heard) = (Vec::new(), Vec::new());
        for block in 0..50 {
            let at = |i: usize| (block * BLOCK + i) as f32 / RATE as f32;
            let tone = |i| ((at(i) * 1000.0 * std::f32::consts::TAU).sin() * 9000.0) as i16;
            encoder.encode(&std::array::from_fn(tone), &mut packet).unwrap();
            heard.extend_from_slice(decoder.decode(&packet).unwrap());
        }
        assert_eq!(heard.len(), 48_000);
        let second_half = &heard[24_000..];
        let rises = second_half.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
        assert!((499..=501).contains(&rises), "{rises} periods in half a second");
    }
}
