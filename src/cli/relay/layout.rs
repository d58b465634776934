//! What things are called at a hardened relay, and where they lie.
//!
//! | what | where |
//! |---|---|
//! | a kiosk's login | `kiosk-NAME`, locked up in `/run/twocan-relay` |
//! | the same account, for its ticket | `twocan-join-NAME`: the same number under another name |
//! | its key | `/etc/twocan-relay/keys/kiosk-NAME` |
//! | its ticket | `/etc/twocan-relay/tickets/twocan-join-NAME`, empty once it was used |
//! | its sockets | `/run/twocan-relay/NAME/{voice,video}.sock`, for it and the group `kiosk-NAME` |
//! | where any two meet that pair | `/run/twocan-relay/pair/N.sock`, for the group `twocan-pair` of all |
//!
//! Key and ticket belong to the account itself, as sshd's StrictModes wants it, in folders of root's:
//! who has a kiosk's ticket can write that kiosk's key, and no other's.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::meeting::{JOIN, LOGIN, PAIRING, Place};

/// The longest name: its login has to be one of 32 characters at most.
const LONGEST: usize = 20;
/// The two sockets of a kiosk.
pub(super) const SOCKETS: [&str; 2] = ["voice", "video"];
/// From the root: the folder that a kiosk's login sees as `/`.
pub(super) const CHROOT: &str = "run/twocan-relay";
/// The group of all kiosks, which may meet there to pair.
pub(super) const PAIRING_GROUP: &str = "twocan-pair";
/// From the root: keys and tickets.
pub(super) const KEYS: &str = "etc/twocan-relay/keys";
/// See [`KEYS`].
pub(super) const TICKETS: &str = "etc/twocan-relay/tickets";
/// From the root: what makes the folders at every start.
pub(super) const TMPFILES: &str = "etc/tmpfiles.d/twocan-relay.conf";
/// From the root: what sshd is told, where its configuration includes a folder.
pub(super) const DROP_IN: &str = "etc/ssh/sshd_config.d/50-twocan-relay.conf";
/// From the root: where it is told that otherwise.
pub(super) const MAIN: &str = "etc/ssh/sshd_config";

/// What a kiosk is called at its relay: a login, a folder and a place follow from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(String);

/// The text was no name.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "expected 1 to {LONGEST} small letters, digits and -, beginning and ending with none of the last, and \
     not `{PAIRING}`"
)]
pub(super) struct NameError;

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let edges = text.starts_with('-') || text.ends_with('-');
        let good = (1..=LONGEST).contains(&text.len()) && text.chars().all(plain) && !edges;
        let good = good && text != PAIRING;
        good.then(|| Self(text.to_owned())).ok_or(NameError)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Name {
    /// Of the account's name, or of the one that its ticket is for.
    pub(super) fn of_login(login: &str) -> Option<Self> {
        login.strip_prefix(LOGIN).or_else(|| login.strip_prefix(JOIN))?.parse().ok()
    }

    /// The account, and the group of who may call it.
    pub(super) fn login(&self) -> String {
        format!("{LOGIN}{self}")
    }

    /// The account as its ticket knows it.
    pub(super) fn join(&self) -> String {
        format!("{JOIN}{self}")
    }

    /// Its folder, as its login sees it.
    pub(super) fn place(&self) -> Place {
        Place::new(&format!("/{self}/")).expect("a name is a folder's")
    }
}

/// The paths below a root.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Below `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The root itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is the machine itself and no folder of it.
    pub(super) fn is_whole(&self) -> bool {
        self.root == Path::new("/")
    }

    /// `path` from the root.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Its text; none when there is no such file.
    pub(super) fn read(&self, path: &str) -> std::io::Result<Option<String>> {
        match fs::read(self.at(path)) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file of a kiosk's key.
    pub(super) fn key(name: &Name) -> String {
        format!("{KEYS}/{}", name.login())
    }

    /// The file of its ticket.
    pub(super) fn ticket(name: &Name) -> String {
        format!("{TICKETS}/{}", name.join())
    }

    /// Its folder.
    pub(super) fn folder(name: &Name) -> String {
        format!("{CHROOT}/{name}")
    }

    /// The folder in which any two meet to pair.
    pub(super) fn pairing() -> String {
        format!("{CHROOT}/{PAIRING}")
    }

    /// It has brought its key.
    pub(super) fn has_key(&self, name: &Name) -> bool {
        self.holds_something(&Self::key(name))
    }

    /// It can bring one.
    pub(super) fn has_ticket(&self, name: &Name) -> bool {
        self.holds_something(&Self::ticket(name))
    }

    fn holds_something(&self, path: &str) -> bool {
        fs::metadata(self.at(path)).is_ok_and(|found| found.len() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fit_for_a_login_a_folder_and_a_place() {
        for good in ["anna", "a", "house-2", "0", "twenty-letters-long0"] {
            let name: Name = good.parse().unwrap();
            assert_eq!(name.place().as_str(), format!("/{good}/"));
            assert!(name.login().len() <= 32 && name.join().len() <= 32);
            assert_eq!(Name::of_login(&name.login()).as_ref(), Some(&name));
            assert_eq!(Name::of_login(&name.join()).as_ref(), Some(&name));
        }
        for bad in [
            "",
            "pair",
            "Anna",
            "-a",
            "a-",
            "a b",
            "a/b",
            "..",
            "ä",
            "a:b",
            "a\n",
            "twenty-one-letters-lo",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
