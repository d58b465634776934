//! Dialling a peer: its direct addresses in order, then its socket on the relay, then its port there;
//! the first way that shows its pinned key wins.
//!
//! A dial for the voice lane opens control and audio, one for the video lane opens the pictures'
//! stream. A knock only logs in and leaves: it tells a peer, who is the one to dial, that we are here.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Handle;
use russh::{Disconnect, Error};
use ssh_key::PrivateKey;

use super::PeerConfig;
use super::client::{self, Connection, Greeting, Pinned};
use super::cut::Cut;
use super::door::{Subsystem, USER};
use super::error::TunnelError;
use super::options::Lane;
use super::relay::Outer;
use super::state::FailureKind;
use super::streams::Stream;
use crate::identity::PeerKey;

/// For one way, from the first byte to the last stream.
const PATIENCE: Duration = Duration::from_secs(4);
/// Both have signs of life of their own in a call; SSH asks as well, later.
const KEEPALIVE_VIDEO: Duration = Duration::from_secs(1);
const KEEPALIVE_VOICE: Duration = Duration::from_secs(5);

/// One dial.
pub(super) struct Dial {
    /// Whom.
    pub(super) peer: PeerConfig,
    /// What for.
    pub(super) lane: Lane,
    /// Our key.
    pub(super) key: Arc<PrivateKey>,
    /// The way through the relay, if it is there now.
    pub(super) outer: Option<Arc<Outer>>,
    /// There is a relay, here now or not.
    pub(super) relay_may_come: bool,
}

/// An inner session that we dialled.
pub(super) struct Dialled {
    /// Keeps the session.
    pub(super) handle: Arc<Handle<Pinned>>,
    /// Ends it.
    pub(super) cut: Cut,
    /// What was opened in it.
    pub(super) streams: Vec<(Subsystem, Stream)>,
    /// Whether it runs through the relay.
    pub(super) via_relay: bool,
}

/// How a peer is named in sentences: by its fingerprint, since names may be anyone's.
pub(super) fn who(peer: PeerKey) -> String {
    format!("contact {}", peer.fingerprint())
}

impl Dial {
    /// Open the lane's streams.
    pub(super) async fn run(&self) -> Result<Dialled, TunnelError> {
        let (connection, via_relay) = self.connect().await?;
        let Connection { handle, cut, .. } = connection;
        let who = who(self.peer.key);
        let open = async {
            let mut streams = Vec::new();
            for subsystem in Subsystem::of(self.lane) {
                let stream = client::open_stream(&handle, &who, subsystem.name()).await?;
                streams.push((*subsystem, stream));
            }
            Ok(streams)
        };
        let streams = in_time(&who, "opening the streams", open).await?;
        Ok(Dialled { handle: Arc::new(handle), cut, streams, via_relay })
    }

    /// Log in and leave.
    pub(super) async fn knock(&self) -> Result<(), TunnelError> {
        let (connection, _) = self.connect().await?;
        // It is the login that was to be seen.
        let _ = connection.handle.disconnect(Disconnect::ByApplication, "knock", "").await;
        let _ = tokio::time::timeout(PATIENCE, connection.ended.wait()).await;
        Ok(())
    }

    /// The first way that leads to the pinned key, logged in; and whether it is the relay. Another
    /// key on the way is told at once, and is the error when no other way leads there.
    async fn connect(&self) -> Result<(Connection, bool), TunnelError> {
        let who = who(self.peer.key);
        let mut failure = TunnelError::NoWay { who: who.clone() };
        for address in &self.peer.direct {
            match in_time(&who, "connecting directly", self.direct(&who, address)).await {
                Ok(connection) => return Ok((connection, false)),
                Err(error) => failure = worse(failure, error)?,
            }
        }
        if !self.peer.via_relay {
            return Err(failure);
        }
        let Some(outer) = self.outer.as_ref() else {
            return Err(match failure.kind() {
                // The relay may still come, and lead to the right one.
                FailureKind::KeyChanged if self.relay_may_come => {
                    TunnelError::Unreachable { who, reason: failure.to_string() }
                }
                _ => failure,
            });
        };
        let relayed = self.relayed(&who, outer);
        match in_time(&who, "connecting through the relay", relayed).await {
            Ok(connection) => Ok((connection, true)),
            Err(error) => Err(worse(failure, error)?),
        }
    }

    async fn direct(&self, who: &str, address: &str) -> Result<Connection, TunnelError> {
        let at = format!("{who} at {address}");
        let stream = client::tcp(&at, address).await?;
        self.greet(&at, stream).await
    }

    async fn relayed(&self, who: &str, outer: &Outer) -> Result<Connection, TunnelError> {
        let away = |error| match error {
            Error::ChannelOpenFailure(_) => TunnelError::Away { who: who.to_owned() },
            other => client::handshake_error(who, &other),
        };
        if let Some(opened) = outer.open_socket(self.peer.key).await {
            match opened {
                Ok(stream) => return self.greet(who, stream).await,
                Err(Error::ChannelOpenFailure(_)) => {}
                Err(other) => return Err(away(other)),
            }
        }
        let stream = outer.open_port(self.peer.key).await.map_err(away)?;
        self.greet(who, stream).await.map_err(|error| match error {
            // Anybody at the relay can squat on a port: that is no reason to wait for a human.
            TunnelError::KeyChanged { .. } => {
                TunnelError::Unreachable { who: who.to_owned(), reason: error.to_string() }
            }
            other => other,
        })
    }

    async fn greet<S>(&self, who: &str, stream: S) -> Result<Connection, TunnelError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let host_key = self.peer.key.public_key();
        let keepalive = match self.lane {
            Lane::Voice => KEEPALIVE_VOICE,
            Lane::Video => KEEPALIVE_VIDEO,
        };
        let greeting =
            Greeting { who, host_key: &host_key, lane: self.lane, keepalive, forward: None };
        let mut connection = client::greet(stream, greeting).await?;
        connection.login(who, USER, &self.key).await?;
        Ok(connection)
    }
}

/// What to remember of a way's failure after that of the ways before: a changed key outlasts trouble.
/// A refused login by the pinned key itself is the end of the search.
fn worse(before: TunnelError, error: TunnelError) -> Result<TunnelError, TunnelError> {
    match (before.kind(), error.kind()) {
        (_, FailureKind::LoginRefused) => Err(error),
        (FailureKind::KeyChanged, _) => Ok(before),
        (_, FailureKind::KeyChanged) => {
            tracing::warn!("{error}");
            Ok(error)
        }
        (_, FailureKind::Trouble) => Ok(error),
    }
}

async fn in_time<T>(
    who: &str,
    doing: &'static str,
    work: impl Future<Output = Result<T, TunnelError>>,
) -> Result<T, TunnelError> {
    let late = || TunnelError::TimedOut { who: who.to_owned(), doing };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(late()))
}
