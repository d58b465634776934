//! The media streams of an inner session: one task that always reads, one that writes.
//!
//! ```text
//!  channel ─> cut into packets ─> our clock ─> ports' *_in queues (newest wins)     read_packets
//!  ports' *_out queues ─> late voice skipped, pictures spaced ─> channel            write_packets
//! ```
//! Ports come and go while the tasks go on; without ports packets are dropped and counted. A task
//! ends with the sentence that ends its session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client, server};
use tokio::sync::watch;

use super::clock_offset::PeerClock;
use super::error::said;
use super::framing::{PacketCutter, packet_bytes};
use super::options::Lane;
use super::road::Pulse;
use super::{Counters, Fault, MediaPorts, count};
use crate::caps::STUCK_LIMIT;
use crate::clock;
use crate::clock::Time;
use crate::frame::{Ack, Packet, PacketKind};
use crate::wire::packet::{HEADER_LEN, PacketError, decode_ack, encode_ack, piece_of};

/// Voice that waited longer is worth nothing.
const VOICE_LATE: Duration = Duration::from_millis(200);
/// A picture stream with ports on which nothing was written for so long says that it lives.
const LIFE: Duration = Duration::from_secs(1);
/// A picture stream that has shown life and then says nothing for so long is gone.
const SILENCE: Duration = Duration::from_millis(1800);

/// One SSH channel, whichever end opened it.
pub(super) struct Stream {
    /// What comes.
    pub(super) read: ChannelReadHalf,
    /// Where to put what goes.
    pub(super) write: Writer,
}

/// The writing half: russh has two types for it.
pub(super) enum Writer {
    /// Of a session that we dialled.
    Client(ChannelWriteHalf<client::Msg>),
    /// Of a session at our door.
    Server(ChannelWriteHalf<server::Msg>),
}

impl Writer {
    /// Put bytes into the channel, waiting for its window for 10 s at most.
    pub(super) async fn send(&self, bytes: Bytes) -> Result<(), End> {
        let sent = async {
            match self {
                Writer::Client(half) => half.data_bytes(bytes).await,
                Writer::Server(half) => half.data_bytes(bytes).await,
            }
        };
        match tokio::time::timeout(STUCK_LIMIT, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::closed()),
            Err(_) => Err(End::trouble("the peer took nothing for 10 s").because(Fault::Stuck)),
        }
    }
}

/// Why a stream, and with it its session, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// In words.
    pub(super) sentence: String,
    /// The peer sent what it must not.
    pub(super) bad: bool,
    /// What is counted of it.
    pub(super) fault: Option<Fault>,
    /// The peer fell silent; the way to it is in doubt.
    pub(super) silent: bool,
}

impl End {
    /// The connection ended.
    pub(super) fn closed() -> Self {
        Self::trouble("the connection ended")
    }

    /// Something that is nobody's fault.
    pub(super) fn trouble(sentence: &str) -> Self {
        Self { sentence: sentence.to_owned(), bad: false, fault: None, silent: false }
    }

    /// The peer's fault.
    pub(super) fn bad(fault: Fault, what: impl std::fmt::Display) -> Self {
        let sentence = format!("the peer sent {}", said(&what.to_string()));
        Self { sentence, bad: true, fault: Some(fault), silent: false }
    }

    /// The same, for which the peer may be to blame.
    pub(super) fn because(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Nothing came any more.
    pub(super) fn silent(sentence: String) -> Self {
        Self { sentence, bad: false, fault: None, silent: true }
    }
}

/// What the streams of one peer share, across its sessions.
pub(super) struct Shared {
    /// The ports attached now.
    pub(super) ports: watch::Sender<Option<Arc<MediaPorts>>>,
    /// The peer's clock.
    pub(super) clock: PeerClock,
    /// When something whole last came on control or audio, in µs of our clock.
    heard: AtomicU64,
    /// Every byte is paid for.
    pub(super) metered: watch::Receiver<bool>,
    /// Of all our connections.
    pub(super) pulse: Pulse,
    /// For what nobody wants.
    pub(super) counters: Arc<Counters>,
}

impl Shared {
    /// Nothing attached, nothing heard.
    pub(super) fn new(
        metered: watch::Receiver<bool>,
        pulse: Pulse,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            pulse,
            metered,
            ports: watch::Sender::new(None),
            clock: PeerClock::new(),
            heard: AtomicU64::new(0),
            counters,
        }
    }

    /// The ports attached now, as far as this lane is concerned.
    pub(super) fn attached(&self, lane: Lane) -> Option<Arc<MediaPorts>> {
        of_lane(&self.ports.borrow(), lane)
    }

    /// The peer lives.
    pub(super) fn hear(&self, now: Time) {
        self.heard.fetch_max(now.micros(), Ordering::Relaxed);
    }

    /// When it last showed life.
    pub(super) fn heard(&self) -> Time {
        Time::from_micros(self.heard.load(Ordering::Relaxed))
    }
}

/// Sound alone has nothing to do with the lane of the pictures.
fn of_lane(ports: &Option<Arc<MediaPorts>>, lane: Lane) -> Option<Arc<MediaPorts>> {
    ports.clone().filter(|ports| lane == Lane::Voice || ports.has_pictures)
}

/// The next bytes of a channel; `None` at its end.
pub(super) async fn next_bytes(read: &mut ChannelReadHalf) -> Option<Bytes> {
    loop {
        match read.wait().await? {
            ChannelMsg::Data { data } => return Some(data),
            ChannelMsg::Eof | ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

/// Read packets to the end of the stream. With ports attached, a picture stream that has spoken since
/// and then says nothing for [`SILENCE`] is silent (its writer shows life every second), unless the
/// connection beneath brings something meanwhile: a large packet takes its time on a thin line, and
/// shows itself only at its end.
pub(super) async fn read_packets(
    mut read: ChannelReadHalf,
    lane: Lane,
    shared: Arc<Shared>,
    beneath: Pulse,
) -> End {
    let mut cutter = PacketCutter::default();
    let mut ports = shared.ports.subscribe();
    let mut spoken = false;
    let mut flow = beneath.flow();
    loop {
        let (limit, end) = match (lane, spoken, cutter.is_inside()) {
            (Lane::Video, true, _) => (SILENCE, End::silent("no sign of pictures".to_owned())),
            (_, _, true) => (STUCK_LIMIT, End::bad(Fault::Half, "half a packet and then nothing")),
            (_, _, false) => (Duration::MAX, End::closed()),
        };
        let bytes = tokio::select! {
            biased;
            bytes = next_bytes(&mut read) => bytes,
            changed = ports.changed() => match changed {
                // Whether the peer has ports too is to be seen.
                Ok(()) => {
                    spoken = false;
                    continue;
                }
                Err(_) => return End::closed(),
            },
            () = tokio::time::sleep(limit) => {
                if end.silent && flow.has_moved() {
                    continue;
                }
                return end;
            }
        };
        // Counted from here on.
        let _ = flow.has_moved();
        let Some(bytes) = bytes else {
            return if cutter.is_inside() {
                End::bad(Fault::Half, "half a packet")
            } else {
                End::closed()
            };
        };
        spoken = shared.attached(lane).is_some();
        cutter.push(&bytes);
        loop {
            match cutter.next() {
                Ok(Some(packet)) => {
                    if let Err(end) = take(packet, lane, &shared) {
                        return end;
                    }
                }
                Ok(None) => break,
                Err(error) => return End::bad(blame(error), error),
            }
        }
    }
}

/// What bytes that are no packet are counted as.
fn blame(error: PacketError) -> Fault {
    match error {
        PacketError::Length { .. } => Fault::Oversize,
        PacketError::Version(_) | PacketError::Kind(_) | PacketError::Ack => Fault::Packet,
    }
}

/// A packet came: put it on our clock and into the right queue.
fn take(mut packet: Packet, lane: Lane, shared: &Shared) -> Result<(), End> {
    let fits = match packet.kind {
        PacketKind::Voice | PacketKind::Station | PacketKind::Ack => lane == Lane::Voice,
        PacketKind::Picture | PacketKind::Same => lane == Lane::Video,
    };
    if !fits {
        let what = format_args!("a {:?} packet on the {} stream", packet.kind, lane.name());
        return Err(End::bad(Fault::Packet, what));
    }
    if lane == Lane::Voice {
        shared.hear(clock::now());
    }
    let Some(ports) = shared.attached(lane) else {
        count(&shared.counters.unattached);
        return Ok(());
    };
    let stats = &ports.stats;
    stats.bytes_in.fetch_add((HEADER_LEN + packet.payload.len()) as u64, Ordering::Relaxed);
    count(&stats.packets_in);
    packet.captured = match shared.clock.to_ours(packet.captured) {
        Some(captured) => captured,
        // It says itself when it was captured, and is only ever late.
        None if packet.kind == PacketKind::Station => clock::now(),
        None => {
            count(&stats.unclocked);
            return Ok(());
        }
    };
    // A closed queue is a worker that has just gone; the detach follows.
    match packet.kind {
        PacketKind::Voice | PacketKind::Station => drop(ports.voice_in.send(packet)),
        PacketKind::Picture | PacketKind::Same => drop(ports.pictures_in.send(packet)),
        PacketKind::Ack => {
            let mut ack =
                decode_ack(&packet.payload).map_err(|error| End::bad(blame(error), error))?;
            ack.arrived = shared.clock.to_ours(ack.arrived).unwrap_or(ack.arrived);
            ack.came = clock::now();
            drop(ports.acks_in.send(ack));
        }
    }
    Ok(())
}

/// Write the packets of whatever ports are attached, to the end of the session.
pub(super) async fn write_packets(write: Writer, lane: Lane, shared: Arc<Shared>) -> End {
    let mut ports = shared.ports.subscribe();
    let mut after_gap = false;
    let mut written = tokio::time::Instant::now();
    let mut sequence = 0;
    loop {
        let attached = of_lane(&ports.borrow_and_update(), lane);
        let quiet = async {
            match (&attached, lane) {
                (Some(_), Lane::Video) => tokio::time::sleep_until(written + LIFE).await,
                (None, _) | (_, Lane::Voice) => std::future::pending().await,
            }
        };
        let packet = tokio::select! {
            biased;
            changed = ports.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return End::closed(),
            },
            packet = next_packet(attached.as_deref(), lane) => packet,
            () = quiet => same_as(sequence),
        };
        let Some(ports) = &attached else { continue };
        let mut packet = packet;
        if packet.kind == PacketKind::Voice {
            if clock::now().since(packet.captured) > VOICE_LATE {
                count(&ports.stats.voice_skipped);
                after_gap = true;
                continue;
            }
            packet.after_gap |= std::mem::take(&mut after_gap);
        }
        sequence = packet.sequence;
        let bytes = packet_bytes(&packet);
        let length = bytes.len() as u64;
        let spacing = match packet.kind {
            PacketKind::Picture => ports.pictures_spacing.load(Ordering::Relaxed),
            PacketKind::Voice | PacketKind::Station | PacketKind::Ack | PacketKind::Same => 0,
        };
        let sent = match spacing {
            0 => write.send(bytes).await,
            _ => send_spaced(&write, bytes, ports).await,
        };
        if let Err(end) = sent {
            return end;
        }
        written = tokio::time::Instant::now();
        ports.stats.bytes_out.fetch_add(length, Ordering::Relaxed);
        count(&ports.stats.packets_out);
    }
}

/// Put bytes into the channel in pieces, `rate` bytes a second, which may change between two: what
/// else is on the line finds room between them.
async fn send_spaced(write: &Writer, mut bytes: Bytes, ports: &MediaPorts) -> Result<(), End> {
    let mut next = tokio::time::Instant::now();
    let mut blank = ports.pictures_blank.load(Ordering::SeqCst);
    while !bytes.is_empty() {
        let rate = ports.pictures_spacing.load(Ordering::Relaxed);
        if rate == 0 {
            return write.send(bytes).await;
        }
        let length = piece_of(bytes.len(), rate).min(bytes.len());
        write.send(bytes.split_to(length)).await?;
        let took = Duration::from_secs_f64(length as f64 / f64::from(rate));
        // The channel may have kept us: what was late is not caught up in a burst.
        next = (next + took).max(tokio::time::Instant::now() - took / 2);
        tokio::time::sleep_until(next).await;
        // The first piece has the header, without which the receiver understands nothing any more.
        let blanked = ports.pictures_blank.load(Ordering::SeqCst);
        if blanked != std::mem::replace(&mut blank, blanked) {
            bytes = vec![0; bytes.len()].into();
        }
    }
    Ok(())
}

/// The line is alive; whether the picture `sequence` is still what is seen, nobody has said.
fn same_as(sequence: u32) -> Packet {
    let (kind, captured) = (PacketKind::Same, clock::now());
    Packet { kind, sequence, captured, after_gap: true, payload: Bytes::new() }
}

fn ack_packet(ack: Ack) -> Packet {
    Packet {
        kind: PacketKind::Ack,
        sequence: ack.sequence,
        captured: ack.arrived,
        after_gap: false,
        payload: encode_ack(ack),
    }
}

/// The next packet to write on a lane, voice before acknowledgements; never without ports.
async fn next_packet(ports: Option<&MediaPorts>, lane: Lane) -> Packet {
    let Some(ports) = ports else { return std::future::pending().await };
    let next = match lane {
        Lane::Voice => tokio::select! {
            biased;
            voice = ports.voice_out.next() => voice,
            ack = ports.acks_out.next() => ack.map(ack_packet),
        },
        Lane::Video => ports.pictures_out.next().await,
    };
    match next {
        Some(packet) => packet,
        // A closed queue: nothing more comes from these ports.
        None => std::future::pending().await,
    }
}
