//! The worker that plays what waits in a [`Buffer`]: the loudspeaker's clock drives.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::buffer::Buffer;
use crate::device::sound_watch::SoundWatch;
use crate::device::{AudioSink, DeviceError, priority};
use crate::frame::PERIOD_SAMPLES;
use crate::media::gain::Gain;
use crate::media::listen::OpenSink;
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};

/// Sound that one thread fetches and another one plays.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Buffer>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plays.
pub(super) struct Player {
    pub(super) open: OpenSink,
    pub(super) sound: Shared,
    /// Volume by arithmetic, 0 to 10.
    pub(super) volume: Arc<AtomicU8>,
    pub(super) health: Arc<Health>,
    pub(super) watch: Option<Arc<SoundWatch>>,
}

impl Player {
    fn play(&mut self, sink: &mut dyn AudioSink, stop: &Stop) -> Result<(), DeviceError> {
        let mut gain = Gain::new(self.volume.load(Ordering::Relaxed));
        let mut period = [0; PERIOD_SAMPLES];
        while sink.wait(stop)? {
            self.sound.lock().pull(&mut period);
            gain.apply(&mut period, self.volume.load(Ordering::Relaxed));
            if !sink.write(&period, stop)? {
                break;
            }
            self.health.works();
        }
        Ok(())
    }
}

impl Worker for Player {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        priority::go_before_others();
        let mut sink = (self.open)()?;
        Ok(self.play(&mut *sink, stop)?)
    }

    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        SoundWatch::rest_with(self.watch.as_deref(), pause, stop)
    }
}
