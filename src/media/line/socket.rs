//! The sockets under the line: one peer after another, each without a blocking call but the wait
//! for socket or stop.
//!
//! Two waits need a thread of their own, for they have no descriptor: the system's resolver (which
//! may take half a minute and hears no stop), and a queue beside a socket whose peer may leave.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::stop::{Stop, stop_pair};
use crate::supervisor::{WorkerError, in_full};

use super::{LineError, Place, Traffic};

/// Bytes that may wait unsent in a socket before it counts as full: half a picture.
const UNSENT_LIMIT: u32 = 16 * 1024;
/// A peer that takes nothing for this long is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Where peers come from.
pub(super) struct Door {
    place: Place,
    listener: Option<TcpListener>,
}

impl Door {
    pub(super) fn open(place: Place) -> Result<Self, LineError> {
        let listener = match &place {
            Place::Dial(_) => None,
            Place::Listen(at) => {
                let bound = TcpListener::bind(at.as_str()).and_then(|listener| {
                    listener.set_nonblocking(true)?;
                    Ok(listener)
                });
                let failed = |source| LineError::Listen { place: at.clone(), source };
                Some(bound.map_err(failed)?)
            }
        };
        Ok(Self { place, listener })
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serve peer after peer until the stop: who dials ends with its peer, who listens does not.
    pub(super) fn serve(
        &self,
        traffic: &Traffic,
        stop: &Stop,
        mut one: impl FnMut(&Line) -> Result<(), LineError>,
    ) -> Result<(), WorkerError> {
        while let Some(line) = self.next_peer(stop)? {
            tracing::info!("{} is connected", line.peer);
            traffic.peers.fetch_add(1, Ordering::Relaxed);
            let served = one(&line);
            if matches!(served, Err(LineError::Garbage { .. })) {
                traffic.refused.fetch_add(1, Ordering::Relaxed);
            }
            match served {
                Ok(()) => return Ok(()),
                Err(error) if self.listener.is_none() => return Err(error.into()),
                Err(error @ LineError::Closed(_)) => tracing::info!("{error}"),
                Err(error) => tracing::warn!("{}", in_full(&error)),
            }
        }
        Ok(())
    }

    fn next_peer(&self, stop: &Stop) -> Result<Option<Line>, LineError> {
        match (&self.listener, &self.place) {
            (Some(listener), Place::Listen(place) | Place::Dial(place)) => {
                let failed = |source| LineError::Listen { place: place.clone(), source };
                loop {
                    if !ready(listener, PollFlags::POLLIN, stop).map_err(failed)? {
                        return Ok(None);
                    }
                    match listener.accept() {
                        Ok((stream, peer)) => return Line::new(stream, peer).map(Some),
                        // Gone again before it was let in.
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                        Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                        Err(source) => return Err(failed(source)),
                    }
                }
            }
            (None, Place::Dial(place) | Place::Listen(place)) => dial(place, stop)
                .map_err(|source| LineError::Connect { place: place.clone(), source })?
                .map(|(stream, peer)| Line::new(stream, peer))
                .transpose(),
        }
    }
}

/// Connect to the first address of `place` that answers; `None` at the stop.
fn dial(place: &str, stop: &Stop) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let Some(addresses) = resolve(place, stop, |place| Ok(place.to_socket_addrs()?.collect()))?
    else {
        return Ok(None);
    };
    for address in addresses {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        let connected = match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => {
                if !ready(&socket, PollFlags::POLLOUT, stop)? {
                    return Ok(None);
                }
                socket.take_error()?.map_or(Ok(()), Err)
            }
            other => other,
        };
        match connected {
            Ok(()) => return Ok(Some((socket.into(), address))),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The addresses of `place` as `ask` finds them, in a thread that is left behind at the stop (then
/// `None`): the process ends without it.
fn resolve(
    place: &str,
    stop: &Stop,
    ask: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Option<Vec<SocketAddr>>> {
    if let Ok(address) = place.parse() {
        return Ok(Some(vec![address]));
    }
    let (answered, answer) = stop_pair();
    let (found, addresses) = mpsc::channel();
    let place = place.to_owned();
    std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        // Nobody waits any more: it was the stop.
        let _ = found.send(ask(&place));
        drop(answered);
    })?;
    if !ready(&answer, PollFlags::POLLIN, stop)? {
        return Ok(None);
    }
    let failed = || io::Error::other("the resolver panicked");
    addresses.try_recv().map_err(|_| failed())?.map(Some)
}

/// One connection, never blocking but in [`Line::ready`].
pub(super) struct Line {
    stream: TcpStream,
    /// Its address, for the log.
    pub(super) peer: String,
}

impl Line {
    fn new(stream: TcpStream, peer: SocketAddr) -> Result<Self, LineError> {
        let line = Self { stream, peer: peer.to_string() };
        line.set_up().map_err(|source| line.broken(source))?;
        Ok(line)
    }

    fn set_up(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        self.stream.set_nodelay(true)?;
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_tcp_notsent_lowat(UNSENT_LIMIT)?;
        socket.set_tcp_user_timeout(Some(SILENCE_LIMIT))
    }

    fn broken(&self, source: io::Error) -> LineError {
        LineError::Broken { peer: self.peer.clone(), source }
    }

    pub(super) fn ready(&self, what: PollFlags, stop: &Stop) -> Result<bool, LineError> {
        ready(&self.stream, what, stop).map_err(|source| self.broken(source))
    }

    pub(super) fn read(&self, into: &mut [u8]) -> Result<usize, LineError> {
        loop {
            match (&self.stream).read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|source| self.broken(source)),
            }
        }
    }

    /// Do `work` until it is done, or the stop it is given comes: at `stop`, or when the peer has
    /// left.
    pub(super) fn while_there(
        &self,
        stop: &Stop,
        work: impl FnOnce(&Stop) -> Result<(), LineError>,
    ) -> Result<(), LineError> {
        let (no_more, until_no_more) = stop_pair();
        let (done, until_done) = stop_pair();
        std::thread::scope(|scope| {
            let watch = std::thread::Builder::new().name("line-watch".to_owned());
            let watching = watch.spawn_scoped(scope, || {
                let left = self.has_left(stop, &until_done);
                drop(no_more);
                left
            });
            let watching = watching.map_err(|source| self.broken(source))?;
            let worked = work(&until_no_more);
            drop(done);
            match watching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Some(left) if !stop.is_stopped() => Err(left),
                _ => worked,
            }
        })
    }

    /// Wait until the peer has closed its side, which no longer reads then (`Some`), or until one of
    /// the stops.
    fn has_left(&self, stop: &Stop, done: &Stop) -> Option<LineError> {
        // Closing by both sides, and failures, are told unasked.
        let peer_left = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
        loop {
            let mut fds = [
                PollFd::new(self.stream.as_fd(), peer_left),
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
                PollFd::new(done.as_fd(), PollFlags::POLLIN),
            ];
            match nix::poll::poll(&mut fds, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Some(self.broken(error.into())),
                Ok(_) if stop.is_stopped() || done.is_stopped() => return None,
                Ok(_) => {
                    return Some(match self.stream.take_error() {
                        Ok(Some(source)) | Err(source) => self.broken(source),
                        Ok(None) => LineError::Closed(self.peer.clone()),
                    });
                }
            }
        }
    }

    /// Write all of it (then true), or part of it at the stop.
    pub(super) fn write_all(&self, mut bytes: &[u8], stop: &Stop) -> Result<bool, LineError> {
        while !bytes.is_empty() {
            match (&self.stream).write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.ready(PollFlags::POLLOUT, stop)? {
                        return Ok(false);
                    }
                }
                Err(source) => return Err(self.broken(source)),
            }
        }
        Ok(true)
    }
}

/// Wait until `fd` is ready for `what` (or has failed, which the next call tells). False: the stop.
fn ready(fd: &impl AsFd, what: PollFlags, stop: &Stop) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(fd.as_fd(), what), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(!stop.is_stopped()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_heard_while_the_resolver_still_asks() {
        let (stopper, stop) = stop_pair();
        let (asked, is_asked) = mpsc::channel();
        let (never, forever) = mpsc::channel::<()>();
        let dialler = std::thread::Builder::new()
            .spawn(move || {
                resolve("somewhere:5010", &stop, move |place| {
                    asked.send(place.to_owned()).unwrap();
                    let _ = forever.recv();
                    Ok(Vec::new())
                })
            })
            .unwrap();
        assert_eq!(is_asked.recv().unwrap(), "somewhere:5010");
        stopper.stop();
        assert!(dialler.join().unwrap().unwrap().is_none());
        drop(never);
    }

    #[test]
    fn names_are_resolved_and_addresses_need_no_resolver() {
        let (_stopper, stop) = stop_pair();
        let here = "127.0.0.1:5010".parse::<SocketAddr>().unwrap();
        let found = resolve("127.0.0.1:5010", &stop, |_| panic!("nobody is asked")).unwrap();
        assert_eq!(found, Some(vec![here]));
        let found = resolve("here:5010", &stop, move |_| Ok(vec![here])).unwrap();
        assert_eq!(found, Some(vec![here]));
        let error = resolve("here:5010", &stop, |_| Err(io::Error::other("no such host")));
        assert_eq!(error.unwrap_err().to_string(), "no such host");
    }
}
