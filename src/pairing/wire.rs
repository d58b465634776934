//! The bytes of pairing: messages behind a two-byte big-endian length, at most [`MESSAGE_LIMIT`] each.
//!
//! ```text
//!  length (2) │ version (1) │ kind (1) │ body
//! ```
//! The joining side opens with the highest version it knows; the offering side answers with the
//! smaller one of both, which all later messages have. Both are part of what is proven, so that
//! nobody in between can talk them down. What is said once the words are proven is sealed, and is a
//! [`Secret`] inside.

/// The highest version that we know.
pub const VERSION: u8 = 1;
pub use crate::caps::{
    PAIRING_CARD_LIMIT as CARD_LIMIT, PAIRING_LIMIT as MESSAGE_LIMIT,
    PAIRING_TOTAL_LIMIT as TOTAL_LIMIT,
};

/// Of a PAKE message.
const ELEMENT: usize = 33;

/// What is said in the open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The joining side's PAKE message.
    Open([u8; ELEMENT]),
    /// The offering side's PAKE message.
    Answer([u8; ELEMENT]),
    /// That the sender came to the same key.
    Proof([u8; 32]),
    /// A [`Secret`].
    Sealed(Vec<u8>),
    /// The proof was wrong.
    Wrong,
    /// A person has stopped it; only before anything is proven.
    Stopped,
}

/// What is said under the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A card's bytes.
    Card(Vec<u8>),
    /// SHA-256 of the nonce that comes later.
    Commit([u8; 32]),
    /// A random number for the pictures.
    Nonce([u8; 32]),
    /// The person says that the pictures are the same.
    Same,
    /// The person says that they differ.
    Different,
    /// The person has stopped it.
    Stop,
}

/// The bytes are no message of a version that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message of pairing")]
pub struct WireError;

impl Message {
    /// With the length in front.
    pub fn encode(&self, version: u8) -> Vec<u8> {
        let (kind, body): (u8, &[u8]) = match self {
            Message::Open(element) => (1, element),
            Message::Answer(element) => (2, element),
            Message::Proof(proof) => (3, proof),
            Message::Sealed(sealed) => (4, sealed),
            Message::Wrong => (5, &[]),
            Message::Stopped => (6, &[]),
        };
        let length = u16::try_from(2 + body.len()).expect("messages are at most 1 KiB");
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[version, kind]);
        bytes.extend_from_slice(body);
        bytes
    }

    /// From what is behind the length: the version and the message.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<(u8, Self), WireError> {
        let [version, kind, body @ ..] = bytes else { return Err(WireError) };
        if *version == 0 {
            return Err(WireError);
        }
        let message = match (kind, body) {
            (1, body) => Message::Open(body.try_into().map_err(|_| WireError)?),
            (2, body) => Message::Answer(body.try_into().map_err(|_| WireError)?),
            (3, body) => Message::Proof(body.try_into().map_err(|_| WireError)?),
            (4, body) => Message::Sealed(body.to_vec()),
            (5, []) => Message::Wrong,
            (6, []) => Message::Stopped,
            _ => return Err(WireError),
        };
        Ok((*version, message))
    }
}

/// The length in front of a message.
///
/// # Errors
/// It is over [`MESSAGE_LIMIT`].
pub fn decode_length(bytes: [u8; 2]) -> Result<usize, WireError> {
    match usize::from(u16::from_be_bytes(bytes)) {
        length if length <= MESSAGE_LIMIT => Ok(length),
        _ => Err(WireError),
    }
}

impl Secret {
    /// To be sealed.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body): (u8, &[u8]) = match self {
            Secret::Card(card) => (1, card),
            Secret::Commit(hash) => (2, hash),
            Secret::Nonce(nonce) => (3, nonce),
            Secret::Same => (4, &[]),
            Secret::Different => (5, &[]),
            Secret::Stop => (6, &[]),
        };
        [&[kind], body].concat()
    }

    /// From under the seal.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        Ok(match bytes {
            [1, card @ ..] => Secret::Card(card.to_vec()),
            [2, hash @ ..] => Secret::Commit(hash.try_into().map_err(|_| WireError)?),
            [3, nonce @ ..] => Secret::Nonce(nonce.try_into().map_err(|_| WireError)?),
            [4] => Secret::Same,
            [5] => Secret::Different,
            [6] => Secret::Stop,
            _ => return Err(WireError),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        let element: [u8; 33] = std::array::from_fn(|n| n as u8);
        let with = |head: &[u8], body: &[u8]| [head, body].concat();
        let recorded = [
            (with(&[0, 35, 1, 1], &element), Message::Open(element)),
            (with(&[0, 35, 1, 2], &element), Message::Answer(element)),
            (with(&[0, 34, 1, 3], &[7; 32]), Message::Proof([7; 32])),
            (with(&[0, 5, 1, 4], b"abc"), Message::Sealed(b"abc".to_vec())),
            (vec![0, 2, 1, 5], Message::Wrong),
            (vec![0, 2, 1, 6], Message::Stopped),
        ];
        for (bytes, message) in recorded {
            assert_eq!(message.encode(1), bytes);
            assert_eq!(decode_length([bytes[0], bytes[1]]), Ok(bytes.len() - 2));
            assert_eq!(Message::decode(&bytes[2..]), Ok((1, message)));
        }
        let secrets = [
            (with(&[1], b"card"), Secret::Card(b"card".to_vec())),
            (with(&[2], &[8; 32]), Secret::Commit([8; 32])),
            (with(&[3], &[9; 32]), Secret::Nonce([9; 32])),
            (vec![4], Secret::Same),
            (vec![5], Secret::Different),
            (vec![6], Secret::Stop),
        ];
        for (bytes, secret) in secrets {
            assert_eq!(secret.encode(), bytes);
            assert_eq!(Secret::decode(&bytes), Ok(secret));
        }
    }

    #[test]
    fn there_is_no_version_0_and_no_long_message() {
        assert_eq!(Message::decode(&[0, 5]), Err(WireError));
        assert_eq!(decode_length(1025_u16.to_be_bytes()), Err(WireError));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in any::<Vec<u8>>()) {
            let _ = Message::decode(&bytes);
            let _ = Secret::decode(&bytes);
        }
    }
}
