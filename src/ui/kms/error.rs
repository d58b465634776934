//! Why there is nothing on the panel; every text names the object.

use std::io;
use std::path::PathBuf;

/// The panel, or the way to it, is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No card has a connected connector (or the one that is asked for).
    #[error("no panel is connected{0}")]
    NoPanel(String),
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
