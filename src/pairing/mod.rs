//! Pairing: two kiosks that don't know each other yet become contacts.
//!
//! ```text
//!  in one room:  A shows its card as a QR code ── B's camera ──> B has A's key, and the other way round
//!  far apart:    A shows four words ── telephone ──> B enters them; both meet at the relay,
//!                prove the words to each other (a PAKE) and exchange their cards under its key
//!  then, both:   the same four pictures on both screens? ── yes, twice ──> contacts
//! ```
//! The words are good for three tries, then there are new ones. Whoever sits at the relay sees that
//! two kiosks pair, and neither words nor names; who guesses uses up a try, and it is seen.

mod keys;
pub mod offer;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;
pub mod talk;
pub mod wire;
pub mod words;

use crate::card::Card;
use crate::identity::PeerKey;

/// Words of a code.
pub const WORDS: usize = 4;
/// Pictures that are compared.
pub const COMPARED: usize = 4;
/// How often wrong words may be tried before there are new ones.
pub const TRIES: u8 = 3;

/// The pictures that there are to compare, as a person calls them; of each there is a drawing of this
/// name in `ui/images/pictures`.
pub const PICTURES: [&str; 32] = [
    "sun",
    "moon",
    "star",
    "cloud",
    "umbrella",
    "house",
    "tree",
    "flower",
    "apple",
    "cherry",
    "banana",
    "carrot",
    "cup",
    "key",
    "bell",
    "clock",
    "book",
    "ball",
    "balloon",
    "kite",
    "boat",
    "car",
    "train",
    "fish",
    "bird",
    "cat",
    "snail",
    "butterfly",
    "heart",
    "hat",
    "candle",
    "mushroom",
];

/// Four of [`PICTURES`], by their places in it.
pub type Four = [u8; COMPARED];

/// Four words of the English list of BIP 39.
pub type Words = [&'static str; WORDS];

/// What is asked of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Make a code, and wait at the relay for whoever knows it.
    Offer,
    /// Go to whoever made this code.
    Join(Words),
    /// A person has compared the pictures.
    Same(bool),
    /// A person has had enough.
    Stop,
}

/// How it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These words are to be told to the other one; after wrong tries, other words.
    Words(Words),
    /// Somebody has tried with wrong words; so often more may be tried.
    WrongTry {
        /// 0: new words follow.
        left: u8,
    },
    /// The other one is there, and knows the words. Do the pictures look the same on both?
    Compare {
        /// What the other calls itself.
        card: Card,
        /// What is shown here.
        four: Four,
    },
    /// We said yes; the other one has not yet.
    TheirTurn,
    /// Both said yes: this is a contact now.
    Paired(Card),
    /// It came to nothing.
    Failed(Refusal),
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no relay, or it is not connected.
    #[error("the meeting point is not connected")]
    NoMeeting,
    /// Nobody waits with such words (any more).
    #[error("nobody waits with these words; they may be old")]
    Nobody,
    /// The words are not the ones.
    #[error("the words were not the right ones")]
    WrongWords,
    /// A person said that the pictures differ: somebody was in between.
    #[error("the pictures were not the same: somebody may be in between")]
    Different,
    /// A person stopped it here.
    #[error("stopped here")]
    Stopped,
    /// A person stopped it there.
    #[error("stopped at the other end")]
    TheyStopped,
    /// It is our own code.
    #[error("these are this kiosk's own words")]
    Ourselves,
    /// Nothing came for too long.
    #[error("it took too long")]
    TooLong,
    /// The line broke, or what came was not of this protocol.
    #[error("the line broke")]
    Broken,
}

/// The four pictures of two kiosks that scanned each other: the same on both, whoever asks first.
pub fn four_of(us: PeerKey, them: PeerKey) -> Four {
    let (small, large) = if us < them { (us, them) } else { (them, us) };
    let mut both = b"twocan pictures 1".to_vec();
    both.extend_from_slice(&small.0);
    both.extend_from_slice(&large.0);
    four_from(ring::digest::digest(&ring::digest::SHA256, &both).as_ref())
}

/// Four pictures from the first bytes of a hash, five bits each.
fn four_from(hash: &[u8]) -> Four {
    std::array::from_fn(|place| hash[place] & 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_see_the_same_pictures_and_another_one_sees_others() {
        let [a, b, c] = [PeerKey([1; 32]), PeerKey([2; 32]), PeerKey([3; 32])];
        assert_eq!(four_of(a, b), four_of(b, a));
        assert_ne!(four_of(a, b), four_of(a, c));
        assert!(four_of(a, b).iter().all(|place| usize::from(*place) < PICTURES.len()));
    }
}
