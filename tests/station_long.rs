//! 45 minutes of a station's sound, over two wraps of the sequence, to a decoder and a model of the gain
//! that share no code with ours.
//!
//! ```text
//!  Garden ──> Capture ──> Encoder ──> Ring ──> Sender ~~ TCP ~~> Parser ──> Block ─┐   the real thing,
//!     │          └── event log: each change of the gain ──────────────────┐        ├─ as fast as it
//!     └────────────────────────────────────────────────────────> Model ───┴────────┘   goes
//!
//!  Garden ──> Encoder ──> Ring ──> Link ──> bytes in pieces ──> Parser ──> Block   and step by step in
//!                           20 ms a step     40 ms on the way, answers back        simulated time, where
//!                                                                                  a line is cut
//! ```
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod station_common;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use station_common::decoder::{BLOCK, Block, Expected, Model, Parser, answer};
use twocan::clock::{self, Time};
use twocan::device::DeviceError;
use twocan::device::station_mic::{StationMic, Stereo};
use twocan::station::capture::{Capture, Open};
use twocan::station::flight::Flight;
use twocan::station::link::{Dead, Effect, Event, Link, State};
use twocan::station::log::Log;
use twocan::station::ring::{Datagram, Ring};
use twocan::station::send::{Destination, Sender};
use twocan::stop::Stop;
use twocan::supervisor::{Restart, Supervisor};
use twocan::wire::urtp::{Coding, DATAGRAM_LIMIT, Encoder, TimingCutter};

/// Blocks of 20 ms in 45 minutes: the sequence wraps after 65536, and again.
const BLOCKS: u32 = 45 * 60 * 50;
const STEP: Duration = Duration::from_millis(20);
/// One way.
const TRIP: Duration = Duration::from_millis(40);
/// When the first block was captured, by the wall clock.
const EPOCH_US: u64 = 1_700_000_000_000_000;

/// A microphone in a garden: a bird that comes nearer and flies off, pauses, and now and then a bang.
struct Garden {
    noise: u32,
}

impl Garden {
    fn block(&mut self, number: u32) -> [i32; BLOCK] {
        let minute = f64::from(number % 3000) / 3000.0;
        let near = (minute * std::f64::consts::TAU).sin().max(0.0);
        let bang = number % 7001 == 7000;
        let silence = number % 20_000 > 18_000;
        std::array::from_fn(|n| {
            // Numerical Recipes' generator: noise that is the same everywhere.
            self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(self.noise >> 16) / 65_536.0 - 0.5;
            let phase = f64::from(number % 50) * BLOCK as f64 + n as f64;
            let bird = (phase * 2750.0 / 16_000.0 * std::f64::consts::TAU).sin();
            let sound = match (silence, bang) {
                (true, _) => 0.0,
                (false, true) => noise * 16_000_000.0,
                (false, false) => bird * near * near * 300_000.0 + noise * 500.0,
            };
            sound as i32
        })
    }
}

/// The server's end of the simulated line.
struct Server {
    parser: Parser,
    answered: Option<Time>,
    blocks: Vec<Block>,
    /// Of this connection.
    bytes: u64,
}

/// What is on its way, with when it arrives.
type Way = VecDeque<(Time, Vec<u8>)>;

fn arrived(way: &mut Way, now: Time) -> Option<Vec<u8>> {
    way.front().filter(|(at, _)| *at <= now)?;
    way.pop_front().map(|(_, bytes)| bytes)
}

/// A station and a server, and a line between them that may be cut.
struct World {
    now: Time,
    captured: u32,
    garden: Garden,
    model: Model,
    encoder: Encoder,
    ring: Ring,
    link: Link,
    flight: Flight,
    cutter: TimingCutter,
    up: Way,
    down: Way,
    server: Server,
    /// Nothing gets through.
    cut: bool,
    disconnects: u32,
    stale: u32,
    lifts: Vec<u8>,
    expected: VecDeque<(u32, Expected)>,
}

impl World {
    fn new() -> Self {
        let mut link = Link::new(Duration::from_secs(4));
        let now = Time::from_micros(5_000_000);
        assert_eq!(link.handle(Event::Start, now, 0.5), Some(Effect::Connect));
        Self {
            now,
            captured: 0,
            garden: Garden { noise: 1 },
            model: Model::new(12),
            encoder: Encoder::new(Coding::Unicam, 12),
            ring: Ring::new(Duration::from_secs(2)),
            link,
            flight: Flight::default(),
            cutter: TimingCutter::default(),
            up: Way::default(),
            down: Way::default(),
            server: Server {
                parser: Parser::default(),
                answered: None,
                blocks: Vec::new(),
                bytes: 0,
            },
            cut: false,
            disconnects: 0,
            stale: 0,
            lifts: Vec::new(),
            expected: VecDeque::new(),
        }
    }

    /// 20 ms of everything.
    fn step(&mut self) {
        self.capture();
        self.now = self.now + STEP;
        if self.link.state() == State::Connecting && !self.cut {
            self.link.handle(Event::Connected, self.now, 0.5);
        }
        while self.link.is_up()
            && let Some(datagram) = self.ring.take(self.now)
        {
            self.send(datagram);
        }
        self.serve();
        self.hear();
        if self.link.wake_at().is_some_and(|at| at <= self.now)
            && let Some(Effect::Disconnect(why)) = self.link.handle(Event::Wake, self.now, 0.5)
            && why != Dead::Late
        {
            self.disconnect();
        }
    }

    fn capture(&mut self) {
        let left = self.garden.block(self.captured);
        let sequence = self.captured as u16;
        let timestamp = EPOCH_US + u64::from(self.captured) * 20_000;
        self.lifts.push(self.encoder.shift());
        let mut out = [0; DATAGRAM_LIMIT];
        let length = self.encoder.encode(&left, sequence, timestamp, &mut out);
        self.ring.push(Datagram::new(&out[..length], sequence, self.now));
        self.expected.push_back((self.captured, self.model.block(&left)));
        self.captured += 1;
    }

    fn send(&mut self, datagram: Datagram) {
        self.link.handle(Event::Offered, self.now, 0.5);
        if !self.cut {
            // Pieces of lengths that fit nothing.
            for piece in datagram.bytes().chunks(131) {
                self.up.push_back((self.now + TRIP, piece.to_vec()));
            }
        }
        self.link.handle(Event::Sent { sequence: datagram.sequence }, self.now, 0.5);
        self.flight.put(datagram, self.now);
    }

    fn serve(&mut self) {
        while let Some(piece) = arrived(&mut self.up, self.now) {
            self.server.bytes += piece.len() as u64;
            for block in self.server.parser.push(&piece) {
                let last = self.server.answered;
                if last.is_none_or(|at| self.now.since(at) > Duration::from_secs(1)) {
                    self.server.answered = Some(self.now);
                    for piece in answer(&block).chunks(4) {
                        self.down.push_back((self.now + TRIP, piece.to_vec()));
                    }
                }
                self.server.blocks.push(block);
            }
        }
        // As the kernel does, at once.
        if self.flight.acknowledged(self.server.bytes) {
            self.link.handle(Event::Acknowledged, self.now, 0.5);
        }
    }

    fn hear(&mut self) {
        while let Some(piece) = arrived(&mut self.down, self.now) {
            let mut piece = piece.as_slice();
            while let Some(timing) = self.cutter.cut(&mut piece) {
                let event = Event::Answered { sequence: timing.sequence };
                match self.link.handle(event, self.now, 0.5) {
                    Some(Effect::Answer(trip)) => {
                        assert_eq!(trip, Some(2 * TRIP), "there and back");
                        self.flight.answered(timing.sequence);
                    }
                    other => {
                        assert_eq!(other, Some(Effect::Stale));
                        self.stale += 1;
                    }
                }
            }
        }
    }

    fn disconnect(&mut self) {
        self.disconnects += 1;
        self.up.clear();
        self.down.clear();
        self.ring.give_back(std::mem::take(&mut self.flight).lost().rev());
        self.server.bytes = 0;
        (self.server.parser, self.cutter) = (Parser::default(), TimingCutter::default());
    }

    /// What has come since the last time, each compared with what had to come; how many had not.
    fn check(&mut self) -> u32 {
        let mut missed = 0;
        for block in self.server.blocks.drain(..) {
            let (number, expected) = loop {
                let (number, expected) = self.expected.pop_front().expect("it was captured");
                if number as u16 == block.sequence {
                    break (number, expected);
                }
                missed += 1;
            };
            assert_eq!(block.timestamp_us, EPOCH_US + u64::from(number) * 20_000);
            assert_eq!(expected.lift, self.lifts[number as usize], "block {number}");
            expected.check(&block);
        }
        missed
    }
}

/// The garden as a microphone that gives its sound as fast as it goes off, and says that it came in time.
struct GardenMic {
    garden: Garden,
    number: u32,
    began: Time,
    ring: Ring,
}

impl StationMic for GardenMic {
    fn rate(&self) -> u32 {
        16_000
    }

    fn channels(&self) -> usize {
        2
    }

    fn read(&mut self, into: &mut Vec<Stereo>, stop: &Stop) -> Result<Option<Time>, DeviceError> {
        while self.ring.is_full() {
            if stop.sleep(Duration::from_millis(1)) {
                return Ok(None);
            }
        }
        if self.number == BLOCKS {
            return Ok(None);
        }
        into.clear();
        // The right channel is somebody else's.
        into.extend(self.garden.block(self.number).map(|left| [left, !left]));
        self.number += 1;
        Ok(Some(self.began + STEP * (self.number - 1)))
    }
}

/// Read every block off the one connection there is, each as it has to be; the gain's changes.
fn listen(stream: &mut TcpStream) -> Vec<u32> {
    let (mut parser, mut buffer) = (Parser::default(), [0; 4096]);
    let (mut garden, mut model) = (Garden { noise: 1 }, Model::new(12));
    let (mut number, mut began, mut answered) = (0_u32, 0, 0);
    let (mut lift, mut changes) = (9, Vec::new());
    while number < BLOCKS {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the connection ended after {number} blocks");
        for block in parser.push(&buffer[..length]) {
            assert_eq!(block.sequence, number as u16, "block {number}");
            let expected = model.block(&garden.block(number));
            expected.check(&block);
            if expected.lift != lift {
                lift = expected.lift;
                changes.push(u32::from(lift));
            }
            // By the wall's clock, which is asked anew at each.
            let time = block.timestamp_us;
            began = if number == 0 { time } else { began };
            let off = (time - began).abs_diff(u64::from(number) * 20_000);
            assert!(off < 5_000, "block {number} is {off} us off");
            // A second of its time, as the first server does.
            if number == 0 || time - answered > 1_000_000 {
                answered = time;
                stream.write_all(&answer(&block)).unwrap();
            }
            number += 1;
        }
    }
    changes
}

/// What the event log says of the gain.
fn noted_lifts(folder: &Path) -> Vec<u32> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|found| found == "log"));
    let bytes: Vec<u8> = logs.flat_map(|path| std::fs::read(path).unwrap()).collect();
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let records = bytes.chunks_exact(16).map(|one| (word(&one[8..12]), word(&one[12..])));
    records.filter(|(event, _)| *event == 90).map(|(_, lift)| lift).collect()
}

#[test]
fn forty_five_minutes_over_two_wraps_bring_every_block_and_the_gain_as_described() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // So little on the way that an answer is young here too, where a second takes milliseconds.
    socket.set_recv_buffer_size(8192).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(1).unwrap();
    let listener = TcpListener::from(socket);
    let server = listener.local_addr().unwrap().to_string().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut books, mut workers) = (Supervisor::new(), Supervisor::new());
    let log = Log::open(Some(folder.path()), &mut books).unwrap();
    let ring = Ring::new(Duration::from_secs(2));
    let sender = Sender::start(Destination::Tcp(server), ring.clone(), |_| {}).unwrap();
    let into = ring.clone();
    let open: Open = Box::new(move || {
        let (began, ring) = (clock::now(), into.clone());
        Ok(Box::new(GardenMic { garden: Garden { noise: 1 }, number: 0, began, ring }))
    });
    let (encoder, kept) = (Encoder::new(Coding::Unicam, 12), ring.clone());
    let health = workers
        .start_with("capture", Restart::Never, |health| {
            Capture::new(open, encoder, kept, log, health)
        })
        .unwrap();

    let (mut stream, _) = listener.accept().unwrap();
    let changes = listen(&mut stream);
    let stats = Arc::clone(sender.stats());
    assert!(sender.stop(Duration::from_secs(5)));
    drop(stream);
    workers.stop();
    books.stop();
    let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let restarts = (counted(&stats.connected), counted(&stats.lost), counted(&stats.failed));
    assert_eq!((restarts, health.failures()), ((1, 0, 0), 0));
    assert_eq!((ring.pushed(), ring.dropped()), (u64::from(BLOCKS), 0));
    assert_eq!((counted(&stats.sent), counted(&stats.stale)), (u64::from(BLOCKS), 0));
    assert!((2500..=2700).contains(&counted(&stats.answers)), "{:?}", stats.answers);
    // What the last block has changed nobody heard.
    let noted = noted_lifts(folder.path());
    assert!(noted.starts_with(&changes) && noted.len() <= changes.len() + 1, "{noted:?}");
    let (least, most) = (changes.iter().min(), changes.iter().max());
    assert_eq!((least, most), (Some(&6), Some(&12)), "the gain went all its way");
}

#[test]
fn the_gain_climbs_every_501_blocks_of_a_quiet_tone() {
    let mut encoder = Encoder::new(Coding::Unicam, 12);
    let mut model = Model::new(12);
    let mut out = [0; DATAGRAM_LIMIT];
    let mut climbs = Vec::new();
    for number in 0..1600_u32 {
        let phase = |n: usize| f64::from(number) * BLOCK as f64 + n as f64;
        let left = std::array::from_fn(|n| ((phase(n) * 0.2).sin() * 300.0) as i32);
        let lift = encoder.shift();
        encoder.encode(&left, number as u16, 0, &mut out);
        assert_eq!(model.block(&left).lift, lift, "block {number}");
        if climbs.last().is_none_or(|(_, last)| *last != lift) {
            climbs.push((number, lift));
        }
    }
    assert_eq!(climbs, [(0, 9), (501, 10), (1002, 11), (1503, 12)]);
}

#[test]
fn a_cut_at_each_wrap_loses_only_what_was_too_old() {
    let mut world = World::new();
    let mut missed = 0;
    let cuts = [500_u32, 65_400, 131_000];
    while world.captured < BLOCKS {
        // Ten seconds in which the sequence wraps, but for the first.
        world.cut = cuts.iter().any(|from| (*from..from + 500).contains(&world.captured));
        if world.cut {
            world.up.clear();
            world.down.clear();
        }
        world.step();
        missed += world.check();
    }
    assert_eq!((world.disconnects, world.stale), (3, 0));
    assert_eq!(u64::from(missed), world.ring.dropped());
    // Two seconds of each ten were young enough, and the attempt after the cut may come late.
    assert!((1200..=1400).contains(&missed), "{missed} blocks of {} in the cuts", 3 * 500);
    assert_eq!(world.link.state(), State::Streaming);
}
