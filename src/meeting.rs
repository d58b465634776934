//! Meeting points: OpenSSH logins at which kiosks find each other, and tickets to new ones.
//!
//! A plain login is shared: every kiosk's sockets lie in its one folder, named by their keys. At a
//! hardened relay (`twocan relay install`) each kiosk has a login of its own and a folder of its own
//! there, its *place*; whoever is to call it has to know the place, so it is part of its card.
//!
//! Kiosks that pair by words meet at `pair-N.sock` in the shared folder, N from 0 to 7; at a hardened
//! relay at `/pair/N.sock`, a folder in which every kiosk may make a socket and connect to one
//! (`PermitOpen [/pair/0.sock]:*` and so on), and at which nothing is trusted.
//!
//! What a ticket brought is kept in `STATE/relay.toml`, in the words of `[relay]` of twocan.toml; where
//! that says one, it counts, and the kept one is left alone.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::address::Host;
use crate::config::{HostKey, Port, Relay, User};
use crate::store::{self, Loaded, StoreError};

/// The file in the state folder.
pub const FILE: &str = "relay.toml";

pub use crate::caps::{MEETING_LIMIT as LIMIT, PLACE_LIMIT};

/// Where a kiosk can be met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeetingPoint {
    /// A name or an address.
    pub host: Host,
    /// Of its SSH server.
    pub port: u16,
    /// What it proves to be. Two points with the same host key are the same, whatever they are called.
    pub host_key: HostKey,
    /// The login, where it is one that all share; none where each kiosk has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Where the kiosk's sockets lie there; none where they are named by its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A folder at a relay as sshd sees it (from its chroot): `/anna/`, to which `voice.sock` and
/// `video.sock` are added.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place(String);

impl Place {
    /// None: it is not small letters, digits, `-` and `_` between slashes, or over [`PLACE_LIMIT`].
    pub fn new(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'))?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let folder = |name: &str| !name.is_empty() && name.chars().all(plain);
        (text.len() <= PLACE_LIMIT && inner.split('/').all(folder)).then(|| Self(text.to_owned()))
    }

    /// With the slashes at both ends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The socket of a lane, by the lane's name.
    pub fn socket(&self, lane: &str) -> String {
        format!("{}{lane}.sock", self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a relay's owner hands out so that a kiosk can bring its own key there, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Where to, and as whom: with a login and a place.
    pub point: MeetingPoint,
    /// The Ed25519 seed of the key that opens the relay for this and nothing else.
    pub seed: [u8; 32],
}

/// The folder at a hardened relay in which kiosks that don't know each other yet meet; no kiosk is
/// called so.
pub const PAIRING: &str = "pair";

/// The place of one slot there, below [`crate::pairing::words::SLOTS`].
pub fn pairing_socket(slot: u8) -> String {
    format!("/{PAIRING}/{slot}.sock")
}

/// What the logins of kiosks begin with at a hardened relay; the kiosk's name there follows.
pub const LOGIN: &str = "kiosk-";
/// The same of the logins that tickets are for, which take a kiosk's key and nothing else.
pub const JOIN: &str = "twocan-join-";

impl MeetingPoint {
    /// What a kiosk that is to use it has to know; none where no login is said, or port 0.
    pub fn relay(&self) -> Option<Relay> {
        Some(Relay {
            host: self.host.clone(),
            port: Port::new(self.port)?,
            user: self.user.clone()?,
            host_key: Some(self.host_key.clone()),
            folder: None,
            place: self.place.clone(),
        })
    }

    /// The login that takes a kiosk's key there: of `kiosk-anna`, `twocan-join-anna`.
    pub fn join_login(&self) -> Option<String> {
        let name = self.user.as_ref()?.as_str().strip_prefix(LOGIN)?;
        Some(format!("{JOIN}{name}"))
    }
}

/// The relay that a ticket brought; none when none did, or when the file can't be read (with a line in
/// the log).
pub fn load(state: &Path) -> Option<Relay> {
    let parse = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        toml::from_str(text).map(Some).map_err(|error| error.message().to_owned())
    };
    let Loaded { value, trouble, .. } = store::load(&state.join(FILE), parse);
    if let Some(trouble) = trouble {
        tracing::warn!("{trouble}");
    }
    value
}

/// Meet at this relay from now on.
///
/// # Errors
/// The disk does not take it.
pub fn keep(state: &Path, relay: &Relay) -> Result<(), StoreError> {
    let text = toml::to_string(relay).expect("a relay is texts and a number");
    let _lock = store::lock(state)?;
    store::write(&state.join(FILE), text.as_bytes())
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("point", &self.point).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_ticket_brought_is_found_again_and_a_broken_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), None);
        let point = MeetingPoint {
            host: "relay.example.org".parse().unwrap(),
            port: 2222,
            host_key: crate::identity::PeerKey([9; 32]).to_openssh("").parse().unwrap(),
            user: Some("kiosk-anna".parse().unwrap()),
            place: Some("/anna/".parse().unwrap()),
        };
        assert_eq!(point.join_login().as_deref(), Some("twocan-join-anna"));
        let relay = point.relay().unwrap();
        keep(folder.path(), &relay).unwrap();
        assert_eq!(load(folder.path()), Some(relay.clone()));
        assert_eq!(MeetingPoint { user: None, ..point }.relay(), None);
        std::fs::write(folder.path().join(FILE), "host = 7").unwrap();
        assert_eq!(load(folder.path()), None);
    }

    #[test]
    fn a_place_is_a_folder_and_nothing_that_leads_out_of_it() {
        for good in ["/anna/", "/kiosk-2/", "/house_1/kitchen/"] {
            assert_eq!(good.parse::<Place>().unwrap().as_str(), good);
        }
        for bad in ["", "/", "//", "anna", "/anna", "/../", "/a//b/", "/Anna/", "/a b/", "/a*/"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
        assert!(format!("/{}/", "a".repeat(PLACE_LIMIT)).parse::<Place>().is_err());
        let place: Place = "/anna/".parse().unwrap();
        assert_eq!(place.socket("voice"), "/anna/voice.sock");
    }
}
