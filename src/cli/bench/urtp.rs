//! Scenario `urtp`: what 20 ms of a microphone station cost to encode and to decode, in this process, one
//! thread.
//!
//! A station encodes fifty of them a second; a server of stations decodes fifty for each that
//! somebody listens to.

use super::lab::Lab;
use super::pieces::Piece;
use super::rows::Row;
use super::units::time;

/// Batches per run.
const BATCHES: usize = 10;
/// Datagrams of a batch: 20 s of sound.
const SIZE: usize = 1000;
/// A thousandth of the time that the sound lasts, in µs.
const TARGET: f64 = 20.0;

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let pieces =
        [(Piece::UrtpEncode, "UNICAM encode, 20 ms"), (Piece::UrtpDecode, "UNICAM decode, 20 ms")];
    let mut rows = Vec::new();
    for (piece, metric) in pieces {
        let times = time(lab.runs * BATCHES, SIZE, piece.work()?);
        rows.extend(Row::ours("urtp", metric, "µs", &times, Some(TARGET)));
    }
    Ok(rows)
}
