//! The worker that turns a camera into packets.
//!
//! ```text
//!  VideoSource ──newest──> gate ──open──> JPEG? ──no──> encode ─┬─> Queue<Packet> ~~~>
//!        ▲                  │                └──yes, untouched──┘
//!        └────── closed: ───┘ <── Queue<Ack> <~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
//! ```
//! One thread: it waits for the camera alone. Encoding takes a millisecond and sending none, so the
//! camera is never kept waiting, and what passes the gate is always the picture just taken: a
//! second thread with a slot between them would only add a wake-up to its age. A picture that
//! finds the gate closed is let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use crate::clock;
use crate::codec::jpeg::{Encoder, JpegError};
use crate::device::{DeviceError, VideoSource};
use crate::frame::{Ack, Packet, PacketKind, Picture, PixelFormat, Size};
use crate::queue::Queue;
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};
use crate::wire::mjpeg::picture_size;
use crate::wire::packet::PICTURE_LIMIT;

use super::pace::Pace;

/// Opens the camera; called again after each failure.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn VideoSource>, DeviceError> + Send>;

/// What decides whether a picture goes.
pub enum Gate {
    /// The receiver's acknowledgements; see [`Pace`].
    Acknowledged {
        /// Where they come.
        acks: Queue<Ack>,
        /// Set by whoever knows that the path is a new one: what was on its way is lost.
        new_path: Arc<AtomicBool>,
    },
    /// Nothing: plain TCP has no acknowledgements, its queue lets the oldest go.
    Open,
}

impl Gate {
    /// Opened by what comes in `acks`; see [`Gate::Acknowledged`].
    pub fn acknowledged(acks: Queue<Ack>, new_path: Arc<AtomicBool>) -> Self {
        Self::Acknowledged { acks, new_path }
    }
}

/// How pictures are to be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// JPEG quality, 1 to 100; a camera's own JPEGs have the quality they have.
    pub quality: u8,
    /// The size agreed with the receiver: a larger picture is refused.
    pub limit: Size,
}

/// What happened so far; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Counters {
    /// Pictures the source gave.
    pub captured: AtomicU64,
    /// Of these, pictures handed on.
    pub sent: AtomicU64,
    /// Pictures let go because the gate was closed.
    pub skipped: AtomicU64,
    /// Pictures the source gave that were too large, too long or torn.
    pub refused: AtomicU64,
    /// Bytes handed on, without headers.
    pub bytes: AtomicU64,
    /// Times the source was opened.
    pub opened: AtomicU64,
}

/// The source gives what was not agreed.
#[derive(Debug, thiserror::Error)]
#[error("the camera's pictures are {size}, at most {limit} was agreed")]
pub struct TooLarge {
    size: Size,
    limit: Size,
}

/// The worker.
pub struct Camera {
    open: OpenSource,
    settings: Settings,
    gate: Gate,
    packets: Queue<Packet>,
    counters: Arc<Counters>,
    health: Arc<Health>,
    own_view: Option<Queue<Packet>>,
    sequence: u32,
}

impl Camera {
    /// One that sends into `packets`; nothing is opened before it runs.
    pub fn new(
        open: OpenSource,
        settings: Settings,
        gate: Gate,
        packets: Queue<Packet>,
        counters: Arc<Counters>,
        health: Arc<Health>,
    ) -> Self {
        Self { open, settings, gate, packets, counters, health, own_view: None, sequence: 0 }
    }

    /// What is sent goes into `own_view` as well, for the small own picture; newest wins there.
    #[must_use]
    pub fn with_own_view(mut self, own_view: Queue<Packet>) -> Self {
        self.own_view = Some(own_view);
        self
    }

    /// The picture as the receiver may have it; `None`: not this one.
    fn payload(
        &self,
        picture: &Picture,
        encoder: &mut Encoder,
    ) -> Result<Option<Bytes>, JpegError> {
        let Size { width, height } = self.settings.limit;
        let jpeg = if picture.format == PixelFormat::Jpeg {
            match picture_size(&picture.data) {
                Some(size) if size.width <= width && size.height <= height => &picture.data,
                _ => return Ok(None),
            }
        } else {
            encoder.encode(picture)?
        };
        Ok((jpeg.len() <= PICTURE_LIMIT).then(|| Bytes::copy_from_slice(jpeg)))
    }
}

impl Worker for Camera {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut source = (self.open)()?;
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        let (size, limit) = (source.shape().0, self.settings.limit);
        if size.width > limit.width || size.height > limit.height {
            return Err(TooLarge { size, limit }.into());
        }
        let mut encoder = Encoder::new(self.settings.quality)?;
        let mut picture = Picture::default();
        let mut pace = Pace::new();
        let mut works = false;
        while source.read(&mut picture, stop)? {
            self.counters.captured.fetch_add(1, Ordering::Relaxed);
            if !std::mem::replace(&mut works, true) {
                self.health.works();
            }
            if let Gate::Acknowledged { acks, new_path } = &self.gate {
                if new_path.swap(false, Ordering::Relaxed) {
                    pace = Pace::new();
                }
                while let Some(ack) = acks.try_receive() {
                    pace.acknowledged(ack.sequence, clock::now());
                }
                if !pace.may_send(clock::now()) {
                    self.counters.skipped.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
            }
            let Some(payload) = self.payload(&picture, &mut encoder)? else {
                // The first one is worth a line; the rest show in the counter.
                if self.counters.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!("a picture over {limit} or {PICTURE_LIMIT} bytes was left out");
                }
                continue;
            };
            let sequence = self.sequence;
            self.sequence = sequence.wrapping_add(1);
            self.counters.sent.fetch_add(1, Ordering::Relaxed);
            self.counters.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
            if matches!(self.gate, Gate::Acknowledged { .. }) {
                pace.sent(sequence, clock::now());
            }
            let packet = Packet {
                kind: PacketKind::Picture,
                sequence,
                captured: picture.captured,
                after_gap: false,
                payload,
            };
            if let Some(own_view) = &self.own_view {
                // Nobody may be looking; then the next one replaces it.
                let _ = own_view.send(packet.clone());
            }
            if self.packets.send(packet).is_err() {
                // Closed: whoever wanted pictures has gone.
                return Ok(());
            }
        }
        Ok(())
    }
}
