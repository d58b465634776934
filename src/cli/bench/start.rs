//! Scenario `start`: how soon a kiosk is there, and again after it was killed; and what it costs while
//! nobody calls.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::baresip::{self, Baresip, READY};
use super::lab::{self, LIMIT, Lab, Mark};
use super::pair::figure;
use super::rows::Row;
use crate::cli::demo::family::{Family, Habits};
use crate::cli::demo::kiosk::{Kiosk, program};
use crate::clock::{self, Time};
use crate::wire::control::Request;

/// From the home page's last change to the measurement of idleness, and its length.
const CALM: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);
/// Without a drawing for so long, a change is all on the screen.
const STILL: Duration = Duration::from_millis(300);
/// Pixels of the screen.
const SCREEN: f64 = 800.0 * 480.0;
const OFTEN: Duration = Duration::from_micros(300);

/// From exec to the line that says that a `baresip` is ready, in ms; without pictures and with no
/// sound server, since it opens neither before a call.
fn start_of_baresip(lab: &Lab) -> anyhow::Result<f64> {
    let peer = Baresip::start(&lab.folder("baresip")?, ["null", "null"], false, &[])?;
    Ok(peer.heard(READY, peer.started)?.since(peer.started).as_secs_f64() * 1e3)
}

/// Measure: Anna's kiosk with a headless screen, with Bert within reach.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (mut ready, mut drawn) = (Vec::new(), Vec::new());
    let (mut cpu, mut rss, mut wakes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut drawings, mut again, mut bar) = (Vec::new(), Vec::new(), Vec::new());
    let mut theirs = Vec::new();
    for run in 0..lab.runs {
        if baresip::installed() {
            lab.say("start, baresip", run);
            theirs.extend(lab.or_left_out(start_of_baresip(lab))?);
        }
        lab.say("start", run);
        let habits = Habits { kiosk: "auto_answer = true".to_owned(), ..Habits::default() };
        let family = Family::make(&lab.folder("start")?, &habits)?;
        let mut bert = family.bert.start(&["call"], &[])?;
        bert.wait_for("the relay", LIMIT, |status| status["relay"]["state"] == "connected")?;
        let mut anna = family.anna.start(&["kiosk", "--screen", "headless"], &[])?;
        let began = anna.started;
        ready.push(answers(&anna)?.since(began).as_secs_f64() * 1e3);
        let status =
            anna.wait_for("the first frame", LIMIT, |status| status["first_frame_us"].is_u64())?;
        let frame = Time::from_micros(figure(&status, "/first_frame_us") as u64);
        drawn.push(frame.since(began).as_secs_f64() * 1e3);
        anna.wait_for("Bert at home", LIMIT, |status| status["contacts"][0]["reachable"] == true)?;
        lab.wait(CALM)?;
        let drawn = |kiosk: &Kiosk| kiosk.status().map(|now| figure(&now, "/screen/drawings"));
        let before_drawings = drawn(&anna)?;
        let (before, switches) = (Mark::of(&[anna.pid()])?, wake_ups(anna.pid())?);
        lab.wait(IDLE)?;
        let (seconds, used) = before.until(&Mark::of(&[anna.pid()])?);
        cpu.push(100.0 * used / seconds);
        wakes.push((wake_ups(anna.pid())? - switches) / seconds);
        drawings.push(drawn(&anna)? - before_drawings);
        rss.push(lab::rss_mb(anna.pid())?);
        bar.push(volume_bar(lab, &mut anna, &bert)?);
        let (killed, mut anna) = restart(&family, anna)?;
        again.push(killed);
        anna.stop(LIMIT)?;
        bert.stop(LIMIT)?;
    }
    let size = std::fs::metadata(program()?)?.len() as f64 / 1e6;
    let row =
        |metric, unit, values: &[f64], target| Row::ours("start", metric, unit, values, target);
    let rows = [
        row("start to control socket answers", "ms", &ready, Some(20.0))
            .map(|row| row.beside("baresip", &theirs)),
        row("start to first frame", "ms", &drawn, Some(150.0)),
        row("idle CPU", "% of a core", &cpu, Some(0.2)),
        row("idle wake-ups", "per second", &wakes, None),
        row("drawings in 10 idle seconds", "", &drawings, Some(1.0)),
        row("drawn when the volume bar comes", "% of the screen", &bar, Some(25.0)),
        row("killed to home page again", "s", &again, Some(2.0)),
        row("RSS of the kiosk", "MB", &rss, Some(45.0)),
        row("binary", "MB", &[size], None),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// In a call in which nothing moves: the share of the screen that is drawn when one thing changes.
fn volume_bar(lab: &Lab, anna: &mut Kiosk, bert: &Kiosk) -> anyhow::Result<f64> {
    anna.ask(&Request::Dial { name: "Bert".to_owned() })?;
    anna.wait_for("the call", LIMIT, |status| status["call"]["state"] == "established")?;
    anna.ask(&Request::Hide { hidden: Some(true) })?;
    bert.ask(&Request::Hide { hidden: Some(true) })?;
    anna.wait_for("Bert hidden", LIMIT, |status| status["call"]["no_picture"].is_string())?;
    lab.wait(CALM)?;
    let before = anna.status()?;
    anna.ask(&Request::Volume { volume: 3 })?;
    let drawn = |status: &Value, what: &str| figure(status, what) - figure(&before, what);
    anna.wait_for("the bar", LIMIT, |status| drawn(status, "/screen/drawings") > 0.0)?;
    let after = at_rest(lab, anna)?;
    anna.ask(&Request::Hangup)?;
    Ok(100.0 * drawn(&after, "/screen/copied_pixels") / SCREEN)
}

/// The status once nothing has been drawn for a while: a change may take several drawings. The bar
/// itself stays for longer than that.
fn at_rest(lab: &Lab, kiosk: &Kiosk) -> anyhow::Result<Value> {
    let deadline = Instant::now() + LIMIT;
    let mut before = kiosk.status()?;
    loop {
        lab.wait(STILL)?;
        let now = kiosk.status()?;
        if figure(&now, "/screen/drawings") <= figure(&before, "/screen/drawings") {
            return Ok(now);
        }
        if Instant::now() > deadline {
            bail!("the kiosk never stops drawing: {now}");
        }
        before = now;
    }
}

/// Kill Anna's kiosk, wait as long as her unit's manager would, and start it again: the seconds from
/// the kill to the first frame.
fn restart(family: &Family, anna: Kiosk) -> anyhow::Result<(f64, Kiosk)> {
    let killed = clock::now();
    drop(anna);
    std::thread::sleep(pause()?);
    let mut anna = family.anna.start(&["kiosk", "--screen", "headless"], &[])?;
    let status =
        anna.wait_for("the first frame", LIMIT, |status| status["first_frame_us"].is_u64())?;
    let frame = Time::from_micros(figure(&status, "/first_frame_us") as u64);
    Ok((frame.since(killed).as_secs_f64(), anna))
}

/// `RestartSec` of the appliance's unit.
fn pause() -> anyhow::Result<Duration> {
    let unit = include_str!("../../../kiosk/twocan-kiosk.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("RestartSec="));
    let millis = line.and_then(|line| line.strip_suffix("ms")).context("RestartSec in ms")?;
    Ok(Duration::from_millis(millis.parse()?))
}

/// The moment at which it first answers.
fn answers(kiosk: &Kiosk) -> anyhow::Result<Time> {
    let deadline = Instant::now() + LIMIT;
    while kiosk.status().is_err() {
        if Instant::now() > deadline {
            bail!("the kiosk does not answer: {}", kiosk.last_words());
        }
        std::thread::sleep(OFTEN);
    }
    Ok(clock::now())
}

/// How often the threads of a process went to sleep by themselves so far.
fn wake_ups(pid: u32) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that ended meanwhile wakes no more.
        let Ok(status) = std::fs::read_to_string(task?.path().join("status")) else { continue };
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.context("read /proc/PID/task")?.trim().parse::<f64>()?;
    }
    Ok(sum)
}
