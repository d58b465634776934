//! Dialling a peer: its direct addresses in order, then its socket on the relay; the first way that
//! shows its pinned key wins.
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
/// Voice has its own pings; a picture stream is asked by SSH.
const KEEPALIVE_VIDEO: Duration = Duration::from_millis(500);
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

    /// The first way that leads to the pinned key, logged in; and whether it is the relay.
    async fn connect(&self) -> Result<(Connection, bool), TunnelError> {
        let who = who(self.peer.key);
        let mut failure = TunnelError::NoWay { who: who.clone() };
        for address in &self.peer.direct {
            match in_time(&who, "connecting directly", self.direct(&who, address)).await {
                Ok(connection) => return Ok((connection, false)),
                // Whoever lives at that address now: the relay may still lead to the right one.
                Err(error) if self.relay_is_left(&error) => {
                    let reason = error.to_string();
                    failure = TunnelError::Unreachable { who: who.clone(), reason };
                }
                Err(error) if error.kind() == FailureKind::Trouble => failure = error,
                Err(error) => return Err(error),
            }
        }
        let Some(outer) = self.outer.as_ref().filter(|_| self.peer.via_relay) else {
            return Err(failure);
        };
        let relayed = self.relayed(&who, outer);
        Ok((in_time(&who, "connecting through the relay", relayed).await?, true))
    }

    fn relay_is_left(&self, error: &TunnelError) -> bool {
        error.kind() == FailureKind::KeyChanged && self.peer.via_relay
    }

    async fn direct(&self, who: &str, address: &str) -> Result<Connection, TunnelError> {
        let at = format!("{who} at {address}");
        let stream = client::tcp(&at, address).await?;
        self.greet(&at, stream).await
    }

    async fn relayed(&self, who: &str, outer: &Outer) -> Result<Connection, TunnelError> {
        let stream = outer.open(self.peer.key).await.map_err(|error| match error {
            Error::ChannelOpenFailure(_) => TunnelError::Away { who: who.to_owned() },
            other => client::handshake_error(who, &other),
        })?;
        self.greet(who, stream).await
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

async fn in_time<T>(
    who: &str,
    doing: &'static str,
    work: impl Future<Output = Result<T, TunnelError>>,
) -> Result<T, TunnelError> {
    let late = || TunnelError::TimedOut { who: who.to_owned(), doing };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(late()))
}
