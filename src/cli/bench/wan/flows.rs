//! A router on the way that forgets its connections, as home and cellular ones do. Pure.
//!
//! After [`Flows::forget`] every packet of a TCP connection that was there before is answered with a
//! reset, in the other end's name, and goes no further. A new connection passes.

use std::collections::HashSet;

/// A TCP connection: its two ends (address and port), the smaller one first.
type Flow = [[u8; 6]; 2];

const HEADER: usize = 20;
const TCP: u8 = 6;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;

/// The connections that were seen.
#[derive(Debug, Default)]
pub(super) struct Flows {
    known: HashSet<Flow>,
    forgotten: HashSet<Flow>,
}

/// A TCP packet over IPv4 without options in its IP header, as all of Linux's are.
struct Segment<'a>(&'a [u8]);

impl<'a> Segment<'a> {
    fn of(packet: &'a [u8]) -> Option<Self> {
        let fits = packet.len() >= 2 * HEADER && packet[0] == 0x45 && packet[9] == TCP;
        fits.then_some(Self(packet))
    }

    /// Address and port of the sender.
    fn from(&self) -> [u8; 6] {
        let Self(p) = self;
        [p[12], p[13], p[14], p[15], p[20], p[21]]
    }

    /// Address and port of the receiver.
    fn to(&self) -> [u8; 6] {
        let Self(p) = self;
        [p[16], p[17], p[18], p[19], p[22], p[23]]
    }

    fn flow(&self) -> Flow {
        let mut ends = [self.from(), self.to()];
        ends.sort_unstable();
        ends
    }

    fn has(&self, flag: u8) -> bool {
        self.0[33] & flag != 0
    }

    /// What resets the sender: with the very number it expects next (RFC 5961, 3.2).
    fn reset(&self) -> Vec<u8> {
        let (from, to) = (self.to(), self.from());
        let mut packet = vec![0; 2 * HEADER];
        packet[0] = 0x45;
        packet[3] = 2 * HEADER as u8;
        packet[8] = 64;
        packet[9] = TCP;
        packet[12..16].copy_from_slice(&from[..4]);
        packet[16..20].copy_from_slice(&to[..4]);
        let sum = checksum(&packet[..HEADER], 0);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet[20..22].copy_from_slice(&from[4..]);
        packet[22..24].copy_from_slice(&to[4..]);
        packet[24..28].copy_from_slice(&self.0[28..32]);
        packet[32] = 5 << 4;
        packet[33] = RST;
        // The pseudo header: both addresses, the protocol, the length.
        let mut pseudo = packet[12..20].to_vec();
        pseudo.extend([0, TCP, 0, HEADER as u8]);
        let sum = checksum(&packet[HEADER..], folded(&pseudo, 0));
        packet[36..38].copy_from_slice(&sum.to_be_bytes());
        packet
    }
}

/// The sum of RFC 1071 of an even number of bytes.
fn folded(bytes: &[u8], start: u32) -> u32 {
    let words = bytes.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    words.fold(start, |sum, word| sum + word)
}

fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = folded(bytes, start);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

impl Flows {
    /// All connections so far are dead from now on.
    pub(super) fn forget(&mut self) {
        self.forgotten.extend(self.known.drain());
    }

    /// A packet goes by: what its sender gets instead, if its connection was forgotten. An empty
    /// answer is none: the packet is gone.
    pub(super) fn look(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let segment = Segment::of(packet)?;
        let flow = segment.flow();
        if segment.has(SYN) {
            self.forgotten.remove(&flow);
        }
        if !self.forgotten.contains(&flow) {
            self.known.insert(flow);
            return None;
        }
        Some(if segment.has(RST) { Vec::new() } else { segment.reset() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: u8 = 0x10;

    fn tcp(from: [u8; 6], to: [u8; 6], flags: u8) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x45;
        packet[9] = TCP;
        packet[12..16].copy_from_slice(&from[..4]);
        packet[16..20].copy_from_slice(&to[..4]);
        packet[20..22].copy_from_slice(&from[4..]);
        packet[22..24].copy_from_slice(&to[4..]);
        packet[28..32].copy_from_slice(&[1, 2, 3, 4]);
        packet[33] = flags;
        packet
    }

    const HOME: [u8; 6] = [10, 9, 1, 1, 0x80, 0x01];
    const RELAY: [u8; 6] = [10, 9, 1, 2, 0, 22];

    #[test]
    fn a_connection_passes_until_it_is_forgotten_and_is_reset_both_ways_then() {
        let mut flows = Flows::default();
        assert_eq!(flows.look(&tcp(HOME, RELAY, SYN)), None);
        assert_eq!(flows.look(&tcp(RELAY, HOME, ACK)), None);
        flows.forget();
        for (from, to) in [(HOME, RELAY), (RELAY, HOME)] {
            let answer = flows.look(&tcp(from, to, ACK)).unwrap();
            let answer = Segment::of(&answer).unwrap();
            assert_eq!((answer.from(), answer.to()), (to, from));
            assert!(answer.has(RST) && !answer.has(ACK));
            assert_eq!(answer.0[24..28], [1, 2, 3, 4], "the number that the sender expects");
        }
        // Its own resets end here: two routers would answer each other for ever.
        assert_eq!(flows.look(&tcp(HOME, RELAY, RST)), Some(Vec::new()));
        assert_eq!(flows.look(&tcp(HOME, RELAY, SYN)), None, "a new one may have the same ports");
        assert_eq!(flows.look(&tcp(HOME, RELAY, ACK)), None);
    }

    #[test]
    fn the_sums_of_a_reset_are_right() {
        let mut flows = Flows::default();
        flows.look(&tcp(HOME, RELAY, SYN));
        flows.forget();
        let answer = flows.look(&tcp(HOME, RELAY, ACK)).unwrap();
        // Over the sum itself, the sum is nothing.
        assert_eq!(checksum(&answer[..20], 0), 0);
        let mut pseudo = answer[12..20].to_vec();
        pseudo.extend([0, TCP, 0, 20]);
        assert_eq!(checksum(&answer[20..], folded(&pseudo, 0)), 0);
    }

    #[test]
    fn what_is_no_tcp_passes() {
        let mut flows = Flows::default();
        flows.forget();
        for packet in [vec![], vec![0x60; 60], vec![0x45; 19], tcp(HOME, RELAY, ACK)] {
            assert_eq!(flows.look(&packet), None);
        }
    }
}
