//! From the relay back to the direct way.
//!
//! ```text
//!  up through the relay ── no call ──> look at the direct addresses, ever less often
//!                                         └─ a whole session stands ──> it takes the other's place
//! ```
//! Only while there is no call: a call stays where it runs until that dies. Whoever dialled the session
//! looks; that a session with both its streams could be built is what shows the way to be well. In
//! another network we look at once.
//!
//! The peer knows no look: at its door the newest session takes the place of the older one as soon as its
//! control stream opens, before its sound stream does. A look that ends between the two leaves both
//! without a session, until the next dial. There is no call then, so nothing is heard of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Lane, News, Runtime, SessionId, Task};
use crate::identity::PeerKey;
use crate::tunnel::peer::{self, Dialled};

/// Until the first look; then twice as long each time.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);

impl Runtime {
    /// Look for a better road than the relay after `pause` (or the usual first one), where one may be.
    pub(super) fn look_around(&mut self, key: PeerKey, pause: Option<Duration>) {
        let current = self.could_be_better(key);
        let dial = self.dial(key, Lane::Voice);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.look = None;
        let (Some(current), Some(mut dial)) = (current, dial) else { return };
        dial.peer.via_relay = false;
        let news = self.news.clone();
        let pause = pause.unwrap_or(FIRST_LOOK);
        peer.look = Some(Task::spawn(async move {
            tokio::time::sleep(pause).await;
            let found = Arc::new(dial).run().await.ok();
            // The runtime is gone: nobody asks any more.
            let _ = news.send(News::Looked(key, current, found, pause)).await;
        }));
    }

    /// The session that a direct one would be better than.
    fn could_be_better(&self, key: PeerKey) -> Option<SessionId> {
        let peer = self.peers.get(&key)?;
        let session = peer.slots[Lane::Voice as usize].session.as_ref()?;
        let relayed = session.up && session.is_ours() && session.road.via.is_some();
        let may = relayed && !peer.config.direct.is_empty() && !peer.is_attached(Lane::Voice);
        may.then_some(session.id)
    }

    pub(super) fn looked(
        &mut self,
        key: PeerKey,
        current: SessionId,
        found: Option<Dialled>,
        pause: Duration,
    ) {
        if self.could_be_better(key) != Some(current) {
            return;
        }
        let Some(found) = found else {
            let pause = (pause * 2).clamp(FIRST_LOOK, LONGEST);
            return self.look_around(key, Some(pause));
        };
        tracing::info!("{}: moves to {}", peer::who(key), found.road.path);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        // To the link it is the same session: nothing was lost.
        peer.voice().session = None;
        self.open_all(key, SessionId::next(), found);
    }
}
