//! A kiosk in one file behind a passphrase: what a dead memory card is replaced from.
//!
//! ```text
//!  TWOCANBACKUP1 │ memory, passes, lanes (4 each) │ salt (16) │ nonce (12) │ sealed entries
//!  passphrase, salt ── Argon2id ──> key ── ChaCha20-Poly1305, the head as associated data
//!  entry: length (1) name, length (4) bytes
//! ```
//! Identity, contacts, photos, host keys, relay and settings; no records of calls. Whoever has the file
//! and the passphrase *is* the kiosk. The identity is written last, so that a restore which was cut
//! short can be done again.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::identity::{self, Identity, IdentityError, PeerKey};
use crate::store::{self, StoreError};

/// The fewest characters of a passphrase.
pub const PASSPHRASE: usize = 8;
/// The largest file in bytes.
pub const SIZE_LIMIT: u64 = 256 << 20;

const MAGIC: &[u8] = b"TWOCANBACKUP1";
const HEAD: usize = MAGIC.len() + 12 + 16 + 12;
/// KiB of memory, passes and lanes of Argon2id: half a second on a Raspberry Pi 4.
const COST: [u32; 3] = [64 * 1024, 3, 1];
/// The most that a file may ask for.
const MOST: [u32; 3] = [256 * 1024, 16, 8];
/// Of the state folder, in the order in which they are restored.
const FILES: [&str; 5] =
    ["contacts.toml", "settings.toml", "known_hosts", "relay.toml", identity::FILE];
const PHOTOS: &str = "photos";

/// Why there is no back-up, or why it was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The identity that is there.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// There is nothing to keep.
    #[error("there is no kiosk here yet: it has no identity to keep")]
    Nothing,
    /// A photo's folder could not be listed.
    #[error("list the photos: {0}")]
    Photos(std::io::Error),
    /// Too much.
    #[error("a back-up of over 256 MiB is not made")]
    TooLarge,
    /// Too short.
    #[error("the passphrase needs {PASSPHRASE} characters or more")]
    Passphrase,
    /// Not ours, or of a later version.
    #[error("this is not a back-up of a kiosk")]
    Foreign,
    /// The wrong passphrase, or another byte than there was.
    #[error("the passphrase is wrong, or the file is damaged")]
    Locked,
    /// The folder is somebody else's.
    #[error(
        "there is another kiosk's identity here already; --replace puts the back-up in its place"
    )]
    Occupied,
    /// The kernel or the memory.
    #[error("make a key of the passphrase: {0}")]
    Key(argon2::Error),
}

/// The files that are kept, each with its name below the state folder.
struct Entries(Vec<(String, Vec<u8>)>);

/// The kiosk of the folder `state`, sealed.
///
/// # Errors
/// See [`BackupError`].
pub fn make(state: &Path, passphrase: &str) -> Result<Vec<u8>, BackupError> {
    if passphrase.chars().count() < PASSPHRASE {
        return Err(BackupError::Passphrase);
    }
    let plain = Entries::read(state)?.to_bytes();
    if plain.len() as u64 + 1024 > SIZE_LIMIT {
        return Err(BackupError::TooLarge);
    }
    let mut random = [0; 28];
    getrandom::fill(&mut random).expect("the kernel gives random numbers once it has booted");
    let cost = COST.map(u32::to_be_bytes).concat();
    let head = [MAGIC, &cost, &random].concat();
    let (key, nonce) = open_head(&head, passphrase)?;
    let mut sealed = plain;
    key.seal_in_place_append_tag(nonce, Aad::from(&head), &mut sealed)
        .expect("the entries are far below the cipher's limit");
    Ok([head, sealed].concat())
}

/// Put the kiosk of a back-up into the folder `state`; who that is. `replace`: over another one.
///
/// # Errors
/// See [`BackupError`]; nothing was changed but for [`BackupError::Store`].
pub fn restore(
    state: &Path,
    bytes: &[u8],
    passphrase: &str,
    replace: bool,
) -> Result<PeerKey, BackupError> {
    if bytes.len() < HEAD || !bytes.starts_with(MAGIC) {
        return Err(BackupError::Foreign);
    }
    let (head, sealed) = bytes.split_at(HEAD);
    let (key, nonce) = open_head(head, passphrase)?;
    let mut plain = sealed.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(head), &mut plain);
    let entries = Entries::from_bytes(plain.map_err(|_| BackupError::Locked)?);
    let entries = entries.ok_or(BackupError::Foreign)?;
    let who = entries.identity().ok_or(BackupError::Foreign)?;
    match Identity::find(state) {
        Ok(Some(there)) if there.public() != who && !replace => return Err(BackupError::Occupied),
        Err(error) if !replace => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    entries.write(state)?;
    Ok(who)
}

/// The key and the nonce that a head and a passphrase make.
fn open_head(head: &[u8], passphrase: &str) -> Result<(LessSafeKey, Nonce), BackupError> {
    let (cost, random) = head[MAGIC.len()..].split_at(12);
    let number = |place: usize| {
        let bytes = &cost[place * 4..place * 4 + 4];
        u32::from_be_bytes(bytes.try_into().expect("four bytes were taken"))
    };
    let cost = [number(0), number(1), number(2)];
    if cost.iter().zip(MOST).any(|(wanted, most)| *wanted > most) {
        return Err(BackupError::Foreign);
    }
    let params = Params::new(cost[0], cost[1], cost[2], Some(32));
    let argon =
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| BackupError::Foreign)?);
    let mut key = [0; 32];
    argon
        .hash_password_into(passphrase.as_bytes(), &random[..16], &mut key)
        .map_err(BackupError::Key)?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("the key has 32 bytes");
    let nonce = Nonce::try_assume_unique_for_key(&random[16..28]).expect("12 bytes were taken");
    Ok((LessSafeKey::new(key), nonce))
}

impl Entries {
    fn read(state: &Path) -> Result<Self, BackupError> {
        let mut entries = Vec::new();
        for name in FILES {
            if let Some(bytes) = store::read(&state.join(name))? {
                entries.push((name.to_owned(), bytes));
            }
        }
        let folder = match std::fs::read_dir(state.join(PHOTOS)) {
            Ok(folder) => Some(folder),
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(BackupError::Photos(error)),
        };
        for file in folder.into_iter().flatten() {
            let name = file.map_err(BackupError::Photos)?.file_name();
            let name = format!("{PHOTOS}/{}", name.to_string_lossy());
            if is_kept(&name)
                && let Some(bytes) = store::read(&state.join(&name))?
            {
                entries.push((name, bytes));
            }
        }
        let entries = Self(entries);
        if entries.identity().is_none() {
            return Err(BackupError::Nothing);
        }
        Ok(entries)
    }

    fn identity(&self) -> Option<PeerKey> {
        let (_, bytes) = self.0.iter().find(|(name, _)| name == identity::FILE)?;
        let key = ssh_key::PrivateKey::from_openssh(bytes).ok()?;
        Identity::from_private_key(key).map(|identity| identity.public())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, bytes) in &self.0 {
            out.push(u8::try_from(name.len()).expect("the names that are kept are short"));
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(
                &u32::try_from(bytes.len()).expect("files are at most 16 MiB").to_be_bytes(),
            );
            out.extend_from_slice(bytes);
        }
        out
    }

    /// None: there is something that a back-up does not have.
    fn from_bytes(mut rest: &[u8]) -> Option<Self> {
        let mut entries = Vec::new();
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at_checked(length)?;
            rest = left;
            Some(taken)
        };
        while let Some([length]) = take(1) {
            let name = std::str::from_utf8(take(usize::from(*length))?).ok()?;
            let length = u32::from_be_bytes(take(4)?.try_into().ok()?);
            let bytes = take(usize::try_from(length).ok()?)?;
            if !is_kept(name) {
                return None;
            }
            entries.push((name.to_owned(), bytes.to_vec()));
        }
        Some(Self(entries))
    }

    fn write(&self, state: &Path) -> Result<(), BackupError> {
        store::ensure_folder(state)?;
        let _lock = store::lock(state)?;
        store::ensure_folder(&state.join(PHOTOS))?;
        for (name, bytes) in &self.0 {
            if name.contains('/') {
                store::replace(&state.join(name), bytes)?;
            }
        }
        for name in FILES {
            if let Some((_, bytes)) = self.0.iter().find(|(entry, _)| entry == name) {
                store::write(&state.join(name), bytes)?;
            }
        }
        Ok(())
    }
}

/// A file of a back-up: one of [`FILES`], or a photo.
fn is_kept(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match name.strip_prefix("photos/") {
        Some(photo) => {
            (1..=100).contains(&photo.len()) && photo.chars().all(plain) && !photo.starts_with('.')
        }
        None => FILES.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_kiosk_are_written() {
        for good in ["identity", "contacts.toml", "photos/0011aabb.jpg"] {
            assert!(is_kept(good), "{good}");
        }
        for bad in ["", "photos/", "photos/..", "photos/../identity", "/etc/passwd", "calls", "a/b"]
        {
            assert!(!is_kept(bad), "{bad}");
        }
        let entry = |name: &str| Entries(vec![(name.to_owned(), b"x".to_vec())]).to_bytes();
        assert!(Entries::from_bytes(&entry("settings.toml")).is_some());
        assert!(Entries::from_bytes(&entry("../settings.toml")).is_none());
        assert!(Entries::from_bytes(b"\x05ab").is_none());
    }

    #[test]
    fn a_file_does_not_choose_how_much_memory_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        bytes.extend_from_slice(&[0; 100]);
        let restored = restore(folder.path(), &bytes, "a passphrase", false);
        assert!(matches!(restored, Err(BackupError::Foreign)));
    }
}
