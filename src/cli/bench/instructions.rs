//! Scenario `instructions`: how many instructions a piece of the work takes. Unlike times these can
//! guard a build: they are the same on a busy machine.
//!
//! ```text
//!  valgrind twocan bench --piece encode --times  4 ──> instructions ┐
//!  valgrind twocan bench --piece encode --times 24 ──> instructions ┴─> the slope: one piece
//! ```
//! `benches/instructions.json` holds the guarded figures, for each architecture and build; a row is
//! met up to a tenth over them (tests/instructions.rs). Whoever makes a piece dearer on purpose, or
//! cheaper, writes the new figure there. The JPEG library is kept to SSE2, so that the figures do not
//! depend on what the processor has.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::lab::{self, Lab};
use super::pieces::Piece;
use super::rows::{Host, Row};
use crate::cli::demo::kiosk::program;

/// Architecture, build, piece, instructions.
type Guards = BTreeMap<String, BTreeMap<String, BTreeMap<String, f64>>>;
const GUARDS: &str = include_str!("../../../benches/instructions.json");
/// What is allowed over the guarded figure.
const TOLERANCE: f64 = 1.1;

/// The guarded pieces and the two counts whose difference is measured.
const PIECES: [(Piece, [u32; 2]); 7] = [
    (Piece::Encode, [2, 8]),
    (Piece::Decode, [2, 8]),
    (Piece::UrtpEncode, [1_000, 6_000]),
    (Piece::UrtpDecode, [1_000, 6_000]),
    (Piece::Packet, [1_000, 11_000]),
    (Piece::Pace, [1_000, 6_000]),
    (Piece::Jitter, [1_000, 6_000]),
];

/// Measure. Once is enough: the figures hardly differ from one run to the next.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    if !lab::installed("valgrind") {
        eprintln!("bench: no valgrind, so no instructions");
        return Ok(Vec::new());
    }
    let guards: Guards = serde_json::from_str(GUARDS).context("benches/instructions.json")?;
    let guards = guards.get(std::env::consts::ARCH).and_then(|arch| arch.get(Host::this().build));
    let mut rows = Vec::new();
    for (piece, [few, many]) in PIECES {
        let name = piece.to_possible_value().context("a piece without a name")?;
        let name = name.get_name().to_owned();
        let [few_took, many_took] = [count(lab, &name, few)?, count(lab, &name, many)?];
        let each = (many_took - few_took) / f64::from(many - few);
        let target = guards.and_then(|guards| guards.get(&name)).map(|guard| guard * TOLERANCE);
        rows.extend(Row::ours("instructions", name, "instructions", &[each], target));
    }
    Ok(rows)
}

/// The instructions of a whole process that does the piece so often.
fn count(lab: &Lab, piece: &str, times: u32) -> anyhow::Result<f64> {
    lab.wait(std::time::Duration::ZERO)?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program()?);
    valgrind.args(["bench", "--piece", piece, "--times", &times.to_string()]);
    let out = valgrind.env("JSIMD_FORCESSE2", "1").output().context("run valgrind")?;
    let words = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        bail!("valgrind failed at {piece}: {words}");
    }
    let line = words.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = line.with_context(|| format!("valgrind did not count: {words}"))?;
    Ok(collected.trim().parse()?)
}
