//! Why there is nothing on the panel; every text names the object.

use std::io;
use std::path::PathBuf;

/// The panel, or the way to it, is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No card has a connected connector (or the one that is asked for).
    #[error("no panel is connected{}", to(connector.as_deref()))]
    NoPanel {
        /// The one that is asked for, or that had the panel before.
        connector: Option<String>,
    },
    /// A card can't be used at all.
    #[error("open {}: {source}", path.display())]
    Open {
        /// Its device file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel refused something on an open card.
    #[error("{deed} on {}: {source}", path.display())]
    Card {
        /// What was tried, as a verb with its object: `list the planes`.
        deed: &'static str,
        /// The card's device file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// None of the ways onto the panel passed the kernel's test.
    #[error("the kernel takes no picture of ours on {connector} of {}: {source}", path.display())]
    NoWay {
        /// The card's device file.
        path: PathBuf,
        /// The panel's connector.
        connector: String,
        /// What it said to the last and simplest one.
        source: io::Error,
    },
    /// The thread can't be made.
    #[error("start the display's thread: {0}")]
    Thread(#[source] io::Error),
}

fn to(connector: Option<&str>) -> String {
    connector.map(|name| format!(" to {name}")).unwrap_or_default()
}

impl KmsError {
    /// A panel that is missing is missed at its `last` place, where none is asked for.
    pub(super) fn of_connector(self, last: Option<&str>) -> Self {
        match self {
            Self::NoPanel { connector: None } => {
                Self::NoPanel { connector: last.map(str::to_owned) }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_that_went_is_missed_in_the_same_words_at_every_look() {
        let missing =
            |connector: Option<&str>| KmsError::NoPanel { connector: connector.map(str::to_owned) };
        assert_eq!(missing(None).of_connector(None).to_string(), "no panel is connected");
        let went = missing(Some("DSI-1")).of_connector(Some("DSI-1")).to_string();
        assert_eq!(went, "no panel is connected to DSI-1");
        assert_eq!(missing(None).of_connector(Some("DSI-1")).to_string(), went);
        let wanted = missing(Some("HDMI-A-1")).of_connector(Some("DSI-1")).to_string();
        assert_eq!(wanted, "no panel is connected to HDMI-A-1");
    }
}
