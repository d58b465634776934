//! Scenario `call`: picture and voice both ways through sshd, without a screen; and how soon the
//! first picture is there after somebody called.

use super::lab::{self, Lab, Mark};
use super::pair::{Pair, figure};
use super::rows::Row;
use super::video::MEASURED;
use crate::cli::demo::family::Habits;

/// Calls per run whose beginning is measured; the first of them is the long one.
const CALLS: usize = 4;

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let (mut cpu, mut rss, mut own) = (Vec::new(), Vec::new(), Vec::new());
    let (mut p50, mut p99, mut rate) = (Vec::new(), Vec::new(), Vec::new());
    let (mut answered, mut seen) = (Vec::new(), Vec::new());
    for run in 0..lab.runs {
        lab.say("call", run);
        let mut pair = Pair::start(&lab.folder("pair")?, Habits::default(), &[])?;
        for call in 0..CALLS {
            let [anna, bert] = pair.call()?;
            let began = figure(&anna, "/call/began_us");
            let after = |at: f64| (at - began) / 1e3;
            answered.push(after(figure(&anna, "/call/answered_us")));
            let first = [&anna, &bert].map(|status| figure(status, "/call/first_picture_us"));
            seen.push(after(first[0].max(first[1])));
            if call == 0 {
                pair.settle(lab)?;
                let pids = [pair.anna.pid(), pair.bert.pid()];
                let before = [Mark::of(&pids[..1])?, Mark::of(&pids[1..])?];
                let sent = |status: &serde_json::Value| {
                    figure(status, "/call/figures/video/bytes_sent")
                        + figure(status, "/call/figures/audio/bytes_sent")
                };
                let first = sent(&pair.anna.status()?);
                lab.wait(MEASURED)?;
                let after = [Mark::of(&pids[..1])?, Mark::of(&pids[1..])?];
                for (before, after) in before.iter().zip(&after) {
                    let (seconds, cpu_seconds) = before.until(after);
                    cpu.push(100.0 * cpu_seconds / seconds);
                }
                let statuses = [pair.anna.status()?, pair.bert.status()?];
                let seconds = before[0].until(&after[0]).0;
                rate.push((sent(&statuses[0]) - first) * 8e-6 / seconds);
                for status in &statuses {
                    p50.push(figure(status, "/call/figures/video/age_ms/p50"));
                    p99.push(figure(status, "/call/figures/video/age_ms/p99"));
                }
                rss.extend([lab::rss_mb(pids[0])?, lab::rss_mb(pids[1])?]);
                own.extend([lab::own_mb(pids[0])?, lab::own_mb(pids[1])?]);
            }
            pair.hang_up()?;
        }
        pair.stop()?;
    }
    let row =
        |metric, unit, values: &[f64], target| Row::ours("call", metric, unit, values, target);
    let rows = [
        row("CPU per end", "% of a core", &cpu, Some(5.0)),
        row("RSS per end", "MB", &rss, Some(12.0)),
        row("of it, no file's", "MB", &own, None),
        row("picture age p50", "ms", &p50, None),
        row("picture age p99", "ms", &p99, None),
        row("sent per end", "Mbit/s", &rate, None),
        row("call touched to answered", "ms", &answered, None),
        row("call touched to a picture on both ends", "ms", &seen, Some(60.0)),
    ];
    Ok(rows.into_iter().flatten().collect())
}
