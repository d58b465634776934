//! `twocan log-receive`: takes the logs of stations, where the original's log server would run.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::station::log::Receiver;

use super::signals;

/// Take the logs that stations upload, each as it came (.raw) and as text (.log).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The TCP port.
    pub port: u16,
    /// The folder for them, made if it is not there; `-o` as in ioc-log.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// The address to listen at; without it only this machine (and who comes through a tunnel to it).
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
}

/// Run it until Ctrl-C or SIGTERM.
///
/// # Errors
/// The port is in use, or the folder can't be made or read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals().context("wait for signals")?;
    let receiver = Receiver::open(SocketAddr::new(args.listen, args.port), &args.out)?;
    let address = receiver.address().context("ask where it listens")?;
    tracing::info!("waiting for logs at {address}; they go into {}", args.out.display());
    receiver.run(&stop);
    let tally = receiver.tally();
    tracing::info!("{} logs came, {} stations were sent away", tally.logs, tally.refused);
    Ok(ExitCode::SUCCESS)
}
