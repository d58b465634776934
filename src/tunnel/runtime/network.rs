//! What a change of network means: whatever was waiting is tried at once.
//!
//! ```text
//! rtnetlink ── news ──> (50 ms of quiet) ── another network? ──> attempts begin anew, pauses at 0
//!                                                             ├─> sessions from an address that is
//!                                                             │   gone end now
//!                                                             └─> the others are in doubt: a ping
//! ```
//! A storm of changes (an interface that comes up has several) is one change. An address is gone when a
//! second look does not find it either; a look that fails changes nothing.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::{Lane, News, Runtime, Which};
use crate::device::network_news::{Network, NetworkNews};
use crate::tunnel::{count, state};

/// So long nothing more may come until we look.
const QUIET: Duration = Duration::from_millis(50);
/// So long we wait for that.
const STORM: Duration = Duration::from_millis(250);

/// Report every change of network, for ever.
pub(super) async fn watch(news: mpsc::Sender<News>) {
    let changes = match NetworkNews::listen() {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!("no news of the network, links are tried by the clock alone: {error}");
            return;
        }
    };
    let mut known = Network::now().ok();
    while changes.heard().await {
        let storm = Instant::now() + STORM;
        while let Ok(true) = timeout_at(storm.min(Instant::now() + QUIET), changes.heard()).await {}
        if let Some(network) = changed(known.as_ref(), Network::now).await {
            known = Some(network.clone());
            // The runtime is gone: so are we, soon.
            let _ = news.send(News::Network(network)).await;
        }
    }
}

/// What `look` finds, if that is surely another network than the one `known`.
async fn changed(
    known: Option<&Network>,
    mut look: impl FnMut() -> io::Result<Network>,
) -> Option<Network> {
    let mut network = look_by(&mut look)?;
    if known.is_some_and(|known| network.lacks(known)) {
        tokio::time::sleep(QUIET).await;
        network = look_by(&mut look)?;
    }
    (Some(&network) != known).then_some(network)
}

fn look_by(look: &mut impl FnMut() -> io::Result<Network>) -> Option<Network> {
    look().inspect_err(|error| tracing::warn!("cannot look at the network: {error}")).ok()
}

impl Runtime {
    pub(super) fn network_changed(&mut self, network: &Network) {
        count(&self.counters.networks);
        tracing::info!("another network: every way is tried again");
        let gone = |local: Option<std::net::IpAddr>| local.filter(|local| !network.has(*local));
        let sentence = |local| format!("our address {local} is gone");
        for lane in Lane::ALL {
            let outer = self.outers[lane as usize].outer.as_ref();
            if let Some(local) = outer.and_then(|outer| gone(outer.local())) {
                self.outer_lost(lane, &sentence(local));
            }
        }
        self.doubt_outers();
        for key in self.keys() {
            let Some(peer) = self.peers.get(&key) else { continue };
            peer.aside.clear();
            let locals = Lane::ALL.map(|lane| {
                let session = peer.slots[lane as usize].session.as_ref();
                (lane, session.and_then(|session| gone(session.road.local)))
            });
            for (lane, local) in locals {
                if let Some(local) = local {
                    self.lose_session(key, lane, &sentence(local));
                }
            }
            self.doubt(key);
        }
        for lane in Lane::ALL {
            self.drive(Which::Outer(lane), state::Event::Anew);
        }
        for key in self.keys() {
            for lane in Lane::ALL {
                self.drive(Which::Peer(key, lane), state::Event::Anew);
            }
            self.knock(key, Lane::Voice);
            self.look_around(key, Some(Duration::ZERO));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of these looks, all of which are needed.
    async fn after(known: &Network, looks: Vec<io::Result<Network>>) -> Option<Network> {
        let mut looks = looks.into_iter();
        let found = changed(Some(known), || looks.next().unwrap()).await;
        assert!(looks.next().is_none(), "there was no need to look so often");
        found
    }

    #[tokio::test]
    async fn an_address_is_gone_when_two_looks_say_so_and_none_by_a_look_that_fails() {
        let here = || Network::now().unwrap();
        let nothing = Network::default;
        let failed = || Err(io::Error::other("out of memory"));
        assert_eq!(after(&here(), vec![Ok(here())]).await, None);
        assert_eq!(after(&here(), vec![failed()]).await, None);
        assert_eq!(after(&here(), vec![Ok(nothing()), Ok(here())]).await, None);
        assert_eq!(after(&here(), vec![Ok(nothing()), failed()]).await, None);
        assert_eq!(after(&here(), vec![Ok(nothing()), Ok(nothing())]).await, Some(nothing()));
        // What comes is believed at once.
        assert_eq!(after(&nothing(), vec![Ok(here())]).await, Some(here()));
    }
}
