//! Scenario `units`: the pieces of the work by themselves, in this process, one thread, beside bare C
//! loops over Debian's libjpeg-turbo and libopus where those can be compiled.
//!
//! What is timed is a batch; a row's values are the times of one piece in each of the batches.

use std::time::Instant;

use super::bare::Bare;
use super::lab::Lab;
use super::pieces::Piece;
use super::rows::Row;
#[cfg(feature = "kms")]
use crate::{
    frame::Size,
    geometry::{Rect, Rotation},
    ui::kms::Mixing,
};

/// Batches per run.
const BATCHES: usize = 10;

/// A piece, its name, how many make a batch, and the bare loop beside it.
type Unit = (Piece, &'static str, usize, Option<&'static str>);

/// What takes microseconds.
const LARGE: [Unit; 5] = [
    (Piece::Encode, "JPEG from YUV, 640x480", 30, Some("encode")),
    (Piece::Decode, "JPEG to YUV, 640x480", 30, Some("decode")),
    (Piece::Rgb, "JPEG to RGB, 640x480", 30, Some("rgb")),
    (Piece::OpusEncode, "Opus encode, 20 ms", 50, Some("opus-encode")),
    (Piece::OpusDecode, "Opus decode, 20 ms", 50, Some("opus-decode")),
];
/// What takes nanoseconds.
const SMALL: [Unit; 3] = [
    (Piece::Packet, "packet header, encode and decode", 10_000, None),
    (Piece::Pace, "a picture through the gate", 1_000, None),
    (Piece::Jitter, "jitter buffer, push and pull", 1_000, None),
];
/// A bare loop over ours: ours is at most a tenth over it.
const A_TENTH_OVER: f64 = 1.0 / 1.1;

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let bare = Bare::compile(lab)?;
    let mut rows = Vec::new();
    for (piece, metric, size, loop_of) in LARGE {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut work = piece.work()?;
        for _ in 0..lab.runs {
            ours.extend(time(BATCHES, size, &mut work));
            if let (Some(bare), Some(name)) = (&bare, loop_of) {
                theirs.extend(bare.time(name, BATCHES, size)?);
            }
        }
        let peer = if size == 30 { "libjpeg-turbo in C" } else { "libopus in C" };
        rows.extend(Row::ours("units", metric, "µs", &ours, None).map(|r| r.beside(peer, &theirs)));
        rows.extend(Row::times("units", metric, &ours, peer, &theirs, A_TENTH_OVER));
    }
    for (piece, metric, size, _) in SMALL {
        let mut work = piece.work()?;
        let times = time(lab.runs * BATCHES, size, &mut work);
        let nanos: Vec<f64> = times.iter().map(|micros| 1e3 * micros).collect();
        rows.extend(Row::ours("units", metric, "ns", &nanos, None));
    }
    #[cfg(feature = "kms")]
    panel(lab.runs * BATCHES, &mut rows);
    Ok(rows)
}

/// The time of one `work`, in µs, in each of the batches of `size`; what comes first, into cold
/// caches, is not timed.
pub(super) fn time(batches: usize, size: usize, mut work: impl FnMut()) -> Vec<f64> {
    (0..size).for_each(|_| work());
    let batch = |_| {
        let began = Instant::now();
        (0..size).for_each(|_| work());
        began.elapsed().as_secs_f64() * 1e6 / size as f64
    };
    (0..batches).map(batch).collect()
}

/// What a picture costs where the processor mixes it into the pages.
#[cfg(feature = "kms")]
fn panel(batches: usize, rows: &mut Vec<Row>) {
    use std::hint::black_box;
    let mut mixing = Mixing::new(Size::new(800, 480), Rect::new(0, 68, 680, 412));
    let times = time(batches, 30, || {
        black_box(mixing.mix(Rotation::None));
    });
    rows.extend(Row::ours("units", "picture into the pages, 680x412", "µs", &times, Some(200.0)));
    let times = time(batches, 30, || {
        black_box(mixing.mix(Rotation::Quarter));
    });
    rows.extend(Row::ours("units", "the same turned by 90", "µs", &times, None));
}
