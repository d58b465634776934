//! Packets in when they arrive, 10 ms of sound out when the loudspeaker wants it.
//!
//! ```text
//! push ─> Jitter ──Decode/Conceal/Quiet──> decoder ─> samples ─(shorten)─> pull
//! ```
//! Pure: no device, no clock. What was decoded or missing is offered to a tap (the recording).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::jitter::{Jitter, JitterFigures, Step};
use super::shorten::{self, shorten};
use crate::clock::Time;
use crate::codec::opus::{VoiceDecoder, VoiceError, samples_in};
use crate::frame::{PERIOD_SAMPLES, Packet, SAMPLE_RATE};

/// Periods between two cuts while the delay shrinks: never two in one syllable.
const CUT_EVERY: u32 = 4;
/// Excess below this is not worth a cut.
const CUT_FROM: usize = 240;

/// What the sound of a moment was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// One Opus packet.
    Packet {
        /// As it came.
        payload: Bytes,
        /// Samples in it.
        samples: usize,
        /// Its number in the stream.
        sequence: u32,
    },
    /// That many samples without a packet.
    Missing(usize),
}

/// What the capture times of the packets are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// They are capture times on this machine's clock (the tunnel mapped them).
    Captured,
    /// They are arrival times, for the wire without times: captured evenly, as far as one can tell.
    Arrival,
}

/// Arrival times further behind than this mean the sender paused.
const PAUSE: Duration = Duration::from_secs(1);

/// From packets to sound.
pub struct Playout {
    jitter: Jitter,
    decoder: VoiceDecoder,
    sound: VecDeque<i16>,
    stamps: Stamps,
    /// When the next packet should be captured, where the wire doesn't say.
    even: Option<(u32, Time)>,
    /// When the sample after the last decoded one was captured.
    captured: Option<Time>,
    since_cut: u32,
    refused: u64,
}

impl Playout {
    /// An empty one.
    ///
    /// # Errors
    /// libopus refuses.
    pub fn new(stamps: Stamps) -> Result<Self, VoiceError> {
        Ok(Self {
            jitter: Jitter::new(),
            decoder: VoiceDecoder::new()?,
            sound: VecDeque::new(),
            stamps,
            even: None,
            captured: None,
            since_cut: 0,
            refused: 0,
        })
    }

    /// A packet has arrived. What is no Opus packet is counted and left out.
    pub fn push(&mut self, mut packet: Packet, now: Time) {
        let Ok(samples) = samples_in(&packet.payload) else {
            self.refused += 1;
            return;
        };
        if self.stamps == Stamps::Arrival {
            packet.captured = self.even_stamp(packet.sequence, samples, now);
        }
        self.jitter.push(packet, samples, now);
    }

    /// The next 10 ms.
    pub fn pull(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        now: Time,
        mut tap: impl FnMut(Heard),
    ) {
        self.since_cut += 1;
        let excess = self.jitter.excess();
        let cut = excess >= CUT_FROM && self.since_cut >= CUT_EVERY;
        let wanted = if cut { shorten::NEEDED } else { PERIOD_SAMPLES };
        while self.sound.len() < wanted {
            match self.jitter.next(self.sound.len(), now) {
                Step::Decode(packet) => self.decode(packet, &mut tap),
                Step::Conceal(samples) => self.conceal(samples, &mut tap),
                Step::Quiet(samples) => {
                    self.sound.extend(std::iter::repeat_n(0, samples));
                    self.captured = None;
                    tap(Heard::Missing(samples));
                }
            }
        }
        if cut {
            self.jitter.shortened(shorten(&mut self.sound));
            self.since_cut = 0;
        }
        for (sample, next) in into.iter_mut().zip(self.sound.drain(..PERIOD_SAMPLES)) {
            *sample = next;
        }
        self.jitter.pulled(self.sound.len());
    }

    /// Whether there is sound going on and no packet for its next 10 ms: worth waiting for, as long
    /// as the loudspeaker has something left.
    pub fn is_starving(&self) -> bool {
        self.jitter.is_starving(self.sound.len())
    }

    /// When the sample that is pulled next was captured (or, with [`Stamps::Arrival`], should have
    /// arrived), if it came from a packet.
    pub fn next_captured(&self) -> Option<Time> {
        let waiting = self.sound.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE);
        Some(self.captured? - Duration::from_micros(waiting))
    }

    /// Packets that were not Opus.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Figures so far.
    pub fn figures(&self) -> JitterFigures {
        self.jitter.figures()
    }

    fn decode(&mut self, packet: Packet, tap: &mut impl FnMut(Heard)) {
        match self.decoder.decode(&packet.payload) {
            Ok(sound) => {
                let length = sound.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE);
                self.captured = Some(packet.captured + Duration::from_micros(length));
                self.sound.extend(sound);
                let (samples, sequence) = (sound.len(), packet.sequence);
                tap(Heard::Packet { payload: packet.payload, samples, sequence });
            }
            Err(_) => {
                self.refused += 1;
                self.conceal(PERIOD_SAMPLES, tap);
            }
        }
    }

    fn conceal(&mut self, samples: usize, tap: &mut impl FnMut(Heard)) {
        self.captured = None;
        match self.decoder.conceal(samples) {
            Ok(sound) => self.sound.extend(sound),
            Err(_) => self.sound.extend(std::iter::repeat_n(0, samples)),
        }
        tap(Heard::Missing(samples));
    }

    /// A capture time for the wire without times: one frame after another, from the first arrival;
    /// over again after a pause, and earlier when packets come faster than that.
    fn even_stamp(&mut self, sequence: u32, samples: usize, now: Time) -> Time {
        let frame = samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE);
        let stamp = match self.even {
            Some((last, stamp)) => {
                let steps = u64::from(sequence.wrapping_sub(last));
                let even = stamp + Duration::from_micros(frame.saturating_mul(steps));
                if now.since(even) > PAUSE { now } else { even.min(now) }
            }
            None => now,
        };
        self.even = Some((sequence, stamp));
        stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::opus::{VoiceEncoder, VoiceFormat};
    use crate::frame::PacketKind;
    use proptest::prelude::*;

    fn packet(sequence: u32, payload: Vec<u8>) -> Packet {
        Packet {
            kind: PacketKind::Voice,
            sequence,
            captured: Time::from_micros(u64::from(sequence) * 20_000),
            after_gap: false,
            payload: payload.into(),
        }
    }

    fn tone_packets(count: u32) -> Vec<Packet> {
        let mut encoder = VoiceEncoder::new(VoiceFormat::default()).unwrap();
        let packets = (0..count).map(|n| {
            let at = |i: u32| (n * 960 + i) as f32 / 48_000.0;
            let frame: Vec<i16> = (0..960)
                .map(|i| ((at(i) * 440.0 * std::f32::consts::TAU).sin() * 9000.0) as i16)
                .collect();
            let mut payload = Vec::new();
            encoder.encode(&frame, &mut payload).unwrap();
            packet(n, payload)
        });
        packets.collect()
    }

    #[test]
    fn a_tone_is_heard_without_a_hole_and_its_age_is_known() {
        let mut playout = Playout::new(Stamps::Captured).unwrap();
        let mut into = [0; PERIOD_SAMPLES];
        let (mut now, mut quiet, mut loud) = (Time::from_micros(1_000), 0, 0);
        for packet in tone_packets(200) {
            now = now + Duration::from_millis(20);
            playout.push(packet, now);
            for half in 0..2 {
                playout.pull(&mut into, now + Duration::from_millis(half * 10), |_| {});
                let peak = into.iter().map(|s| s.unsigned_abs()).max().unwrap();
                if peak > 4000 {
                    loud += 1
                } else if loud > 0 {
                    quiet += 1
                }
            }
        }
        assert_eq!((quiet, playout.figures().gaps), (0, 0));
        assert!(loud > 380, "{loud} loud periods");
        let age = now.since(playout.next_captured().unwrap());
        assert!(age < Duration::from_millis(80), "{age:?}");
    }

    #[test]
    fn the_tap_gets_every_packet_once_and_in_order() {
        let mut playout = Playout::new(Stamps::Arrival).unwrap();
        let (sent, mut tapped) = (tone_packets(50), Vec::new());
        let mut into = [0; PERIOD_SAMPLES];
        for (n, packet) in (0..).zip(sent.clone()) {
            let now = Time::from_micros(n * 20_000);
            playout.push(packet, now);
            for _ in 0..2 {
                playout.pull(&mut into, now, |heard| {
                    if let Heard::Packet { payload, .. } = heard {
                        tapped.push(payload);
                    }
                });
            }
        }
        assert!(tapped.len() >= 47);
        assert!(tapped.iter().zip(&sent).all(|(got, sent)| *got == sent.payload));
    }

    proptest! {
        #[test]
        fn garbage_packets_are_counted_and_never_panic(
            payloads in proptest::collection::vec(any::<Vec<u8>>(), 1..60),
        ) {
            let mut playout = Playout::new(Stamps::Arrival).unwrap();
            let mut into = [0; PERIOD_SAMPLES];
            for (n, payload) in (0..).zip(payloads) {
                let now = Time::from_micros(u64::from(n) * 20_000);
                playout.push(packet(n, payload), now);
                playout.pull(&mut into, now, |_| {});
                playout.pull(&mut into, now + Duration::from_millis(10), |_| {});
            }
        }
    }
}
