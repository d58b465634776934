//! What the resident sees and touches: shows a [`screen::Screen`], reports a [`screen::Command`].
//!
//! ```text
//! app --Screen--> UiHandle ~~wake-up~~> Adapters --properties--> pages
//! app <-Command-- (closure) <-TapGuard-- Adapters <--callbacks--- a finger
//! viewer worker --Rgb8--> PictureSink ~~wake-up~~> Image --> pages
//! ```
//! `screen` and `panel` are plain data and build without Slint; everything else here is behind the
//! feature `ui` and is the only place that says `slint::`. One thread owns the window; everyone
//! else holds handles.

pub mod face;
pub mod menu;
pub mod panel;
pub mod screen;
pub mod tap_guard;

#[cfg(feature = "ui")]
pub mod adapters;
#[cfg(feature = "kms")]
mod behind;
#[cfg(feature = "ui")]
mod event_loop;
#[cfg(feature = "ui")]
mod handle;
#[cfg(feature = "ui")]
mod headless;
#[cfg(feature = "kms")]
pub mod kms;
#[cfg(feature = "ui")]
mod mailbox;
#[cfg(feature = "ui")]
mod menu_adapter;
#[cfg(feature = "ui")]
mod pictures;
#[cfg(feature = "ui")]
mod properties;
#[cfg(feature = "ui")]
mod qr;
#[cfg(feature = "ui")]
mod scale;
#[cfg(feature = "ui")]
mod snapshot;
#[cfg(feature = "ui")]
mod video;
#[cfg(feature = "ui")]
mod window;
#[cfg(feature = "ui")]
mod window_face;

#[cfg(feature = "ui")]
pub use handle::UiHandle;
#[cfg(feature = "ui")]
pub use snapshot::Snapshot;
#[cfg(feature = "ui")]
pub use video::{OnShown, PictureSink, PictureStats, Place};
#[cfg(feature = "ui")]
pub use window::{ScreenKind, Ui, UiError, viewer_window};
#[cfg(feature = "ui")]
pub use window_face::WindowFace;

/// What the build script made of `ui/app.slint`.
#[cfg(feature = "ui")]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::todo)]
pub mod pages {
    slint::include_modules!();
}
