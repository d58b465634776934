//! The control stream of an inner session: hello, the app's signals, and the pings that measure the
//! peer's clock and notice its silence.
//!
//! The writing task says hello and pings; the reading task answers pings, hands signals to the runtime
//! and ends the session after a silence. How often and how long says alive.rs: it depends on whether
//! ports are attached, whether the line is metered, and whether the runtime has a doubt. Pings go
//! whatever else does, so that a call in which nobody speaks (voice is not sent then) is not silent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::ChannelReadHalf;
use tokio::sync::{Notify, mpsc, watch};

use super::alive::{self, Grace, Life, Mode, RoundTrips};
use super::clock_offset::Filter;
use super::framing::{Allowance, SignalCutter};
use super::runtime::{News, SessionId};
use super::streams::{End, Shared, Writer, next_bytes};
use super::{Fault, MediaPorts};
use crate::caps::{LOGIN_PATIENCE, SIGNALS_QUEUED};
use crate::clock;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::queue::Queue;
use crate::wire::signal::{Signal, SignalError, clean_name};

/// Pongs that are asked for one after the other at the start, to know the clock soon and well.
const FIRST_SAMPLES: usize = 4;
/// Pings that may be unanswered; the answers to older ones count as life and not as samples.
const PINGS_KEPT: usize = 20;

/// What the two tasks of one control stream share with the runtime.
pub(super) struct Control {
    /// Whose.
    pub(super) peer: PeerKey,
    /// In which session.
    pub(super) session: SessionId,
    /// Signals to write.
    pub(super) out: Queue<Signal>,
    /// Our hello.
    pub(super) hello: Signal,
    /// Clock, ports, life.
    pub(super) shared: Arc<Shared>,
    /// Where to report.
    pub(super) news: mpsc::Sender<News>,
    pings: Mutex<Pings>,
    ping_now: Notify,
    doubted: watch::Sender<Option<Time>>,
    /// The peer pays for every byte, as it says in its pings.
    theirs: watch::Sender<bool>,
    answered: watch::Sender<u64>,
}

#[derive(Default)]
struct Pings {
    last: u64,
    open: VecDeque<(u64, Time)>,
    trips: RoundTrips,
}

impl Control {
    /// Of a session that has just been opened.
    pub(super) fn new(
        peer: PeerKey,
        session: SessionId,
        hello: Signal,
        shared: Arc<Shared>,
        news: mpsc::Sender<News>,
    ) -> Self {
        shared.clock.forget();
        Self {
            peer,
            session,
            out: Queue::fail_on_full(SIGNALS_QUEUED),
            hello,
            shared,
            news,
            pings: Mutex::default(),
            ping_now: Notify::new(),
            doubted: watch::Sender::new(None),
            theirs: watch::Sender::new(false),
            answered: watch::Sender::new(0),
        }
    }

    /// The runtime doubts that the peer is there: it has as long as in a call to show life.
    pub(super) fn doubt(&self) {
        let heard = self.shared.heard();
        self.doubted.send_modify(|at| *at = Some(alive::doubted(*at, heard, clock::now())));
        self.ping_now.notify_one();
    }

    /// Wait until the peer has read everything that was queued before.
    pub(super) async fn flushed(&self) {
        let next = self.pings().last + 1;
        self.ping_now.notify_one();
        // An error means the session is gone, and with it the reason to wait.
        let _ = self.answered.subscribe().wait_for(|id| *id >= next).await;
    }

    fn pings(&self) -> MutexGuard<'_, Pings> {
        self.pings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_ping(&self, now: Time) -> Signal {
        let mut pings = self.pings();
        pings.last += 1;
        let id = pings.last;
        if pings.open.len() >= PINGS_KEPT {
            pings.open.pop_front();
        }
        pings.open.push_back((id, now));
        let metered = *self.shared.metered.borrow();
        Signal::Ping { id, sent: now.micros(), metered }
    }

    /// The task that writes.
    pub(super) async fn write(self: Arc<Self>, write: Writer) -> End {
        if let Err(end) = write.send(self.hello.encode().into()).await {
            return end;
        }
        let mut ports = self.shared.ports.subscribe();
        let mut metered =
            Metered { ours: self.shared.metered.clone(), theirs: self.theirs.subscribe() };
        let mut pinged: Option<tokio::time::Instant> = None;
        loop {
            let pause = mode(&mut ports, &mut metered).ping();
            let ping = async {
                if let Some(at) = pinged {
                    tokio::time::sleep_until(at + pause).await;
                }
            };
            let signal = tokio::select! {
                biased;
                signal = self.out.next() => match signal {
                    Some(signal) => signal,
                    None => return End::trouble("we ended it"),
                },
                changed = ports.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::closed(),
                },
                changed = metered.changed() => match changed {
                    // The other end learns of it by a ping.
                    Ok(()) => self.next_ping(clock::now()),
                    Err(_) => return End::closed(),
                },
                () = self.ping_now.notified() => self.next_ping(clock::now()),
                () = ping => self.next_ping(clock::now()),
            };
            if matches!(signal, Signal::Ping { .. }) {
                pinged = Some(tokio::time::Instant::now());
            }
            if let Err(end) = write.send(signal.encode().into()).await {
                return end;
            }
        }
    }

    /// The task that reads.
    pub(super) async fn read(self: Arc<Self>, mut read: ChannelReadHalf) -> End {
        let opened = clock::now();
        let mut ports = self.shared.ports.subscribe();
        let mut metered =
            Metered { ours: self.shared.metered.clone(), theirs: self.theirs.subscribe() };
        let mut doubted = self.doubted.subscribe();
        let mut conversation = Conversation {
            control: &self,
            cutter: SignalCutter::default(),
            allowance: Allowance::new(opened),
            filter: Filter::default(),
            greeted: false,
        };
        let (mut now_mode, mut since) = (mode(&mut ports, &mut metered), opened);
        let (mut grace, mut flow) = (Grace::new(opened), self.shared.pulse.flow());
        loop {
            let was = std::mem::replace(&mut now_mode, mode(&mut ports, &mut metered));
            if was != now_mode {
                since = clock::now();
            }
            let deadline = |grace: &Grace, doubted: Option<Time>, greeted| {
                let heard = grace.heard(self.shared.heard().max(opened));
                let patience = self.pings().trips.patience(clock::now());
                if greeted {
                    Life { mode: now_mode, since, heard, doubted, patience }.deadline()
                } else {
                    (opened + LOGIN_PATIENCE, "no hello within 5 s".to_owned())
                }
            };
            let doubt = *doubted.borrow_and_update();
            let left = deadline(&grace, doubt, conversation.greeted).0.since(clock::now());
            tokio::select! {
                biased;
                bytes = next_bytes(&mut read) => {
                    let Some(bytes) = bytes else { return conversation.end() };
                    if let Err(end) = conversation.take(&bytes).await {
                        return end;
                    }
                    flow = self.shared.pulse.flow();
                }
                changed = ports.changed() => if changed.is_err() { return End::closed() },
                changed = metered.changed() => if changed.is_err() { return End::closed() },
                changed = doubted.changed() => if changed.is_err() { return End::closed() },
                () = tokio::time::sleep(left) => {
                    let (deadline, why) = deadline(&grace, doubt, conversation.greeted);
                    let (now, heard) = (clock::now(), self.shared.heard().max(opened));
                    if deadline <= now && !grace.grant(heard, flow.is_full(now), now) {
                        let end = End::silent(why);
                        return if conversation.greeted { end } else { end.because(Fault::Idle) };
                    }
                }
            }
        }
    }
}

/// What bytes that are no signal end with.
fn blame(error: SignalError) -> End {
    let fault = match error {
        SignalError::Length(_) => Fault::Oversize,
        SignalError::Json(_) => Fault::Signal,
    };
    End::bad(fault, error)
}

/// What the session is for now.
fn mode(ports: &mut watch::Receiver<Option<Arc<MediaPorts>>>, metered: &mut Metered) -> Mode {
    Mode::of(ports.borrow_and_update().is_some(), metered.is())
}

/// Whether one of the two ends pays for every byte.
struct Metered {
    ours: watch::Receiver<bool>,
    theirs: watch::Receiver<bool>,
}

impl Metered {
    fn is(&mut self) -> bool {
        let ours = *self.ours.borrow_and_update();
        *self.theirs.borrow_and_update() || ours
    }

    async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            changed = self.ours.changed() => changed,
            changed = self.theirs.changed() => changed,
        }
    }
}

/// What the peer has said so far.
struct Conversation<'a> {
    control: &'a Control,
    cutter: SignalCutter,
    allowance: Allowance,
    filter: Filter,
    greeted: bool,
}

impl Conversation<'_> {
    fn end(&self) -> End {
        if self.cutter.is_inside() { End::bad(Fault::Half, "half a signal") } else { End::closed() }
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.cutter.push(bytes);
        while let Some(signal) = self.cutter.next().map_err(blame)? {
            let now = clock::now();
            self.control.shared.hear(now);
            if !self.allowance.take(now) {
                return Err(End::bad(Fault::SignalFlood, "more than 30 signals a second"));
            }
            self.hear(signal, now).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, signal: Signal, now: Time) -> Result<(), End> {
        let Control { peer, session, news, .. } = self.control;
        let (peer, session) = (*peer, *session);
        let news_item = match signal {
            Signal::Hello { name, media, .. } if !self.greeted => {
                self.greeted = true;
                News::Hello { peer, session, name: clean_name(&name), media }
            }
            Signal::Hello { .. } => return Err(End::bad(Fault::Signal, "hello twice")),
            _ if !self.greeted => return Err(End::bad(Fault::Signal, "a signal before hello")),
            Signal::Ping { id, sent, metered } => {
                self.control
                    .theirs
                    .send_if_modified(|now| std::mem::replace(now, metered) != metered);
                let pong = Signal::Pong { id, sent, received: now.micros() };
                let queued = self.control.out.send(pong);
                return queued.map_err(|_| End::trouble("64 signals wait to be sent"));
            }
            Signal::Pong { id, sent, received } => {
                let Some(estimate) = self.pong(id, sent, received, now) else { return Ok(()) };
                News::Clock { peer, session, estimate }
            }
            Signal::Unknown => return Ok(()),
            signal => News::Signal { peer, session, signal },
        };
        // The runtime is gone: so is this session, soon.
        let _ = news.send(news_item).await;
        Ok(())
    }

    fn pong(
        &mut self,
        id: u64,
        sent: u64,
        received: u64,
        now: Time,
    ) -> Option<super::clock_offset::Estimate> {
        let sent = Time::from_micros(sent);
        {
            let mut pings = self.control.pings();
            let position = pings.open.iter().position(|ping| *ping == (id, sent))?;
            pings.open.remove(position);
            pings.trips.add(now.since(sent), now);
        }
        self.control.answered.send_modify(|last| *last = (*last).max(id));
        let estimate = self.filter.sample(sent, Time::from_micros(received), now);
        self.control.shared.clock.set(estimate.offset_us);
        if self.filter.len() < FIRST_SAMPLES {
            self.control.ping_now.notify_one();
        }
        Some(estimate)
    }
}
