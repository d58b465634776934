//! Scenario `units`: the pieces of the work by themselves, in this process, one thread.
//!
//! What is timed is a batch; a row's values are the times of one piece in each of the batches. The
//! targets are what a bare C loop over libjpeg-turbo and libopus (at our complexity, 5) needed, and a
//! tenth more.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;

use super::lab::Lab;
use super::rows::Row;
use super::video::SIZE;
use crate::clock::Time;
use crate::codec::jpeg::{Decoder, Encoder, Limits};
use crate::codec::opus::{VoiceDecoder, VoiceEncoder, VoiceFormat};
use crate::device::VideoSource;
use crate::device::test_pattern::TestPattern;
use crate::frame::{Packet, PacketKind, Picture, PixelFormat, SAMPLE_RATE};
use crate::media::jitter::Jitter;
use crate::wire::packet::Header;
#[cfg(feature = "kms")]
use crate::{
    frame::Size,
    geometry::{Rect, Rotation},
    ui::kms::Mixing,
};

/// Batches per run.
const BATCHES: usize = 10;

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let batches = lab.runs * BATCHES;
    let mut rows = Vec::new();
    pictures(lab, batches, &mut rows)?;
    voice(batches, &mut rows)?;
    packets(batches, &mut rows)?;
    #[cfg(feature = "kms")]
    panel(batches, &mut rows);
    Ok(rows)
}

/// The time of one `work`, in µs, in each of the batches of `size`; what comes first, into cold
/// caches, is not timed.
fn time(batches: usize, size: usize, mut work: impl FnMut()) -> Vec<f64> {
    (0..size).for_each(|_| work());
    let batch = |_| {
        let began = Instant::now();
        (0..size).for_each(|_| work());
        began.elapsed().as_secs_f64() * 1e6 / size as f64
    };
    (0..batches).map(batch).collect()
}

fn add(rows: &mut Vec<Row>, metric: &'static str, values: &[f64], target: f64) {
    rows.extend(Row::ours("units", metric, "µs", values, Some(target)));
}

/// What takes less than 1 µs, in ns.
fn add_small(rows: &mut Vec<Row>, metric: &'static str, values: &[f64]) {
    let nanos: Vec<f64> = values.iter().map(|micros| 1e3 * micros).collect();
    rows.extend(Row::ours("units", metric, "ns", &nanos, None));
}

fn pictures(lab: &Lab, batches: usize, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let mut picture = Picture::default();
    TestPattern::new(SIZE, 120.0, 'A')?.read(&mut picture, &lab.stop)?;
    let mut encoder = Encoder::new(75)?;
    let jpeg = encoder.encode(&picture).context("encode the pattern")?.to_vec();
    let encoded = time(batches, 30, || {
        black_box(encoder.encode(black_box(&picture)).is_ok());
    });
    add(rows, "JPEG from YUV, 640x480", &encoded, 400.0);
    let mut decoder = Decoder::new(Limits::of(SIZE))?;
    let mut out = Vec::new();
    for (format, metric, target) in [
        (PixelFormat::I420, "JPEG to YUV, 640x480", 440.0),
        (PixelFormat::Rgb8, "JPEG to RGB, 640x480", 590.0),
    ] {
        out.resize(format.bytes(SIZE), 0);
        decoder.decode(&jpeg, format, |_, _| &mut out).context("decode the pattern")?;
        let decoded = time(batches, 30, || {
            black_box(decoder.decode(black_box(&jpeg), format, |_, _| &mut out).is_ok());
        });
        add(rows, metric, &decoded, target);
    }
    Ok(())
}

/// What a picture costs where the processor mixes it into the pages.
#[cfg(feature = "kms")]
fn panel(batches: usize, rows: &mut Vec<Row>) {
    let mut mixing = Mixing::new(Size::new(800, 480), Rect::new(0, 68, 680, 412));
    let times = time(batches, 30, || {
        black_box(mixing.mix(Rotation::None));
    });
    add(rows, "picture into the pages, 680x412", &times, 200.0);
    let times = time(batches, 30, || {
        black_box(mixing.mix(Rotation::Quarter));
    });
    rows.extend(Row::ours("units", "the same turned by 90", "µs", &times, None));
}

fn voice(batches: usize, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let format = VoiceFormat::default();
    let samples = format.samples();
    // A chord that swells and fades: something to encode, the same every time.
    let sound = |at: usize| {
        let t = at as f64 / f64::from(SAMPLE_RATE);
        let tone = |hertz: f64| (t * hertz * std::f64::consts::TAU).sin();
        ((tone(220.0) + tone(523.0) + tone(1318.0)) * 3000.0 * (0.6 + 0.4 * tone(3.0))) as i16
    };
    let second: Vec<i16> = (0..SAMPLE_RATE as usize).map(sound).collect();
    let mut frames = second.chunks_exact(samples).cycle();
    let mut encoder = VoiceEncoder::new(format)?;
    let mut packet = Vec::new();
    let mut encoded = Vec::new();
    for frame in frames.by_ref().take(50) {
        encoder.encode(frame, &mut packet).context("encode sound")?;
        encoded.push(packet.clone());
    }
    let times = time(batches, 50, || {
        let frame = frames.next().expect("it goes round");
        black_box(encoder.encode(black_box(frame), &mut packet).is_ok());
    });
    add(rows, "Opus encode, 20 ms", &times, 143.0);
    let mut decoder = VoiceDecoder::new()?;
    let mut encoded = encoded.iter().cycle();
    let times = time(batches, 50, || {
        let packet = encoded.next().expect("it goes round");
        black_box(decoder.decode(black_box(packet)).is_ok());
    });
    add(rows, "Opus decode, 20 ms", &times, 22.0);
    Ok(())
}

fn packets(batches: usize, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let packet = |sequence: u32| Packet {
        kind: PacketKind::Voice,
        sequence,
        captured: Time::from_micros(20_000 * u64::from(sequence)),
        after_gap: false,
        payload: Bytes::from_static(&[0; 60]),
    };
    let one = packet(7);
    Header::decode(&Header::of(&one).encode()).context("decode our own header")?;
    let times = time(batches, 10_000, || {
        let bytes = Header::of(black_box(&one)).encode();
        black_box(Header::decode(black_box(&bytes)).is_ok());
    });
    add_small(rows, "packet header, encode and decode", &times);
    let mut jitter = Jitter::new();
    let samples = VoiceFormat::default().samples();
    let mut sequence = 0;
    let times = time(batches, 1_000, || {
        let packet = packet(sequence);
        let now = packet.captured + Duration::from_millis(3);
        jitter.push(packet, samples, now);
        black_box(jitter.next(0, now));
        jitter.pulled(0, now);
        sequence += 1;
    });
    add_small(rows, "jitter buffer, push and pull", &times);
    Ok(())
}
