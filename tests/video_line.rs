//! The plain TCP line: whole pictures to slow readers, one peer after another, bad peers let go.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use twocan::clock;
use twocan::frame::{Packet, PacketKind};
use twocan::media::line::{Framing, Incoming, Outgoing, Place, Traffic};
use twocan::queue::{Queue, Received};
use twocan::stop::{Stopper, stop_pair};
use twocan::supervisor::{Restart, Supervisor};
use twocan::wire::mjpeg::Splitter;

const SOON: Restart =
    Restart::Backoff { first: Duration::from_millis(1), most: Duration::from_millis(20) };
const LONG: Option<Duration> = Some(Duration::from_secs(60));

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes with a picture's markers, its number, and a length like a real one's.
fn picture(number: u32, length: usize) -> Bytes {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xda, 0, 2];
    bytes.extend(format!("{number:08}").bytes());
    bytes.resize(length - 2, 1);
    bytes.extend([0xff, 0xd9]);
    bytes.into()
}

fn number_of(picture: &[u8]) -> u32 {
    std::str::from_utf8(&picture[6..14]).unwrap().parse().unwrap()
}

fn packet(payload: Bytes) -> Packet {
    Packet {
        kind: PacketKind::Picture,
        sequence: 0,
        captured: clock::now(),
        after_gap: false,
        payload,
    }
}

fn here() -> Place {
    Place::Listen("127.0.0.1:0".to_owned())
}

struct Receiving {
    at: SocketAddr,
    packets: Queue<Packet>,
    traffic: Arc<Traffic>,
    _supervisor: Supervisor,
}

fn receive(framing: Framing) -> Receiving {
    let (packets, traffic) = (Queue::newest_wins(100), Arc::new(Traffic::default()));
    let line = Incoming::open(here(), framing, packets.clone(), Arc::clone(&traffic)).unwrap();
    let at = line.address().unwrap();
    let mut supervisor = Supervisor::new();
    supervisor.start("line", SOON, line).unwrap();
    Receiving { at, packets, traffic, _supervisor: supervisor }
}

fn next(packets: &Queue<Packet>) -> Packet {
    let (_stopper, stop): (Stopper, _) = stop_pair();
    match packets.receive(&stop, LONG) {
        Received::Item(packet) => packet,
        other => panic!("no packet: {other:?}"),
    }
}

#[test]
fn a_reader_that_stalls_gets_whole_pictures_and_skips_the_stale_ones() {
    let (packets, traffic) = (Queue::newest_wins(1), Arc::new(Traffic::default()));
    let line =
        Outgoing::open(here(), Framing::Pictures, packets.clone(), Arc::clone(&traffic)).unwrap();
    let mut reader = TcpStream::connect(line.address().unwrap()).unwrap();
    let mut supervisor = Supervisor::new();
    supervisor.start("line", SOON, line).unwrap();
    until("the reader is connected", || traffic.peers.load(Ordering::SeqCst) == 1);
    // Nobody reads: the sender never waits, and what the sockets can't hold gives way.
    let mut sent = 0u32;
    until("stale pictures give way", || {
        packets.send(packet(picture(sent, 100_000))).unwrap();
        sent += 1;
        packets.displaced() > 200
    });
    let mut splitter = Splitter::new(512 * 1024);
    let mut bytes = [0; 64 * 1024];
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(sent - 1)) {
        let length = reader.read(&mut bytes).unwrap();
        assert!(length > 0, "the line was closed");
        splitter.push(&bytes[..length]);
        while let Some(picture) = splitter.next_picture().unwrap() {
            assert_eq!(picture.len(), 100_000);
            numbers.push(number_of(&picture));
        }
    }
    assert_eq!(splitter.skipped(), 0);
    assert!(numbers.len() < sent as usize);
    assert!(numbers.is_sorted());
    drop(supervisor);
}

#[test]
fn one_peer_after_another_is_heard() {
    let line = receive(Framing::Pictures);
    for number in 1..=3 {
        let mut peer = TcpStream::connect(line.at).unwrap();
        peer.write_all(&picture(number, 1000)).unwrap();
        assert_eq!(number_of(&next(&line.packets).payload), number);
    }
    until("three were counted", || line.traffic.peers.load(Ordering::SeqCst) == 3);
}

#[test]
fn a_reader_that_leaves_while_there_is_nothing_to_send_makes_room_for_the_next() {
    let (packets, traffic) = (Queue::newest_wins(10), Arc::new(Traffic::default()));
    let line =
        Outgoing::open(here(), Framing::Pictures, packets.clone(), Arc::clone(&traffic)).unwrap();
    let at = line.address().unwrap();
    let mut supervisor = Supervisor::new();
    let health = supervisor.start("line", SOON, line).unwrap();
    for peers in 1..=3 {
        let peer = TcpStream::connect(at).unwrap();
        until("it is served", || traffic.peers.load(Ordering::SeqCst) == peers);
        drop(peer);
    }
    let mut peer = TcpStream::connect(at).unwrap();
    until("the last one is served", || traffic.peers.load(Ordering::SeqCst) == 4);
    peer.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    // The queue is emptied for a new peer: send again until something arrives.
    until("a picture arrives", || {
        packets.send(packet(picture(1, 500))).unwrap();
        peer.read_exact(&mut [0; 500]).is_ok()
    });
    assert_eq!(health.failures(), 0);
    assert_eq!(traffic.ages().count, traffic.packets.load(Ordering::SeqCst));
}

#[test]
fn a_dialler_with_nothing_to_send_notices_that_its_peer_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (packets, traffic) = (Queue::newest_wins(10), Arc::new(Traffic::default()));
    let place = Place::Dial(at.to_string());
    let line = Outgoing::open(place, Framing::Voice, packets, traffic).unwrap();
    let mut supervisor = Supervisor::new();
    let health = supervisor.start("line", SOON, line).unwrap();
    for _ in 0..3 {
        drop(listener.accept().unwrap());
    }
    until("it says so", || health.failures() >= 3);
    assert_eq!(health.trouble().unwrap(), format!("{at} closed the line"));
}

#[test]
fn peers_that_send_garbage_or_endless_pictures_are_let_go_and_the_next_is_heard() {
    let line = receive(Framing::Pictures);
    let endless = [&[0xff, 0xd8, 0xff, 0xda, 0, 2][..], &[1; 600_000]].concat();
    for (refused, bad) in [vec![0u8; 10_000], b"hello\r\n".repeat(2000), endless].iter().enumerate()
    {
        let mut peer = TcpStream::connect(line.at).unwrap();
        // The line may be cut while we still write: that is the point.
        let _ = peer.write_all(bad);
        let gone = || line.traffic.refused.load(Ordering::SeqCst) == refused as u64 + 1;
        until("the peer is let go", gone);
        let _ = peer.shutdown(Shutdown::Both);
    }
    assert!(line.packets.is_empty());
    TcpStream::connect(line.at).unwrap().write_all(&picture(7, 1000)).unwrap();
    assert_eq!(number_of(&next(&line.packets).payload), 7);
}

#[test]
fn a_dialler_finds_a_listener_that_comes_late_and_again_when_it_returns() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    drop(taken);
    let (packets, traffic) = (Queue::newest_wins(100), Arc::new(Traffic::default()));
    let place = Place::Dial(at.to_string());
    let line =
        Incoming::open(place, Framing::Pictures, packets.clone(), Arc::clone(&traffic)).unwrap();
    let mut supervisor = Supervisor::new();
    let health = supervisor.start("line", SOON, line).unwrap();
    until("it is refused", || health.failures() > 2);
    let sentence = health.trouble().unwrap();
    assert!(sentence.starts_with(&format!("connect to {at}: Connection refused")), "{sentence}");
    let listener = TcpListener::bind(at).unwrap();
    for number in [1, 2] {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(&picture(number, 500)).unwrap();
        assert_eq!(number_of(&next(&packets).payload), number);
    }
}

#[test]
fn voice_goes_as_a_length_byte_and_a_packet_whatever_the_pieces() {
    let line = receive(Framing::Voice);
    let mut peer = TcpStream::connect(line.at).unwrap();
    peer.set_nodelay(true).unwrap();
    let long = vec![9; 255];
    let stream = [&[3, 1, 2, 3, 0, 1, 7, 255][..], &long].concat();
    for byte in &stream {
        peer.write_all(std::slice::from_ref(byte)).unwrap();
    }
    for wanted in [&[1, 2, 3][..], &[7], &long] {
        let packet = next(&line.packets);
        assert_eq!((packet.kind, &packet.payload[..]), (PacketKind::Voice, wanted));
    }
}

#[test]
fn voice_is_sent_with_its_length_and_what_has_no_length_byte_is_left_out() {
    let (packets, traffic) = (Queue::newest_wins(10), Arc::new(Traffic::default()));
    let line =
        Outgoing::open(here(), Framing::Voice, packets.clone(), Arc::clone(&traffic)).unwrap();
    let mut reader = TcpStream::connect(line.address().unwrap()).unwrap();
    let mut supervisor = Supervisor::new();
    supervisor.start("line", SOON, line).unwrap();
    until("the reader is connected", || traffic.peers.load(Ordering::SeqCst) == 1);
    // The queue is emptied for a new peer: send again until something arrives.
    reader.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut first = [0; 4];
    until("a packet arrives", || {
        packets.send(packet(vec![0; 256].into())).unwrap();
        packets.send(packet(Bytes::from_static(b"abc"))).unwrap();
        reader.read_exact(&mut first).is_ok()
    });
    assert_eq!(&first, b"\x03abc");
    assert!(traffic.too_long.load(Ordering::SeqCst) > 0);
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let line = Incoming::open(
        Place::Listen(at.clone()),
        Framing::Pictures,
        Queue::newest_wins(1),
        Arc::default(),
    );
    assert_eq!(line.map(|_| ()).unwrap_err().to_string(), format!("listen on {at}"));
}
