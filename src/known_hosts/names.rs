//! The names in a line of known_hosts: patterns with `*`, `?` and `!`, or one name that is hashed.
//!
//! Names are compared without regard to case, as text: nothing is looked up, and an address counts in
//! the way it is written. Patterns are matched by going back to the last `*` only, so a line of stars
//! costs its length times the name's and not more (sshd's own matcher calls itself).

use ring::hmac;
use ssh_key::known_hosts::HostPatterns;

/// A pattern of this length or more matches nothing, and makes its whole list match nothing: the room
/// in OpenSSH's `match_pattern_list`.
const PATTERN_LIMIT: usize = 1023;
/// The salt of a hashed name is as long as a SHA-1 sum.
const SALT: usize = 20;

/// About whom a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names<'a> {
    /// `a,*.b,!c`, as it stands there.
    Listed(&'a str),
    /// `|1|salt|hash`.
    Hashed {
        /// The key of the sum.
        salt: Vec<u8>,
        /// HMAC-SHA1 of the name.
        hash: [u8; 20],
    },
}

impl<'a> Names<'a> {
    /// None: a hashed name that is damaged.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if !text.starts_with('|') {
            return Some(Self::Listed(text));
        }
        match text.parse() {
            Ok(HostPatterns::HashedName { salt, hash }) if salt.len() == SALT => {
                Some(Self::Hashed { salt, hash })
            }
            _ => None,
        }
    }

    /// Whether the line is about `label`, which is in small letters: one of the patterns covers it, and
    /// none behind a `!` does.
    pub(super) fn cover(&self, label: &str) -> bool {
        match self {
            Self::Listed(list) => {
                let mut covered = false;
                for pattern in list.split(',') {
                    let (negated, pattern) = match pattern.strip_prefix('!') {
                        Some(pattern) => (true, pattern),
                        None => (false, pattern),
                    };
                    if pattern.len() >= PATTERN_LIMIT {
                        return false;
                    }
                    if glob(pattern.as_bytes(), label.as_bytes()) {
                        if negated {
                            return false;
                        }
                        covered = true;
                    }
                }
                covered
            }
            Self::Hashed { salt, hash } => {
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                hmac::verify(&key, label.as_bytes(), hash).is_ok()
            }
        }
    }

    /// The list without `label` as a name of its own; None where nobody is left that it would be
    /// about, Some of the same where it was not in it. A hashed name is about one host alone.
    pub(super) fn without(&self, label: &str) -> Option<String> {
        match self {
            Self::Listed(list) => {
                let left: Vec<&str> =
                    list.split(',').filter(|name| !name.eq_ignore_ascii_case(label)).collect();
                let anybody = left.iter().any(|name| !name.is_empty() && !name.starts_with('!'));
                anybody.then(|| left.join(","))
            }
            Self::Hashed { .. } => None,
        }
    }

    /// For a list that people read.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Listed(list) => (*list).to_owned(),
            Self::Hashed { .. } => "a hashed name".to_owned(),
        }
    }
}

/// `*` is any number of characters, `?` one; capitals in `pattern` count as small letters.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and where in the text it ends so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(byte) if byte.to_ascii_lowercase() == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((behind, end)) = star else { return false };
                star = Some((behind, end + 1));
                (p, t) = (behind, end + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_cover_what_openssh_says_they_do() {
        for (list, label, covered) in [
            ("relay.example", "relay.example", true),
            ("Relay.EXAMPLE", "relay.example", true),
            ("relay.example", "relay.example.org", false),
            ("*.example", "relay.example", true),
            ("*.example", ".example", true),
            ("relay.?xample", "relay.example", true),
            ("relay.?example", "relay.example", false),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("*a*b*c", "xxaxxbxxcb", false),
            ("[relay.*]:2222", "[relay.example]:2222", true),
            ("*,!relay.example", "relay.example", false),
            ("!relay.example,*", "relay.example", false),
            ("!relay.example", "relay.other", false),
            ("*,!relay.example", "[relay.example]:2222", true),
            ("", "relay.example", false),
            (",,relay.example,", "relay.example", true),
            ("***", "", true),
        ] {
            let names = Names::parse(list).unwrap();
            assert_eq!(names.cover(label), covered, "{list} {label}");
        }
        let long = format!("{},relay.example", "x".repeat(PATTERN_LIMIT));
        assert!(!Names::Listed(&long).cover("relay.example"));
    }

    #[test]
    fn a_hashed_name_is_about_its_host() {
        // ssh-keygen -H made it.
        let text = "|1|JfKTdBh7rNbXkVAQCRp4OQoPfmI=|USECr3SWf1JUPsms5AqfD5QfxkM=";
        assert!(matches!(Names::parse(text), Some(Names::Hashed { .. })));
        for bad in ["|1|", "|2|a|b", "|1|AAAA|USECr3SWf1JUPsms5AqfD5QfxkM=", "|"] {
            assert_eq!(Names::parse(bad), None, "{bad}");
        }
    }

    /// The same by a matcher that calls itself.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], text) => {
                (0..=text.len()).any(|skipped| slow(rest, &text[skipped..]))
            }
            ([b'?', pattern @ ..], [_, text @ ..]) => slow(pattern, text),
            ([p, pattern @ ..], [t, text @ ..]) => p == t && slow(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn both_matchers_agree(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(glob(pattern, text), slow(pattern, text));
        }
    }
}
