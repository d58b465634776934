//! Our end of an SSH session that we dialled, to the relay or to a peer's door.
//!
//! A host key is accepted where it is pinned (known_hosts.rs), and nothing is learnt. The server may
//! open no channel to us, but the relay one: connections to our own socket there, which lead to our
//! door, and to the place where we pair (meet.rs).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use russh::client::{self, ChannelOpenHandle, DisconnectReason, Handle, Handler, Msg, Session};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Channel, ChannelMsg};
use ssh_key::PrivateKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::counters::{Counters, Fault};
use super::cut::{Cut, severable};
use super::door::{Door, USER};
use super::error::{TunnelError, said};
use super::meet::Desk;
use super::options::{self, Lane};
use super::pipe::pipe;
use super::road::Road;
use super::streams::{Stream, Writer};
use crate::known_hosts::{Refusal, Trusted};

/// A SYN into a dead network is repeated ever less often; a new attempt is the quicker way back.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// What an address of a host, or a way to a peer, has on the next one.
pub(super) const HEAD_START: Duration = Duration::from_millis(250);
/// Addresses of a host that are tried.
const ADDRESSES: usize = 8;

/// How long a session that was cut may take to notice.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// What the relay may open to us, once we know where our socket is.
pub(super) struct Forward {
    /// Where it listens for us there.
    pub(super) place: Arc<OnceLock<Place>>,
    /// Where it leads.
    pub(super) door: Arc<Door>,
    /// Where strangers are led to while an offer to pair is out.
    pub(super) desk: Arc<Desk>,
    /// What connections that come through this outer session run on.
    pub(super) road: Road,
}

/// Where the relay listens for a kiosk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On a Unix socket.
    Socket(String),
    /// On a TCP port of its loopback address.
    Port(u16),
}

/// The address of [`Place::Port`], to the letter: sshd knows others for the same machine as other.
pub(super) const LOOPBACK: &str = "127.0.0.1";

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Socket(path) => f.write_str(&said(path)),
            Place::Port(port) => write!(f, "{LOOPBACK}:{port}"),
        }
    }
}

/// Whom we are about to greet, and how.
pub(super) struct Greeting<'a> {
    /// For sentences.
    pub(super) who: &'a str,
    /// The host keys accepted.
    pub(super) trusted: Trusted,
    /// What the session carries.
    pub(super) lane: Lane,
    /// What it may open to us.
    pub(super) forward: Option<Forward>,
    /// For what it sends that it must not.
    pub(super) counters: &'a Arc<Counters>,
}

/// The handler that russh calls.
pub(super) struct Pinned {
    trusted: Trusted,
    refused: Arc<Mutex<Option<Refusal>>>,
    reason: Arc<Mutex<Option<String>>>,
    forward: Option<Forward>,
    counters: Arc<Counters>,
    /// Dropped with the session: that is how its end is noticed.
    _end: oneshot::Sender<()>,
}

/// Waits for the end of a session.
pub(super) struct Ended {
    gone: oneshot::Receiver<()>,
    cut: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    reason: Arc<Mutex<Option<String>>>,
}

impl Ended {
    /// Why it ended, when it has.
    pub(super) async fn wait(self) -> String {
        let mut gone = self.gone;
        // Only ever an error: the sender is dropped, never used.
        tokio::select! {
            _ = &mut gone => {}
            // Cut is ended, though the session hang.
            () = self.cut => drop(tokio::time::timeout(LAST_BREATH, gone).await),
        }
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner).take();
        reason.unwrap_or_else(|| "the connection was closed".to_owned())
    }
}

/// A session whose host key was the right one; nobody is logged in yet.
pub(super) struct Connection {
    /// To talk through.
    pub(super) handle: Handle<Pinned>,
    /// To end it.
    pub(super) cut: Cut,
    /// To see it end.
    pub(super) ended: Ended,
}

/// A TCP connection to `host:port`, tuned.
pub(super) async fn tcp(who: &str, address: &str) -> Result<TcpStream, TunnelError> {
    let unreachable = |error: io::Error| TunnelError::Unreachable {
        who: who.to_owned(),
        reason: error.to_string(),
    };
    let connect = async { race(tokio::net::lookup_host(address).await?.collect()).await };
    let stream = tokio::time::timeout(CONNECT_LIMIT, connect)
        .await
        .map_err(|_| TunnelError::TimedOut { who: who.to_owned(), doing: "connecting" })?
        .map_err(unreachable)?;
    options::tune(&stream).map_err(unreachable)?;
    Ok(stream)
}

/// The first connection that any of the addresses gives: the families take turns, and each address
/// has a short head start before the next (as RFC 8305 says), so that one that leads nowhere costs
/// nothing but that.
///
/// # Errors
/// The last one's, or that there is none.
pub async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let turns = std::iter::from_fn(|| match (v6.next(), v4.next()) {
        (None, None) => None,
        (six, four) => Some(six.into_iter().chain(four)),
    });
    let mut attempts = JoinSet::new();
    for (turn, address) in (0..).zip(turns.flatten().take(ADDRESSES)) {
        attempts.spawn(async move {
            tokio::time::sleep(HEAD_START * turn).await;
            TcpStream::connect(address).await
        });
    }
    let mut last = io::Error::other("the name has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(error) => last = io::Error::other(error),
        }
    }
    Err(last)
}

/// Shake hands over `stream`.
pub(super) async fn greet<S>(stream: S, greeting: Greeting<'_>) -> Result<Connection, TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Greeting { who, trusted, lane, forward, counters } = greeting;
    let (end, gone) = oneshot::channel();
    let refused = Arc::new(Mutex::new(None));
    let reason = Arc::new(Mutex::new(None));
    let config = options::client(lane, &trusted.kinds(), forward.is_some());
    let handler = Pinned {
        trusted: trusted.clone(),
        refused: Arc::clone(&refused),
        reason: Arc::clone(&reason),
        forward,
        counters: Arc::clone(counters),
        _end: end,
    };
    let (cut, stream) = severable(stream);
    let wrong_key = |refusal| TunnelError::HostKey { who: who.to_owned(), refusal };
    match client::connect_stream(config, stream, handler).await {
        Ok(handle) => {
            let ended = Ended { gone, cut: Box::pin(cut.done()), reason };
            Ok(Connection { handle, cut, ended })
        }
        Err(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, theirs, .. }) => {
            Err(wrong_key(trusted.unheard_of(&said(&theirs.join(", ")))))
        }
        Err(error) => {
            let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (None, Some(fault)) = (&refused, Fault::of(&error)) {
                counters.blame(fault);
            }
            Err(refused.map_or_else(|| handshake_error(who, &error), wrong_key))
        }
    }
}

/// An error of a session in words.
pub(super) fn handshake_error(who: &str, error: &russh::Error) -> TunnelError {
    TunnelError::Handshake { who: who.to_owned(), reason: said(&error.to_string()) }
}

impl Connection {
    /// Log in with our key.
    pub(super) async fn login(
        &mut self,
        who: &str,
        user: &str,
        key: &Arc<PrivateKey>,
    ) -> Result<(), TunnelError> {
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
        match self.handle.authenticate_publickey(user, key).await {
            Ok(result) if result.success() => Ok(()),
            Ok(_) if user == USER => Err(TunnelError::Unwelcome { who: who.to_owned() }),
            Ok(_) => Err(TunnelError::LoginRefused { who: who.to_owned(), user: user.to_owned() }),
            Err(error) => Err(handshake_error(who, &error)),
        }
    }
}

/// Open one of the door's streams.
pub(super) async fn open_stream(
    handle: &Handle<Pinned>,
    who: &str,
    name: &'static str,
) -> Result<Stream, TunnelError> {
    let refused = || TunnelError::StreamRefused { who: who.to_owned(), stream: name };
    let mut channel = handle.channel_open_session().await.map_err(|_| refused())?;
    channel.request_subsystem(true, name).await.map_err(|_| refused())?;
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::WindowAdjusted { .. } | ChannelMsg::Open { .. }) => {}
            _ => return Err(refused()),
        }
    }
    let (read, write) = channel.split();
    Ok(Stream { read, write: Writer::Client(write) })
}

impl Pinned {
    /// Take what came to our own place or to where we pair, and nothing else: a dropped reply is a
    /// refusal.
    async fn lead_to_door(&self, channel: Channel<Msg>, place: &Place, reply: ChannelOpenHandle) {
        let Some(forward) = &self.forward else { return };
        if forward.place.get() == Some(place) {
            reply.accept().await;
            let door = Arc::clone(&forward.door);
            let stream = pipe(channel.into_stream(), &self.counters);
            tokio::spawn(door.serve(stream, forward.road.clone()));
        } else if let Some(seat) = forward.desk.seat(place) {
            reply.accept().await;
            seat.send(pipe(channel.into_stream(), &self.counters));
        }
    }
}

impl Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        let refusal = self.trusted.admit(key).err();
        let admitted = refusal.is_none();
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
        Ok(admitted)
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        socket_path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let place = Place::Socket(socket_path.to_owned());
        self.lead_to_door(channel, &place, reply).await;
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Ok(port) = u16::try_from(port) {
            self.lead_to_door(channel, &Place::Port(port), reply).await;
        }
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _refused: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        let text = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                format!("the other end said: {}", said(&info.message))
            }
            DisconnectReason::Error(error) => {
                if let Some(fault) = Fault::of(error) {
                    self.counters.blame(fault);
                }
                said(&error.to_string())
            }
        };
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_swallows_everything_does_not_keep_us_from_the_next() {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio.block_on(async {
            // A listener whose queue is full drops SYNs, as a black hole does.
            let hole = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None);
            let hole = hole.unwrap();
            hole.bind(&SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)).into()).unwrap();
            hole.listen(0).unwrap();
            let swallows = hole.local_addr().unwrap().as_socket().unwrap();
            let mut queued = Vec::new();
            let short = Duration::from_millis(300);
            while let Ok(taken) = tokio::time::timeout(short, TcpStream::connect(swallows)).await {
                queued.push(taken.unwrap());
                assert!(queued.len() < 10, "the queue is full some time");
            }
            let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = good.local_addr().unwrap();
            let stream = race(vec![swallows, address]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
            assert!(race(Vec::new()).await.is_err());
        });
    }
}
