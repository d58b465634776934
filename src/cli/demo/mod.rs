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
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    anna.wait_for("a bright tile on Anna's screen", LIMIT, reachable)?;
    bert.wait_for("a bright tile on Bert's screen", LIMIT, reachable)?;
    picture(&anna, &out.join("anna-home.png"))?;

    touch(&anna, TILE)?;
    bert.wait_for("the ring on Bert's screen", LIMIT, |status| status["page"] == "incoming")?;
    // A finger is never faster than the screen's guard against double taps.
    stop.sleep(Duration::from_millis(700));
    picture(&anna, &out.join("anna-calling.png"))?;
    picture(&bert, &out.join("bert-incoming.png"))?;
    touch(&bert, ANSWER)?;
    let talking = |status: &Value| status["call"]["state"] == "established";
    anna.wait_for("the call on Anna's screen", LIMIT, talking)?;
    bert.wait_for("the call on Bert's screen", LIMIT, talking)?;
    println!("Anna and Bert are talking, for {} s", args.seconds);

    let processes = talk(args, &stop, [&anna, &bert], &out, &env)?;
    touch(&anna, HANG_UP)?;
    for kiosk in [&mut anna, &mut bert] {
        kiosk.wait_for("the end of the call", LIMIT, |s| s["call"]["state"] != "established")?;
        kiosk.wait_for("home again", LIMIT, |status| status["page"] == "home")?;
        kiosk.stop(LIMIT)?;
    }
    let (processes, ears) = processes;
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
