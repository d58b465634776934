//! Scenario `call`: picture and voice both ways through sshd, without a screen; and how soon the
//! first picture is there after somebody called.
//!
//! ```text
//!  as it comes           cleaned voice, the test pattern as camera
//!  the camera's JPEGs    the same, but the camera is one that makes JPEGs itself
//!  as baresip            voice not cleaned, PulseAudio's null sinks, pictures with a camera's grain:
//!                        what a baresip has beside it
//! ```

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::baresip::{self, Couple};
use super::lab::{self, Lab, Mark};
use super::pair::{Pair, figure, picture_age};
use super::rows::Row;
use super::video::{FPS, MEASURED, SIZE};
use crate::cli::demo::family::Habits;
use crate::cli::demo::pulse::Pulse;
use crate::codec::jpeg::Encoder;
use crate::device::VideoSource;
use crate::device::test_pattern::TestPattern;
use crate::frame::Picture;

/// Calls per run whose beginning is measured; the first of them is the long one.
const CALLS: usize = 4;
/// Pictures in the file of a camera that makes JPEGs.
const JPEGS: u32 = 3 * FPS;

/// What some calls gave, a value for each end of each.
#[derive(Default)]
struct Seen {
    cpu: Vec<f64>,
    rss: Vec<f64>,
    pss: Vec<f64>,
    own: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Of one end.
    rate: Vec<f64>,
    lips: Vec<f64>,
    /// Of each call.
    answered: Vec<f64>,
    pictures: Vec<f64>,
}

impl Seen {
    /// A run failed.
    fn left_out(&mut self) {
        let Seen { cpu, rss, pss, own, p50, p99, rate, lips, answered, pictures } = self;
        for column in [cpu, rss, pss, own, p50, p99, rate, lips, answered, pictures] {
            column.push(f64::NAN);
        }
    }
}

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (mut whole, mut jpegs, mut alike, mut theirs) =
        (Seen::default(), Seen::default(), Seen::default(), Seen::default());
    let beside = baresip::installed() && lab::installed("pulseaudio");
    for run in 0..lab.runs {
        lab.say("call", run);
        ours(lab, Habits::default(), &[], CALLS, &mut whole)?;
        lab.say("call, the camera's JPEGs", run);
        let file = lab.folder("camera")?.join("camera.mjpeg");
        write_jpegs(&file)?;
        let camera = Habits { camera: file.display().to_string(), ..Habits::default() };
        ours(lab, camera, &[], 1, &mut jpegs)?;
        if beside {
            lab.say("call, as baresip", run);
            let pulse = Pulse::start(&lab.folder("sound")?, &["a", "b"])?;
            let env: Vec<(&str, String)> = pulse.env().into();
            let card = |kiosk: &str| (format!("mic_{kiosk}"), format!("spk_{kiosk}"));
            let call = "cleaning = \"off\"".to_owned();
            let (camera, sound) = ("grain".to_owned(), [card("a"), card("b")]);
            let alone = Habits { camera, sound, call, ..Habits::default() };
            ours(lab, alone, &env, 1, &mut alike)?;
            lab.say("call, baresip", run);
            lab.or_left_out(of_baresip(lab, &env, &mut theirs))?;
        }
    }
    Ok(rows(&whole, &jpegs, &alike, &theirs))
}

fn rows(whole: &Seen, jpegs: &Seen, alike: &Seen, theirs: &Seen) -> Vec<Row> {
    let row =
        |metric, unit, values: &[f64], target| Row::ours("call", metric, unit, values, target);
    let camera = |metric, unit, values: &[f64], target| {
        Row::ours("call, the camera's JPEGs", metric, unit, values, target)
    };
    let beside = |metric: &'static str, unit, take: fn(&Seen) -> &Vec<f64>| {
        Row::ours("call, as baresip", metric, unit, take(alike), None)
            .map(|row| row.beside("baresip", take(theirs)))
    };
    let rows = [
        row("CPU per end", "% of a core", &whole.cpu, Some(5.0)),
        row("RSS per end", "MB", &whole.rss, Some(12.0)),
        row("PSS per end", "MB", &whole.pss, None),
        row("of RSS, no file's", "MB", &whole.own, None),
        row("picture age p50", "ms", &whole.p50, None),
        row("picture age p99", "ms", &whole.p99, None),
        row("sound and picture apart", "ms", &whole.lips, Some(45.0)),
        row("sent per end", "Mbit/s", &whole.rate, None),
        row("call touched to answered", "ms", &whole.answered, None),
        row("call touched to a picture on both ends", "ms", &whole.pictures, Some(60.0)),
        camera("CPU per end", "% of a core", &jpegs.cpu, Some(2.5)),
        camera("sent per end", "Mbit/s", &jpegs.rate, None),
        beside("CPU per end", "% of a core", |seen| &seen.cpu),
        Row::times("call, as baresip", "CPU per end", &alike.cpu, "baresip", &theirs.cpu, 4.5),
        beside("RSS per end", "MB", |seen| &seen.rss),
        beside("PSS per end", "MB", |seen| &seen.pss),
        beside("call touched to a picture on both ends", "ms", |seen| &seen.pictures),
    ];
    rows.into_iter().flatten().collect()
}

/// A pair's calls: the first is measured, the beginnings of all are.
fn ours(
    lab: &Lab,
    habits: Habits,
    env: &[(&str, String)],
    calls: usize,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    let run = measure(lab, habits, env, calls, seen);
    if lab.or_left_out(run)?.is_none() {
        seen.left_out();
    }
    Ok(())
}

fn measure(
    lab: &Lab,
    habits: Habits,
    env: &[(&str, String)],
    calls: usize,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    let mut pair = Pair::start(&lab.folder("pair")?, habits, env)?;
    for call in 0..calls {
        let [anna, bert] = pair.call()?;
        let began = figure(&anna, "/call/began_us");
        let after = |at: f64| (at - began) / 1e3;
        seen.answered.push(after(figure(&anna, "/call/answered_us")));
        let first = [&anna, &bert].map(|status| figure(status, "/call/first_picture_us"));
        seen.pictures.push(after(first[0].max(first[1])));
        if call == 0 {
            pair.settle(lab)?;
            let before = pair.anna.status()?;
            let seconds = usage(lab, [pair.anna.pid(), pair.bert.pid()], seen)?;
            let statuses = [pair.anna.status()?, pair.bert.status()?];
            seen.rate.push((sent(&statuses[0]) - sent(&before)) * 8e-6 / seconds);
            for status in &statuses {
                seen.p50.push(picture_age(status, "p50"));
                seen.p99.push(picture_age(status, "p99"));
                // A null sink that is not timed leaves it at 0: nothing was measured then.
                let lips = figure(status, "/call/figures/audio/lip_sync_ms").abs();
                seen.lips.extend((lips > 0.0).then_some(lips));
            }
        }
        pair.hang_up()?;
    }
    pair.stop()
}

fn sent(status: &Value) -> f64 {
    figure(status, "/call/figures/video/bytes_sent")
        + figure(status, "/call/figures/audio/bytes_sent")
}

/// Processor time and memory of both over a while; how long that was, in seconds.
fn usage(lab: &Lab, pids: [u32; 2], seen: &mut Seen) -> anyhow::Result<f64> {
    let before = [Mark::of(&pids[..1])?, Mark::of(&pids[1..])?];
    lab.wait(MEASURED)?;
    let after = [Mark::of(&pids[..1])?, Mark::of(&pids[1..])?];
    for (before, after) in before.iter().zip(&after) {
        let (seconds, cpu) = before.until(after);
        seen.cpu.push(100.0 * cpu / seconds);
    }
    for pid in pids {
        seen.rss.push(lab::rss_mb(pid)?);
        seen.pss.push(lab::pss_mb(pid)?);
        seen.own.push(lab::own_mb(pid)?);
    }
    Ok(before[0].until(&after[0]).0)
}

fn of_baresip(lab: &Lab, env: &[(&str, String)], seen: &mut Seen) -> anyhow::Result<()> {
    let couple = Couple::start(lab, true, env)?;
    let asked = couple.anna.dial(&couple.bert)?;
    let first = [couple.anna.first_picture(asked)?, couple.bert.first_picture(asked)?];
    seen.pictures.push(first[0].max(first[1]).since(asked).as_secs_f64() * 1e3);
    lab.wait(super::pair::SETTLED)?;
    usage(lab, couple.pids(), seen)?;
    Ok(())
}

/// What a camera that makes JPEGs would have sent: the test pattern, moving, quality 75.
fn write_jpegs(path: &Path) -> anyhow::Result<()> {
    let (_stopper, stop) = crate::stop::stop_pair();
    // Faster than the camera will be: drawing waits for its time.
    let mut pattern = TestPattern::new(SIZE, 480.0, 'A')?;
    let (mut picture, mut encoder, mut file) = (Picture::default(), Encoder::new(75)?, Vec::new());
    for _ in 0..JPEGS {
        pattern.read(&mut picture, &stop)?;
        file.extend_from_slice(encoder.encode(&picture)?);
    }
    Ok(fs::write(path, file)?)
}
