//! A station's logs on their way: from its folder to a log server, ours or another one, and every way
//! in which that goes wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use twocan::station::log::{Event, Log, Receiver, Tally, direct};
use twocan::stop::{Stopper, stop_pair};
use twocan::supervisor::Supervisor;
use twocan::wire::event_log::{Lines, RECORD_LEN, Record, TAKEN};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a station left: `number`.log in `folder`, with a few events.
fn earlier(folder: &Path, number: u16, parameter: u32) -> Vec<u8> {
    let mut supervisor = Supervisor::new();
    let log = Log::open(Some(folder), &mut supervisor).unwrap();
    log.note(Event::PcmStart, parameter);
    log.note(Event::PcmOverrun, parameter + 1);
    supervisor.stop();
    fs::read(file(folder, number)).unwrap()
}

fn file(folder: &Path, number: u16) -> PathBuf {
    folder.join(format!("{number:04}.log"))
}

/// A station that runs, is connected with its sound server, and uploads to `server`.
fn station(folder: &Path, server: SocketAddr) -> (Supervisor, Log) {
    let mut supervisor = Supervisor::new();
    let log = Log::open(Some(folder), &mut supervisor).unwrap();
    let server = server.to_string();
    log.upload_to(&server, direct(server.parse().unwrap()), &mut supervisor).unwrap();
    log.note(Event::AudioServerConnected, 0);
    (supervisor, log)
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Our receiver, in a thread.
struct Running {
    address: SocketAddr,
    stopper: Option<Stopper>,
    thread: Option<JoinHandle<Tally>>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let receiver = Receiver::open("127.0.0.1:0".parse().unwrap(), folder).unwrap();
        let address = receiver.address().unwrap();
        let (stopper, stop) = stop_pair();
        let run = move || {
            receiver.run(&stop);
            receiver.tally()
        };
        let thread = thread::Builder::new().spawn(run).unwrap();
        Self { address, stopper: Some(stopper), thread: Some(thread) }
    }

    fn stop(mut self) -> Tally {
        drop(self.stopper.take());
        self.thread.take().unwrap().join().unwrap()
    }
}

/// The files in `folder` that end so, by name.
fn those(folder: &Path, end: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == end)).collect();
    paths.sort();
    paths
}

/// What a log server of somebody else's does with each connection, one after the other.
fn server(mut each: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::Builder::new()
        .spawn(move || listener.incoming().for_each(|s| each(s.unwrap())))
        .unwrap();
    address
}

#[test]
fn earlier_logs_go_to_our_receiver_byte_for_byte_and_then_they_are_gone() {
    let (place, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent = [earlier(place.path(), 0, 7), earlier(place.path(), 1, 9)];
    // Somebody else's, in a name of ours.
    fs::write(file(place.path(), 2), b"not yours").unwrap();
    let receiver = Running::start(out.path());
    let (mut supervisor, log) = station(place.path(), receiver.address);
    until("both are uploaded", || log.counters().uploaded == 2);
    until("and gone", || !file(place.path(), 0).exists() && !file(place.path(), 1).exists());
    assert!(file(place.path(), 3).exists(), "the one that is written");
    supervisor.stop();
    assert_eq!(receiver.stop().logs, 2);
    assert_eq!(fs::read(file(place.path(), 2)).unwrap(), b"not yours");

    let raw: Vec<Vec<u8>> =
        those(out.path(), "raw").iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(raw, sent);
    let names = those(out.path(), "log");
    assert!(names[0].file_name().unwrap().to_str().unwrap().starts_with("127-0-0-1_20"));
    let text = fs::read_to_string(&names[1]).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(lines[0], "  LOG_START [3] 0 (0x0)");
    assert_eq!(lines[4..6], ["  PCM_START [66] 9 (0x9)", "* PCM_OVERRUN [69] 10 (0xa)"]);
    // What the station says of it itself.
    let own = fs::read(file(place.path(), 3)).unwrap();
    let events: Vec<u32> =
        own.as_chunks().0.iter().map(|bytes| Record::decode(bytes).event).collect();
    let upload = [5, 6, 7, 8, 16, 6, 7, 8, 16, 9];
    assert!(events.windows(upload.len()).any(|window| window == upload), "{events:?}");
}

#[test]
fn a_server_that_resets_or_goes_early_deletes_nothing() {
    let place = tempfile::tempdir().unwrap();
    earlier(place.path(), 0, 7);
    // Enough that it can't be acknowledged before the server is gone.
    let mut long = fs::OpenOptions::new().append(true).open(file(place.path(), 0)).unwrap();
    long.write_all(&[0; 1 << 20]).unwrap();
    let (said, heard) = mpsc::channel();
    let mut turn = 0;
    let address = server(move |mut stream| {
        turn += 1;
        if turn > 1 {
            // Reads a little and is gone; what is unread makes it a reset.
            stream.read_exact(&mut [0; 100]).unwrap();
        }
        drop(stream);
        said.send(turn).unwrap();
    });
    for _ in 0..2 {
        let (mut supervisor, log) = station(place.path(), address);
        heard.recv_timeout(PATIENCE).unwrap();
        let failure = Event::SendFailure.number();
        until("the failure is in the log", || {
            let logs = those(place.path(), "log");
            let bytes: Vec<u8> =
                logs[1..].iter().flat_map(|path| fs::read(path).unwrap()).collect();
            bytes.as_chunks().0.iter().any(|bytes| Record::decode(bytes).event == failure)
        });
        supervisor.stop();
        assert_eq!(log.counters().uploaded, 0);
        assert!(file(place.path(), 0).exists());
        // What this start has written is not the next one's to wait for.
        those(place.path(), "log")[1..].iter().for_each(|path| fs::remove_file(path).unwrap());
    }
}

#[test]
fn a_server_that_never_closes_its_end_has_it_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let first = earlier(place.path(), 0, 7);
    let second = earlier(place.path(), 1, 8);
    // A power cut left part of a record.
    let mut torn = fs::OpenOptions::new().append(true).open(file(place.path(), 1)).unwrap();
    torn.write_all(&[1; 5]).unwrap();
    let (said, heard) = mpsc::channel();
    let mut kept = Vec::new();
    let address = server(move |mut stream| {
        let began = Instant::now();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        said.send((began, Instant::now(), all)).unwrap();
        kept.push(stream);
    });
    let (mut supervisor, log) = station(place.path(), address);
    let (_, ended, all) = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(all, first);
    let (began, _, all) = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(all, second, "whole records only");
    assert!(began - ended >= Duration::from_secs(1), "its files are named by the second");
    until("both are gone", || log.counters().uploaded == 2 && !file(place.path(), 1).exists());
    supervisor.stop();
}

#[test]
fn a_station_is_stopped_at_once_while_a_server_takes_nothing() {
    let place = tempfile::tempdir().unwrap();
    earlier(place.path(), 0, 7);
    let mut long = fs::OpenOptions::new().append(true).open(file(place.path(), 0)).unwrap();
    // More than the buffers of both ends.
    long.set_len(16 << 20).unwrap();
    long.flush().unwrap();
    let (said, heard) = mpsc::channel();
    let address = server(move |mut stream| {
        stream.read_exact(&mut [0; RECORD_LEN]).unwrap();
        said.send(stream).unwrap();
    });
    let (mut supervisor, log) = station(place.path(), address);
    let mut stream = heard.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    supervisor.stop();
    assert!(began.elapsed() < Duration::from_secs(5), "nobody hung");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let end = stream.read_to_end(&mut Vec::new()).map_err(|e| e.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset), "half a log has no end");
    assert!(file(place.path(), 0).exists());
    assert_eq!(log.counters().uploaded, 0);
}

fn records(count: u32) -> (Vec<u8>, String) {
    let mut lines = Lines::default();
    let of = |n: u32| Record {
        timestamp_us: 1_700_000_000_000_000 + u64::from(n),
        event: n % 120,
        parameter: n,
    };
    let bytes = (0..count).flat_map(|n| of(n).encode()).collect();
    (bytes, (0..count).map(|n| lines.line(of(n))).collect())
}

/// Send it in pieces of `length`, and wait for the receiver's end; true: it said that it has it.
fn upload(address: SocketAddr, bytes: &[u8], length: usize) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let sent = bytes.chunks(length).all(|piece| stream.write_all(piece).is_ok());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = Vec::new();
    sent && stream.shutdown(Shutdown::Write).is_ok()
        && stream.read_to_end(&mut said).is_ok()
        && said == [TAKEN][..usize::from(!bytes.is_empty())]
}

#[test]
fn records_in_any_pieces_are_whole_and_logs_of_one_second_stand_beside_each_other() {
    let out = tempfile::tempdir().unwrap();
    let receiver = Running::start(out.path());
    let (bytes, text) = records(300);
    for length in [1, 5, 7, 15, 16, 17, 4800] {
        assert!(upload(receiver.address, &bytes, length));
    }
    // Nothing, and a torn end.
    assert!(upload(receiver.address, b"", 1));
    assert!(upload(receiver.address, &bytes[..3 * RECORD_LEN + 4], 5));
    assert_eq!(receiver.stop().logs, 8);
    let (raw, log) = (those(out.path(), "raw"), those(out.path(), "log"));
    assert_eq!((raw.len(), log.len()), (8, 8));
    assert!(raw.iter().filter(|path| fs::read(path).unwrap() == bytes).count() == 7);
    assert!(log.iter().filter(|path| fs::read_to_string(path).unwrap() == text).count() == 7);
    let torn: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    let torn = torn + "!!! the last 4 bytes are no record, which has 16\n";
    assert!(log.iter().any(|path| fs::read_to_string(path).unwrap() == torn));
}

#[test]
fn a_receiver_without_room_or_with_too_many_stations_says_so_by_a_reset() {
    let out = tempfile::tempdir().unwrap();
    let receiver = Running::start(out.path());
    let (bytes, _) = records(2);
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(receiver.address).unwrap();
        stream.write_all(&bytes).unwrap();
        waiting.push(stream);
    }
    until("eight are uploading", || those(out.path(), "raw").len() == 8);
    assert!(!upload(receiver.address, &bytes, 16), "the ninth is sent away");
    drop(waiting);
    until("there is a place again", || upload(receiver.address, &bytes, 16));
    assert!(receiver.stop().refused >= 1);

    // Sparse: as if it were full.
    fs::File::create(out.path().join("much")).unwrap().set_len(3 << 30).unwrap();
    let receiver = Running::start(out.path());
    assert!(!upload(receiver.address, &bytes, 16));
    fs::remove_file(out.path().join("much")).unwrap();
    assert!(upload(receiver.address, &bytes, 16), "somebody has tidied up");
    assert_eq!(receiver.stop().logs, 1);
}

/// `twocan log-receive`, and where it listens.
fn command(out: &Path) -> (Child, SocketAddr, BufReader<std::process::ChildStderr>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_twocan"))
        .args(["log-receive", "0", "--out"])
        .arg(out)
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.split("waiting for logs at ").nth(1).unwrap();
    let address = address.split(';').next().unwrap().parse().unwrap();
    (child, address, said)
}

#[test]
fn the_command_takes_a_log_and_ends_when_it_is_told_to() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("new/folder");
    let (mut child, address, mut said) = command(&out);
    assert!(address.ip().is_loopback());
    let (bytes, _) = records(5);
    assert!(upload(address, &bytes, 16));
    // One that hangs does not hold it up.
    let mut hanging = TcpStream::connect(address).unwrap();
    hanging.write_all(&bytes).unwrap();
    until("it is taken", || those(&out, "raw").len() == 2);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("1 logs came, 1 stations were sent away"), "{rest}");
}

#[test]
fn a_wrong_port_is_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let out = tempfile::tempdir().unwrap();
    let run = |port: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.args(["log-receive", port, "--out"]).arg(out.path()).output().unwrap()
    };
    let (output, wrong) = (run(&port), run("70000"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains(&format!("listen at 127.0.0.1:{port}")), "{said}");
    assert_eq!(wrong.status.code(), Some(2));
}
