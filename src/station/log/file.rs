//! Writes the ring into the files, once a second.
//!
//! ```text
//!  ring ──> pending ──write──> NNNN.log ── full ──> the next one
//!              ▲                  │ the disk is full: the oldest file of ours goes, and again
//!              └── kept, if not ──┘ nothing left to remove: say so once, try less and less often
//! ```
//! Records wait in `pending` while the disk takes none; behind it the ring fills, and then the oldest
//! go. How many did stands before the first one that is written again.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::folder::{Beginning, Current, Folder, is_full};
use super::{EVENT_LOST, EVENT_WHO, Log, LogError};
use crate::caps::LOG_QUEUED;
use crate::clock;
use crate::stop::Stop;
use crate::store::StoreError;
use crate::supervisor::{Worker, WorkerError};
use crate::wire::event_log::{Event, RECORD_LEN, Record};

const PAUSE: Duration = Duration::from_secs(1);

/// The worker.
pub(super) struct Writer {
    log: Log,
    folder: Folder,
    /// When the station was started: seconds since 1970.
    started: u32,
    /// When the next file's records begin, where that was before now: microseconds since 1970.
    since: Option<u64>,
    current: Option<Current>,
    /// Whole records that are in no file yet.
    pending: Vec<u8>,
    /// Of those the ring has let go, how many are told of.
    told: u64,
}

impl Writer {
    pub(super) fn new(log: Log, folder: Folder) -> Self {
        let now = clock::unix_micros();
        let (started, since) = (u32::try_from(now / 1_000_000).unwrap_or(u32::MAX), Some(now));
        Self { log, folder, started, since, current: None, pending: Vec::new(), told: 0 }
    }

    /// Everything noted so far is in a file.
    pub(super) fn flush(&mut self) -> Result<(), LogError> {
        let mut current = match self.current.take() {
            Some(current) if !current.is_gone() => current,
            _ => self.begin()?,
        };
        self.collect();
        let written = self.write(&mut current);
        if written.is_ok() && current.is_full() {
            close(current);
            // There is a file to upload.
            let _ = self.log.0.news.send(());
            return Ok(());
        }
        self.current = Some(current);
        written
    }

    fn begin(&mut self) -> Result<Current, LogError> {
        let timestamp_us = self.since.unwrap_or_else(clock::unix_micros);
        let beginning = Beginning { timestamp_us, started: self.started };
        let current = self.folder.begin(beginning, || self.removed())?;
        self.since = None;
        if let Some(parameter) = self.log.0.who {
            let record = Record { timestamp_us, event: EVENT_WHO.number(), parameter };
            self.pending.splice(..0, record.encode());
        }
        tracing::info!("the log is {}", current.path().display());
        Ok(current)
    }

    fn removed(&self) {
        if self.log.0.removed.fetch_add(1, Relaxed) == 0 {
            let folder = self.folder.path().display();
            tracing::warn!("{folder} is full: from now on the oldest log in it goes");
        }
    }

    fn collect(&mut self) {
        let lost = self.log.counters().lost;
        if lost > self.told && self.pending.len() < LOG_QUEUED * RECORD_LEN {
            let parameter = u32::try_from(lost - self.told).unwrap_or(u32::MAX);
            let (timestamp_us, event) = (clock::unix_micros(), EVENT_LOST.number());
            self.pending.extend(Record { timestamp_us, event, parameter }.encode());
            self.told = lost;
        }
        while self.pending.len() < LOG_QUEUED * RECORD_LEN
            && let Some(record) = self.log.0.ring.try_receive()
        {
            self.pending.extend(record.encode());
        }
    }

    fn write(&mut self, current: &mut Current) -> Result<(), LogError> {
        loop {
            match current.write(&self.pending) {
                Ok(()) => {
                    let records = (self.pending.len() / RECORD_LEN) as u64;
                    self.log.0.written.fetch_add(records, Relaxed);
                    self.pending.clear();
                    return Ok(());
                }
                Err(e) if is_full(&e) && self.folder.remove_oldest() => self.removed(),
                Err(e) => return Err(StoreError::new("write", current.path(), e).into()),
            }
        }
    }
}

impl Worker for Writer {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        while !stop.is_stopped() {
            self.flush()?;
            stop.sleep(PAUSE);
        }
        self.log.note(Event::LogFileClose, 0);
        self.log.note(Event::LogStop, 0);
        self.flush()?;
        self.current.take().into_iter().for_each(close);
        Ok(())
    }
}

/// A station that ends while it waits for a disk tries once more.
impl Drop for Writer {
    fn drop(&mut self) {
        let is_done = self.pending.is_empty() && self.log.0.ring.is_empty();
        if !is_done && let Err(e) = self.flush() {
            self.log.0.lost.fetch_add((self.pending.len() / RECORD_LEN) as u64, Relaxed);
            tracing::warn!("the end of the log is lost: {e}");
        }
    }
}

fn close(current: Current) {
    let path = current.path().to_owned();
    if let Err(e) = current.close() {
        tracing::warn!("close {}: {e}", path.display());
    }
}
