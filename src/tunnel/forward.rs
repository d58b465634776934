//! `ssh -L` in the process: streams to a server that a relay can reach, with our own key.
//!
//! ```text
//!  Forwarder ── one SSH session, its host key pinned ──> relay ──TCP──> server:port, as seen from there
//!     └── open() ── Forwarded: what is written goes there, what it says is read
//! ```
//! The session is made when a stream is first asked for, serves the next ones too, and is made anew when
//! it has ended or does not answer. A relay lets this happen where the login may forward to that address
//! (`permitopen="server:port"` for a login that may do nothing else).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use russh::ChannelStream;
use russh::client::{Handle, Msg};
use ssh_key::PrivateKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::{self, Connection, Greeting, LOOPBACK, Pinned};
use super::cut::{Cut, Severable};
use super::error::TunnelError;
use super::options::Lane;
use super::pipe::{Pipe, pipe};
use super::relay::{address, trusted};
use super::state::FailureKind;
use super::{Counters, RelayConfig};
use crate::address::HostPort;
use crate::device::tcp_flow::acknowledged;
use crate::identity::Identity;

/// From the first SYN to the login; a relay's checks may be slow.
const PATIENCE: Duration = Duration::from_secs(15);
/// For one more stream in a session: the relay tries to reach the server meanwhile.
const OPEN_LIMIT: Duration = Duration::from_secs(6);

/// Why there is no stream; in one sentence that names who.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub struct ForwardError {
    sentence: String,
    /// The relay refused our login, or showed another host key: trying soon again only makes it worse.
    pub refused: bool,
}

impl From<TunnelError> for ForwardError {
    fn from(error: TunnelError) -> Self {
        let refused = match error.kind() {
            FailureKind::LoginRefused | FailureKind::KeyRefused => true,
            FailureKind::Trouble => false,
        };
        Self { sentence: error.to_string(), refused }
    }
}

struct Session {
    handle: Arc<Handle<Pinned>>,
    /// Dropped with the session, which ends it.
    cut: Cut,
    socket: Option<Arc<OwnedFd>>,
}

/// The way to servers through one relay.
pub struct Forwarder {
    relay: RelayConfig,
    who: String,
    key: Arc<PrivateKey>,
    counters: Arc<Counters>,
    session: Option<Session>,
}

impl Forwarder {
    /// Nothing is connected yet.
    pub fn new(relay: RelayConfig, identity: &Identity) -> Self {
        let who = format!("relay {}", relay.host);
        let key = Arc::new(identity.private_key().clone());
        Self { relay, who, key, counters: Arc::default(), session: None }
    }

    /// A stream to `server`, whose name and address are the relay's business. Safe to cancel, which ends
    /// the session.
    ///
    /// # Errors
    /// See [`ForwardError`].
    pub async fn open(&mut self, server: &HostPort) -> Result<Forwarded, ForwardError> {
        let session = match self.session.take().filter(|session| !session.handle.is_closed()) {
            Some(session) => session,
            None => self.dial().await?,
        };
        let (host, port) = (server.host.as_str(), u32::from(server.port));
        let opening = session.handle.channel_open_direct_tcpip(host, port, LOOPBACK, 0);
        let failed = |reason: String| {
            let who = format!("{server} through {}", self.who);
            ForwardError::from(TunnelError::Unreachable { who, reason })
        };
        match tokio::time::timeout(OPEN_LIMIT, opening).await {
            Ok(Ok(channel)) => {
                let stream = pipe(channel.into_stream(), &self.counters);
                let (socket, probe) =
                    (session.socket.clone(), Probe(Arc::downgrade(&session.handle)));
                self.session = Some(session);
                Ok(Forwarded { stream, socket, probe })
            }
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
                self.session = Some(session);
                Err(failed(format!("the relay says {reason:?}")))
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("the relay did not answer".to_owned())),
        }
    }

    /// End the session: whoever opens the next stream has reason to doubt it.
    pub fn hang_up(&mut self) {
        if let Some(session) = self.session.take() {
            session.cut.cut();
        }
    }

    async fn dial(&self) -> Result<Session, TunnelError> {
        let late = || TunnelError::TimedOut { who: self.who.clone(), doing: "connecting" };
        tokio::time::timeout(PATIENCE, self.log_in()).await.unwrap_or_else(|_| Err(late()))
    }

    async fn log_in(&self) -> Result<Session, TunnelError> {
        let (who, relay) = (self.who.as_str(), &self.relay);
        let trusted = trusted(relay, who).await?;
        let stream = client::tcp(who, &address(&relay.host, relay.port)).await?;
        // Without a second handle nobody knows what is acknowledged, and only answers count.
        let socket = stream.as_fd().try_clone_to_owned().ok().map(Arc::new);
        let (lane, counters) = (Lane::Voice, &self.counters);
        let greeting = Greeting { who, trusted, lane, forward: None, counters };
        let mut connection = client::greet(stream, greeting).await?;
        connection.login(who, &relay.user, &self.key).await?;
        let Connection { handle, cut, .. } = connection;
        Ok(Session { handle: Arc::new(handle), cut, socket })
    }
}

/// A stream through a relay. Dropping it ends it, and not the session.
pub struct Forwarded {
    stream: Severable<Pipe<ChannelStream<Msg>>>,
    socket: Option<Arc<OwnedFd>>,
    probe: Probe,
}

/// Asks whether the session around a stream lives.
#[derive(Clone)]
pub struct Probe(Weak<Handle<Pinned>>);

impl Probe {
    /// Ask the relay for an answer, and wait for it, however long that takes: true when it came. By then
    /// the relay has read all that was written to its streams before. (That its machine acknowledges
    /// bytes says nothing of the process there.)
    pub async fn answers(&self) -> bool {
        let Some(handle) = self.0.upgrade() else { return false };
        // The end of the session ends the wait too.
        handle.send_ping().await.is_ok() && !handle.is_closed()
    }
}

impl Forwarded {
    /// To ask whether the session around it lives.
    pub fn probe(&self) -> Probe {
        self.probe.clone()
    }

    /// How long ago the relay's machine last acknowledged anything; `None`: nobody knows.
    pub fn heard_ago(&self) -> Option<Duration> {
        acknowledged(self.socket.as_ref()?).ok().map(|known| known.ago)
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
