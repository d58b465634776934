//! Packets in when they arrive, 10 ms of sound out when the loudspeaker wants it.
//!
//! ```text
//! push ─> Jitter ──Decode/Conceal/Quiet──> decoder ─> sound ─(stretch)─(resample)─> pull
//!                                 noise ──────────────┘
//! ```
//! Pure: no device, no clock. Sound is made shorter or longer where the delay is not the one that
//! [`Jitter`] wants, quickly in silence and slowly in words; where nothing came, libopus goes on for
//! 60 ms, and then the noise of the other's room takes over in a fade. What was decoded or missing is
//! offered to a tap (the recording).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::comfort::{Comfort, blend};
use super::drift::{Follower, Rate};
use super::jitter::{Jitter, JitterFigures, Step};
use super::stretch::{self, lengthen, shorten};
use crate::clock::Time;
use crate::codec::opus::{VoiceDecoder, VoiceError, samples_in};
use crate::frame::{PERIOD_SAMPLES, Packet, SAMPLE_RATE};

/// Excess below this is not worth a cut: 5 ms.
const CUT_FROM: usize = 240;
/// Put in at once when what is there runs out and nothing comes: 10 ms.
const DRY: usize = 480;
/// Put in from one packet to the next at most while it is dry, then what is missing is hidden: 60 ms.
const DRY_LIMIT: usize = 60 * 48;
/// Pulls between two times that something is put in: a hole would be worse.
const REST_OF_LACK: u32 = 2;
/// Pulls after that in which nothing is cut that is not as [`LARGE`]: a queue that grows goes on to.
const HOLD: u32 = 100;
/// 60 ms.
const LARGE: usize = 60 * 48;
/// Samples of the seam between noise and words: 5 ms.
const SEAM: usize = 240;
/// How much louder than the noise of the room may be and still be silence.
const SILENCE: f32 = 2.0;
/// Pulls between two looks at the drift: 1 s.
const DRIFT_EVERY: u64 = 100;
/// A microphone that was away for longer starts to be measured anew.
const NEW_MEASURE: Duration = Duration::from_secs(5);

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

/// Figures so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlayoutFigures {
    /// What the jitter buffer counted.
    pub jitter: JitterFigures,
    /// Samples taken out and put in to change the delay.
    pub stretched: u64,
    /// Packets that were not Opus.
    pub refused: u64,
    /// Parts per million by which the far microphone is faster than our loudspeaker, as followed.
    pub drift_ppm: f64,
}

/// From packets to sound.
pub struct Playout {
    jitter: Jitter,
    decoder: VoiceDecoder,
    comfort: Comfort,
    follower: Follower,
    /// The far microphone and our loudspeaker against the clock.
    microphone: Rate,
    speaker: Rate,
    sound: VecDeque<i16>,
    scratch: Vec<i16>,
    /// What is at the end of `sound` is noise.
    noisy: bool,
    stamps: Stamps,
    /// When the next packet should be captured, where the wire doesn't say.
    even: Option<(u32, Time)>,
    /// When the last packet was captured, and how many samples its sender had taken by then.
    taken: Option<(Time, u64)>,
    /// When the sample after the last decoded one was captured.
    captured: Option<Time>,
    since_stretch: u32,
    /// Pulls since something was put in.
    since_put: u32,
    /// Samples put in because it was dry, since the last packet.
    put_dry: usize,
    pulls: u64,
    stretched: u64,
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
            comfort: Comfort::default(),
            follower: Follower::default(),
            microphone: Rate::default(),
            speaker: Rate::default(),
            sound: VecDeque::new(),
            scratch: Vec::new(),
            noisy: false,
            stamps,
            even: None,
            taken: None,
            captured: None,
            since_stretch: 0,
            since_put: HOLD,
            put_dry: 0,
            pulls: 0,
            stretched: 0,
            refused: 0,
        })
    }

    /// A packet has arrived. What is no Opus packet is counted and left out.
    pub fn push(&mut self, mut packet: Packet, now: Time) {
        let Ok(samples) = samples_in(&packet.payload) else {
            self.refused += 1;
            return;
        };
        packet.captured = packet.captured.near(now);
        match self.stamps {
            Stamps::Arrival => packet.captured = self.even_stamp(packet.sequence, samples, now),
            Stamps::Captured => self.measure_microphone(packet.captured, samples),
        }
        self.jitter.push(packet, samples, now);
    }

    /// The next 10 ms, `now` being when the loudspeaker had room for them.
    pub fn pull(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        now: Time,
        mut tap: impl FnMut(Heard),
    ) {
        if self.pulls.is_multiple_of(DRIFT_EVERY)
            && let (Some(microphone), Some(speaker)) = (self.microphone.ppm(), self.speaker.ppm())
        {
            self.follower.follow(microphone - speaker);
        }
        self.pulls += 1;
        self.stretch(now, &mut tap);
        self.fill(self.follower.needed(), now, &mut tap);
        self.follower.take(&mut self.sound, into);
        self.jitter.pulled(self.sound.len(), now);
    }

    /// The first sample of the period pulled last is heard at `at`: what drift is measured by.
    pub fn heard(&mut self, at: Time) {
        self.speaker.note((self.pulls - 1) * PERIOD_SAMPLES as u64, at);
    }

    /// The loudspeaker is another one, or was opened again.
    pub fn new_speaker(&mut self) {
        self.speaker = Rate::default();
    }

    /// Whether nobody speaks: only the noise of the room is played, and nothing waits.
    pub fn is_quiet(&self) -> bool {
        self.noisy && self.jitter.is_quiet()
    }

    /// Whether there is sound going on and no packet for its next 10 ms: worth waiting for, as long
    /// as the loudspeaker has something left.
    pub fn is_starving(&self) -> bool {
        self.jitter.is_starving(self.sound.len(), self.follower.needed())
    }

    /// When the sample that is pulled next was captured (or, with [`Stamps::Arrival`], should have
    /// arrived), if it came from a packet.
    pub fn next_captured(&self) -> Option<Time> {
        Some(self.captured? - time_of(self.sound.len()))
    }

    /// Figures so far.
    pub fn figures(&self) -> PlayoutFigures {
        PlayoutFigures {
            jitter: self.jitter.figures(),
            stretched: self.stretched,
            refused: self.refused,
            drift_ppm: self.follower.ppm(),
        }
    }

    /// Bring the delay nearer to what it should be.
    fn stretch(&mut self, now: Time, tap: &mut impl FnMut(Heard)) {
        self.since_stretch += 1;
        let there = self.jitter.at_hand(self.sound.len());
        let excess = self.jitter.excess();
        self.since_put += 1;
        let grows = self.since_put < HOLD && excess < LARGE;
        if excess >= CUT_FROM && !grows && there >= stretch::NEEDED {
            if self.since_stretch >= self.rest_after(excess) {
                self.fill(stretch::NEEDED, now, tap);
                let cut = shorten(&mut self.sound, excess);
                self.stretched_by(cut, -1);
            }
            return;
        }
        let dry = self.put_dry < DRY_LIMIT && self.jitter.is_running_dry(self.sound.len(), now);
        let lack = self.jitter.lack().max(if dry { DRY } else { 0 });
        if lack >= stretch::SHORTEST && (dry || self.since_stretch >= REST_OF_LACK) {
            self.fill(there.min(stretch::NEEDED), now, tap);
            let put = lengthen(&mut self.sound, lack.max(DRY));
            self.since_put = 0;
            if dry {
                self.put_dry += put;
            }
            self.stretched_by(put, 1);
        }
    }

    fn stretched_by(&mut self, samples: usize, sign: i64) {
        if samples > 0 {
            self.jitter.shortened(-sign * samples as i64);
            self.stretched += samples as u64;
            self.since_stretch = 0;
        }
    }

    /// Pulls between two cuts: in silence none is heard, in words two in one syllable would be.
    fn rest_after(&self, wrong: usize) -> u32 {
        if self.is_silent() {
            return 1;
        }
        match wrong / 48 {
            0..30 => 6,
            30..100 => 4,
            _ => 3,
        }
    }

    /// What comes next is nothing but the noise of the room.
    fn is_silent(&self) -> bool {
        if self.noisy {
            return true;
        }
        let next = self.sound.iter().take(PERIOD_SAMPLES);
        let energy: f32 = next.map(|sample| f32::from(*sample).powi(2)).sum();
        let limit = self.comfort.level() * SILENCE;
        energy < limit * limit * PERIOD_SAMPLES as f32
    }

    /// Hold at least `samples` of sound.
    fn fill(&mut self, samples: usize, now: Time, tap: &mut impl FnMut(Heard)) {
        while self.sound.len() < samples {
            match self.jitter.next(self.sound.len(), now) {
                Step::Decode(packet) => self.decode(packet, tap),
                Step::Conceal(samples) => {
                    self.conceal(samples);
                    self.append(false);
                    tap(Heard::Missing(samples));
                }
                Step::Quiet(samples) => {
                    self.hush(samples);
                    tap(Heard::Missing(samples));
                }
            }
        }
    }

    fn decode(&mut self, packet: Packet, tap: &mut impl FnMut(Heard)) {
        self.put_dry = 0;
        match self.decoder.decode(&packet.payload) {
            Ok(sound) => {
                self.scratch.clear();
                self.scratch.extend_from_slice(sound);
                self.comfort.learn(&self.scratch);
                let samples = self.scratch.len();
                self.captured = Some(packet.captured + time_of(samples));
                self.append(false);
                let sequence = packet.sequence;
                tap(Heard::Packet { payload: packet.payload, samples, sequence });
            }
            Err(_) => {
                self.refused += 1;
                self.conceal(PERIOD_SAMPLES);
                self.append(false);
                tap(Heard::Missing(PERIOD_SAMPLES));
            }
        }
    }

    /// What libopus makes of nothing, into `scratch`.
    fn conceal(&mut self, samples: usize) {
        self.captured = None;
        self.scratch.clear();
        match self.decoder.conceal(samples) {
            Ok(sound) => self.scratch.extend_from_slice(sound),
            Err(_) => self.scratch.resize(samples, 0),
        }
    }

    /// The noise of the room, faded in over what libopus would have made.
    fn hush(&mut self, samples: usize) {
        if self.noisy || self.pulls <= 1 {
            self.scratch.clear();
            self.comfort.samples(samples, &mut self.scratch);
        } else {
            self.conceal(samples);
            let comfort = &mut self.comfort;
            // The same blend, seen from the other side: what is there goes, the noise comes.
            let length = samples as f32;
            for (index, sample) in self.scratch.iter_mut().enumerate() {
                let share = (index as f32 + 0.5) / length;
                let (old, new) = (f32::from(*sample), f32::from(comfort.sample()));
                *sample = (old * (1.0 - share) + new * share) as i16;
            }
        }
        self.captured = None;
        self.append(true);
    }

    /// Put `scratch` behind what is there, with a seam where noise ends.
    fn append(&mut self, noise: bool) {
        if std::mem::replace(&mut self.noisy, noise) && !noise {
            let seam = self.scratch.len().min(SEAM);
            let comfort = &mut self.comfort;
            blend(&mut self.scratch[..seam], |_| comfort.sample());
        }
        self.sound.extend(&self.scratch);
    }

    /// A frame of `samples` was captured at `captured`: how fast does that microphone count?
    fn measure_microphone(&mut self, captured: Time, samples: usize) {
        let period = time_of(samples.min(PERIOD_SAMPLES)).as_micros() as u64;
        let position = match self.taken {
            Some((last, _)) if captured <= last => return,
            Some((last, position)) if captured.since(last) < NEW_MEASURE => {
                // Whole periods went by, sent or not; frames of one sender may differ in length.
                let gone = captured.since(last).as_micros() as u64;
                position + (gone + period / 2) / period * samples.min(PERIOD_SAMPLES) as u64
            }
            _ => {
                self.microphone = Rate::default();
                0
            }
        };
        self.taken = Some((captured, position));
        self.microphone.note(position, captured);
    }

    /// A capture time for the wire without times: one frame after another, from the first arrival;
    /// over again after a pause, and earlier when packets come faster than that.
    fn even_stamp(&mut self, sequence: u32, samples: usize, now: Time) -> Time {
        let frame = time_of(samples);
        let stamp = match self.even {
            Some((last, stamp)) => {
                let steps = u64::from(sequence.wrapping_sub(last));
                let gone = (frame.as_micros() as u64).saturating_mul(steps);
                let even = stamp + Duration::from_micros(gone);
                if now.since(even) > PAUSE { now } else { even.min(now) }
            }
            None => now,
        };
        self.even = Some((sequence, stamp));
        stamp
    }
}

fn time_of(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
}

#[cfg(test)]
mod tests;
