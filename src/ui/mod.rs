//! What the resident sees and touches: shows a [`screen::Screen`], reports a [`screen::Command`].
//!
//! `screen` is plain data and builds without Slint; everything else here is behind the feature `ui`
//! and is the only place that says `slint::`.

pub mod screen;
