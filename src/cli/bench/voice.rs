//! Scenario `voice`: from mouth to ear through a call, on PulseAudio's null sinks, with 20 ms and
//! with 10 ms in a packet. Without `pulseaudio` there is nothing to measure and there are no rows.

use std::time::Duration;

use anyhow::Context;

use super::lab::{self, Lab};
use super::pair::{Pair, figure};
use super::rows::Row;
use crate::cli::demo::ears;
use crate::cli::demo::family::Habits;
use crate::cli::demo::pulse::Pulse;

/// Seconds, in which seven bursts are heard each way.
const HEARD: u64 = 8;

/// Sound in a packet, and the target for it, in ms.
const FORMATS: [(&str, u32, f64); 2] =
    [("voice, 20 ms packets", 20, 70.0), ("voice, 10 ms packets", 10, 45.0)];

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    if !lab::installed("pulseaudio") {
        eprintln!("bench: no pulseaudio, so no voice");
        return Ok(Vec::new());
    }
    let mut heard = [Heard::default(), Heard::default()];
    for run in 0..lab.runs {
        for ((name, frame_ms, _), heard) in FORMATS.into_iter().zip(&mut heard) {
            lab.say(name, run);
            measure(lab, frame_ms, heard)?;
        }
    }
    let mut rows = Vec::new();
    for ((name, _, target), heard) in FORMATS.into_iter().zip(&heard) {
        rows.extend(Row::ours(name, "mouth to ear", "ms", &heard.delays, Some(target)));
        rows.extend(Row::ours(name, "mouth to ear, the longest", "ms", &heard.longest, None));
        rows.extend(Row::ours(name, "gaps in the call", "", &heard.gaps, Some(0.0)));
    }
    Ok(rows)
}

#[derive(Default)]
struct Heard {
    delays: Vec<f64>,
    longest: Vec<f64>,
    gaps: Vec<f64>,
}

fn measure(lab: &Lab, frame_ms: u32, heard: &mut Heard) -> anyhow::Result<()> {
    let folder = lab.folder("voice")?;
    let pulse = Pulse::start(&folder.join("sound"), &["a", "b"])?;
    let env: Vec<(&str, String)> = pulse.env().into();
    let _mouths = ears(&["--feed", "bursts"], &env)?;
    let card = |kiosk: &str| (format!("mic_{kiosk}"), format!("spk_{kiosk}"));
    let habits = Habits {
        sound: [card("a"), card("b")],
        call: format!("frame_ms = {frame_ms}"),
        ..Habits::default()
    };
    let mut pair = Pair::start(&folder, habits, &env)?;
    pair.call()?;
    pair.settle(lab)?;
    let ears = ears(&["--record", &HEARD.to_string()], &env)?;
    lab.wait(Duration::from_secs(HEARD))?;
    let measured = ears.measured()?;
    for way in ["a_to_b", "b_to_a"] {
        let delay = measured[way]["median"].as_f64();
        heard.delays.push(delay.with_context(|| format!("nothing was heard {way}"))?);
        heard.longest.extend(measured[way]["most"].as_f64());
    }
    for status in [pair.anna.status()?, pair.bert.status()?] {
        heard.gaps.push(figure(&status, "/call/figures/audio/gaps"));
    }
    pair.stop()
}
