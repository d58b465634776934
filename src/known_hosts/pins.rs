//! Which keys are believed of a relay, and the sentence for every key that is not.
//!
//! ```text
//!  HostPins (from the configuration) ── look_up: reads the file ──> Trusted ── admit(key) ──> Refusal
//! ```
//! A key in the configuration is the only one that counts for its relay; what the file revokes is
//! refused all the same, and so is everything while it can't be told what the file revokes. The file is
//! read for every session, so what a person pins counts from the next one on.

use std::path::{Path, PathBuf};

use ssh_key::{Algorithm, PublicKey};

use super::file::{self, KnownHosts};
use super::{About, Outcome, Pin, described, label};

/// Keys that a sentence names.
const NAMED: usize = 3;

/// Where the keys stand that a relay may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPins {
    configured: Option<PublicKey>,
    /// Where the configured one stands, for sentences.
    place: &'static str,
    file: Option<PathBuf>,
}

const CONFIGURATION: &str = "twocan.toml";

impl HostPins {
    /// The keys of the state folder's file; where `configured` says one, that one and no other.
    pub fn new(configured: Option<PublicKey>, state: &Path) -> Self {
        let file = KnownHosts::of(state).path().to_owned();
        Self { configured, place: CONFIGURATION, file: Some(file) }
    }

    /// This key, whatever any file says.
    pub fn only(key: PublicKey) -> Self {
        Self { configured: Some(key), place: CONFIGURATION, file: None }
    }

    /// The same, where the configured key stands in another file.
    #[must_use]
    pub fn said_in(self, place: &'static str) -> Self {
        Self { place, ..self }
    }

    /// What may be believed of `host` at `port` now. Reads the file: it may wait for the disk.
    pub fn look_up(&self, host: &str, port: u16) -> Trusted {
        let file = self.file.as_deref();
        let mut about = match file.map(file::read) {
            None => About::default(),
            Some(Ok(bytes)) => About::read(&bytes, host, port),
            Some(Err(trouble)) => About { damaged: Some(trouble.to_string()), ..About::default() },
        };
        let mut place = file.map(|file| file.display().to_string()).unwrap_or_default();
        let file = place.clone();
        if let Some(key) = &self.configured {
            about.pinned = vec![Pin { key: key.clone(), line: 0 }];
            about.without_port.clear();
            place = format!("[relay] in {}", self.place);
        }
        Trusted { about, host: label(host, port), place, file }
    }
}

/// What is believed of one host at one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    about: About,
    host: String,
    /// Where the pins stand.
    place: String,
    file: String,
}

impl Trusted {
    /// One key alone; `place` says in sentences where it stands.
    pub fn only(key: PublicKey, place: &str) -> Self {
        let about = About { pinned: vec![Pin { key, line: 0 }], ..About::default() };
        Self { about, host: String::new(), place: place.to_owned(), file: String::new() }
    }

    /// What `key` is worth.
    pub fn judge(&self, key: &PublicKey) -> Outcome {
        self.about.judge(key)
    }

    /// Nothing, when `key` is the right one.
    ///
    /// # Errors
    /// It is not; the sentence stands behind the name of who showed it.
    pub fn admit(&self, key: &PublicKey) -> Result<(), Refusal> {
        let shown = described(key);
        let (pinned, place, file) = (self.pinned(), self.place.clone(), self.file.clone());
        Err(match self.judge(key) {
            Outcome::Match => return Ok(()),
            Outcome::Unknown => return Err(self.unknown(shown)),
            Outcome::Unreadable => return Err(self.unreadable(shown)),
            Outcome::Revoked => {
                let says_so = self.about.revoked.iter().find(|pin| super::same(&pin.key, key));
                let line = says_so.map_or(0, |pin| pin.line);
                Refusal::Revoked { shown, line, file, pinned }
            }
            Outcome::Changed if self.kinds().contains(&key.algorithm()) => {
                Refusal::Changed { shown, place, pinned }
            }
            Outcome::Changed => Refusal::OtherKind { shown, place, pinned },
        })
    }

    /// The refusal of a host that has keys of such kinds only as our side can't check.
    pub fn unheard_of(&self, kinds: &str) -> Refusal {
        let shown = format!("of kinds that this side cannot check ({kinds})");
        if self.about.damaged.is_some() {
            self.unreadable(shown)
        } else if self.about.pinned.is_empty() {
            self.unknown(shown)
        } else {
            Refusal::OtherKind { shown, place: self.place.clone(), pinned: self.pinned() }
        }
    }

    /// The kinds of the pinned keys: those to ask for first, since a host shows one key of many.
    pub fn kinds(&self) -> Vec<Algorithm> {
        let pins = self.about.pinned.iter().chain(&self.about.without_port);
        pins.map(|pin| pin.key.algorithm()).collect()
    }

    /// The key to tell others of, as on a card: the first that is pinned and not revoked, where all that
    /// the file says makes sense.
    pub fn key(&self) -> Option<&PublicKey> {
        let pins = self.about.pinned.iter().chain(&self.about.without_port);
        pins.map(|pin| &pin.key).find(|key| self.judge(key) == Outcome::Match)
    }

    fn unknown(&self, shown: String) -> Refusal {
        Refusal::Unknown { shown, file: self.file.clone(), host: self.host.clone() }
    }

    fn unreadable(&self, shown: String) -> Refusal {
        let trouble = self.about.damaged.clone().unwrap_or_default();
        Refusal::Unreadable { shown, file: self.file.clone(), trouble, pinned: self.pinned() }
    }

    fn pinned(&self) -> String {
        named(&self.about.pinned)
    }
}

/// The keys of `pins` for a sentence.
pub(super) fn named(pins: &[Pin]) -> String {
    let mut names: Vec<String> = pins.iter().take(NAMED).map(|pin| described(&pin.key)).collect();
    if pins.len() > NAMED {
        names.push(format!("{} more", pins.len() - NAMED));
    }
    if names.is_empty() { "no key".to_owned() } else { names.join(", ") }
}

/// Why a host key is not taken; each stands behind the name of who showed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another key than the pinned ones.
    #[error("shows the host key {shown}, but {place} has {pinned}: refused")]
    Changed {
        /// The key.
        shown: String,
        /// Where the pinned ones stand.
        place: String,
        /// The pinned ones.
        pinned: String,
    },
    /// A key of another kind than the pinned ones.
    #[error("shows a host key of another kind, {shown}, but {place} has {pinned}: refused")]
    OtherKind {
        /// The key.
        shown: String,
        /// Where the pinned ones stand.
        place: String,
        /// The pinned ones.
        pinned: String,
    },
    /// A key never to be taken.
    #[error(
        "shows the host key {shown}, which line {line} of {file} revokes (pinned is {pinned}): \
         refused"
    )]
    Revoked {
        /// The key.
        shown: String,
        /// Where it is revoked.
        line: usize,
        /// The file of that line.
        file: String,
        /// The pinned ones.
        pinned: String,
    },
    /// A host nobody pinned a key for.
    #[error(
        "shows the host key {shown}, but {file} has no key for {host}: refused; ask the relay's owner \
         for its key and run `twocan hosts pin {host} KEY`"
    )]
    Unknown {
        /// The key.
        shown: String,
        /// Where there is none.
        file: String,
        /// As the file would name it.
        host: String,
    },
    /// It can't be told what is pinned and what revoked.
    #[error(
        "shows the host key {shown}, which cannot be checked (pinned is {pinned}), for {file} makes \
         no sense: {trouble}: refused"
    )]
    Unreadable {
        /// The key.
        shown: String,
        /// The file.
        file: String,
        /// What is wrong with it.
        trouble: String,
        /// The pinned ones, as far as they can be read.
        pinned: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_hosts::pinnable;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    #[test]
    fn the_configured_key_is_the_only_one_and_the_file_may_still_revoke_it() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [ONE, OTHER].map(|text| pinnable(text).unwrap());
        let pins = HostPins::new(Some(one.clone()), folder.path());
        let judge = |key: &PublicKey| pins.look_up("h", 22).judge(key);
        assert_eq!((judge(&one), judge(&other)), (Outcome::Match, Outcome::Changed));
        assert_eq!(pins.look_up("h", 22).key(), Some(&one));
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, format!("h {OTHER}\n")).unwrap();
        assert_eq!((judge(&one), judge(&other)), (Outcome::Match, Outcome::Changed));
        std::fs::write(&file, format!("@revoked * {ONE}\n")).unwrap();
        assert_eq!((judge(&one), judge(&other)), (Outcome::Revoked, Outcome::Changed));
        assert_eq!(pins.look_up("h", 22).key(), None, "it is not passed on");
        std::fs::write(&file, "@revoked h ssh-ed25519 AAAAC3Nza").unwrap();
        assert_eq!((judge(&one), judge(&other)), (Outcome::Unreadable, Outcome::Unreadable));
    }

    #[test]
    fn a_sentence_names_three_keys_at_most() {
        let pin = |line| Pin { key: pinnable(ONE).unwrap(), line };
        assert_eq!(named(&[]), "no key");
        assert_eq!(named(&[pin(1), pin(2)]).matches("SHA256:").count(), 2);
        let many = named(&(1..=5).map(pin).collect::<Vec<_>>());
        assert!(many.matches("SHA256:").count() == 3 && many.ends_with(", 2 more"), "{many}");
    }
}
