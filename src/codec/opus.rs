//! Voice to Opus packets and back: 48 kHz mono, frames of 20 or 10 ms, on a thin line of 60.
//!
//! Packets come from strangers: their length and the duration they claim are checked before the
//! decoder sees them, and a bad one is an error that leaves the decoder usable.

use opus::{Application, Bitrate, Channels, Decoder, Encoder, packet};

use crate::frame::SAMPLE_RATE;

pub use crate::caps::{VOICE_LIMIT as PACKET_LIMIT, VOICE_SAMPLES_LIMIT as DURATION_LIMIT};

/// How voice is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceFormat {
    /// Milliseconds in a packet: 60, 20 or 10.
    pub frame_ms: u32,
    /// Bits a second, 6000 to 96000: no packet is then over 255 bytes (see [`VoiceEncoder`]).
    pub bitrate: u32,
    /// Restricted low delay: 4 ms earlier, a little worse at the same rate.
    pub low_delay: bool,
    /// Send next to nothing while nobody speaks.
    pub dtx: bool,
}

impl Default for VoiceFormat {
    fn default() -> Self {
        Self { frame_ms: 20, bitrate: 24_000, low_delay: false, dtx: false }
    }
}

impl VoiceFormat {
    /// Samples in a packet.
    pub fn samples(self) -> usize {
        (self.frame_ms * SAMPLE_RATE / 1000) as usize
    }
}

/// Why sound was not encoded or a packet not decoded.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    /// libopus refused.
    #[error("opus: {0}")]
    Opus(#[from] opus::Error),
    /// Frames are 60, 20 or 10 ms.
    #[error("a voice frame of {0} ms, expected 60, 20 or 10")]
    Frame(u32),
    /// A packet of no or too many bytes.
    #[error("a voice packet of {0} bytes, expected 1 to {PACKET_LIMIT}")]
    Length(usize),
    /// A packet that claims to be longer than Opus allows.
    #[error("a voice packet of {0} samples, at most {DURATION_LIMIT} are allowed")]
    Duration(usize),
}

/// Frames of sound in, packets out.
pub struct VoiceEncoder {
    encoder: Encoder,
    samples: usize,
}

impl VoiceEncoder {
    /// The largest packet it makes: what one length byte can say (the wire of the commands alone).
    pub const LARGEST: usize = 255;

    /// An encoder for `format`; a bitrate out of range is brought into it.
    ///
    /// # Errors
    /// The frame is not 60, 20 or 10 ms, or libopus refuses.
    pub fn new(format: VoiceFormat) -> Result<Self, VoiceError> {
        let application = if format.low_delay { Application::LowDelay } else { Application::Voip };
        let mut encoder = Encoder::new(SAMPLE_RATE, Channels::Mono, application)?;
        encoder.set_inband_fec(false)?;
        encoder.set_dtx(format.dtx)?;
        encoder.set_complexity(5)?;
        let mut encoder = Self { encoder, samples: 0 };
        encoder.change(format)?;
        Ok(encoder)
    }

    /// From the next frame on, packets have the length and the bitrate of `format`.
    ///
    /// # Errors
    /// The frame is not 60, 20 or 10 ms, or libopus refuses.
    pub fn change(&mut self, format: VoiceFormat) -> Result<(), VoiceError> {
        if !matches!(format.frame_ms, 10 | 20 | 60) {
            return Err(VoiceError::Frame(format.frame_ms));
        }
        let bitrate = format.bitrate.clamp(6_000, 96_000);
        self.encoder.set_bitrate(Bitrate::Bits(i32::try_from(bitrate).expect("at most 96000")))?;
        self.samples = format.samples();
        Ok(())
    }

    /// Encode one frame into `packet` (replaced). `frame` must have the format's samples.
    ///
    /// # Errors
    /// libopus refuses.
    pub fn encode(&mut self, frame: &[i16], packet: &mut Vec<u8>) -> Result<(), VoiceError> {
        debug_assert_eq!(frame.len(), self.samples, "whole frames only");
        // libopus keeps a packet within the room it is given, at the cost of quality.
        packet.resize(Self::LARGEST, 0);
        let length = self.encoder.encode(frame, packet)?;
        packet.truncate(length);
        Ok(())
    }

    /// Samples by which the decoded sound is later than the encoded.
    ///
    /// # Errors
    /// libopus refuses.
    pub fn lookahead(&mut self) -> Result<usize, VoiceError> {
        Ok(usize::try_from(self.encoder.get_lookahead()?).unwrap_or(0))
    }
}

/// Whether a packet only says that nobody speaks: with [`VoiceFormat::dtx`] such packets need not be
/// sent (RFC 6716, 2.1.9; libopus makes one of more bytes every 400 ms, which keeps the noise of the
/// room alive at the other end).
pub fn is_silence(packet: &[u8]) -> bool {
    packet.len() <= 2
}

/// Samples in a packet of at most [`PACKET_LIMIT`] bytes, without decoding it.
///
/// # Errors
/// It is not an Opus packet, or too long in bytes or in time.
pub fn samples_in(bytes: &[u8]) -> Result<usize, VoiceError> {
    if bytes.is_empty() || bytes.len() > PACKET_LIMIT {
        return Err(VoiceError::Length(bytes.len()));
    }
    let samples = packet::get_nb_samples(bytes, SAMPLE_RATE)?;
    if samples == 0 || samples > DURATION_LIMIT {
        return Err(VoiceError::Duration(samples));
    }
    Ok(samples)
}

/// Packets in, sound out; lost packets are hidden.
pub struct VoiceDecoder {
    decoder: Decoder,
    samples: Box<[i16; DURATION_LIMIT]>,
}

impl VoiceDecoder {
    /// A decoder with no past.
    ///
    /// # Errors
    /// libopus refuses.
    pub fn new() -> Result<Self, VoiceError> {
        let decoder = Decoder::new(SAMPLE_RATE, Channels::Mono)?;
        Ok(Self { decoder, samples: Box::new([0; DURATION_LIMIT]) })
    }

    /// The sound of one packet, 48 kHz mono.
    ///
    /// # Errors
    /// It is not an Opus packet, or too long; the decoder can go on with the next.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<&[i16], VoiceError> {
        samples_in(bytes)?;
        let count = self.decoder.decode(bytes, &mut self.samples[..], false)?;
        Ok(&self.samples[..count])
    }

    /// Invent `samples` (a multiple of 2.5 ms, at most 120 ms) that go on from what was heard.
    ///
    /// # Errors
    /// libopus refuses.
    pub fn conceal(&mut self, samples: usize) -> Result<&[i16], VoiceError> {
        let room = samples.min(DURATION_LIMIT);
        let count = self.decoder.decode(&[], &mut self.samples[..room], false)?;
        Ok(&self.samples[..count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(frame: usize, samples: usize) -> Vec<i16> {
        let at = |index: usize| (frame * samples + index) as f32 / 48_000.0;
        (0..samples)
            .map(|i| ((at(i) * 440.0 * std::f32::consts::TAU).sin() * 9000.0) as i16)
            .collect()
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_the_next_good_packet_decodes(
            garbage in proptest::collection::vec(any::<Vec<u8>>(), 1..20),
        ) {
            let mut decoder = VoiceDecoder::new().unwrap();
            for bytes in &garbage {
                if let Ok(sound) = decoder.decode(bytes) {
                    prop_assert!(sound.len() <= DURATION_LIMIT);
                }
            }
            let mut packet = Vec::new();
            let mut encoder = VoiceEncoder::new(VoiceFormat::default()).unwrap();
            encoder.encode(&tone(0, 960), &mut packet).unwrap();
            prop_assert_eq!(decoder.decode(&packet).unwrap().len(), 960);
        }

        #[test]
        fn loud_noise_at_any_bitrate_fits_one_length_byte(
            bitrate in any::<u32>(), long in any::<bool>(), seed in any::<u32>(),
        ) {
            let format = VoiceFormat {
                frame_ms: if long { 20 } else { 10 }, bitrate, ..VoiceFormat::default()
            };
            let mut encoder = VoiceEncoder::new(format).unwrap();
            let mut packet = Vec::new();
            let mut noise = seed;
            for _ in 0..5 {
                let frame: Vec<i16> = (0..format.samples()).map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (noise >> 16) as i16
                }).collect();
                encoder.encode(&frame, &mut packet).unwrap();
                prop_assert!((1..=255).contains(&packet.len()));
            }
        }
    }

    #[test]
    fn a_tone_comes_back_as_loud_as_it_went() {
        for format in [
            VoiceFormat::default(),
            VoiceFormat { frame_ms: 10, low_delay: true, ..VoiceFormat::default() },
        ] {
            let mut encoder = VoiceEncoder::new(format).unwrap();
            let mut decoder = VoiceDecoder::new().unwrap();
            let mut packet = Vec::new();
            let mut heard = 0;
            for frame in 0..20 {
                encoder.encode(&tone(frame, format.samples()), &mut packet).unwrap();
                let sound = decoder.decode(&packet).unwrap();
                assert_eq!(sound.len(), format.samples());
                heard = sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            }
            assert!((7000..11_000).contains(&heard), "{heard}");
        }
    }

    #[test]
    fn a_hidden_loss_is_as_long_as_asked() {
        let mut decoder = VoiceDecoder::new().unwrap();
        assert_eq!(decoder.conceal(480).unwrap().len(), 480);
    }

    #[test]
    fn a_packet_longer_than_opus_allows_is_refused() {
        assert!(matches!(samples_in(&[]), Err(VoiceError::Length(0))));
        assert!(matches!(samples_in(&[0; 1276]), Err(VoiceError::Length(1276))));
        // Code 3 with 48 frames of 20 ms.
        assert!(samples_in(&[0b0000_1011, 48, 0, 0]).is_err());
    }
}
