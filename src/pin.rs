//! The PIN in front of the settings: `STATE/pin` holds its argon2id hash (0600), `STATE/pin-tries`
//! how often a wrong one was entered and until when no other one is looked at.
//!
//! ```text
//!  wrong tries   1  2  3   4     5     6    …   11    and on
//!  then wait     -  -  -  30 s  1 min 2 min …  1 hour  1 hour
//! ```
//! A try is counted on the disk before it is looked at: pulling the plug in between wins nothing. The
//! wait is held by the clock that counts since the machine started, never by the clock on the wall,
//! which may be set; after a restart the whole of it is counted from there. A PIN that can't be read
//! lets nobody in: whoever has the login says `twocan pin clear`. Calls ask for no PIN, ever.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::store::{self, StoreError};

/// Digits of a PIN, at least and at most.
pub const DIGITS: RangeInclusive<usize> = 4..=8;
/// Wrong tries that cost no time.
pub const FREE_TRIES: u32 = 3;
/// The first wait; each one after it is twice as long ...
pub const FIRST_WAIT: Duration = Duration::from_secs(30);
/// ... up to this.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

const FILE: &str = "pin";
const TRIES: &str = "pin-tries";
/// Changes with every start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The longest hash that is read, in bytes; ours has 97.
const HASH_LIMIT: usize = 256;

/// Digits as they are entered, which no log shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Digits(String);

impl Digits {
    /// None: they are not digits, or not [`DIGITS`] of them.
    pub fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        (plain && DIGITS.contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// One more at the end; no more than a PIN may have.
    pub fn push(&mut self, digit: u8) {
        if digit < 10 && self.0.len() < *DIGITS.end() {
            self.0.push(char::from(b'0' + digit));
        }
    }

    /// The last one away.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// They may be a PIN.
    pub fn are_enough(&self) -> bool {
        DIGITS.contains(&self.0.len())
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} digits", self.0.len())
    }
}

/// Whether there is a PIN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Guard {
    /// No: everybody may set everything.
    #[default]
    Open,
    /// Yes.
    Closed,
    /// There is a file, and it can't be read: nobody gets in by touch.
    Broken,
}

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It is the PIN.
    Right,
    /// It is not; the next one is looked at from then on.
    Wrong {
        /// None: at once.
        until: Option<Time>,
    },
    /// It was not looked at: too early.
    TooEarly {
        /// When the wait is over.
        until: Time,
    },
}

/// Why a PIN could not be looked at, or kept.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The file is there and is no hash.
    #[error("the PIN can't be read; `twocan pin clear` takes it away")]
    Broken,
    /// The hash could not be made.
    #[error("hash the PIN: {0}")]
    Hash(String),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Wrong tries so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// How many, since the last right one.
    pub wrong: u32,
    /// Of the start of the machine in which the last one was.
    boot: String,
    /// When the wait is over, on that start's clock.
    until_us: u64,
}

impl Tries {
    /// Those of the state folder `state`. What can't be read counts as the last free try.
    pub fn load(state: &Path) -> Self {
        let bytes = match store::read(&state.join(TRIES)) {
            Ok(None) => return Self::default(),
            Ok(Some(bytes)) => bytes,
            Err(error) => {
                tracing::warn!("{error}");
                Vec::new()
            }
        };
        let kept = std::str::from_utf8(&bytes).ok().and_then(|text| toml::from_str(text).ok());
        kept.unwrap_or(Self { wrong: FREE_TRIES, ..Self::default() })
    }

    fn keep(&self, state: &Path) -> Result<(), StoreError> {
        let text = toml::to_string(self).expect("numbers and a string are TOML");
        store::replace(&state.join(TRIES), text.as_bytes())
    }

    /// Until when no PIN is looked at, as of `now` in the start of the machine called `boot`; none:
    /// one may be tried.
    pub fn wait(&self, now: Time, boot: &str) -> Option<Time> {
        let wait = wait_after(self.wrong);
        let until = if self.boot == boot {
            // No wait is longer than its own, whatever the file says.
            Time::from_micros(self.until_us).min(now + wait)
        } else {
            // The clock was at nothing when the machine started.
            Time::default() + wait
        };
        (until > now).then_some(until)
    }

    /// One more wrong one at `now`.
    fn one_more(&self, now: Time, boot: &str) -> Self {
        let wrong = self.wrong.saturating_add(1);
        let until_us = (now + wait_after(wrong)).micros();
        Self { wrong, boot: boot.to_owned(), until_us }
    }
}

/// How long nobody may try again after so many wrong ones.
pub fn wait_after(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE_TRIES + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_WAIT.saturating_mul(1 << doublings.min(16)).min(LONGEST_WAIT),
    }
}

/// This start of the machine, by name; empty where the kernel does not say.
pub fn boot() -> String {
    std::fs::read_to_string(BOOT_ID).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Whether there is a PIN in the state folder `state`.
pub fn guard(state: &Path) -> Guard {
    match hash(state) {
        Ok(None) => Guard::Open,
        Ok(Some(_)) => Guard::Closed,
        Err(error) => {
            tracing::warn!("{error}");
            Guard::Broken
        }
    }
}

fn hash(state: &Path) -> Result<Option<PasswordHash>, PinError> {
    let Some(bytes) = store::read(&state.join(FILE))? else { return Ok(None) };
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.len() <= HASH_LIMIT);
    let hash = text.and_then(|text| PasswordHash::new(text.trim()).ok());
    hash.filter(|hash| hash.hash.is_some()).map(Some).ok_or(PinError::Broken)
}

/// This is the PIN from now on. Takes a good part of a second.
///
/// # Errors
/// It could not be kept; the old one holds.
pub fn set(state: &Path, digits: &Digits) -> Result<(), PinError> {
    let hash = Argon2::default().hash_password(digits.0.as_bytes());
    let hash: PasswordHash = hash.map_err(|error| PinError::Hash(error.to_string()))?;
    let _lock = store::lock(state)?;
    store::replace(&state.join(FILE), format!("{hash}\n").as_bytes())?;
    Ok(Tries::default().keep(state)?)
}

/// There is no PIN from now on, nor any wrong try; true if there was one.
///
/// # Errors
/// The files are there and can't be removed.
pub fn clear(state: &Path) -> Result<bool, PinError> {
    let _lock = store::lock(state)?;
    let mut was = false;
    for name in [FILE, TRIES] {
        let path = state.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => was |= name == FILE,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::new("remove", &path, error).into()),
        }
    }
    Ok(was)
}

/// Look whether `digits` are the PIN, at `now` in the start of the machine called `boot`. Takes a good
/// part of a second, in which the state folder is not locked.
///
/// # Errors
/// There is nothing to compare with, or the try could not be counted: nobody gets in then.
pub fn check(state: &Path, digits: &Digits, now: Time, boot: &str) -> Result<Tried, PinError> {
    let counted = {
        let _lock = store::lock(state)?;
        let tries = Tries::load(state);
        if let Some(until) = tries.wait(now, boot) {
            return Ok(Tried::TooEarly { until });
        }
        let counted = tries.one_more(now, boot);
        counted.keep(state)?;
        counted
    };
    let Some(hash) = hash(state)? else { return Err(PinError::Broken) };
    if Argon2::default().verify_password(digits.0.as_bytes(), &hash).is_err() {
        return Ok(Tried::Wrong { until: counted.wait(now, boot) });
    }
    let _lock = store::lock(state)?;
    Tries::default().keep(state)?;
    Ok(Tried::Right)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn digits(text: &str) -> Digits {
        Digits::new(text).unwrap()
    }

    fn folder(pin: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), &digits(pin)).unwrap();
        folder
    }

    #[test]
    fn a_pin_is_four_to_eight_digits_and_no_log_shows_it() {
        for bad in ["", "123", "123456789", "12 4", "１２３４", "-123"] {
            assert_eq!(Digits::new(bad), None, "{bad}");
        }
        assert_eq!(format!("{:?}", digits("4711")), "4 digits");
        let mut typed = Digits::default();
        (0..=12).for_each(|digit| typed.push(digit));
        assert_eq!(typed, digits("01234567"));
    }

    #[test]
    fn the_right_one_opens_and_the_file_is_a_hash_that_only_we_can_read() {
        let folder = folder("4711");
        assert_eq!(guard(folder.path()), Guard::Closed);
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("$argon2id$") && !text.contains("4711"), "{text}");
        for name in [FILE, TRIES] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let tried = check(folder.path(), &digits("4711"), at(100), "b").unwrap();
        assert_eq!(tried, Tried::Right);
        assert!(clear(folder.path()).unwrap());
        assert_eq!(guard(folder.path()), Guard::Open);
        assert!(!clear(folder.path()).unwrap());
    }

    #[test]
    fn three_wrong_tries_are_free_and_then_the_wait_doubles_up_to_an_hour() {
        let waits: Vec<u64> = (0..14).map(|wrong| wait_after(wrong).as_secs()).collect();
        let expected = [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600];
        assert_eq!(waits, expected);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn no_restart_and_no_clock_that_was_set_shortens_a_wait_and_the_right_one_ends_it() {
        let folder = folder("4711");
        let path = folder.path();
        let wrong = digits("0000");
        for _ in 0..FREE_TRIES {
            assert_eq!(check(path, &wrong, at(100), "b").unwrap(), Tried::Wrong { until: None });
        }
        let until = at(130);
        let tried = check(path, &wrong, at(100), "b").unwrap();
        assert_eq!(tried, Tried::Wrong { until: Some(until) });
        // Not even the right one is looked at, nor does asking make it longer.
        let early = check(path, &digits("4711"), at(129), "b").unwrap();
        assert_eq!(early, Tried::TooEarly { until });
        // The machine was started again: the wait is counted from there, as long as it was.
        let early = check(path, &digits("4711"), at(5), "c").unwrap();
        assert_eq!(early, Tried::TooEarly { until: at(30) });
        let tried = check(path, &wrong, at(31), "c").unwrap();
        assert_eq!(tried, Tried::Wrong { until: Some(at(91)) });
        assert_eq!(check(path, &digits("4711"), at(92), "c").unwrap(), Tried::Right);
        assert_eq!(check(path, &wrong, at(93), "c").unwrap(), Tried::Wrong { until: None });
    }

    #[test]
    fn a_pin_that_cannot_be_read_lets_nobody_in_until_it_is_cleared() {
        let folder = folder("4711");
        for rubbish in [&b""[..], b"4711", b"$argon2id$v=19", &[0xff; 40], &[b'a'; 1000]] {
            std::fs::write(folder.path().join(FILE), rubbish).unwrap();
            assert_eq!(guard(folder.path()), Guard::Broken);
            assert!(check(folder.path(), &digits("4711"), at(9), "b").is_err());
            std::fs::remove_file(folder.path().join(TRIES)).unwrap();
        }
        clear(folder.path()).unwrap();
        assert_eq!(guard(folder.path()), Guard::Open);
    }

    #[test]
    fn tries_that_cannot_be_read_leave_no_free_one() {
        let folder = folder("4711");
        std::fs::write(folder.path().join(TRIES), "rubbish").unwrap();
        let tried = check(folder.path(), &digits("0000"), at(100), "b").unwrap();
        assert_eq!(tried, Tried::Wrong { until: Some(at(130)) });
        // A wait from a file is never longer than a wait can be.
        let text = format!("wrong = 4\nboot = 'b'\nuntil_us = {}", i64::MAX);
        std::fs::write(folder.path().join(TRIES), text).unwrap();
        let tried = check(folder.path(), &digits("0000"), at(100), "b").unwrap();
        assert_eq!(tried, Tried::TooEarly { until: at(130) });
    }
}
