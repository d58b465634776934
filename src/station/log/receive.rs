//! Takes the logs that stations upload: `twocan log-receive`.
//!
//! ```text
//!  station ──records, cut anywhere──> raw file + text file ──all on the disk──> one byte, and our end
//!     ▲                                      │ too long, too slow, folder full, disk full      is shut
//!     └── keeps its file, tries again <── reset
//! ```
//! A connection is a file, as in the original's log server. The byte is our own word, for stations whose
//! way leads through a relay: there a reset looks like any end. The original's stations do not hear it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::received::{Files, Usage};
use crate::caps::{
    LOG_FILES_LIMIT, LOG_UPLOAD_LIMIT, LOG_UPLOAD_STILL, LOG_UPLOAD_TIME, LOG_UPLOADS_AT_ONCE,
    LOGS_LIMIT,
};
use crate::clock;
use crate::stop::Stop;
use crate::store::{self, StoreError};
use crate::wire::event_log::TAKEN;

/// A pause where the system can't give a connection or a thread now.
const BREATH: Duration = Duration::from_millis(100);

/// Logs cannot be received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The folder for them.
    #[error(transparent)]
    Folder(#[from] StoreError),
    /// What is in it.
    #[error("look into {}: {source}", path.display())]
    Look {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The port is taken, or the address is not ours.
    #[error("listen at {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a station is sent away.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the folder is full: {LOG_FILES_LIMIT} files or {} MiB", LOGS_LIMIT >> 20)]
    Full,
    #[error("its log has more than {} MiB", LOG_UPLOAD_LIMIT >> 20)]
    TooLong,
    #[error("it sent nothing for {} s", LOG_UPLOAD_STILL.as_secs())]
    Still,
    #[error("it took longer than {} s", LOG_UPLOAD_TIME.as_secs())]
    TooSlow,
    #[error("this receiver is told to stop")]
    Stopping,
    #[error("{0}")]
    Line(io::Error),
    #[error("write: {0}")]
    Disk(io::Error),
}

/// What came so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Logs that are whole.
    pub logs: u64,
    /// Stations that were sent away, or broke off.
    pub refused: u64,
}

/// Waits for stations.
pub struct Receiver {
    folder: PathBuf,
    listener: TcpListener,
    /// What was in the folder when it was looked at, and has come since.
    usage: Mutex<Usage>,
    uploading: AtomicUsize,
    logs: AtomicU64,
    refused: AtomicU64,
}

impl Receiver {
    /// Listen at `address`, for logs that go into `folder` (made, 0700, if it is not there).
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn open(address: SocketAddr, folder: &Path) -> Result<Self, ReceiveError> {
        store::ensure_folder(folder)?;
        let look = |source| ReceiveError::Look { path: folder.to_owned(), source };
        let usage = Usage::of(folder).map_err(look)?;
        let listen = |source| ReceiveError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        Ok(Self {
            folder: folder.to_owned(),
            listener,
            usage: Mutex::new(usage),
            uploading: AtomicUsize::new(0),
            logs: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What came so far.
    pub fn tally(&self) -> Tally {
        Tally { logs: self.logs.load(SeqCst), refused: self.refused.load(SeqCst) }
    }

    /// Take logs until the stop, each station in a thread.
    pub fn run(&self, stop: &Stop) {
        thread::scope(|scope| {
            let mut is_crowded = false;
            while wait(&self.listener, stop, None) {
                match self.listener.accept() {
                    Ok((stream, from)) if self.uploading.load(SeqCst) >= LOG_UPLOADS_AT_ONCE => {
                        // Said once, however many knock.
                        if !std::mem::replace(&mut is_crowded, true) {
                            tracing::warn!(
                                "{from} is sent away, and who comes next: {LOG_UPLOADS_AT_ONCE} others are uploading"
                            );
                        }
                        self.send_away(&stream);
                    }
                    Ok((stream, from)) => {
                        is_crowded = false;
                        self.uploading.fetch_add(1, SeqCst);
                        let upload = move || self.upload(stream, from, stop);
                        let named = thread::Builder::new().name("log-upload".to_owned());
                        if let Err(e) = named.spawn_scoped(scope, upload) {
                            self.uploading.fetch_sub(1, SeqCst);
                            tracing::warn!("a thread for {from}: {e}");
                            stop.sleep(BREATH);
                        }
                    }
                    Err(e) if is_nothing(&e) => {}
                    Err(e) => {
                        tracing::warn!("take a connection: {e}");
                        stop.sleep(BREATH);
                    }
                }
            }
        });
    }

    fn upload(&self, mut stream: TcpStream, from: SocketAddr, stop: &Stop) {
        let mut files = None;
        let done = self.take(&mut stream, from, &mut files, stop);
        let name = files.as_ref().map(|files: &Files| files.name().to_owned());
        let done =
            done.and_then(|()| files.map_or(Ok(0), |files| files.finish().map_err(Refusal::Disk)));
        self.uploading.fetch_sub(1, SeqCst);
        match (done, name) {
            (Ok(records), Some(name)) => {
                self.logs.fetch_add(1, SeqCst);
                tracing::info!("{name}: {records} records from {from}");
                // Best effort: who sent it may have gone.
                let _ = stream.write(&[TAKEN]);
                let _ = stream.shutdown(Shutdown::Both);
            }
            (Ok(_), None) => tracing::debug!("{from} sent nothing"),
            (Err(refusal), name) => {
                self.send_away(&stream);
                let place = name.map(|name| format!("; {name} has what came")).unwrap_or_default();
                tracing::warn!("the log of {from} is not taken: {refusal}{place}");
            }
        }
    }

    /// What is dropped now is reset.
    fn send_away(&self, stream: &TcpStream) {
        self.refused.fetch_add(1, SeqCst);
        // Best effort: a connection that is broken needs no more.
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }

    /// Everything that comes, until the station shuts its end.
    fn take(
        &self,
        stream: &mut TcpStream,
        from: SocketAddr,
        files: &mut Option<Files>,
        stop: &Stop,
    ) -> Result<(), Refusal> {
        stream.set_nonblocking(true).map_err(Refusal::Line)?;
        let began = clock::now();
        let (mut taken, mut piece) = (0, [0; 4096]);
        loop {
            if !wait(&*stream, stop, Some(LOG_UPLOAD_STILL)) {
                return Err(if stop.is_stopped() { Refusal::Stopping } else { Refusal::Still });
            }
            if clock::now().since(began) > LOG_UPLOAD_TIME {
                return Err(Refusal::TooSlow);
            }
            let bytes = match stream.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => &piece[..length],
                Err(e) if is_nothing(&e) => continue,
                Err(e) => return Err(Refusal::Line(e)),
            };
            taken += bytes.len() as u64;
            if taken > LOG_UPLOAD_LIMIT {
                return Err(Refusal::TooLong);
            }
            let files = match files {
                Some(files) => files,
                None => files.insert(self.create(from)?),
            };
            self.reserve(Usage { files: 0, bytes: files.cost(bytes) })?;
            files.take(bytes).map_err(Refusal::Disk)?;
        }
    }

    fn create(&self, from: SocketAddr) -> Result<Files, Refusal> {
        self.reserve(Usage { files: 2, bytes: 0 })?;
        let peer = from.ip().to_canonical();
        Files::create(&self.folder, peer, clock::unix_seconds()).map_err(Refusal::Disk)
    }

    /// Room for `more`; where there seems to be none the folder is looked at, since somebody may have
    /// tidied up.
    fn reserve(&self, more: Usage) -> Result<(), Refusal> {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if !usage.has_room_for(more) {
            *usage = Usage::of(&self.folder).map_err(Refusal::Disk)?;
        }
        if !usage.has_room_for(more) {
            return Err(Refusal::Full);
        }
        usage.files += more.files;
        usage.bytes += more.bytes;
        Ok(())
    }
}

/// Wait until `fd` has something to read; false at the stop, or when `limit` has passed.
fn wait(fd: impl AsFd, stop: &Stop, limit: Option<Duration>) -> bool {
    let timeout = limit.map_or(PollTimeout::NONE, |limit| {
        PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)
    });
    loop {
        let mut fds = [fd.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match nix::poll::poll(&mut fds, timeout) {
            Ok(0) => return false,
            Err(nix::errno::Errno::EINTR) => {}
            // Trouble shows when it is read.
            Ok(_) | Err(_) => return !stop.is_stopped(),
        }
    }
}

fn is_nothing(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
