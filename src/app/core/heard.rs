//! What a peer says, and whether it may: nothing that a peer says changes what it may.
//!
//! ```text
//!             we call it, or talk with it ──────────────> rings, or is the same call
//!  invite ──> may not ring ─────────────────────────────> decline
//!             quiet time, at rest, and no exception ────> bye{quiet hours}, a missed call, no light
//!             else ─────────────────────────────────────> rings, or busy and a missed call
//! ```

use super::{Core, Effect, Neighbour};
use crate::app::pictures::Report;
use crate::call::{self, State};
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::wire::signal::{EndReason, Signal};

/// What becomes of an invite.
enum Welcome {
    Rings,
    Declined,
    Quiet,
}

impl Core {
    pub(super) fn talks_with(&self, peer: PeerKey) -> bool {
        self.machine.is_established() && self.partner() == Some(peer)
    }

    pub(super) fn neighbour(&self, peer: PeerKey) -> Option<&Neighbour> {
        self.neighbours.iter().find(|neighbour| neighbour.person.key == peer)
    }

    /// Whether this contact's calls ring at this hour.
    pub(super) fn rings_now(&self, neighbour: &Neighbour) -> bool {
        !self.quiet || neighbour.in_quiet_hours
    }

    fn welcome(&self, peer: PeerKey) -> Welcome {
        // Whom we are calling ourselves may call back.
        if self.partner() == Some(peer) {
            return Welcome::Rings;
        }
        let at_rest = matches!(self.machine.state(), State::Idle | State::Ended { .. });
        match self.neighbour(peer).filter(|neighbour| neighbour.may_ring) {
            None => Welcome::Declined,
            Some(neighbour) if at_rest && !self.rings_now(neighbour) => Welcome::Quiet,
            Some(_) => Welcome::Rings,
        }
    }

    pub(super) fn heard(&mut self, peer: PeerKey, signal: Signal, now: Time) -> Vec<Effect> {
        match signal {
            Signal::Invite { call } => match self.welcome(peer) {
                Welcome::Rings => {
                    self.look_in.rung(peer);
                    self.step(call::Event::Signal(peer, signal), now)
                }
                Welcome::Declined => vec![Effect::Send(peer, Signal::Decline { call })],
                Welcome::Quiet => {
                    self.step(call::Event::Refuse(peer, call, EndReason::QuietHours), now)
                }
            },
            Signal::Hide { picture, sound } => {
                if self.talks_with(peer) {
                    self.peer_hidden = picture && sound;
                    self.pictures.theirs_anew(now);
                }
                Vec::new()
            }
            Signal::Report { quality, takes, .. } => {
                if self.talks_with(peer) {
                    self.pictures.heard(Report { quality, takes }, now);
                }
                Vec::new()
            }
            Signal::Hear { station } => self.asked_to_be_heard(peer, station),
            Signal::Hearing { station, state } => {
                self.hear.told(peer, &station, state);
                Vec::new()
            }
            // They have given a call up that may ring here still: its end was lost with the link.
            Signal::Missed { call, .. } => {
                let bye = Signal::Bye { call, reason: EndReason::Cancelled };
                self.step(call::Event::Signal(peer, bye), now)
            }
            signal => self.step(call::Event::Signal(peer, signal), now),
        }
    }
}
