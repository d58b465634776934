//! When packets arrive on lines as they are: generated, the same for the same seed.
//!
//! ```text
//! a packet each frame ─> the line's delay for it ─> never before its predecessor (it is one TCP stream)
//! ```
//! Every number says where it comes from. Loss is lateness here, as it is in a call: TCP sends again
//! what got lost, and all that follows waits for it.

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// A switch and two cables.
    Lan,
    /// Wi-Fi whose radio sleeps now and then.
    WifiSaving,
    /// A cell of a mobile network, with hand-overs.
    Cellular,
    /// TCP over a path that loses one segment in a hundred.
    LossyTcp,
    /// Everything stands still for 200 ms every few seconds.
    Stalls,
    /// Twice in a minute more is sent than fits: the queue grows to 300 ms, stands, and runs off.
    Overload,
    /// The cell again, and the sender sends next to nothing while nobody speaks.
    Pauses,
}

impl Line {
    /// All of them.
    pub const ALL: [Line; 7] = [
        Line::Lan,
        Line::WifiSaving,
        Line::Cellular,
        Line::LossyTcp,
        Line::Stalls,
        Line::Overload,
        Line::Pauses,
    ];

    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Line::Lan => "clean LAN",
            Line::WifiSaving => "Wi-Fi with power save",
            Line::Cellular => "cellular",
            Line::LossyTcp => "1 % loss over TCP",
            Line::Stalls => "stalls of 200 ms",
            Line::Overload => "overload and recovery",
            Line::Pauses => "cellular with pauses",
        }
    }

    /// The least time a packet takes, in µs.
    fn way(self) -> u64 {
        match self {
            Line::Lan => 300,
            Line::WifiSaving => 3_000,
            // Half of 40 ms each: a round trip over a continent's backbone.
            Line::LossyTcp | Line::Stalls | Line::Overload => 20_000,
            // User plane of a loaded LTE cell, one way (3GPP TR 36.912, 16.2: 5 ms unloaded).
            Line::Cellular | Line::Pauses => 25_000,
        }
    }
}

/// One packet on a line; times in µs since the call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number among those sent.
    pub sequence: u32,
    /// When its first sample was captured.
    pub captured: u64,
    /// When it came.
    pub arrived: u64,
}

/// The packets of `seconds` of a call with `frame` µs in each.
pub fn trace(line: Line, seconds: u64, frame: u64, seed: u64) -> Vec<Arrival> {
    let mut road = Road::new(line, seed);
    let mut packets = Vec::new();
    let mut earliest = 0;
    for captured in (0..seconds * 1_000_000).step_by(frame as usize) {
        if !road.is_sent(captured) {
            continue;
        }
        let sent = captured + frame;
        let arrived = (sent + line.way() + road.delay(sent)).max(earliest);
        earliest = arrived;
        packets.push(Arrival { sequence: packets.len() as u32, captured, arrived });
    }
    packets
}

/// The beacon interval of nearly every access point: 100 units of 1024 µs (IEEE 802.11-2016, 9.4.1.3).
const BEACON: u64 = 102_400;
/// A chance to ask for an uplink grant comes this often (3GPP TS 36.213, table 10.1.5-1: 5 to 80 ms;
/// 10 is usual).
const GRANT: u64 = 10_000;
/// A transmission that was not understood is repeated after this (3GPP TS 36.321, 7.7: the HARQ round
/// trip is 8 subframes of 1 ms), one in ten of them (TS 36.213, 7.2.3: the target is 10 %).
const HARQ: u64 = 8_000;
const HARQ_SHARE: f64 = 0.1;
/// A hand-over cuts the line for about 50 ms (3GPP TR 36.881, 8.2: 49.5 ms) …
const HANDOVER: u64 = 50_000;
/// … and up to so much longer while the new cell's queue takes over what the old one had.
const FORWARDED: u64 = 60_000;
/// Round trip of the lossy path, µs.
const RTT: u64 = 40_000;
/// Linux waits at least this long before it sends again without being told (TCP_RTO_MIN; RFC 6298
/// asks for a second, RFC 8985's tail loss probe usually comes first).
const RTO: u64 = 200_000;

struct Road {
    line: Line,
    chance: Chance,
    /// The line stands still until this moment.
    closed_until: u64,
    /// When that happens next; for Wi-Fi, when it falls asleep or wakes up.
    next: u64,
    sleeps: bool,
    talks_until: u64,
    silent_until: u64,
    kept_alive: u64,
}

impl Road {
    fn new(line: Line, seed: u64) -> Self {
        Self {
            line,
            chance: Chance(seed.wrapping_mul(2).wrapping_add(1)),
            closed_until: 0,
            next: 2_000_000,
            sleeps: false,
            talks_until: 2_000_000,
            silent_until: 0,
            kept_alive: 0,
        }
    }

    /// With pauses: spurts and silences of about 1.2 and 1.8 s (ITU-T P.59, table 1: 1.0 and 1.6 s),
    /// in silence one packet in 400 ms (libopus' MAX_CONSECUTIVE_DTX).
    fn is_sent(&mut self, at: u64) -> bool {
        if self.line != Line::Pauses || at < self.talks_until {
            return true;
        }
        if self.silent_until < self.talks_until {
            self.silent_until = self.talks_until + 300_000 + self.chance.exponential(1_300_000);
            self.kept_alive = self.talks_until;
        }
        if at >= self.silent_until {
            self.talks_until = at + 300_000 + self.chance.exponential(900_000);
            return true;
        }
        let is_due = at >= self.kept_alive + 400_000;
        if is_due {
            self.kept_alive = at;
        }
        is_due
    }

    /// What a packet sent at `at` waits beyond the least.
    fn delay(&mut self, at: u64) -> u64 {
        match self.line {
            Line::Lan => self.chance.exponential(200),
            Line::WifiSaving => self.wifi(at),
            Line::Cellular | Line::Pauses => self.cell(at),
            Line::LossyTcp => self.lossy(at),
            Line::Stalls => {
                if at >= self.next {
                    self.closed_until = at + 200_000;
                    self.next = at + 2_000_000 + self.chance.below(4_000_000);
                }
                self.closed_until.saturating_sub(at) + self.chance.exponential(1_000)
            }
            Line::Overload => {
                let second = at as f64 / 1e6 % 30.0;
                let queue = match second {
                    10.0..13.0 => (second - 10.0) / 3.0,
                    13.0..18.0 => 1.0,
                    18.0..18.5 => 1.0 - (second - 18.0) * 2.0,
                    _ => 0.0,
                };
                (queue * 300_000.0) as u64 + self.chance.exponential(2_000)
            }
        }
    }

    /// Awake for 4 to 10 s: contention only. Asleep for 1 to 4 s: what came waits for the beacon.
    fn wifi(&mut self, at: u64) -> u64 {
        if at >= self.next {
            self.sleeps = !self.sleeps;
            let (least, more) = if self.sleeps { (1, 3) } else { (4, 6) };
            self.next = at + least * 1_000_000 + self.chance.below(more * 1_000_000);
        }
        let contention = self.chance.exponential(2_000);
        if self.sleeps { BEACON - at % BEACON + contention } else { contention }
    }

    fn cell(&mut self, at: u64) -> u64 {
        if at >= self.next {
            self.closed_until = at + HANDOVER + self.chance.below(FORWARDED);
            self.next = at + 8_000_000 + self.chance.below(12_000_000);
        }
        let mut delay = self.closed_until.saturating_sub(at) + self.chance.below(GRANT);
        // Three repetitions, then the layer above begins anew.
        for _ in 0..3 {
            if !self.chance.is(HARQ_SHARE) {
                break;
            }
            delay += HARQ;
        }
        // Others in the cell come and go: a queue of 0 to 20 ms with a period of some seconds.
        let swell = (at as f64 / 3.1e6).sin() + 1.0;
        delay + (swell * 10_000.0) as u64
    }

    /// A lost segment is noticed when three later ones were acknowledged (RFC 5681), and comes a round
    /// trip after that; one in ten times the repetition is lost as well, and the timer has to do it.
    fn lossy(&mut self, at: u64) -> u64 {
        if at >= self.closed_until && self.chance.is(0.01) {
            let again = if self.chance.is(0.1) { RTO } else { RTT + 3 * 20_000 };
            self.closed_until = at + again;
        }
        self.closed_until.saturating_sub(at) + self.chance.exponential(1_000)
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn is(&mut self, share: f64) -> bool {
        self.share() < share
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn exponential(&mut self, mean: u64) -> u64 {
        (-(1.0 - self.share()).ln() * mean as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_line_and_nobody_overtakes() {
        for line in Line::ALL {
            let one = trace(line, 60, 20_000, 5);
            assert_eq!(one, trace(line, 60, 20_000, 5));
            assert!(one.windows(2).all(|pair| pair[0].arrived <= pair[1].arrived));
            assert!(one.iter().all(|packet| packet.arrived >= packet.captured + 20_000));
        }
    }

    #[test]
    fn a_lossy_line_stalls_about_once_in_a_hundred_packets() {
        let late = |packet: &&Arrival| packet.arrived - packet.captured > 40_000 + 30_000;
        let stalled = trace(Line::LossyTcp, 600, 20_000, 1).iter().filter(late).count();
        assert!((600..2400).contains(&stalled), "{stalled} of 30000 late");
    }
}
