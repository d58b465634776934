//! `twocan`: the command line, handed over.

use std::process::ExitCode;

use twocan::cli::{self, Cli};

fn main() -> ExitCode {
    Cli::from_words(std::env::args_os()).map_or_else(|code| code, cli::run)
}
