//! Who a kiosk is: an Ed25519 key, made at the first start. The public key *is* the kiosk.
//!
//! The private key lies in `STATE/identity`, in the format of OpenSSH, so that `ssh-keygen` and
//! `ssh -i` read it too. It is made once and never overwritten: a file that cannot be read is an
//! error for a human, because a new key would make the kiosk a stranger to everyone it knows.
//!
//! A key is compared by people in two ways: the fingerprint as `ssh-keygen -l` prints it, and six
//! words. The words are the first 66 bits of the fingerprint's SHA-256 (of the key's SSH blob), most
//! significant bit first, 11 bits a word, as indices into the English list of BIP 39.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey};

use crate::store::{self, StoreError};

/// The name of the private key's file in the state folder.
pub const FILE: &str = "identity";

/// A kiosk's Ed25519 public key: what contacts pin. Ordered by its bytes; the smaller key dials.
///
/// As text (and in files) it is an OpenSSH key line without a comment: `ssh-ed25519 AAAA…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerKey(pub [u8; 32]);

/// The text was not an Ed25519 public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a key line at all, or one whose base64 is damaged.
    #[error("`{0}` is not a public key; expected a line such as `ssh-ed25519 AAAA…`")]
    Unreadable(String),
    /// A key of another kind.
    #[error("this is a key of the kind {0}; expected an ssh-ed25519 key")]
    Algorithm(String),
}

impl PeerKey {
    /// From a key line as `ssh-keygen` and `twocan identity` print it; a comment is ignored.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_openssh(line: &str) -> Result<Self, KeyError> {
        let key = PublicKey::from_openssh(line.trim()).map_err(|_| {
            KeyError::Unreadable(line.trim().chars().filter(|c| !c.is_control()).take(40).collect())
        })?;
        Self::from_public_key(&key)
    }

    /// From a key that `ssh-key` has read already.
    ///
    /// # Errors
    /// [`KeyError::Algorithm`].
    pub fn from_public_key(key: &PublicKey) -> Result<Self, KeyError> {
        match key.key_data() {
            KeyData::Ed25519(key) => Ok(Self(key.0)),
            other => Err(KeyError::Algorithm(other.algorithm().to_string())),
        }
    }

    /// For the SSH library.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(KeyData::Ed25519(Ed25519PublicKey(self.0)), "")
    }

    /// The key line, with `comment` behind it unless that is empty.
    pub fn to_openssh(&self, comment: &str) -> String {
        let line = self.public_key().to_openssh().expect("an Ed25519 key is always encodable");
        let comment: String = comment.chars().filter(|c| !c.is_control()).collect();
        format!("{} {}", line.trim(), comment.trim()).trim().to_owned()
    }

    /// `SHA256:` and 43 characters, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// The SHA-256 of the key's SSH blob: what the fingerprint shows.
    fn hash(&self) -> [u8; 32] {
        self.public_key()
            .fingerprint(HashAlg::Sha256)
            .sha256()
            .expect("a SHA-256 fingerprint was asked for")
    }

    /// The first 16 hexadecimal digits of the hash: fit for file and socket names.
    pub fn id16(&self) -> String {
        self.hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first eight of those digits, as a number: for where there is no room for more.
    pub fn id32(&self) -> u32 {
        let [first, second, third, fourth, ..] = self.hash();
        u32::from_be_bytes([first, second, third, fourth])
    }

    /// Six words to read aloud; see the top of this file.
    pub fn words(&self) -> [&'static str; 6] {
        let hash = self.hash();
        let list = bip39::Language::English.word_list();
        std::array::from_fn(|word| {
            let bits = (word * 11)..(word * 11 + 11);
            let index = bits
                .fold(0, |index, bit| index << 1 | usize::from(hash[bit / 8] >> (7 - bit % 8) & 1));
            list[index]
        })
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_openssh(""))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl FromStr for PeerKey {
    type Err = KeyError;

    fn from_str(line: &str) -> Result<Self, KeyError> {
        Self::from_openssh(line)
    }
}

impl TryFrom<String> for PeerKey {
    type Error = KeyError;

    fn try_from(line: String) -> Result<Self, KeyError> {
        Self::from_openssh(&line)
    }
}

impl From<PeerKey> for String {
    fn from(key: PeerKey) -> String {
        key.to_string()
    }
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file or its folder cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is a file, but no key in it. It is left alone.
    #[error(
        "identity {path} is not an Ed25519 private key without a passphrase; put a copy of it back, or move it away to become a new kiosk to everyone"
    )]
    Broken {
        /// The file.
        path: PathBuf,
    },
}

/// Our own key pair.
#[derive(Clone)]
pub struct Identity {
    key: PrivateKey,
    public: PeerKey,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.public).finish()
    }
}

impl Identity {
    /// A new one, from the kernel's random numbers.
    pub fn generate() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the kernel gives random numbers once it has booted");
        let pair = Ed25519Keypair::from_seed(&seed);
        let key = PrivateKey::new(KeypairData::Ed25519(pair), "twocan")
            .expect("a fresh Ed25519 pair is a private key");
        Self::from_private_key(key).expect("the key was made as Ed25519 just now")
    }

    /// From a key read elsewhere. None: it is not Ed25519, or behind a passphrase.
    pub fn from_private_key(key: PrivateKey) -> Option<Self> {
        if !matches!(key.key_data(), KeypairData::Ed25519(_)) {
            return None;
        }
        let public = PeerKey::from_public_key(key.public_key()).ok()?;
        Some(Self { key, public })
    }

    /// The one of the state folder `state`; made, with the folder, when there is none yet.
    ///
    /// # Errors
    /// See [`IdentityError`]. A file that is there is never overwritten.
    pub fn load_or_create(state: &Path) -> Result<Self, IdentityError> {
        store::ensure_folder(state)?;
        let path = state.join(FILE);
        if let Some(found) = Self::load(&path)? {
            return Ok(found);
        }
        let new = Self::generate();
        let text = new.key.to_openssh(LineEnding::LF).expect("an Ed25519 key is always encodable");
        if store::create(&path, text.as_bytes())? {
            return Ok(new);
        }
        // Another process was faster; its key is the kiosk's.
        Self::load(&path)?.ok_or(IdentityError::Broken { path })
    }

    /// The one of the state folder `state`, if there is one; nothing is made.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn find(state: &Path) -> Result<Option<Self>, IdentityError> {
        Self::load(&state.join(FILE))
    }

    fn load(path: &Path) -> Result<Option<Self>, IdentityError> {
        let Some(bytes) = store::read(path)? else { return Ok(None) };
        let broken = || IdentityError::Broken { path: path.to_owned() };
        let key = PrivateKey::from_openssh(&bytes).map_err(|_| broken())?;
        let found = Self::from_private_key(key).ok_or_else(broken)?;
        keep_private(path).map_err(|source| StoreError::new("protect", path, source))?;
        Ok(Some(found))
    }

    /// What others know us by.
    pub fn public(&self) -> PeerKey {
        self.public
    }

    /// For the SSH library.
    pub fn private_key(&self) -> &PrivateKey {
        &self.key
    }
}

/// A restored copy may have come with wider permissions; OpenSSH would refuse it, we mend it.
fn keep_private(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!("identity {} could be read by others; now it cannot", path.display());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
