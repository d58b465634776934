//! What a change of network means: whatever was waiting is tried at once.
//!
//! ```text
//! rtnetlink ── news ──> (50 ms of quiet) ── another network? ──> attempts begin anew, pauses at 0
//!                                                             ├─> sessions from an address that is
//!                                                             │   gone end now
//!                                                             └─> the others are in doubt: a ping
//! ```
//! A storm of changes (an interface that comes up has several) is one change.

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
    let mut known = Network::now();
    while changes.heard().await {
        let storm = Instant::now() + STORM;
        while let Ok(true) = timeout_at(storm.min(Instant::now() + QUIET), changes.heard()).await {}
        let network = Network::now();
        if network != known {
            known = network.clone();
            // The runtime is gone: so are we, soon.
            let _ = news.send(News::Network(network)).await;
        }
    }
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
