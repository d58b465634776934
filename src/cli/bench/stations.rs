//! Scenario `stations`: 500 stations into one station server, which is a process of its own.
//!
//! ```text
//!  this process: 500 TCP connections from 500 addresses, a datagram each every 20 ms ──> station-server
//!                0, 20 or 500 playlists, fetched every 4 s                           <──
//! ```
//! What is measured is the server's processor time, and what of the datagrams it has not heard.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::lab::{self, LIMIT, Lab, Mark, Part};
use super::rows::Row;
use crate::cli::demo::sshd::free_port;
use crate::cli::station_server::widen_descriptors;
use crate::wire::urtp::{BLOCK, Coding, DATAGRAM_LIMIT, Encoder};

/// Stations.
const STATIONS: u32 = 500;
/// Of which so many are listened to.
const LISTENED: [u32; 3] = [0, 20, STATIONS];
/// Between two datagrams of a station.
const STEP: Duration = Duration::from_millis(20);
/// Until everything has settled, and how long it is measured then.
const WARM: Duration = Duration::from_secs(6);
const WATCHED: Duration = Duration::from_secs(15);
/// Between two requests of a listener: it counts as one for 10 s.
const FETCH: Duration = Duration::from_secs(4);
/// Percent of a core that all of them may take, of two: there is room for their senders and listeners.
const TARGET: f64 = 100.0;

/// What one run found.
struct Seen {
    /// Percent of a core.
    cpu: f64,
    /// Datagrams in ten thousand that were sent and not heard, or heard and not decoded.
    lost: f64,
    rss: f64,
}

impl Seen {
    const NOTHING: Seen = Seen { cpu: f64::NAN, lost: f64::NAN, rss: f64::NAN };
}

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    widen_descriptors();
    let mut found: [Vec<Seen>; 3] = Default::default();
    for run in 0..lab.runs {
        for (listened, found) in LISTENED.into_iter().zip(&mut found) {
            lab.say(&format!("{STATIONS} stations, {listened} listened to"), run);
            found.push(lab.or_left_out(crowd(lab, listened))?.unwrap_or(Seen::NOTHING));
        }
    }
    let mut rows = Vec::new();
    for (listened, found) in LISTENED.into_iter().zip(&found) {
        let of = |take: fn(&Seen) -> f64| found.iter().map(take).collect::<Vec<_>>();
        let row = |metric: &str, unit, values: &[f64], target| {
            let metric = format!("{metric}, {STATIONS} stations, {listened} listened to");
            Row::ours("stations", metric, unit, values, target)
        };
        let cpu = of(|seen| seen.cpu);
        let each: Vec<f64> = cpu.iter().map(|cpu| cpu / f64::from(STATIONS)).collect();
        // All of them at once is what no house has; it shows where the end is.
        let house = listened < STATIONS;
        rows.extend(row("server's CPU", "% of a core", &cpu, house.then_some(TARGET)));
        rows.extend(row("CPU per station", "% of a core", &each, None));
        rows.extend(row("datagrams lost", "of 10000", &of(|seen| seen.lost), house.then_some(0.0)));
        rows.extend(row("memory", "MB", &of(|seen| seen.rss), None));
    }
    Ok(rows)
}

/// The address of a station, of loopback as all of 127/8.
fn address(station: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 77, 0, 1)) + station)
}

fn crowd(lab: &Lab, listened: u32) -> anyhow::Result<Seen> {
    let folder = lab.folder("stations")?;
    let (port, web) = (free_port()?, free_port()?);
    let server = serve(&folder, port, web)?;
    lab::wait_for_listener(port)?;
    lab::wait_for_listener(web)?;
    let mut senders = Senders::connect(port)?;
    let mut listeners = Listeners { web, listened, next: 0, due: Instant::now() };
    senders.send_for(lab, WARM, &mut listeners)?;
    let (before, heard, sent) = (Mark::of(&[server.pid()])?, heard(web)?, senders.sent);
    senders.send_for(lab, WATCHED, &mut listeners)?;
    // What is on the way is neither lost nor heard.
    let sent = senders.sent - sent;
    let deadline = Instant::now() + LIMIT;
    let mut missing = sent.saturating_sub(self::heard(web)? - heard);
    let after = Mark::of(&[server.pid()])?;
    while missing > 0 && Instant::now() < deadline {
        lab.wait(STEP)?;
        let left = sent.saturating_sub(self::heard(web)? - heard);
        if left == missing {
            break;
        }
        missing = left;
    }
    let (real, cpu) = before.until(&after);
    let rss = lab::rss_mb(server.pid())?;
    if !server.finish()?.success() {
        bail!("the server failed; its log is in {}", folder.display());
    }
    let lost = missing as f64 * 10_000.0 / sent as f64;
    Ok(Seen { cpu: 100.0 * cpu / real, lost, rss })
}

fn serve(folder: &Path, port: u16, web: u16) -> anyhow::Result<Part> {
    let mut config =
        format!("[station_server]\nlisten = '127.0.0.1:{port}'\nweb = '127.0.0.1:{web}'\n");
    for station in 0..STATIONS {
        let from = address(station);
        config += &format!("[[station_server.station]]\nname = 'S{station}'\naddress = '{from}'\n");
    }
    let mut command = lab::twocan(folder, &config)?;
    command.arg("station-server");
    Part::start(command, &folder.join("server.log"))
}

/// Datagrams that the server has heard, less those that it could not decode in time.
fn heard(web: u16) -> anyhow::Result<u64> {
    let status: Value = serde_json::from_slice(&fetch(web, "/status.json")?)?;
    let stations = status["stations"].as_array().context("a status without stations")?;
    let heard: u64 = stations.iter().filter_map(|station| station["datagrams"].as_u64()).sum();
    Ok(heard - status["dropped"].as_u64().unwrap_or(0))
}

/// The body of a page.
fn fetch(web: u16, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, web))?;
    line.set_read_timeout(Some(LIMIT))?;
    write!(line, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    line.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("no answer")?;
    Ok(answer.split_off(end + 4))
}

/// Those who listen, one request after the other.
struct Listeners {
    web: u16,
    listened: u32,
    next: u32,
    due: Instant,
}

impl Listeners {
    /// Send the request that is due, if one is; its answer is thrown away with its connection.
    fn go_on(&mut self) -> anyhow::Result<()> {
        if self.listened == 0 || Instant::now() < self.due {
            return Ok(());
        }
        let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, self.web))?;
        let path = format!("/S{}/live.m3u8", self.next);
        write!(line, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        self.next = (self.next + 1) % self.listened;
        self.due += FETCH / self.listened;
        Ok(())
    }
}

/// The stations.
struct Senders {
    lines: Vec<TcpStream>,
    /// A second of a tone.
    sound: Vec<Vec<u8>>,
    sequence: u16,
    sent: u64,
}

impl Senders {
    fn connect(port: u16) -> anyhow::Result<Self> {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let connect = |station| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddrV4::new(address(station), 0).into())?;
            socket.connect(&server.into())?;
            socket.set_tcp_nodelay(true)?;
            Ok::<_, std::io::Error>(TcpStream::from(socket))
        };
        let lines: Result<_, _> = (0..STATIONS).map(connect).collect();
        let mut encoder = Encoder::new(Coding::Unicam, 12);
        let sound = (0..50_u16).map(|block| {
            let at = |i: usize| (usize::from(block) * BLOCK + i) as f64 / 16_000.0;
            let sample = |i| ((at(i) * 440.0 * std::f64::consts::TAU).sin() * 500_000.0) as i32;
            let mut datagram = [0; DATAGRAM_LIMIT];
            let length = encoder.encode(&std::array::from_fn(sample), block, 0, &mut datagram);
            datagram[..length].to_vec()
        });
        Ok(Self { lines: lines?, sound: sound.collect(), sequence: 0, sent: 0 })
    }

    /// A datagram of each station every 20 ms, spread over them.
    fn send_for(
        &mut self,
        lab: &Lab,
        time: Duration,
        listeners: &mut Listeners,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        listeners.due = began;
        let rounds = time.as_millis() / STEP.as_millis();
        for round in 0..u32::try_from(rounds)? {
            let place = usize::from(self.sequence) % self.sound.len();
            let datagram = &mut self.sound[place];
            datagram[2..4].copy_from_slice(&self.sequence.to_be_bytes());
            for (station, line) in (0..).zip(&mut self.lines) {
                // A quarter of a millisecond is as well as the clock of a busy machine hits.
                if station % 25 == 0 {
                    let due = STEP * round + STEP * station / STATIONS;
                    lab.wait(due.saturating_sub(began.elapsed()))?;
                    listeners.go_on()?;
                }
                line.write_all(datagram).context("the server ended a station's connection")?;
                self.sent += 1;
            }
            self.sequence = self.sequence.wrapping_add(1);
        }
        Ok(())
    }
}
