//! Scenario `station`: one microphone station, a process of its own, which has a server or is refused one.
//!
//! ```text
//!  twocan station --device tone ──> a port that reads everything and answers nothing
//!                               ──> a port at which nobody listens
//! ```

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::lab::{self, LIMIT, Lab, Mark, Part};
use super::rows::Row;
use crate::cli::demo::sshd::free_port;

/// Until its start is over, and how long it is measured then.
const WARM: Duration = Duration::from_secs(3);
const WATCHED: Duration = Duration::from_secs(20);
/// Percent of a core.
const CPU: f64 = 1.0;
/// MB.
const RSS: f64 = 10.0;

/// What one run found.
struct Seen {
    cpu: f64,
    rss: f64,
}

impl Seen {
    const NOTHING: Seen = Seen { cpu: f64::NAN, rss: f64::NAN };
}

/// Measure.
pub(super) fn run(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let server = Sink::start()?;
    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for run in 0..lab.runs {
        lab.say("a station", run);
        served.push(lab.or_left_out(one(lab, Some(&server)))?.unwrap_or(Seen::NOTHING));
        refused.push(lab.or_left_out(one(lab, None))?.unwrap_or(Seen::NOTHING));
    }
    let mut rows = Vec::new();
    for (how, found) in [("", served), (", refused", refused)] {
        let cpu: Vec<f64> = found.iter().map(|seen| seen.cpu).collect();
        let rss: Vec<f64> = found.iter().map(|seen| seen.rss).collect();
        let row = |metric: &str, unit, values: &[f64], target| {
            Row::ours("station", format!("{metric}{how}"), unit, values, Some(target))
        };
        rows.extend(row("CPU of the process", "% of a core", &cpu, CPU));
        rows.extend(row("memory of the process", "MB", &rss, RSS));
    }
    Ok(rows)
}

fn one(lab: &Lab, server: Option<&Sink>) -> anyhow::Result<Seen> {
    let folder = lab.folder("station")?;
    let port = server.map_or_else(free_port, |server| Ok(server.port))?;
    let mut command = lab::twocan(&folder, "")?;
    command.args(["station", "--device", "tone", "--server"]).arg(format!("127.0.0.1:{port}"));
    let heard = || server.map_or(0, |server| server.heard.load(Ordering::Relaxed));
    let before = heard();
    let station = Part::start(command, &folder.join("station.log"))?;
    let deadline = Instant::now() + LIMIT;
    while server.is_some() && heard() == before {
        if Instant::now() > deadline {
            bail!("the station sends nothing; its log is in {}", folder.display());
        }
        lab.wait(Duration::from_millis(20))?;
    }
    lab.wait(WARM)?;
    let mark = Mark::of(&[station.pid()])?;
    lab.wait(WATCHED)?;
    let (real, cpu) = mark.until(&Mark::of(&[station.pid()])?);
    let rss = lab::rss_mb(station.pid())?;
    if !station.finish()?.success() {
        bail!("the station failed; its log is in {}", folder.display());
    }
    Ok(Seen { cpu: 100.0 * cpu / real, rss })
}

/// Reads whatever comes, to the end of the process.
struct Sink {
    port: u16,
    /// Bytes.
    heard: Arc<AtomicU64>,
}

impl Sink {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (port, heard) = (listener.local_addr()?.port(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&heard);
        let read = move || {
            let mut piece = [0; 4096];
            for mut station in listener.incoming().flatten() {
                while let Some(length) = some(&mut station, &mut piece) {
                    count.fetch_add(length as u64, Ordering::Relaxed);
                }
            }
        };
        std::thread::Builder::new().name("sink".to_owned()).spawn(read)?;
        Ok(Self { port, heard })
    }
}

fn some(station: &mut TcpStream, piece: &mut [u8]) -> Option<usize> {
    station.read(piece).ok().filter(|length| *length > 0)
}
