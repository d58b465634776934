//! What the loop that draws asks of whatever shows the drawing.

use crate::device::VideoSink;
use crate::frame::Size;
use crate::geometry::Rect;
use crate::ui::face::{Hook, Shown};
use crate::ui::snapshot::Snapshot;
use crate::wire::status::ScreenStatus;

/// A rectangle of the drawing that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where, in the drawing (not turned).
    pub rect: Rect,
    /// Its pixels, rows packed: 0xAARRGGBB, the colours multiplied by alpha. 0 is the hole.
    pub pixels: Vec<u32>,
}

/// Where the other's picture belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    /// In the drawing (not turned). What the picture leaves free of it is black.
    pub rect: Rect,
    /// Pixels per mm along a row over those down a column; see [`crate::ui::panel::Panel`].
    pub pixel_aspect: f32,
}

/// Shows a drawing and one moving picture behind its hole. No call waits for the
/// hardware, but for [`Surface::snapshot`], which waits four seconds at most.
pub trait Surface: Send + Sync {
    /// The size the pages are drawn at: the panel's, turned. Changes when another panel is plugged in.
    fn size(&self) -> Size;

    /// These parts of the drawing are new, and pictures go to `room` from now on (`None`: no page has
    /// a hole). All of it appears together: a hole is never seen without what belongs behind it.
    fn present(&self, patches: Vec<Patch>, room: Option<Room>);

    /// True: pictures are shown behind the hole. False (the path `image`): the pages draw them.
    fn has_hole(&self) -> bool;

    /// A sink whose pictures appear in the room; `shown` hears of each that is on the panel.
    fn pictures(&self, shown: Shown) -> Box<dyn VideoSink>;

    /// Take the picture away.
    fn clear(&self);

    /// Call `answer`, in whatever thread, once everything presented before is on the panel, or there
    /// is no panel for it; never, when what shows it has hung or ended.
    fn come_round(&self, answer: Hook);

    /// What is known of the panel and the way to it.
    fn status(&self) -> ScreenStatus;

    /// What the panel shows, as it is drawn (not turned), pictures and all.
    ///
    /// # Errors
    /// It does not answer: a sentence.
    fn snapshot(&self) -> Result<Snapshot, String>;
}
