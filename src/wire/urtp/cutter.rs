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
struct Hold<const LIMIT: usize> {
    bytes: [u8; LIMIT],
    length: usize,
    skipped: u64,
}

impl<const LIMIT: usize> Hold<LIMIT> {
    const fn new() -> Self {
        Self { bytes: [0; LIMIT], length: 0, skipped: 0 }
    }

    /// Take from the front of `more` until there are so many bytes, at most `LIMIT`.
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
