//! `twocan viewer`: shows, counts or records the pictures that come on plain TCP.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;

use crate::clock;
use crate::codec::jpeg::Limits;
use crate::device::VideoSink;
use crate::device::file_video::FileVideo;
use crate::device::null_video::{NullVideo, Seen};
use crate::frame::Size;
use crate::media::line::{Framing, HostPort, Incoming, ListenAt, Place, Traffic};
use crate::media::stats::Report;
use crate::media::viewer::{Counters, OpenSink, Viewer};
use crate::queue::Queue;
use crate::stop::{Stop, Stopper, stop_pair};
use crate::supervisor::{Restart, Supervisor};

use super::alone::{self, Last};
use super::{has_display, signals};
#[cfg(feature = "ui")]
use crate::ui;

/// The window of a viewer alone, in pixels.
#[cfg(feature = "ui")]
const WINDOW: Size = Size::new(800, 600);

/// Show pictures that come as JPEGs back to back, from `twocan camera` or `ffmpeg -f mjpeg`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Connect to HOST:PORT and show what comes from there.
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with = "listen",
        required_unless_present = "listen"
    )]
    pub from: Option<HostPort>,
    /// Wait for who wants to be seen, at `[ADDRESS:]PORT`; without an address only on this machine
    /// (127.0.0.1).
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub listen: Option<ListenAt>,
    /// `window`, `null` (counts and measures), a file to record into, or a folder (a name that
    /// ends with a slash makes one). `auto` is a window where there is a display, else `null`. When
    /// a file can't be written any more the command ends, with code 1.
    #[arg(long, default_value = "auto")]
    pub sink: String,
    /// The largest picture that is decoded.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1920x1080")]
    pub limit: Size,
    /// Stop after so many seconds; without it at Ctrl-C.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// The folder for the file Stats-Video-Viewer, written at the end.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub stats: PathBuf,
}

/// Run it until Ctrl-C, SIGTERM, the seconds given, until its window is closed, or until its file
/// can't be written (code 1).
///
/// # Errors
/// The port is in use, the sink can't be opened, or the statistics can't be written.
pub fn run(mut args: Args) -> anyhow::Result<ExitCode> {
    let stop = signals::stop_on_signals().context("wait for signals")?;
    if args.sink == "auto" {
        args.sink = if has_display() { "window" } else { "null" }.to_owned();
    }
    let (stopper, ended) = stop_pair();
    let end = End { stopper: Arc::new(stopper), ended };
    if args.sink == "window" { in_window(args, stop, end) } else { view(args, &stop, end, None) }
}

/// The run's own end, and who brings it about.
struct End {
    stopper: Arc<Stopper>,
    ended: Stop,
}

/// The window has the main thread, so the rest has another one.
#[cfg(feature = "ui")]
fn in_window(args: Args, stop: Stop, end: End) -> anyhow::Result<ExitCode> {
    let closed = Arc::clone(&end.stopper);
    let ui = ui::viewer_window(ui::ScreenKind::Window, WINDOW, move || closed.stop())?;
    let handle = ui.handle();
    let viewing = std::thread::Builder::new().name("viewing".to_owned()).spawn(move || {
        let sinks = handle.clone();
        let open: OpenSink = Box::new(move || Ok(Box::new(sinks.video_sink())));
        let done = view(args, &stop, end, Some(open));
        handle.quit();
        done
    })?;
    ui.run()?;
    viewing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(not(feature = "ui"))]
fn in_window(_args: Args, _stop: Stop, _end: End) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this build has no window: choose --sink null or a file")
}

fn view(args: Args, stop: &Stop, end: End, window: Option<OpenSink>) -> anyhow::Result<ExitCode> {
    let place = Place::of(args.from, args.listen).context("either --from or --listen is needed")?;
    let (counters, traffic) = (Arc::new(Counters::default()), Arc::new(Traffic::default()));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let open = sink(&args.sink, &seen, window)?;
    // The viewer takes the newest; what a burst pushes out of here is counted as dropped too.
    let packets = Queue::newest_wins(8);
    let line = Incoming::open(place, Framing::Pictures, packets.clone(), Arc::clone(&traffic))?;
    if let Some(address) = line.address() {
        tracing::info!("waiting at {address}");
    }
    let began = clock::now();
    let mut supervisor = Supervisor::new();
    let shared = Arc::clone(&counters);
    let queue = packets.clone();
    let is_file = !matches!(args.sink.as_str(), "window" | "null");
    let health = supervisor.start_with("viewer", alone::restart(is_file), |health| {
        let viewer = Viewer::new(open, Limits::of(args.limit), queue, None, shared, health);
        Last::new(viewer, &end.stopper)
    })?;
    supervisor.start("line", Restart::DEVICE, line)?;
    alone::wait(&[stop, &end.ended], args.seconds);
    supervisor.stop();
    let took = clock::now().since(began);
    // Let go by the queue, or still in it.
    let unseen = packets.displaced() + packets.len() as u64;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let report = report(took, &counters, &traffic, unseen, &seen)
        .row("sink", "sink", args.sink.as_str(), "")
        .row("sink failures", "failures", health.failures(), "");
    let path = report.write(&args.stats)?;
    tracing::info!("statistics are in {}", path.display());
    let is_whole = !(is_file && health.failures() > 0);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sink(name: &str, seen: &Arc<Mutex<Seen>>, window: Option<OpenSink>) -> anyhow::Result<OpenSink> {
    match name {
        "window" => window.context("the window is gone"),
        "null" => {
            let seen = Arc::clone(seen);
            Ok(Box::new(move || Ok(Box::new(NullVideo::new(Arc::clone(&seen))))))
        }
        path => {
            // Opened here as well, so that a wrong name is an error at once.
            let path = PathBuf::from(path);
            let mut first = Some(FileVideo::open(&path)?);
            Ok(Box::new(move || record(&mut first, &path)))
        }
    }
}

fn record(
    first: &mut Option<FileVideo>,
    path: &Path,
) -> Result<Box<dyn VideoSink>, crate::device::DeviceError> {
    Ok(Box::new(match first.take() {
        Some(first) => first,
        None => FileVideo::open(path)?,
    }))
}

fn report(
    took: Duration,
    counters: &Counters,
    traffic: &Traffic,
    unseen: u64,
    seen: &Seen,
) -> Report {
    let seconds = took.as_secs_f64();
    let shown = counters.shown.load(Ordering::Relaxed);
    let dropped = counters.dropped.load(Ordering::Relaxed) + unseen;
    let bytes = traffic.bytes.load(Ordering::Relaxed);
    let showing = seen.between.map_or(Duration::ZERO, |(first, last)| last.since(first));
    let size = counters.last().map_or("none".to_owned(), |(_, size)| size.to_string());
    Report::new("Stats-Video-Viewer")
        .row("duration", "duration_s", seconds, "s")
        .row("pictures received", "received", traffic.packets.load(Ordering::Relaxed), "")
        .row("pictures shown", "shown", shown, "")
        .row("dropped for newer ones", "dropped", dropped, "")
        .row("broken or too large", "broken", counters.broken.load(Ordering::Relaxed), "")
        .row("last size", "size", size, "")
        .row("peers", "peers", traffic.peers.load(Ordering::Relaxed), "")
        .row("peers refused", "refused", traffic.refused.load(Ordering::Relaxed), "")
        .row("shown", "fps", shown as f64 / seconds.max(1e-3), "per second")
        .row("bytes received", "bytes", bytes, "")
        .row("rate", "kbit_s", bytes as f64 * 8e-3 / seconds.max(1e-3), "kbit/s")
        .percentiles("arrival to shown", "age_ms", counters.ages())
        .row("from the first to the last", "showing_s", showing.as_secs_f64(), "s")
        .row("with a stamp", "stamped", seen.stamped, "")
        .row("missing by stamp", "missing", seen.missing, "")
        .percentiles("capture to shown, by stamp", "stamp_age_ms", seen.by_stamp.percentiles())
}
