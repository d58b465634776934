//! A line to try the pace on: minutes of it in milliseconds, without a clock and without a socket.
//!
//! ```text
//!  camera ─> Pace ─> pieces at the spacing ─┐                       ┌─> pictures: ages
//!              ▲                            ├─> queue ─rate─> delay ┤
//!              │         voice, every 20 ms ┘   (drops its tail)    └─> voice: delays
//!              └────────────── words, after the delay back <──────────┘
//! ```
//! One queue for both, as at a modem: what pictures do to it, voice feels. What is dropped or lost is
//! sent again, and what follows it in its flow waits (TCP). Each segment costs headers besides: TCP/IP
//! and two SSH layers, 140 bytes of them.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::Time;
use crate::frame::Size;
use crate::quality::Quality;
use crate::wire::packet::piece_of;

use super::Pace;
use super::ladder::Order;

const STEP_US: u64 = 250;
const HEADERS: f64 = 140.0;
const SEGMENT: usize = 1300;
const VOICE: f64 = 210.0;

/// The line at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    /// Megabits a second of everything.
    pub(super) mbit: f64,
    /// Milliseconds there, and back.
    pub(super) delay_ms: u64,
    /// Milliseconds of queue before its tail is dropped.
    pub(super) queue_ms: f64,
    /// Of all segments, lost.
    pub(super) loss: f64,
    /// Nothing moves, and waits.
    pub(super) stalled: bool,
    /// At the far end, up to so many milliseconds are added at random.
    pub(super) jitter_ms: f64,
}

impl Conditions {
    pub(super) fn of(mbit: f64) -> Self {
        Self { mbit, delay_ms: 40, queue_ms: 300.0, loss: 0.0, stalled: false, jitter_ms: 0.0 }
    }
}

/// What is filmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    pub(super) size: Size,
    pub(super) fps: u64,
    /// Bytes of a picture at quality 75 and full size.
    pub(super) bytes: f64,
}

impl Scene {
    fn bytes_of(&self, order: &Order, chance: f64) -> usize {
        let pixels = self.size.eighths(order.eighths).pixels() as f64;
        let per_pixel = self.bytes / self.size.pixels() as f64;
        let finer = (8.0 / f64::from(order.eighths)).powf(0.4);
        // Not the table that the ladder has: content differs.
        let quality = 0.22 + 0.78 * (f64::from(order.quality) / 75.0).powf(1.6);
        (pixels * per_pixel * finer * quality * (0.9 + 0.2 * chance)) as usize
    }
}

struct Segment {
    voice: bool,
    number: u64,
    wire: f64,
    /// The picture that ends with it, or when the voice was spoken.
    ends: Option<(u32, Time)>,
}

#[derive(Default)]
struct Flow {
    next: u64,
    expected: u64,
    early: BTreeMap<u64, Segment>,
    latest: u64,
}

/// One thing that arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// In ms since the start.
    pub(super) at_ms: f64,
    /// How old it was, in ms.
    pub(super) age_ms: f64,
}

/// What happened.
#[derive(Default)]
pub(super) struct Story {
    pub(super) pictures: Vec<Arrival>,
    pub(super) voice: Vec<Arrival>,
    /// Rung and rate each time a picture was taken: ms, rung, bytes a second.
    pub(super) rungs: Vec<(f64, usize, f64)>,
    /// Bytes in the queue, at most.
    pub(super) unacknowledged: usize,
}

impl Story {
    /// Pictures between two moments, a second.
    pub(super) fn fps(&self, from: u64, to: u64) -> f64 {
        within(&self.pictures, from, to).count() as f64 / (to - from) as f64
    }

    /// A percentile of how old pictures were.
    pub(super) fn age(&self, from: u64, to: u64, percent: usize) -> f64 {
        percentile(within(&self.pictures, from, to), percent)
    }

    /// The same of voice.
    pub(super) fn voice(&self, from: u64, to: u64, percent: usize) -> f64 {
        percentile(within(&self.voice, from, to), percent)
    }

    /// When, after `from` s, pictures came to `rung` or better to stay there for 2 s; in s after it.
    pub(super) fn back_at(&self, rung: usize, from: u64) -> f64 {
        let mut since = None::<f64>;
        for (ms, at, _) in self.rungs.iter().filter(|(ms, ..)| *ms >= 1e3 * from as f64) {
            if *at > rung {
                since = None;
            } else if ms - *since.get_or_insert(*ms) >= 2000.0 {
                break;
            }
        }
        since.map_or(f64::INFINITY, |since| since / 1e3 - from as f64)
    }

    /// How often the rung changed.
    pub(super) fn changes(&self, from: u64, to: u64) -> usize {
        let (from, to) = (1e3 * from as f64, 1e3 * to as f64);
        let within: Vec<_> = self.rungs.iter().filter(|it| it.0 >= from && it.0 < to).collect();
        within.windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
    }
}

fn within(of: &[Arrival], from: u64, to: u64) -> impl Iterator<Item = &Arrival> {
    let (from, to) = (1e3 * from as f64, 1e3 * to as f64);
    of.iter().filter(move |arrival| arrival.at_ms >= from && arrival.at_ms < to)
}

fn percentile<'a>(of: impl Iterator<Item = &'a Arrival>, percent: usize) -> f64 {
    let mut ages: Vec<f64> = of.map(|arrival| arrival.age_ms).collect();
    ages.sort_by(f64::total_cmp);
    ages.get((ages.len() * percent / 100).min(ages.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

struct World {
    chance: u64,
    queue: VecDeque<Segment>,
    queued: f64,
    served: f64,
    flows: [Flow; 2],
    /// Arriving, or to be sent again.
    underway: BTreeMap<(u64, u64), (Segment, bool)>,
    serial: u64,
    story: Story,
    words: VecDeque<(u64, u32, u64)>,
}

impl World {
    fn random(&mut self) -> f64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) as f64 / (1u64 << 53) as f64
    }

    fn put(&mut self, segment: Segment, line: &Conditions, now: u64) {
        if self.queued * 8.0 / (line.mbit * 1e3).max(1e-9) > line.queue_ms {
            self.later(segment, now + 200_000, true);
        } else {
            self.queued += segment.wire;
            self.queue.push_back(segment);
        }
    }

    fn send(
        &mut self,
        voice: bool,
        bytes: f64,
        ends: Option<(u32, Time)>,
        line: &Conditions,
        now: u64,
    ) {
        let flow = &mut self.flows[usize::from(voice)];
        let number = flow.next;
        flow.next += 1;
        self.put(Segment { voice, number, wire: bytes, ends }, line, now);
    }

    fn later(&mut self, segment: Segment, at: u64, again: bool) {
        self.serial += 1;
        self.underway.insert((at, self.serial), (segment, again));
    }

    fn serve(&mut self, line: &Conditions, now: u64) {
        if line.stalled {
            return;
        }
        self.served += line.mbit * STEP_US as f64 / 8.0;
        while let Some(segment) = self.queue.front() {
            if segment.wire > self.served {
                return;
            }
            let segment = self.queue.pop_front().expect("there is a front");
            self.served -= segment.wire;
            self.queued -= segment.wire;
            if self.random() < line.loss {
                self.later(segment, now + 2500 * line.delay_ms, true);
            } else {
                let jitter = (self.random() * line.jitter_ms * 1e3) as u64;
                let flow = &mut self.flows[usize::from(segment.voice)];
                flow.latest = flow.latest.max(now + 1000 * line.delay_ms + jitter);
                let at = flow.latest;
                self.later(segment, at, false);
            }
        }
        self.served = 0.0;
    }

    fn arrive(&mut self, line: &Conditions, now: u64) {
        while self.underway.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
            let (_, (segment, again)) = self.underway.pop_first().expect("there is a first");
            if again {
                self.put(segment, line, now);
                continue;
            }
            let flow = &mut self.flows[usize::from(segment.voice)];
            flow.early.insert(segment.number, segment);
            while let Some(segment) = flow.early.remove(&flow.expected) {
                flow.expected += 1;
                let Some((number, captured)) = segment.ends else { continue };
                let age_ms = (now - captured.micros()) as f64 / 1e3;
                let arrival = Arrival { at_ms: now as f64 / 1e3, age_ms };
                if segment.voice {
                    self.story.voice.push(arrival);
                } else {
                    self.story.pictures.push(arrival);
                    self.words.push_back((now + 1000 * line.delay_ms, number, now));
                }
            }
        }
    }
}

/// Film `scene` over a line whose conditions at each millisecond `weather` tells, for `seconds`.
pub(super) fn film(
    scene: Scene,
    seconds: u64,
    ceiling: Quality,
    mut weather: impl FnMut(u64) -> Conditions,
) -> Story {
    let mut pace = Pace::new(scene.size, 75);
    let mut world = World {
        chance: 0x2545_f491_4f6c_dd1d,
        queue: VecDeque::new(),
        queued: 0.0,
        served: 0.0,
        flows: Default::default(),
        underway: BTreeMap::new(),
        serial: 0,
        story: Story::default(),
        words: VecDeque::new(),
    };
    // The stream's writer: what it has yet to write, piece by piece.
    let mut writer: VecDeque<(usize, Option<(u32, Time)>)> = VecDeque::new();
    let (mut rate, mut next_piece, mut sequence) = (0u32, 0u64, 0u32);
    let mut next_picture = 3_000;
    for now in (0..seconds * 1_000_000).step_by(STEP_US as usize) {
        let line = weather(now / 1000);
        if now % 20_000 == 0 {
            world.send(true, VOICE, Some((0, Time::from_micros(now))), &line, now);
        }
        if now >= next_picture {
            next_picture += 1_000_000 / scene.fps;
            let at = Time::from_micros(now);
            while let Some(word) = world.words.front().copied().filter(|word| word.0 <= now) {
                world.words.pop_front();
                pace.acknowledged(word.1, Time::from_micros(word.2), Time::from_micros(word.0));
            }
            pace.taken(at);
            rate = pace.respaced(at).unwrap_or(rate);
            if let Some(mut order) = pace.order(ceiling, at) {
                let chance = world.random();
                let mut bytes = scene.bytes_of(&order, chance);
                if let Some(quality) = pace.another_try(&order, bytes) {
                    order.quality = quality;
                    bytes = scene.bytes_of(&order, chance);
                }
                rate = pace.spacing();
                pace.sent(sequence, &order, bytes, at);
                let piece = if rate == 0 { SEGMENT } else { piece_of(bytes, rate) };
                let pieces = bytes.div_ceil(piece).max(1);
                for index in 0..pieces {
                    let length = piece.min(bytes - index * piece);
                    let ends = (index + 1 == pieces).then_some((sequence, at));
                    writer.push_back((length, ends));
                }
                sequence += 1;
            }
            let known = pace.rate().unwrap_or(f64::INFINITY);
            world.story.rungs.push((now as f64 / 1e3, pace.rung(), known));
            let waiting = pace.unacknowledged.len();
            world.story.unacknowledged = world.story.unacknowledged.max(waiting);
        }
        while now >= next_piece {
            let Some((bytes, ends)) = writer.pop_front() else { break };
            world.send(false, bytes as f64 + HEADERS, ends, &line, now);
            let took = if rate == 0 { 0 } else { bytes as u64 * 1_000_000 / u64::from(rate) };
            next_piece = next_piece.max(now.saturating_sub(STEP_US)) + took;
        }
        world.serve(&line, now);
        world.arrive(&line, now);
    }
    world.story
}
