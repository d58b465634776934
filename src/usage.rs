//! What calls have cost in each calendar month: `STATE/usage.toml`.
//!
//! ```text
//! [months.2026-11]
//! bytes = 1204224000
//! metered_bytes = 310400000
//! metered_seconds = 5400
//! picture_seconds = 4920
//! ```
//! Each month has its own count, so that a clock that was wrong for a while (a Pi that wakes up in
//! the past) takes nothing from the right one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::{self, Loaded, StoreError};

const FILE: &str = "usage.toml";
/// As many months are kept; the oldest go first.
const KEPT: usize = 24;

/// A month of a year, as people count them.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: u16,
    month: u8,
}

impl Month {
    /// `month` is 1 to 12; none for what no calendar has.
    pub fn new(year: i32, month: u32) -> Option<Self> {
        let (year, month) = (u16::try_from(year).ok()?, u8::try_from(month).ok()?);
        ((1..=12).contains(&month) && year <= 9999).then_some(Self { year, month })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl TryFrom<String> for Month {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text
            .split_once('-')
            .and_then(|(year, month)| Month::new(year.parse().ok()?, month.parse().ok()?));
        parsed.ok_or_else(|| format!("`{text}` is not a month such as 2026-11"))
    }
}

/// What calls cost in one month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    /// Bytes of packets, both ways, with their headers, without the tunnel's cost.
    pub bytes: u64,
    /// Of these, on a network that is paid for by the byte.
    pub metered_bytes: u64,
    /// Seconds of calls on such a network.
    pub metered_seconds: u64,
    /// Of these, seconds in which pictures went.
    pub picture_seconds: u64,
}

/// All months that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    months: BTreeMap<Month, Spent>,
}

impl Usage {
    /// Those of the state folder; empty when nothing was kept or it can't be read (with a line in
    /// the log).
    pub fn load(state: &Path) -> Self {
        let parse = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            toml::from_str(text).map_err(|error| error.message().to_owned())
        };
        let Loaded { value, trouble, .. } = store::load(&state.join(FILE), parse);
        if let Some(trouble) = trouble {
            tracing::warn!("{trouble}");
        }
        value
    }

    /// Keep them.
    ///
    /// # Errors
    /// The disk does not take them.
    pub fn keep(&self, state: &Path) -> Result<(), StoreError> {
        let text = toml::to_string(self).expect("months and numbers are TOML");
        store::write(&state.join(FILE), text.as_bytes())
    }

    /// What `month` has cost.
    pub fn of(&self, month: Month) -> Spent {
        self.months.get(&month).copied().unwrap_or_default()
    }

    /// The count of `month`, to add to.
    pub fn count(&mut self, month: Month) -> &mut Spent {
        while self.months.len() >= KEPT && !self.months.contains_key(&month) {
            self.months.pop_first();
        }
        self.months.entry(month).or_default()
    }
}

/// `840 kB`, `12.3 MB`, `1.20 GB`.
pub fn in_words(bytes: u64) -> String {
    let of = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", of(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", of(1_000_000)),
        _ => format!("{:.2} GB", of(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(year: i32, month: u32) -> Month {
        Month::new(year, month).unwrap()
    }

    #[test]
    fn what_was_kept_is_found_again_and_a_broken_file_falls_back_on_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Usage::load(folder.path()), Usage::default());
        let mut usage = Usage::default();
        usage.count(month(2026, 11)).bytes = 7;
        usage.keep(folder.path()).unwrap();
        usage.count(month(2026, 12)).metered_seconds = 60;
        usage.keep(folder.path()).unwrap();
        assert_eq!(Usage::load(folder.path()), usage);
        std::fs::write(folder.path().join(FILE), "[months.november]\nbytes = 3\n").unwrap();
        let before = Usage::load(folder.path());
        assert_eq!(before.of(month(2026, 11)).bytes, 7);
        assert_eq!(before.of(month(2026, 12)), Spent::default());
    }

    #[test]
    fn a_file_of_another_version_is_read_as_far_as_it_is_understood() {
        let usage: Usage = toml::from_str("[months.2026-01]\nbytes = 3\nstamps = 2\n").unwrap();
        assert_eq!(usage.of(month(2026, 1)), Spent { bytes: 3, ..Spent::default() });
    }

    #[test]
    fn the_oldest_month_makes_room() {
        let mut usage = Usage::default();
        for number in 0..30_u32 {
            usage.count(month(2026 + number as i32 / 12, 1 + number % 12)).bytes = 1;
        }
        assert_eq!(usage.months.len(), KEPT);
        assert_eq!(usage.of(month(2026, 6)), Spent::default());
        assert_eq!(usage.of(month(2026, 7)).bytes, 1);
    }

    #[test]
    fn bytes_and_months_read_as_people_write_them() {
        for (bytes, words) in
            [(999, "999 B"), (12_345, "12 kB"), (12_345_678, "12.3 MB"), (1_204_000_000, "1.20 GB")]
        {
            assert_eq!(in_words(bytes), words);
        }
        assert_eq!(month(2026, 3).to_string(), "2026-03");
        assert_eq!(Month::new(2026, 13), None);
        assert!(Month::try_from("2026-0x".to_owned()).is_err());
    }
}
