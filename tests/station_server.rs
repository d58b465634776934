//! The station server with real sockets: stations that behave and stations that don't, listeners over
//! HTTP, `ffmpeg` among them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod station_common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use station_common::tone::Tone;
use twocan::station::server::{Server, ServerError, Setup, StationStatus, Status, Way};
use twocan::stop::{Stopper, stop_pair};
use twocan::wire::urtp::{Coding, HEADER_LEN, Header, TIMING_LEN, Timing};

/// However slow the machine is, by now it has happened or it never will.
const LIMIT: Duration = Duration::from_secs(40);
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn house(stations: &[(&str, Way)]) -> Server {
    let stations = stations.iter().map(|(name, way)| ((*name).to_owned(), *way)).collect();
    let names = vec!["radio.example".to_owned()];
    Server::start(Setup { listen: HERE, web: HERE, names, stations, tunnel: None }).unwrap()
}

/// A station that sends a tone in real time until it is dropped.
struct Station {
    _stopper: Stopper,
}

impl Station {
    fn start(to: SocketAddr, hertz: f64) -> Self {
        let (stopper, stop) = stop_pair();
        let mut line = TcpStream::connect(to).unwrap();
        let name = "station".to_owned();
        let run = move || {
            let (mut tone, began) = (Tone::new(hertz), Instant::now());
            // The server may end first.
            while line.write_all(&tone.next()).is_ok() {
                let due = Duration::from_millis(20 * tone.block);
                if stop.sleep(due.saturating_sub(began.elapsed())) {
                    return;
                }
            }
        };
        std::thread::Builder::new().name(name).spawn(run).unwrap();
        Self { _stopper: stopper }
    }
}

/// The answer to a GET: status line and headers, body.
fn get(web: SocketAddr, path: &str) -> (String, Vec<u8>) {
    ask(web, path, &format!("{web}"))
}

fn ask(web: SocketAddr, path: &str, host: &str) -> (String, Vec<u8>) {
    let mut line = TcpStream::connect(web).unwrap();
    line.set_read_timeout(Some(LIMIT)).unwrap();
    write!(line, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

fn text(web: SocketAddr, path: &str) -> String {
    String::from_utf8(get(web, path).1).unwrap()
}

/// Look again and again until `wanted` makes something of the status.
#[track_caller]
fn wait<T>(server: &Server, what: &str, wanted: impl Fn(&Status) -> Option<T>) -> T {
    let limit = Instant::now() + LIMIT;
    loop {
        let status = server.status();
        if let Some(found) = wanted(&status) {
            return found;
        }
        assert!(Instant::now() < limit, "no {what}: {status:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn refused(status: &Status, why: &str) -> u64 {
    status.refused[why]
}

fn one(status: &Status) -> &StationStatus {
    &status.stations[0]
}

#[track_caller]
fn wait_refused(server: &Server, why: &str, times: u64) {
    wait(server, why, |status| (refused(status, why) >= times).then_some(()));
}

#[track_caller]
fn wait_heard(server: &Server, datagrams: u64) {
    wait(server, "datagrams", |s| (one(s).counts.datagrams >= datagrams).then_some(()));
}

/// How often a second the sound goes from below 0 to above: the tone's frequency.
fn frequency(sound: &[i16]) -> f64 {
    let rises = sound.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
    rises as f64 * 16_000.0 / sound.len() as f64
}

/// A connection from this address of loopback.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

#[test]
fn a_player_that_knows_nothing_of_us_hears_the_tone_of_a_station() {
    let server = house(&[("Garden", Way::At(HERE)), ("Old Barn", Way::At(HERE))]);
    let _garden = Station::start(server.address("Garden").unwrap(), 440.0);
    let _barn = Station::start(server.address("Old Barn").unwrap(), 1000.0);
    wait(&server, "sound", |status| status.stations.iter().all(|s| s.live).then_some(()));
    for (path, hertz) in [("Garden/live.m3u8", 440.0), ("Old%20Barn/live.mp3", 1000.0)] {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin"]);
        if path.ends_with("m3u8") {
            ffmpeg.args(["-extension_picky", "0"]);
        }
        let address = format!("http://{}/{path}", server.web());
        ffmpeg.args(["-i", &address, "-t", "3", "-f", "s16le", "-ar", "16000", "-ac", "1", "-"]);
        let out = ffmpeg.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let pairs = out.stdout.chunks_exact(2);
        let sound: Vec<i16> = pairs.map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        assert!(sound.len() >= 32_000, "{} samples, and ffmpeg said: {said}", sound.len());
        let heard = frequency(&sound[8000..]);
        assert!((heard - hertz).abs() < 3.0, "{heard} Hz of {path}, expected {hertz}; {said}");
        let loudest = sound[8000..].iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest > Some(4000), "it is louder than it was sent: {loudest:?}");
    }
    assert_eq!(server.status().dropped, 0);
}

#[test]
fn the_web_serves_lists_segments_pages_and_figures_and_nothing_else() {
    let server = house(&[("Garden", Way::At(HERE)), ("<Hall>", Way::At(HERE))]);
    let web = server.web();
    let empty = "#EXTM3U\r\n#EXT-X-VERSION:3\r\n";
    assert_eq!(text(web, "/Garden/live.m3u8"), empty, "a silent station");
    let _garden = Station::start(server.address("Garden").unwrap(), 440.0);
    wait_heard(&server, 1);
    // The first segment is waited for; five empty answers at once would be none that were.
    let lists = (0..5).map(|_| text(web, "/garden/live.m3u8"));
    let list = lists.into_iter().find(|list| list.contains(".ts")).unwrap();
    let segment = list.lines().find(|line| line.ends_with(".ts")).unwrap();
    assert!(list.contains("#EXTINF:0.972000, Internet of Chuffs\r\n"), "{list}");
    let (head, segment) = get(web, &format!("/Garden/{segment}"));
    assert_eq!((segment.len(), &segment[..3]), (2989, &b"ID3"[..]));
    assert!(head.contains("content-type: audio/mpeg"), "{head}");
    assert!(head.contains("cross-origin-resource-policy: same-origin"), "{head}");
    assert!(text(web, "/").contains("<a href=\"/%3CHall%3E/\">&lt;Hall&gt;</a>"));
    let page = text(web, "/Garden/");
    assert!(page.contains("<button") && page.contains("live.mp3"), "{page}");
    assert!(get(web, "/Garden").0.contains("location: /Garden/"));
    assert!(text(web, "/-/listen.js").contains("audio"));
    assert!(text(web, "/status.json").contains("\"name\":\"Garden\",\"live\":true"));
    for nothing in
        ["/Cellar/live.m3u8", "/Garden/1.ts", "/Garden/x", "/Garden/../Cargo.toml", "/%ff/"]
    {
        let (head, _) = get(web, nothing);
        assert!(head.starts_with("HTTP/1.1 40"), "{nothing}: {head}");
    }
    let (head, _) = ask(web, "/Garden/live.m3u8", "garden.example:80");
    assert!(head.starts_with("HTTP/1.1 421"), "a foreign name that leads here: {head}");
    let (head, _) = ask(web, "/Garden/live.m3u8", "radio.example");
    assert!(head.starts_with("HTTP/1.1 200"), "a name it was told: {head}");
}

#[test]
fn datagrams_come_by_tcp_in_any_pieces_and_by_udp_and_timing_goes_back_the_same_way() {
    let server = house(&[("Garden", Way::At(HERE))]);
    let to = server.address("Garden").unwrap();
    let mut tone = Tone::new(440.0);
    let mut line = TcpStream::connect(to).unwrap();
    line.set_nodelay(true).unwrap();
    line.set_read_timeout(Some(LIMIT)).unwrap();
    line.write_all(b"what is no datagram").unwrap();
    for piece in tone.next().chunks(7) {
        line.write_all(piece).unwrap();
    }
    let mut timing = [0; TIMING_LEN];
    line.read_exact(&mut timing).unwrap();
    let expected = Timing { sequence: 0, timestamp_us: 1_700_000_000_000_000 };
    assert_eq!(Timing::decode(&timing), Ok(expected));
    drop(line);

    let socket = UdpSocket::bind(HERE).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let limit = Instant::now() + LIMIT;
    let sequence = loop {
        assert!(Instant::now() < limit, "no timing by UDP");
        socket.send_to(&tone.next(), to).unwrap();
        if socket.recv(&mut timing).is_ok_and(|length| length == TIMING_LEN) {
            break Timing::decode(&timing).unwrap().sequence;
        }
    };
    assert!(sequence > 0);
    // Half a datagram and one with a tail are none.
    let whole = tone.next();
    socket.send_to(&whole[..100], to).unwrap();
    socket.send_to(&[&whole[..], &[0]].concat(), to).unwrap();
    wait_refused(&server, "junk", 2);
    assert_eq!(one(&server.status()).counts.streams, 2);
}

#[test]
fn stations_are_told_by_their_address_and_a_stranger_is_let_in_nowhere() {
    let by = |last| Way::From(Ipv4Addr::new(127, 0, 7, last).into());
    let server = house(&[("Garden", by(1)), ("Hall", by(2))]);
    let to = server.address("Hall").unwrap();
    let from = |last| UdpSocket::bind((Ipv4Addr::new(127, 0, 7, last), 0)).unwrap();
    let mut tone = Tone::new(440.0);
    from(2).send_to(&tone.next(), to).unwrap();
    wait(&server, "the hall", |status| (status.stations[1].counts.datagrams == 1).then_some(()));
    from(3).send_to(&tone.next(), to).unwrap();
    let mut line = TcpStream::connect(to).unwrap();
    line.set_read_timeout(Some(LIMIT)).unwrap();
    // From 127.0.0.1, which is no station's either.
    assert!(matches!(line.read(&mut [0]), Ok(0) | Err(_)));
    wait_refused(&server, "stranger", 2);
    assert_eq!(one(&server.status()).counts.datagrams, 0);
}

#[test]
fn a_second_stream_of_a_station_replaces_the_first_and_silence_replaces_nobody() {
    let server = house(&[("Garden", Way::At(HERE))]);
    let to = server.address("Garden").unwrap();
    let mut tone = Tone::new(440.0);
    let mut first = TcpStream::connect(to).unwrap();
    first.write_all(&tone.next()).unwrap();
    wait_heard(&server, 1);
    let mut second = TcpStream::connect(to).unwrap();
    first.write_all(&tone.next()).unwrap();
    wait_heard(&server, 2);
    second.write_all(&tone.next()).unwrap();
    wait_heard(&server, 3);
    first.write_all(&tone.next()).unwrap();
    wait_refused(&server, "replaced", 1);
    first.set_read_timeout(Some(LIMIT)).unwrap();
    let mut rest = Vec::new();
    // It is closed, in whatever way.
    let _ = first.read_to_end(&mut rest);
    second.write_all(&tone.next()).unwrap();
    wait_heard(&server, 4);
}

#[test]
fn lengths_that_lie_garbage_and_floods_cost_their_connection_and_nothing_else() {
    let server = house(&[("Garden", Way::At(HERE))]);
    let to = server.address("Garden").unwrap();
    let station = Station::start(to, 440.0);
    wait_heard(&server, 1);

    // The message that ended an ioc-server: a payload of 5 bytes.
    let mut short = Header { coding: Coding::Unicam, sequence: 0, timestamp_us: 0 }.encode();
    short[12..].copy_from_slice(&5_u16.to_be_bytes());
    let mut lies = [&short[..], &[1, 2, 3, 4, 5]].concat();
    lies[HEADER_LEN - 1] = 5;
    let mut long = short;
    long[12..].copy_from_slice(&u16::MAX.to_be_bytes());
    let zeros = vec![0; 5000];
    let syncs = vec![0x5a; 5000];
    for bad in [lies.repeat(300), long.repeat(400), zeros, syncs] {
        let before = refused(&server.status(), "junk");
        let mut line = TcpStream::connect(to).unwrap();
        // It may be closed before all of it is written.
        let _ = line.write_all(&bad);
        wait_refused(&server, "junk", before + 1);
    }
    let mut line = TcpStream::connect(to).unwrap();
    let mut tone = Tone::new(1000.0);
    while line.write_all(&tone.next()).is_ok() {
        assert!(tone.block < 100_000, "a flood without end");
    }
    wait_refused(&server, "flood", 1);
    assert!(one(&server.status()).counts.flood > 0);
    drop(station);
    // The flood is over: the next one is heard again.
    let _station = Station::start(to, 440.0);
    let heard = one(&server.status()).counts.datagrams;
    wait_heard(&server, heard + 20);
}

#[test]
fn who_connects_and_says_nothing_or_half_of_it_waits_with_few_others_and_not_long() {
    let server = house(&[("Garden", Way::At(HERE))]);
    let to = server.address("Garden").unwrap();
    let _station = Station::start(to, 440.0);
    wait_heard(&server, 1);
    let half = Tone::new(440.0).next()[..100].to_vec();
    let crowd: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut line = TcpStream::connect(to).unwrap();
            // Whoever is too many is closed already.
            let _ = line.write_all(&half);
            line
        })
        .collect();
    wait_refused(&server, "crowd", 42);
    wait_refused(&server, "slow", 8);
    drop(crowd);
    let status = server.status();
    assert_eq!((one(&status).live, one(&status).counts.streams), (true, 1), "{status:#?}");
}

#[test]
fn a_crowd_that_says_nothing_keeps_no_station_out_however_often_it_comes() {
    let server = house(&[("Garden", Way::At(HERE))]);
    let to = server.address("Garden").unwrap();
    let crowd = |count: usize| -> Vec<TcpStream> {
        (0..count).map(|_| connect_from(Ipv4Addr::new(127, 0, 7, 9), to)).collect()
    };
    let early = crowd(50);
    let mut station = TcpStream::connect(to).unwrap();
    // A line that takes its time: they come in the meantime, too.
    let late = crowd(50);
    wait_refused(&server, "crowd", 93);
    station.write_all(&Tone::new(440.0).next()).unwrap();
    wait_heard(&server, 1);
    drop((early, late));
}

#[test]
fn connections_of_one_datagram_each_do_not_pile_up() {
    let server = house(&[("Garden", Way::At(HERE))]);
    let to = server.address("Garden").unwrap();
    let mut tone = Tone::new(440.0);
    let lines: Vec<TcpStream> = (1..=100)
        .map(|number| {
            let mut line = TcpStream::connect(to).unwrap();
            line.write_all(&tone.next()).unwrap();
            wait_heard(&server, number);
            line
        })
        .collect();
    // Before they have been silent for long.
    wait_refused(&server, "replaced", 99);
    assert_eq!(refused(&server.status(), "silent"), 0);
    drop(lines);
}

#[test]
fn listeners_that_ask_slowly_or_without_end_are_gone_and_others_are_served_meanwhile() {
    let server = house(&[("Garden", Way::At(HERE))]);
    let web = server.web();
    let slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut line = TcpStream::connect(web).unwrap();
            line.set_read_timeout(Some(LIMIT)).unwrap();
            line.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
            line
        })
        .collect();
    let mut endless = TcpStream::connect(web).unwrap();
    endless.set_write_timeout(Some(LIMIT)).unwrap();
    let mut said = 0;
    while endless.write_all(b"GET / HTTP/1.1\r\nX: ").is_ok() && said < 10_000_000 {
        said += 1;
    }
    assert!(said < 10_000_000, "it was read without end");
    assert!(text(web, "/").contains("Garden"));
    for mut line in slow {
        let mut answer = Vec::new();
        // Closed, with or without a word.
        let _ = line.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
}

#[test]
fn a_port_that_is_taken_is_named_in_the_sentence() {
    let taken = std::net::TcpListener::bind(HERE).unwrap();
    let address = taken.local_addr().unwrap();
    let stations = vec![("Garden".to_owned(), Way::At(address))];
    let setup = Setup { listen: HERE, web: HERE, names: vec![], stations, tunnel: None };
    let error = Server::start(setup).err().unwrap();
    assert!(matches!(error, ServerError::Listen { .. }));
    let words = error.to_string();
    assert!(words.starts_with(&format!("listen for Garden at {address}: Address")), "{words}");
}

/// `twocan station-server` with this configuration, in a folder of its own.
fn command(folder: &std::path::Path, config: &str) -> Command {
    let file = folder.join("twocan.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.arg("--config").arg(&file).arg("--state").arg(folder.join("state"));
    command.arg("--runtime").arg(folder.join("runtime")).arg("station-server");
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    command
}

#[test]
fn the_command_serves_what_the_configuration_says_until_it_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[station_server]\nlisten = '127.0.0.1:0'\nweb = '127.0.0.1:0'\n\
                  [[station_server.station]]\nname = 'Garden'\naddress = '127.0.0.1'\n";
    let mut server = command(folder.path(), config).spawn().unwrap();
    let mut log = std::io::BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    let web: SocketAddr = loop {
        line.clear();
        let length = std::io::BufRead::read_line(&mut log, &mut line).unwrap();
        assert!(length > 0, "it ended");
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.trim_end().trim_end_matches('/').parse().unwrap();
        }
    };
    assert!(text(web, "/").contains("<a href=\"/Garden/\">Garden</a>"));
    assert_eq!(text(web, "/Garden/live.m3u8").lines().count(), 2);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(server.wait().unwrap().success());
}

#[test]
fn without_stations_in_the_configuration_it_says_so_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for (config, words) in [
        ("", "[station_server] is missing"),
        (
            "[station_server]\nstation = [{ name = 'Garden' }]\n",
            "needs one of port, address and key",
        ),
    ] {
        let out = command(folder.path(), config).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
    }
}
