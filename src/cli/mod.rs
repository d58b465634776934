//! The command line: one file per subcommand, each with its `Args` and a `run`.
//!
//! What every command shares stands here: the options that choose a kiosk ([`Globals`]), the log,
//! and how a failure ends: one sentence on stderr, exit code 2 when the configuration or the command
//! line is wrong and 1 otherwise.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Paths, PathsError};
use crate::wire::control::Request;

mod alone;
mod ask;
pub mod backup;
pub mod bench;
pub mod calls;
pub mod camera;
pub mod card;
pub mod contact;
pub mod demo;
pub mod doctor;
pub mod generate;
pub mod hosts;
pub mod identity;
pub mod kiosk;
pub mod listen;
pub mod log_receive;
pub mod look_ins;
pub mod meet;
pub mod pair;
pub mod pin;
mod qr;
pub mod relay;
pub mod remote;
#[cfg(feature = "ui")]
mod screen;
pub mod signals;
pub mod station;
pub mod station_server;
pub mod talk;
pub mod viewer;

/// A video phone whose string is SSH.
#[derive(Debug, Parser)]
#[command(name = "twocan", version, about)]
pub struct Cli {
    /// Which kiosk, and how much to log.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do; without it the window is opened.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes; see [`Paths`] for the defaults.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Globals {
    /// The configuration
    #[arg(long, global = true, value_name = "FILE", help_heading = "Which kiosk")]
    pub config: Option<PathBuf>,
    /// The folder of identity, contacts and records
    #[arg(long, global = true, value_name = "DIR", help_heading = "Which kiosk")]
    pub state: Option<PathBuf>,
    /// The folder of the sockets
    #[arg(long, global = true, value_name = "DIR", help_heading = "Which kiosk")]
    pub runtime: Option<PathBuf>,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Globals {
    /// The file and the folders, from the options and the environment.
    ///
    /// # Errors
    /// See [`PathsError`].
    pub fn paths(&self) -> Result<Paths, PathsError> {
        let own = self.clone();
        Paths::find(own.config, own.state, own.runtime, |name| std::env::var_os(name))
    }

    /// Log to stderr, at the level that was asked for; `RUST_LOG` says it in detail.
    pub fn start_logging(&self) {
        let level = match self.verbose {
            0 => "warn,winit=error,twocan=info",
            1 => "info,twocan=debug",
            _ => "debug,twocan=trace",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        // A second start (in tests) keeps the first one's log.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .try_init();
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the screen and be reachable
    Kiosk(kiosk::Args),
    /// Make one call without a screen
    Call(kiosk::CallArgs),
    /// Say how a running kiosk is
    Status(remote::StatusArgs),
    /// Have a running kiosk call somebody
    Dial(remote::DialArgs),
    /// Have a running kiosk answer
    Answer,
    /// Have a running kiosk hang up, or decline
    Hangup,
    /// Have a running kiosk play a station, or stop it
    Hear(remote::HearArgs),
    /// Turn a running kiosk's camera and microphone off, or on again
    Hide(remote::HideArgs),
    /// Set how loud a running kiosk is
    Volume(remote::VolumeArgs),
    /// Touch a running kiosk's screen
    Tap(remote::TapArgs),
    /// Take a picture of a running kiosk's screen
    Screenshot(remote::ScreenshotArgs),
    /// Show this kiosk's public key, its fingerprint and its six words
    Identity(identity::Args),
    /// Add, list and remove the people this kiosk knows
    Contact(contact::Args),
    /// Pin, list and forget the host keys of relays
    Hosts(hosts::Args),
    /// Guard the settings on the screen with a PIN, or stop it
    Pin(pin::Args),
    /// Meet others at the relay that a ticket is for
    Meet(meet::Args),
    /// Make this machine a relay, for whoever is root on it
    Relay(relay::Args),
    /// Become contacts with a kiosk far away, by four words
    Pair(pair::Args),
    /// Keep this kiosk in a file behind a passphrase
    Backup(backup::BackupArgs),
    /// Make this machine the kiosk of a back-up
    Restore(backup::RestoreArgs),
    /// List the calls there were
    Calls(calls::Args),
    /// List who looked in and when, and say whether that log is whole
    LookIns(look_ins::Args),
    /// Say what is right and what is wrong with this kiosk
    Doctor(doctor::Args),
    /// Send a camera's pictures on plain TCP
    Camera(camera::Args),
    /// Show the pictures that come on plain TCP
    Viewer(viewer::Args),
    /// Send a microphone's sound on plain TCP
    Talk(talk::Args),
    /// Play the sound that comes on plain TCP
    Listen(listen::Args),
    /// Send what a microphone hears to a server
    Station(station::Args),
    /// Take the logs that stations upload
    LogReceive(log_receive::Args),
    /// Take what the stations of a house send, and play it to browsers and kiosks
    StationServer(station_server::Args),
    /// Let two kiosks call each other through a relay of their own
    Demo(demo::Args),
    /// Speak or listen at the demo's sound cards
    #[command(hide = true)]
    Ear(demo::ears::Args),
    /// Measure
    Bench(bench::Args),
    /// Write what a package ships beside the program
    #[command(hide = true)]
    Generate(generate::Args),
}

impl Cli {
    /// From the words of a command line, the program's name first. Clap ends the process where they
    /// are wrong, or ask for help.
    ///
    /// # Errors
    /// Words of a station's first client that are wrong; that is said, and the exit code is 2.
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Result<Self, ExitCode> {
        let words = station::original::rewrite(words.into_iter().collect());
        words.map(Self::parse_from).map_err(|sentence| failed(&ConfigError::Asked(sentence).into()))
    }
}

/// Do what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    cli.globals.start_logging();
    let globals = &cli.globals;
    let done = match cli.command {
        None => kiosk::run(&kiosk::Args::window(), globals),
        Some(Command::Kiosk(args)) => kiosk::run(&args, globals),
        Some(Command::Call(args)) => kiosk::call(&args, globals),
        Some(Command::Status(args)) => remote::status(&args, globals),
        Some(Command::Dial(args)) => remote::command(&Request::Dial { name: args.name }, globals),
        Some(Command::Answer) => remote::command(&Request::Answer, globals),
        Some(Command::Hangup) => remote::command(&Request::Hangup, globals),
        Some(Command::Hear(args)) => remote::command(&Request::Hear { name: args.name }, globals),
        Some(Command::Hide(args)) => remote::command(&args.request(), globals),
        Some(Command::Volume(args)) => {
            remote::command(&Request::Volume { volume: args.volume }, globals)
        }
        Some(Command::Tap(args)) => {
            remote::command(&Request::Tap { x: args.x, y: args.y }, globals)
        }
        Some(Command::Screenshot(args)) => remote::screenshot(&args, globals),
        Some(Command::Identity(args)) => identity::run(args, globals),
        Some(Command::Contact(args)) => contact::run(args, globals),
        Some(Command::Hosts(args)) => hosts::run(args, globals),
        Some(Command::Pin(args)) => pin::run(&args, globals),
        Some(Command::Meet(args)) => meet::run(&args, globals),
        Some(Command::Relay(args)) => relay::run(args),
        Some(Command::Pair(args)) => pair::run(&args, globals),
        Some(Command::Backup(args)) => backup::backup(&args, globals),
        Some(Command::Restore(args)) => backup::restore(&args, globals),
        Some(Command::Calls(args)) => calls::run(args, globals),
        Some(Command::LookIns(args)) => look_ins::run(&args, globals),
        Some(Command::Doctor(args)) => doctor::run(&args, globals),
        Some(Command::Camera(args)) => camera::run(args),
        Some(Command::Viewer(args)) => viewer::run(args),
        Some(Command::Talk(args)) => talk::run(args),
        Some(Command::Listen(args)) => listen::run(args),
        Some(Command::Station(args)) => station::run(&args, globals),
        Some(Command::LogReceive(args)) => log_receive::run(&args),
        Some(Command::StationServer(args)) => station_server::run(&args, globals),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Ear(args)) => demo::ears::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Generate(args)) => generate::run(&args),
    };
    done.unwrap_or_else(|error| failed(&error))
}

/// Say what failed, and with which code to end.
pub fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "twocan: {}", sentence(error));
    ExitCode::from(if error.downcast_ref::<ConfigError>().is_some() { 2 } else { 1 })
}

/// What failed and why, from the outside in. Some errors say their cause themselves: it is said once.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        so_far if so_far.ends_with(&cause) => said,
        so_far => format!("{so_far}: {cause}"),
    })
}

/// Write `text` to stdout. Whoever reads it may stop reading (`| head`): that is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// `value` as indented JSON on stdout.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<ExitCode> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Whether a window can be opened here.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(feature = "desktop") && (set("DISPLAY") || set("WAYLAND_DISPLAY"))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::config::Config;

    #[test]
    fn what_failed_is_said_from_the_outside_in_and_nothing_twice() {
        let missing = Config::load(Some("/none/twocan.toml".as_ref())).unwrap_err();
        let error = Err::<(), _>(missing).context("start").unwrap_err();
        assert_eq!(
            sentence(&error),
            "start: read the configuration /none/twocan.toml: No such file or directory (os error 2)"
        );
    }
}
