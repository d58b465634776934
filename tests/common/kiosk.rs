//! A tunnel with its events on a channel: the smallest kiosk there is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use twocan::clock::{self, Time};
use twocan::frame::{Ack, Packet, PacketKind};
use twocan::identity::{Identity, PeerKey};
use twocan::queue::{Queue, Received};
use twocan::stop::stop_pair;
use twocan::tunnel::{
    Command, Event, MediaPorts, Path, PeerConfig, RelayConfig, RelayStatus, Tunnel, TunnelConfig,
};
use twocan::wire::signal::{Media, Signal};

/// However slow the machine is, by now it has happened or it never will.
pub const LIMIT: Duration = Duration::from_secs(40);

/// A tunnel under test.
pub struct Kiosk {
    pub key: PeerKey,
    pub tunnel: Tunnel,
    pub events: Receiver<Event>,
}

/// Two identities, the one with the smaller key (who dials) first.
pub fn two_identities() -> (Identity, Identity) {
    let (a, b) = (Identity::generate(), Identity::generate());
    if a.public() < b.public() { (a, b) } else { (b, a) }
}

/// A contact that is found at the relay.
pub fn at_relay(key: PeerKey) -> PeerConfig {
    PeerConfig { key, direct: Vec::new(), via_relay: true, place: None }
}

/// Anna, who dials (her key is the smaller one), and Bert, who have found each other at `relay`.
pub fn a_pair(relay: RelayConfig, anna: &Identity, bert: &Identity) -> (Kiosk, Kiosk) {
    let a = Kiosk::at_relay(anna, "Anna", relay.clone(), bert.public());
    let b = Kiosk::at_relay(bert, "Bert", relay, anna.public());
    assert_eq!(a.wait_up(b.key), "Bert");
    assert_eq!(b.wait_up(a.key), "Anna");
    (a, b)
}

/// A contact that is found directly.
pub fn at_door(key: PeerKey, door: std::net::SocketAddr) -> PeerConfig {
    PeerConfig { key, direct: vec![door.to_string()], via_relay: false, place: None }
}

/// A config with nothing in it but who we are.
pub fn config(identity: &Identity, name: &str) -> TunnelConfig {
    TunnelConfig {
        identity: identity.clone(),
        name: name.to_owned(),
        media: Media::default(),
        relay: None,
        door: None,
        contacts: Vec::new(),
    }
}

impl Kiosk {
    pub fn start(config: TunnelConfig) -> Kiosk {
        // Whoever debugs sets RUST_LOG.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let key = config.identity.public();
        let (sender, events) = mpsc::channel();
        let tunnel = Tunnel::start(config, move |event| {
            // A test that has ended listens no more.
            let _ = sender.send(event);
        });
        Kiosk { key, tunnel: tunnel.unwrap(), events }
    }

    pub fn at_relay(identity: &Identity, name: &str, relay: RelayConfig, peer: PeerKey) -> Kiosk {
        let contacts = vec![at_relay(peer)];
        Self::start(TunnelConfig { relay: Some(relay), contacts, ..config(identity, name) })
    }

    /// The first event that `wanted` makes something of.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let limit = Instant::now() + LIMIT;
        let mut others = Vec::new();
        loop {
            match self.events.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(event) => match wanted(&event) {
                    Some(found) => return found,
                    None => others.push(event),
                },
                Err(_) => panic!("no {what}; instead {others:#?}"),
            }
        }
    }

    #[track_caller]
    pub fn wait_up(&self, who: PeerKey) -> String {
        self.wait("PeerUp", |event| match event {
            Event::PeerUp { peer, name, .. } if *peer == who => Some(name.clone()),
            _ => None,
        })
    }

    /// Wait until `who` is reached by this path.
    #[track_caller]
    pub fn wait_path(&self, who: PeerKey, wanted: impl Fn(&Path) -> bool) {
        self.wait("PeerUp by that path", |event| match event {
            Event::PeerUp { peer, path, .. } if *peer == who && wanted(path) => Some(()),
            _ => None,
        });
    }

    /// Why peers were lost since the last look at the events.
    pub fn losses(&self) -> Vec<String> {
        let losses = self.events.try_iter().filter_map(|event| match event {
            Event::PeerDown { sentence, .. } => Some(sentence),
            _ => None,
        });
        losses.collect()
    }

    #[track_caller]
    pub fn wait_down(&self, who: PeerKey) -> String {
        self.wait("PeerDown", |event| match event {
            Event::PeerDown { peer, sentence } if *peer == who => Some(sentence.clone()),
            _ => None,
        })
    }

    /// Why a person has to do something about `who`.
    #[track_caller]
    pub fn wait_blocked(&self, who: PeerKey) -> String {
        self.wait("PeerBlocked", |event| match event {
            Event::PeerBlocked { peer, sentence } if *peer == who => Some(sentence.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub fn wait_signal(&self) -> Signal {
        self.wait("signal", |event| match event {
            Event::Signal { signal, .. } => Some(signal.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub fn wait_relay(&self, wanted: impl Fn(&RelayStatus) -> bool) -> RelayStatus {
        self.wait("relay status", |event| match event {
            Event::Relay(status) if wanted(status) => Some(status.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub fn wait_door(&self) -> std::net::SocketAddr {
        self.wait("open door", |event| match event {
            Event::DoorOpen { address } => Some(*address),
            _ => None,
        })
    }

    pub fn say(&self, peer: PeerKey, signal: Signal) {
        self.tunnel.send(Command::Send { peer, signal });
    }

    /// Attach fresh ports to `peer`.
    pub fn attach(&self, peer: PeerKey) -> MediaPorts {
        let ports = MediaPorts::new();
        self.tunnel.send(Command::Attach { peer, ports: ports.clone() });
        ports
    }
}

/// A packet captured now.
pub fn packet(kind: PacketKind, sequence: u32, payload: &[u8]) -> Packet {
    let payload = bytes::Bytes::copy_from_slice(payload);
    Packet { kind, sequence, captured: clock::now(), after_gap: false, payload }
}

/// What has a number to be known by on arrival.
pub trait Numbered {
    /// It.
    fn number(&self) -> u32;
}

impl Numbered for Packet {
    fn number(&self) -> u32 {
        self.sequence
    }
}

impl Numbered for Ack {
    fn number(&self) -> u32 {
        self.sequence
    }
}

/// Send packets that `make` makes of their numbers until one arrives at the other end that was
/// sent in this call; what was sent and what came.
#[track_caller]
pub fn send_until_one_arrives<T: Numbered + Clone + Send + 'static>(
    out: &Queue<T>,
    into: &Queue<T>,
    mut make: impl FnMut(u32) -> T,
) -> (T, T) {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let (_stopper, stop) = stop_pair();
    let limit = Instant::now() + LIMIT;
    let mut sent: Vec<T> = Vec::new();
    while Instant::now() < limit {
        let packet = make(NUMBER.fetch_add(1, Ordering::Relaxed) as u32);
        sent.push(packet.clone());
        assert!(out.send(packet).is_ok(), "the queue is open");
        while let Received::Item(came) = into.receive(&stop, Some(Duration::from_millis(20))) {
            if let Some(sent) = sent.iter().find(|sent| sent.number() == came.number()) {
                return (sent.clone(), came);
            }
        }
    }
    panic!("none of {} packets arrived", sent.len());
}

/// Both ends run on this machine's one clock, so a mapped stamp must be the original one, but for
/// what the ping measured wrong; the machine may be busy.
pub fn close(a: Time, b: Time) -> bool {
    a.since(b).max(b.since(a)) < Duration::from_millis(500)
}

/// Wait until a counter has reached `at_least`.
#[track_caller]
pub fn wait_count(what: &str, counter: &AtomicU64, at_least: u64) {
    let limit = Instant::now() + LIMIT;
    while counter.load(Ordering::Relaxed) < at_least {
        let count = counter.load(Ordering::Relaxed);
        assert!(Instant::now() < limit, "{what}: {count}, expected {at_least}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
