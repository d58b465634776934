//! `twocan doctor`: what is right and what is wrong with this kiosk, thing by thing.
//!
//! ```text
//!  running kiosk ── status ──┐
//!  configuration ────────────┼─> one check per thing ─> table, or JSON; exit code
//!  /sys, ALSA, V4L2, KMS ────┘
//! ```
//! A kiosk that runs is asked, since it holds the screen and the relay; else the machine is looked at
//! directly. Nothing is changed, and nothing is taken that a kiosk might want.

mod check;
mod machine;
mod media;
mod relay;
mod screen;
mod service;
mod state;

use std::process::ExitCode;

use serde_json::Value;

use self::check::{Report, Verdict};
use self::service::Unit;
use crate::app::control;
use crate::cli::Globals;
use crate::config::{Config, Paths};
use crate::wire::control::Request;

/// `twocan doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What every check may look at.
struct Patient {
    config: Config,
    paths: Paths,
    /// What the running kiosk says of itself.
    status: Option<Value>,
    /// The kiosk's unit on this machine.
    unit: Unit,
}

impl Patient {
    fn in_call(&self) -> bool {
        let state = self.status.as_ref().and_then(|status| status["call"]["state"].as_str());
        state.is_some_and(|state| !matches!(state, "idle" | "ended"))
    }
}

/// Look at everything and print it; exit code 1 when something has to be mended.
///
/// # Errors
/// The configuration is wrong.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let config = paths.load_config()?;
    let asked = control::ask(&control::socket(&paths.runtime), &Request::Status);
    let status = asked.ok().and_then(|(answer, _)| answer.status);
    let patient = Patient { config, paths, status, unit: Unit::find() };

    let [camera, microphone, speaker] = media::check(&patient.config, patient.in_call());
    let [screen, touch] = screen::check(&patient);
    let checks = vec![
        screen,
        touch,
        camera,
        microphone,
        speaker,
        relay::check(&patient),
        state::key(&patient.paths),
        state::contacts(&patient),
        state::folder(&patient.paths),
        machine::clock(),
        machine::check(&patient.paths.state),
        service::check(&patient.unit, patient.status.is_some()),
    ];
    let report = Report { checks };
    if args.json {
        super::print_json(&report)?;
    } else {
        super::print(&report.table())?;
    }
    Ok(if report.verdict() == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
