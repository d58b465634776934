//! One direction of a bad line: what becomes of a packet and when. Pure; a clock is an argument.
//!
//! ```text
//!  packet ─> room in the queue? ─> its turn at the rate ─> lost on the way? ─> delay ─> due
//!              no: dropped                                   yes: gone
//! ```
//! Each packet gets the moment at which it is due when it comes (virtual departure times), so a
//! thread that wakes up late makes packets late, and never the line slower.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Time;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Properties {
    /// Bits a second.
    pub rate: u64,
    /// From one end to the other, after the queue.
    pub delay: Duration,
    /// A packet that would wait longer than this for its turn is dropped.
    pub queue: Duration,
    /// The share of packets that are lost, 0 to 1. They take their time on the line all the same.
    pub loss: f64,
    /// Nothing comes through, and what was on its way is gone.
    pub cut: bool,
}

impl Properties {
    /// A line of `mbit` Mbit/s: 20 ms, a queue of 300 ms, no loss.
    pub fn of(mbit: f64) -> Self {
        Self {
            rate: (mbit * 1e6) as u64,
            delay: Duration::from_millis(20),
            queue: Duration::from_millis(300),
            loss: 0.0,
            cut: false,
        }
    }

    /// The same with so many packets lost.
    #[must_use]
    pub fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// The same, cut.
    #[must_use]
    pub fn cut(self) -> Self {
        Self { cut: true, ..self }
    }
}

/// What became of packets so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came out at the other end.
    pub carried: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that found the queue full.
    pub dropped: u64,
    /// Packets lost by chance or by a cut.
    pub lost: u64,
}

/// The direction.
#[derive(Debug)]
pub struct Line {
    properties: Properties,
    /// When the last packet that was let in has left the queue, in ns of the clock.
    busy: u64,
    /// What is on its way, in order, each with the ns at which it is due.
    way: VecDeque<(u64, Vec<u8>)>,
    chance: u64,
    counts: Counts,
}

impl Line {
    /// An idle one; the same `seed` loses the same packets.
    pub fn new(properties: Properties, seed: u64) -> Self {
        Self { properties, busy: 0, way: VecDeque::new(), chance: seed, counts: Counts::default() }
    }

    /// How it is now.
    pub fn properties(&self) -> Properties {
        self.properties
    }

    /// What became of packets so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Let it be another one from now on. What is on its way arrives as it was promised, unless the
    /// line is cut.
    pub fn set(&mut self, properties: Properties) {
        self.properties = properties;
        if properties.cut {
            self.counts.lost += self.way.len() as u64;
            self.way.clear();
            self.busy = 0;
        }
    }

    /// A packet is at this end.
    pub fn admit(&mut self, packet: Vec<u8>, now: Time) {
        let Properties { rate, delay, queue, loss, cut } = self.properties;
        if cut || rate == 0 {
            self.counts.lost += 1;
            return;
        }
        let now = nanos(now);
        let begins = now.max(self.busy);
        if u128::from(begins - now) > queue.as_nanos() {
            self.counts.dropped += 1;
            return;
        }
        self.busy = begins + packet.len() as u64 * 8 * 1_000_000_000 / rate;
        if self.random() < loss {
            self.counts.lost += 1;
            return;
        }
        let due = self.busy + u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX / 2);
        // A shorter delay than before overtakes nobody.
        let due = self.way.back().map_or(due, |(last, _)| due.max(*last));
        self.way.push_back((due, packet));
    }

    /// The next packet that is at the other end by now.
    pub fn next(&mut self, now: Time) -> Option<Vec<u8>> {
        if self.way.front()?.0 > nanos(now) {
            return None;
        }
        let (_, packet) = self.way.pop_front()?;
        self.counts.carried += 1;
        self.counts.bytes += packet.len() as u64;
        Some(packet)
    }

    /// When the next packet is there, rounded up to the clock's microseconds.
    pub fn due(&self) -> Option<Time> {
        self.way.front().map(|(due, _)| Time::from_micros(due.div_ceil(1000)))
    }

    /// How long a packet that comes now would wait for its turn.
    pub fn waiting(&self, now: Time) -> Duration {
        Duration::from_nanos(self.busy.saturating_sub(nanos(now)))
    }

    /// 0 to 1, evenly: SplitMix64 (Steele, Lea and Flood, 2014).
    fn random(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn nanos(time: Time) -> u64 {
    time.micros().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_micros(5_000_000);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn packet(length: usize, number: u32) -> Vec<u8> {
        let mut packet = vec![0; length];
        packet[..4].copy_from_slice(&number.to_be_bytes());
        packet
    }

    /// What has arrived by `now`, by number.
    fn arrived(line: &mut Line, now: Time) -> Vec<u32> {
        let mut numbers = Vec::new();
        while let Some(packet) = line.next(now) {
            numbers.push(u32::from_be_bytes(packet[..4].try_into().unwrap()));
        }
        numbers
    }

    #[test]
    fn a_packet_takes_its_turn_and_then_the_delay() {
        // 1250 bytes at 1 Mbit/s take 10 ms.
        let mut line = Line::new(Properties::of(1.0), 1);
        line.admit(packet(1250, 7), START);
        assert_eq!(line.due(), Some(START + ms(30)));
        assert!(arrived(&mut line, START + ms(29)).is_empty());
        assert_eq!(arrived(&mut line, START + ms(30)), [7]);
        assert_eq!(line.due(), None);
    }

    #[test]
    fn more_than_the_rate_is_queued_and_what_would_wait_too_long_is_dropped() {
        let mut line = Line::new(Properties::of(1.0), 1);
        for number in 0..100 {
            line.admit(packet(1250, number), START);
        }
        // The first begins at once; the last that waits 300 ms is number 30.
        assert_eq!(line.waiting(START), ms(310));
        assert_eq!(line.counts().dropped, 69);
        let numbers = arrived(&mut line, START + ms(1000));
        assert_eq!(numbers, (0..31).collect::<Vec<_>>());
        assert_eq!(line.counts().carried, 31);
        assert_eq!(line.counts().bytes, 31 * 1250);
    }

    #[test]
    fn whoever_looks_late_finds_as_much_as_whoever_looks_often() {
        let feed = |line: &mut Line, looked: &mut dyn FnMut(&mut Line, Time)| {
            for at in 0..1000 {
                let now = START + ms(at);
                // 2 Mbit/s offered on 1.
                line.admit(packet(250, at as u32), now);
                looked(line, now);
            }
        };
        let (mut often, mut late) =
            (Line::new(Properties::of(1.0), 1), Line::new(Properties::of(1.0), 1));
        let mut numbers = Vec::new();
        feed(&mut often, &mut |line, now| numbers.extend(arrived(line, now)));
        feed(&mut late, &mut |_, _| {});
        let end = START + ms(999);
        assert_eq!(arrived(&mut late, end), numbers);
        assert_eq!(often.counts(), late.counts());
        // 1 Mbit/s for 979 ms, as the first 20 are the delay.
        assert!((often.counts().bytes as i64 - 979 * 125).abs() <= 250, "{:?}", often.counts());
    }

    #[test]
    fn a_thinner_line_keeps_its_order_and_what_was_promised() {
        let mut line = Line::new(Properties::of(10.0), 1);
        line.admit(packet(1250, 0), START);
        line.set(Properties { delay: ms(0), ..Properties::of(1.0) });
        line.admit(packet(1250, 1), START);
        // The second: 1 ms for the first, 10 ms of its own, and not before the first at 21 ms.
        assert!(arrived(&mut line, START + ms(20)).is_empty());
        assert_eq!(arrived(&mut line, START + ms(21)), [0, 1]);
    }

    #[test]
    fn a_cut_line_carries_nothing_and_loses_what_was_on_its_way() {
        let mut line = Line::new(Properties::of(1.0), 1);
        line.admit(packet(1250, 0), START);
        line.set(Properties::of(1.0).cut());
        line.admit(packet(1250, 1), START + ms(1));
        assert_eq!(line.due(), None);
        assert_eq!(line.counts().lost, 2);
        line.set(Properties::of(1.0));
        line.admit(packet(1250, 2), START + ms(2));
        assert_eq!(arrived(&mut line, START + ms(32)), [2]);
    }

    #[test]
    fn the_share_that_is_lost_is_the_one_asked_for_and_the_same_every_time() {
        let run = |seed: u64| {
            let mut line = Line::new(Properties::of(1000.0).with_loss(0.01), seed);
            for number in 0..100_000 {
                line.admit(packet(20, number), START + ms(u64::from(number)));
            }
            (line.counts().lost, arrived(&mut line, START + ms(200_000)))
        };
        let (lost, numbers) = run(42);
        assert!((900..1100).contains(&lost), "{lost}");
        assert!(numbers.is_sorted());
        assert_eq!(run(42), (lost, numbers.clone()));
        assert_ne!(run(43).1, numbers);
    }
}
