//! `twocan calls`: the calls there were, the oldest first.

use std::process::ExitCode;

use chrono::{DateTime, Local};

use super::Globals;
use crate::records::{Direction, Entry, Records};
use crate::usage;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print a JSON list, with the figures of each call
    #[arg(long)]
    json: bool,
}

/// Print them.
///
/// # Errors
/// The records cannot be read.
pub fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let records = Records::load(&globals.paths()?.state)?;
    if records.unreadable > 0 {
        tracing::warn!("{} lines of the call records cannot be read", records.unreadable);
    }
    if args.json {
        return super::print_json(&records.entries);
    }
    super::print(&records.entries.iter().map(line).collect::<String>())
}

/// `2026-11-21 14:05  from Anna  5:03  hung-up  96.4 MB`.
fn line(entry: &Entry) -> String {
    let record = &entry.record;
    let began = i64::try_from(record.began).ok().and_then(|s| DateTime::from_timestamp(s, 0));
    let began = began.map_or_else(
        || "????-??-?? ??:??".to_owned(),
        |began| began.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
    );
    let way = match record.direction {
        Direction::Incoming => "from",
        Direction::Outgoing => "to",
    };
    let long = match (record.answered, entry.missed) {
        (true, _) => format!("{}:{:02}", record.seconds / 60, record.seconds % 60),
        (false, true) => "missed".to_owned(),
        (false, false) => "-".to_owned(),
    };
    let reason = serde_json::to_value(record.reason).unwrap_or_default();
    let reason = reason.as_str().unwrap_or_default();
    let figures = &record.figures;
    let bytes = match (record.answered, figures.bytes_sent + figures.bytes_received) {
        (true, bytes) if bytes > 0 => format!("  {}", usage::in_words(bytes)),
        _ => String::new(),
    };
    format!("{began}  {way} {}  {long}  {reason}{bytes}\n", record.name)
}
