//! Puts a play-out on trial: a minute of a line in virtual time, and a figure for what was heard.
//!
//! ```text
//! traces ─> packets when they arrive ─> Playout ─10 ms each 10 ms─> Quality
//! ```
//! Whoever brings another play-out (the benchmark does) measures it on the same traces by the same
//! [`Count`].

pub mod traces;

use std::f32::consts::TAU;
use std::time::Duration;

use bytes::Bytes;

use self::traces::Arrival;
use super::playout::{Playout, Stamps};
use crate::clock::Time;
use crate::codec::opus::{VoiceEncoder, VoiceError, VoiceFormat};
use crate::figures::Ages;
use crate::frame::{PERIOD_SAMPLES, Packet, PacketKind, SAMPLE_RATE};

/// What the time from mouth to ear is, beyond the line and what the play-out adds: a loudspeaker's
/// buffer, in ms.
const DEVICE_MS: f64 = 30.0;

/// What a trial came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Delay that the play-out added to the line's least, in ms: mean and 95th percentile.
    pub added_mean_ms: f64,
    /// See there.
    pub added_p95_ms: f64,
    /// Percent of the time in which the other was sending and something else was heard.
    pub concealed: f64,
    /// Percent of the time that was taken out or put in.
    pub stretched: f64,
    /// Transmission rating, 0 to 93.
    pub rating: f64,
}

/// Counts while a play-out plays.
#[derive(Debug, Default)]
pub struct Count {
    added: Ages,
    sum: f64,
    number: u64,
}

impl Count {
    /// Sound was heard that much later than at best.
    pub fn heard(&mut self, added: Duration) {
        self.added.record(added);
        self.sum += added.as_secs_f64() * 1e3;
        self.number += 1;
    }

    /// What it comes to, for a line of `least` and samples `concealed` and `stretched` of `sent`.
    pub fn quality(&self, least: Duration, concealed: u64, stretched: u64, sent: u64) -> Quality {
        let percent = |samples: u64| samples as f64 * 100.0 / sent.max(1) as f64;
        let mean = self.sum / self.number.max(1) as f64;
        Quality {
            added_mean_ms: mean,
            added_p95_ms: self.added.percentiles().p95,
            concealed: percent(concealed),
            stretched: percent(stretched),
            rating: rating(least.as_secs_f64() * 1e3 + mean + DEVICE_MS, percent(concealed)),
        }
    }
}

/// The E-model's rating (ITU-T G.107) of `delay` ms and `lost` percent of concealed sound: delay as
/// Cole and Rosenbluth simplified it (ACM CCR 31/2, 2001), loss with G.711's packet-loss robustness
/// (ITU-T G.113, appendix I: Ie 0, Bpl 25.1 with concealment), for want of Opus' own.
pub fn rating(delay: f64, lost: f64) -> f64 {
    let by_delay = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    93.2 - by_delay - 95.0 * lost / (lost + 25.1)
}

/// Packets of `frame_ms` that speak for a second: a hum of 140 Hz and its harmonics in four
/// syllables, with a quiet room between them.
///
/// # Errors
/// libopus refuses.
pub fn speech(frame_ms: u32) -> Result<Vec<Bytes>, VoiceError> {
    let format = VoiceFormat { frame_ms, low_delay: frame_ms == 10, ..VoiceFormat::default() };
    let mut encoder = VoiceEncoder::new(format)?;
    let (mut noise, mut packet) = (1u32, Vec::new());
    let mut packets = Vec::new();
    // The second time round the encoder knows what came before.
    for at in (0..2 * SAMPLE_RATE as usize).step_by(format.samples()) {
        let frame: Vec<i16> = (at..at + format.samples())
            .map(|index| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let room = ((noise >> 16) as f32 / 32_768.0 - 1.0) * 40.0;
                let second = index as f32 / SAMPLE_RATE as f32;
                let syllable = (second * 4.0 * TAU / 2.0).sin().abs() - 0.3;
                let voice: f32 = (1..8u8)
                    .map(|n| (second * 140.0 * TAU * f32::from(n)).sin() / f32::from(n))
                    .sum();
                (voice * syllable.max(0.0) * 6000.0 + room) as i16
            })
            .collect();
        encoder.encode(&frame, &mut packet)?;
        packets.push(Bytes::copy_from_slice(&packet));
    }
    Ok(packets.split_off(packets.len() / 2))
}

/// The two sound cards of a call, which do not count alike: parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cards {
    /// How much too fast the far microphone is.
    pub microphone: f64,
    /// How much too fast our loudspeaker is.
    pub speaker: f64,
    /// How long the loudspeaker lets a packet that is due be waited for, in µs, as the listen worker
    /// does with a buffer of 30 ms: 8 ms.
    pub patience: u64,
}

/// Let the play-out of a call hear `trace`, whose packets hold `frame_ms`.
///
/// # Errors
/// libopus refuses.
pub fn run(trace: &[Arrival], frame_ms: u32, cards: Cards) -> Result<Quality, VoiceError> {
    let mut playout = Playout::new(Stamps::Captured)?;
    let speech = speech(frame_ms)?;
    let frame = Duration::from_millis(u64::from(frame_ms));
    let off = |micros: u64, ppm: f64| (micros as f64 / (1.0 + ppm * 1e-6)) as u64;
    let least = trace.iter().map(|packet| packet.arrived - packet.captured).min().unwrap_or(0);
    let mut arrivals = trace.iter().peekable();
    let mut into = [0; PERIOD_SAMPLES];
    let mut count = Count::default();
    let end = trace.last().map_or(0, |packet| off(packet.captured, cards.microphone));
    for pull in 0.. {
        let now = 3_000 + off(pull * 10_000, cards.speaker);
        if now >= end {
            break;
        }
        let came = |at: &Arrival| off(at.captured, cards.microphone) + at.arrived - at.captured;
        while let Some(packet) = arrivals.next_if(|packet| {
            let patience = if playout.is_starving() { cards.patience } else { 0 };
            came(packet) <= now + patience
        }) {
            let sound =
                &speech[packet.captured as usize / frame.as_micros() as usize % speech.len()];
            let captured = Time::from_micros(off(packet.captured, cards.microphone));
            playout.push(
                Packet {
                    kind: PacketKind::Voice,
                    sequence: packet.sequence,
                    captured,
                    after_gap: false,
                    payload: sound.clone(),
                },
                Time::from_micros(came(packet)),
            );
        }
        let now = Time::from_micros(now);
        playout.pull(&mut into, now, |_| {});
        playout.heard(now);
        if let Some(next) = playout.next_captured() {
            let latency = (now + Duration::from_millis(10)).since(next);
            count.heard(latency.saturating_sub(Duration::from_micros(least)));
        }
    }
    let figures = playout.figures();
    let sent = trace.len() as u64 * u64::from(frame_ms * SAMPLE_RATE / 1000);
    let least = Duration::from_micros(least);
    Ok(count.quality(least, figures.jitter.concealed, figures.stretched, sent))
}

#[cfg(test)]
mod tests;
