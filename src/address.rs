//! Where a door or a relay is: a host and a port, as text `host:port` or `[2001:db8::1]:port`.
//! Nothing is looked up here.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host name or an address, in the form it is looked up in; never empty, without blanks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// The text; an IPv6 address is without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text was not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host; expected a host name or an IP address")]
pub struct HostError(String);

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let label = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
        let name = !text.is_empty()
            && text.len() <= 253
            && text.chars().all(label)
            && !text.starts_with(['-', '.']);
        if name || text.parse::<IpAddr>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(HostError(shown(text)))
        }
    }
}

/// A host and a TCP port (1 to 65535).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    /// Whom to ask.
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

/// The text was not a host with a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an address; expected HOST:PORT, such as 192.0.2.7:5022 or [2001:db8::7]:5022"
)]
pub struct HostPortError(String);

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let parse = || {
            let (host, port) = text.rsplit_once(':')?;
            let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(host) => host.parse::<Ipv6Addr>().ok().map(|_| Host(host.to_owned()))?,
                // An IPv6 address without brackets: its last group is no port.
                None if host.contains(':') => return None,
                None => host.parse().ok()?,
            };
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|port| digits && *port != 0)?;
            Some(Self { host, port })
        };
        parse().ok_or_else(|| HostPortError(shown(text)))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.0.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl TryFrom<String> for HostPort {
    type Error = HostPortError;

    fn try_from(text: String) -> Result<Self, HostPortError> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(address: HostPort) -> String {
        address.to_string()
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["relay.example.org:22", "192.0.2.7:65535", "[2001:db8::7]:5022", "a_b-c:1"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            "host:0",
            "host:+1",
            "host:65536",
            ":22",
            "a b:22",
            "::1:22",
            "-o:22",
            "[host]:22",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
        assert!("x".repeat(300).parse::<Host>().is_err());
    }
}
