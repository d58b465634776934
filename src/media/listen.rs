//! The listen worker: packets as sound, when the loudspeaker wants it.
//!
//! ```text
//! Queue<Packet> ─> Playout (jitter, Opus) ─> voice-over ─> gain ─10 ms─> AudioSink
//!                        └─> Tape (the recording)            └─> who cancels echo
//! ```
//! The sink's clock drives: whenever it has room for 10 ms the newest state of the queue decides
//! what they are. Until then packets are taken in as they come, since when they came counts. When
//! nothing is there for them, what the device still holds is time to wait in. Where the device holds
//! enough, two times 10 ms are decided at once, as if each had been in its turn: half the wake-ups,
//! and nothing is heard later.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::announce::{Announcer, VoiceOver};
use super::gain::Gain;
use super::level;
use super::playout::Playout;
use super::record::Tape;
use crate::clock::{self, Time};
use crate::device::sound_watch::SoundWatch;
use crate::device::{AudioSink, DeviceError, priority};
use crate::figures::{Ages, Percentiles};
use crate::frame::{PERIOD_SAMPLES, Packet, SAMPLE_RATE};
use crate::queue::{Queue, Received};
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};

/// Opens the loudspeaker, again after every failure.
pub type OpenSink = Box<dyn FnMut() -> Result<Box<dyn AudioSink>, DeviceError> + Send>;

/// Is told every period exactly as the loudspeaker got it, and when its first sample will be heard.
pub type Played = Arc<dyn Fn(&[i16; PERIOD_SAMPLES], Time) + Send + Sync>;

const PERIOD: Duration = Duration::from_millis(10);
/// What a device must be able to hold so that two periods are written at once while nobody speaks ...
const PAIRED_IN_SILENCE: Duration = Duration::from_millis(28);
/// ... and while somebody does: a thread that is woken late is heard then.
const PAIRED: Duration = Duration::from_millis(38);
/// What the device must still hold while we wait for a packet that is due.
const RESERVE: Duration = Duration::from_millis(5);
/// The longest wait for a packet that is due.
const PATIENCE: Duration = Duration::from_millis(40);
/// The longest single wait, after which the device is asked again.
const GLANCE: Duration = Duration::from_millis(4);

/// What a listen worker did so far; it outlives the worker.
#[derive(Debug)]
pub struct ListenStats {
    /// Volume by arithmetic, 0 to 10; it is 10 where a mixer does it.
    pub volume: Arc<AtomicU8>,
    /// Packets taken in.
    pub packets: AtomicU64,
    /// When the last one came, in µs of our clock; 0 before the first.
    arrived_us: AtomicU64,
    /// Bytes in them.
    pub bytes: AtomicU64,
    /// Slots of 20 ms without sound while the peer was sending.
    pub gaps: AtomicU64,
    /// Milliseconds without sound while the peer was sending.
    pub concealed_ms: AtomicU64,
    /// Sound that came, in ms.
    pub received_ms: AtomicU64,
    /// Milliseconds taken out of sound and put into it, to change the delay.
    pub stretched_ms: AtomicU64,
    /// Parts per million by which the far microphone is faster than our loudspeaker, as followed.
    pub drift_ppm: AtomicI64,
    /// Packets that came after their turn, or twice.
    pub late: AtomicU64,
    /// Packets dropped because far too many came at once.
    pub dropped: AtomicU64,
    /// Packets that were not Opus.
    pub refused: AtomicU64,
    /// The delay the jitter buffer aims at, in milliseconds.
    pub target_ms: AtomicU64,
    /// From the capture of the sound now written until it is heard, in µs; 0 while not known.
    pub latency_us: AtomicU64,
    /// Times the device ran out of sound.
    pub underruns: AtomicU64,
    /// How loud they are, whatever our volume is, see [`level::follow`].
    pub level: AtomicU16,
    delays: Mutex<Delays>,
}

/// How late sound was, as counted twice: in the whole call, and since it settled.
#[derive(Debug, Default)]
struct Delays {
    whole: Both,
    settled: Both,
}

#[derive(Debug, Default)]
struct Both {
    arrival: Ages,
    heard: Ages,
}

/// How late sound was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lateness {
    /// From capture to the arrival of each packet.
    pub arrival: Percentiles,
    /// From capture to the loudspeaker, one for each 10 ms heard.
    pub heard: Percentiles,
}

impl Delays {
    fn record(&mut self, delay: Duration, which: impl Fn(&mut Both) -> &mut Ages) {
        which(&mut self.whole).record(delay);
        which(&mut self.settled).record(delay);
    }
}

impl Both {
    fn lateness(&self) -> Lateness {
        Lateness { arrival: self.arrival.percentiles(), heard: self.heard.percentiles() }
    }
}

impl Default for ListenStats {
    fn default() -> Self {
        Self {
            volume: Arc::new(AtomicU8::new(10)),
            packets: AtomicU64::default(),
            arrived_us: AtomicU64::default(),
            bytes: AtomicU64::default(),
            gaps: AtomicU64::default(),
            late: AtomicU64::default(),
            dropped: AtomicU64::default(),
            refused: AtomicU64::default(),
            target_ms: AtomicU64::default(),
            latency_us: AtomicU64::default(),
            underruns: AtomicU64::default(),
            level: AtomicU16::default(),
            delays: Mutex::default(),
            concealed_ms: AtomicU64::default(),
            received_ms: AtomicU64::default(),
            stretched_ms: AtomicU64::default(),
            drift_ppm: AtomicI64::default(),
        }
    }
}

impl ListenStats {
    /// Nothing yet, as loud as `volume` says from time to time.
    pub fn as_loud_as(volume: Arc<AtomicU8>) -> Self {
        Self { volume, ..Self::default() }
    }

    /// When the last packet came.
    pub fn arrived(&self) -> Option<Time> {
        let micros = self.arrived_us.load(Ordering::Relaxed);
        (micros > 0).then(|| Time::from_micros(micros))
    }

    /// Begin to collect delays anew.
    pub fn settle(&self) {
        self.delays().settled = Both::default();
    }

    /// How late sound was since [`ListenStats::settle`].
    pub fn since_settled(&self) -> Lateness {
        self.delays().settled.lateness()
    }

    /// How late sound was in all of the call.
    pub fn whole_call(&self) -> Lateness {
        self.delays().whole.lateness()
    }

    fn delays(&self) -> MutexGuard<'_, Delays> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From packets to a loudspeaker.
pub struct Listen {
    open: OpenSink,
    packets: Queue<Packet>,
    playout: Playout,
    gain: Gain,
    tape: Option<Tape>,
    stats: Arc<ListenStats>,
    health: Arc<Health>,
    watch: Option<Arc<SoundWatch>>,
    voice_over: VoiceOver,
    played: Option<Played>,
}

impl Listen {
    /// A worker that takes packets from `packets`; `tape` gets what was heard.
    pub fn new(
        open: OpenSink,
        packets: Queue<Packet>,
        playout: Playout,
        tape: Option<Tape>,
        stats: Arc<ListenStats>,
        health: Arc<Health>,
    ) -> Self {
        let gain = Gain::new(stats.volume.load(Ordering::Relaxed));
        let voice_over = VoiceOver::new(Announcer::new());
        Self {
            open,
            packets,
            playout,
            gain,
            tape,
            stats,
            health,
            watch: None,
            voice_over,
            played: None,
        }
    }

    /// The same, which says over the call what `announcer` has to say.
    pub fn with_announcer(mut self, announcer: Announcer) -> Self {
        self.voice_over = VoiceOver::new(announcer);
        self
    }

    /// The same, which tells `played` what the loudspeaker really plays, for echo cancellation.
    pub fn told_what_is_played(mut self, played: Played) -> Self {
        self.played = Some(played);
        self
    }

    /// The same, which does not sit out its pause after a failure when `watch` has news.
    pub fn woken_by(mut self, watch: Option<Arc<SoundWatch>>) -> Self {
        self.watch = watch;
        self
    }

    fn listen(&mut self, sink: &mut dyn AudioSink, stop: &Stop) -> Result<(), DeviceError> {
        let mut period = [0; PERIOD_SAMPLES];
        let (mut underruns, mut full) = (0, Duration::ZERO);
        self.playout.new_speaker();
        // What waited for it is old, and would be taken for the fastest the line is.
        self.packets.clear();
        loop {
            let Some(periods) = self.take_while_full(sink, full, stop) else { return Ok(()) };
            if !sink.wait(stop)? {
                return Ok(());
            }
            let room = clock::now();
            for later in (0..periods).rev() {
                if !self.take_in(sink, stop) {
                    return Ok(());
                }
                let tape = &self.tape;
                self.playout.pull(&mut period, room - PERIOD * later, |heard| {
                    if let Some(tape) = tape {
                        tape.put(heard);
                    }
                });
                // Theirs alone: neither what we say over it nor how loud we have it.
                level::follow(&self.stats.level, &period);
                let heard = clock::now() + sink.delay();
                self.playout.heard(heard);
                self.note_latency(heard);
                self.voice_over.mix(&mut period);
                self.gain.apply(&mut period, self.stats.volume.load(Ordering::Relaxed));
                if !sink.write(&period, stop)? {
                    return Ok(());
                }
                if let Some(played) = &self.played {
                    // What was just written is the end of what the device holds.
                    let last = clock::now() + sink.delay();
                    played(&period, last - PERIOD);
                }
            }
            if periods == 1 {
                full = full.max(sink.queued());
            }
            self.health.works();
            let ran_out = sink.underruns();
            self.stats.underruns.fetch_add(ran_out - underruns, Ordering::Relaxed);
            underruns = ran_out;
            self.publish();
        }
    }

    /// Take packets in as they come, since when they came is what the play-out lives on, until the
    /// device has room for one period, or for two; how many. `full` is the most it has held. `None`: it
    /// is time to stop.
    fn take_while_full(
        &mut self,
        sink: &mut dyn AudioSink,
        full: Duration,
        stop: &Stop,
    ) -> Option<u32> {
        let (queued, now) = (sink.queued(), clock::now());
        let room_for = |periods| {
            let room = PERIOD * periods;
            now + (queued + room).saturating_sub(full.max(room))
        };
        let quiet = self.playout.is_quiet();
        let enough = if quiet { PAIRED_IN_SILENCE } else { PAIRED };
        let mut periods = if full >= enough { 2 } else { 1 };
        loop {
            let left = room_for(periods).since(clock::now());
            match self.packets.receive(stop, Some(left)) {
                Received::Item(packet) => {
                    self.push(packet);
                    if full < PAIRED {
                        // Somebody speaks.
                        periods = 1;
                    }
                }
                Received::Timeout => return Some(periods),
                Received::Stopped => return (!stop.is_stopped()).then_some(periods),
            }
        }
    }

    /// Wait for a packet that is due while the device has something left to play. False: it is time
    /// to stop.
    fn take_in(&mut self, sink: &mut dyn AudioSink, stop: &Stop) -> bool {
        let began = clock::now();
        loop {
            while let Some(packet) = self.packets.try_receive() {
                self.push(packet);
            }
            if !self.playout.is_starving() {
                return true;
            }
            let left = sink.queued().saturating_sub(RESERVE);
            // A device that has not started yet holds what it has for ever.
            if left.is_zero() || clock::now().since(began) > PATIENCE {
                return true;
            }
            match self.packets.receive(stop, Some(left.min(GLANCE))) {
                Received::Item(packet) => self.push(packet),
                Received::Timeout => {}
                Received::Stopped => return !stop.is_stopped(),
            }
        }
    }

    fn push(&mut self, packet: Packet) {
        let now = clock::now();
        self.stats.arrived_us.store(now.micros(), Ordering::Relaxed);
        self.stats.bytes.fetch_add(packet.payload.len() as u64, Ordering::Relaxed);
        self.stats.delays().record(now.since(packet.captured), |delays| &mut delays.arrival);
        self.playout.push(packet, now);
    }

    fn note_latency(&mut self, heard: Time) {
        let latency = self.playout.next_captured().map(|next| {
            // The samples just pulled are one period before the next.
            heard.since(next - PERIOD)
        });
        let micros = latency.map_or(0, |latency| latency.as_micros() as u64);
        self.stats.latency_us.store(micros, Ordering::Relaxed);
        if let Some(latency) = latency {
            self.stats.delays().record(latency, |delays| &mut delays.heard);
        }
    }

    fn publish(&self) {
        let figures = self.playout.figures();
        let (stats, jitter) = (&self.stats, figures.jitter);
        let ms = |samples: u64| samples * 1000 / u64::from(SAMPLE_RATE);
        stats.packets.store(jitter.packets, Ordering::Relaxed);
        stats.gaps.store(jitter.gaps, Ordering::Relaxed);
        stats.late.store(jitter.late, Ordering::Relaxed);
        stats.dropped.store(jitter.dropped, Ordering::Relaxed);
        stats.concealed_ms.store(ms(jitter.concealed), Ordering::Relaxed);
        stats.received_ms.store(ms(jitter.samples), Ordering::Relaxed);
        stats.stretched_ms.store(ms(figures.stretched), Ordering::Relaxed);
        stats.refused.store(figures.refused, Ordering::Relaxed);
        stats.target_ms.store(jitter.target.as_millis() as u64, Ordering::Relaxed);
        stats.drift_ppm.store(figures.drift_ppm as i64, Ordering::Relaxed);
    }
}

impl Worker for Listen {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        priority::go_before_others();
        let mut sink = (self.open)()?;
        let listened = self.listen(&mut *sink, stop);
        self.stats.level.store(0, Ordering::Relaxed);
        Ok(listened?)
    }

    fn rest(&mut self, pause: Duration, stop: &Stop) -> bool {
        SoundWatch::rest_with(self.watch.as_deref(), pause, stop)
    }
}

#[cfg(test)]
mod tests;
