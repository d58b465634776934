//! What becomes of a datagram: is it from the stream that counts, is it the next one, when was it heard?
//!
//! ```text
//!               another stream           too many
//!  datagram ──┬─> Strange   ──> ends   ──┬─> Flood ──> ends
//!             │                          │
//!             └─ sequence ───────────────┴─ behind: Late, nothing
//!                                           next: Play
//!                                           up to 24 missing: Play, as long as these were
//!                                           anything else: Play, from here on
//! ```
//! A station has one stream at a time. A TCP connection that has shown a whole datagram replaces what was
//! there; other senders of UDP only what has been silent for a second, since anybody can send one.
//! Pure: no sockets, `now` is an argument.

use std::net::SocketAddr;
use std::time::Duration;

use crate::caps::{STATION_DATAGRAMS_AT_ONCE, STATION_DATAGRAMS_PER_SECOND};
use crate::clock::Time;
use crate::wire::urtp::{BLOCK_US, Header, Timing};

/// More datagrams that are missing in a row are a cut and not a gap (as an ioc-server has it).
const GAP: u16 = 24;
/// A stream over UDP that was silent for so long may be replaced.
const HOLD: Duration = Duration::from_secs(1);
/// So long after its last datagram a station is live.
const LIVE: Duration = Duration::from_secs(3);
/// Timing datagrams are so far apart.
const TIMING: Duration = Duration::from_millis(1000);
/// The price of a datagram, and what may be owed.
const PRICE: Duration = Duration::from_micros(1_000_000 / STATION_DATAGRAMS_PER_SECOND);
const CREDIT: Duration =
    Duration::from_micros(1_000_000 / STATION_DATAGRAMS_PER_SECOND * STATION_DATAGRAMS_AT_ONCE);

/// What a stream that replaces another one has to itself, and how far apart such gifts are.
const FORGIVEN: Duration = Duration::from_secs(2);

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The TCP connection of this number, which counts up.
    Tcp(u64),
    /// Whoever sends from there.
    Udp(SocketAddr),
    /// The peer that proved the station's key.
    Tunnel,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be heard.
    Play {
        /// After so many that are missing.
        missing: u16,
        /// When its first sample was captured, on our clock: smooth, whatever the line does.
        captured: Time,
    },
    /// Its time is over, or it was here already.
    Late,
    /// Another stream is the station's.
    Strange,
    /// More than a station has to say.
    Flood,
}

/// What was counted of a station.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Datagrams that were to be heard.
    pub datagrams: u64,
    /// Datagrams that were missing between them.
    pub missing: u64,
    /// Cuts: more were missing than that, or the count began anew.
    pub cuts: u64,
    /// Datagrams that came too late or twice.
    pub late: u64,
    /// Datagrams of a stream that was not the station's.
    pub strange: u64,
    /// Datagrams over the limit.
    pub flood: u64,
    /// Streams there were.
    pub streams: u64,
}

/// One station's. See the top of the file.
#[derive(Debug, Default)]
pub(super) struct Intake {
    source: Option<Source>,
    /// The sequence that would be next.
    next: Option<u16>,
    heard: Option<Time>,
    /// Until when what came is paid for.
    paid: Time,
    /// When a stream was last forgiven what the one before it owed.
    forgiven: Option<Time>,
    timed: Option<Time>,
    timeline: Timeline,
    counts: Counts,
}

impl Intake {
    /// A datagram with this header came at `now`.
    pub(super) fn take(&mut self, source: Source, header: Header, now: Time) -> Verdict {
        if !self.admit(source, now) {
            self.counts.strange += 1;
            return Verdict::Strange;
        }
        let ahead = self.next.map(|next| header.sequence.wrapping_sub(next));
        let missing = ahead.filter(|ahead| *ahead <= GAP).unwrap_or(0);
        // What is missing is filled, which is as much work as if it had come.
        let paid = self.paid.max(now - CREDIT) + PRICE * (u32::from(missing) + 1);
        if paid > now {
            self.counts.flood += 1;
            return Verdict::Flood;
        }
        self.paid = paid;
        self.heard = Some(now);
        match ahead {
            // Behind by as much as UDP puts things out of order.
            Some(behind) if behind != 0 && behind.wrapping_neg() <= GAP => {
                self.counts.late += 1;
                return Verdict::Late;
            }
            Some(ahead) if ahead > GAP => self.counts.cuts += 1,
            _ => self.counts.missing += u64::from(missing),
        }
        self.next = Some(header.sequence.wrapping_add(1));
        self.counts.datagrams += 1;
        let captured = match ahead {
            Some(ahead) if ahead < u16::MAX / 2 => self.timeline.step(u64::from(ahead) + 1, now),
            _ => self.timeline.restart(now),
        };
        Verdict::Play { missing, captured }
    }

    /// Whether `source` is the station's stream, or is from now on.
    fn admit(&mut self, source: Source, now: Time) -> bool {
        let silent = self.heard.is_none_or(|heard| now.since(heard) >= HOLD);
        let replaces = match (self.source, source) {
            (Some(known), source) if known == source => return true,
            (None, _) | (_, Source::Tunnel) => true,
            // An older connection that was replaced stays it.
            (Some(Source::Tcp(known)), Source::Tcp(new)) => new > known,
            (Some(_), Source::Tcp(_)) => true,
            (Some(_), Source::Udp(_)) => silent,
        };
        if replaces {
            self.source = Some(source);
            self.forgive(now);
            self.counts.streams += 1;
        }
        replaces
    }

    /// A new stream does not pay for all that the one before it sent; it may send two seconds at once. Not
    /// so every stream of somebody who only ever begins.
    fn forgive(&mut self, now: Time) {
        let forgiven = now - FORGIVEN;
        if self.paid > forgiven && self.forgiven.is_none_or(|last| now.since(last) >= FORGIVEN) {
            self.paid = forgiven;
            self.forgiven = Some(now);
        }
    }

    /// What goes back to the station after a datagram with this header, if it is time for that.
    pub(super) fn timing(&mut self, header: Header, now: Time) -> Option<Timing> {
        let due = self.timed.is_none_or(|timed| now.since(timed) > TIMING);
        due.then(|| {
            self.timed = Some(now);
            Timing { sequence: header.sequence, timestamp_us: header.timestamp_us }
        })
    }

    /// Something of it came lately.
    pub(super) fn is_live(&self, now: Time) -> bool {
        self.heard.is_some_and(|heard| now.since(heard) < LIVE)
    }

    /// What was counted.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

/// Blocks of a second, in which the least delay is looked for.
const WINDOW: u64 = 50;
/// Who is later than this has not been away on the line: it stood still.
const STOOD: Duration = Duration::from_secs(3);

/// When blocks were captured, from when they came: the least delayed ones show the station's clock, and
/// it may be faster or slower than ours.
#[derive(Debug, Default)]
struct Timeline {
    /// When block 0 would have come without delay.
    base: Time,
    block: u64,
    /// The least delay since the window began.
    least: Duration,
    until: u64,
}

impl Timeline {
    fn restart(&mut self, now: Time) -> Time {
        *self = Self { base: now, block: 0, least: Duration::MAX, until: WINDOW };
        now
    }

    /// So many blocks on.
    fn step(&mut self, blocks: u64, now: Time) -> Time {
        self.block += blocks;
        let expected = self.base + Duration::from_micros(self.block * BLOCK_US);
        let delay = now.since(expected);
        if expected > now || delay > STOOD {
            // Earlier than ever, or there was nothing to capture for a while.
            self.base =
                if delay > STOOD { self.base + delay } else { self.base - expected.since(now) };
            (self.least, self.until) = (Duration::MAX, self.block + WINDOW);
            return now;
        }
        self.least = self.least.min(delay);
        if self.block >= self.until {
            // What all of them had in common was no delay of the line: clocks drift.
            self.base = self.base + self.least;
            (self.least, self.until) = (Duration::MAX, self.block + WINDOW);
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::urtp::Coding;
    use proptest::prelude::*;

    const A: Source = Source::Tcp(1);

    fn header(sequence: u16) -> Header {
        Header { coding: Coding::Unicam, sequence, timestamp_us: u64::from(sequence) }
    }

    fn ms(ms: u64) -> Time {
        Time::from_micros(1_000_000_000 + 1000 * ms)
    }

    fn missing(verdict: Verdict) -> Option<u16> {
        match verdict {
            Verdict::Play { missing, .. } => Some(missing),
            _ => None,
        }
    }

    #[test]
    fn the_next_one_is_played_a_gap_is_known_and_what_is_late_is_not_heard() {
        let mut intake = Intake::default();
        let mut take = |sequence, at| missing(intake.take(A, header(sequence), ms(at)));
        assert_eq!(take(65_534, 0), Some(0));
        assert_eq!(take(65_535, 20), Some(0));
        assert_eq!(take(1, 40), Some(1), "across the wrap");
        assert_eq!(take(0, 41), None, "late");
        assert_eq!(take(1, 42), None, "twice");
        assert_eq!(take(26, 60), Some(24));
        assert_eq!(take(52, 80), Some(0), "25 missing: a cut");
        assert_eq!(take(0, 100), Some(0), "a station that was started again");
        let counts = intake.counts();
        assert_eq!((counts.missing, counts.late, counts.cuts), (25, 2, 2));
        assert_eq!(counts.datagrams, 6);
    }

    #[test]
    fn a_connection_replaces_what_was_there_and_stays_replaced_itself() {
        let mut intake = Intake::default();
        assert_eq!(missing(intake.take(A, header(0), ms(0))), Some(0));
        assert_eq!(missing(intake.take(Source::Tcp(2), header(1), ms(1))), Some(0));
        assert_eq!(intake.take(A, header(2), ms(2)), Verdict::Strange);
        let stranger = Source::Udp("192.0.2.1:9".parse().unwrap());
        assert_eq!(intake.take(stranger, header(2), ms(3)), Verdict::Strange);
        assert_eq!(missing(intake.take(stranger, header(2), ms(1001))), Some(0), "after a second");
        assert_eq!(intake.counts().streams, 3);
    }

    #[test]
    fn a_flood_is_told_from_what_was_held_back() {
        let mut intake = Intake::default();
        let mut sequence = 0;
        let mut at_once = |intake: &mut Intake, number, now| {
            let heard = (0..number).filter(|_| {
                sequence += 1;
                missing(intake.take(A, header(sequence), now)).is_some()
            });
            heard.count()
        };
        assert_eq!(at_once(&mut intake, 500, ms(0)), 500, "ten seconds in one go");
        assert_eq!(at_once(&mut intake, 500, ms(1)), 100);
        assert_eq!(intake.counts().flood, 400);
        assert_eq!(at_once(&mut intake, 50, ms(1001)), 50);
        assert!(intake.admit(Source::Tcp(2), ms(1001)));
        intake.source = Some(A);
        assert_eq!(at_once(&mut intake, 500, ms(1001)), 120, "whoever comes next has two seconds");
        assert!(intake.admit(Source::Tcp(3), ms(1001)));
        intake.source = Some(A);
        assert_eq!(at_once(&mut intake, 500, ms(1001)), 0, "but not whoever comes at once after");
        // Faster than sound, for ever: 60 a second, of which 10 are filled for those that were refused.
        let heard: usize =
            (1..100).map(|second| at_once(&mut intake, 70, ms(1001 + 1000 * second))).sum();
        assert!((4900..5000).contains(&heard), "{heard}");
    }

    #[test]
    fn what_is_said_to_be_missing_costs_as_much_as_what_comes() {
        let mut intake = Intake::default();
        let jumps = (0..500_u16)
            .filter(|n| missing(intake.take(A, header(n.wrapping_mul(25)), ms(0))).is_some());
        assert_eq!(jumps.count(), 48);
        // One and 23 of 25 blocks each; for what is left, cuts, after which nothing is filled.
        let counts = intake.counts();
        assert_eq!((counts.missing, counts.cuts), (23 * 24, 24), "600 blocks in all");
    }

    #[test]
    fn timing_goes_back_at_once_and_then_every_second() {
        let mut intake = Intake::default();
        let due: Vec<u16> = (0..150)
            .filter_map(|n| intake.timing(header(n), ms(20 * u64::from(n))))
            .map(|timing| timing.sequence)
            .collect();
        assert_eq!(due, [0, 51, 102], "as an ioc-server does");
    }

    #[test]
    fn capture_times_are_smooth_on_a_rough_line_and_follow_a_clock_that_drifts() {
        // Up to 60 ms of delay; the station's clock loses 200 ppm, or gains them.
        for tick in [19_996, 20_004] {
            let mut intake = Intake::default();
            let mut last: Option<Time> = None;
            let mut noise = 7_u64;
            for n in 0..30_000_u64 {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let delay = (noise >> 33) % 60_000;
                let real = Time::from_micros(1_000_000_000 + n * tick);
                let came = real + Duration::from_micros(delay);
                let Verdict::Play { captured, .. } = intake.take(A, header(n as u16), came) else {
                    panic!("datagram {n} was not played");
                };
                if n > 500 {
                    let off = captured.micros() as i64 - real.micros() as i64;
                    assert!((-2000..22_000).contains(&off), "datagram {n} is {off} µs off");
                    let step = captured.since(last.unwrap()).as_micros();
                    assert!((10_000..35_000).contains(&step), "{step} µs between two");
                }
                last = Some(captured);
            }
        }
    }

    #[test]
    fn what_waited_for_the_line_is_old_and_what_was_never_captured_is_not() {
        let mut intake = Intake::default();
        let mut captured = |sequence, at| match intake.take(A, header(sequence), ms(at)) {
            Verdict::Play { captured, .. } => ms(at).since(captured).as_millis(),
            _ => panic!("not played"),
        };
        for n in 0..100 {
            captured(n, 20 * u64::from(n));
        }
        assert_eq!(captured(100, 3000), 1000, "a second old: the line was away");
        assert_eq!(captured(140, 3001), 201, "and what is near its newest is nearly live");
        assert_eq!(captured(141, 60_000), 0, "an unplugged microphone counts nothing");
        assert_eq!(captured(142, 60_020), 0);
    }

    proptest! {
        #[test]
        fn whatever_comes_at_whatever_time_nothing_breaks(
            steps in proptest::collection::vec((any::<u16>(), 0_u64..u64::MAX, 0_u64..3), 0..200),
        ) {
            let mut intake = Intake::default();
            for (sequence, at, source) in steps {
                let at = Time::from_micros(at);
                intake.take(Source::Tcp(source), header(sequence), at);
                intake.timing(header(sequence), at);
                intake.is_live(at);
            }
        }
    }
}
