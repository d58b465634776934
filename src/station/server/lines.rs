//! The TCP connections to one station's place: those that have shown nothing yet, and the one that is the
//! station's.
//!
//! ```text
//!  enter ──> candidate ── admit, with its first datagram ──> the line ── another one's ──> ended
//!               └─ one too many: the oldest of the address that has most of them ──> ended
//! ```
//! So who only connects, however often, keeps nobody out who comes from elsewhere, and who connects and
//! shows a datagram, however often, holds two connections. `E` is what ends one. Pure.

use std::cmp::Reverse;
use std::net::IpAddr;

use crate::caps::STATION_CANDIDATES;

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Lines<E> {
    /// The oldest first.
    candidates: Vec<Candidate<E>>,
    line: Option<(u64, E)>,
}

#[derive(Debug)]
struct Candidate<E> {
    number: u64,
    from: IpAddr,
    end: E,
}

impl<E> Default for Lines<E> {
    fn default() -> Self {
        Self { candidates: Vec::new(), line: None }
    }
}

impl<E> Lines<E> {
    /// The connection of this number came; who has to go for it.
    pub(super) fn enter(&mut self, number: u64, from: IpAddr, end: E) -> Option<E> {
        let crowded = self.candidates.len() >= STATION_CANDIDATES;
        let goes = if crowded { self.most_of_one() } else { None };
        let goes = goes.map(|place| self.candidates.remove(place).end);
        self.candidates.push(Candidate { number, from: from.to_canonical(), end });
        goes
    }

    fn most_of_one(&self) -> Option<usize> {
        let of = |from: IpAddr| self.candidates.iter().filter(|other| other.from == from).count();
        let places = self.candidates.iter().enumerate();
        places.max_by_key(|(place, one)| (of(one.from), Reverse(*place))).map(|(place, _)| place)
    }

    /// The candidate of this number is the station's line from now on; the one that was.
    pub(super) fn admit(&mut self, number: u64) -> Option<E> {
        let place = self.candidates.iter().position(|one| one.number == number)?;
        let end = self.candidates.remove(place).end;
        self.line.replace((number, end)).map(|(_, end)| end)
    }

    /// The connection of this number has ended.
    pub(super) fn leave(&mut self, number: u64) {
        self.candidates.retain(|one| one.number != number);
        self.line.take_if(|(line, _)| *line == number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = STATION_CANDIDATES as u64;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_oldest_of_a_crowd_goes_and_never_the_one_who_came_from_elsewhere() {
        let mut lines = Lines::default();
        assert_eq!(lines.enter(0, ip(7), 0), None);
        assert!((1..FULL).all(|number| lines.enter(number, ip(1), number).is_none()));
        for number in FULL..1000 {
            assert_eq!(lines.enter(number, ip(1), number), Some(number + 1 - FULL));
        }
        assert_eq!(lines.admit(0), None);
        assert_eq!(lines.enter(1000, ip(1), 1000), None, "there is a place again");
    }

    #[test]
    fn of_many_addresses_the_oldest_goes() {
        let mut lines = Lines::default();
        for number in 0..FULL {
            lines.enter(number, ip(number as u8), number);
        }
        assert_eq!(lines.enter(99, ip(99), 99), Some(0));
        lines.leave(1);
        assert_eq!(lines.enter(100, ip(100), 100), None);
    }

    #[test]
    fn a_line_ends_when_another_is_admitted_and_no_other() {
        let mut lines = Lines::default();
        for number in 0..3 {
            lines.enter(number, ip(1), number);
        }
        assert_eq!(lines.admit(0), None);
        assert_eq!(lines.admit(2), Some(0));
        assert_eq!(lines.admit(2), None, "it is the line already");
        lines.leave(2);
        assert_eq!(lines.admit(1), None, "the one before it went by itself");
    }
}
