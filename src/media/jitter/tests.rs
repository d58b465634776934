//! Scripts of arrivals and what is heard of them.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::frame::PacketKind;

const FRAME: u64 = 20_000;

fn packet(sequence: u32, captured: u64) -> Packet {
    Packet {
        kind: PacketKind::Voice,
        sequence,
        captured: Time::from_micros(captured),
        after_gap: false,
        payload: Bytes::from_static(&[0]),
    }
}

/// A jitter buffer with the playout's arithmetic: 10 ms pulls on a grid, `decoded` samples behind.
struct Bench {
    jitter: Jitter,
    decoded: usize,
    now: u64,
    played: Vec<u32>,
    hidden: usize,
}

impl Bench {
    fn new() -> Self {
        Self { jitter: Jitter::new(), decoded: 0, now: 5_000, played: Vec::new(), hidden: 0 }
    }

    /// Play arrivals (µs, packet) and a pull every 10 ms until `until` µs.
    fn run(&mut self, arrivals: &[(u64, Packet)], until: u64) -> &mut Self {
        let mut arrivals = arrivals.iter().peekable();
        while self.now < until {
            while let Some((at, packet)) = arrivals.next_if(|(at, _)| *at <= self.now) {
                self.jitter.push(packet.clone(), 960, Time::from_micros(*at));
            }
            while self.decoded < PERIOD_SAMPLES {
                self.decoded += match self.jitter.next(self.decoded, Time::from_micros(self.now)) {
                    Step::Decode(packet) => {
                        self.played.push(packet.sequence);
                        960
                    }
                    Step::Conceal(samples) => {
                        self.hidden += samples;
                        samples
                    }
                    Step::Quiet(samples) => samples,
                };
            }
            self.decoded -= PERIOD_SAMPLES;
            let excess = self.jitter.excess().min(240).min(self.decoded);
            self.decoded -= excess;
            self.jitter.shortened(excess as i64);
            let lack = self.jitter.lack().min(120);
            self.decoded += lack;
            self.jitter.shortened(-(lack as i64));
            self.jitter.pulled(self.decoded, Time::from_micros(self.now));
            self.now += 10_000;
        }
        self
    }

    fn depth(&self) -> usize {
        self.jitter.held_samples + self.decoded
    }
}

/// Packets 0..count captured every 20 ms, each arriving `late(n)` µs after its frame is complete.
fn stream(count: u32, late: impl Fn(u32) -> u64) -> Vec<(u64, Packet)> {
    let mut earliest = 0;
    (0..count)
        .map(|n| {
            let captured = u64::from(n) * FRAME;
            // TCP keeps the order: nobody overtakes.
            earliest = (captured + FRAME + late(n)).max(earliest);
            (earliest, packet(n, captured))
        })
        .collect()
}

#[test]
fn a_clean_path_is_heard_whole_with_the_floors_delay() {
    let mut bench = Bench::new();
    bench.run(&stream(500, |_| 0), 500 * FRAME);
    let figures = bench.jitter.figures();
    assert_eq!((figures.gaps, figures.late, figures.target), (0, 0, target::FLOOR));
    assert!(bench.played.iter().copied().eq(0..bench.played.len() as u32));
    assert!(bench.depth() <= 48 * 50, "{} samples wait", bench.depth());
}

#[test]
fn arrivals_that_spread_by_60_ms_raise_the_target_and_then_leave_no_gap() {
    let mut bench = Bench::new();
    let spread = |n: u32| u64::from(n * 7919 % 61) * 1000;
    bench.run(&stream(1000, spread), 200 * FRAME);
    let settled = bench.jitter.figures().gaps;
    let rest: Vec<_> =
        stream(1000, spread).into_iter().filter(|(at, _)| *at > 200 * FRAME - 5_000).collect();
    bench.run(&rest, 999 * FRAME);
    let figures = bench.jitter.figures();
    assert!(figures.target > Duration::from_millis(40), "{:?}", figures.target);
    assert_eq!(figures.gaps, settled);
}

#[test]
fn one_cut_of_200_ms_is_a_gap_and_the_delay_shrinks_again() {
    let mut bench = Bench::new();
    let cut = |n: u32| if (100..110).contains(&n) { u64::from(110 - n) * FRAME } else { 0 };
    bench.run(&stream(1000, cut), 999 * FRAME);
    let figures = bench.jitter.figures();
    assert!((5..=12).contains(&figures.gaps), "{}", figures.gaps);
    assert!(bench.depth() <= 48 * 70, "{} samples wait", bench.depth());
}

#[test]
fn a_peer_that_hides_for_three_seconds_leaves_no_gap() {
    let mut bench = Bench::new();
    let mut arrivals = stream(100, |_| 0);
    for n in 100..200 {
        let captured = u64::from(n) * FRAME + 3_000_000;
        arrivals.push((captured + FRAME, packet(n, captured)));
    }
    bench.run(&arrivals, 352 * FRAME);
    assert_eq!(bench.played.len(), 200);
    assert_eq!(bench.jitter.figures().gaps, 0);
}

#[test]
fn packets_that_never_came_are_hidden_and_counted() {
    let mut bench = Bench::new();
    let arrivals: Vec<_> =
        stream(100, |_| 0).into_iter().filter(|(_, p)| !(50..53).contains(&p.sequence)).collect();
    bench.run(&arrivals, 99 * FRAME);
    assert_eq!(bench.jitter.figures().gaps, 3);
    assert!(bench.hidden >= 2 * 960, "{} samples hidden", bench.hidden);
}

#[test]
fn a_packet_that_comes_twice_is_heard_once() {
    let mut bench = Bench::new();
    let mut arrivals = stream(10, |_| 0);
    let again = arrivals[4].clone();
    arrivals.insert(5, again);
    bench.run(&arrivals, 10 * FRAME + 50_000);
    assert_eq!(bench.played, (0..10).collect::<Vec<_>>());
    assert_eq!(bench.jitter.figures().late, 1);
}

#[test]
fn after_two_seconds_of_backlog_at_once_only_the_newest_is_heard() {
    let mut bench = Bench::new();
    let cut = |n: u32| if (100..200).contains(&n) { u64::from(200 - n) * FRAME } else { 0 };
    bench.run(&stream(400, cut), 399 * FRAME);
    assert!(bench.jitter.figures().dropped > 50);
    assert!(bench.depth() <= 48 * 350, "{} samples wait", bench.depth());
}

proptest! {
    #[test]
    fn whatever_arrives_the_memory_is_bounded_and_the_order_kept(
        events in proptest::collection::vec((any::<u32>(), 0u64..40_000, 0u32..3), 1..300),
    ) {
        let mut bench = Bench::new();
        let (mut arrivals, mut at, mut sequence) = (Vec::new(), 0, 0u32);
        for (wild, later, kind) in events {
            at += later;
            sequence = if kind == 0 { wild } else { sequence.wrapping_add(kind) };
            arrivals.push((at, packet(sequence, u64::from(wild))));
        }
        bench.run(&arrivals, at + 100_000);
        prop_assert!(bench.depth() <= 48 * 600);
    }

    #[test]
    fn stamps_that_cannot_be_are_taken_and_never_panic(
        stamps in proptest::collection::vec((any::<u32>(), any::<u64>(), any::<bool>()), 1..100),
    ) {
        let (mut jitter, mut sequence) = (Jitter::new(), 0u32);
        for (n, (wild, captured, follows)) in (0..).zip(stamps) {
            let now = Time::from_micros(1_000_000 + n * 10_000);
            sequence = if follows { sequence.wrapping_add(1) } else { wild };
            jitter.push(packet(sequence, captured), 960, now);
            jitter.push(packet(sequence.wrapping_add(1), u64::MAX - captured), 960, now);
            jitter.next(0, now);
            jitter.pulled(480, now);
            let (excess, lack) = (jitter.excess(), jitter.lack());
            prop_assert!(excess == 0 || lack == 0);
            jitter.is_running_dry(0, now);
        }
    }
}
