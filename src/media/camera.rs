//! The worker that turns a camera into packets.
//!
//! ```text
//!  VideoSource ──newest──> gate ──open──> JPEG? ──no──> turn ──> encode ─┬─> Queue<Packet> ~~~>
//!        ▲                  │                └──yes──> mend ──> turn ──────┘
//!        └────── closed: ───┘ <── Queue<Ack> <~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
//! ```
//! A camera's JPEG that is whole and need not be turned goes as it came, byte for byte.
//! One thread: it waits for the camera alone. Encoding takes a millisecond and sending none, so the
//! camera is never kept waiting, and what passes the gate is always the picture just taken: a
//! second thread with a slot between them would only add a wake-up to its age. A picture that
//! finds the gate closed is let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{self, Time};
use crate::codec::jpeg::{Encoder, JpegError};
use crate::codec::mend::Mender;
use crate::codec::turn::Turner;
use crate::device::{DeviceError, VideoSource};
use crate::frame::{Ack, Packet, PacketKind, Picture, PixelFormat, Size};
use crate::geometry::Turn;
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
    /// Pictures that were too large, too long, empty or torn, as the source saw it or we did.
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

/// Not one of the source's pictures could be handed on for so long.
#[derive(Debug, thiserror::Error)]
#[error("the camera sends no picture of use: {0}")]
pub struct Useless(String);

/// How long a source may send nothing of use before it is opened again.
const USELESS_LIMIT: Duration = Duration::from_secs(5);

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
    /// Why a picture was left out is in the log.
    said: bool,
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
        Self {
            open,
            settings,
            gate,
            packets,
            counters,
            health,
            own_view: None,
            sequence: 0,
            said: false,
        }
    }

    /// What is sent goes into `own_view` as well, for the small own picture; newest wins there.
    #[must_use]
    pub fn with_own_view(mut self, own_view: Queue<Packet>) -> Self {
        self.own_view = Some(own_view);
        self
    }
}

/// What becomes of a picture.
enum Payload {
    Jpeg(Bytes),
    /// Not this one: why.
    Refused(String),
}

/// What makes a source's pictures into those that are handed on.
struct Darkroom {
    limit: Size,
    turn: Turn,
    encoder: Encoder,
    mender: Mender,
    turner: Turner,
}

impl Darkroom {
    fn new(settings: Settings, turn: Turn) -> Result<Self, JpegError> {
        Ok(Self {
            limit: settings.limit,
            turn,
            encoder: Encoder::new(settings.quality)?,
            mender: Mender::new()?,
            turner: Turner::new(turn)?,
        })
    }

    /// Whether pictures of this size, once they are turned, are what was agreed on.
    fn holds(&self, size: Size) -> bool {
        let size = self.turn.rotation.turned(size);
        size.width <= self.limit.width && size.height <= self.limit.height
    }

    /// The picture as the receiver may have it.
    fn develop(&mut self, picture: &Picture) -> Result<Payload, JpegError> {
        let jpeg = if picture.format == PixelFormat::Jpeg {
            match self.compressed(&picture.data) {
                Ok(jpeg) => jpeg,
                Err(why) => return Ok(Payload::Refused(why)),
            }
        } else if self.turn == Turn::NONE {
            Bytes::copy_from_slice(self.encoder.encode(picture)?)
        } else {
            Bytes::copy_from_slice(self.encoder.encode(self.turner.raw(picture)?)?)
        };
        Ok(if jpeg.len() <= PICTURE_LIMIT {
            Payload::Jpeg(jpeg)
        } else {
            Payload::Refused(format!("{} bytes, at most {PICTURE_LIMIT} are sent", jpeg.len()))
        })
    }

    fn compressed(&mut self, jpeg: &[u8]) -> Result<Bytes, String> {
        let size = picture_size(jpeg).ok_or("bytes that are no JPEG")?;
        if !self.holds(size) {
            return Err(format!("a picture of {size}, at most {} was agreed", self.limit));
        }
        let whole = self.mender.whole(jpeg).map_err(|error| error.to_string())?;
        if self.turn == Turn::NONE {
            return Ok(Bytes::copy_from_slice(whole));
        }
        self.turner.jpeg(whole).map(Bytes::from).map_err(|error| error.to_string())
    }
}

impl Worker for Camera {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let mut source = (self.open)()?;
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        let mut darkroom = Darkroom::new(self.settings, source.left_to_turn())?;
        let (size, limit) = (source.shape().0, self.settings.limit);
        if !darkroom.holds(size) {
            return Err(TooLarge { size: darkroom.turn.rotation.turned(size), limit }.into());
        }
        let mut picture = Picture::default();
        let mut pace = Pace::new();
        let mut works = false;
        let (mut broken, mut useless_since) = (0, None::<Time>);
        while source.read(&mut picture, stop)? {
            self.counters.captured.fetch_add(1, Ordering::Relaxed);
            let more = source.broken() - std::mem::replace(&mut broken, source.broken());
            self.counters.refused.fetch_add(more, Ordering::Relaxed);
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
            let payload = match darkroom.develop(&picture)? {
                Payload::Jpeg(payload) => payload,
                Payload::Refused(why) => {
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                    // The first one is worth a line; the rest show in the counter.
                    if !std::mem::replace(&mut self.said, true) {
                        tracing::warn!("a picture of the camera was left out: {why}");
                    }
                    let since = *useless_since.get_or_insert(picture.captured);
                    if picture.captured.since(since) >= USELESS_LIMIT {
                        return Err(Useless(why).into());
                    }
                    continue;
                }
            };
            useless_since = None;
            if !std::mem::replace(&mut works, true) {
                self.health.works();
            }
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
