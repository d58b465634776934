//! `twocan listen`: sound from one peer after another on plain TCP, to a loudspeaker.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;

use crate::clock;
use crate::device::loudness::Loudness;
use crate::device::sound::{Loudspeaker, is_wav};
use crate::media::line::{Framing, HostPort, Incoming, ListenAt, Place, Traffic};
use crate::media::listen::{Listen, ListenStats};
use crate::media::playout::{Playout, Stamps};
use crate::media::record::Recorder;
use crate::media::stats::Report;
use crate::queue::Queue;
use crate::stop::stop_pair;
use crate::supervisor::{Restart, Supervisor};

use super::alone::{self, Last};
use super::signals;

/// Play the sound of who connects, or of a host; one length byte, then one Opus packet.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// `auto`, an ALSA name (`default`, `plughw:CARD=Headset`), a new WAV file, or `null`. When a file can't be
    /// written any more the command ends, with code 1.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Connect to HOST:PORT and play what comes from there.
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with = "listen",
        required_unless_present = "listen"
    )]
    pub from: Option<HostPort>,
    /// Wait for who wants to be heard, at `[ADDRESS:]PORT`; without an address only on this machine
    /// (127.0.0.1).
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub listen: Option<ListenAt>,
    /// Write what is heard as Ogg Opus: all of it to a file, or to a folder with a new file for each
    /// peer. When it fails the sound goes on, and the command ends with code 1.
    #[arg(long, value_name = "FILE|FOLDER")]
    pub record: Option<PathBuf>,
    /// 0 (silent) to 10; without it the card's volume stays as it is.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub volume: Option<u8>,
    /// Milliseconds of sound the loudspeaker's buffer holds at first, 20 to 200; without it 30, and
    /// 60 on USB. It grows when it runs dry too often.
    #[arg(long, value_parser = clap::value_parser!(u64).range(20..=200))]
    pub buffer_ms: Option<u64>,
    /// Stop after so many seconds; without it at Ctrl-C.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// The folder for the file Stats-Audio, written at the end.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub stats: PathBuf,
}

/// Packets that may wait for the worker: 2 s; it takes them every 10 ms.
const WAITING: usize = 100;

/// Run it until Ctrl-C, SIGTERM, the seconds given, or until its WAV file can't be written. Code 1:
/// something could not be recorded.
///
/// # Errors
/// The loudspeaker or the recording can't be opened, the port is in use, or the statistics can't be
/// written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals().context("wait for signals")?;
    let place = Place::of(args.from, args.listen).context("either --from or --listen is needed")?;
    // Opened here the first time, so that a wrong name is an error at once.
    let loudness = args.volume.map(Loudness::new);
    let stats = loudness
        .as_ref()
        .map_or_else(ListenStats::default, |loudness| ListenStats::as_loud_as(loudness.left()));
    let (stats, traffic) = (Arc::new(stats), Arc::new(Traffic::default()));
    let mut speaker = match args.buffer_ms.map(Duration::from_millis) {
        Some(buffer) => Loudspeaker::buffering(&args.device, buffer, loudness),
        None => Loudspeaker::new(&args.device, loudness),
    };
    let (mut first, watch) = (Some(speaker.open()?), speaker.watch());
    let packets = Queue::newest_wins(WAITING);
    let line = Incoming::open(place, Framing::Voice, packets.clone(), Arc::clone(&traffic))?;
    if let Some(address) = line.address() {
        tracing::info!("waiting at {address}");
    }
    let began = clock::now();
    let mut supervisor = Supervisor::new();
    let mut recording_failures = Arc::default();
    let tape = match &args.record {
        Some(place) => {
            let (tape, recorder) = Recorder::create(place, Arc::clone(&traffic.sessions))?;
            recording_failures = recorder.failures();
            supervisor.start("record", Restart::Never, recorder)?;
            Some(tape)
        }
        None => None,
    };
    let open = Box::new(move || first.take().map_or_else(|| speaker.open(), Ok));
    let playout = Playout::new(Stamps::Arrival)?;
    let is_file = is_wav(&args.device);
    let (stopper, ended) = stop_pair();
    let stopper = Arc::new(stopper);
    let health = supervisor.start_with("listen", alone::restart(is_file), |health| {
        let listen = Listen::new(open, packets.clone(), playout, tape, Arc::clone(&stats), health);
        Last::new(listen.woken_by(watch), &stopper)
    })?;
    supervisor.start("line", Restart::DEVICE, line)?;
    alone::wait(&[&stop, &ended], args.seconds);
    supervisor.stop();
    let took = clock::now().since(began);
    let unrecorded = recording_failures.load(Ordering::Relaxed);
    let report = report(&args.device, took, &stats, &traffic)
        .row("loudspeaker failures", "failures", health.failures(), "")
        .row("recording failures", "recording_failures", unrecorded, "");
    let path = report.write(&args.stats)?;
    tracing::info!("statistics are in {}", path.display());
    let is_whole = unrecorded == 0 && !(is_file && health.failures() > 0);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(device: &str, took: Duration, stats: &ListenStats, traffic: &Traffic) -> Report {
    let seconds = took.as_secs_f64().max(1e-3);
    let bytes = traffic.bytes.load(Ordering::Relaxed);
    Report::new("Stats-Audio")
        .row("direction", "direction", "listen", "")
        .row("loudspeaker", "device", device, "")
        .row("duration", "duration_s", seconds, "s")
        .row("packets received", "received", traffic.packets.load(Ordering::Relaxed), "")
        .row("packets taken in", "packets", stats.packets.load(Ordering::Relaxed), "")
        .row("peers", "peers", traffic.peers.load(Ordering::Relaxed), "")
        .row("bytes received", "bytes", bytes, "")
        .row("rate", "kbit_s", bytes as f64 * 8e-3 / seconds, "kbit/s")
        .row("gaps (20 ms)", "gaps", stats.gaps.load(Ordering::Relaxed), "")
        .row("late or double", "late", stats.late.load(Ordering::Relaxed), "")
        .row("dropped", "dropped", stats.dropped.load(Ordering::Relaxed), "")
        .row("refused (not Opus)", "refused", stats.refused.load(Ordering::Relaxed), "")
        .row("xruns", "xruns", stats.underruns.load(Ordering::Relaxed), "")
        .row("delay aimed at", "target_ms", stats.target_ms.load(Ordering::Relaxed), "ms")
        .percentiles("arrival to ear", "latency_ms", stats.whole_call().heard)
}
