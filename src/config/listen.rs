//! `[[listen]]`: what there is to listen to on this kiosk, a tile each.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::value::{Label, Text, TextVisitor};
use crate::caps::{SEGMENT_ADDRESS_LIMIT, STATION_NAME_LIMIT};
use crate::name::clean_name;

/// Something to listen to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hearable {
    /// As on its tile. No default.
    pub name: Label,
    /// Where it comes from. No default.
    pub source: HearSource,
}

/// Where sound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HearSource {
    /// A playlist of MP3 over HTTP, as an ioc-server or our station server has it.
    Playlist(String),
    /// A station of a contact's station server, through the tunnel.
    Station {
        /// The contact, as it is called here.
        contact: String,
        /// The station, as it is called there.
        station: String,
    },
}

const HTTP: &str = "http://";
const OURS: &str = "twocan:";

impl fmt::Display for HearSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Playlist(address) => f.write_str(address),
            Self::Station { contact, station } => write!(f, "{OURS}{contact}/{station}"),
        }
    }
}

text!(
    HearSource,
    "the address of a playlist such as \"http://192.0.2.7:8080/garden/live.m3u8\", or \"twocan:CONTACT/STATION\"",
    |text| {
        if let Some(rest) = text.strip_prefix(OURS) {
            let (contact, station) = rest.rsplit_once('/')?;
            let (contact, station) = (clean_name(contact), clean_name(station));
            let short = station.chars().count() <= STATION_NAME_LIMIT;
            let are_names = short && !contact.is_empty() && !station.is_empty();
            return are_names.then_some(HearSource::Station { contact, station });
        }
        let host = text.strip_prefix(HTTP)?.split(['/', '?']).next()?;
        let plain =
            text.len() <= SEGMENT_ADDRESS_LIMIT && text.bytes().all(|b| b.is_ascii_graphic());
        (plain && !host.is_empty()).then(|| HearSource::Playlist(text.to_owned()))
    }
);
