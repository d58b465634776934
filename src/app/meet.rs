//! Where we can be met is told to those who know us, and what they tell is kept: so a pair moves to
//! another relay without meeting.
//!
//! ```text
//!  a peer is up ── it was not told yet, or something else ──> Meet: our points, best first
//!  Meet from a peer ── at most one in 10 s ──> its contact's `meeting`, and nobody else's
//! ```

use std::collections::HashMap;
use std::time::Duration;

use super::run::Loop;
use crate::clock::{self, Time};
use crate::contacts;
use crate::identity::PeerKey;
use crate::meeting::MeetingPoint;
use crate::tunnel;
use crate::wire::control::Request;
use crate::wire::signal::Signal;

/// A peer that moves more often than this is not believed: every move is written to the disk.
const AT_MOST: Duration = Duration::from_secs(10);

/// What was said, to whom and by whom.
pub(super) struct Moves {
    ours: Vec<MeetingPoint>,
    told: HashMap<PeerKey, Vec<MeetingPoint>>,
    heard: HashMap<PeerKey, Time>,
}

impl Moves {
    /// We can be met at these, best first.
    pub(super) fn new(ours: Vec<MeetingPoint>) -> Self {
        Self { ours, told: HashMap::new(), heard: HashMap::new() }
    }

    /// What that peer, who is up, is to be told.
    fn untold(&mut self, peer: PeerKey) -> Option<Vec<MeetingPoint>> {
        let news = !self.ours.is_empty() && self.told.get(&peer) != Some(&self.ours);
        news.then(|| {
            self.told.insert(peer, self.ours.clone());
            self.ours.clone()
        })
    }

    /// Whether what that peer says now counts.
    fn may_move(&mut self, peer: PeerKey, now: Time) -> bool {
        let may = self.heard.get(&peer).is_none_or(|last| now.since(*last) >= AT_MOST);
        if may {
            self.heard.insert(peer, now);
        }
        may
    }
}

impl Loop {
    /// We can be met at these from now on, best first: those who are up hear it at once, so call this
    /// before the old relay is left.
    pub(super) fn move_to(&mut self, points: Vec<MeetingPoint>) {
        self.moves.ours = points;
        for peer in self.paths.keys().copied().collect::<Vec<_>>() {
            self.tell_meeting(peer);
        }
    }

    /// That peer is up.
    pub(super) fn tell_meeting(&mut self, peer: PeerKey) {
        if let Some(points) = self.moves.untold(peer) {
            let signal = Signal::Meet { points };
            self.tunnel.send(tunnel::Command::Send { peer, signal });
        }
    }

    /// That peer says where it can be met.
    pub(super) fn meets_at(&mut self, peer: PeerKey, points: &[MeetingPoint]) {
        let now = clock::now();
        if !self.moves.may_move(peer, now) {
            tracing::debug!("{peer:?} says too often where it can be met");
            return;
        }
        match contacts::meet(&self.state_folder, peer, points) {
            Ok(true) => drop(self.asked(Request::Reload, now)),
            Ok(false) => {}
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_is_told_once_and_again_after_a_move() {
        let point = |host: &str| MeetingPoint {
            host: host.parse().unwrap(),
            port: 22,
            host_key: PeerKey([9; 32]).to_openssh("").parse().unwrap(),
            user: None,
            place: None,
        };
        let (anna, bert) = (PeerKey([1; 32]), PeerKey([2; 32]));
        let mut moves = Moves::new(vec![point("old.example")]);
        assert_eq!(moves.untold(anna), Some(vec![point("old.example")]));
        assert_eq!(moves.untold(anna), None);
        assert!(moves.untold(bert).is_some());
        moves.ours = vec![point("new.example"), point("old.example")];
        assert_eq!(moves.untold(anna).map(|points| points.len()), Some(2));
        assert_eq!(Moves::new(Vec::new()).untold(anna), None);
    }

    #[test]
    fn who_moves_without_end_is_not_written_down_each_time() {
        let (anna, now) = (PeerKey([1; 32]), Time::from_micros(1));
        let mut moves = Moves::new(Vec::new());
        assert!(moves.may_move(anna, now) && !moves.may_move(anna, now));
        assert!(moves.may_move(PeerKey([2; 32]), now));
        assert!(moves.may_move(anna, now + AT_MOST));
    }
}
