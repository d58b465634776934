//! A station's log: what happens, as records of 16 bytes in files, and in the journal.
//!
//! ```text
//!  note ──> journal (tracing)
//!    │
//!    └────> ring in RAM ──every second──> DIR/0007.log      first free of 0000 to 0999
//!           never waits, the oldest goes     │ closed: full, or of an earlier start
//!                                            ▼
//!                                         upload ~~~~> ioc-log, or `twocan log-receive` ──> deleted
//! ```
//! Whoever notes something never waits and never fails: what does not fit or cannot be written is
//! counted. [`Folder`] knows which files are ours; nothing else in the folder is ever touched.

mod file;
mod folder;
mod receive;
mod received;
mod upload;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::caps::LOG_QUEUED;
use crate::clock::{self, Time};
use crate::queue::Queue;
use crate::supervisor::{Restart, Supervisor};
pub use crate::wire::event_log::Event;
use crate::wire::event_log::{COUNT, Record};

pub use folder::{Folder, LogError};
pub use receive::{ReceiveError, Receiver, Tally};
pub use upload::{Connect, UploadError, direct, relayed};

/// What begins every file of ours, with its number added: how a file is known to be ours.
pub const EVENT_MARK: Event = Event::User0;
/// How many records were lost before this one, because the disk took none for too long.
pub const EVENT_LOST: Event = Event::User1;

/// Whose log it is, in every file: [`PeerKey::id32`](crate::identity::PeerKey::id32) of the station's key.
pub const EVENT_WHO: Event = Event::User2;

/// The journal has an event that was not there for so long; the file has them all. A server that is away
/// makes the same ones every few seconds, for weeks.
const JOURNAL_PAUSE: Duration = Duration::from_secs(600);
/// How often the disk is tried when it takes nothing.
const DISK: Restart =
    Restart::Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };

struct Shared {
    /// None: nothing is kept but the journal.
    folder: Option<Folder>,
    /// See [`EVENT_WHO`]. None: the address it comes from says it.
    who: Option<u32>,
    ring: Queue<Record>,
    /// When it was noted last, by event, in microseconds of the clock and one.
    noted: [AtomicU64; COUNT],
    /// Something may be there to upload.
    news: Queue<()>,
    /// The microphone has given some since the start.
    sound: AtomicBool,
    written: AtomicU64,
    lost: AtomicU64,
    removed: AtomicU64,
    uploaded: AtomicU64,
}

/// Where a station notes what happens. Clones are the same log.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

/// What became of the log so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records in files.
    pub written: u64,
    /// Records that no disk took in time.
    pub lost: u64,
    /// Files of ours that went because the folder was full.
    pub removed: u64,
    /// Files that a log server has.
    pub uploaded: u64,
}

impl Log {
    /// A log in the files of `folder` (made, 0700, if it is not there), or in the journal alone. What
    /// writes is a worker of `supervisor`: start the log first, so that it is stopped last.
    ///
    /// # Errors
    /// The system has no thread to give. A folder that takes no files is said in the journal, and
    /// tried again.
    pub fn open(folder: Option<&Path>, supervisor: &mut Supervisor) -> io::Result<Self> {
        Self::open_as(None, folder, supervisor)
    }

    /// The same for a station whose key is known: `who` stands in every file as [`EVENT_WHO`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_as(
        who: Option<u32>,
        folder: Option<&Path>,
        supervisor: &mut Supervisor,
    ) -> io::Result<Self> {
        let log = Self::new(who, folder);
        if let Some(who) = who {
            tracing::info!("{} in this station's logs is {who:#x}", EVENT_WHO.name().trim());
        }
        if let Some(folder) = &log.0.folder {
            let writer = file::Writer::new(log.clone(), folder.clone());
            supervisor.start("log", DISK, writer)?;
        }
        Ok(log)
    }

    fn new(who: Option<u32>, folder: Option<&Path>) -> Self {
        Self(Arc::new(Shared {
            who,
            folder: folder.map(Folder::at),
            ring: Queue::newest_wins(LOG_QUEUED),
            noted: std::array::from_fn(|_| AtomicU64::new(0)),
            news: Queue::newest_wins(1),
            sound: AtomicBool::new(false),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            removed: AtomicU64::new(0),
            uploaded: AtomicU64::new(0),
        }))
    }

    /// Send what earlier starts have left, and every file that is full, to a log server that
    /// `connect` connects to: from the first [`Event::AudioServerConnected`] on, or five minutes after
    /// the start, or twenty seconds if there is [no sound](Self::sounds) until then. `server` is its name in
    /// the journal. Without a folder nothing is sent.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn upload_to(
        &self,
        server: &str,
        connect: Connect,
        supervisor: &mut Supervisor,
    ) -> io::Result<()> {
        if let Some(folder) = &self.0.folder {
            let uploader = upload::Uploader::new(self.clone(), folder.clone(), server, connect);
            supervisor.start("log-upload", Restart::DEVICE, uploader)?;
        }
        Ok(())
    }

    /// Something happened. Never waits.
    pub fn note(&self, event: Event, parameter: u32) {
        self.journal(event, parameter);
        if self.0.folder.is_some() {
            let timestamp_us = clock::unix_micros();
            let record = Record { timestamp_us, event: event.number(), parameter };
            // Newest wins and is never closed: it is always taken.
            let _ = self.0.ring.send(record);
        }
        if event == Event::AudioServerConnected {
            let _ = self.0.news.send(());
        }
    }

    /// The microphone gives sound: logs of earlier starts wait until that has reached its server.
    pub fn sounds(&self) {
        self.0.sound.store(true, Relaxed);
    }

    fn has_sound(&self) -> bool {
        self.0.sound.load(Relaxed)
    }

    /// How it goes.
    pub fn counters(&self) -> Counters {
        let Shared { ring, written, lost, removed, uploaded, .. } = &*self.0;
        Counters {
            written: written.load(Relaxed),
            lost: lost.load(Relaxed) + ring.displaced(),
            removed: removed.load(Relaxed),
            uploaded: uploaded.load(Relaxed),
        }
    }

    fn journal(&self, event: Event, parameter: u32) {
        let name = event.name();
        if event.is_reading() || !self.is_news(event, clock::now()) {
            tracing::debug!("{name} {parameter}");
        } else if event.is_trouble() {
            tracing::warn!("{name} {parameter}");
        } else {
            tracing::info!("{name} {parameter}");
        }
    }

    /// Whether it was not noted for a while; from now on it was.
    fn is_news(&self, event: Event, now: Time) -> bool {
        let Some(noted) = usize::try_from(event.number()).ok().and_then(|n| self.0.noted.get(n))
        else {
            return true;
        };
        let now = now.micros() + 1;
        let before = noted.swap(now, Relaxed);
        before == 0 || u128::from(now.saturating_sub(before)) >= JOURNAL_PAUSE.as_micros()
    }
}

#[cfg(test)]
mod tests;
