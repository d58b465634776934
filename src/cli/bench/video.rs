//! Scenario `video`: pictures one way, 640x480 at 30 a second.
//!
//! ```text
//!  plain TCP:  twocan camera ────────────────> twocan viewer        beside GStreamer and ffmpeg
//!  sshd:       twocan call ──> OpenSSH sshd ──> twocan call (hidden)
//! ```
//! Processor time is that of both ends together, drawing the test pattern included; the relay's
//! sshd is not in it. In the second one the caller's voice goes along, as it does in every call.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::lab::{self, Lab, Mark, Part, quiet};
use super::pair::{Pair, figure};
use super::peer::Peer;
use super::rows::Row;
use crate::cli::demo::family::Habits;
use crate::cli::demo::kiosk::program;
use crate::cli::demo::sshd::free_port;
use crate::frame::Size;
use crate::wire::control::Request;

/// What all of them carry.
pub(super) const SIZE: Size = Size::new(640, 480);
/// Pictures a second.
pub(super) const FPS: u32 = 30;
/// Before the measurement.
pub(super) const WARM: Duration = Duration::from_millis(2000);
/// Of which 315 pictures are seen.
pub(super) const MEASURED: Duration = Duration::from_millis(10_500);

/// What one run of one pair gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Seconds of processor time, both ends.
    pub(super) cpu: f64,
    /// Pictures in that time.
    pub(super) frames: f64,
    /// Age in ms, half of them.
    pub(super) p50: f64,
    /// Age in ms, 99 % of them.
    pub(super) p99: f64,
    /// MB of the sender and of the receiver.
    pub(super) rss: [f64; 2],
}

/// A column of the runs: what it is called, its unit, and how it is taken.
type Column = (&'static str, &'static str, fn(&Seen) -> f64);
const COLUMNS: [Column; 5] = [
    ("picture age p50", "ms", |seen| seen.p50),
    ("picture age p99", "ms", |seen| seen.p99),
    ("CPU per picture, both ends", "ms", |seen| 1e3 * seen.cpu / seen.frames),
    ("RSS of the sender", "MB", |seen| seen.rss[0]),
    ("RSS of the receiver", "MB", |seen| seen.rss[1]),
];

/// Measure both.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let peers = Peer::installed();
    let (mut plain, mut tunnelled) = (Vec::new(), Vec::new());
    let mut theirs: Vec<(Peer, Vec<Seen>)> = peers.iter().map(|p| (*p, Vec::new())).collect();
    for run in 0..lab.runs {
        lab.say("video, plain TCP", run);
        plain.extend(lab.or_left_out(on_plain_tcp(lab))?);
        for (peer, seen) in &mut theirs {
            lab.say(&format!("video, {}", peer.name()), run);
            seen.extend(lab.or_left_out(peer.measure(lab))?);
        }
        lab.say("video, through sshd", run);
        tunnelled.extend(lab.or_left_out(through_sshd(lab))?);
    }
    let mut rows = rows("video, plain TCP", &plain, &theirs, [None, None, Some(1.0), None, None]);
    let targets = [Some(1.7), Some(3.0), Some(1.3), Some(12.0), Some(12.0)];
    rows.extend(self::rows("video, through sshd", &tunnelled, &[], targets));
    Ok(rows)
}

fn rows(
    scenario: &'static str,
    ours: &[Seen],
    theirs: &[(Peer, Vec<Seen>)],
    targets: [Option<f64>; 5],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for ((metric, unit, take), target) in COLUMNS.into_iter().zip(targets) {
        let column = |seen: &[Seen]| seen.iter().map(take).collect::<Vec<_>>();
        let Some(row) = Row::ours(scenario, metric, unit, &column(ours), target) else { continue };
        let beside = theirs.iter().filter(|(_, seen)| !seen.is_empty());
        let mut beside: Vec<Row> =
            beside.map(|(peer, seen)| row.clone().beside(peer.name(), &column(seen))).collect();
        if beside.is_empty() {
            beside.push(row);
        }
        rows.extend(beside);
    }
    rows
}

fn on_plain_tcp(lab: &Lab) -> anyhow::Result<Seen> {
    let folder = lab.folder("plain")?;
    let port = free_port()?;
    let twocan = |arguments: String| -> anyhow::Result<Command> {
        let mut command = Command::new(program()?);
        command.args(arguments.split_whitespace()).arg("--stats").arg(&folder);
        Ok(quiet(command))
    };
    let camera = format!("camera --device pattern --size {SIZE} --fps {FPS} --listen {port}");
    let camera = Part::start(twocan(camera)?, &folder.join("camera.log"))?;
    lab::wait_for_listener(port)?;
    let viewer = format!("viewer --from 127.0.0.1:{port} --sink null");
    let viewer = Part::start(twocan(viewer)?, &folder.join("viewer.log"))?;
    let pids = [camera.pid(), viewer.pid()];
    lab.wait(WARM)?;
    let before = Mark::of(&pids)?;
    lab.wait(MEASURED)?;
    let (seconds, cpu) = before.until(&Mark::of(&pids)?);
    let rss = [lab::rss_mb(pids[0])?, lab::rss_mb(pids[1])?];
    viewer.finish()?;
    camera.finish()?;
    let path = folder.join("Stats-Video-Viewer");
    let stats = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let last = stats.lines().last().context("the statistics are empty")?;
    let stats: Value = serde_json::from_str(last).context("the statistics' last line")?;
    let shown = figure(&stats, "/shown") / figure(&stats, "/duration_s");
    // The duration holds the start, too: a little less than all of them is all of them.
    let rate = if shown < 0.95 * f64::from(FPS) { shown } else { f64::from(FPS) };
    if rate < 0.5 * f64::from(FPS) {
        let log = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let logs = [log("camera.log"), log("viewer.log"), log("Stats-Video-Camera")].concat();
        bail!("the viewer showed only {rate:.1} pictures a second: {stats}\n{logs}");
    }
    let (p50, p99) = (figure(&stats, "/stamp_age_ms/p50"), figure(&stats, "/stamp_age_ms/p99"));
    Ok(Seen { cpu, frames: seconds * rate, p50, p99, rss })
}

fn through_sshd(lab: &Lab) -> anyhow::Result<Seen> {
    let mut pair = Pair::start(&lab.folder("pair")?, Habits::default(), &[])?;
    pair.call()?;
    pair.bert.ask(&Request::Hide { hidden: Some(true) })?;
    pair.settle(lab)?;
    let pids = [pair.anna.pid(), pair.bert.pid()];
    let shown = |status: &Value| figure(status, "/call/figures/video/shown");
    let (first, before) = (shown(&pair.bert.status()?), Mark::of(&pids)?);
    lab.wait(MEASURED)?;
    let after = Mark::of(&pids)?;
    let status = pair.bert.status()?;
    let age = |key: &str| figure(&status, &format!("/call/figures/video/age_ms/{key}"));
    let frames = shown(&status) - first;
    if frames < 150.0 {
        bail!("only {frames} pictures came through");
    }
    let rss = [lab::rss_mb(pids[0])?, lab::rss_mb(pids[1])?];
    pair.stop()?;
    Ok(Seen { cpu: before.until(&after).1, frames, p50: age("p50"), p99: age("p99"), rss })
}
