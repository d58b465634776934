//! Silence to read and a void to write to, both at the pace of a sound card.
//!
//! The pace is kept by absolute deadlines: a late wake-up is made up for by the next period, so
//! an hour has as many samples as it should. The other drivers without a card keep time with
//! `Metronome` and `Void` too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{AudioSink, AudioSource, DeviceError};
use crate::clock::{self, Time};
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};
use crate::stop::Stop;

/// 10 ms.
pub(super) const PERIOD: Duration = Duration::from_millis(10);
/// A reader this far behind has lost sound, as with a card whose buffer ran over.
const OVERRUN: Duration = Duration::from_millis(500);

/// Sleep until `moment`; false: it is time to stop.
pub(super) fn sleep_until(moment: Time, stop: &Stop) -> bool {
    loop {
        if stop.is_stopped() {
            return false;
        }
        let left = moment.since(clock::now());
        if left.is_zero() {
            return true;
        }
        // A sleep counts whole milliseconds: rounded up, or the last one would spin.
        stop.sleep(left + Duration::from_micros(999));
    }
}

/// The clock of a source without a card: every 10 ms a period has been captured.
#[derive(Default)]
pub(super) struct Metronome {
    next: Option<Time>,
    overruns: u64,
}

impl Metronome {
    /// Wait until the next period is complete; the time of its first sample.
    pub(super) fn tick(&mut self, stop: &Stop) -> Option<Time> {
        let now = clock::now();
        let mut first = self.next.unwrap_or(now);
        if now.since(first) > OVERRUN {
            self.overruns += 1;
            first = now;
        }
        let complete = first + PERIOD;
        self.next = Some(complete);
        sleep_until(complete, stop).then_some(first)
    }

    pub(super) fn overruns(&self) -> u64 {
        self.overruns
    }
}

/// A microphone that hears nothing.
#[derive(Default)]
pub struct SilentSource(Metronome);

impl AudioSource for SilentSource {
    fn read(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        stop: &Stop,
    ) -> Result<Option<Time>, DeviceError> {
        into.fill(0);
        Ok(self.0.tick(stop))
    }

    fn overruns(&self) -> u64 {
        self.0.overruns()
    }
}

/// The clock of a loudspeaker without a card: a buffer that empties at 48 kHz, from when it is full for
/// the first time or after it ran out, as a card's does.
pub(super) struct Void {
    buffer: Duration,
    playing: Playing,
    underruns: u64,
}

enum Playing {
    /// Not yet: so much waits.
    NotYet(Duration),
    /// The last sample written will have been played then.
    Until(Time),
}

impl Void {
    pub(super) fn new(buffer: Duration) -> Self {
        let playing = Playing::NotYet(Duration::ZERO);
        Self { buffer: buffer.max(2 * PERIOD), playing, underruns: 0 }
    }

    pub(super) fn wait(&mut self, stop: &Stop) -> bool {
        match self.playing {
            Playing::NotYet(_) => !stop.is_stopped(),
            Playing::Until(empty) => sleep_until(empty + PERIOD - self.buffer, stop),
        }
    }

    /// Count `samples` in; they fit if [`Void::wait`] came before each period.
    pub(super) fn take(&mut self, samples: usize) {
        let now = clock::now();
        let more = Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE));
        self.playing = match self.playing {
            Playing::Until(empty) if empty >= now => Playing::Until(empty + more),
            Playing::Until(_) => {
                self.underruns += 1;
                Playing::NotYet(more)
            }
            Playing::NotYet(waiting) if waiting + more >= self.buffer => {
                Playing::Until(now + waiting + more)
            }
            Playing::NotYet(waiting) => Playing::NotYet(waiting + more),
        };
    }

    pub(super) fn queued(&self) -> Duration {
        match self.playing {
            Playing::NotYet(waiting) => waiting,
            Playing::Until(empty) => empty.since(clock::now()),
        }
    }

    pub(super) fn underruns(&self) -> u64 {
        self.underruns
    }
}

/// A loudspeaker nobody hears; it counts what it was given.
pub struct NullSink {
    void: Void,
    samples: Arc<AtomicU64>,
}

impl NullSink {
    /// One whose buffer holds `buffer` of sound.
    pub fn new(buffer: Duration) -> Self {
        Self { void: Void::new(buffer), samples: Arc::default() }
    }

    /// The count of samples written, alive beyond the sink.
    pub fn samples(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.samples)
    }
}

impl AudioSink for NullSink {
    fn wait(&mut self, stop: &Stop) -> Result<bool, DeviceError> {
        Ok(self.void.wait(stop))
    }

    fn write(&mut self, samples: &[i16], stop: &Stop) -> Result<bool, DeviceError> {
        for period in samples.chunks(PERIOD_SAMPLES) {
            if !self.void.wait(stop) {
                return Ok(false);
            }
            self.void.take(period.len());
            self.samples.fetch_add(period.len() as u64, Ordering::Relaxed);
        }
        Ok(!stop.is_stopped())
    }

    fn queued(&mut self) -> Duration {
        self.void.queued()
    }

    fn delay(&mut self) -> Duration {
        self.void.queued()
    }

    fn underruns(&self) -> u64 {
        self.void.underruns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::stop_pair;

    #[test]
    fn periods_follow_each_other_without_a_hole() {
        let (_stopper, stop) = stop_pair();
        let mut source = SilentSource::default();
        let mut into = [1; PERIOD_SAMPLES];
        let first = source.read(&mut into, &stop).unwrap().unwrap();
        let second = source.read(&mut into, &stop).unwrap().unwrap();
        assert_eq!(second.since(first), PERIOD);
        assert_eq!(into, [0; PERIOD_SAMPLES]);
    }

    #[test]
    fn a_loudspeaker_plays_from_when_it_is_full_and_again_after_it_ran_out() {
        let (_stopper, stop) = stop_pair();
        let mut void = Void::new(3 * PERIOD);
        for held in 0..3 {
            assert_eq!(void.queued(), held * PERIOD);
            assert!(void.wait(&stop));
            void.take(PERIOD_SAMPLES);
        }
        assert!(matches!(void.playing, Playing::Until(_)));
        while !void.queued().is_zero() {
            stop.sleep(PERIOD);
        }
        void.take(PERIOD_SAMPLES);
        assert_eq!((void.underruns(), void.queued()), (1, PERIOD));
    }

    #[test]
    fn a_stop_ends_a_wait_for_room() {
        let (stopper, stop) = stop_pair();
        let mut sink = NullSink::new(Duration::from_millis(30));
        assert!(sink.write(&[0; 2 * PERIOD_SAMPLES], &stop).unwrap());
        stopper.stop();
        assert!(!sink.write(&[0; 100 * PERIOD_SAMPLES], &stop).unwrap());
        assert_eq!(sink.samples().load(Ordering::Relaxed), 2 * PERIOD_SAMPLES as u64);
    }
}
