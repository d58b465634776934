//! Sends log files of ours to a log server, one connection each, and deletes what has arrived.
//!
//! ```text
//!  first AUDIO_SERVER_CONNECTED, or 5 min ──> each file of ours that nobody writes to, the oldest first:
//!     connect ──> records, whole ones ──> shut our end ──> wait for theirs ──> delete ──> 1 s
//!        │ refused         │ reset              │ reset, or not all is acknowledged
//!        └─────────────────┴────────────────────┴──> keep it; again in 30 s, later in 30 min
//! ```
//! There is no answer in this protocol. `twocan log-receive` closes its end when the log is on its disk,
//! and resets the connection when it is not. The original's log server never closes its end: there the
//! far system's acknowledgement of everything, and ten quiet seconds, have to do.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::Log;
use super::folder::{Folder, Found, Own};
use crate::address::HostPort;
use crate::caps::LOG_PATIENCE;
use crate::clock::{self, Time};
use crate::device::tcp_flow;
use crate::queue::Received;
use crate::stop::{Stop, Wake};
use crate::supervisor::{Worker, WorkerError};
use crate::wire::event_log::{Event, RECORD_LEN};

/// How long the sound goes first.
const FIRST: Duration = Duration::from_secs(300);
/// Before the second try, and before any later one at most.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);
/// Between two connections: the original's server names its files by the second.
const PAUSE: Duration = Duration::from_secs(1);
/// How long their end may stay open.
const CLOSING: Duration = Duration::from_secs(10);
/// Bytes of a write: whole records, and less than a segment, so that the original's server gets them
/// whole too.
const PIECE: usize = 64 * RECORD_LEN;

/// What a connection has to be able to do.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection with a log server.
pub struct Line {
    stream: Box<dyn Stream>,
    /// The socket, and what was acknowledged before anything was sent; None where nobody can know.
    socket: Option<(OwnedFd, u64)>,
}

impl Line {
    /// A connection of this machine.
    ///
    /// # Errors
    /// It is none any more.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let socket = stream.as_fd().try_clone_to_owned()?;
        let before = tcp_flow::acknowledged(&socket)?.bytes;
        Ok(Self { stream: Box::new(stream), socket: Some((socket, before)) })
    }

    /// A connection inside another one, such as a relay's: only their end tells that all has arrived.
    pub fn inside(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), socket: None }
    }

    /// Whether the far system has acknowledged `sent` bytes of ours.
    fn has_acknowledged(&self, sent: u64) -> Option<bool> {
        let (socket, before) = self.socket.as_ref()?;
        let bytes = tcp_flow::acknowledged(socket).map(|acknowledged| acknowledged.bytes);
        Some(bytes.is_ok_and(|bytes| bytes.saturating_sub(*before) >= sent))
    }
}

/// How a log server is connected to, every time anew: [`direct`], or through the relay.
pub type Connect = Box<dyn Fn() -> Connecting + Send>;

/// See [`Connect`].
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Line>> + Send>>;

/// A log could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("send {} to the log server {server}: {source}", path.display())]
pub struct UploadError {
    path: PathBuf,
    server: String,
    source: io::Error,
}

/// Connect to `server` over TCP, its name looked up every time.
pub fn direct(server: HostPort) -> Connect {
    Box::new(move || {
        let server = server.clone();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((server.host.as_str(), server.port)).await?;
            let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in addresses {
                match timeout(LOG_PATIENCE, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => return Line::tcp(stream),
                    Ok(Err(e)) => failure = e,
                    Err(_) => failure = late("no answer"),
                }
            }
            Err(failure)
        })
    })
}

/// The worker.
pub(super) struct Uploader {
    log: Log,
    folder: Folder,
    server: String,
    connect: Connect,
    has_waited: bool,
    /// Since the last file that arrived.
    failures: u32,
    /// When the last connection ended.
    ended: Option<Time>,
    /// What was sent and could not be deleted: once is enough.
    sent: BTreeSet<(u16, SystemTime)>,
}

impl Uploader {
    pub(super) fn new(log: Log, folder: Folder, server: &str, connect: Connect) -> Self {
        let server = server.to_owned();
        let sent = BTreeSet::new();
        Self { log, folder, server, connect, has_waited: false, failures: 0, ended: None, sent }
    }

    fn pass(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let is_new = |own: &&Found| !self.sent.contains(&(own.number, own.changed));
        // Not held meanwhile: a full disk may need the room.
        let numbers: Vec<u16> = {
            let _turn = self.folder.turn();
            self.folder.own().iter().filter(is_new).map(|own| own.number).collect()
        };
        if numbers.is_empty() {
            return Ok(());
        }
        self.log.note(Event::LogFilesToUpload, u32::try_from(numbers.len()).unwrap_or(u32::MAX));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut done = Ok(());
        for (turn, number) in (1..).zip(numbers) {
            let claimed = {
                let _turn = self.folder.turn();
                self.folder.claim(number)
            };
            let Some(own) = claimed else { continue };
            let pause = self.ended.map(|ended| PAUSE.saturating_sub(clock::now().since(ended)));
            if stop.sleep(pause.unwrap_or_default()) {
                break;
            }
            self.log.note(Event::LogUploadStarting, turn);
            let sent = runtime.block_on(async {
                tokio::select! {
                    () = stopped(stop) => None,
                    sent = send(&own, &self.connect) => Some(sent),
                }
            });
            self.ended = Some(clock::now());
            match sent {
                Some(Ok(())) => self.arrived(turn, own),
                Some(Err(source)) => {
                    self.failures = self.failures.saturating_add(1);
                    self.log.note(Event::SendFailure, errno(&source));
                    let (path, server) = (own.path().to_owned(), self.server.clone());
                    done = Err(UploadError { path, server, source }.into());
                    break;
                }
                None => break,
            }
        }
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
        if done.is_ok() && !stop.is_stopped() {
            self.log.note(Event::LogUploadTaskCompleted, 0);
        }
        done
    }

    fn arrived(&mut self, turn: u32, own: Own) {
        self.failures = 0;
        self.log.0.uploaded.fetch_add(1, Relaxed);
        self.log.note(Event::LogFileByteCount, u32::try_from(own.length).unwrap_or(u32::MAX));
        self.log.note(Event::LogFileUploadCompleted, turn);
        let (path, known) = (own.path().to_owned(), (own.number, own.changed));
        match own.remove() {
            Ok(()) => self.log.note(Event::FileDeleted, 0),
            Err(e) => {
                self.sent.insert(known);
                self.log.note(Event::FileDeleteFailure, errno(&e));
                tracing::warn!("delete {}, which was sent: {e}", path.display());
            }
        }
    }
}

impl Worker for Uploader {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let news = self.log.0.news.clone();
        let mut patience = (!self.has_waited).then_some(FIRST);
        loop {
            if self.has_waited {
                self.pass(stop)?;
            }
            if news.receive(stop, patience.take()) == Received::Stopped {
                return Ok(());
            }
            self.has_waited = true;
        }
    }

    /// Longer and longer, however long a try took: half a file that is sent again and again would be
    /// paid for by the byte.
    fn rest(&mut self, _: Duration, stop: &Stop) -> bool {
        stop.sleep(pause(self.failures));
        false
    }
}

/// Before the next try, after so many in vain.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

/// The whole of `own`, and that it arrived.
async fn send(own: &Own, connect: &Connect) -> io::Result<()> {
    let mut line = timeout(LOG_PATIENCE * 2, connect()).await.map_err(|_| late("no answer"))??;
    let (mut sent, mut piece) = (0, [0; PIECE]);
    while let length @ 1.. = own.read(sent, &mut piece)? {
        within(line.stream.write_all(&piece[..length])).await?;
        sent += length as u64;
    }
    within(line.stream.flush()).await?;
    within(line.stream.shutdown()).await?;
    let until = Instant::now() + CLOSING;
    loop {
        match timeout_at(until, line.stream.read(&mut piece)).await {
            // What they may say is nothing we know.
            Ok(Ok(1..)) => {}
            Ok(Err(e)) => return Err(e),
            // Their end is shut, but perhaps before all was there; or it stays open.
            Ok(Ok(0)) | Err(_) => break,
        }
    }
    match line.has_acknowledged(sent) {
        Some(false) => {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it did not take all of it"))
        }
        Some(true) | None => Ok(()),
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(LOG_PATIENCE, work).await.map_err(|_| late("it takes nothing any more"))?
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

fn errno(e: &io::Error) -> u32 {
    e.raw_os_error().and_then(|errno| u32::try_from(errno).ok()).unwrap_or(0)
}

async fn stopped(stop: &Stop) {
    let woken = Arc::new(Woken::default());
    let as_wake: Weak<dyn Wake> = Arc::downgrade(&(Arc::clone(&woken) as Arc<dyn Wake>));
    stop.wakes(as_wake);
    while !stop.is_stopped() {
        woken.0.notified().await;
    }
}

/// The end of a stop that a task waits at.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(&self) {
        self.0.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_nothing_is_tried_less_and_less_often() {
        let pauses = [0, 1, 2, 3, 6, 7, u32::MAX].map(|failures| pause(failures).as_secs());
        assert_eq!(pauses, [30, 30, 60, 120, 960, 1800, 1800]);
    }
}
