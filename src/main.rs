//! `twocan`: the command line, handed over.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    twocan::cli::run(twocan::cli::Cli::parse())
}
