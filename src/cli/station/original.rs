//! The command line of the first streaming client, rewritten before clap sees it.
//!
//! ```text
//! station mic_hw host:port -g 8 -ls host:port -ld dir -p 4
//!    ──>  station --device=mic_hw --server=host:port --max-gain=8 --log-server=host:port
//!                 --log-dir=dir --led=GPIO23
//! ```
//! Unit files and fingers know that order and those letters. Its pins are numbered as wiringPi
//! numbered them; ours are those of the Raspberry Pi's own documents. Other options pass unchanged.

use std::ffi::{OsStr, OsString};

use crate::address::HostPort;
use crate::config::{MaxGain, StationServer};

/// Options before the subcommand that are followed by a value.
const WITH_VALUE: [&str; 3] = ["--config", "--state", "--runtime"];
/// What may stand behind `station` and is no microphone.
const SUBCOMMANDS: [&str; 3] = ["encode", "decode", "help"];
/// The GPIO behind each of wiringPi's pins 0 to 31; the pins 17 to 20 are those of the first board's P5.
const WIRING_PI: [u32; 32] = [
    17, 18, 27, 22, 23, 24, 25, 4, 2, 3, 8, 7, 10, 9, 11, 14, 15, 28, 29, 30, 31, 5, 6, 13, 19, 26,
    12, 16, 20, 21, 0, 1,
];

/// The command line `words` (the program's name first) in our own options.
///
/// # Errors
/// One sentence: what is wrong with the original's words.
pub fn rewrite(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let Some(start) = behind_station(&words) else { return Ok(words) };
    let (before, own) = words.split_at(start);
    let mut out = before.to_vec();
    let mut rest = own.iter();
    match own.first().and_then(|word| word.to_str()) {
        Some(word) if SUBCOMMANDS.contains(&word) => return Ok(words),
        Some(word) if !word.starts_with('-') && !word.is_empty() => {
            rest.next();
            out.push(option("--device", OsStr::new(word)));
            out.push(option("--server", server(word, rest.next())?));
        }
        _ => {}
    }
    while let Some(word) = rest.next() {
        let mut value = |what| {
            let next = rest.next().map(OsString::as_os_str).filter(|next| !next.is_empty());
            next.ok_or_else(|| {
                format!("{} is followed by nothing; expected {what}", word.display())
            })
        };
        out.push(match word.to_str() {
            Some("-g") => option("--max-gain", gain(value("a number of bits, 0 to 12")?)?),
            Some("-ls") => option("--log-server", log_server(value("HOST:PORT")?)?),
            Some("-ld") => option("--log-dir", value("a folder")?),
            Some("-p") => {
                let pin = gpio(value("wiringPi's number of a pin, 0 to 31")?)?;
                OsString::from(format!("--led=GPIO{pin}"))
            }
            _ => word.clone(),
        });
    }
    Ok(out)
}

/// Where the words behind the subcommand `station` begin.
fn behind_station(words: &[OsString]) -> Option<usize> {
    let mut words = words.iter().enumerate().skip(1);
    while let Some((place, word)) = words.next() {
        let word = word.to_str()?;
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return (word == "station").then_some(place + 1);
        }
    }
    None
}

fn option(name: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(name);
    word.push("=");
    word.push(value);
    word
}

fn server<'w>(device: &str, word: Option<&'w OsString>) -> Result<&'w OsStr, String> {
    let word = word.filter(|word| !word.as_encoded_bytes().starts_with(b"-")).ok_or_else(|| {
        format!("no server stands behind the microphone {device}; expected HOST:PORT")
    })?;
    let fits = word.to_str().is_some_and(|text| text.parse::<StationServer>().is_ok());
    let wrong = || {
        let shown = word.display();
        format!("the server is {shown}; expected HOST:PORT, udp:HOST:PORT or twocan:CONTACT")
    };
    fits.then_some(word.as_os_str()).ok_or_else(wrong)
}

fn gain(word: &OsStr) -> Result<&OsStr, String> {
    let fits = number(word).and_then(|bits| MaxGain::new(u8::try_from(bits).ok()?)).is_some();
    let wrong = || format!("-g is {}; expected a number of bits, 0 to 12", word.display());
    fits.then_some(word).ok_or_else(wrong)
}

fn log_server(word: &OsStr) -> Result<&OsStr, String> {
    let fits = word.to_str().is_some_and(|text| text.parse::<HostPort>().is_ok());
    fits.then_some(word).ok_or_else(|| format!("-ls is {}; expected HOST:PORT", word.display()))
}

fn gpio(word: &OsStr) -> Result<u32, String> {
    let pin = number(word).and_then(|pin| WIRING_PI.get(usize::try_from(pin).ok()?));
    let wrong =
        || format!("-p is {}; expected wiringPi's number of a pin, 0 to 31", word.display());
    pin.copied().ok_or_else(wrong)
}

fn number(word: &OsStr) -> Option<u32> {
    let text = word.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> Result<String, String> {
        let words = line.split(' ').map(OsString::from).collect();
        rewrite(words).map(|words| {
            let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
            words.join(" ")
        })
    }

    #[test]
    fn the_originals_words_become_ours() {
        let table = [
            (
                "twocan station mic_hw chuffs.example:1297 -g 8 -ls logs.example:5066 -ld /tmp/l -p 4",
                "twocan station --device=mic_hw --server=chuffs.example:1297 --max-gain=8 \
                 --log-server=logs.example:5066 --log-dir=/tmp/l --led=GPIO23",
            ),
            ("twocan station mic h:1", "twocan station --device=mic --server=h:1"),
            // The letters come in any order, and with ours among them.
            (
                "twocan station plughw:1,0 [::1]:7 -p 0 --coding pcm -g 0",
                "twocan station --device=plughw:1,0 --server=[::1]:7 --led=GPIO17 --coding pcm --max-gain=0",
            ),
            ("twocan station -g 12 --server h:1", "twocan station --max-gain=12 --server h:1"),
            ("twocan station mic udp:h:1", "twocan station --device=mic --server=udp:h:1"),
            (
                "twocan -v --config station station mic h:1",
                "twocan -v --config station station --device=mic --server=h:1",
            ),
            (
                "twocan station x.wav h:1 -p 30",
                "twocan station --device=x.wav --server=h:1 --led=GPIO0",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(rewritten(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_the_originals_stays_as_it_is() {
        for line in [
            "twocan",
            "twocan station",
            "twocan station --meter",
            "twocan station encode a.s32 b.urtp --max-gain 8",
            "twocan station decode a.urtp b.wav",
            "twocan station --device mic_hw --server h:1 --max-gain 99",
            "twocan dial station -g 8",
            "twocan --config=station kiosk -p 4",
            "twocan --config station",
        ] {
            assert_eq!(rewritten(line).as_deref(), Ok(line));
        }
    }

    #[test]
    fn every_mistake_is_one_sentence_that_says_what_was_expected() {
        let table = [
            ("mic", "no server stands behind the microphone mic; expected HOST:PORT"),
            ("mic -g 8", "no server stands behind the microphone mic; expected HOST:PORT"),
            (
                "mic http://h",
                "the server is http://h; expected HOST:PORT, udp:HOST:PORT or twocan:CONTACT",
            ),
            ("mic h:1 -g", "-g is followed by nothing; expected a number of bits, 0 to 12"),
            ("mic h:1 -g 13", "-g is 13; expected a number of bits, 0 to 12"),
            ("mic h:1 -g -1", "-g is -1; expected a number of bits, 0 to 12"),
            ("mic h:1 -g 999999999999", "-g is 999999999999; expected a number of bits, 0 to 12"),
            ("mic h:1 -ls", "-ls is followed by nothing; expected HOST:PORT"),
            ("mic h:1 -ls logs", "-ls is logs; expected HOST:PORT"),
            ("mic h:1 -ld", "-ld is followed by nothing; expected a folder"),
            (
                "mic h:1 -p",
                "-p is followed by nothing; expected wiringPi's number of a pin, 0 to 31",
            ),
            ("mic h:1 -p 32", "-p is 32; expected wiringPi's number of a pin, 0 to 31"),
            ("mic h:1 -p ACT", "-p is ACT; expected wiringPi's number of a pin, 0 to 31"),
            ("-ls nonsense", "-ls is nonsense; expected HOST:PORT"),
        ];
        for (line, expected) in table {
            let found = rewritten(&format!("twocan station {line}"));
            assert_eq!(found, Err(expected.to_owned()), "{line}");
        }
    }
}
