//! `twocan bench`: figures of whole processes, as JSON and as a table.
//!
//! ```text
//!  scenario ──> ours, peer, ours, peer … (runs) ──> rows: medians with their spread
//! ```
//! One file per scenario; docs/performance.md says what each of them measures. Whatever runs beside
//! us is a process of its own, whose time is read from its processor clock. A peer that is not
//! installed leaves its rows without a peer.

mod bare;
mod baresip;
mod call;
mod faults;
mod growth;
mod hearing;
mod instructions;
mod keeper;
mod lab;
mod naive;
mod pair;
mod peer;
mod pieces;
pub mod rows;
mod start;
mod station;
mod stations;
mod string;
mod thin;
mod units;
mod urtp;
mod video;
mod voice;
mod voice_peers;
pub mod wan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use self::lab::Lab;
use self::pieces::Piece;
use self::rows::{Bench, Host, Row};
use crate::cli::signals;

/// `twocan bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to measure; without it everything
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(names()))]
    pub scenario: Option<String>,
    /// Write the figures here, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the table here as well
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write the tables between the markers of this page, such as docs/performance.md
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Do one piece of the work so often and nothing else: what instructions are counted of
    #[arg(long, hide = true, value_name = "PIECE", requires = "times")]
    pub piece: Option<Piece>,
    /// How often
    #[arg(long, hide = true, value_name = "N", requires = "piece")]
    pub times: Option<usize>,
    /// How often each thing is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
}

type Scenario = fn(&Lab) -> anyhow::Result<Vec<Row>>;

const SCENARIOS: [(&str, Scenario); 13] = [
    ("units", units::run),
    ("urtp", urtp::run),
    ("instructions", instructions::run),
    ("video", video::run),
    ("call", call::run),
    ("start", start::run),
    ("voice", voice::run),
    ("growth", growth::run),
    ("thin", thin::run),
    ("faults", faults::run),
    ("hearing", hearing::run),
    ("station", station::run),
    ("stations", stations::run),
];

fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.into_iter().map(|(name, _)| name)
}

/// Measure.
///
/// # Errors
/// A part can't start or failed on the way, or a file can't be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let (Some(piece), Some(times)) = (args.piece, args.times) {
        let mut work = piece.work()?;
        (0..times).for_each(|_| work());
        return Ok(ExitCode::SUCCESS);
    }
    let stop = signals::stop_on_signals()?;
    let host = Host::this();
    if host.build != "release" {
        eprintln!("bench: this is a debug build; its times mean nothing");
    }
    let wanted: Vec<(&str, Scenario)> = SCENARIOS
        .into_iter()
        .filter(|(name, _)| args.scenario.as_deref().is_none_or(|wanted| wanted == *name))
        .collect();
    let mut page = args.into.as_deref().map(|path| Page::open(path, &wanted)).transpose()?;
    let lab = Lab::new(args.runs as usize, stop)?;
    let mut bench = Bench { host, rows: Vec::new() };
    for (name, scenario) in wanted {
        let rows = scenario(&lab).with_context(|| format!("measure {name}"))?;
        if let Some(page) = &mut page {
            page.put(name, Bench { host: bench.host.clone(), rows: rows.clone() })?;
        }
        bench.rows.extend(rows);
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

/// The page that a run writes its tables into. Each scenario's is written as soon as it is there.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    /// With a place for all of these, or an error before anything is measured.
    fn open(path: &Path, scenarios: &[(&str, Scenario)]) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        for (name, _) in scenarios {
            if rows::put_into(&text, name, "").is_none() {
                bail!("{} has no markers for {name}", path.display());
            }
        }
        Ok(Self { path: path.to_owned(), text })
    }

    fn put(&mut self, scenario: &str, measured: Bench) -> anyhow::Result<()> {
        if measured.rows.is_empty() {
            return Ok(());
        }
        if let Some(text) = rows::put_into(&self.text, scenario, &measured.markdown()) {
            self.text = text;
        }
        let path = &self.path;
        fs::write(path, &self.text).with_context(|| format!("write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_its_place_on_the_page() {
        let page = include_str!("../../../docs/performance.md");
        for name in names() {
            assert!(rows::put_into(page, name, "").is_some(), "no markers for {name}");
        }
    }
}
