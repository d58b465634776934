//! A ticket: made here, shown once, and what sshd keeps of it.
//!
//! ```text
//!  printed   TWOCANRELAY1:…  host, port, host key, login, place, and the seed of a one-time key
//!  kept      restrict,expiry-time="…",command="… relay enrol NAME" ssh-ed25519 …   (the public half)
//! ```

use std::path::Path;

use chrono::{TimeDelta, Utc};
use ssh_key::private::Ed25519Keypair;

use super::apply::Sshd;
use super::error::RelayError;
use super::layout::{Layout, Name};
use crate::address::Host;
use crate::card;
use crate::cli::qr;
use crate::config::HostKey;
use crate::identity::PeerKey;
use crate::meeting::{MeetingPoint, Ticket};

/// How long a ticket is good, in hours.
pub(super) const HOURS: u32 = 24;

/// Where kiosks find this machine, and what it proves.
pub(super) struct Address {
    host: Host,
    port: u16,
    host_key: HostKey,
}

impl Address {
    /// As named, else as the machine and its sshd say.
    pub(super) fn find(
        layout: &Layout,
        host: Option<Host>,
        port: Option<u16>,
    ) -> Result<Self, RelayError> {
        let said = Sshd::of(layout).ask(&["-T"])?.map_err(RelayError::BrokenBefore)?;
        let all = |key: &str| -> Vec<String> {
            let lines = said.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            lines.map(|value| value.trim().to_owned()).collect()
        };
        let own = || layout.read("etc/hostname").ok().flatten()?.trim().parse().ok();
        let mut keys: Vec<HostKey> =
            all("hostkey").iter().filter_map(|path| public_key(layout, path)).collect();
        // What is pinned is asked for alone: the usual kind first.
        keys.sort_by_key(|key| !key.0.algorithm().is_ed25519());
        Ok(Self {
            host: host.or_else(own).ok_or(RelayError::NoHost)?,
            port: port.or_else(|| all("port").first()?.parse().ok()).unwrap_or(22),
            host_key: keys.into_iter().next().ok_or(RelayError::NoHostKey)?,
        })
    }
}

/// Of a host key's file; none where it is of a kind that nobody pins.
fn public_key(layout: &Layout, path: &str) -> Option<HostKey> {
    let path = format!("{}.pub", path.trim_start_matches('/'));
    layout.read(&path).ok()??.parse().ok()
}

/// A new one for `name`.
pub(super) fn make(name: &Name, at: Address) -> Ticket {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the kernel gives random numbers once it has booted");
    let Address { host, port, host_key } = at;
    let user = name.login().parse().expect("a login has no blanks");
    let place = Some(name.place());
    Ticket { point: MeetingPoint { host, port, host_key, user: Some(user), place }, seed }
}

/// What sshd keeps: good for a day, for one thing.
pub(super) fn key_line(name: &Name, ticket: &Ticket, program: &Path) -> String {
    let public = PeerKey(Ed25519Keypair::from_seed(&ticket.seed).public.0);
    let until = Utc::now() + TimeDelta::hours(HOURS.into());
    format!(
        "restrict,expiry-time=\"{}\",command=\"{} relay enrol {name}\" {public}\n",
        until.format("%Y%m%d%H%M%SZ"),
        program.display()
    )
}

/// For whoever sets the kiosk up.
pub(super) fn shown(name: &Name, ticket: &Ticket) -> String {
    let text = card::ticket_text(ticket);
    let code = qr::drawn(&text).unwrap_or_default();
    format!(
        "{code}\nThe ticket of {name}: scan it on that kiosk, or run there\n\n  twocan meet {text}\n\n\
         It is good once, for {HOURS} hours. Whoever has it can take {name}'s place here: hand it to \
         nobody else.\n"
    )
}
