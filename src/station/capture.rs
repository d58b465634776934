//! The capture worker: what a microphone hears, as datagrams in the ring.
//!
//! ```text
//! StationMic ── [left, right], stamped ──> Blocks ── 320 at 16 kHz ──> Encoder ──> Ring
//!    ▲  gone: the supervisor opens it anew        │ resampled, stamped anew
//!    └── sequence, gain and filter go on          └─ by which UTC is known at this block
//! ```
//! The microphone never waits for the line: the ring lets its oldest go. What was captured when is told
//! in UTC, with the distance of the clocks taken anew at every block, so a clock that is set in between
//! is right from the next block on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::log::Log;
use super::resample::Resampler;
use super::ring::{Datagram, Ring};
use crate::clock::{self, Time};
use crate::device::DeviceError;
use crate::device::sound_watch::SoundWatch;
use crate::device::station_mic::{StationMic, Stereo};
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};
use crate::wire::event_log::Event;
use crate::wire::urtp::{BLOCK, BLOCK_US, DATAGRAM_LIMIT, Encoder, RATE};

/// Sound that is further than this from where the last one ended comes after a gap, in µs.
const GAP: u64 = BLOCK_US;

/// Cuts what a microphone gives into blocks of 20 ms at 16 kHz. Pure.
pub struct Blocks {
    resampler: Resampler,
    left: Vec<i32>,
    /// When the first of `left` was captured.
    first: Option<Time>,
}

impl Blocks {
    /// Of sound at `rate`; none for a rate that no card has.
    pub fn new(rate: u32) -> Option<Self> {
        Some(Self {
            resampler: Resampler::new(rate)?,
            left: Vec::with_capacity(2 * BLOCK),
            first: None,
        })
    }

    /// Take `frames`, whose first was captured at `captured`. What waited before a gap goes.
    pub fn push(&mut self, captured: Time, frames: &[Stereo]) {
        let came = captured.offset(-(self.resampler.delay_us() as i64));
        let waited = self.left.len() as i64 * 1_000_000 / i64::from(RATE);
        let began = came.offset(-waited);
        let is_gap = self.first.is_some_and(|first| first.micros().abs_diff(began.micros()) > GAP);
        if is_gap {
            self.left.clear();
        }
        self.first = Some(if is_gap { came } else { began });
        self.resampler.process(frames.iter().map(|[left, _]| *left), &mut self.left);
    }

    /// The next whole block, and when its first sample was captured.
    pub fn take(&mut self) -> Option<(Time, [i32; BLOCK])> {
        let block = *self.left.first_chunk::<BLOCK>()?;
        self.left.drain(..BLOCK);
        let captured = self.first?;
        self.first = Some(captured + Duration::from_micros(BLOCK_US));
        Some((captured, block))
    }
}

/// How a microphone is opened.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn StationMic>, DeviceError> + Send>;

/// The worker.
pub struct Capture {
    open: Open,
    encoder: Encoder,
    ring: Ring,
    log: Log,
    overruns: Arc<AtomicU64>,
    health: Arc<Health>,
    watch: Option<Arc<SoundWatch>>,
    sequence: u16,
    shift: u8,
}

impl Capture {
    /// One that has captured nothing yet.
    pub fn new(open: Open, encoder: Encoder, ring: Ring, log: Log, health: Arc<Health>) -> Self {
        let (overruns, shift) = (Arc::default(), encoder.shift());
        let watch = SoundWatch::new();
        Self { open, encoder, ring, log, overruns, health, watch, sequence: 0, shift }
    }

    /// Counts the times sound was lost because we read too late.
    pub fn overruns(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.overruns)
    }

    fn open(&mut self) -> Result<Box<dyn StationMic>, WorkerError> {
        (self.open)().map_err(|error| {
            match self.health.trouble() {
                // It is known to be away: that it can't be opened is no news.
                Some(before) => {
                    tracing::debug!("{error}");
                    before.into()
                }
                None => {
                    self.log.note(Event::PcmStartFailure, 0);
                    error.into()
                }
            }
        })
    }

    fn send(&mut self, captured: Time, block: &[i32; BLOCK]) {
        let mut datagram = [0; DATAGRAM_LIMIT];
        let timestamp_us = clock::unix_micros_at(captured);
        let length = self.encoder.encode(block, self.sequence, timestamp_us, &mut datagram);
        self.ring.push(Datagram::new(&datagram[..length], self.sequence, captured));
        self.sequence = self.sequence.wrapping_add(1);
        if self.encoder.shift() != self.shift {
            self.shift = self.encoder.shift();
            self.log.note(Event::MonoSampleAudioShift, u32::from(self.shift));
        }
    }

    fn listen(&mut self, mic: &mut dyn StationMic, stop: &Stop) -> Result<(), WorkerError> {
        let rate = mic.rate();
        let mut blocks = Blocks::new(rate).ok_or_else(|| format!("{rate} Hz is no card's rate"))?;
        let (mut frames, mut overruns) = (Vec::with_capacity(rate as usize / 50), 0);
        while let Some(captured) = mic.read(&mut frames, stop)? {
            blocks.push(captured, &frames);
            while let Some((captured, block)) = blocks.take() {
                self.send(captured, &block);
                self.health.works();
            }
            let lost = mic.overruns() - overruns;
            if lost > 0 {
                overruns += lost;
                self.overruns.fetch_add(lost, Ordering::Relaxed);
                self.log.note(Event::PcmOverrun, u32::try_from(lost).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }
}

impl Worker for Capture {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut mic = self.open()?;
        self.log.note(Event::PcmStart, mic.rate());
        let done = self.listen(&mut *mic, stop);
        self.log.note(if done.is_ok() { Event::PcmStop } else { Event::PcmError }, 0);
        done
    }

    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        SoundWatch::rest_with(self.watch.as_deref(), pause, stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::stop_pair;
    use crate::supervisor::{Restart, Supervisor};
    use crate::wire::urtp::{Coding, Decoder};

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn blocks_are_cut_however_the_sound_comes_and_stamped_where_they_begin() {
        let sound: Vec<Stereo> = (0..2000).map(|n| [n, -n]).collect();
        let mut blocks = Blocks::new(16_000).unwrap();
        let (mut came, mut time) = (Vec::new(), 1_000_000);
        for part in sound.chunks(111) {
            blocks.push(at(time), part);
            time += part.len() as u64 * 125 / 2;
            came.extend(std::iter::from_fn(|| blocks.take()));
        }
        assert_eq!(came.len(), 6);
        for (number, (captured, block)) in (0..).zip(&came) {
            let off = captured.micros().abs_diff(1_000_000 + number * 20_000);
            assert!(off <= 20, "{off} µs");
            assert!(block.iter().zip(number as i32 * 320..).all(|(a, b)| *a == b));
        }
    }

    #[test]
    fn a_resampled_block_is_stamped_with_when_it_was_heard_and_not_with_when_it_came_out() {
        let mut blocks = Blocks::new(48_000).unwrap();
        blocks.push(at(500_000), &[[5, 5]; 960]);
        let (captured, _) = blocks.take().unwrap();
        assert_eq!(captured, at(500_000 - 150 * 500_000 / 48_000));
        assert!(Blocks::new(47_999).is_none());
    }

    #[test]
    fn what_waited_for_the_rest_of_its_block_before_a_gap_is_let_go() {
        let mut blocks = Blocks::new(16_000).unwrap();
        blocks.push(at(0), &[[1, 0]; 300]);
        blocks.push(at(9_000_000), &[[2, 0]; 320]);
        assert_eq!(blocks.take(), Some((at(9_000_000), [2; BLOCK])));
        assert_eq!(blocks.take(), None);
    }

    /// Gives a few blocks, then is pulled out.
    struct Loose(u32);

    impl StationMic for Loose {
        fn rate(&self) -> u32 {
            16_000
        }

        fn channels(&self) -> usize {
            1
        }

        fn read(&mut self, into: &mut Vec<Stereo>, _: &Stop) -> Result<Option<Time>, DeviceError> {
            let Some(left) = self.0.checked_sub(1) else {
                let cause = "the device is gone".to_owned();
                return Err(DeviceError {
                    deed: "read from microphone",
                    device: "loose".into(),
                    cause,
                });
            };
            self.0 = left;
            into.clear();
            into.resize(BLOCK, [0x01_0000; 2]);
            Ok(Some(clock::now()))
        }
    }

    #[test]
    fn a_microphone_that_is_pulled_out_comes_back_and_the_sequence_goes_on() {
        let (_stopper, stop) = stop_pair();
        let (mut supervisor, mut books) = (Supervisor::new(), Supervisor::new());
        let log = Log::open(None, &mut books).unwrap();
        let ring = Ring::new(Duration::from_secs(2));
        let mut tries = 0;
        let open: Open = Box::new(move || {
            tries += 1;
            let away = || DeviceError {
                deed: "open microphone",
                device: "loose".into(),
                cause: "no".into(),
            };
            match tries {
                2 | 3 => Err(away()),
                _ => Ok(Box::new(Loose(3))),
            }
        });
        let encoder = Encoder::new(Coding::Pcm, 0);
        let health = supervisor
            .start_with("capture", Restart::DEVICE, |health| {
                Capture::new(open, encoder, ring.clone(), log, health)
            })
            .unwrap();
        while ring.pushed() < 6 && !stop.sleep(Duration::from_millis(5)) {}
        supervisor.stop();
        assert!(health.failures() >= 3);
        let (mut decoder, mut out) = (Decoder::default(), [0; BLOCK]);
        for sequence in 0..6 {
            let datagram = ring.take(at(0)).unwrap();
            assert_eq!(datagram.sequence, sequence);
            let header = decoder.decode(datagram.bytes(), &mut out).unwrap();
            let now = clock::unix_micros();
            assert!(header.sequence == sequence && header.timestamp_us.abs_diff(now) < 60_000_000);
        }
    }
}
