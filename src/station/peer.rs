//! To a contact's kiosk: the datagrams go as they are, in the voice session of our own tunnel.
//!
//! ```text
//!  Ring ── a few at a time ──> MediaPorts.voice_out ── Tunnel ~~~~> the contact's station server
//!    ▲                              │ the contact is gone
//!    └────── what still waits ──────┘
//! ```
//! The tunnel finds the ways, notices dead ones and comes back by itself; nothing is asked of it but to
//! keep at it, which it does at the pace of a call while ports are attached.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::cause::Cause;
use super::ring::{Datagram, Ring};
use super::send::{LinkEvent, News, count};
use super::stopped::stopped;
use crate::clock;
use crate::frame::{Packet, PacketKind};
use crate::identity::PeerKey;
use crate::queue::Queue;
use crate::stop::Stop;
use crate::supervisor::WorkerError;
use crate::tunnel::{Command, Event, MediaPorts, Tunnel, TunnelConfig};

/// Packets that may wait in the tunnel: so many may be lost with a session.
const AHEAD: usize = 5;
/// Until we look whether there is room again.
const LOOK: Duration = Duration::from_millis(10);
/// Events of the tunnel that may wait.
const NEWS: usize = 64;
/// How long the tunnel may take to end.
const STOP_LIMIT: Duration = Duration::from_millis(300);

/// Keep the contact `key` supplied until it is time to stop.
///
/// # Errors
/// There is no tunnel to be had now.
pub(super) async fn send(
    config: TunnelConfig,
    key: PeerKey,
    ring: Ring,
    mut news: News,
    stop: &Stop,
) -> Result<(), WorkerError> {
    let heard = Queue::newest_wins(NEWS);
    let sink = heard.clone();
    news.tell(LinkEvent::Connecting);
    let tunnel = Tunnel::start(config, move |event| drop(sink.send(event)))
        .map_err(|error| news.cannot(format!("no tunnel: {error}"), Cause::Contact))?;
    let ports = MediaPorts::voice_alone();
    tunnel.send(Command::Attach { peer: key, ports: ports.clone() });
    let (mut up, mut stopped) = (false, pin!(stopped(stop)));
    loop {
        let room = up && move_some(&ring, &ports, &news);
        let event = tokio::select! {
            biased;
            () = &mut stopped => break,
            event = heard.next() => event,
            () = ring.ready(), if room => continue,
            () = sleep(LOOK), if up && !room => continue,
        };
        match event {
            Some(Event::PeerUp { peer, .. }) if peer == key => {
                if !std::mem::replace(&mut up, true) {
                    count(&news.stats.connected);
                }
                news.tell(LinkEvent::Streaming);
            }
            Some(Event::PeerDown { peer, sentence } | Event::PeerBlocked { peer, sentence })
                if peer == key =>
            {
                if std::mem::take(&mut up) {
                    take_back(&ring, &ports);
                    count(&news.stats.lost);
                    news.tell(LinkEvent::Lost { sentence, cause: Cause::Contact });
                } else {
                    count(&news.stats.failed);
                    news.tell(LinkEvent::Failed { sentence, cause: Cause::Contact });
                }
            }
            Some(Event::Clock { peer, rtt_us, .. }) if peer == key => {
                count(&news.stats.answers);
                news.tell(LinkEvent::RoundTrip(Duration::from_micros(rtt_us)));
            }
            Some(_) => {}
            None => break,
        }
    }
    if !tunnel.stop(STOP_LIMIT) {
        tracing::warn!("station: the tunnel takes long to end");
    }
    Ok(())
}

/// Give the tunnel what it has room for; true: all of it.
fn move_some(ring: &Ring, ports: &MediaPorts, news: &News) -> bool {
    while ports.voice_out.len() < AHEAD {
        let Some(datagram) = ring.take(clock::now()) else { return true };
        let packet = Packet {
            kind: PacketKind::Station,
            sequence: u32::from(datagram.sequence),
            captured: datagram.captured,
            after_gap: false,
            payload: Bytes::copy_from_slice(datagram.bytes()),
        };
        let length = packet.payload.len() as u64;
        if ports.voice_out.send(packet).is_ok() {
            count(&news.stats.sent);
            news.stats.bytes.fetch_add(length, std::sync::atomic::Ordering::Relaxed);
        }
    }
    false
}

/// What the tunnel has not sent yet comes first when it can again.
fn take_back(ring: &Ring, ports: &MediaPorts) {
    let waiting = std::iter::from_fn(|| ports.voice_out.try_receive());
    let waiting: Vec<Datagram> = waiting
        .map(|packet| Datagram::new(&packet.payload, packet.sequence as u16, packet.captured))
        .collect();
    ring.give_back(waiting.into_iter().rev());
}
