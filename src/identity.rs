//! Who a kiosk is: an Ed25519 key, made at the first start. The public key *is* the kiosk.

use std::fmt;

/// A kiosk's Ed25519 public key: what contacts pin. Ordered by its bytes; the smaller key dials.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}
