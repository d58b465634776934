//! The sender at work on one server: an attempt, a connection, a pause, and again.
//!
//! ```text
//!           take(now)          in hand: one datagram        TCP, UDP, or a relay
//!  Ring ─────────────> Sending ─────────────────────> Line ─────────────────────> server
//!    ▲                   │  ▲                           │
//!    └── give back ──────┘  └── answers, acknowledged ──┘        Link decides, link.rs draws it
//! ```
//! Datagrams go whole or not at all: one that a line took half of is finished there, or the line is given
//! up, and the next one gets it from its first byte. Over UDP a server is looked up again now and then
//! while it does not answer, and datagrams go on to where it was until it is found elsewhere.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::cause::{Cause, number};
use super::flight::Flight;
use super::line::{ConnectError, Line, Turn};
use super::link::{Dead, Effect, Event, Link, State};
use super::ring::{Datagram, Ring};
use super::send::{LinkEvent, News, count};
use super::stopped::stopped;
use crate::address::HostPort;
use crate::clock::{self, Time};
use crate::stop::Stop;
use crate::tunnel::Forwarder;
use crate::wire::urtp::TimingCutter;

/// How long an attempt over TCP or UDP may take, names included.
const PATIENCE: Duration = Duration::from_secs(4);
/// The same through a relay, which may have to let us in first.
const PATIENCE_RELAYED: Duration = Duration::from_secs(20);
/// What is left in the ring when we stop has so long to go out.
const FAREWELL: Duration = Duration::from_millis(300);
/// By UDP a machine says within this that no server is there; what went before that was heard.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);
/// Datagrams between two looks at what was acknowledged.
const LOOK_EVERY: u64 = 16;

/// Where the connections lead.
pub(super) enum Direct {
    /// To a server by TCP, through a relay if there is one.
    Tcp(HostPort),
    /// To a server by UDP.
    Udp(HostPort),
}

impl Direct {
    async fn connect(
        &self,
        relay: Option<&mut Forwarder>,
        turn: usize,
    ) -> Result<Line, ConnectError> {
        match (self, relay) {
            (Self::Tcp(server), None) => Line::tcp(server).await,
            (Self::Tcp(server), Some(relay)) => Line::relayed(relay, server).await,
            (Self::Udp(server), _) => Line::udp(server, turn).await,
        }
    }
}

/// A datagram on its way into a line, and how much of it the line has.
struct InHand {
    datagram: Datagram,
    taken: usize,
}

impl InHand {
    fn rest(hand: Option<&Self>) -> &[u8] {
        hand.map_or(&[], |hand| &hand.datagram.bytes()[hand.taken..])
    }
}

/// See the module.
pub(super) struct Sending {
    to: Direct,
    relay: Option<Forwarder>,
    ring: Ring,
    link: Link,
    news: News,
    /// Which of the server's addresses has its turn, by UDP.
    turn: usize,
    stop: Stop,
}

/// Sleep until then; for ever without a time.
async fn sleep_until(at: Option<Time>) {
    match at {
        Some(at) => sleep(at.since(clock::now())).await,
        None => std::future::pending().await,
    }
}

impl Sending {
    fn step(&mut self, event: Event) -> Option<Effect> {
        let jitter = match event {
            Event::Failed { .. } | Event::Lost | Event::Wake => jitter(),
            // They begin no pause, and there are a hundred a second.
            Event::Start
            | Event::Connected
            | Event::Offered
            | Event::Sent { .. }
            | Event::Acknowledged
            | Event::Answered { .. } => 0.0,
        };
        self.link.handle(event, clock::now(), jitter)
    }

    /// Nothing is connected yet.
    pub(super) fn new(
        to: Direct,
        relay: Option<Forwarder>,
        ring: Ring,
        news: News,
        stop: Stop,
    ) -> Self {
        let link = match (&to, &relay) {
            (Direct::Udp(_), _) => Link::over_udp(PATIENCE),
            (Direct::Tcp(_), None) => Link::new(PATIENCE),
            (Direct::Tcp(_), Some(_)) => Link::new(PATIENCE_RELAYED),
        };
        Self { to, relay, ring, link, news, turn: 0, stop }
    }

    /// Until it is time to stop.
    pub(super) async fn run(mut self) {
        self.step(Event::Start);
        let stop = self.stop.clone();
        loop {
            match self.link.state() {
                State::Connecting => tokio::select! {
                    biased;
                    () = stopped(&stop) => return,
                    line = self.connect() => if let Some(line) = line {
                        self.stream(line).await;
                    },
                },
                State::Backoff { until } => tokio::select! {
                    biased;
                    () = stopped(&stop) => return,
                    () = sleep_until(Some(until)) => drop(self.step(Event::Wake)),
                },
                State::Idle | State::Online | State::Streaming => return,
            }
        }
    }

    /// One attempt, as long as the link wants to wait for it.
    async fn connect(&mut self) -> Option<Line> {
        self.news.tell(LinkEvent::Connecting);
        let attempt = self.to.connect(self.relay.as_mut(), self.turn);
        let ended = tokio::select! {
            ended = attempt => Some(ended),
            () = sleep_until(self.link.wake_at()) => None,
        };
        let (sentence, cause) = match ended {
            Some(Ok(line)) => {
                self.step(Event::Connected);
                count(&self.news.stats.connected);
                let peer =
                    line.peer().map_or_else(|| self.news.name().to_owned(), |at| at.to_string());
                tracing::debug!("station: connected to {peer}");
                self.news.tell(LinkEvent::Online);
                return Some(line);
            }
            Some(Err(error)) => {
                let refused = matches!(&error, ConnectError::Relay(error) if error.refused);
                if matches!(error, ConnectError::Name { .. }) {
                    count(&self.news.stats.unresolved);
                }
                self.step(Event::Failed { refused });
                (error.to_string(), error.cause())
            }
            None => {
                self.step(Event::Wake);
                let name = self.news.name();
                (format!("{name} did not answer in time while connecting"), Cause::Late)
            }
        };
        self.turn = self.turn.wrapping_add(1);
        count(&self.news.stats.failed);
        self.news.tell(LinkEvent::Failed { sentence, cause });
        None
    }

    /// Keep the line supplied until it ends, or until we do.
    async fn stream(&mut self, line: Line) {
        let mut stream = Stream::over(line);
        let stop = self.stop.clone();
        let ended = tokio::select! {
            biased;
            () = stopped(&stop) => None,
            ended = self.supply(&mut stream) => Some(ended),
        };
        let Some(Ended { sentence, cause }) = ended else {
            return self.farewell(stream).await;
        };
        let Stream { line, mut flight, in_hand, answered, .. } = stream;
        if !answered {
            self.turn = self.turn.wrapping_add(1);
        }
        if self.link.is_up() {
            // By itself, that is; what the link gave up it knows of.
            self.step(Event::Lost);
        }
        line.has_arrived(&mut flight, clock::now());
        if line.is_udp() {
            // It may all have been heard, answered or not.
            if cause.is_refused() {
                flight.heard(clock::now() - REFUSED_WITHIN);
            } else {
                flight = Flight::default();
            }
        }
        line.reset();
        let again: Vec<Datagram> = flight.lost().rev().collect();
        // Had the line half of it: on the next one it goes from its first byte, and only there.
        let newest = in_hand.map(|hand| hand.datagram);
        self.news.stats.again.fetch_add(again.len() as u64, Ordering::Relaxed);
        self.ring.give_back(newest.into_iter().chain(again));
        count(&self.news.stats.lost);
        self.news.tell(LinkEvent::Lost { sentence, cause });
    }

    /// Take, write, read, until there is a sentence why not any more.
    async fn supply(&mut self, stream: &mut Stream) -> Ended {
        let (mut buffer, mut writes) = ([0; 1024], true);
        loop {
            // Here and not where nothing else happens: a server may talk without an end.
            if self.link.wake_at().is_some_and(|at| at <= clock::now())
                && let Some(ended) = self.due(stream)
            {
                return ended;
            }
            if stream.in_hand.is_none()
                && let Some(datagram) = self.ring.take(clock::now())
            {
                stream.in_hand = Some(InHand { datagram, taken: 0 });
                self.step(Event::Offered);
            }
            let idle = stream.in_hand.is_none();
            let bytes = InHand::rest(stream.in_hand.as_ref());
            let turn = tokio::select! {
                biased;
                turn = stream.line.turn(&mut buffer, bytes, writes) => turn,
                () = self.ring.ready(), if idle => continue,
                found = renewed(&mut stream.renewal) => {
                    self.move_to(stream, found);
                    continue;
                }
                () = sleep_until(self.link.wake_at()) => continue,
            };
            writes = matches!(turn, Turn::Read(_));
            match turn {
                Turn::Read(Ok(0)) if !stream.line.is_udp() => {
                    return Ended::by("the server closed the connection", Cause::Closed);
                }
                Turn::Read(Ok(length)) => self.hear(stream, &buffer[..length]),
                Turn::Wrote(Ok(length)) => self.wrote(stream, length),
                Turn::Read(Err(error)) => return Ended::by(&error, Cause::Receive(number(&error))),
                Turn::Wrote(Err(error)) => return Ended::by(&error, Cause::Send(number(&error))),
            }
        }
    }

    fn wrote(&mut self, stream: &mut Stream, length: usize) {
        let Some(hand) = &mut stream.in_hand else { return };
        hand.taken += length;
        if hand.taken < hand.datagram.bytes().len() {
            return;
        }
        let datagram = hand.datagram;
        stream.in_hand = None;
        stream.flight.put(datagram, clock::now());
        self.step(Event::Sent { sequence: datagram.sequence });
        let stats = &self.news.stats;
        stats.bytes.fetch_add(datagram.bytes().len() as u64, Ordering::Relaxed);
        if (stats.sent.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(LOOK_EVERY) {
            self.look(stream);
        }
    }

    /// Whether the other machine has acknowledged more.
    fn look(&mut self, stream: &mut Stream) {
        if stream.line.has_arrived(&mut stream.flight, clock::now()) {
            self.step(Event::Acknowledged);
        }
    }

    fn hear(&mut self, stream: &mut Stream, mut bytes: &[u8]) {
        if stream.line.is_udp() {
            // Half an answer is not completed by the next packet.
            stream.cutter = TimingCutter::default();
        }
        let skipped = stream.cutter.skipped();
        while let Some(timing) = stream.cutter.cut(&mut bytes) {
            let first = self.link.state() == State::Online;
            match self.step(Event::Answered { sequence: timing.sequence }) {
                Some(Effect::Answer(trip)) => {
                    stream.flight.answered(timing.sequence);
                    stream.answered = true;
                    count(&self.news.stats.answers);
                    if first {
                        self.news.tell(LinkEvent::Streaming);
                    }
                    if let Some(trip) = trip {
                        self.news.tell(LinkEvent::RoundTrip(trip));
                    }
                }
                Some(Effect::Stale) => {
                    count(&self.news.stats.stale);
                    self.news.tell(LinkEvent::StaleAnswer);
                }
                Some(Effect::Connect | Effect::Disconnect(_) | Effect::LookUp) | None => {}
            }
        }
        let junk = stream.cutter.skipped() - skipped;
        self.news.stats.junk.fetch_add(junk, Ordering::Relaxed);
    }

    /// Time has come: a sentence if the link gives the line up.
    fn due(&mut self, stream: &mut Stream) -> Option<Ended> {
        self.look(stream);
        let why = match self.step(Event::Wake) {
            Some(Effect::Disconnect(why)) => why,
            Some(Effect::LookUp) => {
                self.look_up(stream);
                return None;
            }
            Some(Effect::Connect | Effect::Answer(_) | Effect::Stale) | None => return None,
        };
        if let (Some(relay), Dead::Silent | Dead::Stuck) = (&mut self.relay, why) {
            relay.hang_up();
        }
        Some(match why {
            Dead::Silent => Ended::by(
                "the server does not answer any more, nor does its machine",
                Cause::Silent,
            ),
            Dead::Hung => Ended::by("the server does not answer any more", Cause::Hung),
            Dead::Stuck => Ended::by("the line takes nothing any more", Cause::Stuck),
            Dead::Late => Ended::by("connecting took too long", Cause::Late),
        })
    }

    /// Begin to find out where the server is now, or at its next address.
    fn look_up(&mut self, stream: &mut Stream) {
        if let Direct::Udp(server) = &self.to {
            self.turn = self.turn.wrapping_add(1);
            let (server, turn) = (server.clone(), self.turn);
            stream.renewal = Some(Box::pin(async move { Line::udp(&server, turn).await }));
        }
    }

    /// The server was looked up: what follows goes to where it is, if it is elsewhere.
    fn move_to(&self, stream: &mut Stream, found: Result<Line, ConnectError>) {
        match found {
            Ok(line) if line.peer() != stream.line.peer() => {
                let peer = line.peer().map(|at| at.to_string()).unwrap_or_default();
                tracing::info!("station to {}: tried at {peer}", self.news.name());
                (stream.line, stream.flight) = (line, Flight::default());
            }
            Ok(_) => {}
            // It may still be where it was.
            Err(error) => tracing::debug!("station: {error}"),
        }
    }

    /// What is there still goes, and the last datagram goes whole, if the line is quick.
    async fn farewell(&mut self, mut stream: Stream) {
        let finish = self.finish(&mut stream);
        drop(tokio::time::timeout(FAREWELL, finish).await);
        if stream.in_hand.is_some_and(|hand| hand.taken > 0) {
            // An orderly end behind half a datagram would call it whole.
            stream.line.reset();
        }
    }

    /// Until the ring is empty and the line has all of it.
    async fn finish(&mut self, stream: &mut Stream) {
        let (mut buffer, mut writes) = ([0; 64], true);
        loop {
            if stream.in_hand.is_none() {
                let Some(datagram) = self.ring.take(clock::now()) else { break };
                stream.in_hand = Some(InHand { datagram, taken: 0 });
            }
            let bytes = InHand::rest(stream.in_hand.as_ref());
            match stream.line.turn(&mut buffer, bytes, writes).await {
                Turn::Wrote(Ok(length)) => {
                    writes = false;
                    self.wrote(stream, length);
                }
                Turn::Read(Ok(length)) if length > 0 || stream.line.is_udp() => writes = true,
                Turn::Read(_) | Turn::Wrote(Err(_)) => return,
            }
        }
        stream.line.finish().await;
    }
}

/// A server that is being looked up again.
type Renewal = Pin<Box<dyn Future<Output = Result<Line, ConnectError>>>>;

/// Completes when it was found, or not; never while nobody looks.
async fn renewed(renewal: &mut Option<Renewal>) -> Result<Line, ConnectError> {
    let Some(looking) = renewal else { return std::future::pending().await };
    let found = looking.await;
    *renewal = None;
    found
}

/// A connection at work.
struct Stream {
    line: Line,
    flight: Flight,
    cutter: TimingCutter,
    in_hand: Option<InHand>,
    /// The server has, at least once.
    answered: bool,
    renewal: Option<Renewal>,
}

impl Stream {
    fn over(line: Line) -> Self {
        Self {
            line,
            flight: Flight::default(),
            cutter: TimingCutter::default(),
            in_hand: None,
            answered: false,
            renewal: None,
        }
    }
}

/// Why a connection is over.
struct Ended {
    sentence: String,
    cause: Cause,
}

impl Ended {
    fn by(sentence: impl ToString, cause: Cause) -> Self {
        Self { sentence: sentence.to_string(), cause }
    }
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without a random number all stations are merely in step.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 256.0
}

#[cfg(test)]
mod tests;
