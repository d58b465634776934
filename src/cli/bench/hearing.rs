//! Scenario `hearing`: from a station's microphone to a kiosk's loudspeaker, on PulseAudio's null sinks. Without
//! `pulseaudio` there is nothing to measure and there are no rows.
//!
//! ```text
//!  bursts ──> mic_a ──> station ──> station-server, Bert's ──┬── tunnel ──┬──> Anna's kiosk ──> spk_b
//!               │ monitor                                    └── HTTP ────┘               monitor │
//!               └────────────────────────── onset to onset ──────────────────────────────────────┘
//! ```

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::lab::{self, LIMIT, Lab, Part};
use super::rows::Row;
use crate::cli::demo::ears;
use crate::cli::demo::family::{Family, Habits};
use crate::cli::demo::pulse::Pulse;
use crate::cli::demo::sshd::free_port;
use crate::device::wav;
use crate::frame::SAMPLE_RATE;
use crate::wire::control::Request;

/// From burst to burst: longer than any delay that is looked for.
const BURSTS: u32 = 4;
/// How long a burst is.
const BURST: u32 = SAMPLE_RATE / 25;
/// Until what is heard has found its pace.
const WARM: Duration = Duration::from_secs(6);
/// Seconds in which six bursts are heard.
const HEARD: u64 = 24;

/// The ways, with what they are called and the target in ms.
const WAYS: [(&str, Way, f64); 2] = [
    ("microphone to loudspeaker, tunnel", Way::Tunnel, 500.0),
    ("microphone to loudspeaker, HTTP", Way::Http, 3000.0),
];

#[derive(Clone, Copy)]
enum Way {
    Tunnel,
    Http,
}

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    if !lab::installed("pulseaudio") {
        eprintln!("bench: no pulseaudio, so nothing is heard");
        return Ok(Vec::new());
    }
    let mut delays = [Vec::new(), Vec::new()];
    for run in 0..lab.runs {
        for ((name, way, _), delays) in WAYS.into_iter().zip(&mut delays) {
            lab.say(name, run);
            delays.push(lab.or_left_out(delay(lab, way))?.unwrap_or(f64::NAN));
        }
    }
    let rows = WAYS.into_iter().zip(&delays);
    Ok(rows
        .filter_map(|((name, _, most), ms)| Row::ours("hearing", name, "ms", ms, Some(most)))
        .collect())
}

/// The median of some bursts, in ms.
fn delay(lab: &Lab, way: Way) -> anyhow::Result<f64> {
    let folder = lab.folder("hearing")?;
    let pulse = Pulse::start(&folder.join("sound"), &["a", "b"])?;
    let env: Vec<(&str, String)> = pulse.env().into();
    let bursts = folder.join("bursts.wav");
    wav::save(&bursts, &burst()).with_context(|| format!("write {}", bursts.display()))?;
    let _mouths = ears(&["--feed", &bursts.display().to_string()], &env)?;

    let speaker = |name: &str| ("silence".to_owned(), name.to_owned());
    let habits = Habits { sound: [speaker("spk_b"), speaker("null")], ..Habits::default() };
    let family = Family::make(&folder, &habits)?;
    let (port, web) = (free_port()?, free_port()?);
    let server = format!(
        "[station_server]\nlisten = '127.0.0.1:{port}'\nweb = '127.0.0.1:{web}'\n\
         [[station_server.station]]\nname = 'Garden'\naddress = '127.0.0.1'\n"
    );
    let source = match way {
        Way::Tunnel => "twocan:Bert/Garden".to_owned(),
        Way::Http => format!("http://127.0.0.1:{web}/Garden/live.m3u8"),
    };
    let listen = format!("[[listen]]\nname = 'Garden'\nsource = '{source}'\n");
    for (home, sound, more) in
        [(&family.anna, &habits.sound[0], listen), (&family.bert, &habits.sound[1], server)]
    {
        home.configure(&(family.config(home, &habits, sound) + &more))?;
    }
    let mut command = family.bert.command()?;
    command.arg("station-server");
    let server = Part::start(lab::quiet(command), &folder.join("server.log"))?;
    lab::wait_for_listener(port)?;
    let place = lab.folder("hearing-station")?;
    let mut command = lab::twocan(&place, "")?;
    command.envs(env.iter().map(|(key, value)| (*key, value)));
    command.args(["station", "--device", "mic_a", "--server", &format!("127.0.0.1:{port}")]);
    let station = Part::start(command, &place.join("station.log"))?;
    let mut anna = family.anna.start(&["call"], &env)?;
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    anna.wait_for("Bert at home", LIMIT, reachable)?;
    anna.ask(&Request::Hear { name: Some("Garden".to_owned()) })?;
    let live = |status: &Value| status["hearing"]["state"] == "live";
    anna.wait_for("the station's sound", LIMIT, live)?;
    lab.wait(WARM)?;
    let longest = (1000 * BURSTS - 500).to_string();
    let measured =
        ears(&["--record", &HEARD.to_string(), "--longest", &longest], &env)?.measured()?;
    anna.stop(LIMIT)?;
    station.finish()?;
    server.finish()?;
    measured["a_to_b"]["median"].as_f64().context("no burst was heard")
}

/// Four seconds that begin with 40 ms of 1 kHz.
fn burst() -> Vec<i16> {
    let wave =
        |n: u32| (f64::from(n) * 1000.0 * std::f64::consts::TAU / f64::from(SAMPLE_RATE)).sin();
    let sample = |n| if n < BURST { (16_000.0 * wave(n)) as i16 } else { 0 };
    (0..BURSTS * SAMPLE_RATE).map(sample).collect()
}
