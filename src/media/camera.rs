//! The worker that turns a camera into packets.
//!
//! ```text
//!  VideoSource ──newest──> Pace ──order──> changed? ──yes──> Darkroom ─┬─> Queue<Packet> ~~~>
//!        ▲                  │ ▲               └─ no: `Same`            └─> the small own picture
//!        └── none: let go ──┘ └── Queue<Ack> <~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
//! ```
//! One thread: it waits for the camera alone. Encoding takes a millisecond and sending none, so the
//! camera is never kept waiting, and what passes the gate is always the picture just taken: a
//! second thread with a slot between them would only add a wake-up to its age. A picture that
//! finds the gate closed is let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{self, Time};
use crate::device::{DeviceError, VideoSource};
use crate::frame::{Ack, Packet, PacketKind, Picture, Size};
use crate::quality::Quality;
use crate::queue::Queue;
use crate::stop::Stop;
use crate::supervisor::{Health, Worker, WorkerError};

use super::darkroom::{Darkroom, Payload};
use super::pace::ladder::{self, Order};
use super::pace::{Ceiling, Pace};
use super::sign::Sign;

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
    /// Pictures let go because the gate was closed, or the rung has fewer.
    pub skipped: AtomicU64,
    /// Pictures not sent because nothing had changed.
    pub unchanged: AtomicU64,
    /// The rung of the ladder now, 0 at the top.
    pub rung: AtomicU64,
    /// JPEG quality of the last picture encoded or passed on.
    pub quality: AtomicU64,
    /// Eighths of the full size that it had, each way.
    pub eighths: AtomicU64,
    /// Thousandths of a picture that the rung has in a second.
    pub millifps: AtomicU64,
    /// Bytes a second that the line is taken to carry; 0: no limit is known.
    pub rate: AtomicU64,
    /// Pictures that were too large, too long, empty or torn, as the source saw it or we did.
    pub refused: AtomicU64,
    /// Bytes handed on, without headers.
    pub bytes: AtomicU64,
    /// Times the source was opened.
    pub opened: AtomicU64,
    /// Whether it is open now.
    pub open: Sign,
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

/// While nothing changes, that is said so often: three of them may be lost before anybody doubts it.
const SAME_EVERY: Duration = Duration::from_millis(700);

/// The worker.
pub struct Camera {
    open: OpenSource,
    settings: Settings,
    gate: Gate,
    ceiling: Ceiling,
    spacing: Option<Arc<AtomicU32>>,
    frosted_until: Option<Time>,
    packets: Queue<Packet>,
    counters: Arc<Counters>,
    health: Arc<Health>,
    own_view: Option<Queue<Packet>>,
    sequence: u32,
    /// When a picture or a `Same` was handed on last.
    told: Time,
    /// Why a picture was left out is in the log.
    said: bool,
}

/// What the gate says to a picture.
enum Turnout {
    Go(Option<Order>),
    /// Not this one.
    LetGo,
    /// It shows nothing new.
    Unchanged,
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
            ceiling: Ceiling::default(),
            spacing: None,
            frosted_until: None,
            packets,
            counters,
            health,
            own_view: None,
            sequence: 0,
            told: Time::default(),
            said: false,
        }
    }

    /// What is sent goes into `own_view` as well, for the small own picture; newest wins there.
    #[must_use]
    pub fn with_own_view(mut self, own_view: Queue<Packet>) -> Self {
        self.own_view = Some(own_view);
        self
    }

    /// Pictures are no better than `ceiling` says at each moment.
    #[must_use]
    pub fn with_ceiling(mut self, ceiling: Ceiling) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// Whoever writes the packets is to put pictures on the line at `spacing` bytes a second; 0: as
    /// fast as it can.
    #[must_use]
    pub fn with_spacing(mut self, spacing: Arc<AtomicU32>) -> Self {
        self.spacing = Some(spacing);
        self
    }

    /// Pictures that are captured before this moment are frosted, whatever they are made from.
    #[must_use]
    pub fn frosted_until(mut self, end: Option<Time>) -> Self {
        self.frosted_until = end;
        self
    }

    /// A rate that changes takes effect within the picture that is being written.
    fn space(&self, rate: Option<u32>) {
        if let (Some(spacing), Some(rate)) = (&self.spacing, rate) {
            spacing.store(rate, Ordering::Relaxed);
        }
    }

    fn pace(&self, full: Size) -> Pace {
        let pace = Pace::new(full, self.settings.quality);
        if self.spacing.is_some() { pace } else { pace.unspaced() }
    }

    /// Take in the receiver's words, and ask the pace. Before that, what is known of the way there is
    /// forgotten if the way is a new one.
    fn ask(
        &self,
        pace: &mut Pace,
        darkroom: &mut Darkroom,
        picture: &Picture,
        full: Size,
    ) -> Turnout {
        let Gate::Acknowledged { acks, new_path } = &self.gate else { return Turnout::Go(None) };
        if new_path.swap(false, Ordering::Relaxed) {
            *pace = self.pace(full);
            darkroom.forget();
        }
        let lost = pace.lost();
        while let Some(ack) = acks.try_receive() {
            pace.acknowledged(ack.sequence, ack.arrived, ack.came);
            if !ack.shown && ack.sequence.wrapping_add(1) == self.sequence {
                darkroom.forget();
            }
        }
        pace.taken(picture.captured);
        let order = pace.order(self.ceiling.get(), clock::now());
        if pace.lost() > lost {
            darkroom.forget();
        }
        self.counters.show(pace);
        self.space(pace.respaced(clock::now()));
        let Some(order) = order else { return Turnout::LetGo };
        // What is sent has to be looked at, whatever comes of it: the next one is compared with it.
        let unchanged = darkroom.is_unchanged(picture, &order);
        // A line that is being tried has to have something on it.
        if unchanged && pace.is_settled() {
            return Turnout::Unchanged;
        }
        Turnout::Go(Some(order))
    }

    /// Nothing has changed: say so, now and then. False: nobody listens any more.
    fn tell_same(&mut self, captured: Time) -> bool {
        self.counters.unchanged.fetch_add(1, Ordering::Relaxed);
        if captured.since(self.told) < SAME_EVERY {
            return true;
        }
        self.told = captured;
        let sequence = self.sequence.wrapping_sub(1);
        let (kind, payload) = (PacketKind::Same, Bytes::new());
        let same = Packet { kind, sequence, captured, after_gap: false, payload };
        self.packets.send(same).is_ok()
    }

    /// Hand a picture on. False: nobody wants any more.
    fn hand_on(&mut self, payload: Bytes, captured: Time) -> bool {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.told = captured;
        self.counters.sent.fetch_add(1, Ordering::Relaxed);
        self.counters.bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
        let kind = PacketKind::Picture;
        let packet = Packet { kind, sequence, captured, after_gap: false, payload };
        if let Some(own_view) = &self.own_view {
            // Nobody may be looking; then the next one replaces it.
            let _ = own_view.send(packet.clone());
        }
        self.packets.send(packet).is_ok()
    }
}

impl Counters {
    /// The class of the rung that pictures are on.
    pub fn class(&self) -> Quality {
        ladder::class(self.rung.load(Ordering::Relaxed) as usize)
    }

    fn show(&self, pace: &Pace) {
        self.rung.store(pace.rung() as u64, Ordering::Relaxed);
        self.rate.store(pace.rate().map_or(0, |rate| rate as u64), Ordering::Relaxed);
    }

    fn made(&self, order: &Order) {
        self.quality.store(order.quality.into(), Ordering::Relaxed);
        self.eighths.store(order.eighths.into(), Ordering::Relaxed);
        self.millifps.store((order.fps * 1000.0) as u64, Ordering::Relaxed);
    }
}

impl Worker for Camera {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        // Dropped after the source.
        let _open = self.counters.open.light();
        let mut source = (self.open)()?;
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        let mut darkroom = Darkroom::new(self.settings, source.left_to_turn())?;
        let (size, limit) = (darkroom.turned(source.shape().0), self.settings.limit);
        if !darkroom.holds(source.shape().0) {
            return Err(TooLarge { size, limit }.into());
        }
        let mut picture = Picture::default();
        let mut pace = self.pace(size);
        let mut works = false;
        let (mut broken, mut useless_since) = (0, None::<Time>);
        while source.read(&mut picture, stop)? {
            self.counters.captured.fetch_add(1, Ordering::Relaxed);
            let more = source.broken() - std::mem::replace(&mut broken, source.broken());
            self.counters.refused.fetch_add(more, Ordering::Relaxed);
            darkroom.frost(self.frosted_until.is_some_and(|end| picture.captured < end));
            let order = match self.ask(&mut pace, &mut darkroom, &picture, size) {
                Turnout::Go(order) => order,
                Turnout::LetGo => {
                    self.counters.skipped.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Turnout::Unchanged if self.tell_same(picture.captured) => continue,
                Turnout::Unchanged => return Ok(()),
            };
            let again = |bytes| order.as_ref().and_then(|order| pace.another_try(order, bytes));
            let (payload, quality) = match darkroom.develop(&picture, order.as_ref(), again)? {
                Payload::Jpeg(payload, quality) => (payload, quality),
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
            if let Some(order) = &order {
                if let Some(spacing) = &self.spacing {
                    spacing.store(pace.spacing(), Ordering::Relaxed);
                }
                let made = Order { quality, ..*order };
                pace.sent(self.sequence, &made, payload.len(), clock::now());
                darkroom.sent(&picture, &made);
                self.counters.made(&made);
            }
            if !self.hand_on(payload, picture.captured) {
                // Closed: whoever wanted pictures has gone.
                return Ok(());
            }
        }
        Ok(())
    }
}
