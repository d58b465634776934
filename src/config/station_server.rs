//! `[station_server]`: the stations of a house, where they are heard from and where they are listened to.
//!
//! ```text
//!  [station_server]            listen, web, names
//!  [[station_server.station]]  name, and one of   port     one of its own
//!                                                 address  it comes from there to `listen`
//!                                                 key      it comes through the tunnel
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::value::{Listen, Port, Text, TextVisitor};
use crate::address::Host;
use crate::caps::STATIONS_LIMIT;
use crate::identity::PeerKey;
use crate::name::clean_name;

/// What a station is called, on screens and in addresses: 1 to 64 characters, none of `/ \ ? # %`, no
/// dot in front.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StationName(String);

impl StationName {
    /// None: it would not do.
    pub fn new(text: &str) -> Option<Self> {
        let name = clean_name(text);
        let fits = !name.is_empty()
            && !name.starts_with(['.', '-'])
            && !name.contains(['/', '\\', '?', '#', '%']);
        fits.then_some(Self(name))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(
    StationName,
    "a name in quotes, 1 to 64 characters, without / \\ ? # % and no dot or hyphen in front",
    StationName::new
);

/// How a station is told from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StationWay {
    /// It has a port of its own, TCP and UDP, at the address of `listen`.
    Port(Port),
    /// It comes from this address to `listen`.
    Address(IpAddr),
    /// It comes through the tunnel and proves this key.
    Key(PeerKey),
}

/// One `[[station_server.station]]`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "StationKeys", into = "StationKeys")]
pub struct HouseStation {
    /// As listeners call it.
    pub name: StationName,
    /// Where it comes from.
    pub way: StationWay,
}

/// The same as it stands in the file.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct StationKeys {
    name: StationName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<Port>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PeerKey>,
}

impl TryFrom<StationKeys> for HouseStation {
    type Error = String;

    fn try_from(keys: StationKeys) -> Result<Self, String> {
        let StationKeys { name, port, address, key } = keys;
        let way = match (port, address, key) {
            (Some(port), None, None) => StationWay::Port(port),
            (None, Some(address), None) => StationWay::Address(address.to_canonical()),
            (None, None, Some(key)) => StationWay::Key(key),
            _ => return Err(format!("\"{name}\" needs one of port, address and key, and no more")),
        };
        Ok(Self { name, way })
    }
}

impl From<HouseStation> for StationKeys {
    fn from(station: HouseStation) -> Self {
        let mut keys = Self { name: station.name, port: None, address: None, key: None };
        match station.way {
            StationWay::Port(port) => keys.port = Some(port),
            StationWay::Address(address) => keys.address = Some(address),
            StationWay::Key(key) => keys.key = Some(key),
        }
        keys
    }
}

/// The server of a house's stations.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "ServerKeys")]
pub struct StationHouse {
    /// Where stations that are told by their address send to; those with ports of their own, to these
    /// ports of the same address. Default `127.0.0.1:5065`.
    pub listen: Listen,
    /// Where listeners come to, over HTTP. Default `127.0.0.1:8065`.
    pub web: Listen,
    /// What listeners ask for it as, besides this machine's name and addresses. Default: nothing else.
    pub names: Vec<Host>,
    /// Who is heard.
    pub station: Vec<HouseStation>,
}

impl Default for StationHouse {
    fn default() -> Self {
        let here = |port| Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Self { listen: here(5065), web: here(8065), names: Vec::new(), station: Vec::new() }
    }
}

/// The same as it stands in the file, before it is looked at as a whole.
#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ServerKeys {
    listen: Listen,
    web: Listen,
    names: Vec<Host>,
    station: Vec<HouseStation>,
}

impl Default for ServerKeys {
    fn default() -> Self {
        let StationHouse { listen, web, names, station } = StationHouse::default();
        Self { listen, web, names, station }
    }
}

impl TryFrom<ServerKeys> for StationHouse {
    type Error = String;

    fn try_from(keys: ServerKeys) -> Result<Self, String> {
        let ServerKeys { listen, web, names, station } = keys;
        if station.len() > STATIONS_LIMIT {
            return Err(format!("{} stations; expected at most {STATIONS_LIMIT}", station.len()));
        }
        let mut called: Vec<String> = station.iter().map(|s| s.name.0.to_lowercase()).collect();
        called.sort_unstable();
        if let Some(two) = called.windows(2).find(|two| two[0] == two[1]) {
            return Err(format!("two stations are called \"{}\"", two[0]));
        }
        let mut ways: Vec<StationWay> = station.iter().map(|station| station.way).collect();
        ways.sort_unstable();
        if ways.windows(2).any(|two| two[0] == two[1]) {
            return Err("two stations have the same port, address or key".to_owned());
        }
        Ok(Self { listen, web, names, station })
    }
}
