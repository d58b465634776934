//! The worker that turns packets into pictures on a sink.
//!
//! ```text
//!  ~~~> Queue<Packet> ──newest──> late? ──no──> decode under limits, into the sink's buffer ──> push
//!                │                  │ yes             │ bad: dropped, counted                  │
//!                └──skipped──> Ack <┴─────────────────┴────────────────────────shown───────────┘
//! ```
//! A stale picture is worth nothing: of those that wait only the newest is decoded. One that is late,
//! far older than those before it, is let go as long as the eye has something fresher; when that gets
//! old too, an old picture is better than none. A `Same` of the camera's renews what is on show. Every
//! picture is acknowledged, shown or dropped, since the sender's pace lives on it. The sink says what it
//! wants: RGB, I420, or the JPEG as it came.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Time};
use crate::codec::jpeg::{Decoder, JpegError, Limits};
use crate::device::{DeviceError, VideoSink};
use crate::figures::{Ages, Percentiles};
use crate::frame::{Ack, Packet, PacketKind, PixelFormat, Size};
use crate::queue::{Queue, Received};
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};

/// Opens the sink; called again after each failure.
pub type OpenSink = Box<dyn FnMut() -> Result<Box<dyn VideoSink>, DeviceError> + Send>;

/// What happened so far; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Counters {
    /// Pictures that came.
    pub received: AtomicU64,
    /// Of these, pictures shown.
    pub shown: AtomicU64,
    /// Pictures dropped because a newer one was there.
    pub dropped: AtomicU64,
    /// Pictures that were torn or over the limits.
    pub broken: AtomicU64,
    /// Of these, those over the limits: more bytes or pixels than agreed.
    pub oversize: AtomicU64,
    /// Bytes that came, without headers.
    pub bytes: AtomicU64,
    /// Pictures too old to be shown while there was a fresher one.
    pub late: AtomicU64,
    /// "Nothing changed" packets.
    pub same: AtomicU64,
    ages: Mutex<Ages>,
    last: Mutex<Option<(Time, Size)>>,
}

impl Counters {
    /// How old pictures were when they were shown.
    pub fn ages(&self) -> Percentiles {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner).percentiles()
    }

    /// When the last picture was shown, or was last said to be what is still seen, and its size.
    pub fn last(&self) -> Option<(Time, Size)> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self, captured: Time, size: Size) {
        let now = clock::now();
        self.shown.fetch_add(1, Ordering::Relaxed);
        let age = now.since(captured);
        self.ages.lock().unwrap_or_else(PoisonError::into_inner).record(age);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, size));
    }

    /// What is on show is what the camera still sees.
    fn same(&self) {
        self.same.fetch_add(1, Ordering::Relaxed);
        if let Some((at, _)) = &mut *self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            *at = clock::now();
        }
    }
}

/// A picture is late when it is so much older than those before it.
const LATE: Duration = Duration::from_millis(400);
/// What is on show is fresh for so long.
const FRESH: Duration = Duration::from_secs(1);

/// Which pictures come too late. Pure: `now` is an argument.
#[derive(Debug, Default)]
struct Lateness {
    /// How old pictures usually are, slowly rising and falling.
    usual: Option<Duration>,
    shown: Option<Time>,
}

impl Lateness {
    /// Whether a picture captured at `captured` is better left out.
    fn is_late(&self, captured: Time, now: Time) -> bool {
        let age = now.since(captured);
        let fresh = self.shown.is_some_and(|shown| now.since(shown) < FRESH);
        fresh && self.usual.is_some_and(|usual| age > usual + LATE)
    }

    /// It was shown.
    fn shown(&mut self, captured: Time, now: Time) {
        let age = now.since(captured);
        // Where pictures have become old for good, an eighth of them tells.
        self.usual = Some(self.usual.map_or(age, |usual| (usual * 7 + age) / 8));
        self.shown = Some(now);
    }
}

/// The worker.
pub struct Viewer {
    open: OpenSink,
    limits: Limits,
    packets: Queue<Packet>,
    acks: Option<Queue<Ack>>,
    counters: Arc<Counters>,
    health: Arc<Health>,
}

impl Viewer {
    /// One that shows what comes in `packets`; `acks` is `None` where nobody listens to them.
    pub fn new(
        open: OpenSink,
        limits: Limits,
        packets: Queue<Packet>,
        acks: Option<Queue<Ack>>,
        counters: Arc<Counters>,
        health: Arc<Health>,
    ) -> Self {
        Self { open, limits, packets, acks, counters, health }
    }

    fn acknowledge(&self, sequence: u32, arrived: Time, shown: bool) {
        if let Some(acks) = &self.acks {
            // Closed: the call is over, and nobody waits for it.
            let _ = acks.send(Ack { sequence, arrived, shown, came: clock::now() });
        }
    }

    /// Count a packet in; true when it holds a picture.
    fn is_picture(&self, packet: &Packet) -> bool {
        let picture = packet.kind == PacketKind::Picture;
        if picture {
            self.counters.received.fetch_add(1, Ordering::Relaxed);
            self.counters.bytes.fetch_add(packet.payload.len() as u64, Ordering::Relaxed);
        } else if packet.kind == PacketKind::Same && !packet.after_gap {
            self.counters.same();
        }
        picture
    }

    /// The newest picture that waits, or will come; `None` at the stop.
    fn newest(&self, stop: &Stop) -> Option<Packet> {
        let mut newest = loop {
            match self.packets.receive(stop, None) {
                Received::Item(packet) if self.is_picture(&packet) => break packet,
                Received::Item(_) | Received::Timeout => {}
                Received::Stopped => return None,
            }
        };
        while let Some(packet) = self.packets.try_receive() {
            if self.is_picture(&packet) {
                self.counters.dropped.fetch_add(1, Ordering::Relaxed);
                self.acknowledge(newest.sequence, clock::now(), false);
                newest = packet;
            }
        }
        Some(newest)
    }
}

impl Worker for Viewer {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut sink = (self.open)()?;
        let mut decoder = Decoder::new(self.limits)?;
        let mut showing = None;
        let mut lateness = Lateness::default();
        while let Some(packet) = self.newest(stop) {
            let arrived = clock::now();
            if lateness.is_late(packet.captured, arrived) {
                self.counters.late.fetch_add(1, Ordering::Relaxed);
                self.acknowledge(packet.sequence, arrived, false);
                continue;
            }
            match decode(&mut decoder, &packet.payload, &mut *sink) {
                Ok(size) => {
                    let pushed = sink.push(packet.captured);
                    self.acknowledge(packet.sequence, arrived, pushed.is_ok());
                    pushed?;
                    self.counters.shown(packet.captured, size);
                    lateness.shown(packet.captured, clock::now());
                    if showing.is_none() {
                        self.health.works();
                    }
                    if showing.replace(size) != Some(size) {
                        tracing::info!("pictures are {size}");
                    }
                }
                Err(error) => {
                    if matches!(error, JpegError::TooLong { .. } | JpegError::TooLarge { .. }) {
                        self.counters.oversize.fetch_add(1, Ordering::Relaxed);
                    }
                    // The first one is worth a line; a stream of them shows in the counter.
                    if self.counters.broken.fetch_add(1, Ordering::Relaxed) == 0 {
                        tracing::warn!("picture {} dropped: {error}", packet.sequence);
                    }
                    self.acknowledge(packet.sequence, arrived, false);
                }
            }
        }
        Ok(())
    }
}

fn decode(decoder: &mut Decoder, jpeg: &[u8], sink: &mut dyn VideoSink) -> Result<Size, JpegError> {
    match sink.format() {
        PixelFormat::Jpeg => {
            let size = decoder.size(jpeg)?;
            sink.lease(size, jpeg.len()).copy_from_slice(jpeg);
            Ok(size)
        }
        format => decoder.decode(jpeg, format, |size, bytes| sink.lease(size, bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_micros(1_000_000 + ms * 1000)
    }

    #[test]
    fn a_picture_far_older_than_the_others_is_late_while_the_eye_has_a_fresh_one() {
        let mut lateness = Lateness::default();
        assert!(!lateness.is_late(at(0), at(5000)));
        for ms in (0..1000).step_by(33) {
            lateness.shown(at(ms), at(ms + 80));
        }
        assert!(!lateness.is_late(at(1100), at(1500)));
        assert!(lateness.is_late(at(1000), at(1500)));
        assert!(!lateness.is_late(at(1000), at(3000)), "an old picture is better than none");
    }

    #[test]
    fn pictures_that_stay_old_are_shown_again() {
        let (mut lateness, mut shown) = (Lateness::default(), 0);
        lateness.shown(at(0), at(50));
        for ms in (1000..20_000).step_by(100) {
            if !lateness.is_late(at(ms), at(ms + 900)) {
                lateness.shown(at(ms), at(ms + 900));
                shown += 1;
            }
        }
        assert!(shown > 100, "{shown}");
    }
}
