//! What programs ask of a running kiosk: most of it is an event like any other.

use super::Loop;
use crate::app::core::Event;
use crate::app::{contacts, status};
use crate::call::State;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::tunnel;
use crate::ui::screen::{Command, StationId};
use crate::wire::control::{Answer, Request};

impl Loop {
    /// The answer, and false when it is the end.
    pub(in crate::app) fn asked(&mut self, request: Request, now: Time) -> (Answer, bool) {
        let event = match request {
            Request::Status => {
                let status = serde_json::to_value(status::of(self));
                let status = status.expect("a status is plain data");
                return (Answer { status: Some(status), ..Answer::default() }, true);
            }
            Request::Dial { name } => match (self.named(&name), *self.core.call()) {
                (Some(peer), State::Idle | State::Ended { .. }) => Event::Dial(peer),
                (Some(peer), State::Incoming { party }) if party.peer == peer => Event::Dial(peer),
                (Some(_), _) => return (Answer::refused("there is a call already"), true),
                (None, _) => {
                    return (Answer::refused(format!("no contact is called {name}")), true);
                }
            },
            Request::Answer if matches!(self.core.call(), State::Incoming { .. }) => {
                Event::Touched(Command::Answer)
            }
            Request::Answer => return (Answer::refused("nobody is calling"), true),
            Request::Hangup if matches!(self.core.call(), State::Idle | State::Ended { .. }) => {
                return (Answer::refused("there is no call"), true);
            }
            Request::Hangup => Event::Touched(Command::HangUp),
            Request::Hide { hidden } if self.media.is_some() => Event::Hide(hidden),
            Request::Hide { .. } => return (Answer::refused("there is no call"), true),
            Request::Hear { name } => match name.map(|name| (self.station_named(&name), name)) {
                None => Event::Hear(None),
                Some((Some(station), _)) => Event::Hear(Some(station)),
                Some((None, name)) => {
                    return (Answer::refused(format!("no station is called {name}")), true);
                }
            },
            Request::Volume { volume } => Event::Volume(volume),
            Request::Mark => {
                let Some(media) = &mut self.media else {
                    return (Answer::refused("there is no call"), true);
                };
                self.settled = true;
                media.settle(now);
                return (Answer::default(), true);
            }
            Request::Reload => {
                let contacts = contacts::load(&self.state_folder);
                self.presence.know(&contacts);
                self.meets.reload();
                // Those who are up hear it while the old one is still there.
                self.move_to(self.meets.point().into_iter().collect());
                self.tunnel.send(tunnel::Command::SetRelay(self.meets.for_tunnel()));
                let has_way = self.meets.relay().is_some() || self.behind.has_door();
                self.feed(Event::Way(has_way), now);
                let peers = contacts::peers(&contacts, self.meets.host_key().as_ref());
                self.tunnel.send(tunnel::Command::SetContacts(peers));
                Event::Contacts(contacts::neighbours(&self.state_folder, &contacts))
            }
            Request::Pair { ask } | Request::PairWhile { ask } => return (self.pair(&ask), true),
            Request::PairGone { begun } => {
                self.pairing_gone(begun);
                return (Answer::default(), true);
            }
            Request::Retry => {
                self.tunnel.send(tunnel::Command::Retry);
                return (Answer::default(), true);
            }
            Request::Tap { .. } | Request::Screenshot | Request::PairNews { .. } => {
                return (Answer::refused("the screen answers that, not the app"), true);
            }
        };
        let going = self.feed(event, now);
        (Answer::default(), going)
    }

    fn station_named(&self, name: &str) -> Option<StationId> {
        let wanted = name.trim().to_lowercase();
        let mut stations = self.core.settings().hearables.iter();
        stations.position(|one| one.name.as_str().to_lowercase() == wanted).map(StationId)
    }

    fn named(&self, name: &str) -> Option<PeerKey> {
        let wanted = name.trim().to_lowercase();
        let mut neighbours = self.core.neighbours().iter();
        let found = neighbours.find(|n| n.person.name.to_lowercase() == wanted)?;
        Some(found.person.key)
    }
}
