//! The outer session: our login at a stock OpenSSH server, listening there for us.
//!
//! login → exec (prints the home folder, removes our own stale socket, and makes sshd set
//! TCP_NODELAY: without one session request its direction to us suffers Nagle, 20 ms and more) →
//! remote forward of our socket → probe. An accepted forward is believed only after a connection
//! to it has ended at our own door, shown by our own host key.
//!
//! Sockets before TCP ports: a Unix-socket forward can be taken over from a half-open session at once
//! and nobody can squat on it. Where the relay forwards no sockets, or where nothing says in which
//! folder they should lie, it listens on a port of its loopback address that follows from our key. A
//! port stays taken for a minute or more by a session of ours that died without a word, so there are
//! several that follow from a key: we take the first that is free, and who looks for us tries them all.
//!
//! At a hardened relay each kiosk has a *place*, whose sockets it alone may make and only its contacts
//! may open; sshd itself removes stale ones, no command runs there and no port is forwarded. The exec is
//! made all the same: it ends at once, and TCP_NODELAY stays.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelStream};
use ssh_key::PrivateKey;
use tokio::sync::watch;

use super::alive;
use super::client::{
    self, Connection, Ended, Forward, Greeting, LOOPBACK, Pinned, Place, handshake_error,
};
use super::cut::{Cut, Severable};
use super::door::Door;
use super::error::{TunnelError, said};
use super::meet::Desk;
use super::options::Lane;
use super::pipe::{Pipe, pipe};
use super::road::{Pulse, Road};
use super::ways::{PORTS, Way};
use super::{Counters, PeerConfig, RelayConfig};
use crate::caps::PRINTED_LIMIT;
use crate::clock;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::known_hosts::Trusted;
use crate::meeting;

/// From the first SYN to the end of the probe; a login shell may be slow.
const PATIENCE: Duration = Duration::from_secs(20);
const FOLDER: &str = ".twocan";

/// An outer session that listens for us.
pub(super) struct Outer {
    handle: Handle<Pinned>,
    sockets: Sockets,
    lane: Lane,
    cut: Cut,
    /// Our end of the connection.
    local: Option<IpAddr>,
    pulse: Pulse,
    /// Of all our connections.
    all: Pulse,
    counters: Arc<Counters>,
    doubted: watch::Sender<Option<Time>>,
}

/// Where sockets lie at a relay.
enum Sockets {
    /// Those of all kiosks in this folder.
    Folder(String),
    /// Nobody knows where: there are ports only. With why.
    Unknown(String),
    /// Each kiosk's at a place of its own, and there are no ports. This is ours.
    Places(meeting::Place),
}

/// What an inner session runs on.
type Transport = Severable<Pipe<ChannelStream<Msg>>>;

impl Outer {
    /// A connection to `peer` by a way of the relay's; `None` where that is not one of ours: a direct
    /// one, a socket nobody knows the folder of, a port where there are none.
    pub(super) async fn open_way(
        &self,
        peer: &PeerConfig,
        way: &Way,
    ) -> Result<Option<Transport>, russh::Error> {
        let (key, lane) = (peer.key, self.lane);
        let place = match (way, &self.sockets) {
            (Way::Socket, Sockets::Folder(folder)) => {
                Some(Place::Socket(socket_path(folder, key, lane)))
            }
            (Way::Socket, Sockets::Places(_)) => {
                peer.place.as_ref().map(|place| Place::Socket(place.socket(lane.name())))
            }
            (Way::Port(turn), Sockets::Folder(_) | Sockets::Unknown(_)) => {
                Some(Place::Port(port(key, lane, *turn)))
            }
            (Way::Socket, Sockets::Unknown(_))
            | (Way::Port(_), Sockets::Places(_))
            | (Way::Direct(_), _) => None,
        };
        match place {
            Some(place) => self.open(&place).await.map(Some),
            None => Ok(None),
        }
    }

    /// What a session through it runs on.
    pub(super) fn road(&self) -> Road {
        Road::relay(self.lane, self.pulse.clone())
    }

    /// Our end of the connection, if it is known.
    pub(super) fn local(&self) -> Option<IpAddr> {
        self.local
    }

    /// What comes over it.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// What comes over all our connections.
    pub(super) fn all_pulses(&self) -> &Pulse {
        &self.all
    }

    /// The folder of all kiosks' sockets, where it is known.
    pub(super) fn folder(&self) -> Option<&str> {
        match &self.sockets {
            Sockets::Folder(folder) => Some(folder),
            Sockets::Unknown(_) | Sockets::Places(_) => None,
        }
    }

    /// Each kiosk has a place of its own there.
    pub(super) fn has_places(&self) -> bool {
        matches!(self.sockets, Sockets::Places(_))
    }

    /// Have the relay listen at one more place, whatever was left there; false: it will not.
    pub(super) async fn listen_beside(&self, place: &Place) -> bool {
        self.clear(place).await;
        listen(&self.handle, "the relay", place).await.unwrap_or(false)
    }

    /// No more of that, and take away what is left there.
    pub(super) async fn leave(&self, place: &Place) {
        // What is not heard any more needs not be asked.
        let _ = match place {
            Place::Socket(path) => self.handle.cancel_streamlocal_forward(path).await,
            Place::Port(port) => self.handle.cancel_tcpip_forward(LOOPBACK, u32::from(*port)).await,
        };
        self.clear(place).await;
    }

    async fn clear(&self, place: &Place) {
        if let (Place::Socket(path), true) = (place, self.folder().is_some()) {
            let command = format!("exec rm -f '{}'", path.replace('\'', r"'\''"));
            // Where commands are refused, the relay clears by itself or refuses to listen.
            let _ = exec(&self.handle, &command).await;
        }
    }

    /// A connection to a place.
    pub(super) async fn open(&self, place: &Place) -> Result<Transport, russh::Error> {
        let channel = match place {
            Place::Socket(path) => self.handle.channel_open_direct_streamlocal(path).await?,
            Place::Port(port) => {
                let port = u32::from(*port);
                self.handle.channel_open_direct_tcpip(LOOPBACK, port, LOOPBACK, 0).await?
            }
        };
        Ok(pipe(channel.into_stream(), &self.counters))
    }

    /// Somebody doubts that the relay is there: it is asked at once, and has as long as in a call.
    pub(super) fn doubt(&self) {
        let heard = self.pulse.last();
        self.doubted.send_modify(|at| *at = Some(alive::doubted(*at, heard, clock::now())));
    }

    /// Hears of doubts.
    pub(super) fn doubts(&self) -> watch::Receiver<Option<Time>> {
        self.doubted.subscribe()
    }

    /// Ask the relay whether it is there; ready when it has answered, or has ended.
    pub(super) async fn ping(&self) {
        // An end is noticed by whoever waits for it.
        let _ = self.handle.send_ping().await;
    }

    /// End the session.
    pub(super) fn end(&self) {
        self.cut.cut();
    }

    /// Wait until the relay has taken what was sent before.
    pub(super) async fn flush(&self) {
        // A relay that is gone needs no flushing.
        let _ = self.handle.send_ping().await;
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        self.cut.cut();
    }
}

/// Who we are and where connections to us lead.
pub(super) struct Us {
    /// Our key pair.
    pub(super) key: Arc<PrivateKey>,
    /// The public one.
    pub(super) peer: PeerKey,
    /// Our door.
    pub(super) door: Arc<Door>,
    /// Where we pair.
    pub(super) desk: Arc<Desk>,
}

/// Connect, log in, listen, probe.
pub(super) async fn connect(
    relay: &RelayConfig,
    lane: Lane,
    us: &Us,
) -> Result<(Outer, Ended), TunnelError> {
    let who = format!("relay {}", relay.host);
    let all = connect_patiently(relay, &who, lane, us);
    tokio::time::timeout(PATIENCE, all)
        .await
        .unwrap_or(Err(TunnelError::TimedOut { who: who.clone(), doing: "connecting" }))
}

async fn connect_patiently(
    relay: &RelayConfig,
    who: &str,
    lane: Lane,
    us: &Us,
) -> Result<(Outer, Ended), TunnelError> {
    let trusted = trusted(relay, who).await?;
    let stream = client::tcp(who, &address(&relay.host, relay.port)).await?;
    let local = stream.local_addr().ok().map(|local| local.ip());
    let pulse = us.door.pulse.branch();
    let road = Road::relay(lane, pulse.clone());
    let place = Arc::new(OnceLock::new());
    let greeting = Greeting {
        who,
        trusted,
        lane,
        forward: Some(Forward {
            place: Arc::clone(&place),
            door: Arc::clone(&us.door),
            desk: Arc::clone(&us.desk),
            road,
        }),
        counters: &us.door.counters,
    };
    let mut connection = client::greet(pulse.of(stream), greeting).await?;
    connection.login(who, &relay.user, &us.key).await?;
    let Connection { handle, cut, ended } = connection;
    let sockets = prepare(&handle, who, relay, us.peer, lane).await?;
    let doubted = watch::Sender::new(None);
    let (all, counters) = (us.door.pulse.clone(), Arc::clone(&us.door.counters));
    let outer = Outer { handle, sockets, lane, cut, local, pulse, all, counters, doubted };
    let own = listen_somewhere(&outer, who, us.peer).await?;
    place.set(own.clone()).expect("set once, here");
    probe(&outer, who, &own, us.peer).await?;
    Ok((outer, ended))
}

/// Our socket, else the first of our ports that is free.
async fn listen_somewhere(outer: &Outer, who: &str, us: PeerKey) -> Result<Place, TunnelError> {
    let lane = outer.lane;
    let (socket, ports) = match &outer.sockets {
        Sockets::Folder(folder) => (Some(socket_path(folder, us, lane)), PORTS),
        Sockets::Unknown(_) => (None, PORTS),
        Sockets::Places(place) => (Some(place.socket(lane.name())), 0),
    };
    let ports = (0..ports).map(|turn| Place::Port(port(us, lane, turn)));
    let mut refused = String::new();
    for place in socket.map(Place::Socket).into_iter().chain(ports) {
        if listen(&outer.handle, who, &place).await? {
            return Ok(place);
        }
        tracing::info!("{who} does not listen on {place} for us");
        refused = place.to_string();
    }
    let who = who.to_owned();
    Err(match &outer.sockets {
        Sockets::Unknown(reason) => {
            let place = Place::Port(port(us, lane, 0)).to_string();
            TunnelError::NoFolder { who, reason: reason.clone(), place }
        }
        Sockets::Folder(_) | Sockets::Places(_) => {
            TunnelError::ForwardRefused { who, path: refused }
        }
    })
}

/// The host keys it may show, as the file says now.
pub(super) async fn trusted(relay: &RelayConfig, who: &str) -> Result<Trusted, TunnelError> {
    let (pins, host, port) = (relay.pins.clone(), relay.host.clone(), relay.port);
    let looked_up = tokio::task::spawn_blocking(move || pins.look_up(&host, port)).await;
    looked_up.map_err(|error| TunnelError::Handshake {
        who: who.to_owned(),
        reason: format!("its pins cannot be looked up: {error}"),
    })
}

/// `[::1]:22` for an IPv6 address, `host:22` for anything else.
pub(super) fn address(host: &str, port: u16) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(v6) => format!("[{v6}]:{port}"),
        Err(_) => format!("{host}:{port}"),
    }
}

fn socket_name(peer: PeerKey, lane: Lane) -> String {
    format!("{}-{}.sock", peer.id16(), lane.name())
}

fn socket_path(folder: &str, peer: PeerKey, lane: Lane) -> String {
    format!("{}/{}", folder.trim_end_matches('/'), socket_name(peer, lane))
}

/// A kiosk's n-th port for a lane: from 20000 on two for each, which ones being as good as random. Two
/// kiosks with the same first one at one relay are as one in 10000: the second takes its next.
fn port(peer: PeerKey, lane: Lane, turn: u16) -> u16 {
    let hash = u64::from_str_radix(&peer.id16(), 16).expect("16 hexadecimal digits are a u64");
    let digits = hash / 10_000_u64.pow(u32::from(turn % PORTS)) % 10_000;
    let pair = u16::try_from(digits).expect("below 10000");
    20_000 + 2 * pair + lane as u16
}

/// The exec of the module's doc, and what it tells of where sockets lie.
async fn prepare(
    handle: &Handle<Pinned>,
    who: &str,
    relay: &RelayConfig,
    us: PeerKey,
    lane: Lane,
) -> Result<Sockets, TunnelError> {
    let failed = |error: russh::Error| handshake_error(who, &error);
    if let Some(place) = &relay.place {
        exec(handle, "true").await.map_err(failed)?;
        return Ok(Sockets::Places(place.clone()));
    }
    let folder = match relay.folder.as_deref() {
        Some(folder) => format!("'{}'", folder.replace('\'', r"'\''")),
        None => format!("~/{FOLDER}"),
    };
    let socket = socket_name(us, lane);
    // One process where the folder is there already: this is most of what coming back takes.
    let command = format!(
        "cd {folder} 2>/dev/null || {{ mkdir -p -m 700 {folder} && cd {folder}; }} && pwd -P && \
         exec rm -f {socket}"
    );
    let printed = exec(handle, &command).await.map_err(failed)?;
    if let Some(folder) = &relay.folder {
        return Ok(Sockets::Folder(folder.clone()));
    }
    // A chatty login script may have printed more before it.
    let printed = String::from_utf8_lossy(&printed);
    let folder = printed.lines().map(str::trim).rfind(|line| line.starts_with('/'));
    Ok(match (folder, said(printed.trim())) {
        (Some(folder), _) => Sockets::Folder(folder.to_owned()),
        (None, nothing) if nothing.is_empty() => Sockets::Unknown("no shell".to_owned()),
        (None, said) => Sockets::Unknown(format!("it said `{said}`")),
    })
}

/// What the command printed; nothing where commands are refused, which is no error.
async fn exec(handle: &Handle<Pinned>, command: &str) -> Result<Vec<u8>, russh::Error> {
    let Ok(mut channel) = handle.channel_open_session().await else { return Ok(Vec::new()) };
    channel.exec(true, command).await?;
    let mut printed = Vec::new();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let room = PRINTED_LIMIT - printed.len();
                printed.extend_from_slice(&data[..data.len().min(room)]);
            }
            ChannelMsg::Failure | ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok(printed)
}

/// Ask the relay to listen for us; false when it will not.
async fn listen(handle: &Handle<Pinned>, who: &str, place: &Place) -> Result<bool, TunnelError> {
    let asked = match place {
        Place::Socket(path) => handle.streamlocal_forward(path).await,
        Place::Port(port) => handle.tcpip_forward(LOOPBACK, u32::from(*port)).await.map(drop),
    };
    match asked {
        Ok(()) => Ok(true),
        Err(russh::Error::RequestDenied) => Ok(false),
        Err(other) => Err(handshake_error(who, &other)),
    }
}

async fn probe(outer: &Outer, who: &str, own: &Place, us: PeerKey) -> Result<(), TunnelError> {
    let failed = |reason: String| TunnelError::ProbeFailed {
        who: who.to_owned(),
        path: own.to_string(),
        reason: said(&reason),
    };
    let stream = outer.open(own).await.map_err(|error| failed(error.to_string()))?;
    let trusted = Trusted::only(us.public_key(), "this kiosk");
    let (who, lane, counters) = ("our own door", outer.lane, &outer.counters);
    let greeting = Greeting { who, trusted, lane, forward: None, counters };
    // Dropping the session again ends it.
    client::greet(stream, greeting).await.map(drop).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_after_the_key_and_the_lane() {
        let peer = PeerKey([7; 32]);
        let path = socket_path("/home/anna/.twocan/", peer, Lane::Video);
        assert_eq!(path, format!("/home/anna/.twocan/{}-video.sock", peer.id16()));
    }

    #[test]
    fn pairs_of_ports_follow_from_the_key() {
        for key in 0..200 {
            for turn in 0..PORTS {
                let [voice, video] = Lane::ALL.map(|lane| port(PeerKey([key; 32]), lane, turn));
                assert!((20_000..40_000).contains(&voice) && video == voice + 1);
                assert_eq!(voice, port(PeerKey([key; 32]), Lane::Voice, turn));
            }
        }
        let first = |key| port(PeerKey([key; 32]), Lane::Voice, 0);
        assert_ne!(first(1), first(2));
        assert_ne!(first(1), port(PeerKey([1; 32]), Lane::Voice, 1));
    }

    #[test]
    fn addresses_of_both_families_can_be_dialled() {
        assert_eq!(address("::1", 22), "[::1]:22");
        assert_eq!(address("relay.example", 2222), "relay.example:2222");
    }
}
