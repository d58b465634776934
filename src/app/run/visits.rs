//! What the loop does for a look-in: it is in the log before the kiosk answers, or the kiosk does not.

use super::Loop;
use crate::app::events::Event;
use crate::clock::{self, Time};
use crate::identity::PeerKey;
use crate::lookins::{self, Entry, How};

impl Loop {
    /// False when it is the end, as of every event.
    pub(super) fn let_in(&mut self, peer: PeerKey, now: Time) -> bool {
        let written = self.log_visit(peer, How::Opened);
        self.feed(Event::LetIn(written), now)
    }

    /// Whether it is on the disk.
    pub(super) fn log_visit(&mut self, peer: PeerKey, how: How) -> bool {
        let (name, fingerprint) = (self.name_of(peer), peer.fingerprint());
        let entry = Entry { when: clock::unix_seconds(), name, fingerprint, how };
        lookins::append(&self.state_folder, entry)
            .inspect_err(|error| tracing::warn!("{error}"))
            .is_ok()
    }
}
