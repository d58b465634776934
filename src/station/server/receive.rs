//! Where stations come in: TCP and UDP sockets, and the queues of those that come through the tunnel. One
//! thread with one runtime for all of them.
//!
//! ```text
//!  TCP accept ──> candidate ── a whole datagram in 5 s ──> stream ── until it ends, is silent for 10 s,
//!                (lines.rs)                                           is replaced, floods or talks junk
//!  UDP ─────────> one datagram a packet
//!  voice_in ────> one datagram a packet of kind Station
//!                   ... and timing datagrams back over TCP and UDP
//! ```
//! Who connects and says nothing replaces nobody. Whatever a station does costs its connection and a
//! counter.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::house::{House, Refusal, Station};
use super::intake::{Source, Verdict};
use super::rounds::Round;
use crate::caps::{JUNK_LIMIT, STATION_PATIENCE, STATION_SILENCE};
use crate::clock::{self, Time};
use crate::frame::PacketKind;
use crate::station::stopped::stopped;
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};
use crate::tunnel::MediaPorts;
use crate::wire::urtp::{Cutter, Header, Timing};

/// Bytes read at once: a dozen datagrams.
const READ: usize = 4096;
/// The pause after a failure of a socket that is not a peer's.
const PAUSE: Duration = Duration::from_millis(100);
/// Strangers are told of so often at most.
const SELDOM: Duration = Duration::from_secs(60);

/// Sockets, and whose they are.
pub(super) struct Entrance {
    pub(super) tcp: std::net::TcpListener,
    pub(super) udp: std::net::UdpSocket,
    pub(super) whose: Whose,
}

/// Which station a sender is.
#[derive(Clone)]
pub(super) enum Whose {
    /// There is but one.
    One(Arc<Station>),
    /// By the address it comes from.
    ByAddress(Arc<HashMap<IpAddr, Arc<Station>>>),
}

impl Whose {
    fn station(&self, from: SocketAddr) -> Option<&Arc<Station>> {
        match self {
            Self::One(station) => Some(station),
            Self::ByAddress(stations) => stations.get(&from.ip().to_canonical()),
        }
    }
}

/// See the top of the file.
pub(super) struct Receiver {
    pub(super) house: Arc<House>,
    pub(super) entrances: Vec<Entrance>,
    pub(super) keyed: Vec<(Arc<Station>, MediaPorts)>,
    pub(super) round: Round,
}

impl Worker for Receiver {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        until_stopped(stop, &self.round, self.run())
    }
}

/// Drive `work` in a runtime of this thread until it fails or the stop, and count its `round`s.
pub(super) fn until_stopped(
    stop: &Stop,
    round: &Round,
    work: impl Future<Output = io::Result<()>>,
) -> Result<(), WorkerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended: io::Result<()> = runtime.block_on(async {
        tokio::select! {
            () = stopped(stop) => Ok(()),
            () = round.go_on() => Ok(()),
            ended = work => ended,
        }
    });
    Ok(ended?)
}

impl Receiver {
    async fn run(&self) -> io::Result<()> {
        let mut tasks = JoinSet::new();
        for Entrance { tcp, udp, whose } in &self.entrances {
            let listener = TcpListener::from_std(tcp.try_clone()?)?;
            let socket = UdpSocket::from_std(udp.try_clone()?)?;
            tasks.spawn(accept(listener, whose.clone(), Arc::clone(&self.house)));
            tasks.spawn(packets(socket, whose.clone(), Arc::clone(&self.house)));
        }
        for (station, ports) in &self.keyed {
            tasks.spawn(tunnelled(Arc::clone(station), ports.clone(), Arc::clone(&self.house)));
        }
        // None of them ends by itself.
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(io::Error::other)?;
        }
        std::future::pending().await
    }
}

/// Tells of strangers, but not of all of them.
#[derive(Default)]
struct Strangers {
    told: Option<Instant>,
}

impl Strangers {
    fn came(&mut self, from: SocketAddr, house: &House) {
        house.refused.count(Refusal::Stranger);
        let now = Instant::now();
        if self.told.is_none_or(|told| now - told >= SELDOM) {
            self.told = Some(now);
            tracing::warn!("{} sends here and is no station's address", from.ip().to_canonical());
        }
    }
}

async fn accept(listener: TcpListener, whose: Whose, house: Arc<House>) {
    let mut strangers = Strangers::default();
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!("accept a station: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(station) = whose.station(from) else {
            strangers.came(from, &house);
            continue;
        };
        let number = house.lines.fetch_add(1, Ordering::Relaxed);
        let line = Line::new(stream, Arc::clone(station), number);
        let task = tokio::spawn(line.run(Arc::clone(&house))).abort_handle();
        let goes = station.lines().enter(number, from.ip(), task);
        end(goes, Refusal::Crowd, &house);
    }
}

/// End this connection, if it has not ended by itself.
fn end(line: Option<AbortHandle>, why: Refusal, house: &House) {
    if let Some(line) = line.filter(|line| !line.is_finished()) {
        house.refused.count(why);
        line.abort();
    }
}

/// One TCP connection.
struct Line {
    stream: TcpStream,
    station: Arc<Station>,
    number: u64,
    /// It has shown a datagram.
    admitted: bool,
    cutter: Cutter,
    /// Bytes that were junk until its last datagram.
    junk: u64,
    /// When that came.
    heard: Instant,
}

/// Why a connection ended.
enum End {
    /// Its other end went.
    Closed,
    /// Ours, for this reason.
    Refused(Refusal),
}

impl Line {
    fn new(stream: TcpStream, station: Arc<Station>, number: u64) -> Self {
        let (cutter, heard) = (Cutter::default(), Instant::now());
        Self { stream, station, number, admitted: false, cutter, junk: 0, heard }
    }

    async fn run(mut self, house: Arc<House>) {
        // It only makes timing datagrams earlier.
        let _ = self.stream.set_nodelay(true);
        let end = self.listen(&house).await;
        self.station.lines().leave(self.number);
        match end {
            End::Closed => tracing::debug!("{}: the connection ended", self.station.name),
            End::Refused(refusal) => {
                house.refused.count(refusal);
                tracing::debug!("{}: a connection was ended: {refusal:?}", self.station.name);
            }
        }
    }

    async fn listen(&mut self, house: &House) -> End {
        let alarm = tokio::time::sleep(STATION_PATIENCE);
        tokio::pin!(alarm);
        loop {
            tokio::select! {
                biased;
                ready = self.stream.readable() => {
                    if ready.is_err() {
                        return End::Closed;
                    }
                    if let Err(end) = self.read(house) {
                        return end;
                    }
                }
                () = &mut alarm => {
                    let (limit, refusal) = match self.admitted {
                        false => (STATION_PATIENCE, Refusal::Slow),
                        true => (STATION_SILENCE, Refusal::Silent),
                    };
                    // The alarm is not moved with every datagram, but looks at them when it rings.
                    let end = self.heard + limit;
                    if Instant::now() >= end {
                        return End::Refused(refusal);
                    }
                    alarm.as_mut().reset(end);
                }
            }
        }
    }

    /// Read once.
    fn read(&mut self, house: &House) -> Result<(), End> {
        let mut buffer = [0; READ];
        let length = match self.stream.try_read(&mut buffer) {
            Ok(0) => return Err(End::Closed),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(End::Closed),
        };
        let (now, source) = (clock::now(), Source::Tcp(self.number));
        let mut bytes = &buffer[..length];
        let mut last = None;
        while let Some((header, datagram)) = self.cutter.cut(&mut bytes) {
            match house.take(&self.station, source, header, datagram, now) {
                Verdict::Play { .. } | Verdict::Late => last = Some(header),
                Verdict::Strange => return Err(End::Refused(Refusal::Replaced)),
                Verdict::Flood => return Err(End::Refused(Refusal::Flood)),
            }
        }
        let junk = self.cutter.skipped();
        if junk - self.junk > JUNK_LIMIT as u64 {
            return Err(End::Refused(Refusal::Junk));
        }
        if let Some(header) = last {
            if !self.admitted {
                self.admitted = true;
                let replaced = self.station.lines().admit(self.number);
                end(replaced, Refusal::Replaced, house);
            }
            self.junk = junk;
            self.heard = Instant::now();
            if let Some(timing) = self.station.timing(header, now) {
                self.answer(timing)?;
            }
        }
        Ok(())
    }

    /// A station that does not read goes without; half an answer would spoil all that follow.
    fn answer(&self, timing: Timing) -> Result<(), End> {
        let bytes = timing.encode();
        match self.stream.try_write(&bytes) {
            Ok(length) if length == bytes.len() => Ok(()),
            Ok(_) => Err(End::Refused(Refusal::Stuck)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(End::Closed),
        }
    }
}

/// One datagram that came as a packet of its own; what goes back, if anything.
fn single(
    house: &House,
    station: &Arc<Station>,
    source: Source,
    datagram: &[u8],
    now: Time,
) -> Option<Timing> {
    let Ok(header) = Header::of_datagram(datagram) else {
        house.refused.count(Refusal::Junk);
        return None;
    };
    match house.take(station, source, header, datagram, now) {
        Verdict::Play { .. } | Verdict::Late => station.timing(header, now),
        Verdict::Strange => None,
        Verdict::Flood => {
            house.refused.count(Refusal::Flood);
            None
        }
    }
}

async fn packets(socket: UdpSocket, whose: Whose, house: Arc<House>) {
    let mut strangers = Strangers::default();
    // One byte more than any datagram is too long whatever follows.
    let mut buffer = [0; crate::caps::DATAGRAM_LIMIT + 1];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!("receive from a station: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(station) = whose.station(from) else {
            strangers.came(from, &house);
            continue;
        };
        let timing = single(&house, station, Source::Udp(from), &buffer[..length], clock::now());
        if let Some(timing) = timing {
            // What does not fit now is no loss: another one follows in a second.
            let _ = socket.try_send_to(&timing.encode(), from);
        }
    }
}

/// Through the tunnel nothing goes back: its own pings tell the station how it stands.
async fn tunnelled(station: Arc<Station>, ports: MediaPorts, house: Arc<House>) {
    while let Some(packet) = ports.voice_in.next().await {
        if packet.kind == PacketKind::Station {
            single(&house, &station, Source::Tunnel, &packet.payload, clock::now());
        }
    }
}
