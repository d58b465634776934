//! Sends log files of ours to a log server, one connection each, and deletes what has arrived.
//!
//! ```text
//!  first AUDIO_SERVER_CONNECTED, or 5 min,
//!  or no sound in 20 s ──> each file of ours that nobody writes to, the oldest first:
//!     connect ──> records, whole ones ──> shut our end ──> they have it ──> delete ──> 1 s
//!        │ refused         │ reset              │ reset, or nobody knows
//!        └─────────────────┴────────────────────┴──> keep it; again in 30 s, later in 30 min
//! ```
//! When they have it:
//!
//! | the log server | directly | through a relay |
//! |---|---|---|
//! | `twocan log-receive` | says so: one byte, then its end | the same |
//! | shuts its end without a word | the far kernel has acknowledged all of it | nobody knows: a reset looks so |
//! | the original's, never shuts it | the same, and ten quiet seconds | the relay has answered behind it, and ten |

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::Log;
use super::folder::{Folder, Found, Own};
use crate::address::HostPort;
use crate::caps::LOG_PATIENCE;
use crate::clock::{self, Time};
use crate::device::tcp_flow;
use crate::identity::Identity;
use crate::queue::Received;
use crate::station::cause;
use crate::station::line;
use crate::station::stopped::stopped;
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};
use crate::tunnel::{Forwarded, Forwarder, Probe, RelayConfig};
use crate::wire::event_log::{Event, RECORD_LEN, TAKEN};

/// How long the sound goes first,
const FIRST: Duration = Duration::from_secs(300);
/// and how long it has to begin: a station that hears nothing is started anew once a minute.
const SILENT: Duration = Duration::from_secs(20);
/// Before the second try, and before any later one at most.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);
/// Between two connections: the original's server names its files by the second.
const PAUSE: Duration = Duration::from_secs(1);
/// How long their end may stay open.
const CLOSING: Duration = Duration::from_secs(10);
/// How long a relay may take to answer: what lies in the buffers of a slow line goes first.
const ANSWER: Duration = Duration::from_secs(300);
/// Bytes of a write: whole records, and less than a segment. The original's server loses those that are
/// cut, so a piece waits until the kernel has sent the one before it: with a full window it would put
/// them together and cut them where segments end. (What a relay makes of them is its own business.)
const PIECE: usize = 64 * RECORD_LEN;
/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(2);

/// What a connection has to be able to do.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection with a log server.
struct Line {
    stream: Box<dyn Stream>,
    proof: Proof,
}

/// By what it is known how much they have.
enum Proof {
    /// The socket, and what was acknowledged before anything was sent.
    Kernel(OwnedFd, u64),
    /// The relay's session.
    Relay(Probe),
}

impl Line {
    /// A connection of this machine.
    fn tcp(stream: tokio::net::TcpStream) -> io::Result<Self> {
        // Half a log with an end behind it would be a whole one to the server: until all of it is
        // written, whatever ends the connection resets it. (Behind a relay nothing can.)
        stream.set_zero_linger()?;
        let socket = stream.as_fd().try_clone_to_owned()?;
        let before = tcp_flow::acknowledged(&socket)?.bytes;
        Ok(Self { stream: Box::new(stream), proof: Proof::Kernel(socket, before) })
    }

    /// A connection through a relay.
    fn relayed(stream: Forwarded) -> Self {
        let proof = Proof::Relay(stream.probe());
        Self { stream: Box::new(stream), proof }
    }

    /// Wait until nothing of ours is unsent here.
    async fn went(&self) -> io::Result<()> {
        if let Proof::Kernel(socket, _) = &self.proof {
            while tcp_flow::unsent(socket)? > 0 {
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Shut our end: this was all.
    async fn shut(&mut self) -> io::Result<()> {
        if let Proof::Kernel(socket, _) = &self.proof {
            SockRef::from(socket).set_linger(None)?;
        }
        self.stream.shutdown().await
    }

    /// Wait until it is known whether they have all of it, which was `sent` bytes.
    async fn is_taken(&mut self, sent: u64) -> io::Result<bool> {
        let mut answer = Answer::default();
        let is_there = match &self.proof {
            Proof::Kernel(socket, before) => {
                // Their end is shut, but perhaps before all was there; or it stays open.
                if let Ok(Err(e)) = timeout(CLOSING, answer.hear(&mut self.stream)).await {
                    return Err(e);
                }
                let bytes = tcp_flow::acknowledged(socket).map(|acknowledged| acknowledged.bytes);
                bytes.is_ok_and(|bytes| bytes.saturating_sub(*before) >= sent)
            }
            Proof::Relay(probe) => {
                let open = async {
                    let lives = timeout(ANSWER, probe.answers()).await.unwrap_or(false);
                    if lives {
                        sleep(CLOSING).await;
                    }
                    lives
                };
                tokio::select! {
                    biased;
                    ended = answer.hear(&mut self.stream) => {
                        ended?;
                        false
                    }
                    lives = open => lives,
                }
            }
        };
        Ok(is_there || answer == Answer::Taken)
    }
}

/// What a log server says.
#[derive(Default, PartialEq, Eq)]
enum Answer {
    #[default]
    Nothing,
    /// [`TAKEN`], and nothing else.
    Taken,
    /// What nobody knows.
    Strange,
}

impl Answer {
    /// Listen until their end is shut.
    async fn hear(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let mut piece = [0; 64];
        while let length @ 1.. = stream.read(&mut piece).await? {
            let is_first = *self == Self::Nothing;
            *self =
                if is_first && piece[..length] == [TAKEN] { Self::Taken } else { Self::Strange };
        }
        Ok(())
    }
}

/// How a log server is connected to, every time anew: [`direct`] or [`relayed`].
pub struct Connect {
    server: HostPort,
    relay: Option<Forwarder>,
}

impl Connect {
    async fn connect(&mut self) -> io::Result<Line> {
        match &mut self.relay {
            None => Line::tcp(line::connect(&self.server).await.map_err(io::Error::other)?),
            Some(relay) => {
                relay.open(&self.server).await.map(Line::relayed).map_err(io::Error::other)
            }
        }
    }

    /// No connection follows soon: the relay keeps no session for us.
    fn done(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.hang_up();
        }
    }
}

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
    Connect { server, relay: None }
}

/// Connect to `server`, as it is called there, through `relay`, whose session serves all logs that are
/// sent one after the other and ends behind the last one.
pub fn relayed(server: HostPort, relay: RelayConfig, identity: &Identity) -> Connect {
    Connect { server, relay: Some(Forwarder::new(relay, identity)) }
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

    /// Let the sound go first, if there is any; false: it is time to stop.
    fn wait(&self, stop: &Stop) -> bool {
        for part in [SILENT, FIRST - SILENT] {
            match self.log.0.news.receive(stop, Some(part)) {
                Received::Item(()) => return true,
                Received::Stopped => return false,
                Received::Timeout if self.log.has_sound() => {}
                Received::Timeout => return true,
            }
        }
        true
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
                    sent = send(&own, &mut self.connect) => Some(sent),
                }
            });
            self.ended = Some(clock::now());
            match sent {
                Some(Ok(())) => self.arrived(turn, own),
                Some(Err(source)) => {
                    self.failures = self.failures.saturating_add(1);
                    self.log.note(Event::SendFailure, cause::number(&source));
                    let (path, server) = (own.path().to_owned(), self.server.clone());
                    done = Err(UploadError { path, server, source }.into());
                    break;
                }
                None => break,
            }
        }
        // What drives the relay's session goes with the runtime.
        self.connect.done();
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
                self.log.note(Event::FileDeleteFailure, cause::number(&e));
                tracing::warn!("delete {}, which was sent: {e}", path.display());
            }
        }
    }
}

impl Worker for Uploader {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        let news = self.log.0.news.clone();
        let mut going = self.has_waited || self.wait(stop);
        while going {
            self.has_waited = true;
            self.pass(stop)?;
            going = news.receive(stop, None) != Received::Stopped;
        }
        Ok(())
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
async fn send(own: &Own, connect: &mut Connect) -> io::Result<()> {
    let mut line =
        timeout(LOG_PATIENCE * 2, connect.connect()).await.map_err(|_| late("no answer"))??;
    let (mut sent, mut piece) = (0, [0; PIECE]);
    while let length @ 1.. = own.read(sent, &mut piece)? {
        within(line.went()).await?;
        within(line.stream.write_all(&piece[..length])).await?;
        sent += length as u64;
    }
    within(line.stream.flush()).await?;
    within(line.shut()).await?;
    if line.is_taken(sent).await? {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::ConnectionAborted, "nobody knows whether it took all of it"))
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(LOG_PATIENCE, work).await.map_err(|_| late("it takes nothing any more"))?
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
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
