//! Which relay this kiosk meets others at: that of twocan.toml, else the one that a ticket brought.

use std::path::{Path, PathBuf};

use crate::config::{HostKey, Relay};
use crate::known_hosts::HostPins;
use crate::meeting::{self, MeetingPoint};
use crate::tunnel::RelayConfig;
use crate::wire::status::RelayStatus;

/// See the top of the file.
#[derive(Debug, Clone)]
pub struct Meets {
    state: PathBuf,
    configured: Option<Relay>,
    kept: Option<Relay>,
}

impl Meets {
    /// By the configuration and the state folder.
    pub fn new(configured: Option<&Relay>, state: &Path) -> Self {
        let (state, configured) = (state.to_owned(), configured.cloned());
        let kept = meeting::load(&state);
        Self { state, configured, kept }
    }

    /// A ticket has brought another one, perhaps.
    pub fn reload(&mut self) {
        self.kept = meeting::load(&self.state);
    }

    /// The one that counts.
    pub fn relay(&self) -> Option<&Relay> {
        self.configured.as_ref().or(self.kept.as_ref())
    }

    fn pins(&self, relay: &Relay) -> HostPins {
        let key = relay.host_key.as_ref().map(|key| key.0.clone());
        let pins = HostPins::new(key, &self.state);
        if self.configured.is_some() { pins } else { pins.said_in(meeting::FILE) }
    }

    /// What the relay has to prove to be, as it stands in its section or among the pins.
    pub fn host_key(&self) -> Option<HostKey> {
        self.point().map(|point| point.host_key)
    }

    /// For the tunnel.
    pub fn for_tunnel(&self) -> Option<RelayConfig> {
        let relay = self.relay()?;
        Some(RelayConfig {
            host: relay.host.to_string(),
            port: relay.port.get(),
            user: relay.user.as_str().to_owned(),
            pins: self.pins(relay),
            folder: relay.folder.as_ref().map(|folder| folder.as_str().to_owned()),
            place: relay.place.clone(),
        })
    }

    /// For this kiosk's card; none where its host key is not known.
    pub fn point(&self) -> Option<MeetingPoint> {
        self.for_tunnel()?.point()
    }

    /// Which one the status speaks of.
    pub fn status(&self) -> RelayStatus {
        self.relay().map_or_else(RelayStatus::default, |relay| RelayStatus {
            host: Some(relay.host.to_string()),
            port: Some(relay.port.get()),
            user: Some(relay.user.as_str().to_owned()),
            host_key: relay.host_key.as_ref().map(ToString::to_string),
            ..RelayStatus::default()
        })
    }
}
