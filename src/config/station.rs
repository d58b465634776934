//! `[station]`: a microphone that is heard at a server; what `twocan station` runs with.
//!
//! The command line has an option for each of these keys, which goes before the file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::{Serialize, Serializer};

use super::value::{Expected, SoundDevice, Text, TextVisitor, path_text};
use crate::address::HostPort;
use crate::name::clean_name;

number!(
    /// The most bits that quiet sound is shifted up by, 0 to 12.
    MaxGain, u8, 12, |n| (0..=12).contains(&n), "a number of bits, 0 to 12"
);
number!(
    /// Milliseconds after which sound that could not be sent is let go, 100 to 60000.
    KeepMs, u32, 2_000, |n| (100..=60_000).contains(&n), "a number of milliseconds, 100 to 60000"
);

/// Who takes the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StationServer {
    /// `host:port`: an ioc-server, or our own, by TCP.
    Tcp(HostPort),
    /// `udp:host:port`: the same, a datagram a packet.
    Udp(HostPort),
    /// `twocan:NAME`: a contact whose kiosk runs `twocan station-server`, through our own tunnel.
    Contact(String),
}

impl fmt::Display for StationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Udp(address) => write!(f, "udp:{address}"),
            Self::Contact(name) => write!(f, "twocan:{name}"),
        }
    }
}

text!(StationServer, "HOST:PORT, udp:HOST:PORT or twocan:CONTACT", |text| {
    if let Some(name) = text.strip_prefix("twocan:") {
        let clean = clean_name(name);
        return (!clean.is_empty() && clean == name).then_some(StationServer::Contact(clean));
    }
    match text.strip_prefix("udp:") {
        Some(address) => address.parse().ok().map(StationServer::Udp),
        None => text.parse().ok().map(StationServer::Tcp),
    }
});

/// How a server by TCP is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Through {
    /// As it is named.
    #[default]
    Direct,
    /// From the relay of `[relay]`, as the relay sees it: `ssh -L` in the process.
    Relay,
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
        })
    }
}

text!(Through, "\"direct\" or \"relay\"", |text| {
    [Through::Direct, Through::Relay].into_iter().find(|through| through.to_string() == text)
});

/// How the sound is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StationCoding {
    /// 138 kbit/s.
    #[default]
    Unicam,
    /// 262 kbit/s: 16 bit samples as they are.
    Pcm,
}

impl fmt::Display for StationCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unicam => "unicam",
            Self::Pcm => "pcm",
        })
    }
}

text!(StationCoding, "\"unicam\" or \"pcm\"", |text| {
    [StationCoding::Unicam, StationCoding::Pcm]
        .into_iter()
        .find(|coding| coding.to_string() == text)
});

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// Its path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

text!(Folder, "a folder in quotes, such as \"/var/log/twocan\"", |text| {
    path_text(text).map(|path| Folder(PathBuf::from(path)))
});

/// The light that says how the station is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Led {
    /// None.
    #[default]
    None,
    /// `23` or `GPIO23`: a line by the number that the Raspberry Pi's own documents give it.
    Gpio(u32),
    /// `gpiochip1:5`: a line of a chip.
    Line {
        /// The chip's name, such as `gpiochip1`.
        chip: String,
        /// From 0.
        line: u32,
    },
    /// `ACT`: a light that the kernel knows, a folder in `/sys/class/leds`.
    Named(String),
}

impl fmt::Display for Led {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gpio(line) => write!(f, "GPIO{line}"),
            Self::Line { chip, line } => write!(f, "{chip}:{line}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// The last line that is worth a try; the largest chips have a few hundred.
const LINES: u32 = 1024;

text!(
    Led,
    "\"none\", a GPIO number such as \"23\", \"gpiochip0:23\", or a light in /sys/class/leds such as \"ACT\"",
    |text| {
        let number = |text: &str| text.parse::<u32>().ok().filter(|line| *line < LINES);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let gpio = text.strip_prefix("GPIO").unwrap_or(text);
        if text == "none" {
            return Some(Led::None);
        }
        if digits(gpio) {
            return number(gpio).map(Led::Gpio);
        }
        if let Some((chip, line)) = text.split_once(':')
            && chip.strip_prefix("gpiochip").is_some_and(digits)
        {
            let line = number(line).filter(|_| digits(line))?;
            return Some(Led::Line { chip: chip.to_owned(), line });
        }
        // The kernel's names have colons (`input3::capslock`) and never a slash.
        let name = text.strip_prefix("/sys/class/leds/").unwrap_or(text);
        let plain = |c: char| c.is_ascii_graphic() && c != '/';
        let fits = !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
        (fits && !name.starts_with(['.', '-'])).then(|| Led::Named(name.to_owned()))
    }
);

from_text!(StationServer, Through, StationCoding, Folder, Led);

/// A microphone that is heard at a server.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Station {
    /// An ALSA device (default `mic_hw`), a file `PATH.s32` or `PATH.wav`, `tone` or `silence`.
    pub device: SoundDevice,
    /// Who takes the sound. No default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<StationServer>,
    /// `direct` (default) or `relay`.
    pub through: Through,
    /// The most bits that quiet sound is shifted up by. Default 12.
    pub max_gain: MaxGain,
    /// `unicam` (default) or `pcm`.
    pub coding: StationCoding,
    /// Milliseconds after which sound that could not be sent is let go. Default 2000.
    pub keep_ms: KeepMs,
    /// Takes the event logs of earlier runs. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_server: Option<HostPort>,
    /// Where event logs are kept. Default: `station-log` in the state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_dir: Option<Folder>,
    /// The light that says how the station is. Default `none`.
    pub led: Led,
}

impl Default for Station {
    fn default() -> Self {
        Self {
            device: "mic_hw".parse().expect("a name"),
            server: None,
            through: Through::default(),
            max_gain: MaxGain::default(),
            coding: StationCoding::default(),
            keep_ms: KeepMs::default(),
            log_server: None,
            log_dir: None,
            led: Led::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_lights_are_written_as_they_are_read() {
        for text in ["h:1", "[::1]:1297", "udp:h:1", "udp:[2001:db8::7]:5065", "twocan:Anna B"] {
            assert_eq!(text.parse::<StationServer>().unwrap().to_string(), text);
        }
        for text in ["none", "GPIO23", "gpiochip4:17", "ACT", "green:status"] {
            assert_eq!(text.parse::<Led>().unwrap().to_string(), text);
        }
        assert_eq!("23".parse::<Led>(), Ok(Led::Gpio(23)));
        assert_eq!("/sys/class/leds/led0".parse::<Led>(), Ok(Led::Named("led0".to_owned())));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "h", "h:", "h:0", "h:70000", "udp:5000", "twocan:", "tcp:h:1", "a b:1"] {
            assert!(text.parse::<StationServer>().is_err(), "{text}");
        }
        for text in
            ["", "1024", "GPIO99999999999", "gpiochip0:", "gpiochip0:x", "../x", "a/b", "-p"]
        {
            assert!(text.parse::<Led>().is_err(), "{text}");
        }
    }
}
