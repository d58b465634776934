//! The keys that relays must show: pins in OpenSSH's known_hosts format, and what a key is worth.
//!
//! ```text
//!  STATE/known_hosts ─ line.rs, names.rs ─> About(host, port) ─ key shown ─> Outcome, the first of
//!  [relay] host_key ── pins.rs ───────────────┘   revoked lines               Revoked
//!                                                 damaged lines               Unreadable
//!                                                 keys of [host]:port         Match, Changed
//!                                                 keys of host alone          Match, else Unknown
//! ```
//! What OpenSSH's client refuses with `StrictHostKeyChecking=yes` is refused. We refuse more in three
//! cases, each where a file says something that OpenSSH passes over: a damaged line that is about the
//! host, or may be (it may have been a revocation); a key revoked for a host, which is revoked at all
//! its ports; a `@revoked` with a tab behind it, which OpenSSH takes for an unknown marker. As there, a
//! key pinned without a port is good at every port of a host that has no pin of its own there, and
//! `@cert-authority` is about certificates, which we do not take: such a line is about no plain key.
//!
//! Nothing is learnt here. file.rs writes, and only what a person asked for.

mod file;
mod line;
mod names;
mod pins;

use ssh_key::known_hosts::Marker;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

pub use file::{Forgotten, KnownHosts, Listed, PinError};
pub use pins::{HostPins, Refusal, Trusted};

use line::Line;

/// The largest file, in bytes.
pub const FILE_LIMIT: usize = 256 << 10;
/// The longest line, in bytes.
pub const LINE_LIMIT: usize = 8 << 10;
/// Lines in a file.
pub const LINES_LIMIT: usize = 10_000;

/// The kinds of host keys that our side can check, the ones to ask for first in front. RSA is none.
pub const KINDS: [Algorithm; 4] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];

/// A key from `ssh-ed25519 AAAA… comment`, without the comment; None: not a key, or of a kind that is
/// not one of [`KINDS`] and so could never be shown.
pub fn pinnable(text: &str) -> Option<PublicKey> {
    let mut key = PublicKey::from_openssh(text.trim()).ok()?;
    key.set_comment("");
    KINDS.contains(&key.algorithm()).then_some(key)
}

/// `ssh-ed25519 SHA256:…`, as every sentence about a key has it.
pub fn described(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// How a host is named in the file: `host`, or `[host]:port` where the port is not 22.
pub fn label(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// What a key that a host shows is worth. Everything but [`Outcome::Match`] is a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is pinned.
    Match,
    /// No key is pinned for this host.
    Unknown,
    /// Others are pinned, of this kind or of another one.
    Changed,
    /// A line says never to take it.
    Revoked,
    /// The file, or a line that is or may be about this host, makes no sense.
    Unreadable,
}

/// What `file` makes of the key that `host` shows at `port`. Never panics; takes memory for at most
/// the keys of a file within the limits, and none for one that is over them.
pub fn check(file: &[u8], host: &str, port: u16, key: &PublicKey) -> Outcome {
    About::read(file, host, port).judge(key)
}

/// A key of the file, and in which line it stands; line 0 is the configuration's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pin {
    key: PublicKey,
    line: usize,
}

/// All that a file says of one host at one port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct About {
    pinned: Vec<Pin>,
    /// For the host without a port, where we are at another than 22.
    without_port: Vec<Pin>,
    revoked: Vec<Pin>,
    /// Why what the file says can't be told.
    damaged: Option<String>,
}

impl About {
    fn read(file: &[u8], host: &str, port: u16) -> Self {
        let mut about = Self::default();
        if let Err(why) = within_limits(file) {
            about.damaged = Some(why);
            return about;
        }
        let (here, anywhere) = (label(host, port), label(host, 22));
        for (number, raw) in numbered(file) {
            match line::parse(&String::from_utf8_lossy(raw)) {
                Line::Blank => {}
                Line::Damaged { names, why } => {
                    let about_us =
                        names.is_none_or(|names| names.cover(&here) || names.cover(&anywhere));
                    if about_us && about.damaged.is_none() {
                        about.damaged = Some(format!("line {number} {why}"));
                    }
                }
                Line::Entry { marker, names, key } => {
                    let (is_here, is_host) = (names.cover(&here), names.cover(&anywhere));
                    let pin = Pin { key, line: number };
                    match marker {
                        Some(Marker::CertAuthority) => {}
                        Some(Marker::Revoked) if is_here || is_host => about.revoked.push(pin),
                        None if is_here => about.pinned.push(pin),
                        None if is_host => about.without_port.push(pin),
                        Some(Marker::Revoked) | None => {}
                    }
                }
            }
        }
        about
    }

    fn judge(&self, key: &PublicKey) -> Outcome {
        let among = |pins: &[Pin]| pins.iter().any(|pin| same(&pin.key, key));
        if among(&self.revoked) {
            Outcome::Revoked
        } else if self.damaged.is_some() {
            Outcome::Unreadable
        } else if among(&self.pinned) {
            Outcome::Match
        } else if !self.pinned.is_empty() {
            Outcome::Changed
        } else if among(&self.without_port) {
            Outcome::Match
        } else {
            Outcome::Unknown
        }
    }
}

/// The same key, whatever the comments.
fn same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}

/// The lines without their line feeds, counted from 1.
fn numbered(file: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(file.split(|byte| *byte == b'\n'))
}

fn within_limits(file: &[u8]) -> Result<(), String> {
    if file.len() > FILE_LIMIT {
        return Err(format!("it is over {} KiB", FILE_LIMIT >> 10));
    }
    for (number, line) in numbered(file) {
        if number > LINES_LIMIT + 1 {
            return Err(format!("it has over {LINES_LIMIT} lines"));
        }
        if line.len() > LINE_LIMIT {
            return Err(format!("line {number} is over {} KiB", LINE_LIMIT >> 10));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    fn outcome(file: &str) -> Outcome {
        check(file.as_bytes(), "relay.example", 2222, &pinnable(ONE).unwrap())
    }

    #[test]
    fn a_revocation_beats_a_match_and_a_damaged_line() {
        let file = format!("[relay.example]:2222 {ONE}\n@revoked * {ONE}\nrelay.example ssh-ed");
        assert_eq!(outcome(&file), Outcome::Revoked);
    }

    #[test]
    fn files_up_to_the_limits_are_read_and_no_others() {
        let pin = format!("[relay.example]:2222 {ONE}\n");
        let full = |length: usize| {
            let mut file = pin.clone();
            while file.len() + LINE_LIMIT < length {
                file += &format!("#{}\n", "x".repeat(LINE_LIMIT - 2));
            }
            let rest = length - file.len();
            file + &"#".repeat(rest)
        };
        assert_eq!(outcome(&full(FILE_LIMIT)), Outcome::Match);
        assert_eq!(outcome(&full(FILE_LIMIT + 1)), Outcome::Unreadable);
        let many = |lines: usize| pin.clone() + &"\n".repeat(lines - 1);
        assert_eq!(outcome(&many(LINES_LIMIT)), Outcome::Match);
        assert_eq!(outcome(&many(LINES_LIMIT + 1)), Outcome::Unreadable);
        let long = |length: usize| pin.clone() + &"#".repeat(length);
        assert_eq!(outcome(&long(LINE_LIMIT)), Outcome::Match);
        assert_eq!(outcome(&long(LINE_LIMIT + 1)), Outcome::Unreadable);
    }

    #[test]
    fn what_is_kept_of_the_worst_file_is_bounded_by_its_length() {
        let line = format!("* {ONE}\n");
        let file = line.repeat(FILE_LIMIT / line.len());
        let about = About::read(file.as_bytes(), "relay.example", 22);
        assert_eq!(about.pinned.len(), FILE_LIMIT / line.len());
        assert_eq!((about.without_port.len(), about.revoked.len()), (0, 0));
    }

    fn pieces() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("[relay.example]:2222".to_owned()),
            Just("relay.example".to_owned()),
            Just("*".to_owned()),
            Just("!relay.example,*".to_owned()),
            Just("@revoked".to_owned()),
            Just("@cert-authority".to_owned()),
            Just("|1|JfKTdBh7rNbXkVAQCRp4OQoPfmI=|USECr3SWf1JUPsms5AqfD5QfxkM=".to_owned()),
            Just(ONE.to_owned()),
            Just(OTHER.to_owned()),
            Just("\n".to_owned()),
            Just("\r\n".to_owned()),
            Just("#".to_owned()),
            Just("\t".to_owned()),
            "\\PC{0,20}",
            "[|@!*?,:\\[\\]=A-Za-z0-9\\x00]{0,60}",
        ];
        prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_never_matches(
            bytes in prop::collection::vec(any::<u8>(), 0..2000), port in any::<u16>()
        ) {
            let outcome = check(&bytes, "relay.example", port, &pinnable(ONE).unwrap());
            prop_assert_ne!(outcome, Outcome::Match);
        }

        #[test]
        fn a_match_needs_the_key_in_the_file(text in pieces(), host in "[a-z.*:\\[]{0,30}") {
            let key = pinnable(ONE).unwrap();
            check(text.as_bytes(), &host, 22, &key);
            if outcome(&text) == Outcome::Match {
                prop_assert!(text.contains(ONE), "{}", text);
            }
        }

        #[test]
        fn no_byte_flipped_or_cut_off_turns_a_refusal_into_a_match(
            at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<bool>()
        ) {
            let file = format!("[relay.example]:2222 {OTHER}\n# a comment\n* {OTHER}\n");
            let mut bytes = file.into_bytes();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            let outcome = check(&bytes, "relay.example", 2222, &pinnable(ONE).unwrap());
            prop_assert_ne!(outcome, Outcome::Match);
        }
    }
}
