//! The pieces of the work by themselves: what `units` times and `instructions` counts.
//!
//! ```text
//!  Piece ── work() ──> a closure that does it once: everything it needs is made before
//! ```

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;

use super::video::SIZE;
use crate::clock::Time;
use crate::codec::jpeg::{Decoder, Encoder, Limits};
use crate::codec::opus::{VoiceDecoder, VoiceEncoder, VoiceFormat};
use crate::device::VideoSource;
use crate::device::test_pattern::TestPattern;
use crate::frame::{Packet, PacketKind, Picture, PixelFormat, SAMPLE_RATE, Size};
use crate::media::jitter::Jitter;
use crate::media::pace::Pace;
use crate::quality::Quality;
use crate::stop::stop_pair;
use crate::wire::packet::Header;
use crate::wire::urtp;

/// A piece of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Piece {
    /// A picture of the test pattern, 640x480, from YUV to JPEG.
    Encode,
    /// The same back to YUV.
    Decode,
    /// The same back to RGB.
    Rgb,
    /// 20 ms of sound to an Opus packet.
    OpusEncode,
    /// The same back to sound.
    OpusDecode,
    /// 20 ms of a station's microphone to a datagram.
    UrtpEncode,
    /// The same back to sound.
    UrtpDecode,
    /// A packet's header, written and read.
    Packet,
    /// A picture through the gate: may it go, it went, it was acknowledged.
    Pace,
    /// A packet through the jitter buffer.
    Jitter,
}

/// Does a piece of the work once.
pub(super) type Work = Box<dyn FnMut()>;

impl Piece {
    /// The piece, ready to be done.
    ///
    /// # Errors
    /// A codec refuses our own pattern or sound.
    pub(super) fn work(self) -> anyhow::Result<Work> {
        match self {
            Self::Encode => encode(),
            Self::Decode => decode(PixelFormat::I420),
            Self::Rgb => decode(PixelFormat::Rgb8),
            Self::OpusEncode => opus_encode(),
            Self::OpusDecode => opus_decode(),
            Self::UrtpEncode => Ok(urtp_encode()),
            Self::UrtpDecode => urtp_decode(),
            Self::Packet => packet(),
            Self::Pace => Ok(pace()),
            Self::Jitter => Ok(jitter()),
        }
    }
}

/// The picture of all of them.
pub(super) fn picture() -> anyhow::Result<Picture> {
    let (_stopper, stop) = stop_pair();
    let mut picture = Picture::default();
    TestPattern::new(SIZE, 120.0, 'A')?.read(&mut picture, &stop)?;
    Ok(picture)
}

/// The same as a JPEG.
pub(super) fn jpeg() -> anyhow::Result<Vec<u8>> {
    let mut encoder = Encoder::new(75)?;
    Ok(encoder.encode(&picture()?).context("encode the pattern")?.to_vec())
}

/// A second of a chord that swells and fades: something to encode, the same every time.
pub(super) fn sound() -> Vec<i16> {
    let sample = |at: usize| {
        let t = at as f64 / f64::from(SAMPLE_RATE);
        let tone = |hertz: f64| (t * hertz * std::f64::consts::TAU).sin();
        ((tone(220.0) + tone(523.0) + tone(1318.0)) * 3000.0 * (0.6 + 0.4 * tone(3.0))) as i16
    };
    (0..SAMPLE_RATE as usize).map(sample).collect()
}

/// The same as packets.
pub(super) fn voice() -> anyhow::Result<Vec<Vec<u8>>> {
    let format = VoiceFormat::default();
    let mut encoder = VoiceEncoder::new(format)?;
    let encode = |frame: &[i16]| -> anyhow::Result<Vec<u8>> {
        let mut packet = Vec::new();
        encoder.encode(frame, &mut packet).context("encode sound")?;
        Ok(packet)
    };
    sound().chunks_exact(format.samples()).map(encode).collect()
}

fn encode() -> anyhow::Result<Work> {
    let picture = picture()?;
    let mut encoder = Encoder::new(75)?;
    encoder.encode(&picture).context("encode the pattern")?;
    Ok(Box::new(move || {
        black_box(encoder.encode(black_box(&picture)).is_ok());
    }))
}

fn decode(format: PixelFormat) -> anyhow::Result<Work> {
    let jpeg = jpeg()?;
    let mut decoder = Decoder::new(Limits::of(SIZE))?;
    let mut out = vec![0; format.bytes(SIZE)];
    decoder.decode(&jpeg, format, |_, _| &mut out).context("decode the pattern")?;
    Ok(Box::new(move || {
        black_box(decoder.decode(black_box(&jpeg), format, |_, _| &mut out).is_ok());
    }))
}

fn opus_encode() -> anyhow::Result<Work> {
    let format = VoiceFormat::default();
    let (sound, samples) = (sound(), format.samples());
    let mut encoder = VoiceEncoder::new(format)?;
    let (mut packet, mut frame) = (Vec::new(), 0);
    let frames = sound.len() / samples;
    Ok(Box::new(move || {
        let sound = &sound[frame * samples..][..samples];
        black_box(encoder.encode(black_box(sound), &mut packet).is_ok());
        frame = (frame + 1) % frames;
    }))
}

fn opus_decode() -> anyhow::Result<Work> {
    let packets = voice()?;
    let mut decoder = VoiceDecoder::new()?;
    let mut next = 0;
    Ok(Box::new(move || {
        black_box(decoder.decode(black_box(&packets[next])).is_ok());
        next = (next + 1) % packets.len();
    }))
}

/// The same chord, three times as slow, as blocks of a station's microphone.
fn blocks() -> Vec<[i32; urtp::BLOCK]> {
    let sound: Vec<i32> = sound().iter().map(|sample| i32::from(*sample) << 4).collect();
    sound.as_chunks().0.to_vec()
}

fn urtp_encode() -> Work {
    let (blocks, mut out) = (blocks(), [0; urtp::DATAGRAM_LIMIT]);
    let mut encoder = urtp::Encoder::new(urtp::Coding::Unicam, urtp::MAX_GAIN);
    let mut sequence = 0_u16;
    Box::new(move || {
        let block = &blocks[usize::from(sequence) % blocks.len()];
        black_box(encoder.encode(black_box(block), sequence, 0, &mut out));
        sequence = sequence.wrapping_add(1);
    })
}

fn urtp_decode() -> anyhow::Result<Work> {
    let mut encoder = urtp::Encoder::new(urtp::Coding::Unicam, urtp::MAX_GAIN);
    let mut out = [0; urtp::DATAGRAM_LIMIT];
    let mut encode = |block: &[i32; urtp::BLOCK]| {
        let length = encoder.encode(block, 0, 0, &mut out);
        out[..length].to_vec()
    };
    let datagrams: Vec<Vec<u8>> = blocks().iter().map(&mut encode).collect();
    let (mut decoder, mut heard) = (urtp::Decoder::default(), [0; urtp::BLOCK]);
    decoder.decode(&datagrams[0], &mut heard).context("decode our own datagram")?;
    let mut next = 0;
    Ok(Box::new(move || {
        black_box(decoder.decode(black_box(&datagrams[next]), &mut heard).is_ok());
        next = (next + 1) % datagrams.len();
    }))
}

fn voice_packet(sequence: u32) -> Packet {
    Packet {
        kind: PacketKind::Voice,
        sequence,
        captured: Time::from_micros(20_000 * u64::from(sequence)),
        after_gap: false,
        payload: Bytes::from_static(&[0; 60]),
    }
}

fn packet() -> anyhow::Result<Work> {
    let one = voice_packet(7);
    Header::decode(&Header::of(&one).encode()).context("decode our own header")?;
    Ok(Box::new(move || {
        let bytes = Header::of(black_box(&one)).encode();
        black_box(Header::decode(black_box(&bytes)).is_ok());
    }))
}

fn pace() -> Work {
    let (mut pace, mut sequence) = (Pace::new(Size::new(640, 480), 75), 0u32);
    Box::new(move || {
        let now = Time::from_micros(33_333 * u64::from(sequence));
        pace.taken(now);
        if let Some(order) = black_box(pace.order(Quality::Full, now)) {
            pace.sent(sequence, &order, 17_000, now);
        }
        let arrived = now + Duration::from_millis(3);
        black_box(pace.acknowledged(sequence, arrived, arrived));
        sequence += 1;
    })
}

fn jitter() -> Work {
    let mut jitter = Jitter::new();
    let samples = VoiceFormat::default().samples();
    let mut sequence = 0;
    Box::new(move || {
        let packet = voice_packet(sequence);
        let now = packet.captured + Duration::from_millis(3);
        jitter.push(packet, samples, now);
        black_box(jitter.next(0, now));
        jitter.pulled(0, now);
        sequence += 1;
    })
}
