//! `twocan demo`: two complete kiosks, a private relay between them, and the figures of their call.
//!
//! ```text
//!  sshd (private) ─── kiosk Anna ─── mic_a, spk_a ┐
//!        │                                        ├─ PulseAudio (private) ─── ears
//!        └─────────── kiosk Bert ─── mic_b, spk_b ┘
//! ```
//! Everything is a process of its own, and everything is the real thing but for the cameras and the
//! sound cards. A finger touches Bert's tile on Anna's screen, another one Answer on Bert's.

pub mod ear;
pub mod ears;
pub mod family;
pub mod kiosk;
pub mod place;
pub mod pulse;
pub mod report;
pub mod sshd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use self::family::{Family, Habits};
use self::kiosk::Kiosk;
use self::pulse::Pulse;
use self::report::Process;
use crate::cli::signals;
use crate::clock;
use crate::frame::Size;
use crate::stop::Stop;
use crate::wire::control::Request;

/// Nothing here takes this long unless it has failed.
const LIMIT: Duration = Duration::from_secs(30);
/// A finger that is faster than this after a change of page is taken for a double tap's second half.
const FINGER: Duration = Duration::from_millis(700);
/// Figures count from this second of the call on.
const SETTLED: Duration = Duration::from_secs(3);

/// `twocan demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Draw both screens for nobody, even where there is a display
    #[arg(long)]
    headless: bool,
    /// How long they talk
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(6..=86400))]
    seconds: u64,
    /// Write the figures here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What both cameras see: a file of JPEGs, a folder of them, or a device
    #[arg(long, default_value = "pattern")]
    camera: String,
    /// What both say: a WAV file
    #[arg(long, value_name = "FILE", default_value = "bursts")]
    microphone: String,
    /// Size of the pictures
    #[arg(long, default_value = "640x480")]
    size: Size,
    /// Pictures a second
    #[arg(long, default_value_t = 30)]
    fps: u32,
    /// Where pictures of both screens and the logs go
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    out: PathBuf,
}

/// Run the demo.
///
/// # Errors
/// A part of it can't start, or the call did not come about.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals()?;
    fs::create_dir_all(&args.out).with_context(|| format!("create {}", args.out.display()))?;
    let out = args.out.canonicalize()?;
    let pulse = match Pulse::start(&out.join("sound"), &["a", "b"]) {
        Ok(pulse) => Some(pulse),
        Err(error) => {
            eprintln!("demo: no sound cards, so mouth to ear is not measured: {error}");
            None
        }
    };
    let env: Vec<(&str, String)> = pulse.iter().flat_map(|pulse| pulse.env()).collect();
    for old in ["anna", "bert", "relay"] {
        // The last demo's, if there was one: its keys and contacts are not this one's.
        let _ = fs::remove_dir_all(out.join(old));
    }
    let family = Family::make(&out, &habits(args, pulse.is_some())?)?;
    let _mouths = pulse.as_ref().map(|_| ears(&["--feed", &spoken(args)?], &env)).transpose()?;

    let screen = if args.headless { "headless" } else { "auto" };
    let kiosk_args = ["kiosk", "--screen", screen];
    let mut anna = family.anna.start(&kiosk_args, &env).context("Anna's kiosk")?;
    let mut bert = family.bert.start(&kiosk_args, &env).context("Bert's kiosk")?;
    anna.heed(&stop);
    bert.heed(&stop);
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    anna.wait_for("a bright tile on Anna's screen", LIMIT, reachable)?;
    bert.wait_for("a bright tile on Bert's screen", LIMIT, reachable)?;
    stop.sleep(FINGER);
    picture(&anna, &out.join("anna-home.png"))?;

    touch(&anna, TILE)?;
    bert.wait_for("the ring on Bert's screen", LIMIT, |status| status["page"] == "incoming")?;
    stop.sleep(FINGER);
    picture(&anna, &out.join("anna-calling.png"))?;
    picture(&bert, &out.join("bert-incoming.png"))?;
    touch(&bert, ANSWER)?;
    let talking = |status: &Value| status["call"]["state"] == "established";
    anna.wait_for("the call on Anna's screen", LIMIT, talking)?;
    bert.wait_for("the call on Bert's screen", LIMIT, talking)?;
    println!("Anna and Bert are talking, for {} s", args.seconds);

    let (processes, ears) = talk(args, &stop, [&anna, &bert], &out, &env)?;
    touch(&anna, HANG_UP)?;
    for kiosk in [&mut anna, &mut bert] {
        kiosk.wait_for("the end of the call", LIMIT, |s| s["call"]["state"] != "established")?;
        kiosk.wait_for("home again", LIMIT, |status| status["page"] == "home")?;
        kiosk.stop(LIMIT)?;
    }
    let [a, b] = &processes;
    let report = report::report(a, b, &ears);
    print!("{}", report::table(&report));
    println!("screens and logs are in {}", args.out.display());
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Places on an 800x480 screen, in pixels: the one tile, Answer, and Hang up.
const TILE: (u32, u32) = (400, 270);
const ANSWER: (u32, u32) = (596, 372);
const HANG_UP: (u32, u32) = (740, 428);

/// Wait through the call: screens in its middle, processor time and sound from its third second on.
fn talk(
    args: &Args,
    stop: &Stop,
    kiosks: [&Kiosk; 2],
    out: &Path,
    env: &[(&str, String)],
) -> anyhow::Result<([Process; 2], Value)> {
    // The ears open before and close after what is counted: the sound server may stumble over each.
    let (seconds, settled) = (args.seconds.to_string(), SETTLED.as_secs().to_string());
    let listen = ["--record", &seconds, "--from", &settled];
    let ears = if env.is_empty() { None } else { Some(ears(&listen, env)?) };
    stop.sleep(SETTLED);
    let heard = Duration::from_secs(args.seconds) - SETTLED;
    let began = clock::now();
    let before = [kiosks[0].usage()?.0, kiosks[1].usage()?.0];
    stop.sleep(heard / 2);
    picture(kiosks[0], &out.join("anna-in-call.png"))?;
    picture(kiosks[1], &out.join("bert-in-call.png"))?;
    stop.sleep((began + heard).since(clock::now()));
    if stop.is_stopped() {
        bail!("stopped in the middle of the call");
    }
    let status = [kiosks[0].status()?, kiosks[1].status()?];
    let over = clock::now().since(began);
    let mut processes = Vec::new();
    for ((kiosk, before), status) in kiosks.into_iter().zip(before).zip(status) {
        let (cpu, rss_kb) = kiosk.usage()?;
        let started_us = kiosk.started.micros();
        let cpu = cpu.saturating_sub(before);
        processes.push(Process { started_us, cpu, over, rss_kb, status });
    }
    let processes = processes.try_into().map_err(|_| anyhow::anyhow!("two kiosks"))?;
    let ears = ears.map_or(Ok(Value::Null), Helper::measured)?;
    Ok((processes, ears))
}

/// The config of both kiosks.
fn habits(args: &Args, sound: bool) -> anyhow::Result<Habits> {
    let camera = match args.camera.as_str() {
        "pattern" => "pattern".to_owned(),
        path => {
            fs::canonicalize(path).with_context(|| format!("find {path}"))?.display().to_string()
        }
    };
    // Without a sound server each hears the file (or the bursts) at its own microphone.
    let spoken = spoken(args)?;
    let cards = |kiosk: &str| match sound {
        true => (format!("mic_{kiosk}"), format!("spk_{kiosk}")),
        false => (spoken.clone(), "null".to_owned()),
    };
    Ok(Habits {
        camera,
        size: args.size.to_string(),
        fps: args.fps,
        sound: [cards("a"), cards("b")],
        // Both say the same: a canceller would take the one's for the other's echo.
        call: "dtx = false\ncleaning = \"off\"".to_owned(),
        ..Habits::default()
    })
}

fn spoken(args: &Args) -> anyhow::Result<String> {
    match args.microphone.as_str() {
        "bursts" => Ok("bursts".to_owned()),
        path => {
            let path = fs::canonicalize(path).with_context(|| format!("find {path}"))?;
            Ok(path.display().to_string())
        }
    }
}

fn touch(kiosk: &Kiosk, (x, y): (u32, u32)) -> anyhow::Result<()> {
    kiosk.ask(&Request::Tap { x, y }).map(drop)
}

fn picture(kiosk: &Kiosk, path: &Path) -> anyhow::Result<()> {
    let png = kiosk.ask(&Request::Screenshot)?;
    fs::write(path, png).with_context(|| format!("write {}", path.display()))
}

/// `twocan ear` as a child, ended with the value.
pub(in crate::cli) struct Helper(Child);

pub(in crate::cli) fn ears(args: &[&str], env: &[(&str, String)]) -> anyhow::Result<Helper> {
    let mut command = Command::new(kiosk::program()?);
    command.arg("ear").args(args).envs(env.iter().map(|(key, value)| (*key, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(Helper(command.spawn().context("start twocan ear")?))
}

impl Helper {
    /// What it prints when it has listened long enough.
    pub(in crate::cli) fn measured(mut self) -> anyhow::Result<Value> {
        let out = self.0.stdout.take().context("the ears have no output")?;
        let text = std::io::read_to_string(out)?;
        serde_json::from_str(&text).context("the ears did not measure")
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
