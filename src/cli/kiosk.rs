//! `twocan` and `twocan kiosk`: the full screen, in a window or drawn for nobody to see.

use std::process::ExitCode;
use std::sync::Arc;

use crate::app::{self, Inbox};
use crate::cli::{Globals, signals};
use crate::config::ScreenKind;
use crate::ui::face::Face;

/// What to show the kiosk on.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// In place of `kiosk.screen` of the configuration
    #[arg(long, value_enum)]
    pub screen: Option<ScreenKind>,
}
