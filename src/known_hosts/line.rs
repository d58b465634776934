//! One line of a known_hosts file: `[@marker] names kind base64 [comment]`, parted by blanks and tabs.
//!
//! Parted as OpenSSH parts it (`hostkeys_foreach_file` in its hostfile.c) and not with the iterator
//! of `ssh-key`, which takes one blank for a separator and cuts a line at any `#`. Names that are
//! hashed, markers and keys are `ssh-key`'s.

use ssh_key::PublicKey;
use ssh_key::known_hosts::Marker;

use super::names::Names;

/// What a line is.
pub(super) enum Line<'a> {
    /// Empty, or a comment.
    Blank,
    /// A key of a host.
    Entry { marker: Option<Marker>, names: Names<'a>, key: PublicKey },
    /// It makes no sense: why, to stand behind `line 7`, and about whom, where that can be told.
    Damaged { names: Option<Names<'a>>, why: &'static str },
}

/// Never fails: what makes no sense is [`Line::Damaged`].
pub(super) fn parse(line: &str) -> Line<'_> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\0') {
        // OpenSSH reads no further than that.
        return Line::Damaged { names: None, why: "holds a zero byte" };
    }
    let (first, mut rest) = word(line);
    if first.is_empty() || first.starts_with('#') {
        return Line::Blank;
    }
    let mut names = first;
    let mut markers = Vec::new();
    while names.starts_with('@') {
        markers.push(names.parse::<Marker>().ok());
        (names, rest) = word(rest);
    }
    if names.is_empty() {
        return Line::Damaged { names: None, why: "ends behind its marker" };
    }
    let Some(names) = Names::parse(names) else {
        return Line::Damaged { names: None, why: "has a hashed name that is damaged" };
    };
    let marker = match markers[..] {
        [] => None,
        [Some(marker)] => Some(marker),
        _ => return Line::Damaged { names: Some(names), why: "has a marker that is not known" },
    };
    let (kind, rest) = word(rest);
    let (base64, _comment) = word(rest);
    match PublicKey::from_openssh(&format!("{kind} {base64}")) {
        Ok(key) => Line::Entry { marker, names, key },
        Err(_) => Line::Damaged { names: Some(names), why: "has no key that can be read" },
    }
}

/// The first word and what follows it.
fn word(text: &str) -> (&str, &str) {
    let blank = [' ', '\t'];
    let text = text.trim_start_matches(blank);
    text.split_at(text.find(blank).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n";

    /// The marker and whether the line is about `h`.
    fn entry(line: &str) -> Option<(Option<Marker>, bool)> {
        match parse(line) {
            Line::Entry { marker, names, .. } => Some((marker, names.cover("h"))),
            Line::Blank | Line::Damaged { .. } => None,
        }
    }

    #[test]
    fn blanks_tabs_comments_and_returns_part_words_as_openssh_does() {
        let key = KEY.replace(' ', " \t ");
        for line in [
            format!("h {KEY}"),
            format!(" \th\t{key}"),
            format!("h {KEY} # a comment # more"),
            format!("h {KEY}\r"),
            format!("a,h {KEY} anna@home\r"),
        ] {
            assert_eq!(entry(&line), Some((None, true)), "{line:?}");
        }
        assert_eq!(entry(&format!("@revoked\th {KEY}")), Some((Some(Marker::Revoked), true)));
        for blank in ["", "  \t", "# h", "\r", "   #"] {
            assert!(matches!(parse(blank), Line::Blank), "{blank:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_says_about_whom_where_it_can() {
        for (line, about_h) in [
            ("h", Some(true)),
            ("g ssh-ed25519", Some(false)),
            ("h ssh-ed25519 AAAAC3Nza", Some(true)),
            ("h ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8", Some(true)),
            ("@revokd h ssh-ed25519 AAAA", Some(true)),
            ("@revoked @revoked g ssh-ed25519 AAAA", Some(false)),
            ("@revoked", None),
            ("|1|what|is ssh-ed25519 AAAA", None),
            ("g\0h ssh-ed25519 AAAA", None),
        ] {
            let Line::Damaged { names, .. } = parse(line) else { panic!("{line} makes sense") };
            assert_eq!(names.map(|names| names.cover("h")), about_h, "{line}");
        }
    }
}
