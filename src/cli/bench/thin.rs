//! Scenario `thin`: whole calls across bad lines, in the namespaces of [`super::wan`].
//!
//! ```text
//!  Anna ══ 10 Mbit/s ══ sshd ══ 3 → 0.6 → 3 (→ 0.15) Mbit/s ══ Bert     20 ms a hop, 300 ms queues
//!                            ══ 100 → 4 Mbit/s, 8 offered    ══ Bert
//! ```
//! Both send pictures and voice. The line is thin in both directions, and the worse end of each run
//! counts. Stages are told apart by marks in the kiosks' figures. The ages are those from capture to
//! the eye, and from capture to the play-out for voice.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::lab::{LIMIT, Lab};
use super::naive;
use super::pair::{Pair, figure, picture_age};
use super::rows::Row;
use super::wan::{Properties, Side, Wan, WanError, Way};
use crate::cli::demo::family::Habits;

/// On the wide line, once the call is up.
const WIDE: Duration = Duration::from_secs(10);
/// On the thin one.
pub(super) const THIN: Duration = Duration::from_secs(20);
/// The end of the thin stage, which is held against all of it.
const END: Duration = Duration::from_secs(5);
/// Longer than anybody waits for the top rung.
const CLIMB: Duration = Duration::from_secs(30);
/// On the line that carries only voice.
const VOICE_ONLY: Duration = Duration::from_secs(20);
/// On the line that is offered twice its rate.
const OVERLOADED: Duration = Duration::from_secs(60);
/// What both hops take, in ms.
const HOPS_MS: f64 = 40.0;

/// Mbit/s of the lines.
const HOME: f64 = 10.0;
pub(super) const WIDE_MBIT: f64 = 3.0;
pub(super) const THIN_MBIT: f64 = 0.6;
const VOICE_MBIT: f64 = 0.15;

/// One window of a call, the worse end of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Age of pictures in ms.
    pub(super) picture_p50: f64,
    /// Likewise.
    pub(super) picture_p95: f64,
    /// Pictures shown a second.
    pub(super) fps: f64,
    /// Age of voice packets at the play-out in ms; infinite where none was counted.
    voice_p95: f64,
    /// Likewise.
    voice_p99: f64,
    /// From capture to the loudspeaker.
    heard_p95: f64,
    /// Voice that came, of what was said.
    voice_share: f64,
    /// Voice that was invented, in ms of a second.
    concealed: f64,
    /// Pictures sent, in Mbit/s.
    sent: f64,
}

impl Window {
    /// Of a run that failed.
    const NOTHING: Window = {
        let nan = f64::NAN;
        Window {
            picture_p50: nan,
            picture_p95: nan,
            fps: nan,
            voice_p95: nan,
            voice_p99: nan,
            heard_p95: nan,
            voice_share: nan,
            concealed: nan,
            sent: nan,
        }
    };

    /// From a mark that was `seconds` ago until now.
    fn of(statuses: &[Value; 2], seconds: f64) -> Self {
        let ends = statuses.each_ref().map(|status| {
            let at = |pointer: &str| figure(status, &format!("/call/figures/{pointer}"));
            // What was not counted is no figure, and its row tells it.
            let age = |of: &str, share: &str| {
                let counted = at(&format!("{of}/count")) > 0.0;
                if counted { at(&format!("{of}/{share}")) } else { f64::INFINITY }
            };
            Window {
                picture_p50: picture_age(status, "p50"),
                picture_p95: picture_age(status, "p95"),
                fps: at("video/shown") / seconds,
                voice_p95: age("audio/arrival_ms", "p95"),
                voice_p99: age("audio/arrival_ms", "p99"),
                heard_p95: age("audio/heard_ms", "p95"),
                voice_share: at("audio/received_ms") / (seconds * 1e3),
                concealed: at("audio/concealed_ms") / seconds,
                sent: at("video/bytes_sent") * 8e-6 / seconds,
            }
        });
        let [one, other] = ends;
        Window {
            picture_p50: one.picture_p50.max(other.picture_p50),
            picture_p95: one.picture_p95.max(other.picture_p95),
            fps: one.fps.min(other.fps),
            voice_p95: one.voice_p95.max(other.voice_p95),
            voice_p99: one.voice_p99.max(other.voice_p99),
            heard_p95: one.heard_p95.max(other.heard_p95),
            voice_share: one.voice_share.min(other.voice_share),
            concealed: one.concealed.max(other.concealed),
            sent: one.sent.min(other.sent),
        }
    }
}

/// Those that are 200 ms old the sender lets go, and ages are of those that came: so all but a few
/// have to come.
const SHARE: f64 = 0.98;

/// 640x360 at 15 a second in pictures of about 20 kB, which are 2.4 Mbit/s; and a voice that is
/// never silent and reaches the line untouched.
fn habits() -> Habits {
    Habits {
        size: "640x360".to_owned(),
        fps: 15,
        quality: 90,
        call: "dtx = false\ncleaning = \"off\"".to_owned(),
        ..Habits::default()
    }
}

/// 640x480 at 30 a second in pictures of about 33 kB, which are 8 Mbit/s.
fn heavy() -> Habits {
    Habits { size: "640x480".to_owned(), fps: 30, quality: 95, ..habits() }
}

/// Lines for a bench: none where this machine has none, with the reason told.
pub(super) fn lines(a: Properties, b: Properties) -> anyhow::Result<Option<Wan>> {
    match Wan::start(a, b) {
        Ok(wan) => Ok(Some(wan)),
        Err(error @ WanError::Missing(_)) => {
            eprintln!("bench: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    // One look whether there can be lines, so that their absence is said once.
    if lines(Properties::of(HOME), Properties::of(HOME))?.is_none() {
        return Ok(Vec::new());
    }
    let (mut clean, mut lossy, mut over) = (Vec::new(), Vec::new(), Vec::new());
    let mut naive = naive::Naive::installed();
    for run in 0..lab.runs {
        lab.say("thin, 3 → 0.6 → 3 Mbit/s", run);
        clean.push(lab.or_left_out(down_and_up(lab, 0.0))?.unwrap_or(DownAndUp::NOTHING));
        lab.say("thin, the same with 1 % loss", run);
        lossy.push(lab.or_left_out(down_and_up(lab, 0.01))?.unwrap_or(DownAndUp::NOTHING));
        for peer in &mut naive {
            lab.say(&format!("thin, {}", peer.name()), run);
            peer.measure(lab)?;
        }
        lab.say("thin, 8 Mbit/s on 4", run);
        over.push(lab.or_left_out(overloaded(lab))?.unwrap_or(Overloaded::NOTHING));
    }
    let mut rows = thin_rows("thin, 0.6 Mbit/s", &clean, [250.0, 220.0], Some(220.0), &naive);
    rows.extend(thin_rows("thin, 0.6 Mbit/s, 1 % loss", &lossy, [300.0, 420.0], None, &[]));
    rows.extend(voice_rows(&clean));
    rows.extend(overloaded_rows(&over));
    Ok(rows)
}

/// What one call on the line that gets thin and wide again gave.
struct DownAndUp {
    /// The whole of the thin stage, its beginning with it.
    thin: Window,
    /// Its end.
    end: Window,
    /// How long a packet waited at the thin line, in ms, and the longest.
    queue: Vec<f64>,
    /// Seconds from wide again to the top rung, [`CLIMB`] when it was not reached.
    climb: f64,
    /// Where only voice has room; a run with loss has none.
    voice: Option<Window>,
    /// Times that the link was lost and came back, or did not, in the thin stage.
    reconnects: f64,
}

impl DownAndUp {
    /// Of a run that failed.
    const NOTHING: DownAndUp = DownAndUp {
        thin: Window::NOTHING,
        end: Window::NOTHING,
        queue: Vec::new(),
        climb: f64::NAN,
        voice: Some(Window::NOTHING),
        reconnects: f64::NAN,
    };
}

fn down_and_up(lab: &Lab, loss: f64) -> anyhow::Result<DownAndUp> {
    let b = |mbit: f64| Properties::of(mbit).with_loss(loss);
    let Some(wan) = lines(Properties::of(HOME), b(WIDE_MBIT))? else {
        anyhow::bail!("the lines are gone");
    };
    let mut pair = Pair::start_at(&wan.places(), &lab.folder("thin")?, habits(), &[])?;
    pair.call()?;
    lab.wait(WIDE)?;
    wan.set(Side::B, b(THIN_MBIT));
    pair.mark()?;
    let before = lost(&pair.statuses()?);
    let began = Instant::now();
    let mut queue = Vec::new();
    while began.elapsed() < THIN {
        lab.wait(Duration::from_millis(100))?;
        let ways = [Way::Up, Way::Down].map(|way| wan.waiting(Side::B, way));
        queue.push(ways[0].max(ways[1]).as_secs_f64() * 1e3);
    }
    let thin = Window::of(&pair.statuses()?, began.elapsed().as_secs_f64());
    let end = window(lab, &pair, END)?;
    let reconnects = lost(&pair.statuses()?) - before;
    wan.set(Side::B, b(WIDE_MBIT));
    let climb = climb(lab, &mut pair)?;
    let voice = if loss == 0.0 {
        wan.set(Side::B, b(VOICE_MBIT));
        Some(window(lab, &pair, VOICE_ONLY)?)
    } else {
        None
    };
    pair.stop()?;
    Ok(DownAndUp { thin, end, queue, climb, voice, reconnects })
}

fn window(lab: &Lab, pair: &Pair, time: Duration) -> anyhow::Result<Window> {
    pair.mark()?;
    let began = Instant::now();
    lab.wait(time)?;
    Ok(Window::of(&pair.statuses()?, began.elapsed().as_secs_f64()))
}

/// Times that the ends lost the link so far, one that is lost now with them.
fn lost(statuses: &[Value; 2]) -> f64 {
    let one = |status: &Value| {
        let now = status["call"]["state"] != "established";
        figure(status, "/call/reconnects") + f64::from(u8::from(now))
    };
    statuses.iter().map(one).sum()
}

/// Seconds until both are at the top rung, at most [`CLIMB`].
fn climb(lab: &Lab, pair: &mut Pair) -> anyhow::Result<f64> {
    let began = Instant::now();
    // One without a rung (not even in a call any more) is not at the top.
    let top = |status: &Value| {
        status.pointer("/call/figures/video/rung").and_then(Value::as_u64) == Some(0)
    };
    loop {
        if pair.statuses()?.iter().all(top) {
            return Ok(began.elapsed().min(CLIMB).as_secs_f64());
        }
        if began.elapsed() > CLIMB {
            return Ok(CLIMB.as_secs_f64());
        }
        lab.wait(Duration::from_millis(50))?;
    }
}

const COME: &str = "voice that comes";
const CONCEALED: &str = "voice invented";

/// What a call that offers 8 Mbit/s gave on 100 and on 4.
struct Overloaded {
    clean: Window,
    over: Window,
}

impl Overloaded {
    /// Of a run that failed.
    const NOTHING: Overloaded = Overloaded { clean: Window::NOTHING, over: Window::NOTHING };
}

fn overloaded(lab: &Lab) -> anyhow::Result<Overloaded> {
    let wide = Properties::of(100.0);
    let Some(wan) = lines(wide, wide)? else { anyhow::bail!("the lines are gone") };
    let mut pair = Pair::start_at(&wan.places(), &lab.folder("thin")?, heavy(), &[])?;
    pair.call()?;
    let offered = |status: &Value| {
        figure(status, "/call/figures/video/rung") == 0.0
            && figure(status, "/call/figures/video/shown") > 60.0
    };
    pair.anna.wait_for("full pictures", LIMIT, offered)?;
    pair.bert.wait_for("full pictures", LIMIT, offered)?;
    let clean = window(lab, &pair, WIDE)?;
    wan.set(Side::B, Properties::of(4.0));
    let over = window(lab, &pair, OVERLOADED)?;
    pair.stop()?;
    Ok(Overloaded { clean, over })
}

/// The rows of the thin stage: targets for pictures' p95 and for voice's p95 (or p99).
fn thin_rows(
    scenario: &'static str,
    runs: &[DownAndUp],
    [picture, voice]: [f64; 2],
    voice_p95: Option<f64>,
    naive: &[naive::Naive],
) -> Vec<Row> {
    let column = |take: fn(&DownAndUp) -> f64| runs.iter().map(take).collect::<Vec<_>>();
    let voice_p99 = voice_p95.is_none().then_some(voice);
    let p50 = column(|run| run.thin.picture_p50);
    let p95 = column(|run| run.thin.picture_p95);
    let fps = column(|run| run.thin.fps);
    let mut rows: Vec<Row> = [
        Row::ours(scenario, "picture age p50", "ms", &p50, None),
        Row::ours(scenario, "picture age p95", "ms", &p95, Some(picture)),
        Row::at_least(scenario, "pictures", "per second", &fps, 12.0),
        Row::ours(scenario, "voice age p95", "ms", &column(|run| run.thin.voice_p95), voice_p95),
        Row::ours(scenario, "voice age p99", "ms", &column(|run| run.thin.voice_p99), voice_p99),
        Row::ours(scenario, "voice heard p95", "ms", &column(|run| run.thin.heard_p95), None),
        Row::at_least(scenario, COME, "of 1", &column(|run| run.thin.voice_share), SHARE),
        Row::ours(scenario, CONCEALED, "ms a second", &column(|run| run.thin.concealed), None),
        Row::ours(
            scenario,
            "picture age p50, the end over all",
            "ms",
            &column(|run| run.end.picture_p50 - run.thin.picture_p50),
            Some(30.0),
        ),
        Row::ours(
            scenario,
            "waiting at the line p50",
            "ms",
            &column(|run| median(&run.queue)),
            None,
        ),
        Row::ours(
            scenario,
            "wide again to the top rung",
            "s",
            &column(|run| run.climb),
            Some(10.0),
        ),
        Row::ours(
            scenario,
            "reconnects in the thin stage",
            "",
            &column(|run| run.reconnects),
            Some(0.0),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    for peer in naive {
        for (metric, ours, theirs) in [
            ("picture age p50", &p50, peer.column(|seen| seen.p50)),
            ("picture age p95", &p95, peer.column(|seen| seen.p95)),
            ("pictures", &fps, peer.column(|seen| seen.fps)),
        ] {
            let unit = if metric == "pictures" { "per second" } else { "ms" };
            let row = Row::ours(scenario, metric, unit, ours, None);
            rows.extend(row.filter(|_| !theirs.is_empty()).map(|r| r.beside(peer.name(), &theirs)));
        }
    }
    rows
}

fn voice_rows(runs: &[DownAndUp]) -> Vec<Row> {
    let scenario = "thin, 0.15 Mbit/s";
    let voice = || runs.iter().filter_map(|run| run.voice);
    let column = |take: fn(Window) -> f64| voice().map(take).collect::<Vec<_>>();
    let (share, stills) = (column(|w| w.voice_share), column(|w| 10.0 * w.fps));
    let (age, heard) = (column(|w| w.voice_p95), column(|w| w.heard_p95));
    let rows = [
        Row::at_least(scenario, COME, "of 1", &share, 0.9),
        Row::ours(scenario, "voice age p95", "ms", &age, None),
        Row::ours(scenario, "voice heard p95", "ms", &heard, None),
        Row::at_least(scenario, "pictures in 10 s", "", &stills, 2.0),
    ];
    rows.into_iter().flatten().collect()
}

fn overloaded_rows(runs: &[Overloaded]) -> Vec<Row> {
    let scenario = "thin, 8 Mbit/s on 4";
    let column = |take: fn(&Overloaded) -> f64| runs.iter().map(take).collect::<Vec<_>>();
    let added = column(|run| run.over.voice_p99 - run.clean.voice_p99);
    let age = column(|run| run.over.picture_p95);
    let own = column(|run| run.over.picture_p95 - HOPS_MS);
    let offered = column(|run| run.clean.sent);
    let rows = [
        Row::ours(scenario, "voice age p99, added", "ms", &added, Some(20.0)),
        Row::ours(scenario, "voice age p99", "ms", &column(|run| run.over.voice_p99), None),
        Row::at_least(scenario, COME, "of 1", &column(|run| run.over.voice_share), SHARE),
        Row::ours(scenario, CONCEALED, "ms a second", &column(|run| run.over.concealed), None),
        Row::ours(scenario, "sent, clean", "Mbit/s", &offered, None),
        Row::ours(scenario, "picture age p95", "ms", &age, Some(100.0)),
        Row::ours(scenario, "picture age p95 above the hops' 40 ms", "ms", &own, None),
        Row::ours(
            scenario,
            "picture age p95, clean",
            "ms",
            &column(|run| run.clean.picture_p95),
            None,
        ),
        Row::at_least(scenario, "pictures", "per second", &column(|run| run.over.fps), 15.0),
    ];
    rows.into_iter().flatten().collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(p95: f64, shown: u64, arrivals: u64) -> Value {
        let ages = |count: u64| json!({ "p50": 50.0, "p95": p95, "p99": p95, "count": count });
        json!({ "call": { "figures": {
            "video": { "stamp_age_ms": ages(shown), "shown": shown },
            "audio": { "arrival_ms": ages(arrivals), "received_ms": 9000 },
        } } })
    }

    #[test]
    fn the_worse_end_counts_and_what_was_not_counted_is_no_figure() {
        let window = Window::of(&[status(100.0, 150, 450), status(240.0, 120, 450)], 10.0);
        assert_eq!((window.picture_p95, window.voice_p95, window.fps), (240.0, 240.0, 12.0));
        assert!((window.voice_share - 0.9).abs() < 1e-9);
        let window = Window::of(&[status(100.0, 150, 0), status(240.0, 120, 450)], 10.0);
        let row = Row::ours("thin", "voice age p95", "ms", &[window.voice_p95], Some(220.0));
        assert!(row.is_some_and(|row| row.left_out == 1 && row.ok == Some(false)));
    }
}
