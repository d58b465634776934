//! x
use std::process::ExitCode;
/// x
#[derive(Debug, clap::Args)]
pub struct Args {}
/// x
pub fn run(_args: Args) -> anyhow::Result<ExitCode> { Ok(ExitCode::SUCCESS) }
