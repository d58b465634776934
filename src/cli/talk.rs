//! `twocan talk`: a microphone to one peer after another, on plain TCP.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;

use crate::clock;
use crate::codec::opus::VoiceFormat;
use crate::config::Cleaning;
use crate::device::sound::Microphone;
use crate::media::line::{Framing, HostPort, ListenAt, Outgoing, Place, Traffic};
use crate::media::stats::Report;
use crate::media::talk::{Talk, TalkStats};
use crate::queue::Queue;
use crate::supervisor::{Restart, Supervisor};

use super::{alone, signals};

/// Send what a microphone hears; one length byte, then one Opus packet of that many bytes.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// `auto`, an ALSA name (`default`, `plughw:CARD=Headset`), a WAV file, `tone`, `bursts` or
    /// `silence`.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Connect to HOST:PORT and send there.
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with = "listen",
        required_unless_present = "listen"
    )]
    pub to: Option<HostPort>,
    /// Wait for who wants to hear, at `[ADDRESS:]PORT`; without an address only on this machine
    /// (127.0.0.1).
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub listen: Option<ListenAt>,
    /// Milliseconds of sound in a packet: 20 or 10.
    #[arg(long, default_value_t = 20, value_parser = frame_ms)]
    pub frame_ms: u32,
    /// Bits per second, 6000 to 96000: more would not fit the length byte.
    #[arg(long, default_value_t = 24_000, value_parser = clap::value_parser!(u32).range(6_000..=96_000))]
    pub bitrate: u32,
    /// What is done to the sound: `noise` (suppressed) or `off`. Echo is cancelled in calls alone,
    /// where it is known what the loudspeaker plays.
    #[arg(long, default_value_t = Cleaning::Off, value_parser = cleaning)]
    pub cleaning: Cleaning,
    /// Stop after so many seconds; without it at Ctrl-C.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// The folder for the file Stats-Audio, written at the end.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub stats: PathBuf,
}

fn frame_ms(text: &str) -> Result<u32, String> {
    match text {
        "10" => Ok(10),
        "20" => Ok(20),
        _ => Err("expected 20 or 10".to_owned()),
    }
}

fn cleaning(text: &str) -> Result<Cleaning, String> {
    [Cleaning::Noise, Cleaning::Off]
        .into_iter()
        .find(|cleaning| cleaning.to_string() == text)
        .ok_or_else(|| "expected noise or off".to_owned())
}

/// Packets that may wait for a peer that reads slowly: 200 ms of them, older ones are let go.
const WAITING: usize = 10;

/// Run it until Ctrl-C, SIGTERM or the seconds given.
///
/// # Errors
/// The microphone can't be opened, the port is in use, or the statistics can't be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals().context("wait for signals")?;
    let place = Place::of(args.to, args.listen).context("either --to or --listen is needed")?;
    // Opened here the first time, so that a wrong name is an error at once.
    let mut microphone = Microphone::new(&args.device);
    let (mut first, watch) = (Some(microphone.open()?), microphone.watch());
    let (stats, traffic) = (Arc::new(TalkStats::default()), Arc::new(Traffic::default()));
    let packets = Queue::newest_wins(WAITING);
    let line = Outgoing::open(place, Framing::Voice, packets.clone(), Arc::clone(&traffic))?;
    if let Some(address) = line.address() {
        tracing::info!("waiting at {address}");
    }
    let began = clock::now();
    let mut supervisor = Supervisor::new();
    supervisor.start("line", Restart::DEVICE, line)?;
    let format =
        VoiceFormat { frame_ms: args.frame_ms, bitrate: args.bitrate, ..VoiceFormat::default() };
    let health = supervisor.start_with("talk", Restart::DEVICE, |health| {
        let open = Box::new(move || first.take().map_or_else(|| microphone.open(), Ok));
        Talk::new(open, format, packets.clone(), Arc::clone(&stats), health)
            .cleaned(args.cleaning, None)
            .woken_by(watch)
    })?;
    alone::wait(&[&stop], args.seconds);
    supervisor.stop();
    let took = clock::now().since(began);
    let report = report(&args.device, format, took, &stats, &traffic)
        .row("let go unsent", "displaced", packets.displaced(), "")
        .row("microphone failures", "failures", health.failures(), "");
    let path = report.write(&args.stats)?;
    tracing::info!("statistics are in {}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn report(
    device: &str,
    format: VoiceFormat,
    took: Duration,
    stats: &TalkStats,
    traffic: &Traffic,
) -> Report {
    let seconds = took.as_secs_f64().max(1e-3);
    let (made, bytes) =
        (stats.packets.load(Ordering::Relaxed), traffic.bytes.load(Ordering::Relaxed));
    Report::new("Stats-Audio")
        .row("direction", "direction", "talk", "")
        .row("microphone", "device", device, "")
        .row("duration", "duration_s", seconds, "s")
        .row("sound in a packet", "frame_ms", format.frame_ms, "ms")
        .row("bitrate asked for", "bitrate", format.bitrate, "bit/s")
        .row("packets made", "made", made, "")
        .row("packets sent", "packets", traffic.packets.load(Ordering::Relaxed), "")
        .row("too long to send", "too_long", traffic.too_long.load(Ordering::Relaxed), "")
        .row("peers", "peers", traffic.peers.load(Ordering::Relaxed), "")
        .row("bytes sent", "bytes", bytes, "")
        .row("rate", "kbit_s", bytes as f64 * 8e-3 / seconds, "kbit/s")
        .row("xruns", "xruns", stats.overruns.load(Ordering::Relaxed), "")
        .percentiles("capture to sent", "latency_ms", traffic.ages())
}
