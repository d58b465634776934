//! Which relay this kiosk meets others at: that of twocan.toml, else the one that a ticket brought.

use std::path::Path;

use crate::config::Relay;
use crate::meeting::{self, MeetingPoint};
use crate::tunnel::RelayConfig;
use crate::wire::status::RelayStatus;

/// See the top of the file.
#[derive(Debug, Clone)]
pub struct Meets {
    configured: Option<Relay>,
    kept: Option<Relay>,
}

impl Meets {
    /// By the configuration and the state folder.
    pub fn new(configured: Option<&Relay>, state: &Path) -> Self {
        Self { configured: configured.cloned(), kept: meeting::load(state) }
    }

    /// A ticket has brought another one, perhaps.
    pub fn reload(&mut self, state: &Path) {
        self.kept = meeting::load(state);
    }

    /// The one that counts.
    pub fn relay(&self) -> Option<&Relay> {
        self.configured.as_ref().or(self.kept.as_ref())
    }

    /// For the tunnel.
    pub fn for_tunnel(&self) -> Option<RelayConfig> {
        self.relay().map(for_tunnel)
    }

    /// For this kiosk's card.
    pub fn point(&self) -> Option<MeetingPoint> {
        self.relay().map(MeetingPoint::of)
    }

    /// Which one the status speaks of.
    pub fn status(&self) -> RelayStatus {
        self.relay().map_or_else(RelayStatus::default, |relay| RelayStatus {
            host: Some(relay.host.to_string()),
            port: Some(relay.port.get()),
            user: Some(relay.user.as_str().to_owned()),
            host_key: Some(relay.host_key.to_string()),
            ..RelayStatus::default()
        })
    }
}

/// What a relay means for the tunnel.
pub fn for_tunnel(relay: &Relay) -> RelayConfig {
    RelayConfig {
        host: relay.host.to_string(),
        port: relay.port.get(),
        user: relay.user.as_str().to_owned(),
        host_key: relay.host_key.0.clone(),
        folder: relay.folder.as_ref().map(|folder| folder.as_str().to_owned()),
        place: relay.place.clone(),
    }
}
