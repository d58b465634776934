//! The call: one pure state machine, no I/O, no clock.
//!
//! ```text
//!            dial                    accept, or glare
//!   Idle ──────────> Outgoing ─────────────────────────> Established ──link down──> Reconnecting
//!    │ ▲                │ stop, 40 s, busy, decline          │  ▲                      │    │
//!    │ │ 3 s, home      ▼                          hang up,  │  └──link up, resume─────┘    │
//!    │ └───────────── Ended <────────────────────── bye ─────┘                              │
//!    │ ▲                ▲                                                                   │
//!    │ │ bye, 45 s      └──────────────────── 60 s, hang up, bye ───────────────────────────┘
//!    │ │ not now
//!    └─┴─> Incoming ── answer ──> Established
//!     invite
//! ```
//! Both ends run the same machine. When both invite each other at once (glare), the invite of the
//! smaller key wins on both sides and the call is established without a touch: both wanted it.
//! After a lost link each end says `resume` once when the link is back; the call goes on when the
//! other's `resume` arrives, and an end that no longer knows the call answers `bye`.

mod machine;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;

use std::time::Duration;

use crate::clock::Time;
use crate::identity::PeerKey;
use crate::records::Direction;
use crate::wire::signal::{CallId, EndReason, Signal};

pub use machine::{Machine, REACH_LIMIT};

/// A call under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// The call's id, the same at both ends.
    pub call: CallId,
    /// The other end.
    pub peer: PeerKey,
    /// Who started it.
    pub direction: Direction,
    /// When it was started.
    pub began: Time,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Idle,
    /// We ring them.
    Outgoing {
        /// Whom.
        party: Party,
        /// Since when there is no link to invite them on; at first the touch.
        since: Time,
        /// The invite went out on the present link, at this time.
        invited: Option<Time>,
        /// They said that it rings.
        ringing: bool,
    },
    /// They ring us.
    Incoming {
        /// Who.
        party: Party,
    },
    /// Talking.
    Established {
        /// With whom.
        party: Party,
        /// Since when.
        answered: Time,
    },
    /// Talking, but the link is gone.
    Reconnecting {
        /// With whom.
        party: Party,
        /// When it was established.
        answered: Time,
        /// When the link went.
        lost: Time,
    },
    /// Over, and said so on the screen.
    Ended {
        /// With whom it was.
        party: Party,
        /// How long they talked, if they did.
        talked: Option<Duration>,
        /// Why it is over.
        reason: EndReason,
        /// When the page goes home by itself.
        until: Time,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A tile was touched; the id is a fresh random one, in case there is a call to make.
    Dial(PeerKey, CallId),
    /// Answer was touched.
    Answer,
    /// Stop, Not now or Hang up was touched.
    HangUp,
    /// The ended page was touched away.
    Dismiss,
    /// The link with a peer is there.
    LinkUp(PeerKey),
    /// It is gone.
    LinkDown(PeerKey),
    /// A peer said something.
    Signal(PeerKey, Signal),
    /// This invite of a peer must not ring, for this reason: it is answered, and recorded once.
    Refuse(PeerKey, CallId, EndReason),
    /// Time has passed; see [`Machine::deadline`].
    Tick,
    /// The program is about to end.
    ShutDown,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Say this to that peer, if it can be reached.
    Send(PeerKey, Signal),
    /// Run media with this peer, from now until [`Effect::StopMedia`].
    StartMedia(PeerKey),
    /// Stop media.
    StopMedia,
    /// Write a call's record.
    Record(Outcome),
}

/// How a call went, for its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// With whom, who started it and when.
    pub party: Party,
    /// How long they talked; none when it was never answered.
    pub talked: Option<Duration>,
    /// Why it is over.
    pub reason: EndReason,
    /// The other end has shown that it knows of the call.
    pub rang: bool,
}
