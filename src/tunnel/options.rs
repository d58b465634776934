//! How we set up SSH and its sockets, and why not the libraries' defaults.
//!
//! Measured: Nagle costs an echo 50 ms; a backlog in the kernel can't be dropped, so little may lie
//! there unsent; russh's server ends quiet sessions by default, ours are quiet for days. AES-GCM is
//! the faster cipher where the processor has AES instructions, ChaCha20 where it has none.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, client, compression, server};
use socket2::SockRef;
use ssh_key::{Algorithm, PrivateKey};
use tokio::net::TcpStream;

use crate::caps;
use crate::known_hosts::KINDS;

/// What a session carries decides its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Control and audio.
    Voice,
    /// Pictures.
    Video,
}

impl Lane {
    /// Both.
    pub(super) const ALL: [Lane; 2] = [Lane::Voice, Lane::Video];

    /// As sockets and log lines name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Lane::Voice => "voice",
            Lane::Video => "video",
        }
    }

    /// Bytes that may be under way from a peer to us on a channel: a second or two of sound, or the few
    /// pictures that the sender's credits allow. More would only be delay: what a relay holds of a
    /// voice when the line gets thin has to be heard out, or thrown away, before anything newer.
    fn window(self) -> u32 {
        match self {
            Lane::Voice => caps::VOICE_WINDOW,
            Lane::Video => caps::PICTURES_WINDOW,
        }
    }

    /// The same from the relay, whose channels carry all of a session with a peer.
    fn relay_window(self) -> u32 {
        match self {
            Lane::Voice => caps::RELAYED_VOICE_WINDOW,
            Lane::Video => caps::PICTURES_WINDOW,
        }
    }
}

/// Silence after which SSH itself asks, and gives up after three more: for sessions that nothing else
/// looks after at the moment, and seldom enough for a line that is paid for by the byte.
const LAST_RESORT: Duration = Duration::from_secs(30);
const PACKET: u32 = 32 * 1024;
/// What TCP may leave unacknowledged before the kernel gives the connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// Unsent bytes that may lie in the kernel, in bytes.
const NOTSENT_LOWAT: u32 = 16 * 1024;

/// Make a TCP connection fit for a call.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)
}

fn id() -> SshId {
    SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-twocan_", env!("CARGO_PKG_VERSION"))))
}

fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

fn preferred(host_keys: Vec<Algorithm>) -> Preferred {
    let (first, second) = (cipher::AES_256_GCM, cipher::CHACHA20_POLY1305);
    let ciphers = if has_aes() { vec![first, second] } else { vec![second, first] };
    Preferred {
        key: Cow::Owned(host_keys),
        cipher: Cow::Owned(ciphers),
        compression: Cow::Owned(vec![compression::NONE]),
        ..Preferred::DEFAULT
    }
}

/// What a server is asked for: a host key of the `pinned` kinds first, since of several it shows one;
/// then of the others, so that a sentence can name what it has instead.
fn host_keys(pinned: &[Algorithm]) -> Vec<Algorithm> {
    let mut kinds = KINDS.to_vec();
    kinds.sort_by_key(|kind| !pinned.contains(kind));
    kinds
}

/// For our session with the relay, or with a peer's door, of whom host keys of the kinds `pinned` are
/// known. Whether the other end is there is asked by alive.rs, which knows what the session is for.
pub(super) fn client(lane: Lane, pinned: &[Algorithm], to_relay: bool) -> Arc<client::Config> {
    Arc::new(client::Config {
        client_id: id(),
        window_size: if to_relay { lane.relay_window() } else { lane.window() },
        maximum_packet_size: PACKET,
        channel_buffer_size: caps::CHANNEL_BUFFER,
        preferred: preferred(host_keys(pinned)),
        inactivity_timeout: None,
        keepalive_interval: Some(LAST_RESORT),
        keepalive_max: 3,
        nodelay: true,
        ..client::Config::default()
    })
}

/// For the door, where a session carries `lane`.
pub(super) fn server(lane: Lane, key: PrivateKey) -> Arc<server::Config> {
    Arc::new(server::Config {
        server_id: id(),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        window_size: lane.window(),
        maximum_packet_size: PACKET,
        channel_buffer_size: caps::CHANNEL_BUFFER,
        preferred: preferred(vec![Algorithm::Ed25519]),
        max_auth_attempts: 3,
        inactivity_timeout: None,
        keepalive_interval: Some(LAST_RESORT),
        keepalive_max: 3,
        nodelay: true,
        ..server::Config::default()
    })
}
