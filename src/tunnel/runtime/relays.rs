//! From one relay to another one, and to one that is new to us.
//!
//! A link to another relay knows nothing of the old one's refusals: what was blocked or waiting there
//! begins anew here. What runs through the old one ends; a call goes on by the new one as after any
//! other interruption.

use std::sync::Arc;

use super::{Lane, OuterSlot, Runtime, Task, Which};
use crate::meeting::Ticket;
use crate::tunnel::{Event, RelayConfig, enrol, state};

impl Runtime {
    pub(super) fn set_relay(&mut self, relay: Option<RelayConfig>) {
        if self.relay.as_deref() == relay.as_ref() {
            return;
        }
        self.relay = relay.map(Arc::new);
        let in_call = self.is_in_call();
        for lane in Lane::ALL {
            let old = std::mem::replace(&mut self.outers[lane as usize], OuterSlot::new());
            if let Some(outer) = old.outer {
                // Others may hold it still.
                outer.end();
            }
            self.renew_outer(lane);
            self.tell_outer(lane);
            self.drive(Which::Outer(lane), state::Event::InCall(in_call));
            self.drive(Which::Outer(lane), state::Event::Want(self.relay.is_some()));
        }
        self.want_peers();
    }

    /// One at a time: a newer ticket takes the place of one that is on its way.
    pub(super) fn enrol(&mut self, ticket: Ticket) {
        let (events, counters, key) =
            (Arc::clone(&self.events), Arc::clone(&self.counters), self.me);
        self.enrolment = Some(Task::spawn(async move {
            events(Event::Enrolled(enrol::bring(&ticket, key, &counters).await));
        }));
    }
}
