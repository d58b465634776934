//! What was given to a connection and is not known to have arrived. Pure.
//!
//! ```text
//!  ring ──> [ acknowledged | on the way ] ──> server
//!                              │ the connection dies
//!  ring <── give back ─────────┘   whole datagrams, for the next connection
//! ```
//! A connection that dies without a word has swallowed seconds of sound by the time that is noticed. The
//! kernel knows how far the other machine acknowledged it, and the server says now and then how far it has
//! read. What is not known to have come that far goes out again, each whole
//! and on a new connection, if it is still young; on the old one nothing is ever repeated.

use std::collections::VecDeque;

use super::ring::Datagram;
use crate::clock::Time;

/// Datagrams remembered: more than the kernel holds for us, and 10 s of them.
const REMEMBERED: usize = 500;

struct Sent {
    /// Bytes of the connection before its end, itself included.
    end: u64,
    at: Time,
    datagram: Datagram,
}

/// What one connection carries.
#[derive(Default)]
pub struct Flight {
    bytes: u64,
    sent: VecDeque<Sent>,
}

impl Flight {
    /// The connection has taken all of `datagram` at `now`.
    pub fn put(&mut self, datagram: Datagram, now: Time) {
        self.bytes += datagram.bytes().len() as u64;
        if self.sent.len() >= REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { end: self.bytes, at: now, datagram });
    }

    /// The first `bytes` of the connection have been acknowledged; true: that is news.
    pub fn acknowledged(&mut self, bytes: u64) -> bool {
        let before = self.sent.len();
        while self.sent.front().is_some_and(|sent| sent.end <= bytes) {
            self.sent.pop_front();
        }
        self.sent.len() < before
    }

    /// The server has read all up to this sequence.
    pub fn answered(&mut self, sequence: u16) {
        let arrived = |sent: &Sent| sequence.wrapping_sub(sent.datagram.sequence) < 1 << 15;
        while self.sent.front().is_some_and(arrived) {
            self.sent.pop_front();
        }
    }

    /// The other machine was heard at `heard`: what was sent before has arrived. True: that is news.
    pub fn heard(&mut self, heard: Time) -> bool {
        let before = self.sent.len();
        while self.sent.front().is_some_and(|sent| sent.at < heard) {
            self.sent.pop_front();
        }
        self.sent.len() < before
    }

    /// The connection is over: what did not arrive, the oldest first.
    pub fn lost(self) -> impl DoubleEndedIterator<Item = Datagram> {
        self.sent.into_iter().map(|sent| sent.datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight() -> Flight {
        let mut flight = Flight::default();
        for sequence in 0..5 {
            let at = Time::from_micros(u64::from(sequence) * 20_000);
            flight.put(Datagram::new(&[0; 344], sequence, at), at);
        }
        flight
    }

    fn left(flight: Flight) -> Vec<u16> {
        flight.lost().map(|datagram| datagram.sequence).collect()
    }

    #[test]
    fn what_was_acknowledged_whole_is_not_sent_again() {
        let mut taken = flight();
        assert!(!taken.acknowledged(343));
        assert!(taken.acknowledged(344 * 2 + 100));
        assert!(!taken.acknowledged(344 * 2 + 100));
        assert_eq!(left(taken), [2, 3, 4], "half a datagram is none");
        assert_eq!(left(flight()), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_went_before_the_other_end_was_heard_has_arrived() {
        let mut taken = flight();
        assert!(taken.heard(Time::from_micros(50_000)));
        assert!(!taken.heard(Time::from_micros(50_000)));
        assert_eq!(left(taken), [3, 4]);
    }

    #[test]
    fn what_the_server_has_read_has_arrived_over_a_wrap_too() {
        let mut taken = Flight::default();
        for sequence in [65_533, 65_534, 65_535, 0, 1, 2] {
            taken.put(Datagram::new(&[1], sequence, Time::default()), Time::default());
        }
        taken.answered(65_000);
        taken.answered(0);
        assert_eq!(left(taken), [1, 2]);
    }

    #[test]
    fn it_does_not_grow() {
        let mut long = Flight::default();
        for sequence in 0..10_000 {
            long.put(Datagram::new(&[1], sequence, Time::default()), Time::default());
        }
        assert_eq!(left(long).len(), REMEMBERED);
    }
}
