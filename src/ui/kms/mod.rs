//! The screen of an appliance: pages on a panel of the kernel's, driven by fingers.
//!
//! ```text
//!  libinput ─ touch ─┐     main thread                          thread `display`
//!  eventfd ─ posted ─┼─> loop ─> Slint ─> shadow ── patches ──> canvas ─┐
//!  timers ───────────┘  (platform)      (ARGB, with a hole)             ├─> one atomic commit
//!                                                     viewer ─ picture ─┘   per refresh ─> DRM
//! ```
//! Slint draws only what changed, into memory; where the other's picture belongs it leaves a hole.
//! The display thread alone owns the DRM device. It puts the picture under the hole: on a plane of
//! its own where the hardware can, else mixed by the processor. No error of the kernel's ends the
//! loop: a panel that is gone is waited for. This is the only place that says `drm::` or `input::`.

mod bits;
mod canvas;
mod card;
mod choose;
mod commit;
mod compose;
mod display;
mod dumb;
mod error;
mod find;
mod glance;
mod input;
#[cfg(test)]
mod lab;
mod mixing;
mod model;
mod pace;
mod picture;
mod pixel;
mod platform;
mod probe;
mod rounds;
mod scanout;
mod shadow;
mod shared;
mod stage;
pub mod surface;
mod take;
mod thread;
mod touch;
mod vt;

pub use display::{Changed, Display, Options};
pub use error::KmsError;
pub use mixing::Mixing;
pub use platform::{Appliance, OpenSurface};
pub(super) use platform::{Opened, Platform};
pub use probe::{has_card, probe};
pub use vt::Console;
