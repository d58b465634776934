//! `twocan camera`: pictures from a camera to one peer after another, on plain TCP.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;

use crate::clock;
use crate::device::open::{CameraName, Opener, Wish};
use crate::frame::Size;
use crate::geometry::{Rotation, Turn};
use crate::media::camera::{Camera, Counters, Gate, Settings};
use crate::media::line::{Framing, HostPort, ListenAt, Outgoing, Place, Traffic};
use crate::media::stats::Report;
use crate::queue::Queue;
use crate::supervisor::{Restart, Supervisor};

use super::{alone, signals};

/// Send pictures to whoever connects, or to a host; JPEGs back to back, for `ffplay -f mjpeg` too.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// `pattern` (or `pattern:B`), `auto`, `rpicam`, `/dev/videoN`, a file of JPEGs or a folder of
    /// them.
    #[arg(long, default_value = "pattern")]
    pub device: CameraName,
    /// Width and height in pixels; the camera takes the nearest it has.
    #[arg(long, default_value = "640x480")]
    pub size: Size,
    /// Pictures per second, 1 to 120.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub fps: u32,
    /// Stop after so many seconds; without it at Ctrl-C.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// JPEG quality, 1 to 100.
    #[arg(long, default_value_t = 75, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// Turn the pictures clockwise: 0, 90, 180 or 270 degrees.
    #[arg(long, default_value = "0", value_parser = rotation)]
    pub rotate: Rotation,
    /// Swap left and right, after turning.
    #[arg(long)]
    pub mirror: bool,
    /// Expose each picture so many times 100 µs; without it the camera chooses.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub exposure: Option<u32>,
    /// The light that is to look white, in kelvin; without it the camera chooses.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2_000..=10_000))]
    pub white_balance: Option<u32>,
    /// Connect to HOST:PORT and send there.
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with = "listen",
        required_unless_present = "listen"
    )]
    pub to: Option<HostPort>,
    /// Wait for who wants to see, at `[ADDRESS:]PORT`; without an address only on this machine
    /// (127.0.0.1).
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub listen: Option<ListenAt>,
    /// The folder for the file Stats-Video-Camera, written at the end.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub stats: PathBuf,
}

fn rotation(text: &str) -> Result<Rotation, String> {
    let degrees = text.parse().ok().and_then(Rotation::of_degrees);
    degrees.ok_or_else(|| "expected 0, 90, 180 or 270 degrees".to_owned())
}

/// The largest picture a file may have where no peer has agreed on less.
const ANY_SIZE: Size = Size::new(4096, 4096);

/// Run it until Ctrl-C, SIGTERM, the seconds given, or the end of the camera.
///
/// # Errors
/// The camera can't be opened, the port is in use, or the statistics can't be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals().context("wait for signals")?;
    let place = Place::of(args.to, args.listen).context("either --to or --listen is needed")?;
    let wish = Wish {
        turn: Turn { rotation: args.rotate, mirror: args.mirror },
        exposure: args.exposure,
        white_balance: args.white_balance,
        ..Wish::new(args.size, f64::from(args.fps))
    };
    let mut opener = Opener::new(args.device.clone(), wish);
    // Opened here the first time, so that a wrong name is an error at once.
    let mut first = Some(opener.open()?);
    let (counters, traffic) = (Arc::new(Counters::default()), Arc::new(Traffic::default()));
    // One picture waits: a newer one takes its place.
    let packets = Queue::newest_wins(1);
    let line = Outgoing::open(place, Framing::Pictures, packets.clone(), Arc::clone(&traffic))?;
    if let Some(address) = line.address() {
        tracing::info!("waiting at {address}");
    }
    let began = clock::now();
    let mut supervisor = Supervisor::new();
    supervisor.start("line", Restart::DEVICE, line)?;
    let settings = Settings { quality: args.quality, limit: ANY_SIZE };
    let health = supervisor.start_with("camera", Restart::DEVICE, |health| {
        let open = Box::new(move || first.take().map_or_else(|| opener.open(), Ok));
        let packets = packets.clone();
        Camera::new(open, settings, Gate::Open, packets, Arc::clone(&counters), health)
    })?;
    alone::wait(&[&stop], args.seconds);
    supervisor.stop();
    let took = clock::now().since(began);
    let path = report(&args.device, took, &counters, &traffic, &packets, health.failures())
        .write(&args.stats)?;
    tracing::info!("statistics are in {}", path.display());
    Ok(ExitCode::SUCCESS)
}

fn report(
    device: &CameraName,
    took: Duration,
    counters: &Counters,
    traffic: &Traffic,
    packets: &Queue<crate::frame::Packet>,
    failures: u64,
) -> Report {
    let seconds = took.as_secs_f64();
    let captured = counters.captured.load(Ordering::Relaxed);
    let bytes = traffic.bytes.load(Ordering::Relaxed);
    let rate = captured as f64 / seconds.max(1e-3);
    Report::new("Stats-Video-Camera")
        .row("camera", "device", device.to_string(), "")
        .row("duration", "duration_s", seconds, "s")
        .row("pictures captured", "captured", captured, "")
        .row("pictures encoded", "encoded", counters.sent.load(Ordering::Relaxed), "")
        .row("pictures sent", "sent", traffic.packets.load(Ordering::Relaxed), "")
        .row("too long to send", "too_long", traffic.too_long.load(Ordering::Relaxed), "")
        .row("dropped for newer ones", "dropped", packets.displaced(), "")
        .row("refused (size, torn)", "refused", counters.refused.load(Ordering::Relaxed), "")
        .row("camera failures", "failures", failures, "")
        .row("peers", "peers", traffic.peers.load(Ordering::Relaxed), "")
        .row("captured", "fps", rate, "per second")
        .row("bytes sent", "bytes", bytes, "")
        .row("rate", "kbit_s", bytes as f64 * 8e-3 / seconds.max(1e-3), "kbit/s")
        .percentiles("capture to sent", "latency_ms", traffic.ages())
}
