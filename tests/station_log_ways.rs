//! A station's logs on ways where little is known of the far end: through a relay, over a slow line, and
//! from a station that hears nothing.
//!
//! ```text
//!  folder ── ssh -L, sshd ──> twocan log-receive, one that says nothing, one that resets
//! ```
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::sshd::Sshd;
use twocan::identity::Identity;
use twocan::station::log::{Connect, Event, Log, Receiver, direct, relayed};
use twocan::stop::stop_pair;
use twocan::supervisor::Supervisor;
use twocan::wire::event_log::{RECORD_LEN, Record};

/// However slow the machine is, by now it has happened or it never will.
const PATIENCE: Duration = Duration::from_secs(90);

fn file(folder: &Path) -> PathBuf {
    folder.join("0000.log")
}

/// What a station left, at least `length` bytes of it.
fn earlier(folder: &Path, length: u64) -> Vec<u8> {
    let mut supervisor = Supervisor::new();
    let log = Log::open(Some(folder), &mut supervisor).unwrap();
    log.note(Event::PcmStart, 1);
    supervisor.stop();
    let about = fs::metadata(file(folder)).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(file(folder))
        .unwrap()
        .set_len(length.max(about.len()))
        .unwrap();
    fs::read(file(folder)).unwrap()
}

/// A station that runs and uploads by `connect`.
fn station(folder: &Path, connect: Connect) -> (Supervisor, Log) {
    let mut supervisor = Supervisor::new();
    let log = Log::open(Some(folder), &mut supervisor).unwrap();
    log.upload_to("the log server", connect, &mut supervisor).unwrap();
    (supervisor, log)
}

/// The same through `sshd`, connected with its sound server.
fn behind(sshd: &Sshd, identity: &Identity, folder: &Path, to: SocketAddr) -> (Supervisor, Log) {
    let connect = relayed(to.to_string().parse().unwrap(), sshd.relay(), identity);
    let running = station(folder, connect);
    running.1.note(Event::AudioServerConnected, 0);
    running
}

fn relay() -> (Sshd, Identity) {
    let identity = Identity::generate();
    (Sshd::start(&[identity.public()]), identity)
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the station that runs has noted.
fn noted(folder: &Path, event: Event) -> bool {
    let bytes = fs::read(folder.join("0001.log")).unwrap_or_default();
    bytes.as_chunks::<RECORD_LEN>().0.iter().any(|one| Record::decode(one).event == event.number())
}

/// A log server of somebody else's, which gets one connection.
fn server(each: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::Builder::new().spawn(move || each(listener.accept().unwrap().0)).unwrap();
    address
}

#[test]
fn behind_a_relay_our_receiver_says_that_it_has_a_log() {
    let (place, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent = earlier(place.path(), 300_000);
    let (sshd, identity) = relay();
    let receiver = Receiver::open("127.0.0.1:0".parse().unwrap(), out.path()).unwrap();
    let address = receiver.address().unwrap();
    let (stopper, stop) = stop_pair();
    let thread = thread::Builder::new().spawn(move || receiver.run(&stop)).unwrap();
    let (mut supervisor, log) = behind(&sshd, &identity, place.path(), address);
    until("it is uploaded and gone", || {
        log.counters().uploaded == 1 && !file(place.path()).exists()
    });
    until("the relay is rid of the session while the station runs", || sshd.sessions() == 0);
    supervisor.stop();
    drop(stopper);
    thread.join().unwrap();
    let raw = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().path());
    let raw: Vec<PathBuf> = raw.filter(|p| p.extension().is_some_and(|e| e == "raw")).collect();
    assert_eq!(raw.len(), 1);
    assert!(fs::read(&raw[0]).unwrap() == sent);
}

#[test]
fn behind_a_relay_one_that_says_nothing_and_stays_has_it_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let sent = earlier(place.path(), 0);
    let (sshd, identity) = relay();
    let (said, heard) = mpsc::channel();
    let address = server(move |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        said.send((all, stream)).unwrap();
    });
    let (mut supervisor, log) = behind(&sshd, &identity, place.path(), address);
    let (all, _open) = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(all, sent);
    until("it is gone", || log.counters().uploaded == 1 && !file(place.path()).exists());
    supervisor.stop();
}

#[test]
fn a_reset_behind_a_relay_looks_like_an_end_and_deletes_nothing() {
    let place = tempfile::tempdir().unwrap();
    earlier(place.path(), 0);
    let (sshd, identity) = relay();
    let address = server(|mut stream| {
        // What is left unread makes it a reset.
        stream.read_exact(&mut [0; 10]).unwrap();
    });
    let (mut supervisor, log) = behind(&sshd, &identity, place.path(), address);
    until("the failure is noted", || noted(place.path(), Event::SendFailure));
    supervisor.stop();
    assert!(file(place.path()).exists());
    assert_eq!(log.counters().uploaded, 0);
}

/// A way to `relay` that swallows all but the first bytes of a session: there is a machine that
/// acknowledges them, and a process that reads nothing any more. It ends when `told` does.
fn frozen(relay: SocketAddr, told: mpsc::Receiver<()>) -> SocketAddr {
    server(move |mut near| {
        let mut far = TcpStream::connect(relay).unwrap();
        let (mut back, mut to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let answers = move || std::io::copy(&mut back, &mut to);
        thread::Builder::new().spawn(answers).unwrap();
        // More than a login has, and less than the log.
        std::io::copy(&mut (&mut near).take(15_000), &mut far).unwrap();
        let (mut rest, end) = (near.try_clone().unwrap(), near);
        thread::Builder::new()
            .spawn(move || std::io::copy(&mut rest, &mut std::io::sink()))
            .unwrap();
        let _ = told.recv();
        let _ = end.shutdown(Shutdown::Both);
    })
}

#[test]
fn a_log_that_a_frozen_relay_has_swallowed_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let length = earlier(place.path(), 60_000).len();
    let (sshd, identity) = relay();
    let (said, heard) = mpsc::channel();
    let address = server(move |mut stream| {
        let mut came = Vec::new();
        let _ = stream.read_to_end(&mut came);
        said.send(came.len()).unwrap();
    });
    let (thaw, told) = mpsc::channel();
    let mut by = sshd.relay();
    by.port = frozen(SocketAddr::from(([127, 0, 0, 1], by.port)), told).port();
    let connect = relayed(address.to_string().parse().unwrap(), by, &identity);
    let (mut supervisor, log) = station(place.path(), connect);
    log.note(Event::AudioServerConnected, 0);
    until("it is sent", || noted(place.path(), Event::LogUploadStarting));
    // Longer than a silent server is waited for.
    thread::sleep(Duration::from_secs(14));
    drop(thaw);
    until("the failure is noted", || noted(place.path(), Event::SendFailure));
    supervisor.stop();
    assert!(file(place.path()).exists());
    assert_eq!(log.counters().uploaded, 0);
    drop(sshd);
    assert!(heard.recv_timeout(PATIENCE).unwrap() < length);
}

/// How many reads of a log that comes over a slow line do not end where a record does.
fn cuts_on_a_slow_line() -> usize {
    let place = tempfile::tempdir().unwrap();
    let length = earlier(place.path(), 400_000).len();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = socket2::SockRef::from(&listener);
    socket.set_recv_buffer_size(20_000).unwrap();
    // Segments of an Ethernet, which no number of records fits.
    nix::sys::socket::setsockopt(&listener, nix::sys::socket::sockopt::TcpMaxSeg, &1448).unwrap();
    let address = listener.local_addr().unwrap();
    let (mut supervisor, log) = station(place.path(), direct(address.to_string().parse().unwrap()));
    log.note(Event::AudioServerConnected, 0);
    let (mut stream, _) = listener.accept().unwrap();
    let (mut came, mut cuts) = (0, 0);
    let mut piece = vec![0; 1 << 20];
    while let length @ 1.. = stream.read(&mut piece).unwrap() {
        came += length;
        cuts += usize::from(length % RECORD_LEN != 0);
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(came, length);
    drop(stream);
    supervisor.stop();
    cuts
}

#[test]
fn a_slow_line_cuts_no_record() {
    // Where the reader is kept from reading, the sender's kernel probes the full window with what fits.
    let cuts: Vec<usize> =
        (0..3).map(|_| cuts_on_a_slow_line()).take_while(|cuts| *cuts > 0).collect();
    assert!(cuts.len() < 3, "{cuts:?}");
}

#[test]
fn a_station_that_hears_nothing_sends_its_logs_before_it_is_started_anew() {
    let place = tempfile::tempdir().unwrap();
    earlier(place.path(), 0);
    let (said, heard) = mpsc::channel();
    let address = server(move |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        said.send(()).unwrap();
    });
    let (mut supervisor, _log) =
        station(place.path(), direct(address.to_string().parse().unwrap()));
    heard.recv_timeout(Duration::from_secs(50)).unwrap();
    supervisor.stop();
}
