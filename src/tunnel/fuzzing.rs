//! The tunnel's entries for hostile bytes, for the fuzz targets in fuzz/ (feature `fuzzing`).
//!
//! ```text
//!  signals, packets   a stream's bytes, in pieces ─> the cutters
//!  door               what a client sends in clear ─> a real door
//!  visitor            a script ─> an honest client with a contact's key ─> a real door and its streams
//!  dial               what a door or relay sends in clear ─> our client
//! ```
//! Each returns when the session is over and every task of it has ended; what would hang or stay is a
//! panic. What they promise beyond not panicking, they assert.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use russh::Channel;
use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};

use super::client::{Greeting, greet};
use super::control::Control;
use super::door::{Door, Subsystem, USER};
use super::framing::{PacketCutter, SignalCutter, packet_bytes};
use super::options::Lane;
use super::road::{Pulse, Road};
use super::runtime::{News, Opened};
use super::streams::{Shared, Stream, read_packets, write_packets};
use super::{Counters, MediaPorts};
use crate::frame::{Packet, PacketKind};
use crate::identity::Identity;
use crate::known_hosts::Trusted;
use crate::wire::packet::{PICTURE_LIMIT, decode_ack};
use crate::wire::signal::{Media, SIGNAL_LIMIT, Signal, VERSION, clean_name};

/// Longer than any patience of ours: what takes so long hangs.
const HANGS: Duration = Duration::from_secs(30);
/// More than either end sends before it is logged in.
const ROOM: usize = 1 << 20;

/// `data` in pieces whose length its first byte says.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (length, rest) = data.split_first().map_or((1, data), |(first, rest)| (*first, rest));
    rest.chunks(usize::from(length).max(1))
}

/// The control stream's bytes.
pub fn signals(data: &[u8]) {
    let mut cutter = SignalCutter::default();
    for piece in pieces(data) {
        cutter.push(piece);
        loop {
            match cutter.next() {
                Ok(Some(signal)) => said(&signal),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(cutter.held() <= 4 + SIGNAL_LIMIT, "a signal in the making is within its limit");
    }
}

/// What goes out again as it came in, but for what a later version added.
fn said(signal: &Signal) {
    if let Signal::Hello { name, .. } = signal {
        assert!(clean_name(name).chars().count() <= crate::name::NAME_LIMIT);
    }
    let bytes = signal.encode();
    let again = Signal::decode(&bytes[4..]).expect("what we write can be read");
    assert_eq!(*signal, again);
}

/// The bytes of a media stream.
pub fn packets(data: &[u8]) {
    let mut cutter = PacketCutter::default();
    for piece in pieces(data) {
        cutter.push(piece);
        loop {
            match cutter.next() {
                Ok(Some(packet)) => {
                    assert!(packet.payload.len() <= PICTURE_LIMIT);
                    if packet.kind == PacketKind::Ack {
                        let _ = decode_ack(&packet.payload);
                    }
                    let mut again = PacketCutter::default();
                    again.push(&packet_bytes(&packet));
                    assert_eq!(again.next(), Ok(Some(packet)));
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// The keys of all runs: Anna dials, Bert's is the door.
fn keys() -> &'static [Identity; 3] {
    static KEYS: OnceLock<[Identity; 3]> = OnceLock::new();
    KEYS.get_or_init(|| std::array::from_fn(|_| Identity::generate()))
}

/// Run `work` to its end, and everything that it started.
fn run<T>(work: impl Future<Output = T>) -> T {
    // Where all wait, time passes at once: a refusal takes its second, and none of ours.
    let mut tokio = tokio::runtime::Builder::new_current_thread();
    let tokio = tokio.enable_all().start_paused(true).build();
    let tokio = tokio.expect("a runtime can be had");
    let done = tokio.block_on(async {
        let done = tokio::time::timeout(HANGS, work).await.expect("it hangs");
        let mut waited = Duration::ZERO;
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            assert!(waited < HANGS, "a task stays behind");
            tokio::time::sleep(Duration::from_millis(1)).await;
            waited += Duration::from_millis(1);
        }
        done
    });
    tokio.shutdown_background();
    done
}

/// A door for Anna, and what it reports.
fn door_for_anna() -> (Arc<Door>, mpsc::Receiver<News>) {
    let (news, reported) = mpsc::channel(256);
    let [anna, bert, _] = keys();
    let door = Arc::new(Door::new(bert.private_key().clone(), news, Arc::<Counters>::default()));
    door.set_contacts(HashSet::from([anna.public()]));
    (door, reported)
}

fn road() -> Road {
    Road::direct("nowhere".to_owned(), Err(std::io::Error::other("nowhere")), Pulse::default())
}

/// All of `data`, and then nothing more; what the other end says is thrown away.
async fn pour(stream: DuplexStream, data: &[u8]) {
    let (mut read, mut write) = tokio::io::split(stream);
    // The other end may have gone before the end of it.
    let _ = write.write_all(data).await;
    let _ = write.shutdown().await;
    let _ = read.read_to_end(&mut Vec::new()).await;
}

/// What a client sends to a door before anything is encrypted.
pub fn door(data: &[u8]) {
    run(async {
        let (far, near) = tokio::io::duplex(ROOM);
        let (door, _news) = door_for_anna();
        tokio::join!(pour(far, data), door.serve(near, road()));
    });
}

/// What a door or a relay sends to us before anything is encrypted.
pub fn dial(data: &[u8]) {
    run(async {
        let (far, near) = tokio::io::duplex(ROOM);
        let host_key = keys()[1].public().public_key();
        let (lane, counters) = (Lane::Voice, &Arc::default());
        let trusted = Trusted::only(host_key, "the contact");
        let whom = Greeting { who: "bert", trusted, lane, forward: None, counters };
        let (_, greeted) = tokio::join!(pour(far, data), greet(near, whom));
        assert!(greeted.is_err(), "nobody has Bert's key");
    });
}

/// Believes any door.
struct Gullible;

impl client::Handler for Gullible {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Take the streams that come through the door as the runtime does, until its end.
async fn serve_streams(mut news: mpsc::Receiver<News>, ports: Option<MediaPorts>) {
    let (_metered, metered) = watch::channel(false);
    let shared = Arc::new(Shared::new(metered, Pulse::default(), Arc::default()));
    shared.ports.send_replace(ports.map(Arc::new));
    let (told, mut heard) = mpsc::channel(256);
    let mut streams = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            said = news.recv() => match said {
                Some(News::Opened(opened)) => {
                    streams.spawn(serve_stream(opened, Arc::clone(&shared), told.clone()));
                }
                Some(_) => {}
                None => break,
            },
            Some(_) = heard.recv() => {}
            Some(ended) = streams.join_next() => ended.expect("a stream's task does not panic"),
        }
    }
}

/// One stream; its session ends with it.
async fn serve_stream(opened: Opened, shared: Arc<Shared>, told: mpsc::Sender<News>) {
    let Opened { peer, session, cut, road, subsystem, stream: Stream { read, write }, .. } = opened;
    if subsystem == Subsystem::Control {
        let control = Arc::new(Control::new(peer, session, hello("Bert"), shared, told));
        tokio::select! {
            _ = Arc::clone(&control).read(read) => {}
            _ = Arc::clone(&control).write(write) => {}
        }
    } else {
        let lane = if subsystem == Subsystem::Audio { Lane::Voice } else { Lane::Video };
        tokio::select! {
            _ = read_packets(read, lane, Arc::clone(&shared), road.pulse) => {}
            _ = write_packets(write, lane, shared) => {}
        }
    }
    cut.cut();
}

fn hello(name: &str) -> Signal {
    Signal::Hello { version: VERSION, name: name.to_owned(), media: Media::default() }
}

/// What a client with a contact's key (or, where the first byte is 7, a stranger's) does at the door: one
/// byte says what, the next on which channel, more are what it needs.
pub fn visitor(data: &[u8]) {
    let (first, script) = data.split_first().map_or((0, data), |(first, rest)| (*first, rest));
    // A refusal takes a second, whoever asks: seldom.
    let who = &keys()[if first == 7 { 2 } else { 0 }];
    let ports = (first & 8 != 0).then(MediaPorts::new);
    run(async {
        let (far, near) = tokio::io::duplex(64 * 1024);
        let (door, news) = door_for_anna();
        tokio::join!(act(far, who, script), door.serve(near, road()), serve_streams(news, ports));
    });
}

/// Steps of a script that are taken; each costs a round of encryption.
const STEPS: usize = 48;

async fn act(stream: DuplexStream, who: &Identity, script: &[u8]) {
    let config = Arc::<client::Config>::default();
    let Ok(mut session) = client::connect_stream(config, stream, Gullible).await else { return };
    let key = PrivateKeyWithHashAlg::new(Arc::new(who.private_key().clone()), None);
    let logged_in = session.authenticate_publickey(USER, key).await;
    if !logged_in.is_ok_and(|login| login.success()) {
        return;
    }
    let mut script = Script(script);
    let mut channels: Vec<Channel<Msg>> = Vec::new();
    for _ in 0..STEPS {
        let Some(step) = script.byte() else { break };
        if step % 16 == 0 || channels.is_empty() {
            // Refused, or the session is over.
            match session.channel_open_session().await {
                Ok(channel) => channels.push(channel),
                Err(russh::Error::ChannelOpenFailure(_)) => {}
                Err(_) => break,
            }
            continue;
        }
        let which = usize::from(script.byte().unwrap_or(0)) % channels.len();
        if take_step(&mut session, &channels[which], step, &mut script).await.is_none() {
            break;
        }
    }
    let end = session.disconnect(russh::Disconnect::ByApplication, "", "").await;
    // The door may have ended it before.
    drop(end);
}

/// `None`: the session is over.
async fn take_step(
    session: &mut Handle<Gullible>,
    channel: &Channel<Msg>,
    step: u8,
    script: &mut Script<'_>,
) -> Option<()> {
    let subsystem = |which: Subsystem| channel.request_subsystem(true, which.name());
    let done = match step % 16 {
        1 => subsystem(Subsystem::Control).await,
        2 => subsystem(Subsystem::Audio).await,
        3 => subsystem(Subsystem::Video).await,
        4 | 5 => channel.data_bytes(script.bytes()).await,
        6 => channel.data_bytes(hello("Anna").encode()).await,
        7 => channel.data_bytes(signal(script.byte()?).encode()).await,
        8 => channel.data_bytes(media(script.byte()?, script.bytes())).await,
        9 => channel.eof().await,
        10 => channel.close().await,
        11 => channel.exec(true, script.bytes().to_vec()).await,
        12 => channel.request_pty(true, "vt100", 80, 24, 0, 0, &[]).await,
        13 => match script.byte()? % 5 {
            0 => channel.request_shell(true).await,
            1 => channel.set_env(true, "LANG", "C").await,
            2 => channel.agent_forward(true).await,
            3 => channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await,
            _ => channel.request_subsystem(true, String::from_utf8_lossy(&script.bytes())).await,
        },
        14 => match script.byte()? % 4 {
            0 => refused(session.channel_open_direct_tcpip("127.0.0.1", 22, "::1", 1).await),
            1 => refused(session.channel_open_direct_streamlocal("/run/dbus").await),
            2 => refused(session.tcpip_forward("127.0.0.1", 0).await),
            _ => refused(session.streamlocal_forward("/tmp/no").await),
        },
        _ => channel.extended_data_bytes(1, script.bytes()).await,
    };
    done.ok()
}

/// What the door refuses must not be granted; a session that is over grants nothing either.
fn refused<T>(granted: Result<T, russh::Error>) -> Result<(), russh::Error> {
    match granted {
        Ok(_) => panic!("the door has forwarded"),
        Err(russh::Error::ChannelOpenFailure(_) | russh::Error::RequestDenied) => Ok(()),
        Err(error) => Err(error),
    }
}

fn signal(which: u8) -> Signal {
    match which % 6 {
        0 => Signal::Invite { call: which.into() },
        1 => Signal::Ping { id: 1, sent: 2, metered: which > 128 },
        2 => Signal::Pong { id: 1, sent: 2, received: 3 },
        3 => Signal::Resume { call: u64::MAX },
        4 => Signal::Hide { picture: true, sound: which > 128 },
        _ => Signal::Unknown,
    }
}

fn media(which: u8, payload: Bytes) -> Bytes {
    let kinds = [PacketKind::Voice, PacketKind::Picture, PacketKind::Ack, PacketKind::Same];
    let (kind, captured) = (kinds[usize::from(which % 4)], crate::clock::now());
    packet_bytes(&Packet { kind, sequence: which.into(), captured, after_gap: false, payload })
}

/// The rest of a script.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many as the next byte says, if there are so many.
    fn bytes(&mut self) -> Bytes {
        let length = usize::from(self.byte().unwrap_or(0)).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Bytes::copy_from_slice(bytes)
    }
}

/// What an honest client and a door say to each other, to begin with: seeds for [`door`] and [`dial`].
pub fn recorded() -> [Vec<u8>; 2] {
    run(async {
        let (far, mut left) = tokio::io::duplex(ROOM);
        let (mut right, near) = tokio::io::duplex(ROOM);
        let (door, _news) = door_for_anna();
        let tape = async {
            let (mut said, mut answered) = (Vec::new(), Vec::new());
            let (mut one, mut other) = (vec![0; 32 * 1024], vec![0; 32 * 1024]);
            loop {
                tokio::select! {
                    read = left.read(&mut one) => match read {
                        Ok(length @ 1..) if right.write_all(&one[..length]).await.is_ok() => {
                            said.extend_from_slice(&one[..length]);
                        }
                        _ => break,
                    },
                    read = right.read(&mut other) => match read {
                        Ok(length @ 1..) if left.write_all(&other[..length]).await.is_ok() => {
                            answered.extend_from_slice(&other[..length]);
                        }
                        _ => break,
                    },
                }
            }
            drop((left, right));
            [said, answered]
        };
        let (_, _, tape) = tokio::join!(act(far, &keys()[0], &[]), door.serve(near, road()), tape);
        tape
    })
}
