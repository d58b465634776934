//! `twocan bench`: figures of whole processes, as JSON and as a table.
//!
//! ```text
//!  scenario ──> ours, peer, ours, peer … (runs) ──> rows: medians with their spread
//! ```
//! One file per scenario; docs/performance.md says what each of them measures. Whatever runs beside
//! us is a process of its own, whose time is read from its processor clock. A peer that is not
//! installed leaves its rows without a peer.

mod call;
mod faults;
mod lab;
mod naive;
mod pair;
mod peer;
pub mod rows;
mod start;
mod thin;
mod units;
mod video;
mod voice;
pub mod wan;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use self::lab::Lab;
use self::rows::{Bench, Host, Row};
use crate::cli::signals;

/// `twocan bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to measure; without it everything
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(NAMES))]
    pub scenario: Option<String>,
    /// Write the figures here, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the table here as well
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// How often each thing is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
}

type Scenario = fn(&Lab) -> anyhow::Result<Vec<Row>>;

const NAMES: [&str; 7] = ["units", "video", "call", "start", "voice", "thin", "faults"];
const SCENARIOS: [Scenario; 7] =
    [units::run, video::run, call::run, start::run, voice::run, thin::run, faults::run];

/// Measure.
///
/// # Errors
/// A part can't start or failed on the way, or a file can't be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals()?;
    let mut bench = Bench { host: Host::this(), rows: Vec::new() };
    if bench.host.build != "release" {
        eprintln!("bench: this is a debug build; its times mean nothing");
    }
    let lab = Lab::new(args.runs as usize, stop)?;
    for (name, scenario) in NAMES.into_iter().zip(SCENARIOS) {
        if args.scenario.as_deref().is_none_or(|wanted| wanted == name) {
            bench.rows.extend(scenario(&lab).with_context(|| format!("measure {name}"))?);
        }
    }
    if bench.rows.is_empty() {
        bail!("nothing was measured");
    }
    let table = bench.markdown();
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&bench)? + "\n";
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(path) = &args.markdown {
        fs::write(path, &table).with_context(|| format!("write {}", path.display()))?;
    }
    crate::cli::print(&table)
}
