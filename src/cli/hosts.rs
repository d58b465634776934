//! `twocan hosts list|pin|forget`: the host keys that relays must show, in the state folder's
//! known_hosts.
//!
//! Nothing is fetched: a key that the network brought proves nothing. It is read out by the relay's
//! owner, or comes with a card.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::Subcommand;
use ssh_key::PublicKey;

use super::Globals;
use crate::address::{Host, HostPort};
use crate::app::control;
use crate::config::Paths;
use crate::known_hosts::{KnownHosts, described, label, pinnable};
use crate::wire::control::Request;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List every key, and in which line it stands
    List,
    /// Have a relay show this key from now on, and no other
    Pin {
        /// The relay, as in twocan.toml
        #[arg(value_name = "HOST[:PORT]")]
        relay: Relay,
        /// Its key as its owner reads it out, such as `ssh-ed25519 AAAA…`
        #[arg(required = true, num_args = 1.., value_name = "KEY")]
        key: Vec<String>,
    },
    /// Forget a relay's key
    Forget {
        /// The relay, as it was pinned
        #[arg(value_name = "HOST[:PORT]")]
        relay: Relay,
    },
}

/// A host, at port 22 unless it says another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Relay {
    host: String,
    port: u16,
}

impl FromStr for Relay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let in_brackets = || -> Option<Self> {
            // As known_hosts has it, `[host]:port`, whatever the host.
            if let Some((host, port)) = text.strip_prefix('[')?.rsplit_once("]:") {
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port != 0)?;
                return Some(Self { host: host.parse::<Host>().ok()?.to_string(), port });
            }
            let host = text.strip_prefix('[')?.strip_suffix(']')?.parse::<Host>().ok()?;
            Some(Self { host: host.to_string(), port: 22 })
        };
        let bare = || Some(Self { host: text.parse::<Host>().ok()?.to_string(), port: 22 });
        let with_port = || {
            let HostPort { host, port } = text.parse().ok()?;
            Some(Self { host: host.to_string(), port })
        };
        in_brackets().or_else(bare).or_else(with_port).ok_or_else(|| {
            "expected HOST or HOST:PORT, such as relay.example.org or [2001:db8::7]:2222".to_owned()
        })
    }
}

/// Do it.
///
/// # Errors
/// A key that can't be pinned; a file that cannot be read or written.
pub fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let hosts = KnownHosts::of(&paths.state);
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => list(&hosts, &paths),
        Verb::Pin { relay, key } => {
            let key = key.join(" ");
            let key = pinnable(&key).with_context(|| {
                format!(
                    "`{}` is not a key of the kind ssh-ed25519 or ecdsa-sha2-nistp256, 384 or 521",
                    key.chars().filter(|c| !c.is_control()).take(60).collect::<String>()
                )
            })?;
            let new = hosts.pin(&relay.host, relay.port, &key)?;
            told(&paths);
            let done = if new { "Pinned for" } else { "Already pinned for" };
            super::print(&format!(
                "{done} {}: {}\n",
                label(&relay.host, relay.port),
                described(&key)
            ))
        }
        Verb::Forget { relay } => {
            let forgotten = hosts.forget(&relay.host, relay.port)?;
            told(&paths);
            let name = label(&relay.host, relay.port);
            let mut text = String::new();
            for key in &forgotten.keys {
                writeln!(text, "Forgot for {name}: {}", described(key))?;
            }
            for line in &forgotten.left {
                let file = hosts.path().display();
                writeln!(text, "Line {line} of {file} still has a key for {name}.")?;
            }
            super::print(&text)
        }
    }
}

/// A kiosk that waits for somebody to mend it tries again; one that is not running has no need to.
fn told(paths: &Paths) {
    let _ = control::ask(&control::socket(&paths.runtime), &Request::Retry);
}

fn list(hosts: &KnownHosts, paths: &Paths) -> anyhow::Result<ExitCode> {
    let (listed, troubles) = hosts.list()?;
    for trouble in troubles {
        tracing::warn!("{}: {trouble}", hosts.path().display());
    }
    let mut text = String::new();
    if let Some((relay, key)) = configured(paths) {
        writeln!(text, "{relay}\n  {}  twocan.toml", described(&key))?;
    }
    for entry in listed {
        let marker = entry.marker.map(|marker| format!("{marker} ")).unwrap_or_default();
        let names: String = entry.names.chars().filter(|c| !c.is_control()).collect();
        writeln!(text, "{marker}{names}\n  {}  line {}", described(&entry.key), entry.line)?;
    }
    super::print(&text)
}

/// The key that the configuration pins.
fn configured(paths: &Paths) -> Option<(String, PublicKey)> {
    let relay = paths.load_config().ok()?.relay?;
    Some((label(relay.host.as_str(), relay.port.get()), relay.host_key?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_a_host_with_or_without_a_port() {
        for (text, host, port) in [
            ("relay.example", "relay.example", 22),
            ("relay.example:2222", "relay.example", 2222),
            ("192.0.2.7:22", "192.0.2.7", 22),
            ("2001:db8::7", "2001:db8::7", 22),
            ("[2001:db8::7]", "2001:db8::7", 22),
            ("[2001:db8::7]:2222", "2001:db8::7", 2222),
            ("[relay.example]:2222", "relay.example", 2222),
        ] {
            assert_eq!(text.parse(), Ok(Relay { host: host.to_owned(), port }), "{text}");
        }
        for text in ["", "a b", "[relay]:+2", "[]:22", "relay:0", "*.example"] {
            assert!(text.parse::<Relay>().is_err(), "{text}");
        }
    }
}
