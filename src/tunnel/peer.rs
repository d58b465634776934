//! Dialling a peer: its direct addresses in order, then its socket on the relay, then its ports there;
//! the first way on which we are logged in at its pinned key wins.
//!
//! ```text
//!  direct 1 ├──────────────── (swallows everything)
//!  direct 2     ├── refused
//!  socket          ├─── the pinned key: login, streams       each 250 ms after the one before,
//!  port 1              ├──                                   or as soon as one has failed
//! ```
//! A dial for the voice lane opens control and audio, one for the video lane opens the pictures'
//! stream. A knock only logs in and leaves: it tells a peer, who is the one to dial, that we are here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use russh::client::Handle;
use russh::{Disconnect, Error};
use ssh_key::PrivateKey;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PeerConfig;
use super::client::{self, Connection, Greeting, HEAD_START, Pinned};
use super::cut::Cut;
use super::door::{Subsystem, USER};
use super::error::TunnelError;
use super::options::Lane;
use super::relay::Outer;
use super::road::{Pulse, Road};
use super::state::FailureKind;
use super::streams::Stream;
use super::ways::{Aside, Findings, Way};
use crate::clock;
use crate::identity::PeerKey;

/// For one way to show its key, for the login, and for the streams. Nothing waits for a way that
/// leads nowhere, so this is for the slowest line on which it makes sense to talk.
const PATIENCE: Duration = Duration::from_secs(8);
/// Ways that are tried at a time; more come only of a relay that comes and goes meanwhile.
const AT_ONCE: usize = 16;

/// One dial.
pub(super) struct Dial {
    /// Whom.
    pub(super) peer: PeerConfig,
    /// What for.
    pub(super) lane: Lane,
    /// Our key.
    pub(super) key: Arc<PrivateKey>,
    /// The way through the relay, when it is there. Said again, it is tried again.
    pub(super) outer: watch::Receiver<Option<Arc<Outer>>>,
    /// There is a relay, here now or not.
    pub(super) relay_may_come: bool,
    /// Of all our connections.
    pub(super) pulse: Pulse,
    /// Addresses that are not tried.
    pub(super) aside: Arc<Aside>,
}

/// An inner session that we dialled.
pub(super) struct Dialled {
    /// Keeps the session.
    pub(super) handle: Arc<Handle<Pinned>>,
    /// Ends it.
    pub(super) cut: Cut,
    /// What was opened in it.
    pub(super) streams: Vec<(Subsystem, Stream)>,
    /// What it runs on.
    pub(super) road: Road,
}

/// A dial that led nowhere.
pub(super) struct Failure {
    /// Why.
    pub(super) error: TunnelError,
    /// It took too long through the relay, which may be gone itself.
    pub(super) relay_was_late: bool,
}

impl From<TunnelError> for Failure {
    fn from(error: TunnelError) -> Self {
        Self { error, relay_was_late: false }
    }
}

/// How a peer is named in sentences: by its fingerprint, since names may be anyone's.
pub(super) fn who(peer: PeerKey) -> String {
    format!("contact {}", peer.fingerprint())
}

/// The outcome of one way.
type Tried = (Way, Result<(Connection, Road), TunnelError>);

impl Dial {
    /// Open the lane's streams.
    pub(super) async fn run(self: Arc<Self>) -> Result<Dialled, Failure> {
        let (connection, road) = self.connect().await?;
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
        let streams = in_time(&who, "opening the streams", open).await.map_err(|error| {
            let relay_was_late =
                road.via.is_some() && matches!(error, TunnelError::TimedOut { .. });
            Failure { error, relay_was_late }
        })?;
        Ok(Dialled { handle: Arc::new(handle), cut, streams, road })
    }

    /// Log in and leave.
    pub(super) async fn knock(self: Arc<Self>) -> Result<(), TunnelError> {
        let (connection, _) = self.connect().await.map_err(|failure| failure.error)?;
        // It is the login that was to be seen.
        let _ = connection.handle.disconnect(Disconnect::ByApplication, "knock", "").await;
        let _ = tokio::time::timeout(PATIENCE, connection.ended.wait()).await;
        Ok(())
    }

    /// The first way that leads to the pinned key, logged in there. A login that the pinned key itself
    /// refuses is the end of the search.
    async fn connect(self: &Arc<Self>) -> Result<(Connection, Road), Failure> {
        let who = who(self.peer.key);
        let mut findings = Findings::default();
        let mut outer = self.outer.clone();
        let mut waiting = self.direct_ways(&mut findings);
        waiting.extend(self.relay_ways(&mut outer));
        let mut running: JoinSet<Tried> = JoinSet::new();
        let mut next = Instant::now();
        let mut is_fixed = false;
        while !(waiting.is_empty() && running.is_empty()) {
            tokio::select! {
                biased;
                Some(tried) = running.join_next() => {
                    next = Instant::now();
                    // A task that panicked has found no way; the panic is in the log.
                    let Ok((way, found)) = tried else { continue };
                    let error = match found {
                        Ok(logged_in) => return Ok(logged_in),
                        Err(error) if error.kind() == FailureKind::LoginRefused => {
                            return Err(error.into());
                        }
                        Err(error) => error,
                    };
                    self.take_note(&way, &error);
                    findings.add(&way, error);
                }
                changed = outer.changed(), if !is_fixed => {
                    // The dial goes on with what it has when nobody is left to tell it more.
                    is_fixed = changed.is_err();
                    let again: Vec<_> = self.relay_ways(&mut outer).collect();
                    if !again.is_empty() {
                        waiting.retain(|(way, _)| !way.is_at_relay());
                        again.into_iter().rev().for_each(|way| waiting.push_front(way));
                        next = Instant::now();
                    }
                }
                () = tokio::time::sleep_until(next),
                    if !waiting.is_empty() && running.len() < AT_ONCE =>
                {
                    next = Instant::now() + HEAD_START;
                    if let Some((way, outer)) = waiting.pop_front() {
                        let dial = Arc::clone(self);
                        running.spawn(async move {
                            let found = dial.log_in_at(&way, outer).await;
                            (way, found)
                        });
                    }
                }
            }
        }
        let relay_is_to_come =
            self.peer.via_relay && self.relay_may_come && self.outer.borrow().is_none();
        let relay_was_late = findings.relay_was_late;
        Err(Failure { error: findings.verdict(&who, relay_is_to_come), relay_was_late })
    }

    fn direct_ways(&self, findings: &mut Findings) -> VecDeque<(Way, Option<Arc<Outer>>)> {
        let mut ways = VecDeque::new();
        for address in &self.peer.direct {
            let way = Way::Direct(address.clone());
            match self.aside.find(address, clock::now()) {
                Some(error) => findings.add(&way, error),
                None => ways.push_back((way, None)),
            }
        }
        ways
    }

    fn relay_ways(
        &self,
        outer: &mut watch::Receiver<Option<Arc<Outer>>>,
    ) -> impl Iterator<Item = (Way, Option<Arc<Outer>>)> + use<> {
        let outer = outer.borrow_and_update().clone().filter(|_| self.peer.via_relay);
        outer
            .into_iter()
            .flat_map(|outer| Way::at_relay().map(move |way| (way, Some(Arc::clone(&outer)))))
    }

    /// Another key at a direct address is said loudly, once, and the address left alone.
    fn take_note(&self, way: &Way, error: &TunnelError) {
        if let (Way::Direct(address), FailureKind::KeyChanged) = (way, error.kind()) {
            if self.aside.put(address, error, clock::now()) {
                tracing::warn!("{error}; this address is left alone for a while");
            }
        } else {
            tracing::debug!("{way:?}: {error}");
        }
    }

    /// Each way logs in by itself: one that hangs there keeps no other waiting.
    async fn log_in_at(
        &self,
        way: &Way,
        outer: Option<Arc<Outer>>,
    ) -> Result<(Connection, Road), TunnelError> {
        let who = who(self.peer.key);
        let (mut connection, road) = self.greet_at(way, outer).await?;
        in_time(&who, "logging in", connection.login(&who, USER, &self.key)).await?;
        Ok((connection, road))
    }

    async fn greet_at(
        &self,
        way: &Way,
        outer: Option<Arc<Outer>>,
    ) -> Result<(Connection, Road), TunnelError> {
        let who = who(self.peer.key);
        match (way, outer) {
            (Way::Direct(address), _) => {
                let at = format!("{who} at {address}");
                in_time(&at, "connecting directly", self.directly(&at, address)).await
            }
            (Way::Socket | Way::Port(_), Some(outer)) => {
                let relayed = self.relayed(&who, way, &outer);
                in_time(&who, "connecting through the relay", relayed).await
            }
            (Way::Socket | Way::Port(_), None) => Err(TunnelError::NoWay { who }),
        }
    }

    async fn directly(&self, at: &str, address: &str) -> Result<(Connection, Road), TunnelError> {
        let stream = client::tcp(at, address).await?;
        let pulse = self.pulse.branch();
        let road = Road::direct(address.to_owned(), stream.local_addr(), pulse.clone());
        Ok((self.greet(at, pulse.of(stream)).await?, road))
    }

    async fn relayed(
        &self,
        who: &str,
        way: &Way,
        outer: &Outer,
    ) -> Result<(Connection, Road), TunnelError> {
        let stream = outer.open_way(&self.peer, way).await.map_err(|error| match error {
            Error::ChannelOpenFailure(_) => TunnelError::Away { who: who.to_owned() },
            other => client::handshake_error(who, &other),
        })?;
        let stream = stream.ok_or_else(|| TunnelError::Away { who: who.to_owned() })?;
        Ok((self.greet(who, stream).await?, outer.road()))
    }

    async fn greet<S>(&self, who: &str, stream: S) -> Result<Connection, TunnelError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let host_key = self.peer.key.public_key();
        let greeting = Greeting { who, host_key: &host_key, lane: self.lane, forward: None };
        client::greet(stream, greeting).await
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
