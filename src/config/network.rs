//! `[network]`: what calls may cost.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::value::{Minutes, Text, TextVisitor};

/// Whether the network is paid for by the byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Metered {
    /// As NetworkManager says; where there is none, it is not.
    #[default]
    Auto,
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        })
    }
}

text!(Metered, "\"auto\", \"yes\" or \"no\"", |text| {
    [Metered::Auto, Metered::Yes, Metered::No]
        .into_iter()
        .find(|metered| metered.to_string() == text)
});

/// What calls may cost.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// `auto` (default: as NetworkManager says), `yes` or `no`.
    pub metered: Metered,
    /// Minutes of calls with pictures in a calendar month on a metered network, after which calls
    /// are voice only; 0 (default): as many as one likes.
    pub monthly_minutes: Minutes,
}
