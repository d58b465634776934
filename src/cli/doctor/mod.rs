//! `twocan doctor`: what is right and what is wrong with this kiosk, thing by thing.
//!
//! ```text
//!  running kiosk ── status ──┐
//!  configuration ────────────┼─> one check per thing ─> table, or JSON; exit code
//!  /sys, ALSA, V4L2, KMS ────┘
//! ```
//! A kiosk that runs is asked, since it holds the screen and the relay; where none does, the machine is
//! looked at directly. Nothing is changed, and nothing is taken that a kiosk might want.

mod check;
mod kiosk;
mod machine;
mod media;
mod relay;
mod screen;
mod service;
mod state;

use std::process::ExitCode;

use self::check::{Report, Verdict};
use self::kiosk::Kiosk;
use self::service::Unit;
use crate::app::control;
use crate::cli::Globals;
use crate::config::{Config, Paths};
use crate::meeting;

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
    /// The kiosk that runs here.
    kiosk: Kiosk,
    /// The kiosk's unit on this machine.
    unit: Unit,
}

/// Look at everything and print it; exit code 1 when something has to be mended.
///
/// # Errors
/// The configuration is wrong.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let mut config = paths.load_config()?;
    // As a kiosk takes it: the file's relay, else the one that a ticket brought.
    config.relay = config.relay.or_else(|| meeting::load(&paths.state));
    let unit = Unit::find();
    let kiosk = Kiosk::ask(&control::socket(&paths.runtime), &unit);
    let patient = Patient { config, paths, kiosk, unit };

    let [camera, microphone, speaker] = media::check(&patient.config, &patient.kiosk);
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
        service::check(&patient.unit, &patient.kiosk),
    ];
    let report = Report { checks };
    if args.json {
        super::print_json(&report)?;
    } else {
        super::print(&report.table())?;
    }
    Ok(if report.verdict() == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
