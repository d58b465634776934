//! A rogue who is in a call: it answers pings, takes what comes, and sends what it likes as voice and
//! pictures.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelWriteHalf};
use twocan::clock;
use twocan::frame::{Packet, PacketKind};
use twocan::identity::Identity;
use twocan::wire::packet::Header;
use twocan::wire::signal::Signal;

use super::rogue::Rogue;

/// It, and its streams.
pub struct Caller {
    _session: Rogue,
    control: Arc<ChannelWriteHalf<Msg>>,
    voice: ChannelWriteHalf<Msg>,
    pictures: ChannelWriteHalf<Msg>,
    heard: Arc<Mutex<Vec<Signal>>>,
    sequence: u32,
}

/// Take everything that comes on a stream, so that its other end is never kept waiting.
fn drained(channel: Channel<Msg>) -> ChannelWriteHalf<Msg> {
    let (mut read, write) = channel.split();
    tokio::spawn(async move { while read.wait().await.is_some() {} });
    write
}

impl Caller {
    /// Log in, call, be answered.
    pub async fn calls(door: std::net::SocketAddr, identity: &Identity, call: u64) -> Caller {
        let session = Rogue::enter(door, identity).await;
        let (mut read, control) = session.greet().await.split();
        let (control, heard) = (Arc::new(control), Arc::<Mutex<Vec<Signal>>>::default());
        let (answers, notes) = (Arc::clone(&control), Arc::clone(&heard));
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while let Some(message) = read.wait().await {
                let ChannelMsg::Data { data } = message else { continue };
                bytes.extend_from_slice(&data);
                while let Some(signal) = first_signal(&mut bytes) {
                    if let Signal::Ping { id, sent, .. } = signal {
                        let pong = Signal::Pong { id, sent, received: clock::now().micros() };
                        // The session may be over.
                        let _ = answers.data_bytes(pong.encode()).await;
                    }
                    notes.lock().unwrap().push(signal);
                }
            }
        });
        let voice = drained(session.open("twocan-audio").await.unwrap());
        let pictures = drained(session.open("twocan-video").await.unwrap());
        let mut caller = Caller { _session: session, control, voice, pictures, heard, sequence: 0 };
        caller.say(Signal::Invite { call }).await;
        caller.until("the answer", |signal| matches!(signal, Signal::Accept { .. })).await;
        caller
    }

    /// Say something.
    pub async fn say(&mut self, signal: Signal) {
        self.control.data_bytes(signal.encode()).await.unwrap();
    }

    /// Wait for a signal.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Signal) -> bool) {
        let found = async {
            while !self.heard.lock().unwrap().iter().any(&wanted) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(super::victim::LIMIT, found).await;
        found.unwrap_or_else(|_| panic!("no {what}; heard {:?}", self.heard.lock().unwrap()));
    }

    /// Send a voice packet or a picture, captured now.
    pub async fn send(&mut self, kind: PacketKind, payload: &[u8]) {
        self.sequence += 1;
        let (sequence, captured) = (self.sequence, clock::now());
        let payload = bytes::Bytes::copy_from_slice(payload);
        let packet = Packet { kind, sequence, captured, after_gap: false, payload };
        let bytes = [&Header::of(&packet).encode(), &packet.payload[..]].concat();
        let stream = match kind {
            PacketKind::Voice | PacketKind::Station | PacketKind::Ack => &self.voice,
            PacketKind::Picture | PacketKind::Same => &self.pictures,
        };
        stream.data_bytes(bytes).await.expect("the call goes on");
    }
}

fn first_signal(bytes: &mut Vec<u8>) -> Option<Signal> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    if bytes.len() < 4 + length {
        return None;
    }
    let signal = Signal::decode(&bytes[4..4 + length]).unwrap();
    bytes.drain(..4 + length);
    Some(signal)
}
