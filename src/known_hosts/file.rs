//! The file of pins in the state folder, and the two changes a person can make to it.
//!
//! It is read and written whole. Unlike the other files of the state folder its `.bak` is never read in
//! its place: an older copy may lack a revocation. What is not changed stays as it was, byte by byte.

use std::path::{Path, PathBuf};

use ssh_key::PublicKey;
use ssh_key::known_hosts::Marker;

use super::line::{self, Line};
use super::pins::named;
use super::{About, FILE_LIMIT, KINDS, Outcome, described, label, numbered, within_limits};
use crate::store::{self, StoreError};

const FILE: &str = "known_hosts";

/// The file of a state folder.
#[derive(Debug, Clone)]
pub struct KnownHosts {
    state: PathBuf,
    path: PathBuf,
}

/// A line that pins or revokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number, from 1.
    pub line: usize,
    /// `@revoked` or `@cert-authority`, where there is one.
    pub marker: Option<&'static str>,
    /// About whom, as it stands there; a hashed name is called that.
    pub names: String,
    /// The key.
    pub key: PublicKey,
}

/// What [`KnownHosts::forget`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The keys that are not pinned any more.
    pub keys: Vec<PublicKey>,
    /// Numbers of lines (in the file as it is now) that still pin a key for this host, by a pattern
    /// or without a port.
    pub left: Vec<usize>,
}

/// A pin was not made or not forgotten. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Another key is pinned.
    #[error(
        "{file} has another key for {host}: {pinned}. Where the relay's owner says that its key is \
         a new one, run `twocan hosts forget {host}` first"
    )]
    Changed {
        /// The file.
        file: String,
        /// As it stands there.
        host: String,
        /// The key that is pinned.
        pinned: String,
    },
    /// The key is revoked.
    #[error("{file} revokes this key for {host}: {key}")]
    Revoked {
        /// The file.
        file: String,
        /// As it stands there.
        host: String,
        /// The key.
        key: String,
    },
    /// The file makes no sense.
    #[error("{file} makes no sense: {trouble}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        trouble: String,
    },
    /// Our side can't check such keys.
    #[error("{0} keys cannot be pinned: this side checks ssh-ed25519 and ecdsa-sha2-nistp only")]
    Kind(String),
    /// The file is full.
    #[error("{0} is full")]
    Full(String),
    /// There is nothing to forget.
    #[error("{file} has no key for {host}")]
    NotPinned {
        /// The file.
        file: String,
        /// As it would stand there.
        host: String,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bytes of `path`, none where there is no such file; at most one more than [`FILE_LIMIT`].
pub(super) fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    Ok(store::read_start(path, FILE_LIMIT as u64 + 1)?.unwrap_or_default())
}

impl KnownHosts {
    /// The file of the state folder `state`.
    pub fn of(state: &Path) -> Self {
        Self { state: state.to_owned(), path: state.join(FILE) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every line that says something, and a sentence for every one that makes no sense.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<(Vec<Listed>, Vec<String>), PinError> {
        let bytes = self.bytes()?;
        let (mut listed, mut troubles) = (Vec::new(), Vec::new());
        for (line, raw) in numbered(&bytes) {
            match line::parse(&String::from_utf8_lossy(raw)) {
                Line::Blank => {}
                Line::Damaged { why, .. } => troubles.push(format!("line {line} {why}")),
                Line::Entry { marker, names, key } => {
                    let marker = marker.map(|marker| match marker {
                        Marker::Revoked => "@revoked",
                        Marker::CertAuthority => "@cert-authority",
                    });
                    listed.push(Listed { line, marker, names: names.shown(), key });
                }
            }
        }
        Ok((listed, troubles))
    }

    /// From now on `host` must show `key` at `port`. False: it had to already. The one place where a
    /// pin is made; call it only for a person who has compared the key.
    ///
    /// # Errors
    /// Another key is pinned (of whatever kind), this one is revoked, or the file cannot be used.
    pub fn pin(&self, host: &str, port: u16, key: &PublicKey) -> Result<bool, PinError> {
        if !KINDS.contains(&key.algorithm()) {
            return Err(PinError::Kind(key.algorithm().to_string()));
        }
        store::ensure_folder(&self.state)?;
        let _lock = store::lock(&self.state)?;
        let mut bytes = self.bytes()?;
        let about = About::read(&bytes, host, port);
        let (file, host) = (self.shown(), label(host, port));
        match about.judge(key) {
            Outcome::Match => return Ok(false),
            Outcome::Unknown => {}
            Outcome::Changed => {
                return Err(PinError::Changed { file, host, pinned: named(&about.pinned) });
            }
            Outcome::Revoked => {
                return Err(PinError::Revoked { file, host, key: described(key) });
            }
            Outcome::Unreadable => {
                let trouble = about.damaged.unwrap_or_default();
                return Err(PinError::Unreadable { file, trouble });
            }
        }
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        let key = PublicKey::from(key.key_data().clone());
        let key = key.to_openssh().expect("a key without a comment is text");
        bytes.extend_from_slice(format!("{host} {key}\n").as_bytes());
        within_limits(&bytes).map_err(|_| PinError::Full(file))?;
        store::write(&self.path, &bytes)?;
        Ok(true)
    }

    /// No key is pinned for `host` at `port` any more. Patterns stay, and so does what is revoked.
    ///
    /// # Errors
    /// None was pinned by name, or the file cannot be used.
    pub fn forget(&self, host: &str, port: u16) -> Result<Forgotten, PinError> {
        store::ensure_folder(&self.state)?;
        let _lock = store::lock(&self.state)?;
        let bytes = self.bytes()?;
        let name = label(host, port);
        let (mut keys, mut kept) = (Vec::new(), Vec::new());
        for (_, raw) in numbered(&bytes) {
            let text = String::from_utf8_lossy(raw);
            match line::parse(&text) {
                Line::Entry { marker: None, names, key } if names.cover(&name) => {
                    let (old, left) = (names.shown(), names.without(&name));
                    match left {
                        // A pattern.
                        Some(left) if left == old => kept.push(raw.to_vec()),
                        Some(left) => {
                            keys.push(key);
                            kept.push(text.replacen(&old, &left, 1).into_bytes());
                        }
                        None => keys.push(key),
                    }
                }
                _ => kept.push(raw.to_vec()),
            }
        }
        if keys.is_empty() {
            return Err(PinError::NotPinned { file: self.shown(), host: name });
        }
        let now = kept.join(&b'\n');
        store::write(&self.path, &now)?;
        let about = About::read(&now, host, port);
        let left = about.pinned.iter().chain(&about.without_port).map(|pin| pin.line).collect();
        Ok(Forgotten { keys, left })
    }

    /// All of it, within the limits.
    fn bytes(&self) -> Result<Vec<u8>, PinError> {
        let bytes = read(&self.path)?;
        match within_limits(&bytes) {
            Ok(()) => Ok(bytes),
            Err(trouble) => Err(PinError::Unreadable { file: self.shown(), trouble }),
        }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_hosts::pinnable;
    use std::fs;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCA6PjB4E6WZhZfDnrnEOxtEBOdimAAkwfd7kjdyy0PuSKWSLUvDmKKVRQ15+7OnBZiSme5jZynMep9dhPKRwU0=";

    fn scene(file: &str) -> (tempfile::TempDir, KnownHosts) {
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::of(folder.path());
        fs::write(hosts.path(), file).unwrap();
        (folder, hosts)
    }

    fn text(hosts: &KnownHosts) -> String {
        fs::read_to_string(hosts.path()).unwrap()
    }

    #[test]
    fn a_pin_is_made_once_and_never_over_another_key() {
        let (_folder, hosts) = scene("# mine\nelse.example ssh-ed");
        let [one, other, ecdsa] = [ONE, OTHER, ECDSA].map(|key| pinnable(key).unwrap());
        assert!(hosts.pin("Relay.Example", 2222, &one).unwrap());
        let now = format!("# mine\nelse.example ssh-ed\n[relay.example]:2222 {ONE}\n");
        assert_eq!(text(&hosts), now);
        assert!(!hosts.pin("relay.example", 2222, &one).unwrap(), "it was there");
        for another in [&other, &ecdsa] {
            let error = hosts.pin("relay.example", 2222, another).unwrap_err();
            assert!(matches!(error, PinError::Changed { .. }), "{error}");
        }
        let error = hosts.pin("else.example", 22, &one).unwrap_err();
        assert!(matches!(error, PinError::Unreadable { .. }), "{error}");
        assert_eq!(text(&hosts), now);
        assert!(hosts.pin("relay.example", 22, &other).unwrap(), "another port, another server");
    }

    #[test]
    fn a_revoked_key_is_not_pinned() {
        let (_folder, hosts) = scene(&format!("@revoked * {ONE}\n"));
        let error = hosts.pin("relay.example", 22, &pinnable(ONE).unwrap()).unwrap_err();
        assert!(matches!(error, PinError::Revoked { .. }), "{error}");
    }

    #[test]
    fn a_file_that_is_full_stays_as_it_is() {
        let full = "#\n".repeat(FILE_LIMIT.min(2 * super::super::LINES_LIMIT) / 2);
        let (_folder, hosts) = scene(&full);
        let error = hosts.pin("relay.example", 22, &pinnable(ONE).unwrap()).unwrap_err();
        assert!(matches!(error, PinError::Full(_)), "{error}");
        assert_eq!(text(&hosts), full);
    }

    #[test]
    fn forgetting_takes_the_name_away_and_nothing_else() {
        let before = format!(
            "# mine\nrelay.example {ONE}\na.example,Relay.example,b.example {OTHER} both\r\n\
             [relay.example]:2222 {ONE}\n*.example {ONE}\n@revoked relay.example {OTHER}\nrelay.example"
        );
        let (_folder, hosts) = scene(&before);
        let forgotten = hosts.forget("relay.example", 22).unwrap();
        assert_eq!(forgotten.keys.len(), 2);
        assert_eq!(forgotten.left, [4], "the pattern");
        let after = format!(
            "# mine\na.example,b.example {OTHER} both\r\n[relay.example]:2222 {ONE}\n\
             *.example {ONE}\n@revoked relay.example {OTHER}\nrelay.example"
        );
        assert_eq!(text(&hosts), after);
        let error = hosts.forget("relay.example", 22).unwrap_err();
        assert!(matches!(error, PinError::NotPinned { .. }), "{error}");
        assert_eq!(text(&hosts), after);
    }

    #[test]
    fn the_list_has_every_line_and_the_trouble_with_others() {
        let (_folder, hosts) = scene(&format!("a,b {ONE}\n\n@revoked * {OTHER}\nc {ONE}x\n"));
        let (listed, troubles) = hosts.list().unwrap();
        let lines: Vec<_> = listed.iter().map(|l| (l.line, l.marker, &l.names[..])).collect();
        assert_eq!(lines, [(1, None, "a,b"), (3, Some("@revoked"), "*")]);
        assert_eq!(troubles, ["line 4 has no key that can be read"]);
    }

    #[test]
    fn no_file_is_an_empty_one_and_a_folder_in_its_place_is_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::of(&folder.path().join("state"));
        assert!(hosts.list().unwrap().0.is_empty());
        assert!(hosts.pin("h", 22, &pinnable(ONE).unwrap()).unwrap());
        fs::remove_file(hosts.path()).unwrap();
        fs::create_dir(hosts.path()).unwrap();
        assert!(matches!(hosts.list().unwrap_err(), PinError::Store(_)));
    }
}
