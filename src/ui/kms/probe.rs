//! What would be used, without taking the screen.

use super::card::{Look, cards};
use super::error::KmsError;
use super::take::find;
use crate::config::{self, VideoPath};
use crate::frame::Size;
use crate::wire::status::ScreenStatus;

/// Whether this machine has a card at all, with a panel or waiting for one.
pub fn has_card() -> bool {
    !cards().is_empty()
}

/// Look at the cards: which panel would be taken, in which mode, and how pictures would get onto it.
/// `size` is the panel's size that is wished for. Nothing that is shown changes. Where another
/// program holds the panel the kernel answers no tests; the reason says so then.
///
/// # Errors
/// No panel is connected, no card can be opened, or no plane takes our pages.
pub fn probe(config: &config::Display, size: Size) -> Result<ScreenStatus, KmsError> {
    let found = find(config, size, Look::Probe)?;
    let mut status = ScreenStatus::default();
    match found.take(&[]) {
        Ok(scanout) => scanout.taken().describe(scanout.way(), &mut status),
        Err(KmsError::Card { deed, path, source }) => {
            let Some(way) = found.best() else {
                return Err(KmsError::Card { deed, path, source });
            };
            found.taken().describe(way, &mut status);
            status.reason = format!("{} (not tested: {source})", status.reason);
        }
        Err(error) => return Err(error),
    }
    if config.video_path == VideoPath::Image {
        status.video_path = VideoPath::Image.to_string();
    }
    Ok(status)
}
