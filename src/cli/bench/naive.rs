//! The peers of scenario `thin`: senders that know nothing of the line, through plain `ssh` as a
//! family would set it up by hand, over the very lines that our calls have.
//!
//! ```text
//!  sender:5010 <── ssh -R ══ 0.6 Mbit/s ══ sshd ══ ssh -L ──> this process: stamp read, age recorded
//!  (home B)                                        (home A)
//! ```
//! All of them send JPEGs back to back at 640x360 and 15 a second, and one reader serves all, so
//! what differs is what they do when the line takes less than they have.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::lab::{self, LIMIT, Lab, Part};
use super::thin::{self, THIN, THIN_MBIT, WIDE_MBIT};
use super::wan::{Properties, Side};
use crate::cli::demo::kiosk::{Home, program};
use crate::cli::demo::place::Place;
use crate::cli::demo::sshd::Relay;
use crate::clock::{self, Time};
use crate::codec::jpeg::{Decoder, Limits};
use crate::device::test_pattern::TestPattern;
use crate::device::{VideoSource, stamp};
use crate::figures::Ages;
use crate::frame::{Picture, PixelFormat, Size};
use crate::stop::{Stop, stop_pair};
use crate::wire::mjpeg::Splitter;

const SIZE: Size = Size::new(640, 360);
const FPS: u32 = 15;
/// Nobody else is in these namespaces: any ports will do. The sender's, its forward's at the relay,
/// and the one from which the reader gets it.
const SENDER: u16 = 5010;
const MIDDLE: u16 = 5011;
const READER: u16 = 5012;
/// On the wide line.
const WIDE: Duration = Duration::from_secs(5);

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Our own camera alone on plain TCP: drops what the socket does not take.
    Ours,
    /// `jpegenc ! tcpserversink`, which queues.
    GStreamer,
    /// `ffmpeg -f mjpeg`, whose writes wait.
    Ffmpeg,
}

/// What one run gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Age in ms on the thin line.
    pub(super) p50: f64,
    /// Likewise.
    pub(super) p95: f64,
    /// Pictures a second.
    pub(super) fps: f64,
}

/// A peer and its runs.
#[derive(Debug)]
pub(super) struct Naive {
    sender: Sender,
    seen: Vec<Seen>,
}

impl Naive {
    /// Those that are installed.
    pub(super) fn installed() -> Vec<Naive> {
        if !lab::installed("ssh") {
            return Vec::new();
        }
        let there = |sender: &Sender| match sender {
            Sender::Ours => true,
            Sender::GStreamer => lab::installed("gst-launch-1.0"),
            Sender::Ffmpeg => lab::installed("ffmpeg"),
        };
        let all = [Sender::Ours, Sender::GStreamer, Sender::Ffmpeg].into_iter().filter(there);
        all.map(|sender| Naive { sender, seen: Vec::new() }).collect()
    }

    /// As a table names it.
    pub(super) fn name(&self) -> &'static str {
        match self.sender {
            Sender::Ours => "ours unpaced, ssh",
            Sender::GStreamer => "GStreamer, ssh",
            Sender::Ffmpeg => "ffmpeg, ssh",
        }
    }

    /// One figure of all runs.
    pub(super) fn column(&self, take: fn(&Seen) -> f64) -> Vec<f64> {
        self.seen.iter().map(take).collect()
    }

    /// Let it send on the wide and then on the thin line.
    pub(super) fn measure(&mut self, lab: &Lab) -> anyhow::Result<()> {
        let seen = lab.or_left_out(measure(lab, self.sender))?;
        self.seen.extend(seen);
        Ok(())
    }
}

fn measure(lab: &Lab, sender: Sender) -> anyhow::Result<Seen> {
    let folder = lab.folder("naive")?;
    let wide = Properties::of(WIDE_MBIT);
    let Some(wan) = thin::lines(Properties::of(10.0), wide)? else { bail!("the lines are gone") };
    let places = wan.places();
    let (stopper, stop) = stop_pair();
    let log = folder.join("sender.log");
    let _sender = send(sender, SENDER, &places.bert, &folder, &log, &stop)?;
    lab::wait_for_listener_at(&places.bert, SENDER)?;
    let string = Chain::tie(&folder, &places.anna, &places.relay, &places.bert)?;
    let reader = SocketAddr::from(([127, 0, 0, 1], READER));
    let line = places.anna.visit(|| TcpStream::connect_timeout(&reader, LIMIT))??;
    let ages = Arc::new(Mutex::new(Ages::new()));
    let shared = Arc::clone(&ages);
    // It ends with the string, or with the sender.
    let eye = std::thread::Builder::new().name("eye".to_owned()).spawn(move || {
        let seen = |made| {
            let age = clock::now().since(made);
            shared.lock().unwrap_or_else(PoisonError::into_inner).record(age);
        };
        if let Err(error) = watch(line, seen) {
            tracing::debug!("the reader ended: {error:#}");
        }
    })?;
    let locked = || ages.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = (|| {
        lab.wait(WIDE)?;
        if locked().count() == 0 {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("no picture came from {sender:?}: {said}");
        }
        wan.set(Side::B, Properties::of(THIN_MBIT));
        locked().clear();
        let began = Instant::now();
        lab.wait(THIN)?;
        let age = locked().percentiles();
        if age.count == 0 {
            bail!("no picture of {sender:?} came through the thin line");
        }
        let fps = age.count as f64 / began.elapsed().as_secs_f64();
        Ok(Seen { p50: age.p50, p95: age.p95, fps })
    })();
    drop(string);
    drop(stopper);
    eye.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    seen
}

/// Start a sender in `home` that whoever wants pictures connects to at `port`.
pub(super) fn send(
    sender: Sender,
    port: u16,
    home: &Place,
    folder: &Path,
    log: &Path,
    stop: &Stop,
) -> anyhow::Result<Part> {
    let Size { width, height } = SIZE;
    let bytes = PixelFormat::I420.bytes(SIZE);
    let (program, arguments) = match sender {
        Sender::Ours => (
            program()?,
            format!(
                "camera --device pattern --size {SIZE} --fps {FPS} --quality 90 --listen {port} \
                 --stats {}",
                folder.display()
            ),
        ),
        Sender::GStreamer => (
            "gst-launch-1.0".into(),
            format!(
                "-q fdsrc fd=0 blocksize={bytes} ! rawvideoparse format=i420 width={width} \
                 height={height} framerate={FPS}/1 ! jpegenc quality=90 ! tcpserversink \
                 host=127.0.0.1 port={port} sync=false"
            ),
        ),
        Sender::Ffmpeg => (
            "ffmpeg".into(),
            format!(
                "-v error -fflags nobuffer -probesize 32 -analyzeduration 0 -f rawvideo -pix_fmt \
                 yuvj420p -video_size {width}x{height} -framerate {FPS} -i pipe:0 -c:v mjpeg -q:v \
                 2 -huffman default -threads 1 -flush_packets 1 -f mjpeg \
                 tcp://127.0.0.1:{port}?listen=1"
            ),
        ),
    };
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).stdout(Stdio::null());
    command.stdin(if sender == Sender::Ours { Stdio::null() } else { Stdio::piped() });
    home.enter(&mut command)?;
    let mut part = Part::start(command, log)?;
    if let Some(into) = part.pipes().0 {
        lab::widen(&into);
        let pattern = TestPattern::new(SIZE, f64::from(FPS), 'B')?;
        let stop = stop.clone();
        // It ends with the sender, at the other end of the pipe.
        std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || feed(pattern, into, &stop))?;
    }
    Ok(part)
}

fn feed(mut pattern: TestPattern, mut into: impl Write, stop: &Stop) {
    let mut picture = Picture::default();
    while let Ok(true) = pattern.read(&mut picture, stop) {
        if into.write_all(&picture.data).is_err() {
            return;
        }
    }
}

/// Read pictures to the end of the line; `seen` is told when each was made.
pub(super) fn watch(mut line: TcpStream, seen: impl Fn(Time)) -> anyhow::Result<()> {
    let limits = Limits::of(SIZE);
    let mut splitter = Splitter::new(limits.bytes);
    let mut decoder = Decoder::new(limits)?;
    let mut picture = vec![0; PixelFormat::I420.bytes(SIZE)];
    let mut bytes = vec![0; 64 << 10];
    loop {
        let length = line.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        splitter.push(&bytes[..length]);
        while let Some(jpeg) = splitter.next_picture()? {
            let mut out = Vec::new();
            std::mem::swap(&mut out, &mut picture);
            let size = decoder.decode(&jpeg, PixelFormat::I420, |_, _| &mut out);
            picture = out;
            if let Some(stamp) = size.ok().and_then(|size| stamp::read(&picture, size)) {
                seen(stamp.time);
            }
        }
    }
}

/// The string: an sshd at the relay, and an `ssh` with a session in each home.
struct Chain {
    _clients: [Part; 2],
    _relay: Relay,
}

impl Chain {
    /// Tie it from [`SENDER`] in `b` to [`READER`] in `a`.
    fn tie(folder: &Path, a: &Place, relay: &Place, b: &Place) -> anyhow::Result<Self> {
        let home = Home::make(&folder.join("peer"), "peer")?;
        let public = home.identity.public().to_openssh("peer");
        let relay_place = relay;
        let relay = Relay::start_at(relay, &folder.join("relay"), &[public], "")?;
        let known: String = [a, b]
            .map(|place| format!("[{}]:{} {}\n", place.relay(), relay.port, relay.host_key))
            .concat();
        let known_hosts = folder.join("known_hosts");
        fs::write(&known_hosts, known).context("write known_hosts")?;
        let ssh = |place: &Place, forward: String| -> anyhow::Result<Part> {
            let mut command = Command::new("ssh");
            command.args(["-F", "none", "-T", "-o", "BatchMode=yes"]);
            command.args(["-o", "ExitOnForwardFailure=yes", "-i"]);
            command.arg(home.folder.join("state").join(crate::identity::FILE));
            command.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
            command.args(["-p", &relay.port.to_string()]).args(forward.split(' '));
            // A session, which a stock sshd needs to send at once; it lasts as long as its input.
            command.arg(format!("{}@{}", relay.user, place.relay())).arg("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            place.enter(&mut command)?;
            Part::start(command, &folder.join(format!("ssh{}.log", &forward[..2])))
        };
        let hidden = ssh(b, format!("-R {MIDDLE}:127.0.0.1:{SENDER}"))?;
        lab::wait_for_listener_at(relay_place, MIDDLE)?;
        let open = ssh(a, format!("-L {READER}:127.0.0.1:{MIDDLE}"))?;
        lab::wait_for_listener_at(a, READER)?;
        Ok(Self { _clients: [hidden, open], _relay: relay })
    }
}
