//! The bell of an incoming call and the ringback of an outgoing one: a worker with a generator.
//!
//! The bell has its energy between 400 and 520 Hz, where old ears still hear well.

use std::f32::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::device::sound_watch::SoundWatch;
use crate::device::{AudioSink, DeviceError};
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};

/// One stretch of a pattern: two frequencies in Hz (0 = silence) for so many milliseconds.
pub type Stretch = (f32, f32, u32);

/// Two rising strokes and a pause.
pub const BELL: &[Stretch] =
    &[(440.0, 480.0, 400), (0.0, 0.0, 150), (480.0, 520.0, 500), (0.0, 0.0, 1950)];
/// Two falling strokes, as of a doorbell: somebody is coming in.
pub const CHIME: &[Stretch] =
    &[(516.0, 520.0, 450), (0.0, 0.0, 50), (412.0, 416.0, 700), (0.0, 0.0, 1800)];
/// One long soft tone in five seconds.
pub const RINGBACK: &[Stretch] = &[(425.0, 425.0, 1000), (0.0, 0.0, 4000)];

/// Opens the loudspeaker.
pub type OpenSink = Box<dyn FnMut() -> Result<Box<dyn AudioSink>, DeviceError> + Send>;

/// Plays a pattern until it is stopped.
pub struct RingPlayer {
    open: OpenSink,
    pattern: &'static [Stretch],
    volume: Arc<AtomicU8>,
    watch: Option<Arc<SoundWatch>>,
}

impl RingPlayer {
    /// `volume` is 0 to 10; it may change while it plays.
    pub fn new(open: OpenSink, pattern: &'static [Stretch], volume: Arc<AtomicU8>) -> Self {
        Self { open, pattern, volume, watch: None }
    }

    /// The same, which does not sit out its pause after a failure when `watch` has news.
    pub fn woken_by(mut self, watch: Option<Arc<SoundWatch>>) -> Self {
        self.watch = watch;
        self
    }

    fn level(&self) -> f32 {
        let level = f32::from(self.volume.load(Ordering::Relaxed).min(10)) / 10.0;
        level * level * 0.7
    }
}

impl Worker for RingPlayer {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut sink = (self.open)()?;
        let mut at = 0;
        let mut period = [0i16; PERIOD_SAMPLES];
        loop {
            let level = self.level();
            for sample in &mut period {
                *sample = sample_at(self.pattern, at, level);
                at += 1;
            }
            if !sink.write(&period, stop)? {
                return Ok(());
            }
        }
    }

    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        SoundWatch::rest_with(self.watch.as_deref(), pause, stop)
    }
}

/// The pattern's sample number `at`, from its start and over again.
fn sample_at(pattern: &[Stretch], at: u64, level: f32) -> i16 {
    let per_ms = u64::from(SAMPLE_RATE / 1000);
    let whole: u64 = pattern.iter().map(|(_, _, ms)| u64::from(*ms) * per_ms).sum();
    let mut within = at % whole;
    for (low, high, ms) in pattern {
        let length = u64::from(*ms) * per_ms;
        if within >= length {
            within -= length;
            continue;
        }
        if *low == 0.0 {
            return 0;
        }
        let seconds = within as f32 / SAMPLE_RATE as f32;
        let wave = ((TAU * low * seconds).sin() + (TAU * high * seconds).sin()) / 2.0;
        // 10 ms in and out, so that no edge clicks.
        let edge = within.min(length - within) as f32 / (10 * per_ms) as f32;
        return (wave * edge.min(1.0) * level * f32::from(i16::MAX)) as i16;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loudest(from_ms: u64, to_ms: u64) -> i16 {
        let samples = (from_ms * 48)..(to_ms * 48);
        samples.map(|at| sample_at(BELL, at, 1.0).saturating_abs()).max().unwrap()
    }

    #[test]
    fn the_bell_strikes_twice_and_rests() {
        assert!(loudest(0, 400) > 25_000);
        assert_eq!(loudest(400, 550), 0);
        assert!(loudest(550, 1050) > 25_000);
        assert_eq!(loudest(1050, 3000), 0);
        assert_eq!(sample_at(BELL, 3000 * 48 + 1000, 1.0), sample_at(BELL, 1000, 1.0));
    }

    #[test]
    fn the_chime_is_another_sound_than_the_bell_and_heard_at_once() {
        let loudest = |from: u64, to: u64| {
            let samples = (from * 48)..(to * 48);
            samples.map(|at| sample_at(CHIME, at, 1.0).saturating_abs()).max().unwrap()
        };
        assert!(loudest(0, 100) > 20_000 && loudest(500, 1200) > 25_000);
        assert_eq!(loudest(1200, 3000), 0);
        let differ = |at: u64| sample_at(CHIME, at, 1.0) != sample_at(BELL, at, 1.0);
        assert!((0..400 * 48).filter(|at| differ(*at)).count() > 300 * 48);
    }

    #[test]
    fn no_stroke_begins_or_ends_with_a_click() {
        for at in 0..3000 * 48 {
            let step =
                i32::from(sample_at(BELL, at + 1, 1.0)) - i32::from(sample_at(BELL, at, 1.0));
            assert!(step.abs() < 3000, "a step of {step} at {at}");
        }
    }
}
