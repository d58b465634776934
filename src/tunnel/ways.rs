//! The ways to a peer's door, and what it means when none of them leads there: pure, but for the list
//! of addresses that are set aside.
//!
//! Another key on one way says nothing about the others: an old address of a contact may be anybody's
//! by now, and the contact itself waits at the relay. So such an address is named in the log, set
//! aside for a while, and the search goes on; only a contact whose every road shows another key waits
//! for a human. Nothing is ever learnt or entered: a way counts only with the pinned key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::TunnelError;
use super::state::FailureKind;
use crate::clock::Time;

/// Ports of the relay at which a kiosk may listen for a lane; see relay.rs.
pub(super) const PORTS: u16 = 4;
/// An address that showed another key is left alone for this long.
const ASIDE: Duration = Duration::from_secs(15 * 60);

/// One way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `host:port` of the door.
    Direct(String),
    /// The peer's socket on the relay.
    Socket,
    /// The peer's n-th port on the relay.
    Port(u16),
}

impl Way {
    /// Those of the relay, in their order.
    pub(super) fn at_relay() -> impl Iterator<Item = Way> {
        std::iter::once(Way::Socket).chain((0..PORTS).map(Way::Port))
    }

    /// Whether it leads through the relay.
    pub(super) fn is_at_relay(&self) -> bool {
        match self {
            Way::Direct(_) => false,
            Way::Socket | Way::Port(_) => true,
        }
    }
}

/// Direct addresses of a contact where another key was found.
#[derive(Default)]
pub(super) struct Aside(Mutex<HashMap<String, (Time, TunnelError)>>);

impl Aside {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Time, TunnelError)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leave `address` alone for a while; true when that is news.
    pub(super) fn put(&self, address: &str, error: &TunnelError, now: Time) -> bool {
        self.lock().insert(address.to_owned(), (now, error.clone())).is_none()
    }

    /// What was found at `address`, if it is still to be left alone.
    pub(super) fn find(&self, address: &str, now: Time) -> Option<TunnelError> {
        let list = self.lock();
        list.get(address).filter(|(at, _)| now.since(*at) < ASIDE).map(|(_, error)| error.clone())
    }

    /// Look at all of them again.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

/// What was found on the ways that did not lead to the peer.
#[derive(Default)]
pub(super) struct Findings {
    /// Other keys at direct addresses.
    changed: Vec<TunnelError>,
    /// The last trouble on a direct way.
    direct: Option<TunnelError>,
    /// Another key at the relay.
    relay_changed: Option<TunnelError>,
    /// The most telling trouble at the relay.
    relay: Option<TunnelError>,
    /// A way through the relay took too long: the relay itself may be gone.
    pub(super) relay_was_late: bool,
}

impl Findings {
    /// `way` led nowhere.
    pub(super) fn add(&mut self, way: &Way, error: TunnelError) {
        let changed = error.kind() == FailureKind::KeyRefused;
        match (way, changed) {
            (Way::Direct(_), true) => self.changed.push(error),
            (Way::Direct(_), false) => self.direct = Some(error),
            (Way::Socket, true) => self.relay_changed = Some(error),
            (Way::Port(_), true) => {
                // Anybody at the relay can squat on a port: that is no reason to wait for a human.
                let (who, reason) = ("the relay's ports".to_owned(), error.to_string());
                self.relay = Some(TunnelError::Unreachable { who, reason });
            }
            (Way::Socket | Way::Port(_), false) => {
                self.relay_was_late |= matches!(error, TunnelError::TimedOut { .. });
                if matches!(self.relay, None | Some(TunnelError::Away { .. })) {
                    self.relay = Some(error);
                }
            }
        }
    }

    /// What the search as a whole came to. `relay_may_come`: there is a relay that could not be asked.
    pub(super) fn verdict(self, who: &str, relay_may_come: bool) -> TunnelError {
        let relay = if self.relay_changed.is_some() { None } else { self.relay };
        let trouble = relay
            .or(self.direct)
            .or_else(|| relay_may_come.then(|| TunnelError::NoWay { who: who.to_owned() }));
        match (trouble, self.changed.into_iter().chain(self.relay_changed).next()) {
            (Some(trouble), None) => trouble,
            (Some(trouble), Some(changed)) => {
                TunnelError::Elsewhere { trouble: Box::new(trouble), changed: Box::new(changed) }
            }
            (None, Some(changed)) => changed,
            (None, None) => TunnelError::NoWay { who: who.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_hosts::Refusal;

    fn changed(who: &str) -> TunnelError {
        let text = || "SHA256:x".to_owned();
        let refusal = Refusal::Changed { shown: text(), place: text(), pinned: text() };
        TunnelError::HostKey { who: who.to_owned(), refusal }
    }

    fn away() -> TunnelError {
        TunnelError::Away { who: "contact X".to_owned() }
    }

    fn direct() -> Way {
        Way::Direct("192.0.2.7:22".to_owned())
    }

    fn verdict(found: &[(Way, TunnelError)], relay_may_come: bool) -> TunnelError {
        let mut findings = Findings::default();
        found.iter().for_each(|(way, error)| findings.add(way, error.clone()));
        findings.verdict("contact X", relay_may_come)
    }

    #[test]
    fn only_a_contact_whose_every_road_shows_another_key_waits_for_a_human() {
        use FailureKind::{KeyRefused, Trouble};
        let other = || Way::Direct("192.0.2.8:22".to_owned());
        let at = |way: Way, error| (way, error);
        let strange = || changed("x");
        let cases = [
            (vec![at(direct(), strange())], false, KeyRefused),
            // The relay may still come, and lead to the right one.
            (vec![at(direct(), strange())], true, Trouble),
            (vec![at(direct(), strange()), at(Way::Socket, away())], false, Trouble),
            (vec![at(direct(), strange()), at(other(), away())], false, Trouble),
            (vec![at(direct(), strange()), at(other(), strange())], false, KeyRefused),
            (vec![at(Way::Socket, strange())], false, KeyRefused),
            // The ports beside a socket that shows another key are no road of their own.
            (vec![at(Way::Socket, strange()), at(Way::Port(0), away())], false, KeyRefused),
            (vec![at(Way::Socket, strange()), at(direct(), away())], false, Trouble),
            (
                vec![at(direct(), strange()), at(Way::Socket, strange()), at(Way::Port(0), away())],
                false,
                KeyRefused,
            ),
            // Anybody at the relay can squat on a port.
            (vec![at(Way::Socket, away()), at(Way::Port(0), strange())], false, Trouble),
            (Vec::new(), false, Trouble),
            (Vec::new(), true, Trouble),
        ];
        for (found, relay_may_come, kind) in cases {
            let error = verdict(&found, relay_may_come);
            assert_eq!(error.kind(), kind, "{found:?} {relay_may_come}: {error}");
        }
    }

    #[test]
    fn another_key_is_named_whatever_else_was_found() {
        let found = [(direct(), changed("contact X at 192.0.2.7:22")), (Way::Socket, away())];
        let sentence = verdict(&found, false).to_string();
        assert!(sentence.starts_with("contact X is not there"), "{sentence}");
        assert!(sentence.contains("contact X at 192.0.2.7:22 shows the host key"), "{sentence}");
    }

    #[test]
    fn an_address_is_set_aside_for_a_while_and_told_of_once() {
        let aside = Aside::default();
        let now = Time::from_micros(1);
        assert!(aside.put("a:22", &changed("a"), now));
        assert!(!aside.put("a:22", &changed("a"), now));
        assert!(aside.find("a:22", now).is_some() && aside.find("b:22", now).is_none());
        assert!(aside.find("a:22", now + ASIDE).is_none());
        aside.clear();
        assert!(aside.find("a:22", now).is_none());
    }
}
