//! The control socket: a kiosk's own user asks, one connection at a time, and the app answers.
//!
//! `RUNTIME/control` is 0600 in a folder of 0700. A request that is not one gets a sentence back;
//! a client that says nothing for 2 s is let go. Who waits for news of pairing does so apart, and so does
//! who is watched for its going:
//!
//! ```text
//!  PairWhile ──> answered ── the client's end closes, however ──> PairGone, to the app
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::caps::REQUEST_PATIENCE;
use crate::stop::Stop;
use crate::supervisor::{Worker, WorkerError};
use crate::wire::control::{self, Answer, REQUEST_LIMIT, Request};

/// How long the app may take over its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The same over what has not happened yet.
const NEWS_LIMIT: Duration = Duration::from_secs(25);
/// Clients that may wait for that at a time.
const WAITING: usize = 4;

/// An answer and the bytes that follow it.
pub type Reply = (Answer, Vec<u8>);

/// Hands a request to the app, with the way back.
pub type Ask = Arc<dyn Fn(Request, mpsc::Sender<Reply>) + Send + Sync>;

/// Where the socket is in a runtime folder.
pub fn socket(runtime: &Path) -> PathBuf {
    runtime.join("control")
}

/// The server's end of the socket.
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    ask: Ask,
    waiting: Arc<AtomicUsize>,
}

impl ControlServer {
    /// Bind `path`, over what an earlier run left there.
    ///
    /// # Errors
    /// Another kiosk answers there, or the folder can't be written to.
    pub fn bind(path: &Path, ask: Ask) -> io::Result<Self> {
        if UnixStream::connect(path).is_ok() {
            let words = "another kiosk is running there";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, words));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned(), ask, waiting: Arc::default() })
    }

    fn serve(&self, stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(REQUEST_PATIENCE))?;
        stream.set_write_timeout(Some(REQUEST_PATIENCE))?;
        let mut line = Vec::new();
        BufReader::new(&stream).take(REQUEST_LIMIT as u64).read_until(b'\n', &mut line)?;
        let reply = match serde_json::from_slice(&line) {
            Ok(request @ Request::PairNews { .. }) => return self.serve_apart(stream, request),
            Ok(request @ Request::PairWhile { .. }) => return self.serve_while(stream, request),
            Ok(request) => self.answer(request),
            Err(error) => (Answer::refused(format!("not a request: {error}")), Vec::new()),
        };
        write(&stream, reply)
    }

    /// For a client that waits for something: others are served meanwhile.
    fn serve_apart(&self, stream: UnixStream, request: Request) -> io::Result<()> {
        let Some(place) = Place::take(&self.waiting) else { return write(&stream, full()) };
        let (reply, replied) = mpsc::channel();
        (self.ask)(request, reply);
        apart(move || {
            let _place = place;
            // Nothing in time, or a kiosk that ends: an answer with nothing in it.
            let reply = replied.recv_timeout(NEWS_LIMIT).unwrap_or_default();
            if let Err(error) = write(&stream, reply) {
                tracing::debug!("control socket: {error}");
            }
        })
    }

    /// For a client that begins something: when it goes, the app is told.
    fn serve_while(&self, stream: UnixStream, request: Request) -> io::Result<()> {
        let Some(place) = Place::take(&self.waiting) else { return write(&stream, full()) };
        let reply = self.answer(request);
        let Some(begun) = reply.0.begun else { return write(&stream, reply) };
        let ask = Arc::clone(&self.ask);
        // One that does not take its answer has gone already, which is seen in a moment.
        let written = write(&stream, reply);
        apart(move || {
            let _place = place;
            wait_for_end(&stream);
            // Nobody waits for the answer.
            ask(Request::PairGone { begun }, mpsc::channel().0);
        })?;
        written
    }

    fn answer(&self, request: Request) -> Reply {
        let (reply, replied) = mpsc::channel();
        (self.ask)(request, reply);
        replied
            .recv_timeout(ANSWER_LIMIT)
            .unwrap_or_else(|_| (Answer::refused("the kiosk did not answer"), Vec::new()))
    }
}

/// One of the places of those that wait.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(waiting));
        // Given back where there was none left.
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn full() -> Reply {
    (Answer::refused("too many wait already"), Vec::new())
}

fn apart(wait: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("control wait".to_owned()).spawn(wait).map(drop)
}

/// Until the other end is closed, or says something that nobody asked for.
fn wait_for_end(stream: &UnixStream) {
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    while nix::poll::poll(&mut fds, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
}

fn write(mut stream: &UnixStream, (mut answer, body): Reply) -> io::Result<()> {
    answer.bytes = body.len();
    stream.write_all(&control::encode(&answer))?;
    stream.write_all(&body)
}

impl Worker for ControlServer {
    fn run_once(&mut self, stop: &Stop) -> Result<(), WorkerError> {
        while !stop.is_stopped() {
            let mut fds = [
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            ];
            match nix::poll::poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.serve(stream) {
                        tracing::debug!("control socket: {error}");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // Nobody is behind it any more; the next start clears it as well.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Ask the kiosk behind `path`.
///
/// # Errors
/// No kiosk is running there, or it did not answer as one.
pub fn ask(path: &Path, request: &Request) -> io::Result<Reply> {
    ask_while(path, request).map(|(reply, _)| reply)
}

/// The same with the connection still open: the kiosk sees when it ends ([`Request::PairWhile`]).
///
/// # Errors
/// As [`ask`].
pub fn ask_while(path: &Path, request: &Request) -> io::Result<(Reply, UnixStream)> {
    let stream = UnixStream::connect(path)?;
    let limit = match request {
        Request::PairNews { .. } => NEWS_LIMIT,
        _ => ANSWER_LIMIT,
    };
    stream.set_read_timeout(Some(limit + REQUEST_PATIENCE))?;
    (&stream).write_all(&control::encode(request))?;
    let mut reader = BufReader::new(&stream);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    let answer: Answer = serde_json::from_slice(&line)?;
    let mut body = Vec::new();
    reader.take(answer.bytes as u64).read_to_end(&mut body)?;
    Ok(((answer, body), stream))
}
