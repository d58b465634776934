//! Look-ins, as far as the core has a hand in them: whether somebody may, and what is done of it.

use super::{Core, Effect, Event};
use crate::app::lookin::Change;
use crate::call;
use crate::clock::Time;
use crate::identity::PeerKey;

impl From<Change> for Effect {
    fn from(change: Change) -> Self {
        match change {
            Change::LetIn(peer) => Effect::LetIn(peer),
            Change::Log(peer, how) => Effect::Visit(peer, how),
        }
    }
}

impl Core {
    /// Seconds until the kiosk answers a call by itself, while they are counted.
    pub fn appears_in(&self, now: Time) -> Option<u8> {
        self.look_in.appears_in(now)
    }

    /// Until when our pictures are frosted, in a call that the kiosk has answered.
    pub fn frosted_until(&self) -> Option<Time> {
        self.look_in.frosted_until()
    }

    /// Whether this contact may look in at this hour.
    fn may_look_in(&self, peer: PeerKey) -> bool {
        let may =
            |known: &super::Neighbour| known.may_ring && known.look_in && self.rings_now(known);
        // A kiosk that answers everybody at once has nothing to count.
        !self.settings.auto_answer && self.neighbour(peer).is_some_and(may)
    }

    pub(super) fn follow_look_in(&mut self, effects: &mut Vec<Effect>, now: Time) {
        let peer = self.partner();
        let may = peer.is_some_and(|peer| self.may_look_in(peer));
        let linked = peer.is_some_and(|peer| self.machine.is_linked(peer));
        let change = self.look_in.follow(self.machine.state(), may, linked, now);
        effects.extend(change.map(Effect::from));
    }

    /// The log has taken a look-in, or could not: see [`Event::LetIn`].
    pub(super) fn let_in(&mut self, written: bool, now: Time) -> Vec<Effect> {
        if !self.look_in.let_in(written, now) {
            return Vec::new();
        }
        self.decide(Event::Answer, now)
    }

    pub(super) fn visit_over(&mut self, effect: &call::Effect) -> Option<Effect> {
        let call::Effect::Record(outcome) = effect else { return None };
        self.look_in.over(outcome).map(Effect::from)
    }
}
