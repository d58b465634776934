//! Where one peer's packets end and the next one's begin, in a stream that is numbered through.
//!
//! The line notes the number of each peer's first packet; the recorder, which meets that packet
//! seconds later behind the jitter buffer, asks with the numbers it sees. That first packet itself
//! may be lost on the way: any later one tells as well.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// More peers than packets can be on the way to a recorder: what is older nobody will ask for.
const KEPT: usize = 4096;

/// The beginnings that nobody has asked for yet.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<VecDeque<u32>>);

impl Sessions {
    /// A peer's first packet is the one numbered `sequence`. Note it before the packet goes on.
    pub fn begins_at(&self, sequence: u32) {
        let mut beginnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if beginnings.len() == KEPT {
            beginnings.pop_front();
        }
        beginnings.push_back(sequence);
    }

    /// Whether a session has begun with the packet `sequence` or since the last time this was asked.
    pub fn has_begun_by(&self, sequence: u32) -> bool {
        let mut beginnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_begun = false;
        // Numbers wrap: what is ahead by less than half of them is still to come.
        while beginnings.front().is_some_and(|first| sequence.wrapping_sub(*first) < 1 << 31) {
            beginnings.pop_front();
            has_begun = true;
        }
        has_begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_beginning_is_told_once_even_when_its_packet_was_lost() {
        let sessions = Sessions::default();
        for first in [0, 5, 6, 20] {
            sessions.begins_at(first);
        }
        let told: Vec<u32> = (0..30).filter(|n| *n != 5 && sessions.has_begun_by(*n)).collect();
        assert_eq!(told, [0, 6, 20]);
    }

    #[test]
    fn numbers_may_wrap_between_two_sessions() {
        let sessions = Sessions::default();
        sessions.begins_at(u32::MAX - 1);
        sessions.begins_at(3);
        assert!(sessions.has_begun_by(u32::MAX));
        assert!(!sessions.has_begun_by(2));
        assert!(sessions.has_begun_by(3));
    }

    #[test]
    fn peers_that_nobody_records_take_no_memory_for_ever() {
        let sessions = Sessions::default();
        for first in 0..100_000 {
            sessions.begins_at(first);
        }
        assert_eq!(sessions.0.lock().unwrap().len(), KEPT);
    }
}
