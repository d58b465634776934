//! `twocan bench`: figures of whole processes, as JSON and as a table.

pub mod rows;

use std::process::ExitCode;

/// `twocan bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Measure.
///
/// # Errors
/// A part can't start.
pub fn run(_args: &Args) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
