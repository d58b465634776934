//! Scenario `voice`: from mouth to ear through a call, on PulseAudio's null sinks, with 20 ms and
//! with 10 ms in a packet. Without `pulseaudio` there is nothing to measure and there are no rows.
//!
//! ```text
//!  in a call with pictures, as it comes    bursts: onset to onset; gaps as the kiosks count them
//!  in a call without, voice not cleaned    the same beside the peers, and holes in a steady tone:
//!                                          what any of them did to it, heard from outside
//! ```

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::lab::{self, Lab, Mark};
use super::pair::{Pair, figure};
use super::rows::Row;
use super::voice_peers::Peer;
use crate::cli::demo::ears;
use crate::cli::demo::family::Habits;
use crate::cli::demo::pulse::Pulse;
use crate::wire::control::Request;

/// Seconds, in which seven bursts are heard each way.
const BURSTS: u64 = 8;
/// Seconds of a call: what is promised is a minute without a gap.
const STEADY: u64 = 60;
/// Seconds of a tone, through ours and through the peers.
const TONE: u64 = 20;
/// Until a peer has started and its sound flows.
const WARM: Duration = Duration::from_secs(3);

/// Sound in a packet, and the target for it, in ms.
const FORMATS: [(&str, u32, f64); 2] =
    [("voice, 20 ms packets", 20, 70.0), ("voice, 10 ms packets", 10, 45.0)];
const ALONE: &str = "voice alone, 20 ms packets";

/// Of one kind of line, a value for each way or each end of each run.
#[derive(Default)]
struct Heard {
    delays: Vec<f64>,
    longest: Vec<f64>,
    /// Holes in a tone.
    holes: Vec<f64>,
    gaps: Vec<f64>,
    /// % of a core, both ends.
    cpu: Vec<f64>,
}

impl Heard {
    /// Take note of a run that failed.
    fn unless_left_out(&mut self, run: Option<()>) {
        if run.is_none() {
            let Heard { delays, longest, holes, gaps, cpu } = self;
            for column in [delays, longest, holes, gaps, cpu] {
                column.push(f64::NAN);
            }
        }
    }
}

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    if !lab::installed("pulseaudio") {
        eprintln!("bench: no pulseaudio, so no voice");
        return Ok(Vec::new());
    }
    let mut heard = [Heard::default(), Heard::default()];
    let mut alone = Heard::default();
    let mut theirs: Vec<(Peer, Heard)> =
        Peer::installed().into_iter().map(|peer| (peer, Heard::default())).collect();
    for run in 0..lab.runs {
        for ((name, frame_ms, _), heard) in FORMATS.into_iter().zip(&mut heard) {
            lab.say(name, run);
            let done = lab.or_left_out(in_a_call(lab, frame_ms, heard))?;
            heard.unless_left_out(done);
        }
        lab.say(ALONE, run);
        let done = lab.or_left_out(without_pictures(lab, &mut alone))?;
        alone.unless_left_out(done);
        for (peer, heard) in &mut theirs {
            lab.say(&format!("voice, {}", peer.name()), run);
            lab.or_left_out(of_peer(lab, *peer, heard))?;
        }
    }
    Ok(rows(&heard, &alone, &theirs))
}

fn rows(heard: &[Heard; 2], alone: &Heard, theirs: &[(Peer, Heard)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for ((name, _, target), heard) in FORMATS.into_iter().zip(heard) {
        rows.extend(Row::ours(name, "mouth to ear", "ms", &heard.delays, Some(target)));
        rows.extend(Row::ours(name, "mouth to ear, the longest", "ms", &heard.longest, None));
        rows.extend(Row::ours(name, "gaps in 60 s", "", &heard.gaps, Some(0.0)));
    }
    type Column = (&'static str, &'static str, fn(&Heard) -> &Vec<f64>);
    let columns: [Column; 3] = [
        ("mouth to ear", "ms", |heard| &heard.delays),
        ("holes in 20 s of a tone", "", |heard| &heard.holes),
        ("CPU, both ends", "% of a core", |heard| &heard.cpu),
    ];
    for (metric, unit, take) in columns {
        let Some(row) = Row::ours(ALONE, metric, unit, take(alone), None) else { continue };
        let measured = theirs.iter().filter(|(_, heard)| !take(heard).is_empty());
        let beside: Vec<Row> =
            measured.map(|(peer, heard)| row.clone().beside(peer.name(), take(heard))).collect();
        rows.extend(if beside.is_empty() { vec![row] } else { beside });
    }
    rows
}

/// A call as it comes, with pictures.
fn in_a_call(lab: &Lab, frame_ms: u32, heard: &mut Heard) -> anyhow::Result<()> {
    let folder = lab.folder("voice")?;
    let pulse = Pulse::start(&folder.join("sound"), &["a", "b"])?;
    let env: Vec<(&str, String)> = pulse.env().into();
    let _mouths = ears(&["--feed", "bursts"], &env)?;
    // Both say the same bursts: a canceller would take the one's for the other's echo.
    let call = format!("frame_ms = {frame_ms}\ndtx = false\ncleaning = \"off\"");
    let habits = Habits { call, ..on_sinks() };
    let mut pair = Pair::start(&folder, habits, &env)?;
    pair.call()?;
    pair.settle(lab)?;
    let gaps = |pair: &Pair| -> anyhow::Result<[f64; 2]> {
        let of = |status: Value| figure(&status, "/call/figures/audio/gaps");
        Ok([of(pair.anna.status()?), of(pair.bert.status()?)])
    };
    let before = gaps(&pair)?;
    bursts(&env, heard)?;
    lab.wait(Duration::from_secs(STEADY - BURSTS))?;
    for (before, after) in before.into_iter().zip(gaps(&pair)?) {
        heard.gaps.push(after - before);
    }
    pair.stop()
}

/// A call in which nobody has a camera, so that it is what the peers do.
fn without_pictures(lab: &Lab, heard: &mut Heard) -> anyhow::Result<()> {
    let folder = lab.folder("voice")?;
    let pulse = Pulse::start(&folder.join("sound"), &["a", "b"])?;
    let env: Vec<(&str, String)> = pulse.env().into();
    let camera = "/nowhere/camera.mjpeg".to_owned();
    let call = "cleaning = \"off\"\ndtx = false".to_owned();
    let mut pair = Pair::start(&folder, Habits { camera, call, ..on_sinks() }, &env)?;
    pair.anna.ask(&Request::Dial { name: "Bert".to_owned() })?;
    let talking = |status: &Value| status["call"]["state"] == "established";
    pair.anna.wait_for("the call", lab::LIMIT, talking)?;
    pair.settle(lab)?;
    compare(lab, &[pair.anna.pid(), pair.bert.pid()], &env, heard)?;
    pair.stop()
}

fn of_peer(lab: &Lab, peer: Peer, heard: &mut Heard) -> anyhow::Result<()> {
    let pulse = Pulse::start(&lab.folder("sound")?, &["a", "b"])?;
    let env: Vec<(&str, String)> = pulse.env().into();
    let running = peer.start(lab, &env)?;
    lab.wait(WARM)?;
    compare(lab, &running.pids(), &env, heard)
}

/// Bursts for the delay and the processor time, then a tone for holes.
fn compare(
    lab: &Lab,
    pids: &[u32],
    env: &[(&str, String)],
    heard: &mut Heard,
) -> anyhow::Result<()> {
    let mouths = ears(&["--feed", "bursts"], env)?;
    lab.wait(Duration::from_secs(1))?;
    let before = Mark::of(pids)?;
    bursts(env, heard)?;
    let (seconds, cpu) = before.until(&Mark::of(pids)?);
    heard.cpu.push(100.0 * cpu / seconds);
    drop(mouths);
    let _mouths = ears(&["--feed", "tone"], env)?;
    lab.wait(Duration::from_secs(1))?;
    let measured = ears(&["--record", &TONE.to_string(), "--holes"], env)?.measured()?;
    for way in ["a_to_b", "b_to_a"] {
        let holes = measured[way].as_f64().with_context(|| format!("no tone was heard {way}"))?;
        heard.holes.push(holes);
    }
    Ok(())
}

fn bursts(env: &[(&str, String)], heard: &mut Heard) -> anyhow::Result<()> {
    let measured = ears(&["--record", &BURSTS.to_string()], env)?.measured()?;
    for way in ["a_to_b", "b_to_a"] {
        let delay = measured[way]["median"].as_f64();
        heard.delays.push(delay.with_context(|| format!("nothing was heard {way}"))?);
        heard.longest.extend(measured[way]["most"].as_f64());
    }
    Ok(())
}

/// Kiosks whose cards are the sound server's null sinks.
fn on_sinks() -> Habits {
    let card = |kiosk: &str| (format!("mic_{kiosk}"), format!("spk_{kiosk}"));
    Habits { sound: [card("a"), card("b")], ..Habits::default() }
}
