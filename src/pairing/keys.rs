//! From the words to keys: the PAKE, the proofs that both came to the same, and the sealed channel.
//!
//! ```text
//!  words ── SPAKE2 (Ed25519 group) ──> secret ─┐
//!  versions, both PAKE messages ── SHA-256 ──> transcript ── HKDF ──> two proof keys, two seals
//! ```
//! Each side has keys of its own; the seal's nonce counts messages, so that one which is lost, added,
//! repeated or moved opens nothing any more.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hkdf, hmac};
use spake2::{Ed25519Group, Identity, Password, Spake2};

use super::Words;

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Has made the words, and waits.
    Offer,
    /// Was told the words, and comes.
    Join,
}

/// A PAKE message of ours is out, theirs is due.
pub(super) struct Begun {
    pake: Spake2<Ed25519Group>,
    role: Role,
    ours: [u8; 33],
}

impl Begun {
    /// From the words, with fresh random numbers.
    pub(super) fn new(role: Role, words: &Words) -> Self {
        let password = Password::new(words.join("-"));
        let (join, offer) = (Identity::new(b"twocan join"), Identity::new(b"twocan offer"));
        let (pake, message) = match role {
            Role::Join => Spake2::start_a(&password, &join, &offer),
            Role::Offer => Spake2::start_b(&password, &join, &offer),
        };
        let ours = message.try_into().expect("a point and a letter are 33 bytes");
        Self { pake, role, ours }
    }

    /// To be sent.
    pub(super) fn message(&self) -> [u8; 33] {
        self.ours
    }

    /// With theirs. `versions`: what the joining side offered, what was chosen. None: no such point.
    pub(super) fn finish(self, theirs: &[u8; 33], versions: [u8; 2]) -> Option<Keys> {
        let secret = self.pake.finish(theirs).ok()?;
        let (open, answer) = match self.role {
            Role::Join => (&self.ours, theirs),
            Role::Offer => (theirs, &self.ours),
        };
        let said = [b"twocan pairing", &versions[..], open, answer].concat();
        Some(Keys::new(self.role, &secret, hash(&said)))
    }
}

/// SHA-256.
pub(super) fn hash(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

/// What a conversation has once both PAKE messages are there; proven is nothing yet.
pub(super) struct Keys {
    /// Hash of what was said so far.
    pub(super) transcript: [u8; 32],
    our_proof: hmac::Key,
    their_proof: hmac::Key,
    ours: Seal,
    theirs: Seal,
}

impl Keys {
    fn new(role: Role, secret: &[u8], transcript: [u8; 32]) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, &transcript).extract(secret);
        let key = |info: &[u8]| {
            let mut bytes = [0; 32];
            root.expand(&[info], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(&mut bytes))
                .expect("32 bytes are as long as the hash");
            bytes
        };
        let proof = |info| hmac::Key::new(hmac::HMAC_SHA256, &key(info));
        let seal = |info| Seal::new(&key(info));
        let join = (proof(&b"join proof"[..]), seal(&b"join seal"[..]));
        let offer = (proof(&b"offer proof"[..]), seal(&b"offer seal"[..]));
        let ((our_proof, ours), (their_proof, theirs)) = match role {
            Role::Join => (join, offer),
            Role::Offer => (offer, join),
        };
        Self { transcript, our_proof, their_proof, ours, theirs }
    }

    /// That we have the key.
    pub(super) fn prove(&self) -> [u8; 32] {
        let tag = hmac::sign(&self.our_proof, &self.transcript);
        tag.as_ref().try_into().expect("an HMAC-SHA256 has 32 bytes")
    }

    /// Whether they have it.
    pub(super) fn believe(&self, proof: &[u8; 32]) -> bool {
        hmac::verify(&self.their_proof, &self.transcript, proof).is_ok()
    }

    /// Under our seal.
    pub(super) fn seal(&mut self, plain: Vec<u8>) -> Vec<u8> {
        let mut bytes = plain;
        let nonce = self.ours.next();
        self.ours
            .key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes)
            .expect("a message is far below the cipher's limit");
        bytes
    }

    /// From under theirs. None: it is not the next message of theirs.
    pub(super) fn open(&mut self, sealed: Vec<u8>) -> Option<Vec<u8>> {
        let mut bytes = sealed;
        let nonce = self.theirs.next();
        let length = self.theirs.key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

/// One direction.
struct Seal {
    key: LessSafeKey,
    count: u64,
}

impl Seal {
    fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes");
        Self { key: LessSafeKey::new(key), count: 0 }
    }

    /// Never the same twice.
    fn next(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = ["abandon", "zoo", "act", "monkey"];

    fn keys(offer: &Words, join: &Words, versions: [[u8; 2]; 2]) -> (Keys, Keys) {
        let (offer, join) = (Begun::new(Role::Offer, offer), Begun::new(Role::Join, join));
        let (answer, open) = (offer.message(), join.message());
        (offer.finish(&open, versions[0]).unwrap(), join.finish(&answer, versions[1]).unwrap())
    }

    #[test]
    fn the_same_words_prove_themselves_and_seal_in_order() {
        let (mut offer, mut join) = keys(&WORDS, &WORDS, [[1, 1]; 2]);
        assert!(offer.believe(&join.prove()) && join.believe(&offer.prove()));
        assert!(!offer.believe(&offer.prove()), "a proof sent back proves nothing");
        let (one, two) = (offer.seal(b"one".to_vec()), offer.seal(b"two".to_vec()));
        assert_eq!(join.open(one.clone()), Some(b"one".to_vec()));
        assert_eq!(join.open(one), None, "not again");
        let (mut offer, mut join) = keys(&WORDS, &WORDS, [[1, 1]; 2]);
        offer.seal(b"lost".to_vec());
        assert_eq!(join.open(two), None, "of another conversation");
        let sealed = offer.seal(b"later".to_vec());
        assert_eq!(offer.open(sealed), None, "not by its own sender");
    }

    #[test]
    fn other_words_or_other_versions_prove_nothing() {
        let (offer, join) = keys(&WORDS, &["abandon", "zoo", "act", "moon"], [[1, 1]; 2]);
        assert!(!offer.believe(&join.prove()) && !join.believe(&offer.prove()));
        let (offer, join) = keys(&WORDS, &WORDS, [[1, 1], [2, 1]]);
        assert!(!offer.believe(&join.prove()));
    }
}
