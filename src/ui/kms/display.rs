//! The panel as a [`Surface`].

use std::sync::Arc;

use super::error::KmsError;
use super::surface::{Patch, Room, Surface};
use crate::config;
use crate::device::VideoSink;
use crate::frame::Size;
use crate::ui::face::Shown;
use crate::ui::snapshot::Snapshot;
use crate::wire::status::ScreenStatus;

/// Told that [`Surface::size`] or [`Surface::has_hole`] is another one now: the pages are to be laid
/// out and presented as a whole again. Called in the display's thread; must return at once.
pub type Changed = Box<dyn Fn() + Send + Sync>;

/// What a display is started with.
pub struct Options {
    /// `[display]` of the config.
    pub display: config::Display,
    /// `kiosk.size`: the drawing's size that is wished for (not turned by the panel's rotation),
    /// and the size that is given until a panel is there.
    pub size: Size,
    /// Who hears of another panel.
    pub changed: Changed,
}

/// Owns the thread `display`. Dropping it gives the panel back as it was found.
pub struct Display {
    size: Size,
}

impl Display {
    /// Start the thread; it takes the panel as soon as there is one, and waits for it otherwise.
    ///
    /// # Errors
    /// There is no thread to be had. A missing panel is no error; see [`ScreenStatus::trouble`].
    pub fn start(options: Options) -> Result<Arc<Display>, KmsError> {
        Ok(Arc::new(Self { size: options.size }))
    }
}

impl Surface for Display {
    fn size(&self) -> Size {
        self.size
    }

    fn present(&self, _patches: Vec<Patch>) {}

    fn has_hole(&self) -> bool {
        true
    }

    fn place(&self, _room: Option<Room>) {}

    fn pictures(&self, _shown: Shown) -> Box<dyn VideoSink> {
        unimplemented!("the skeleton shows nothing")
    }

    fn clear(&self) {}

    fn status(&self) -> ScreenStatus {
        ScreenStatus { kind: "kms".to_owned(), ..ScreenStatus::default() }
    }

    fn snapshot(&self) -> Result<Snapshot, String> {
        Err("the panel does not answer".to_owned())
    }
}
