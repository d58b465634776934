//! What a station's sender lives through: servers that are killed, refuse, stop to read or to answer;
//! lines that are cut; names that nobody knows. Relays and kiosks: station_ways.rs.
//!
//! ```text
//!  Microphone ──> Ring ──> Sender ~~~ a fault ~~~> Server (an independent reader)
//! ```
//! Killed and back, and cut for five seconds, 50 times each, with their figures (seven minutes):
//! `TWOCAN_CUTS=50 cargo test --test station_faults -- --nocapture comes_back the_same_over`.
//! What a signal does to the process in each of its states: station_stop.rs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod station_common;

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use common::kiosk::config;
use common::net::in_a_network;
use station_common::decoder::Parser;
use station_common::server::{Got, LIMIT, Server};
use station_common::station::{Station, black_hole, loopback, named, nobody, takes_little};
use twocan::address::HostPort;
use twocan::clock;
use twocan::identity::Identity;
use twocan::station::send::{Destination, LinkEvent};
use twocan::tunnel::{PeerConfig, TunnelConfig};

/// Reconnected within this, says the specification.
const RECONNECT: Duration = Duration::from_secs(10);

/// Whoever measures this process is alone in it.
static ALONE: RwLock<()> = RwLock::new(());

/// How often the long ones are repeated.
fn cuts(short: u32) -> u32 {
    std::env::var("TWOCAN_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(short)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (least, middle, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    eprintln!(
        "{what}, {} times: {least:.2?} at least, {middle:.2?} mostly, {most:.2?} at most",
        times.len()
    );
    assert!(most < RECONNECT, "{what}: {times:?}");
}

fn shared() -> std::sync::RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(PoisonError::into_inner)
}

fn killed_and_back(
    to: fn(SocketAddr) -> Destination,
    serve: fn(SocketAddr) -> Server,
    at: SocketAddr,
) {
    let mut server = serve(at);
    let address = server.address;
    let mut station = Station::start(to(address));
    let mut all = HashSet::new();
    let mut times = Vec::new();
    for turn in 0..cuts(5) {
        station.wait_streaming();
        let got = server.wait_more(25);
        assert!(got.iter().all(|got| all.insert(got.sequence)), "nothing comes twice");
        drop(server);
        let gone = clock::now();
        // Away for 0.1 to 3 seconds.
        std::thread::sleep(Duration::from_millis(100 + u64::from(turn * 7 % 30) * 100));
        let again = Instant::now();
        server = serve(address);
        let back = server.wait("a datagram", |got| !got.is_empty())[0].at;
        times.push(again.elapsed());
        station.check_young(gone, back, &server.wait_more(120));
    }
    report("server killed and back", times);
    station.stop();
}

#[test]
fn a_server_that_is_killed_and_comes_back_gets_all_that_is_young() {
    let _with_others = shared();
    killed_and_back(|at| Destination::Tcp(named(at)), Server::tcp, loopback());
}

#[test]
fn the_same_over_ipv6() {
    let _with_others = shared();
    let v6 = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0));
    killed_and_back(|at| Destination::Tcp(named(at)), Server::tcp, v6);
}

#[test]
fn the_same_over_udp() {
    let _with_others = shared();
    let mut server = Server::udp(loopback());
    let address = server.address;
    let mut station = Station::start(Destination::Udp(named(address)));
    for _ in 0..2 {
        station.wait_streaming();
        server.wait_more(25);
        drop(server);
        let sentence = station.wait_lost();
        assert!(sentence.contains("refused"), "{sentence}");
        let gone = clock::now();
        station.wait_lost();
        server = Server::udp(address);
        let back = server.wait("a datagram", |got| !got.is_empty())[0].at;
        station.check_young(gone, back, &server.wait_more(120));
    }
    station.stop();
}

#[test]
fn a_line_that_is_cut_for_five_seconds_comes_back_with_all_that_is_young() {
    let _with_others = shared();
    in_a_network(|network| {
        let server = Server::tcp(loopback());
        let mut station = Station::tcp(server.address);
        station.wait_streaming();
        let mut times = Vec::new();
        let mut twice = 0;
        for _ in 0..cuts(2) {
            let before = server.wait_more(50);
            let last = before.last().unwrap().connection;
            network.drop_packets("meta l4proto tcp");
            let gone = clock::now();
            std::thread::sleep(Duration::from_secs(5));
            network.heal();
            let healed = clock::now();
            let new = |got: &[Got]| got.iter().position(|got| got.connection > last);
            let got = server.wait("a new connection", |got| new(got).is_some());
            let back = got[new(&got).unwrap()].at;
            times.push(back.since(healed));
            let got = server.wait_more(150);
            station.check_young(gone, back, &got);
            let old: HashSet<u16> = before.iter().map(|got| got.sequence).collect();
            twice +=
                got[new(&got).unwrap()..].iter().filter(|got| old.contains(&got.sequence)).count();
        }
        report("line cut for 5 s", times);
        eprintln!("datagrams that came twice, their acknowledgement being cut: {twice}");
        station.stop();
    });
}

#[test]
fn a_server_that_reads_nothing_is_left_and_no_datagram_is_begun_twice() {
    let _with_others = shared();
    let listener = takes_little();
    let station = Station::tcp(listener.local_addr().unwrap());
    let (mut first, _) = listener.accept().unwrap();
    station.wait_lost();
    let (mut second, _) = listener.accept().unwrap();
    let mut old = Vec::new();
    // A reset at its end is no matter.
    let _ = first.read_to_end(&mut old);
    let old = Parser::default().push(&old);
    let mut parser = Parser::default();
    let mut buffer = [0; 5000];
    let mut new = Vec::new();
    while new.len() < 50 {
        let length = second.read(&mut buffer).unwrap();
        assert!(length > 0, "the second connection stays");
        new.extend(parser.push(&buffer[..length]));
    }
    assert!(new.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    let old: HashSet<u16> = old.iter().map(|block| block.sequence).collect();
    assert!(new.iter().all(|block| !old.contains(&block.sequence)), "nothing comes twice");
}

#[test]
fn a_sender_that_panics_is_begun_anew_and_what_waited_for_it_goes() {
    let _with_others = shared();
    let server = Server::tcp(loopback());
    let panicked = AtomicBool::new(false);
    let mut station = Station::start_with(Destination::Tcp(named(server.address)), move |event| {
        let first = *event == LinkEvent::Streaming && !panicked.swap(true, Ordering::SeqCst);
        assert!(!first, "a fault of ours, made by this test");
    });
    // The one that panicked told nobody that it streams.
    assert_eq!(station.wait_lost(), "the sender began anew");
    assert_eq!((station.panics(), station.stats().lost.load(Ordering::Relaxed)), (1, 1));
    station.wait_streaming();
    let got = server.wait_more(50);
    assert!(got.iter().any(|got| got.connection == 1), "on a connection of its own");
    station.stop();
}

#[test]
fn a_server_that_talks_without_an_end_hears_us_all_the_same() {
    let _with_others = shared();
    let listener = TcpListener::bind(loopback()).unwrap();
    let mut station = Station::tcp(listener.local_addr().unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    let mut mouth = stream.try_clone().unwrap();
    let talks = std::thread::Builder::new()
        .name("talks".to_owned())
        .spawn(move || while mouth.write_all(&[7; 65_536]).is_ok() {});
    let (mut parser, mut buffer, mut came) = (Parser::default(), [0; 5000], Vec::new());
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    while came.len() < 150 {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the connection stays");
        came.extend(parser.push(&buffer[..length]));
    }
    assert!(came.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    assert!(station.stats().junk.load(Ordering::Relaxed) > 1_000_000);
    station.stop();
    drop(stream);
    talks.unwrap().join().unwrap();
}

#[test]
fn a_server_that_never_answers_is_served_all_the_same() {
    let _with_others = shared();
    let server = Server::mute(loopback());
    let station = Station::tcp(server.address);
    // Eight seconds: longer than any silence that a server which is gone gets.
    let got = server.wait_more(400);
    assert!(got.iter().all(|got| got.connection == 0));
    assert!(got.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    assert_eq!(station.stats().answers.load(Ordering::Relaxed), 0);
}

#[test]
fn a_server_that_stops_to_answer_is_left() {
    let _with_others = shared();
    let server = Server::tcp(loopback());
    let station = Station::tcp(server.address);
    station.wait_streaming();
    server.set_answers(false);
    let sentence = station.wait_lost();
    assert!(sentence.contains("does not answer any more"), "{sentence}");
    server.set_answers(true);
    station.wait_streaming();
}

/// What the thread `send` has had of the processor so far.
fn processor_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let senders = tasks.filter(|task| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "send")
    });
    let times = senders.map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(times.sum())
}

#[test]
fn nobody_there_costs_less_than_a_hundredth_of_a_core() {
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    let station = Station::tcp(nobody());
    let sentence = station.wait_failed();
    assert!(sentence.contains("refused"), "{sentence}");
    let (before, began) = (processor_time(), Instant::now());
    (0..3).for_each(|_| drop(station.wait_failed()));
    let share = (processor_time() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    eprintln!("refused: {:.3} % of a core", share * 100.0);
    assert!(share < 0.01, "{share}");
}

#[test]
fn a_name_is_looked_up_each_time_and_found_when_it_is_known_and_where_it_has_moved() {
    let _with_others = shared();
    in_a_network(|network| {
        let folder = tempfile::tempdir().unwrap();
        let names = network.names(folder.path(), "127.0.0.1 localhost\n");
        let server = Server::tcp(loopback());
        let to = HostPort { host: "chuffs.test".parse().unwrap(), port: server.address.port() };
        let station = Station::start(Destination::Tcp(to));
        for _ in 0..2 {
            let sentence = station.wait_failed();
            assert!(sentence.starts_with("no address for chuffs.test:"), "{sentence}");
        }
        assert!(station.stats().unresolved.load(Ordering::Relaxed) >= 2);
        fs::write(&names, "127.0.0.1 chuffs.test\n").unwrap();
        station.wait_streaming();
        let moved = SocketAddr::from(([127, 0, 0, 2], server.address.port()));
        drop(server);
        let server = Server::tcp(moved);
        fs::write(&names, "127.0.0.2 chuffs.test\n").unwrap();
        server.wait_more(25);
    });
}

#[test]
fn the_sender_ends_at_once_in_every_state_and_the_last_datagram_is_whole() {
    let _with_others = shared();
    let mut took = Vec::new();
    let mut ends = |what: &'static str, station: &mut Station| took.push((what, station.stop()));
    let server = Server::tcp(loopback());
    let mut station = Station::tcp(server.address);
    station.wait_streaming();
    ends("streaming", &mut station);
    let got = server.got();
    let last = got.last().unwrap().sequence;
    assert!(got.iter().map(|got| got.sequence).eq(0..=last), "whole and in order");

    let mute = Server::mute(loopback());
    let mut station = Station::tcp(mute.address);
    mute.wait_more(5);
    ends("online", &mut station);

    let mut station = Station::tcp(nobody());
    station.wait_failed();
    ends("in a pause", &mut station);

    let (_socket, hole, _queued) = black_hole();
    let mut station = Station::tcp(hole);
    station.wait("attempt", |event| *event == LinkEvent::Connecting);
    ends("connecting", &mut station);

    let contact = PeerConfig {
        key: Identity::generate().public(),
        direct: vec![nobody().to_string()],
        via_relay: false,
        place: None,
    };
    let key = contact.key;
    let tunnel =
        TunnelConfig { contacts: vec![contact], ..config(&Identity::generate(), "Garden") };
    let mut station = Station::start(Destination::Kiosk { tunnel: Box::new(tunnel), key });
    station.wait_failed();
    ends("without a contact", &mut station);
    eprintln!("the sender, to its end: {took:.2?}");
}
