//! `twocan look-ins`: who looked in and when, the newest first, and whether the log is whole.

use std::process::ExitCode;

use chrono::{DateTime, Local};
use serde::Serialize;

use super::Globals;
use crate::app::words;
use crate::lookins::{self, Visit};

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    whole: bool,
    /// Where it is broken, in a sentence.
    broken: Option<String>,
    lines: u64,
    visits: Vec<Visit>,
}

/// Print them; exit code 1 when the log is not whole.
///
/// # Errors
/// The log cannot be read.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let state = globals.paths()?.state;
    let log = if state.is_dir() { lookins::load(&state)? } else { Default::default() };
    let (broken, lines) = (log.broken.map(|broken| broken.to_string()), log.lines);
    let shown = Shown { whole: broken.is_none(), broken, lines, visits: log.visits() };
    if args.json {
        super::print_json(&shown)?;
    } else {
        let rows: String = shown.visits.iter().map(line).collect();
        let verdict = match &shown.broken {
            None => "The log is whole.".to_owned(),
            Some(sentence) => format!("The log is NOT whole: {sentence}."),
        };
        super::print(&format!("{rows}{verdict}\n"))?;
    }
    Ok(if shown.whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `2026-11-21 14:05  Anna  looked in for 5 minutes  SHA256:…`.
fn line(visit: &Visit) -> String {
    let when = i64::try_from(visit.when).ok().and_then(|s| DateTime::from_timestamp(s, 0));
    let when = when.unwrap_or_default().with_timezone(&Local).format("%Y-%m-%d %H:%M");
    format!("{when}  {}  {}  {}\n", visit.name, words::visit(visit.how), visit.fingerprint)
}
