//! A look-in: a call that is announced, counted down, and then answered by the kiosk itself. Pure.
//!
//! ```text
//!            they ring, and may look in         10 s, link there          the log has it
//!  Nothing ─────────────────────────> Counting ─────────────────> Asking ───────────────> Open
//!     ▲ ▲                              │ │ │                        │ the log is full       │
//!     │ │ may not (any more)           │ │ └ permission gone ─┐     ▼                       │
//!     │ └──────────── Plain <──────────┘─┘────────────────────┴── Plain: it rings on        │
//!     └── answered by touch, refused, given up: a line in the log; closed: a line too ──────┘
//! ```
//! The count is for who sits in front of the screen, so it is counted from the ring and nothing that
//! the caller says shortens it. While the link is away it stands at 0, and goes on when they have rung
//! again: nobody opens a camera for somebody who has given up. What a look-in may do is decided here at
//! every step, by the contact's permission and the hour.

use std::time::Duration;

use crate::call::{Outcome, Party, State};
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::lookins::How;
use crate::records::EndReason;

/// From the ring until the kiosk answers.
pub const COUNTDOWN: Duration = Duration::from_secs(10);
/// Pictures are frosted for so long at the start.
pub const FROSTED: Duration = Duration::from_secs(3);

/// The state.
#[derive(Debug, Default)]
pub struct LookIn {
    stage: Stage,
    /// The last step.
    at: Time,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Nothing,
    /// It rings, and no more than that.
    Plain(Party),
    /// They will appear; `linked`: they have rung on the present link.
    Counting { party: Party, linked: bool },
    /// The log is asked to take it.
    Asking(Party),
    /// The kiosk has answered, at this moment.
    Open(Party, Time),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Write down that they look in, and say whether that could be done: [`LookIn::let_in`].
    LetIn(PeerKey),
    /// Write this down.
    Log(PeerKey, How),
}

fn is_same(one: &Party, other: &Party) -> bool {
    (one.peer, one.began) == (other.peer, other.began)
}

impl LookIn {
    /// The call is in this state now. `may`: its other end may look in at this hour; `linked`: there is
    /// a link with it.
    pub fn follow(&mut self, call: &State, may: bool, linked: bool, now: Time) -> Option<Change> {
        self.at = now;
        let rings = match call {
            State::Incoming { party } => Some(*party),
            _ => None,
        };
        match self.stage {
            Stage::Counting { party, linked: rung } => match (rings, call) {
                (Some(ring), _) if is_same(&ring, &party) => {
                    // A caller who rings anew has another call; the count is the same.
                    self.stage = match (may, rung && linked) {
                        (false, _) => Stage::Plain(ring),
                        (true, true) if now.since(party.began) >= COUNTDOWN => Stage::Asking(ring),
                        (true, linked) => Stage::Counting { party: ring, linked },
                    };
                    matches!(self.stage, Stage::Asking(_)).then_some(Change::LetIn(ring.peer))
                }
                (
                    None,
                    State::Established { party: talk, .. }
                    | State::Reconnecting { party: talk, .. },
                ) if talk.peer == party.peer => {
                    self.stage = Stage::Nothing;
                    Some(Change::Log(party.peer, How::Answered))
                }
                _ => self.ring(rings, may, linked),
            },
            Stage::Plain(party) | Stage::Asking(party) => {
                let same = rings.is_some_and(|ring| is_same(&ring, &party));
                if same { None } else { self.ring(rings, may, linked) }
            }
            Stage::Nothing => self.ring(rings, may, linked),
            Stage::Open(..) => None,
        }
    }

    /// A new ring, or none.
    fn ring(&mut self, rings: Option<Party>, may: bool, linked: bool) -> Option<Change> {
        self.stage = match rings {
            None => Stage::Nothing,
            Some(party) if may => Stage::Counting { party, linked },
            Some(party) => Stage::Plain(party),
        };
        None
    }

    /// `peer` has rung (again), on the link that is there.
    pub fn rung(&mut self, peer: PeerKey) {
        if let Stage::Counting { party, linked } = &mut self.stage
            && party.peer == peer
        {
            *linked = true;
        }
    }

    /// The log has taken that they look in, or could not. True: the kiosk answers now.
    pub fn let_in(&mut self, written: bool, now: Time) -> bool {
        let Stage::Asking(party) = self.stage else { return false };
        self.stage = if written { Stage::Open(party, now) } else { Stage::Plain(party) };
        written
    }

    /// A call is over: what the log is to be told.
    pub fn over(&mut self, outcome: &Outcome) -> Option<Change> {
        let (Stage::Counting { party, .. } | Stage::Asking(party) | Stage::Open(party, _)) =
            self.stage
        else {
            return None;
        };
        if !is_same(&party, &outcome.party) {
            return None;
        }
        let how = match (self.stage, outcome.reason) {
            (Stage::Open(..), _) => {
                How::Closed { seconds: outcome.talked.unwrap_or_default().as_secs() }
            }
            (_, EndReason::Declined) => How::Refused,
            _ => How::GivenUp,
        };
        self.stage = Stage::Nothing;
        Some(Change::Log(party.peer, how))
    }

    /// Seconds until the kiosk answers, while they are counted.
    pub fn appears_in(&self, now: Time) -> Option<u8> {
        match self.stage {
            Stage::Counting { party, .. } => {
                let left = (party.began + COUNTDOWN).since(now).as_micros().div_ceil(1_000_000);
                Some(u8::try_from(left).unwrap_or(u8::MAX))
            }
            Stage::Asking(_) => Some(0),
            Stage::Nothing | Stage::Plain(_) | Stage::Open(..) => None,
        }
    }

    /// Until when our picture is frosted in this call.
    pub fn frosted_until(&self) -> Option<Time> {
        match self.stage {
            Stage::Open(_, since) => Some(since + FROSTED),
            _ => None,
        }
    }

    /// When the next step is due: each second of the count, and the end of the frost.
    pub fn deadline(&self) -> Option<Time> {
        match self.stage {
            Stage::Counting { party, linked } => {
                let passed = self.at.since(party.began).as_secs();
                let next = Duration::from_secs(passed + 1);
                (linked || next <= COUNTDOWN).then(|| (party.began + next).max(self.at))
            }
            Stage::Open(_, since) => Some(since + FROSTED).filter(|end| self.at < *end),
            Stage::Nothing | Stage::Plain(_) | Stage::Asking(_) => None,
        }
    }
}
