//! Scenario `faults`: something breaks in a call; how soon are picture and sound back?
//!
//! | fault | what is done | from when it counts |
//! |---|---|---|
//! | sessions killed | SIGKILL to the relay's session processes, its listener lives | the kill |
//! | reset | a router forgets the TCP connections of one home (namespaces) | that |
//! | silence | the line of one home is cut, without a word (namespaces) | the cut: noticed; its end: back |
//! | relay away | listener and sessions killed, the listener back after 5 s | its return |
//! | sound server gone | PulseAudio ends, another one comes after 1 s | its return |
//! | peer killed | SIGKILL to Bert's kiosk, started and called again at once | the kill |
//!
//! A picture is back when one is shown that was captured after the fault; the later one of both
//! ends counts. The status says when it was shown, so looking at it now and then costs nothing.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::keeper;
use super::lab::{self, LIMIT, Lab};
use super::pair::{Pair, figure};
use super::rows::Row;
use super::thin;
use super::wan::{Properties, Side};
use crate::cli::demo::family::Habits;
use crate::cli::demo::kiosk::Kiosk;
use crate::cli::demo::pulse::Pulse;
use crate::clock::{self, Time};
use crate::wire::control::Request;

/// Between two looks at a kiosk.
const OFTEN: Duration = Duration::from_millis(2);
/// The call before each fault.
const CALM: Duration = Duration::from_secs(3);
/// The relay is away for so long, and a line is cut for so long.
const AWAY: Duration = Duration::from_secs(5);
/// What was on its way at a fault has arrived by then, on the loopback and across 20 ms a hop.
const NEAR: Duration = Duration::from_millis(10);
const FAR: Duration = Duration::from_millis(100);
const MBIT: f64 = 10.0;

const KILLED: &str = "faults, sessions killed";
const RELAY_AWAY: &str = "faults, relay back after 5 s";
const PICTURE: &str = "picture back";

/// Milliseconds of all runs, by fault; [`LIMIT`] where nothing came back.
#[derive(Default)]
struct Found {
    killed: Back,
    reset: Back,
    noticed: Vec<f64>,
    silence: Back,
    away: Back,
    sound_server: Vec<f64>,
    peer: Vec<f64>,
    /// Of a string kept by autossh.
    kept: Kept,
}

/// Milliseconds to the picture.
#[derive(Default)]
struct Kept {
    killed: Vec<f64>,
    away: Vec<f64>,
}

/// When both were back, in ms.
#[derive(Default)]
struct Back {
    picture: Vec<f64>,
    sound: Vec<f64>,
}

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let mut found = Found::default();
    for run in 0..lab.runs {
        lab.say("faults, the relay", run);
        if lab.or_left_out(relay(lab, &mut found))?.is_none() {
            found.killed.left_out(run);
            found.away.left_out(run);
            found.peer.resize(run + 1, f64::NAN);
        }
        lab.say("faults, the line", run);
        if lab.or_left_out(line(lab, &mut found))?.is_none() {
            found.reset.left_out(run);
            found.noticed.resize(run + 1, f64::NAN);
            found.silence.left_out(run);
        }
        if keeper::is_installed() {
            lab.say("faults, autossh", run);
            // What failed is left out.
            lab.or_left_out(kept(lab, &mut found.kept))?;
        }
        lab.say("faults, the sound server", run);
        if lab.or_left_out(sound_server(lab, &mut found))?.is_none() {
            found.sound_server.resize(run + 1, f64::NAN);
        }
    }
    let rows = |scenario, back: &Back, target| {
        [
            Row::ours(scenario, PICTURE, "ms", &back.picture, target),
            Row::ours(scenario, "sound back", "ms", &back.sound, None),
        ]
    };
    let one = |scenario, metric, values: &[f64], target| {
        [Row::ours(scenario, metric, "ms", values, target), None]
    };
    let rows = [
        rows(KILLED, &found.killed, Some(250.0)),
        rows("faults, TCP reset", &found.reset, None),
        one("faults, silence", "noticed", &found.noticed, Some(1500.0)),
        rows("faults, line back after 5 s", &found.silence, None),
        rows(RELAY_AWAY, &found.away, None),
        one("faults, sound server back", "sound back", &found.sound_server, None),
        one("faults, peer killed", "picture of a new call", &found.peer, None),
    ];
    let mut rows: Vec<Row> = rows.into_iter().flatten().flatten().collect();
    for (scenario, theirs) in [(KILLED, &found.kept.killed), (RELAY_AWAY, &found.kept.away)] {
        let ours = rows.iter_mut().find(|row| row.scenario == scenario && row.metric == PICTURE);
        if let Some(row) = ours.filter(|_| !theirs.is_empty()) {
            *row = row.clone().beside(keeper::NAME, theirs);
        }
    }
    Ok(rows)
}

/// The same faults of the relay, and a string that autossh keeps.
fn kept(lab: &Lab, found: &mut Kept) -> anyhow::Result<()> {
    let mut kept = keeper::Kept::start(lab)?;
    lab.wait(CALM)?;
    let fault = clock::now();
    kept.string.relay.kill_sessions();
    found.killed.push(millis(fault, kept.back(lab, fault)?));
    lab.wait(CALM)?;
    kept.string.relay.kill();
    lab.wait(AWAY)?;
    kept.string.relay.listen()?;
    let fault = clock::now();
    found.away.push(millis(fault, kept.back(lab, fault)?));
    Ok(())
}

fn habits() -> Habits {
    // Voice is counted in packets: none is left out because nobody speaks.
    Habits { call: "dtx = false\ncleaning = \"off\"".to_owned(), ..Habits::default() }
}

/// What happens to the relay and to the peer, on this machine's own network.
fn relay(lab: &Lab, found: &mut Found) -> anyhow::Result<()> {
    let mut pair = Pair::start(&lab.folder("faults")?, habits(), &[])?;
    pair.call()?;
    lab.wait(CALM)?;
    let fault = clock::now();
    if pair.family.relay.kill_sessions() == 0 {
        bail!("there were no sessions to kill");
    }
    found.killed.add(back(lab, &pair, fault, NEAR)?);

    lab.wait(CALM)?;
    pair.family.relay.kill();
    lab.wait(AWAY)?;
    pair.family.relay.listen()?;
    found.away.add(back(lab, &pair, clock::now(), NEAR)?);

    lab.wait(CALM)?;
    found.peer.push(peer_killed(lab, &mut pair)?);
    pair.stop()
}

/// Bert's kiosk is killed, comes back, and is called again.
fn peer_killed(lab: &Lab, pair: &mut Pair) -> anyhow::Result<f64> {
    let fault = clock::now();
    pair.bert.kill()?;
    pair.bert = pair.family.bert.start(&["call"], &[])?;
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    pair.bert.wait_for("Anna at home", LIMIT, reachable)?;
    let idle = |status: &Value| status["call"]["state"] == "idle";
    let over = |status: &Value| ["idle", "ended"].iter().any(|s| status["call"]["state"] == *s);
    if !over(&pair.anna.status()?) {
        // It may end by itself at this very moment.
        let _ = pair.anna.ask(&Request::Hangup);
    }
    pair.anna.wait_for("the end of the old call", LIMIT, |s| over(s) && reachable(s))?;
    pair.bert.wait_for("no call", LIMIT, idle)?;
    pair.call()?;
    Ok(millis(fault, back(lab, pair, fault, NEAR)?.0))
}

/// What happens to a line, in namespaces.
fn line(lab: &Lab, found: &mut Found) -> anyhow::Result<()> {
    let whole = Properties::of(MBIT);
    let Some(wan) = thin::lines(whole, whole)? else { return Ok(()) };
    let mut pair = Pair::start_at(&wan.places(), &lab.folder("faults")?, habits(), &[])?;
    pair.call()?;
    lab.wait(CALM)?;
    let fault = clock::now();
    wan.forget_connections(Side::B);
    found.reset.add(back(lab, &pair, fault, FAR)?);

    lab.wait(CALM)?;
    let cut = clock::now();
    wan.set(Side::B, whole.cut());
    wan.set_later(AWAY, Side::B, whole);
    let lost = |status: &Value| status["call"]["state"] == "reconnecting";
    // Both look at once: the later one counts.
    let deadline = cut + AWAY;
    let (mut anna, mut bert) = (None, None);
    while anna.is_none() || bert.is_none() {
        let now = clock::now();
        if now > deadline {
            break;
        }
        for (kiosk, noticed) in [(&pair.anna, &mut anna), (&pair.bert, &mut bert)] {
            if noticed.is_none() && lost(&kiosk.status()?) {
                *noticed = Some(now);
            }
        }
        lab.wait(OFTEN)?;
    }
    // One that never noticed took at least as long as the silence did.
    let noticed = anna.zip(bert).map_or(deadline, |(anna, bert)| anna.max(bert));
    found.noticed.push(millis(cut, noticed));
    lab.wait(deadline.since(clock::now()))?;
    found.silence.add(back(lab, &pair, deadline, NEAR)?);
    pair.stop()
}

/// The sound server dies and another one takes its place.
fn sound_server(lab: &Lab, found: &mut Found) -> anyhow::Result<()> {
    if !lab::installed("pulseaudio") {
        return Ok(());
    }
    let folder = lab.folder("faults")?;
    let sound = folder.join("sound");
    let pulse = Pulse::start(&sound, &["a", "b"])?;
    let env: Vec<(&str, String)> = pulse.env().into();
    let card = |kiosk: &str| (format!("mic_{kiosk}"), format!("spk_{kiosk}"));
    let habits = Habits { sound: [card("a"), card("b")], ..habits() };
    let mut pair = Pair::start(&folder, habits, &env)?;
    pair.call()?;
    lab.wait(CALM)?;
    drop(pulse);
    lab.wait(Duration::from_secs(1))?;
    let _pulse = Pulse::start(&sound, &["a", "b"])?;
    let began = clock::now();
    found.sound_server.push(millis(began, back(lab, &pair, began, NEAR)?.1));
    pair.stop()
}

impl Back {
    fn add(&mut self, (picture, sound, fault): (Time, Time, Time)) {
        self.picture.push(millis(fault, picture));
        self.sound.push(millis(fault, sound));
    }

    /// A run failed before this was measured, if it was not.
    fn left_out(&mut self, run: usize) {
        self.picture.resize(run + 1, f64::NAN);
        self.sound.resize(run + 1, f64::NAN);
    }
}

fn millis(from: Time, to: Time) -> f64 {
    to.since(from).as_secs_f64() * 1e3
}

/// One end's way back.
struct Watch<'a> {
    kiosk: &'a Kiosk,
    picture: Option<Time>,
    sound: Option<Time>,
    packets: Option<f64>,
}

/// When both ends had picture and sound that began after `fault`, and `fault`; of sound, packets
/// that come within `on_its_way` do not count. What is not back within [`LIMIT`] gets that.
fn back(
    lab: &Lab,
    pair: &Pair,
    fault: Time,
    on_its_way: Duration,
) -> anyhow::Result<(Time, Time, Time)> {
    let watch = |kiosk| Watch { kiosk, picture: None, sound: None, packets: None };
    let mut both = [watch(&pair.anna), watch(&pair.bert)];
    let never = fault + LIMIT;
    while both.iter().any(|end| end.picture.is_none() || end.sound.is_none()) {
        for end in &mut both {
            end.look(fault, on_its_way)?;
        }
        if clock::now() > never {
            let [anna, bert] = pair.statuses()?;
            eprintln!("bench: not back within {} s: {anna} {bert}", LIMIT.as_secs());
            break;
        }
        lab.wait(OFTEN)?;
    }
    let latest = |take: fn(&Watch<'_>) -> Option<Time>| {
        both.iter().map(|end| take(end).unwrap_or(never)).fold(fault, Time::max)
    };
    Ok((latest(|end| end.picture), latest(|end| end.sound), fault))
}

impl Watch<'_> {
    fn look(&mut self, fault: Time, on_its_way: Duration) -> anyhow::Result<()> {
        let status = self.kiosk.status()?;
        let now = clock::now();
        let at = |pointer: &str| {
            let micros = status.pointer(&format!("/call/figures/{pointer}"))?.as_u64()?;
            Some(Time::from_micros(micros))
        };
        if self.picture.is_none() && at("video/last_captured_us") > Some(fault) {
            self.picture = at("video/last_shown_us");
        }
        if now > fault + on_its_way && self.sound.is_none() {
            let packets = figure(&status, "/call/figures/audio/packets");
            match self.packets {
                Some(before) if packets > before => self.sound = Some(now),
                _ => self.packets = Some(packets),
            }
        }
        Ok(())
    }
}
