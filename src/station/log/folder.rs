//! The folder of a station's logs: which files are ours, and how many there may be.
//!
//! ```text
//!  0000.log ── LOG_START 0, LOG_FILE_OPEN 0, SYSTEM_START s, USER_0 0x2ca00000 + 0 ── ...
//! ```
//! A file is ours when its name is four digits and `.log`, it is a plain file of this user and of one
//! name, it begins with such a mark that has the name's number, and no station has it open (they hold a
//! lock on it). Everything else in there belongs to somebody: it is neither sent, nor changed, nor
//! deleted, whatever it is called. A folder that is full loses the oldest file of ours: what happened
//! last is what a keeper asks for. A start has a file of its own, unless many wait to be sent: then it
//! goes on in the newest, with a beginning in its middle, or a station that is started again every
//! minute would use up the names in a day.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use nix::fcntl::{Flock, FlockArg, OFlag};

use super::EVENT_MARK;
use crate::caps::{LOG_FILE_LIMIT, LOG_FOLDER_LIMIT};
use crate::store::{self, StoreError};
use crate::wire::event_log::{Event, RECORD_LEN, Record};

/// Names there are.
const NUMBERS: u16 = 1000;
/// Added to the number of a file of ours.
const MARK: u32 = 0x2ca0_0000;
/// Records before the first that was noted.
const BEGINNING: usize = 4;
const BEGINNING_LEN: usize = BEGINNING * RECORD_LEN;
/// Files that wait, from which on small ones are gone on with.
const MANY: usize = 16;
/// A file with more bytes is not small: so the names last as long as the room.
const SHARE: u64 = LOG_FOLDER_LIMIT / NUMBERS as u64;

/// A log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The folder, or a file in it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Every name is taken by somebody else's file.
    #[error(
        "{0} is full: all names from 0000.log to 0999.log are taken by files that are not ours"
    )]
    Full(PathBuf),
}

/// The folder. Clones take turns: who looks at its files holds them, and another one must not take that for a
/// station that runs.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    turn: Arc<Mutex<()>>,
}

/// The file that is written to, locked.
#[derive(Debug)]
pub(super) struct Current {
    file: Flock<File>,
    path: PathBuf,
    length: u64,
}

/// A file of ours that nobody writes to, locked.
#[derive(Debug)]
pub(super) struct Own {
    file: Flock<File>,
    path: PathBuf,
    /// Bytes of its whole records: a power cut may have left part of one behind them.
    pub(super) length: u64,
    size: u64,
    pub(super) changed: SystemTime,
    pub(super) number: u16,
}

/// A file of ours that nobody wrote to when it was looked at.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) changed: SystemTime,
    pub(super) number: u16,
    size: u64,
}

impl Folder {
    /// The one at `path`, which need not be there.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), turn: Arc::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begin the next file. Files of ours that are too much for the folder, or whose name is needed, go
    /// first; `removed` is told.
    pub(super) fn begin(
        &self,
        beginning: Beginning,
        mut removed: impl FnMut(),
    ) -> Result<Current, LogError> {
        let _turn = self.turn();
        store::ensure_folder(&self.path)?;
        let waiting = self.shrink(&mut removed);
        if let Some(current) = self.go_on(&waiting, beginning) {
            return Ok(current);
        }
        loop {
            let trouble = match self.first_free(beginning) {
                Ok(Some(current)) => return Ok(current),
                Ok(None) => LogError::Full(self.path.clone()),
                Err((path, e)) if is_full(&e) => StoreError::new("begin", &path, e).into(),
                Err((path, e)) => return Err(StoreError::new("begin", &path, e).into()),
            };
            if !self.oldest_goes() {
                return Err(trouble);
            }
            removed();
        }
    }

    /// The newest of the many that are `waiting`, if it is small. Where that can't be, there is a new one.
    fn go_on(&self, waiting: &[Found], beginning: Beginning) -> Option<Current> {
        let newest =
            waiting.last().filter(|newest| waiting.len() >= MANY && newest.size < SHARE)?;
        let number = newest.number;
        let Own { file, path, length, .. } =
            self.open(number, OpenOptions::new().read(true).write(true))?;
        let mut current = Current { file, path, length };
        current.write(&beginning.encode(number)).ok()?;
        Some(current)
    }

    fn first_free(&self, beginning: Beginning) -> Result<Option<Current>, (PathBuf, io::Error)> {
        for number in 0..NUMBERS {
            let path = self.file(number);
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    let begun = Current::begin(file, &path, number, beginning);
                    if begun.is_err() {
                        // Ours, and empty.
                        let _ = fs::remove_file(&path);
                    }
                    return begun.map(Some).map_err(|e| (path, e));
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err((path, e)),
            }
        }
        Ok(None)
    }

    /// Wait until no clone looks at the files.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of ours that nobody writes to, the oldest first. One is open at a time: a thousand are all
    /// that a service may have.
    pub(super) fn own(&self) -> Vec<Found> {
        let found = |number| {
            let Own { changed, size, .. } = self.claim(number)?;
            Some(Found { changed, number, size })
        };
        let mut own: Vec<Found> = (0..NUMBERS).filter_map(found).collect();
        own.sort_by_key(|own| (own.changed, own.number));
        own
    }

    /// That file, if it is ours and nobody has it.
    pub(super) fn claim(&self, number: u16) -> Option<Own> {
        self.open(number, OpenOptions::new().read(true))
    }

    fn open(&self, number: u16, options: &mut OpenOptions) -> Option<Own> {
        let path = self.file(number);
        // Not through a link, and not waiting for who may be at the other end of a pipe.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = options.custom_flags(flags.bits()).open(&path).ok()?;
        let about = file.metadata().ok()?;
        let is_plain = about.is_file() && about.nlink() == 1;
        if !is_plain || about.uid() != nix::unistd::geteuid().as_raw() {
            return None;
        }
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()?;
        let mut beginning = [0; BEGINNING_LEN];
        file.read_exact_at(&mut beginning, 0).ok()?;
        let length = about.len() / RECORD_LEN as u64 * RECORD_LEN as u64;
        let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let own = Own { file, path, length, size: about.len(), changed, number };
        is_beginning(&beginning, number).then_some(own)
    }

    /// Remove the oldest of ours; false: there is none. Waits for the turn.
    pub(super) fn remove_oldest(&self) -> bool {
        let _turn = self.turn();
        self.oldest_goes()
    }

    /// The same for who has the turn.
    fn oldest_goes(&self) -> bool {
        self.own().iter().any(|found| self.remove(found))
    }

    fn remove(&self, found: &Found) -> bool {
        self.claim(found.number).is_some_and(|own| own.remove().is_ok())
    }

    /// Make room for one more file of full length; those that stay, the oldest first.
    fn shrink(&self, removed: &mut impl FnMut()) -> Vec<Found> {
        let mut own = self.own();
        let mut bytes: u64 = own.iter().map(|own| own.size).sum();
        own.retain(|own| {
            if bytes + LOG_FILE_LIMIT <= LOG_FOLDER_LIMIT {
                return true;
            }
            bytes -= own.size;
            let goes = self.remove(own);
            if goes {
                removed();
            }
            !goes
        });
        own
    }

    fn file(&self, number: u16) -> PathBuf {
        self.path.join(format!("{number:04}.log"))
    }
}

impl Current {
    fn begin(file: File, path: &Path, number: u16, beginning: Beginning) -> io::Result<Self> {
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| io::Error::from(errno))?;
        let mut current = Self { file, path: path.to_owned(), length: 0 };
        current.write(&beginning.encode(number))?;
        // Without its beginning a file is nobody's, for ever: a power cut shall not leave such ones.
        current.file.sync_all()?;
        Ok(current)
    }

    /// Add whole records, all of them or none.
    pub(super) fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.file.write_all_at(records, self.length);
        if written.is_ok() {
            self.length += records.len() as u64;
        } else {
            // A full disk took part of a record, perhaps. Should that stay: the next one goes over it.
            let _ = self.file.set_len(self.length);
        }
        written
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody has deleted it.
    pub(super) fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.nlink() == 0)
    }

    /// Whether it is time for the next one.
    pub(super) fn is_full(&self) -> bool {
        self.length >= LOG_FILE_LIMIT
    }

    /// No more of it: on the disk when this returns.
    pub(super) fn close(self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Own {
    /// Some of its whole records, from the byte `from` on: none at its end.
    pub(super) fn read(&self, from: u64, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(from)).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        self.file.read_exact_at(&mut into[..wanted], from)?;
        Ok(wanted)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Delete it, unless something else has its name by now.
    pub(super) fn remove(self) -> io::Result<()> {
        let (ours, there) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
        if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        fs::remove_file(&self.path)
    }
}

/// Whether it is for want of room.
pub(super) fn is_full(e: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(e.kind(), StorageFull | QuotaExceeded)
}

/// What a file begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    /// Of its first records: microseconds since 1970.
    pub(super) timestamp_us: u64,
    /// When the station was started: seconds since 1970.
    pub(super) started: u32,
}

impl Beginning {
    fn encode(self, number: u16) -> Vec<u8> {
        let Self { timestamp_us, started } = self;
        let record =
            |event: Event, parameter| Record { timestamp_us, event: event.number(), parameter };
        let records: [Record; BEGINNING] = [
            record(Event::LogStart, 0),
            record(Event::LogFileOpen, 0),
            record(Event::SystemStart, started),
            record(EVENT_MARK, MARK + u32::from(number)),
        ];
        records.iter().flat_map(|record| record.encode()).collect()
    }
}

fn is_beginning(bytes: &[u8; BEGINNING_LEN], number: u16) -> bool {
    let (records, _) = bytes.as_chunks();
    let events = [Event::LogStart, Event::LogFileOpen, Event::SystemStart, EVENT_MARK];
    let is =
        |(bytes, event): (&[u8; RECORD_LEN], Event)| Record::decode(bytes).event == event.number();
    records.iter().zip(events).all(is)
        && records
            .last()
            .is_some_and(|mark| Record::decode(mark).parameter == MARK + u32::from(number))
}
