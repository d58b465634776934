//! The talk worker: what the microphone hears, as packets.
//!
//! ```text
//! AudioSource ─10 ms─> Cleaner ─> frame of 10 or 20 ms ─> Opus ─> Queue<Packet> (newest wins)
//!                         ▲                                 └ silence: its first packet only
//!             FarEnd ─────┘ what was heard meanwhile
//! ```
//! Sequence numbers count the packets that are sent: a silence shows in the capture times alone, and
//! begins with a packet of one byte. Hiding the sound is stopping this worker: the device is closed
//! then. On a thin line packets get longer and fewer, see [`mod@thrift`].

mod thrift;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use self::thrift::Thrift;
use super::level;
use super::sign::Sign;
use super::voice::{self, FarEnd};
use crate::codec::opus::{VoiceEncoder, VoiceFormat, is_silence};
use crate::config::Cleaning;
use crate::device::sound_watch::SoundWatch;
use crate::device::{AudioSource, DeviceError, priority};
use crate::frame::{PERIOD_SAMPLES, Packet, PacketKind};
use crate::quality::Quality;
use crate::queue::Queue;
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};

/// Opens the microphone, again after every failure.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn AudioSource>, DeviceError> + Send>;

/// What a talk worker did so far. It outlives the worker, so that the sequence numbers and counts
/// of a call go on after hiding or a restart.
#[derive(Debug, Default)]
pub struct TalkStats {
    /// The sequence number of the next packet.
    pub sequence: AtomicU32,
    /// Packets made.
    pub packets: AtomicU64,
    /// Bytes in them.
    pub bytes: AtomicU64,
    /// Packets that were not sent, since nobody spoke.
    pub silent: AtomicU64,
    /// Times the device lost sound.
    pub overruns: AtomicU64,
    /// How loud what we send is, see [`level::follow`].
    pub level: AtomicU16,
    /// Whether the device is open now.
    pub open: Sign,
}

/// What the line makes of our pictures at this moment.
pub type ClassNow = Box<dyn Fn() -> Quality + Send>;

/// From a microphone to packets.
pub struct Talk {
    open: OpenSource,
    format: VoiceFormat,
    cleaning: Cleaning,
    far_end: Option<Arc<FarEnd>>,
    packets: Queue<Packet>,
    stats: Arc<TalkStats>,
    health: Arc<Health>,
    watch: Option<Arc<SoundWatch>>,
    class: Option<ClassNow>,
}

impl Talk {
    /// A worker that puts packets into `packets`.
    pub fn new(
        open: OpenSource,
        format: VoiceFormat,
        packets: Queue<Packet>,
        stats: Arc<TalkStats>,
        health: Arc<Health>,
    ) -> Self {
        let (cleaning, far_end, watch, class) = (Cleaning::Off, None, None, None);
        Self { open, format, cleaning, far_end, packets, stats, health, watch, class }
    }

    /// The same, which cleans what it hears; `far_end` is told what the loudspeaker plays.
    pub fn cleaned(mut self, cleaning: Cleaning, far_end: Option<Arc<FarEnd>>) -> Self {
        self.cleaning = cleaning;
        self.far_end = far_end;
        self
    }

    /// The same, which does not sit out its pause after a failure when `watch` has news.
    pub fn woken_by(mut self, watch: Option<Arc<SoundWatch>>) -> Self {
        self.watch = watch;
        self
    }

    /// The same, with longer and fewer packets where the line has no room for good pictures.
    pub fn sparing(mut self, class: ClassNow) -> Self {
        self.class = Some(class);
        self
    }

    /// Read until the stop, counting the source's overruns.
    fn talk(&mut self, source: &mut dyn AudioSource, stop: &Stop) -> Result<(), WorkerError> {
        let mut format = self.format;
        let mut encoder = VoiceEncoder::new(format)?;
        let mut thrift = Thrift::default();
        let mut cleaner = voice::cleaner(self.cleaning);
        let far_end = self.far_end.as_ref().filter(|_| cleaner.wants_far_end()).cloned();
        let (mut period, mut heard) = ([0; PERIOD_SAMPLES], [0; PERIOD_SAMPLES]);
        let mut frame = Vec::with_capacity(self.format.samples());
        let mut payload = Vec::new();
        let mut started = None;
        let mut overruns = 0;
        let (mut after_gap, mut in_silence) = (false, false);
        loop {
            let Some(captured) = source.read(&mut period, stop)? else { return Ok(()) };
            if let Some(far_end) = &far_end {
                far_end.heard_during(captured, &mut heard);
            }
            cleaner.clean(&mut period, &heard);
            level::follow(&self.stats.level, &period);
            let lost = source.overruns();
            if lost > overruns {
                self.stats.overruns.fetch_add(lost - overruns, Ordering::Relaxed);
                overruns = lost;
                after_gap = true;
            }
            let first = *started.get_or_insert(captured);
            if let (true, Some(class)) = (frame.is_empty(), &self.class) {
                let wanted = thrift::format(self.format, thrift.look(class(), captured));
                if wanted != format {
                    encoder.change(wanted)?;
                    format = wanted;
                }
            }
            frame.extend_from_slice(&period);
            if frame.len() < format.samples() {
                continue;
            }
            encoder.encode(&frame, &mut payload)?;
            frame.clear();
            started = None;
            let is_silence = self.format.dtx && is_silence(&payload);
            if std::mem::replace(&mut in_silence, is_silence) && is_silence {
                // Nobody misses sound that was lost in a silence.
                after_gap = false;
                self.stats.silent.fetch_add(1, Ordering::Relaxed);
                self.health.works();
                continue;
            }
            self.stats.packets.fetch_add(1, Ordering::Relaxed);
            self.stats.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
            let packet = Packet {
                kind: PacketKind::Voice,
                sequence: self.stats.sequence.fetch_add(1, Ordering::Relaxed),
                captured: first - cleaner.delay(),
                after_gap: std::mem::take(&mut after_gap),
                payload: Bytes::copy_from_slice(&payload),
            };
            if self.packets.send(packet).is_err() {
                return Ok(());
            }
            self.health.works();
        }
    }
}

impl Worker for Talk {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        priority::go_before_others();
        // Dropped after the source.
        let _open = self.stats.open.light();
        let mut source = (self.open)()?;
        let talked = self.talk(&mut *source, stop);
        self.stats.level.store(0, Ordering::Relaxed);
        talked
    }

    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        SoundWatch::rest_with(self.watch.as_deref(), pause, stop)
    }
}

#[cfg(test)]
mod tests;
