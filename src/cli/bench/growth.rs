//! Scenario `growth`: what more of something costs.
//!
//! ```text
//!  pixels x3, pictures a second x2 x4     plain TCP: processor time of both ends
//!  calls on one relay 1, 4, 16            processor time of the relay and of a call's two ends
//!  length of a call, number of calls      memory, threads and open files after against before
//! ```
//! Runs of the sizes that are compared take turns. Small pictures keep sixteen calls within one
//! machine.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::lab::{self, LIMIT, Lab, Mark};
use super::pair::{Pair, SETTLED, figure};
use super::rows::Row;
use super::video::{FPS, SIZE, alone};
use crate::cli::demo::family::{Family, Habits};
use crate::cli::demo::kiosk::{Home, Kiosk};
use crate::contacts::Contact;
use crate::frame::Size;
use crate::wire::control::Request;

/// Three times the pixels of 640x480.
const LARGE: Size = Size::new(1280, 720);
/// Calls on one relay.
const CROWDS: [usize; 3] = [1, 4, 16];
/// Pictures a second of each.
const CROWD_FPS: u32 = 10;
/// How long a crowd is measured.
const WATCHED: Duration = Duration::from_secs(8);
/// How long the long call is: an hour, scaled.
const LONG: Duration = Duration::from_secs(120);
/// After so many calls memory is looked at first, and after so many again.
const CALLS: [usize; 2] = [10, 60];

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mut rows = pictures(lab)?;
    rows.extend(crowds(lab)?);
    rows.extend(lengths(lab)?);
    Ok(rows)
}

fn row(
    metric: impl Into<std::borrow::Cow<'static, str>>,
    unit: &'static str,
    values: &[f64],
    target: Option<f64>,
) -> Option<Row> {
    Row::ours("growth", metric, unit, values, target)
}

/// What one costs over what the other costs, run by run.
fn over(more: &[f64], less: &[f64]) -> Vec<f64> {
    more.iter().zip(less).map(|(more, less)| more / less).collect()
}

fn pictures(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let kinds = [
        ("pixels", SIZE, FPS),
        ("pixels x3", LARGE, FPS),
        ("15 fps", SIZE, 15),
        ("60 fps", SIZE, 60),
    ];
    let mut times: [Vec<f64>; 4] = Default::default();
    for run in 0..lab.runs {
        for ((name, size, fps), times) in kinds.into_iter().zip(&mut times) {
            lab.say(&format!("growth, {name}"), run);
            let seen = lab.or_left_out(alone(lab, size, fps))?;
            times.push(seen.map_or(f64::NAN, |seen| 1e3 * seen.cpu / seen.frames));
        }
    }
    let [usual, large, slow, fast] = &times;
    // Of a second: pictures cost the same however many there are.
    let second = |times: &[f64], fps: f64| times.iter().map(|ms| ms * fps).collect::<Vec<_>>();
    let (at_15, at_30, at_60) = (second(slow, 15.0), second(usual, 30.0), second(fast, 60.0));
    let rows = [
        row("CPU per picture, 640x480", "ms", usual, None),
        row("CPU per picture, 1280x720", "ms", large, None),
        row("CPU with three times the pixels", "times", &over(large, usual), Some(3.4)),
        row("CPU with 30 pictures a second over 15", "times", &over(&at_30, &at_15), Some(2.2)),
        row("CPU with 60 pictures a second over 15", "times", &over(&at_60, &at_15), Some(4.4)),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// What a crowd cost, each of its calls.
struct Cost {
    /// Of the relay's processes, ms in a second.
    relay: f64,
    /// Of both ends.
    ends: f64,
    /// Pictures that an end showed in a second: a crowd that sends less is not cheaper.
    shown: f64,
}

impl Cost {
    /// Of a run that failed.
    const NOTHING: Cost = Cost { relay: f64::NAN, ends: f64::NAN, shown: f64::NAN };
}

fn crowds(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mut costs: [Vec<Cost>; 3] = Default::default();
    for run in 0..lab.runs {
        for (calls, costs) in CROWDS.into_iter().zip(&mut costs) {
            lab.say(&format!("growth, {calls} calls on a relay"), run);
            costs.push(lab.or_left_out(crowd(lab, calls))?.unwrap_or(Cost::NOTHING));
        }
    }
    let mut rows = Vec::new();
    let of = |costs: &[Cost], take: fn(&Cost) -> f64| costs.iter().map(take).collect::<Vec<_>>();
    let [one, _, many] = &costs;
    type Column = (&'static str, fn(&Cost) -> f64);
    let columns: [Column; 2] =
        [("the relay's CPU", |cost| cost.relay), ("both ends' CPU", |cost| cost.ends)];
    for (calls, costs) in CROWDS.into_iter().zip(&costs) {
        let metric = format!("pictures shown a second by an end, {calls} on a relay");
        let shown = of(costs, |cost| cost.shown);
        rows.extend(Row::at_least("growth", metric, "", &shown, 0.9 * f64::from(CROWD_FPS)));
    }
    for (whose, take) in columns {
        for (calls, costs) in CROWDS.into_iter().zip(&costs) {
            let metric = format!("{whose} per call, {calls} on a relay");
            rows.extend(row(metric, "ms a second", &of(costs, take), None));
        }
        let grown = over(&of(many, take), &of(one, take));
        // Constant or falling; a tenth is within the spread.
        rows.extend(row(format!("{whose} per call, 16 over 1"), "times", &grown, Some(1.1)));
    }
    Ok(rows)
}

/// So many pairs in calls over one relay.
fn crowd(lab: &Lab, calls: usize) -> anyhow::Result<Cost> {
    let folder = lab.folder("crowd")?;
    let habits = Habits {
        size: "160x120".to_owned(),
        fps: CROWD_FPS,
        kiosk: "auto_answer = true".to_owned(),
        ..Habits::default()
    };
    let family = Family::make(&folder.join("0"), &habits)?;
    let mut pairs = Vec::new();
    for at in 1..calls {
        pairs.push(neighbours(&folder.join(at.to_string()), &family, &habits)?);
    }
    let homes =
        || std::iter::once((&family.anna, &family.bert)).chain(pairs.iter().map(|(a, b)| (a, b)));
    let key = |home: &Home| home.identity.public().to_openssh(&home.name);
    family.relay.authorize(&homes().flat_map(|(a, b)| [key(a), key(b)]).collect::<Vec<_>>())?;
    let mut kiosks: Vec<[Kiosk; 2]> = Vec::new();
    for (anna, bert) in homes() {
        kiosks.push([anna.start(&["call"], &[])?, bert.start(&["call"], &[])?]);
    }
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    let seen = |status: &Value| status["call"]["first_picture_us"].is_u64();
    for [anna, bert] in &mut kiosks {
        anna.wait_for("Bert at home", LIMIT, reachable)?;
        bert.wait_for("Anna at home", LIMIT, reachable)?;
        anna.ask(&Request::Dial { name: "Bert".to_owned() })?;
    }
    for kiosk in kiosks.iter_mut().flatten() {
        kiosk.wait_for("a picture", LIMIT, seen)?;
    }
    lab.wait(SETTLED)?;
    let relay: Vec<u32> = family
        .relay
        .session_processes()
        .into_iter()
        .filter_map(|pid| pid.try_into().ok())
        .collect();
    let ends: Vec<u32> = kiosks.iter().flatten().map(Kiosk::pid).collect();
    let shown = |kiosks: &[[Kiosk; 2]]| -> anyhow::Result<f64> {
        let of = |kiosk: &Kiosk| Ok(figure(&kiosk.status()?, "/call/figures/video/shown"));
        kiosks.iter().flatten().map(of).sum()
    };
    let first = shown(&kiosks)?;
    let before = [Mark::of(&relay)?, Mark::of(&ends)?];
    lab.wait(WATCHED)?;
    let each = |before: &Mark, pids: &[u32]| -> anyhow::Result<f64> {
        let (seconds, cpu) = before.until(&Mark::of(pids)?);
        Ok(1e3 * cpu / seconds / calls as f64)
    };
    let (relay, cost_of_ends) = (each(&before[0], &relay)?, each(&before[1], &ends)?);
    let shown = (shown(&kiosks)? - first) / WATCHED.as_secs_f64() / ends.len() as f64;
    let cost = Cost { relay, ends: cost_of_ends, shown };
    for kiosk in kiosks.iter_mut().flatten() {
        kiosk.stop(LIMIT)?;
    }
    Ok(cost)
}

/// Two more kiosks that know each other and meet at the relay of `family`.
fn neighbours(folder: &Path, family: &Family, habits: &Habits) -> anyhow::Result<(Home, Home)> {
    let anna = Home::make(&folder.join("anna"), "Anna")?;
    let bert = Home::make(&folder.join("bert"), "Bert")?;
    anna.configure(&family.config(&anna, habits, &habits.sound[0]))?;
    bert.configure(&family.config(&bert, habits, &habits.sound[1]))?;
    anna.knows(Contact::new("Bert", bert.identity.public()))?;
    bert.knows(Contact::new("Anna", anna.identity.public()))?;
    Ok((anna, bert))
}

/// What a process holds.
#[derive(Clone, Copy)]
struct Held {
    rss: f64,
    threads: f64,
    files: f64,
}

impl Held {
    fn by(pid: u32) -> anyhow::Result<Self> {
        let count = |folder: &str| -> anyhow::Result<f64> {
            Ok(fs::read_dir(format!("/proc/{pid}/{folder}"))?.count() as f64)
        };
        Ok(Self { rss: lab::rss_mb(pid)?, threads: count("task")?, files: count("fd")? })
    }
}

/// What both ends of the runs grew by.
#[derive(Default)]
struct Grown {
    long: Vec<f64>,
    many: Vec<f64>,
    threads: Vec<f64>,
    files: Vec<f64>,
}

impl Grown {
    /// A run failed.
    fn left_out(&mut self) {
        for column in [&mut self.long, &mut self.many, &mut self.threads, &mut self.files] {
            column.push(f64::NAN);
        }
    }
}

fn lengths(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mut grown = Grown::default();
    for run in 0..lab.runs {
        if lab.or_left_out(length(lab, run, &mut grown))?.is_none() {
            grown.left_out();
        }
    }
    let rows = [
        row("RSS grown in two minutes of a call", "MB", &grown.long, Some(0.5)),
        row("RSS grown in 50 calls", "MB", &grown.many, Some(1.0)),
        row("threads grown in 50 calls", "", &grown.threads, Some(0.0)),
        row("open files grown in 50 calls", "", &grown.files, Some(0.0)),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// One long call, and many short ones.
fn length(lab: &Lab, run: usize, grown: &mut Grown) -> anyhow::Result<()> {
    lab.say("growth, a long call", run);
    let mut pair = Pair::start(&lab.folder("pair")?, Habits::default(), &[])?;
    let pids = [pair.anna.pid(), pair.bert.pid()];
    pair.call()?;
    // Buffers find their size in the first tenth.
    lab.wait(LONG / 10)?;
    let before = [Held::by(pids[0])?, Held::by(pids[1])?];
    lab.wait(LONG)?;
    for (pid, before) in pids.into_iter().zip(before) {
        grown.long.push((Held::by(pid)?.rss - before.rss).max(0.0));
    }
    pair.hang_up()?;
    lab.say("growth, many calls", run);
    let mut before = None;
    for call in 1..=CALLS[1] {
        pair.call()?;
        pair.hang_up()?;
        if call == CALLS[0] {
            before = Some([Held::by(pids[0])?, Held::by(pids[1])?]);
        }
    }
    for (pid, before) in pids.into_iter().zip(before.into_iter().flatten()) {
        let after = Held::by(pid)?;
        grown.many.push((after.rss - before.rss).max(0.0));
        grown.threads.push((after.threads - before.threads).max(0.0));
        grown.files.push((after.files - before.files).max(0.0));
    }
    pair.stop()
}
