//! A station that runs: [`Streamer::start`] reads as the list of what it is made of.
//!
//! ```text
//! thread capture: microphone ──> Encoder ──> Ring ──> thread send ~~~~> server
//! thread status:  the service manager         thread light: the LED
//! thread log:     the event log's files       thread log-upload: those of earlier runs
//! ```
//! It ends within a second: the microphone first, then what is in the ring for a moment, the log last.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::capture::{Capture, Open};
use super::log::{Connect, Log};
use super::ring::Ring;
use super::send::{Destination, Sender};
use super::status::{Light, LineNews, Station, Status};
use super::tally::Tally;
use crate::clock;
use crate::config;
use crate::device::station_mic;
use crate::supervisor::{Restart, Supervisor};
use crate::watchdog::Herald;
use crate::wire::event_log::Event;
use crate::wire::urtp::Encoder;

/// A light that can't be switched is tried again without haste.
const LAMP: Restart =
    Restart::Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };
/// How long the parts may take to end, in their order: less than a second altogether.
const WORKERS_LIMIT: Duration = Duration::from_millis(250);
const SENDER_LIMIT: Duration = Duration::from_millis(450);
const BOOKS_LIMIT: Duration = Duration::from_millis(250);

/// What to run.
pub struct Plan {
    /// The microphone, the coding, the light …; where to is in `to`.
    pub station: config::Station,
    /// Where the sound goes.
    pub to: Destination,
    /// Where event logs are kept.
    pub log_dir: PathBuf,
    /// Whose they are, if that is not seen by where they come from.
    pub who: Option<u32>,
    /// Who takes those of earlier runs, and how it is reached.
    pub upload: Option<(String, Connect)>,
    /// Where the kernel lists its lights: [`crate::device::led::ROOT`].
    pub lights: PathBuf,
    /// The file that says what one of them was before it was ours.
    pub light_before: PathBuf,
}

/// The running station. Dropping it ends it.
pub struct Streamer {
    workers: Supervisor,
    sender: Option<Sender>,
    parts: Arc<Station>,
    books: Supervisor,
}

impl Streamer {
    /// Start every part.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(plan: Plan) -> io::Result<Self> {
        let Plan { station, to, log_dir, who, upload, lights, light_before } = plan;
        let server = to.to_string();
        let mut books = Supervisor::new();
        let log = Log::open_as(who, Some(&log_dir), &mut books)?;
        if let Some((name, connect)) = upload {
            log.upload_to(&name, connect, &mut books)?;
        }
        let ring = Ring::new(Duration::from_millis(station.keep_ms.get().into()));
        let line = Arc::new(LineNews::default());
        let (heard, notes) = (Arc::clone(&line), log.clone());
        let sender = Sender::start(to, ring.clone(), move |event| heard.hear(&event, &notes))?;
        let mut workers = Supervisor::new();
        let device = station.device.as_str().to_owned();
        let open: Open = Box::new(move || station_mic::open(&device));
        let encoder = Encoder::new(station.coding.into(), station.max_gain.get());
        let (kept, notes) = (ring.clone(), log.clone());
        let mut overruns = Arc::default();
        let capture = workers.start_with("capture", Restart::DEVICE, |health| {
            let capture = Capture::new(open, encoder, kept, notes, health);
            overruns = capture.overruns();
            capture
        })?;
        let (stats, send) = (Arc::clone(sender.stats()), Arc::clone(sender.health()));
        let parts = Arc::new(Station { ring, line, stats, capture, send, overruns, log });
        let herald = Herald::from_environment(clock::now());
        let status = Status { station: Arc::clone(&parts), server, herald };
        workers.start("status", Restart::DEVICE, status)?;
        if station.led != config::Led::None {
            let (root, memory) = (lights, light_before);
            let light = Light { station: Arc::clone(&parts), wanted: station.led, root, memory };
            workers.start("light", LAMP, light)?;
        }
        Ok(Self { workers, sender: Some(sender), parts, books })
    }

    /// End it, within a second.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(sender) = self.sender.take() else { return };
        self.workers.stop_within(WORKERS_LIMIT);
        sender.stop(SENDER_LIMIT);
        tracing::info!("altogether: {}", self.parts.tally().since(&Tally::default()));
        self.parts.log.note(Event::SystemStop, 0);
        self.books.stop_within(BOOKS_LIMIT);
    }
}

impl Drop for Streamer {
    fn drop(&mut self) {
        self.end();
    }
}
