//! What the pages are told beside the published Screen: the panel, the pictures, the mouse.
//!
//! ```text
//!  Panel ──> PanelAdapter      sizes, and whether pictures lie behind a hole in the page
//!  Image ──> PictureAdapter ──> where the page has room for the other's picture
//! ```

use slint::{ComponentHandle, Image};

use super::pages::{KioskWindow, PageKind, PanelAdapter, PictureAdapter};
use super::panel::Panel;
use super::scale::Room;
use crate::geometry::Rect;

/// Lay the pages out for `panel`.
pub(super) fn lay_out(window: &KioskWindow, panel: Panel) {
    window.set_panel_width(panel.size.width as f32);
    window.set_panel_height(panel.size.height as f32);
    let adapter = window.global::<PanelAdapter>();
    adapter.set_pixels_per_mm_x(panel.pixels_per_mm_x);
    adapter.set_pixels_per_mm_y(panel.pixels_per_mm_y);
    adapter.set_pixel_aspect(panel.pixel_aspect);
}

/// Show the other's picture, which came with this `ratio`; the room there is for the next one. An
/// empty image takes it away.
pub(super) fn show_remote(
    pictures: &PictureAdapter,
    panel: &PanelAdapter,
    image: Image,
    ratio: f32,
) -> Room {
    pictures.set_remote_ratio(ratio);
    pictures.set_remote(image);
    let rect = room(pictures);
    Room { size: rect.size, pixel_aspect: panel.get_pixel_aspect() }
}

fn room(pictures: &PictureAdapter) -> Rect {
    let pixels = |length: i32| u32::try_from(length).unwrap_or(0);
    Rect::new(
        pixels(pictures.get_room_x()),
        pixels(pictures.get_room_y()),
        pixels(pictures.get_room_width()),
        pixels(pictures.get_room_height()),
    )
}

/// True: the pages leave a hole where the other's picture belongs. False: they draw it.
#[cfg(feature = "kms")]
pub(super) fn set_hole(window: &KioskWindow, hole: bool) {
    window.global::<PanelAdapter>().set_hole(hole);
}

/// Where the page that is on show has a hole, and the shape of the pixels there; `None` while it
/// has none.
#[cfg(feature = "kms")]
pub(super) fn hole(window: &KioskWindow) -> Option<(Rect, f32)> {
    let panel = window.global::<PanelAdapter>();
    let has_room = panel.get_hole() && panel.get_page() == PageKind::InCall;
    has_room.then(|| (room(&window.global::<PictureAdapter>()), panel.get_pixel_aspect()))
}

/// Whether a picture is to be seen behind the hole.
#[cfg(feature = "kms")]
pub(super) fn set_behind(window: &KioskWindow, there: bool) {
    window.global::<PictureAdapter>().set_behind(there);
}

/// Where the mouse is; `None`: nobody has moved one.
#[cfg(feature = "kms")]
pub(super) fn set_mouse(window: &KioskWindow, at: Option<(f32, f32)>) {
    let panel = window.global::<PanelAdapter>();
    panel.set_mouse(at.is_some());
    if let Some((x, y)) = at {
        panel.set_mouse_x(x);
        panel.set_mouse_y(y);
    }
}
