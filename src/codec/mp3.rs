//! MP3 of a live stream, segment by segment through one decoder, under limits.
//!
//! ```text
//!  ID3 tag │ frame │ frame │ … │     a segment, at most SEGMENT_LIMIT bytes
//!     └ skipped  └── header: rate, channels and length are known before anything is decoded
//! ```
//! Frames of a stream lean on each other (overlap, bit reservoir), so the decoder goes on from one
//! segment to the next. A frame that is broken is as long a silence: what comes behind keeps its time.
//! Layer III alone is taken, with a bit rate that is said; what it was called on the way (servers call it
//! all kinds of things) does not matter.

use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::codecs::MpaDecoder;

pub use crate::caps::{SEGMENT_LIMIT, SEGMENT_SECONDS_LIMIT};

/// Bytes of an ID3v2 tag's header.
const TAG: usize = 10;
/// Bytes of a frame's header.
const HEAD: usize = 4;

/// Why a segment is no sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mp3Error {
    /// More than [`SEGMENT_LIMIT`].
    #[error("a segment of {0} bytes, at most {SEGMENT_LIMIT} are allowed")]
    Length(usize),
    /// Not one frame of it could be decoded.
    #[error("a segment without a whole frame of MP3")]
    NoSound,
    /// Its frames have two sample rates.
    #[error("a segment that changes its sample rate")]
    TwoRates,
    /// The decoder can't be made.
    #[error("make the MP3 decoder: {0}")]
    Decoder(String),
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// Samples a second.
    rate: u32,
    channels: usize,
    /// Samples of each channel.
    samples: usize,
    /// Bytes, with the header.
    length: usize,
}

/// Decodes segments of one stream.
#[derive(Default)]
pub struct Mp3Decoder {
    decoder: Option<(u32, usize, MpaDecoder)>,
    scratch: Vec<f32>,
    broken: u64,
}

impl Mp3Decoder {
    /// Frames that were broken, so far.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// Put the sound of `segment` behind what is in `sound`, as mono; its samples a second. It ends after
    /// [`SEGMENT_SECONDS_LIMIT`].
    ///
    /// # Errors
    /// There is no sound in it; then `sound` is as it was.
    pub fn decode(&mut self, segment: &[u8], sound: &mut Vec<i16>) -> Result<u32, Mp3Error> {
        if segment.len() > SEGMENT_LIMIT {
            return Err(Mp3Error::Length(segment.len()));
        }
        let before = sound.len();
        let done = self.frames(segment, sound);
        if done.is_err() {
            sound.truncate(before);
        }
        done
    }

    fn frames(&mut self, segment: &[u8], sound: &mut Vec<i16>) -> Result<u32, Mp3Error> {
        let mut at = skip_tags(segment);
        let (mut rate, mut whole, before) = (None, 0, sound.len());
        while let Some(rest) = segment.get(at..).filter(|rest| rest.len() >= HEAD) {
            let Some(head) = head(rest).filter(|head| is_followed(rest, head.length)) else {
                at += 1;
                continue;
            };
            if *rate.get_or_insert(head.rate) != head.rate {
                return Err(Mp3Error::TwoRates);
            }
            if sound.len() - before >= (SEGMENT_SECONDS_LIMIT * head.rate) as usize {
                break;
            }
            if self.frame(&rest[..head.length], head, sound)? {
                whole += 1;
            } else {
                self.broken += 1;
                sound.resize(sound.len() + head.samples, 0);
            }
            at += head.length;
        }
        rate.filter(|_| whole > 0).ok_or(Mp3Error::NoSound)
    }

    /// False: it is broken.
    fn frame(&mut self, frame: &[u8], head: Head, sound: &mut Vec<i16>) -> Result<bool, Mp3Error> {
        let fits = |(rate, channels, _): &(u32, usize, MpaDecoder)| {
            (*rate, *channels) == (head.rate, head.channels)
        };
        let (_, _, decoder) = match self.decoder.take().filter(fits) {
            Some(decoder) => self.decoder.insert(decoder),
            // A stream of another kind begins.
            None => self.decoder.insert((head.rate, head.channels, decoder()?)),
        };
        let packet = PacketRef::new(0, Timestamp::default(), Duration::default(), frame);
        let Ok(decoded) = decoder.decode_ref(&packet) else { return Ok(false) };
        if decoded.frames() != head.samples || decoded.num_planes() != head.channels {
            return Ok(false);
        }
        decoded.copy_to_vec_interleaved(&mut self.scratch);
        let mixed = self.scratch.chunks_exact(head.channels).map(|pair| {
            let mono = pair.iter().sum::<f32>() / head.channels as f32;
            (mono * 32768.0) as i16
        });
        sound.extend(mixed);
        Ok(true)
    }
}

fn decoder() -> Result<MpaDecoder, Mp3Error> {
    let mut stream = AudioCodecParameters::new();
    stream.for_codec(CODEC_ID_MP3);
    let options = AudioDecoderOptions::default();
    MpaDecoder::try_new(&stream, &options).map_err(|error| Mp3Error::Decoder(error.to_string()))
}

/// Where the sound begins behind ID3v2 tags, however many there are.
fn skip_tags(segment: &[u8]) -> usize {
    let mut at = 0;
    while let Some(tag) = segment.get(at..at + TAG).filter(|tag| tag.starts_with(b"ID3")) {
        // Seven bits a byte; a footer is as long as the header.
        let size = tag[6..].iter().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
        let footer = if tag[5] & 0x10 == 0 { 0 } else { TAG };
        at = (at + TAG + size + footer).min(segment.len());
    }
    at
}

/// Whether a frame of `length` bytes ends where something else begins that may stand there: else its
/// header was a part of something.
fn is_followed(rest: &[u8], length: usize) -> bool {
    match rest.get(length..) {
        None => false,
        Some(next) if next.len() < HEAD => true,
        Some(next) => head(next).is_some() || next.starts_with(b"ID3") || next.starts_with(b"TAG"),
    }
}

/// The header at the front of `bytes`, if it is one (ISO 11172-3, 2.4.1.3; ISO 13818-3).
fn head(bytes: &[u8]) -> Option<Head> {
    const KBITS_1: [usize; 16] =
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0];
    const KBITS_2: [usize; 16] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0];
    let [first, second, third, fourth] = *bytes.first_chunk()?;
    // Eleven bits of ones, and Layer III.
    if first != 0xff || second & 0xe6 != 0xe2 {
        return None;
    }
    let (halves, is_first) = match second >> 3 & 3 {
        0 => (4, false),
        2 => (2, false),
        3 => (1, true),
        _ => return None,
    };
    let rate = *[44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))? / halves;
    let kbits = if is_first { KBITS_1 } else { KBITS_2 }[usize::from(third >> 4)];
    let samples = if is_first { 1152 } else { 576 };
    let padding = usize::from(third >> 1 & 1);
    let length = samples / 8 * kbits * 1000 / rate as usize + padding;
    let channels = if fourth >> 6 == 3 { 1 } else { 2 };
    (kbits > 0).then_some(Head { rate, channels, samples, length })
}

#[cfg(test)]
mod tests {
    use mp3lame_encoder::{Bitrate, Builder, Encoder, FlushNoGap, MonoPcm};
    use proptest::prelude::*;

    use super::*;

    const SEGMENT: &[u8] = include_bytes!("../../tests/data/urtp/segment.ts");
    const RATE: u32 = 16_000;

    fn encoder() -> Encoder {
        let mut made = Builder::new().unwrap();
        made.set_num_channels(1).unwrap();
        made.set_sample_rate(RATE).unwrap();
        made.set_brate(Bitrate::Kbps24).unwrap();
        made.set_to_write_vbr_tag(false).unwrap();
        made.build().unwrap()
    }

    fn tone(hertz: f32, samples: usize) -> Vec<i16> {
        let wave = |n: usize| (n as f32 * hertz * std::f32::consts::TAU / RATE as f32).sin();
        (0..samples).map(|n| (8000.0 * wave(n)) as i16).collect()
    }

    /// Segments of about a second, cut between frames.
    fn segments(hertz: f32, count: usize) -> Vec<Vec<u8>> {
        let (mut encoder, mut bytes) = (encoder(), Vec::new());
        // The encoder holds back more than a frame.
        let sound = tone(hertz, (count * 27 + 4) * 576);
        bytes.reserve(mp3lame_encoder::max_required_buffer_size(sound.len()));
        encoder.encode_to_vec(MonoPcm(&sound), &mut bytes).unwrap();
        encoder.flush_to_vec::<FlushNoGap>(&mut bytes).unwrap();
        bytes.chunks(27 * 108).take(count).map(<[u8]>::to_vec).collect()
    }

    /// The frequency by its zero crossings.
    fn hertz(sound: &[i16], rate: u32) -> f64 {
        let ups = sound.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        ups as f64 * f64::from(rate) / sound.len() as f64
    }

    #[test]
    fn the_segment_that_an_ioc_server_served_is_27_frames_of_16_khz_behind_its_tag() {
        assert_eq!(skip_tags(SEGMENT), 73);
        let mut sound = Vec::new();
        let mut decoder = Mp3Decoder::default();
        assert_eq!(decoder.decode(SEGMENT, &mut sound), Ok(RATE));
        assert_eq!((sound.len(), decoder.broken()), (27 * 576, 0));
        assert!(sound.iter().any(|sample| sample.unsigned_abs() > 1000), "it is not silent");
    }

    #[test]
    fn a_tone_goes_on_over_segments_without_a_seam() {
        let (mut decoder, mut sound) = (Mp3Decoder::default(), Vec::new());
        for segment in segments(440.0, 5) {
            decoder.decode(&[&SEGMENT[..73], &segment].concat(), &mut sound).unwrap();
        }
        assert_eq!(sound.len(), 5 * 27 * 576);
        let steady = &sound[4000..];
        assert!((hertz(steady, RATE) - 440.0).abs() < 3.0, "{}", hertz(steady, RATE));
        // The steepest step of such a tone is 1380; a seam would be a click.
        let step = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
        let steepest = steady.windows(2).map(step).max().unwrap();
        assert!(steepest < 1900, "{steepest}");
    }

    #[test]
    fn a_broken_frame_is_as_long_a_silence_and_a_torn_one_is_left_out() {
        let segment = segments(440.0, 1).remove(0);
        let mut broken = segment.clone();
        // The side information of the third frame.
        broken[2 * 108 + 4..3 * 108].fill(0xff);
        let (mut decoder, mut sound) = (Mp3Decoder::default(), Vec::new());
        decoder.decode(&broken, &mut sound).unwrap();
        assert_eq!(sound.len(), 27 * 576);
        sound.clear();
        Mp3Decoder::default().decode(&segment[..5 * 108 - 1], &mut sound).unwrap();
        assert_eq!(sound.len(), 4 * 576);
    }

    #[test]
    fn a_stream_may_change_its_rate_between_two_segments_but_not_within_one() {
        let ours = segments(440.0, 1).remove(0);
        // The same frames, said to be of 22.05 kHz: shorter ones.
        let (mut decoder, mut sound) = (Mp3Decoder::default(), Vec::new());
        decoder.decode(&ours, &mut sound).unwrap();
        let mut other = vec![0; 78 * 3];
        for frame in other.chunks_mut(78) {
            frame[..4].copy_from_slice(&[0xff, 0xf3, 0x30, 0xc4]);
        }
        sound.clear();
        assert_eq!(decoder.decode(&other, &mut sound), Ok(22_050));
        assert_eq!(sound.len(), 3 * 576);
        sound.clear();
        let both = [&ours[..], &other].concat();
        assert_eq!(decoder.decode(&both, &mut sound), Err(Mp3Error::TwoRates));
        assert!(sound.is_empty(), "nothing is half done");
    }

    #[test]
    fn what_is_too_long_or_no_mp3_is_refused() {
        let mut decoder = Mp3Decoder::default();
        let mut sound = Vec::new();
        let long = vec![0; SEGMENT_LIMIT + 1];
        let length = Mp3Error::Length(SEGMENT_LIMIT + 1);
        assert_eq!(decoder.decode(&long, &mut sound), Err(length));
        for bytes in
            [&b""[..], b"<html>", &SEGMENT[..73], &[0xff; 5000], b"ID3\x04\0\0\x7f\x7f\x7f\x7f"]
        {
            assert_eq!(decoder.decode(bytes, &mut sound), Err(Mp3Error::NoSound));
        }
    }

    #[test]
    fn a_segment_of_small_frames_ends_after_twelve_seconds() {
        // 8 kbit/s at 24 kHz: 24 bytes for 576 samples, and seven minutes in what is allowed.
        let frame: Vec<u8> = [&[0xff, 0xf3, 0x14, 0xc4][..], &[0; 20]].concat();
        let (mut decoder, mut sound) = (Mp3Decoder::default(), Vec::new());
        let segment = frame.repeat(SEGMENT_LIMIT / 24);
        assert_eq!(decoder.decode(&segment, &mut sound), Ok(24_000));
        assert_eq!(sound.len(), 12 * 24_000);
        // What lies there already does not count.
        decoder.decode(&segment, &mut sound).unwrap();
        assert_eq!(sound.len(), 24 * 24_000);
    }

    proptest! {
        #[test]
        fn garbage_and_damaged_segments_never_panic_and_never_grow(
            garbage in any::<Vec<u8>>(),
            damage in proptest::collection::vec((0..SEGMENT.len(), any::<u8>()), 0..40),
        ) {
            let mut damaged = SEGMENT.to_vec();
            for (place, byte) in damage {
                damaged[place] = byte;
            }
            let mut decoder = Mp3Decoder::default();
            for bytes in [&garbage[..], &damaged] {
                let mut sound = Vec::new();
                let _ = decoder.decode(bytes, &mut sound);
                // The smallest frame is 24 bytes, for 576 samples.
                prop_assert!(sound.len() <= bytes.len() * 24);
            }
        }
    }
}
