//! The contacts as the tunnel and the screen need them.

use std::path::Path;

use chrono::Local;

use super::facts::Neighbour;
use super::last_seen::LastSeen;
use super::{photo, words};
use crate::config::Relay;
use crate::contacts::{Contact, Contacts};
use crate::records::Records;
use crate::tunnel::PeerConfig;
use crate::ui::screen::Person;

/// Those of a state folder; trouble is logged, and a broken file is as good as its backup.
pub(super) fn load(state: &Path) -> Vec<Contact> {
    let contacts = Contacts::load(state);
    if let Some(trouble) = &contacts.trouble {
        tracing::warn!("{trouble}");
    }
    contacts.value.iter().cloned().collect()
}

/// For the tunnel. Whoever has a place of its own at `relay` said so in its card: the host key tells
/// that it is the same one, whatever it is called.
pub(super) fn peers(contacts: &[Contact], relay: Option<&Relay>) -> Vec<PeerConfig> {
    let place = |contact: &Contact| {
        let relay = relay?;
        let mut there = contact.meeting.iter().filter(|point| point.host_key == relay.host_key);
        there.find_map(|point| point.place.clone())
    };
    let peer = |contact: &Contact| PeerConfig {
        key: contact.key,
        direct: contact.direct.iter().map(ToString::to_string).collect(),
        via_relay: contact.via_relay,
        place: place(contact),
    };
    contacts.iter().map(peer).collect()
}

/// For the screen, with their photos and the calls that were missed.
pub(super) fn neighbours(state: &Path, contacts: &[Contact]) -> Vec<Neighbour> {
    let records = Records::load(state).unwrap_or_else(|error| {
        tracing::warn!("{error}");
        Records::default()
    });
    let (seen, now) = (LastSeen::load(state), Local::now());
    let missed = |contact: &Contact| records.missed(&contact.key.fingerprint());
    let neighbour = |contact: &Contact| Neighbour {
        person: Person {
            key: contact.key,
            name: contact.name.clone(),
            photo: contact.photo_path(state).and_then(|path| photo::load(&path)),
        },
        may_ring: contact.may_ring,
        in_quiet_hours: contact.in_quiet_hours,
        look_in: contact.look_in,
        seen: seen.at(contact.key),
        missed: missed(contact).map(|record| words::called(record.began, now)),
        trouble: None,
    };
    contacts.iter().map(neighbour).collect()
}
