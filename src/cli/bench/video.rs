//! Scenario `video`: pictures one way, 640x480 at 30 a second.
//!
//! ```text
//!  plain TCP:  twocan camera ────────────────> twocan viewer        beside GStreamer and ffmpeg
//!  sshd:       twocan call ──> OpenSSH sshd ──> twocan call (hidden)    beside GStreamer and ssh
//! ```
//! Processor time is that of both ends together, drawing the test pattern included; the relay's
//! sshd is not in it, and of the peers' ssh clients there is a row of its own. In the second one
//! neither end has a microphone: one-way pictures and nothing else. Bert has hidden himself.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::lab::{self, Lab, Mark, Part, quiet};
use super::pair::{Pair, figure, picture_age};
use super::peer::Peer;
use super::rows::Row;
use super::string::Login;
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
    /// The same of ssh clients beside them, which we have none of.
    pub(super) ssh: f64,
    /// Pictures in that time.
    pub(super) frames: f64,
    /// Age in ms, half of them.
    pub(super) p50: f64,
    /// Age in ms, 99 % of them.
    pub(super) p99: f64,
    /// MB of the sender and of the receiver.
    pub(super) rss: [f64; 2],
}

impl Seen {
    /// Of a run that failed.
    const NOTHING: Seen = {
        let nan = f64::NAN;
        Seen { cpu: nan, ssh: nan, frames: nan, p50: nan, p99: nan, rss: [nan; 2] }
    };
}

/// A column of the runs: what it is called, its unit, and how it is taken.
type Column = (&'static str, &'static str, fn(&Seen) -> f64);
const P50: Column = ("picture age p50", "ms", |seen| seen.p50);
const P99: Column = ("picture age p99", "ms", |seen| seen.p99);
const CPU: Column = ("CPU per picture, both ends", "ms", |seen| 1e3 * seen.cpu / seen.frames);
const CPU_WITH_SSH: Column =
    ("CPU per picture, all of SSH counted", "ms", |seen| 1e3 * (seen.cpu + seen.ssh) / seen.frames);
const SENDER: Column = ("RSS of the sender", "MB", |seen| seen.rss[0]);
const RECEIVER: Column = ("RSS of the receiver", "MB", |seen| seen.rss[1]);

/// What was measured on one kind of line: ours, and everybody else's.
struct Line {
    scenario: &'static str,
    ours: Vec<Seen>,
    theirs: Vec<(&'static str, Vec<Seen>)>,
}

impl Line {
    /// A row of ours beside each of the peers', or alone.
    fn rows(&self, column: Column, target: Option<f64>) -> Vec<Row> {
        let (metric, unit, take) = column;
        let column = |seen: &[Seen]| seen.iter().map(take).collect::<Vec<_>>();
        let Some(row) = Row::ours(self.scenario, metric, unit, &column(&self.ours), target) else {
            return Vec::new();
        };
        let beside = self.theirs.iter().filter(|(_, seen)| !seen.is_empty());
        let rows: Vec<Row> =
            beside.map(|(peer, seen)| row.clone().beside(peer, &column(seen))).collect();
        if rows.is_empty() { vec![row] } else { rows }
    }

    /// How many times more a peer needs.
    fn times(&self, (metric, _, take): Column, peer: &'static str, target: f64) -> Option<Row> {
        let (_, theirs) = self.theirs.iter().find(|(name, _)| *name == peer)?;
        let column = |seen: &[Seen]| seen.iter().map(take).collect::<Vec<_>>();
        Row::times(self.scenario, metric, &column(&self.ours), peer, &column(theirs), target)
    }
}

/// A peer, how it is tied to the other side, and its name in the table.
type Beside = (Peer, Option<Login>, &'static str);
const THROUGH_SSH: &str = "GStreamer, ssh";
const THROUGH_SSH_N: &str = "GStreamer, ssh -N";

/// Measure both.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let peers = Peer::installed();
    let plain_peers: Vec<Beside> = peers.iter().map(|peer| (*peer, None, peer.name())).collect();
    let mut ssh_peers: Vec<Beside> = Vec::new();
    if peers.contains(&Peer::GStreamer) && lab::installed("ssh") {
        ssh_peers.push((Peer::GStreamer, Some(Login::Session), THROUGH_SSH));
        ssh_peers.push((Peer::GStreamer, Some(Login::NoSession), THROUGH_SSH_N));
    }
    let line = |scenario, peers: &[Beside]| Line {
        scenario,
        ours: Vec::new(),
        theirs: peers.iter().map(|(.., name)| (*name, Vec::new())).collect(),
    };
    let mut plain = line("video, plain TCP", &plain_peers);
    let mut tied = line("video, through sshd", &ssh_peers);
    for run in 0..lab.runs {
        for (line, ours, peers) in [
            (&mut plain, on_plain_tcp as fn(&Lab) -> anyhow::Result<Seen>, &plain_peers),
            (&mut tied, through_sshd, &ssh_peers),
        ] {
            lab.say(line.scenario, run);
            line.ours.push(lab.or_left_out(ours(lab))?.unwrap_or(Seen::NOTHING));
            for ((peer, login, name), (_, seen)) in peers.iter().zip(&mut line.theirs) {
                lab.say(&format!("video, {name}"), run);
                let measured = lab.or_left_out(peer.measure(lab, *login))?;
                seen.push(measured.unwrap_or(Seen::NOTHING));
            }
        }
    }
    let mut rows = Vec::new();
    let gstreamer = Peer::GStreamer.name();
    for (column, target) in
        [(P50, None), (P99, None), (CPU, Some(1.0)), (SENDER, None), (RECEIVER, None)]
    {
        rows.extend(plain.rows(column, target));
    }
    rows.extend(plain.times(P50, gstreamer, 1.4));
    rows.extend(plain.times(CPU, gstreamer, 2.2));
    for (column, target) in [
        (P50, Some(1.7)),
        (P99, Some(3.0)),
        (CPU, Some(1.3)),
        (CPU_WITH_SSH, None),
        (SENDER, Some(12.0)),
        (RECEIVER, Some(12.0)),
    ] {
        rows.extend(tied.rows(column, target));
    }
    rows.extend(tied.times(P50, THROUGH_SSH, 1.4));
    Ok(rows)
}

/// `twocan camera` to `twocan viewer`.
fn on_plain_tcp(lab: &Lab) -> anyhow::Result<Seen> {
    alone(lab, SIZE, FPS)
}

/// The same in any size and at any rate.
pub(super) fn alone(lab: &Lab, size: Size, fps: u32) -> anyhow::Result<Seen> {
    let folder = lab.folder("plain")?;
    let port = free_port()?;
    let twocan = |arguments: String| -> anyhow::Result<Command> {
        let mut command = Command::new(program()?);
        command.args(arguments.split_whitespace()).arg("--stats").arg(&folder);
        Ok(quiet(command))
    };
    let camera = format!("camera --device pattern --size {size} --fps {fps} --listen {port}");
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
    // Those of the measured time, which is all but two seconds of this one; the start is in neither.
    let rate = (figure(&stats, "/shown") - 1.0) / figure(&stats, "/showing_s").max(1.0);
    if rate < 0.5 * f64::from(fps) {
        let log = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let logs = [log("camera.log"), log("viewer.log"), log("Stats-Video-Camera")].concat();
        bail!("the viewer showed only {rate:.1} pictures a second: {stats}\n{logs}");
    }
    let (p50, p99) = (figure(&stats, "/stamp_age_ms/p50"), figure(&stats, "/stamp_age_ms/p99"));
    Ok(Seen { cpu, ssh: 0.0, frames: seconds * rate, p50, p99, rss })
}

fn through_sshd(lab: &Lab) -> anyhow::Result<Seen> {
    // A microphone that is not there costs nothing, and nothing has to be taken off the bill.
    let dumb = ("/nowhere/microphone.wav".to_owned(), "null".to_owned());
    let habits = Habits { sound: [dumb.clone(), dumb], ..Habits::default() };
    let mut pair = Pair::start(&lab.folder("pair")?, habits, &[])?;
    pair.call()?;
    pair.bert.ask(&Request::Hide { hidden: Some(true) })?;
    pair.settle(lab)?;
    let pids = [pair.anna.pid(), pair.bert.pid()];
    let shown = |status: &Value| figure(status, "/call/figures/video/shown");
    let (first, before) = (shown(&pair.bert.status()?), Mark::of(&pids)?);
    lab.wait(MEASURED)?;
    let after = Mark::of(&pids)?;
    let status = pair.bert.status()?;
    let frames = shown(&status) - first;
    if frames < 150.0 {
        bail!("only {frames} pictures came through");
    }
    let rss = [lab::rss_mb(pids[0])?, lab::rss_mb(pids[1])?];
    pair.stop()?;
    let (p50, p99) = (picture_age(&status, "p50"), picture_age(&status, "p99"));
    let cpu = before.until(&after).1;
    Ok(Seen { cpu, ssh: 0.0, frames, p50, p99, rss })
}
