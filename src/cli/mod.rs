//! The command line: one file per subcommand, each with its `Args` and a `run`.
//!
//! What every command shares stands here: the options that choose a kiosk ([`Globals`]), the log,
//! and how a failure ends: one sentence on stderr, exit code 2 when the configuration or the command
//! line is wrong and 1 otherwise.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Paths, PathsError};

pub mod calls;
pub mod contact;
pub mod identity;

/// A video phone whose string is SSH.
#[derive(Debug, Parser)]
#[command(name = "twocan", version, about)]
pub struct Cli {
    /// Which kiosk, and how much to log.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
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
            0 => "warn,twocan=info",
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
    /// Show this kiosk's public key, its fingerprint and its six words
    Identity(identity::Args),
    /// Add, list and remove the people this kiosk knows
    Contact(contact::Args),
    /// List the calls there were
    Calls(calls::Args),
}

/// Do what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    cli.globals.start_logging();
    let done = match cli.command {
        Command::Identity(args) => identity::run(args, &cli.globals),
        Command::Contact(args) => contact::run(args, &cli.globals),
        Command::Calls(args) => calls::run(args, &cli.globals),
    };
    done.unwrap_or_else(|error| failed(&error))
}

/// Say what failed, and with which code to end.
pub fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "twocan: {error:#}");
    ExitCode::from(if error.downcast_ref::<ConfigError>().is_some() { 2 } else { 1 })
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
