//! Datagrams and timing datagrams out of a TCP stream, in whatever pieces it comes.
//!
//! ```text
//!  pieces ──> skip to 5A ──> a header? ──> its sound ──> a datagram
//!                 ▲              │ no
//!                 └── the next 5A behind it
//! ```
//! Never holds more than one datagram, and what can't be the beginning of one is passed over and
//! counted. Bytes are taken from the front of the caller's piece, until there is a datagram or no more:
//!
//! ```
//! # let mut cutter = twocan::wire::urtp::Cutter::default();
//! # let mut piece: &[u8] = b"";
//! while let Some((header, datagram)) = cutter.cut(&mut piece) {
//!     // ...
//! #   let _ = (header, datagram.len());
//! }
//! ```

use super::{DATAGRAM_LIMIT, HEADER_LEN, Header, SYNC, TIMING_LEN, Timing};

/// The server's side. See the module.
#[derive(Debug, Clone)]
pub struct Cutter {
    hold: Hold<DATAGRAM_LIMIT>,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { hold: Hold::new() }
    }
}

impl Cutter {
    /// The next whole datagram, with its header; `None` once all of `bytes` are taken.
    pub fn cut(&mut self, bytes: &mut &[u8]) -> Option<(Header, &[u8])> {
        loop {
            let head: [u8; HEADER_LEN] = *self.hold.fill(HEADER_LEN, bytes)?.first_chunk()?;
            let Ok(header) = Header::decode(&head) else {
                self.hold.hunt();
                continue;
            };
            let length = HEADER_LEN + header.coding.body_len();
            self.hold.fill(length, bytes)?;
            return Some((header, self.hold.take(length)));
        }
    }

    /// Bytes passed over so far.
    pub const fn skipped(&self) -> u64 {
        self.hold.skipped
    }
}

/// The station's side. See the module.
#[derive(Debug, Clone)]
pub struct TimingCutter {
    hold: Hold<TIMING_LEN>,
}

impl Default for TimingCutter {
    fn default() -> Self {
        Self { hold: Hold::new() }
    }
}

impl TimingCutter {
    /// The next timing datagram; `None` once all of `bytes` are taken.
    pub fn cut(&mut self, bytes: &mut &[u8]) -> Option<Timing> {
        let timing = Timing::decode(self.hold.fill(TIMING_LEN, bytes)?.first_chunk()?).ok();
        self.hold.take(TIMING_LEN);
        timing
    }

    /// Bytes passed over so far.
    pub const fn skipped(&self) -> u64 {
        self.hold.skipped
    }
}

/// What has come of a message that begins with [`SYNC`].
#[derive(Debug, Clone)]
struct Hold<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: usize,
    skipped: u64,
}

impl<const ROOM: usize> Hold<ROOM> {
    const fn new() -> Self {
        Self { bytes: [0; ROOM], length: 0, skipped: 0 }
    }

    /// Take from the front of `more` until there are so many bytes, at most `ROOM`.
    fn fill(&mut self, length: usize, more: &mut &[u8]) -> Option<&[u8]> {
        if self.length == 0 {
            let junk = more.iter().position(|byte| *byte == SYNC).unwrap_or(more.len());
            self.skipped += junk as u64;
            *more = &more[junk..];
        }
        let (new, rest) = more.split_at(more.len().min(length.saturating_sub(self.length)));
        self.bytes[self.length..][..new.len()].copy_from_slice(new);
        self.length += new.len();
        *more = rest;
        (self.length >= length).then(|| &self.bytes[..self.length])
    }

    /// What is held is no message: on to the next [`SYNC`] in it.
    fn hunt(&mut self) {
        let held = &self.bytes[1..self.length];
        let next = held.iter().position(|byte| *byte == SYNC).unwrap_or(held.len()) + 1;
        self.bytes.copy_within(next..self.length, 0);
        self.length -= next;
        self.skipped += next as u64;
    }

    /// A whole message; the next one begins.
    fn take(&mut self, length: usize) -> &[u8] {
        self.length = 0;
        &self.bytes[..length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::urtp::Coding;

    fn datagram(sequence: u16) -> Vec<u8> {
        let coding = if sequence.is_multiple_of(2) { Coding::Unicam } else { Coding::Pcm };
        let header = Header { coding, sequence, timestamp_us: u64::from(sequence) * 20_000 };
        let mut bytes = header.encode().to_vec();
        // Sound that is full of what a datagram begins with.
        bytes.resize(HEADER_LEN + coding.body_len(), SYNC);
        bytes
    }

    /// What is cut out of a stream that comes in pieces of this size, and what was skipped.
    fn cut(stream: &[u8], size: usize) -> (Vec<u16>, u64) {
        let (mut cutter, mut found) = (Cutter::default(), Vec::new());
        for mut piece in stream.chunks(size) {
            while let Some((header, bytes)) = cutter.cut(&mut piece) {
                assert_eq!(bytes, datagram(header.sequence));
                found.push(header.sequence);
            }
            assert!(piece.is_empty());
        }
        (found, cutter.skipped())
    }

    #[test]
    fn datagrams_come_out_whole_in_whatever_pieces_they_come() {
        let stream: Vec<u8> = (0..6).flat_map(datagram).collect();
        for size in [1, 7, 13, 14, 15, 343, 344, 345, 654, 1000, 10_000] {
            assert_eq!(cut(&stream, size), ((0..6).collect(), 0));
        }
    }

    #[test]
    fn what_is_no_datagram_is_skipped_counted_and_costs_none_of_those_behind_it() {
        // A foreign coding, a length that kills the first server, half a header, a lone sync byte.
        let mut bad = datagram(2);
        bad[1] = 2;
        let mut short = datagram(4);
        short[13] = 5;
        for junk in [b"GET / HTTP/1.0\r\n\r\n", &bad[..20], &short[..19], &bad[..13], &[SYNC; 3]] {
            let stream = [&datagram(0), junk, &datagram(1), junk, junk, &datagram(2)].concat();
            for size in [1, 7, 14, 400, 10_000] {
                assert_eq!(cut(&stream, size), (vec![0, 1, 2], 3 * junk.len() as u64));
            }
        }
    }

    #[test]
    fn a_datagram_that_was_cut_short_takes_the_next_with_it_and_the_stream_goes_on() {
        let stream = [&datagram(0)[..100], &datagram(2), &datagram(4), &datagram(6)].concat();
        let mut cutter = Cutter::default();
        let (mut rest, mut last) = (&stream[..], 0);
        while let Some((header, _)) = cutter.cut(&mut rest) {
            last = header.sequence;
        }
        assert_eq!(last, 6);
    }

    #[test]
    fn recorded_timing_datagrams_come_out_in_whatever_pieces_they_come() {
        let stream = include_bytes!("../../../tests/data/urtp/e2e_downlink_timing.bin");
        for size in [1, 4, 10, 11, 12, 99] {
            let (mut cutter, mut found) = (TimingCutter::default(), Vec::new());
            for mut piece in [b"junk", &stream[..]].concat().chunks(size) {
                found.extend(std::iter::from_fn(|| cutter.cut(&mut piece)));
                assert!(piece.is_empty());
            }
            let sequences: Vec<u16> = found.iter().map(|timing| timing.sequence).collect();
            assert_eq!(sequences, [0, 0x33, 0x66, 0x98, 0xcc, 0xff, 0x132, 0x165, 0x198]);
            assert_eq!(found[0].timestamp_us, 0x0006_60c0_289d_e649);
            assert_eq!(cutter.skipped(), 4);
        }
    }
}
