//! `twocan station`: a microphone to an Internet-of-Chuffs server, or to our own.
//!
//! ```text
//! twocan.toml [station] ──┐
//! --options ──────────────┴──> what to run with ──> Streamer          until Ctrl-C or SIGTERM
//! the original's letters ──> original: the same options
//! ```
//! A mistake in any of them is one sentence and exit code 2.

use std::process::ExitCode;

use anyhow::Context;

use crate::address::HostPort;
use crate::config::{
    Folder, KeepMs, Led, MaxGain, SoundDevice, Station, StationCoding, StationServer, Through,
};

use crate::device::memory;
use crate::station::streamer::Streamer;

use super::{Globals, alone, signals};

pub mod files;
mod meter;
pub mod original;
mod plan;

/// Send what a microphone hears to a server.
///
/// Every option goes before its key in the section [station] of twocan.toml. The first streaming
/// client's order and letters are taken too: station MICROPHONE HOST:PORT [-g BITS] [-ls HOST:PORT]
/// [-ld DIR] [-p PIN], with wiringPi's number of the pin.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// The codec on files, instead of that
    #[command(subcommand)]
    pub files: Option<files::Work>,
    /// An ALSA device, PATH.s32 (32 bit, stereo, 16 kHz), PATH.wav, `tone` or `silence` [default: mic_hw]
    #[arg(long)]
    pub device: Option<SoundDevice>,
    /// HOST:PORT, udp:HOST:PORT or twocan:CONTACT
    #[arg(long)]
    pub server: Option<StationServer>,
    /// How a server by TCP is reached: `direct` or `relay` [default: direct]
    #[arg(long)]
    pub through: Option<Through>,
    /// The most bits that quiet sound is shifted up by, 0 to 12 [default: 12]
    #[arg(long, value_name = "BITS", value_parser = max_gain)]
    pub max_gain: Option<MaxGain>,
    /// `unicam` or `pcm` [default: unicam]
    #[arg(long)]
    pub coding: Option<StationCoding>,
    /// Milliseconds after which sound that could not be sent is let go [default: 2000]
    #[arg(long, value_name = "MS", value_parser = keep_ms)]
    pub keep_ms: Option<KeepMs>,
    /// Takes the event logs of earlier runs
    #[arg(long, value_name = "HOST:PORT")]
    pub log_server: Option<HostPort>,
    /// Where event logs are kept [default: station-log in the state folder]
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<Folder>,
    /// The light that says how the station is: a GPIO number, gpiochipN:LINE or a name in /sys/class/leds
    #[arg(long, value_name = "LIGHT")]
    pub led: Option<Led>,
    /// Send nothing: show how loud left and right are, and say whether the wiring is right
    #[arg(long)]
    pub meter: bool,
    /// Stop after so many seconds; without it at Ctrl-C
    #[arg(long)]
    pub seconds: Option<u64>,
}

/// Seconds that its start takes, with a first connection or a first failure.
const START: u64 = 3;

fn max_gain(text: &str) -> Result<MaxGain, String> {
    let bits = text.parse().ok().and_then(MaxGain::new);
    bits.ok_or_else(|| "expected a number of bits, 0 to 12".to_owned())
}

fn keep_ms(text: &str) -> Result<KeepMs, String> {
    let number = text.parse().ok().and_then(KeepMs::new);
    number.ok_or_else(|| "expected a number of milliseconds, 100 to 30000".to_owned())
}

impl Args {
    /// What to run with: these options, then what the file says, then the defaults.
    pub fn over(&self, file: Option<Station>) -> Station {
        let file = file.unwrap_or_default();
        let own = self.clone();
        Station {
            device: own.device.unwrap_or(file.device),
            server: own.server.or(file.server),
            through: own.through.unwrap_or(file.through),
            max_gain: own.max_gain.unwrap_or(file.max_gain),
            coding: own.coding.unwrap_or(file.coding),
            keep_ms: own.keep_ms.unwrap_or(file.keep_ms),
            log_server: own.log_server.or(file.log_server),
            log_dir: own.log_dir.or(file.log_dir),
            led: own.led.unwrap_or(file.led),
        }
    }
}

/// Run it until Ctrl-C, SIGTERM or the seconds given.
///
/// # Errors
/// What cannot be; a microphone for `--meter` that can't be opened. A running station retries.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    if let Some(work) = &args.files {
        return files::run(work);
    }
    let paths = globals.paths()?;
    let config = paths.load_config()?;
    let station = args.over(config.station.clone());
    let stop = signals::stop_on_signals().context("wait for signals")?;
    if args.meter {
        return meter::run(station.device.as_str(), args.seconds, &stop);
    }
    let streamer = Streamer::start(plan::of(station, &config, &paths)?)?;
    // By then every thread has done once what it does for ever after.
    alone::wait(&[&stop], Some(args.seconds.map_or(START, |seconds| seconds.min(START))));
    memory::give_back_start();
    alone::wait(&[&stop], args.seconds.map(|seconds| seconds.saturating_sub(START)));
    streamer.stop();
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;
    use crate::config::Config;

    fn parsed(line: &str) -> Args {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Some(Command::Station(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_go_before_the_file_and_the_file_before_the_defaults() {
        let file = "[station]\nserver = 'a:1'\nmax_gain = 8\nled = 'ACT'\n[relay]\nhost = 'h'\nuser = 'u'\n";
        let config = Config::parse("twocan.toml", file.as_bytes()).unwrap();
        let station = parsed("twocan station --server b:2 --coding pcm").over(config.station);
        assert_eq!(station.server.unwrap().to_string(), "b:2");
        assert_eq!((station.max_gain.get(), station.coding), (8, StationCoding::Pcm));
        assert_eq!((station.led.to_string().as_str(), station.device.as_str()), ("ACT", "mic_hw"));
        assert_eq!(parsed("twocan station").over(None), Station::default());
    }
}
