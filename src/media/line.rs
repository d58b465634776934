//! Plain TCP with the first system's framing, for workers that run alone.
//!
//! ```text
//! Queue<Packet> -> Outgoing ~~TCP~~> Incoming -> Queue<Packet>
//! ```
//! Pictures go back to back as JPEG, voice as one length byte and one Opus packet. One peer after
//! another: a listener takes the next when one has left, a dialler fails and is tried again by the
//! supervisor. A slow reader delays nobody: the queue in front of it lets the oldest go, and the
//! socket is asked to keep next to nothing unsent, so that what is written is fresh and whole.
//! There are no capture times on this wire: what comes in is stamped with its arrival.

mod socket;

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use nix::poll::PollFlags;

use super::sessions::Sessions;
use crate::clock::{self, Time};
use crate::figures::{Ages, Percentiles};
use crate::frame::{Packet, PacketKind};
use crate::queue::{Queue, Received};
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};
use crate::wire::length_byte::VoiceSplitter;
use crate::wire::mjpeg::{SplitError, Splitter};
use crate::wire::packet::PICTURE_LIMIT;

use socket::{Door, Line};

/// Which of the first system's two framings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// JPEG pictures back to back.
    Pictures,
    /// One length byte, then one Opus packet of that many bytes.
    Voice,
}

/// Where the peer is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It comes to us, at this address and port.
    Listen(String),
    /// We go to it, host and port.
    Dial(String),
}

impl Place {
    /// As a command line names it; where it says both, the peer is dialled.
    pub fn of(dial: Option<HostPort>, listen: Option<ListenAt>) -> Option<Self> {
        match (dial, listen) {
            (Some(HostPort(place)), _) => Some(Self::Dial(place)),
            (None, Some(ListenAt(at))) => Some(Self::Listen(at)),
            (None, None) => None,
        }
    }
}

/// `HOST:PORT`, as a command line names a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort(pub String);

/// `[ADDR:]PORT`, as a command line names where to listen; without an address it is 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAt(pub String);

/// The text named no place.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a place; expected {expected}")]
pub struct PlaceError {
    text: String,
    expected: &'static str,
}

impl FromStr for HostPort {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(PlaceError {
                text: text.to_owned(),
                expected: "HOST:PORT, such as 127.0.0.1:5010",
            }),
        }
    }
}

impl FromStr for ListenAt {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if text.parse::<u16>().is_ok() {
            return Ok(Self(format!("127.0.0.1:{text}")));
        }
        HostPort::from_str(text).map(|HostPort(place)| Self(place)).map_err(|error| PlaceError {
            text: error.text,
            expected: "[ADDRESS:]PORT, such as 5010 or 0.0.0.0:5010",
        })
    }
}

/// What went wrong on the line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The port is taken, or the address isn't ours.
    #[error("listen on {place}")]
    Listen {
        /// As the command line named it.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody there, or no such host.
    #[error("connect to {place}")]
    Connect {
        /// As the command line named it.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the line with {peer}")]
    Broken {
        /// Its address.
        peer: String,
        /// What the system said.
        source: io::Error,
    },
    /// The peer closed it, in good order.
    #[error("{0} closed the line")]
    Closed(String),
    /// The peer sent what are no pictures, or too large ones.
    #[error("{peer} sent something else than pictures")]
    Garbage {
        /// Its address.
        peer: String,
        /// What exactly.
        source: SplitError,
    },
}

/// What passed so far.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Peers that were connected.
    pub peers: AtomicU64,
    /// Whole packets that passed.
    pub packets: AtomicU64,
    /// Bytes that passed, framing included.
    pub bytes: AtomicU64,
    /// Peers that were let go because of what they sent.
    pub refused: AtomicU64,
    /// Packets too long for the framing, left out.
    pub too_long: AtomicU64,
    /// Where in what came in each peer's packets begin.
    pub sessions: Arc<Sessions>,
    ages: Mutex<Ages>,
}

impl Traffic {
    /// From the capture of a packet that was sent until the socket had all of it.
    pub fn ages(&self) -> Percentiles {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner).percentiles()
    }

    fn sent(&self, bytes: usize, captured: Time) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let age = clock::now().since(captured);
        self.ages.lock().unwrap_or_else(PoisonError::into_inner).record(age);
    }
}

/// Sends the packets of a queue to one peer after another.
pub struct Outgoing {
    door: Door,
    framing: Framing,
    packets: Queue<Packet>,
    traffic: Arc<Traffic>,
}

/// Receives packets from one peer after another into a queue.
pub struct Incoming {
    door: Door,
    framing: Framing,
    packets: Queue<Packet>,
    traffic: Arc<Traffic>,
    sequence: u32,
}

impl Outgoing {
    /// Listens at once where it has to listen.
    ///
    /// # Errors
    /// The port is in use, or the address isn't ours.
    pub fn open(
        place: Place,
        framing: Framing,
        packets: Queue<Packet>,
        traffic: Arc<Traffic>,
    ) -> Result<Self, LineError> {
        Ok(Self { door: Door::open(place)?, framing, packets, traffic })
    }

    /// Where it listens, if it does; with port 0 the system has chosen one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.door.address()
    }

    fn serve(&self, line: &Line, stop: &Stop) -> Result<(), LineError> {
        // What waited while nobody was there is old.
        self.packets.clear();
        let mut frame = BytesMut::new();
        while line.ready(PollFlags::POLLOUT, stop)? {
            let Received::Item(packet) = self.packets.receive(stop, None) else { return Ok(()) };
            let bytes = if self.framing == Framing::Voice {
                let Ok(length) = u8::try_from(packet.payload.len()) else {
                    self.traffic.too_long.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                frame.clear();
                frame.extend_from_slice(&[length]);
                frame.extend_from_slice(&packet.payload);
                &frame[..]
            } else {
                &packet.payload[..]
            };
            if line.write_all(bytes, stop)? {
                self.traffic.sent(bytes.len(), packet.captured);
            }
        }
        Ok(())
    }
}

impl Worker for Outgoing {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        self.door.serve(&self.traffic, stop, |line| {
            // Between two packets nothing is written: that the peer has left has to wake the queue.
            line.while_there(stop, |stop| self.serve(line, stop))
        })
    }
}

impl Incoming {
    /// Listens at once where it has to listen.
    ///
    /// # Errors
    /// The port is in use, or the address isn't ours.
    pub fn open(
        place: Place,
        framing: Framing,
        packets: Queue<Packet>,
        traffic: Arc<Traffic>,
    ) -> Result<Self, LineError> {
        Ok(Self { door: Door::open(place)?, framing, packets, traffic, sequence: 0 })
    }

    /// Where it listens, if it does; with port 0 the system has chosen one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.door.address()
    }
}

impl Worker for Incoming {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let Self { door, framing, packets, traffic, sequence } = self;
        door.serve(traffic, stop, |line| {
            let mut cutter = Cutter::new(*framing);
            let mut bytes = vec![0; 64 * 1024];
            let mut is_first = true;
            while line.ready(PollFlags::POLLIN, stop)? {
                let length = line.read(&mut bytes)?;
                if length == 0 {
                    return Err(LineError::Closed(line.peer.clone()));
                }
                traffic.bytes.fetch_add(length as u64, Ordering::Relaxed);
                cutter.push(&bytes[..length]);
                while let Some(payload) = cutter
                    .next()
                    .map_err(|source| LineError::Garbage { peer: line.peer.clone(), source })?
                {
                    traffic.packets.fetch_add(1, Ordering::Relaxed);
                    let packet = Packet {
                        kind: framing.kind(),
                        sequence: *sequence,
                        captured: clock::now(),
                        after_gap: false,
                        payload,
                    };
                    if std::mem::take(&mut is_first) {
                        traffic.sessions.begins_at(*sequence);
                    }
                    *sequence = sequence.wrapping_add(1);
                    if packets.send(packet).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }
}

impl Framing {
    fn kind(self) -> PacketKind {
        match self {
            Framing::Pictures => PacketKind::Picture,
            Framing::Voice => PacketKind::Voice,
        }
    }
}

/// Cuts what comes in into payloads.
enum Cutter {
    Pictures(Splitter),
    Voice(VoiceSplitter),
}

impl Cutter {
    fn new(framing: Framing) -> Self {
        match framing {
            Framing::Pictures => Self::Pictures(Splitter::new(PICTURE_LIMIT)),
            Framing::Voice => Self::Voice(VoiceSplitter::default()),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Pictures(splitter) => splitter.push(bytes),
            Self::Voice(splitter) => splitter.push(bytes),
        }
    }

    fn next(&mut self) -> Result<Option<Bytes>, SplitError> {
        match self {
            Self::Pictures(splitter) => splitter.next_picture(),
            Self::Voice(splitter) => Ok(splitter.next_packet()),
        }
    }
}
