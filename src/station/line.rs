//! A connection to a server, whatever it runs on: TCP, UDP, or a stream through a relay.
//!
//! ```text
//!  name ── looked up each time ──> addresses ── tried side by side ──> the first that answers   TCP
//!                                            ── one after the other, until one answers ──>      UDP
//! ```
//! Little may lie unsent in the kernel: what waits, waits in the ring, where it can be dropped when it is
//! old. A line that is given up is reset, so that no old sound arrives behind the new connection's.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

use super::cause::{Cause, number};
use super::flight::Flight;
use crate::address::HostPort;
use crate::clock::Time;
use crate::device::tcp_flow::acknowledged;
use crate::tunnel::{self, ForwardError, Forwarded, Forwarder};

/// Bytes the kernel may hold for us, sent or not: it doubles this, and counts its own overhead.
const SEND_BUFFER: usize = 25_000;
/// Unsent bytes that may lie in the kernel: a dozen datagrams.
const NOTSENT_LOWAT: u32 = 4096;

/// How long a name service may take.
const NAME_LIMIT: Duration = Duration::from_secs(3);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The name service said no, or nothing.
    #[error("no address for {server}: {reason}")]
    Name { server: HostPort, reason: io::Error },
    /// Nobody there, or no way.
    #[error("cannot reach {server}: {reason}")]
    Unreachable { server: HostPort, reason: io::Error },
    /// The relay has none for us.
    #[error(transparent)]
    Relay(#[from] ForwardError),
}

impl ConnectError {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Name { reason, .. } => Cause::Name(number(reason)),
            Self::Unreachable { reason, .. } => Cause::Unreachable(number(reason)),
            Self::Relay(_) => Cause::Relay,
        }
    }
}

/// A connection.
pub(super) enum Line {
    /// Directly.
    Tcp {
        /// The connection.
        stream: TcpStream,
        /// What was acknowledged before the first byte: the kernel counts the SYN.
        base: Option<u64>,
    },
    /// Datagrams as they are.
    Udp(UdpSocket),
    /// Through a relay.
    Relayed(Box<Forwarded>),
}

/// What a line is ready for.
pub(super) enum Turn {
    /// So many bytes came; over TCP 0 is the end.
    Read(io::Result<usize>),
    /// So many bytes were taken.
    Wrote(io::Result<usize>),
}

async fn look_up(server: &HostPort) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |reason| ConnectError::Name { server: server.clone(), reason };
    let found = tokio::net::lookup_host((server.host.as_str(), server.port));
    let silent = |_| failed(io::Error::other("the name service does not answer"));
    let found = tokio::time::timeout(NAME_LIMIT, found).await.map_err(silent)?;
    let found: Vec<_> = found.map_err(failed)?.collect();
    if found.is_empty() {
        return Err(failed(io::Error::other("the name has none")));
    }
    Ok(found)
}

/// A connection with `server`, which waits for no more than it is given to send it.
pub(super) async fn connect(server: &HostPort) -> Result<TcpStream, ConnectError> {
    let failed = |reason| ConnectError::Unreachable { server: server.clone(), reason };
    let stream = tunnel::race(look_up(server).await?).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

impl Line {
    /// Over TCP.
    pub(super) async fn tcp(server: &HostPort) -> Result<Self, ConnectError> {
        let failed = |reason| ConnectError::Unreachable { server: server.clone(), reason };
        let stream = connect(server).await?;
        let socket = SockRef::from(&stream);
        socket.set_send_buffer_size(SEND_BUFFER).map_err(failed)?;
        socket.set_tcp_notsent_lowat(NOTSENT_LOWAT).map_err(failed)?;
        let base = acknowledged(&stream).ok().map(|known| known.bytes);
        Ok(Self::Tcp { stream, base })
    }

    /// Over UDP, to the one of the server's addresses that has its turn.
    pub(super) async fn udp(server: &HostPort, turn: usize) -> Result<Self, ConnectError> {
        let failed = |reason| ConnectError::Unreachable { server: server.clone(), reason };
        let found = look_up(server).await?;
        let to = found[turn % found.len()];
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => ([0; 4], 0).into(),
            SocketAddr::V6(_) => ([0; 16], 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(to).await.map_err(failed)?;
        Ok(Self::Udp(socket))
    }

    /// Through a relay, which looks the name up.
    pub(super) async fn relayed(
        relay: &mut Forwarder,
        server: &HostPort,
    ) -> Result<Self, ConnectError> {
        Ok(Self::Relayed(Box::new(relay.open(server).await?)))
    }

    /// Where it leads, for people.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { stream, .. } => stream.peer_addr().ok(),
            Self::Udp(socket) => socket.peer_addr().ok(),
            Self::Relayed(_) => None,
        }
    }

    /// Whether bytes come in whole messages.
    pub(super) fn is_udp(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// Wait until something came into `buffer`, or some of `bytes` (if there are any) were taken. Where
    /// both is possible at once, `writes` goes first: whoever takes turns is stopped by neither.
    pub(super) async fn turn(&mut self, buffer: &mut [u8], bytes: &[u8], writes: bool) -> Turn {
        std::future::poll_fn(|cx| {
            for write in [writes, !writes] {
                let turn = match (write, bytes) {
                    (false, _) => self.poll_read(cx, buffer).map(Turn::Read),
                    (true, []) => Poll::Pending,
                    (true, bytes) => self.poll_write(cx, bytes).map(Turn::Wrote),
                };
                if turn.is_ready() {
                    return turn;
                }
            }
            Poll::Pending
        })
        .await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let polled = match self {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Udp(socket) => socket.poll_recv(cx, &mut buffer),
            Self::Relayed(stream) => Pin::new(&mut **stream).poll_read(cx, &mut buffer),
        };
        polled.map_ok(|()| buffer.filled().len())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
            Self::Udp(socket) => socket.poll_send(cx, bytes),
            Self::Relayed(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    /// Take from `flight` what has arrived; true: something has.
    pub(super) fn has_arrived(&self, flight: &mut Flight, now: Time) -> bool {
        match self {
            Self::Tcp { stream, base } => {
                let known = base.zip(acknowledged(stream).ok());
                known.is_some_and(|(base, now)| flight.acknowledged(now.bytes.saturating_sub(base)))
            }
            Self::Relayed(stream) => stream.heard_ago().is_some_and(|ago| flight.heard(now - ago)),
            Self::Udp(_) => false,
        }
    }

    /// Give it up: what the kernel still holds is thrown away.
    pub(super) fn reset(self) {
        if let Self::Tcp { stream, .. } = &self {
            // Without that the old sound may arrive late, and nothing worse.
            let _ = stream.set_zero_linger();
        }
    }

    /// End it after all that was written.
    pub(super) async fn finish(&mut self) {
        match self {
            Self::Tcp { stream, .. } => drop(stream.shutdown().await),
            Self::Relayed(stream) => drop(stream.shutdown().await),
            Self::Udp(_) => {}
        }
    }
}
