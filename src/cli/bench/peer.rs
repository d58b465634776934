//! The peers of scenario `video`: pairs of other people's programs that carry the same pictures.
//!
//! ```text
//!  test pattern ─pipe─> sender: JPEG ─TCP─> receiver: raw ─pipe─> stamp read, age recorded
//!  (this process)       └────────── measured ──────────┘          (this process)
//! ```
//! The pictures are ours, stamp and all, so that their age is measured like our own. Drawing them
//! is not on the peer's bill; carrying them through two pipes is, and both have room for a picture
//! or two, so that nobody waits for the other in the middle of one. Between sender and receiver is
//! nothing, or a string of OpenSSH's clients and a server ([`super::string`]).

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};

use super::lab::{self, Lab, Mark, Part};
use super::string::{Login, SshString};
use super::video::{FPS, MEASURED, SIZE, Seen, WARM};
use crate::cli::demo::sshd::free_port;
use crate::clock;
use crate::device::test_pattern::TestPattern;
use crate::device::{VideoSource, stamp};
use crate::figures::Ages;
use crate::frame::{Picture, PixelFormat};
use crate::stop::stop_pair;

/// A pair of programs that we compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// `gst-launch-1.0`: jpegenc, multipart, TCP, jpegdec.
    GStreamer,
    /// `ffmpeg` with what its manual offers for low delay.
    FfmpegTuned,
    /// `ffmpeg` as it comes.
    Ffmpeg,
}

impl Peer {
    /// Those that are installed.
    pub(super) fn installed() -> Vec<Peer> {
        let all = [Peer::GStreamer, Peer::FfmpegTuned, Peer::Ffmpeg];
        all.into_iter().filter(|peer| lab::installed(peer.program())).collect()
    }

    fn program(self) -> &'static str {
        match self {
            Peer::GStreamer => "gst-launch-1.0",
            Peer::FfmpegTuned | Peer::Ffmpeg => "ffmpeg",
        }
    }

    /// As a table names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Peer::GStreamer => "GStreamer",
            Peer::FfmpegTuned => "ffmpeg, tuned",
            Peer::Ffmpeg => "ffmpeg",
        }
    }

    /// The sender, with raw I420 pictures on stdin. Quantiser 4 of ffmpeg is libjpeg's quality 75.
    fn sender(self, port: u16) -> Command {
        let (width, height) = (SIZE.width, SIZE.height);
        let (bytes, size) = (PixelFormat::I420.bytes(SIZE), format!("{width}x{height}"));
        let raw = format!("-f rawvideo -pix_fmt yuvj420p -video_size {size} -framerate {FPS}");
        let to = format!("-f mjpeg tcp://127.0.0.1:{port}?listen=1");
        self.command(&match self {
            Peer::GStreamer => format!(
                "-q fdsrc fd=0 blocksize={bytes} ! rawvideoparse format=i420 width={width} \
                 height={height} framerate={FPS}/1 ! jpegenc quality=75 ! multipartmux ! \
                 tcpserversink host=127.0.0.1 port={port} sync=false"
            ),
            Peer::FfmpegTuned => format!(
                "-v error -fflags nobuffer -probesize 32 -analyzeduration 0 {raw} -i pipe:0 -c:v \
                 mjpeg -q:v 4 -huffman default -threads 1 -flush_packets 1 {to}"
            ),
            Peer::Ffmpeg => format!("-v error {raw} -i pipe:0 -c:v mjpeg -q:v 4 {to}"),
        })
    }

    /// The receiver, with raw I420 pictures on stdout.
    fn receiver(self, port: u16) -> Command {
        let from = format!("-f mjpeg -i tcp://127.0.0.1:{port}");
        self.command(&match self {
            Peer::GStreamer => format!(
                "-q tcpclientsrc host=127.0.0.1 port={port} ! multipartdemux ! image/jpeg ! jpegdec \
                 ! video/x-raw,format=I420 ! fdsink fd=1 sync=false"
            ),
            Peer::FfmpegTuned => format!(
                "-v error -nostdin -fflags nobuffer -flags low_delay -probesize 32 -analyzeduration \
                 0 -threads 1 {from} -fps_mode passthrough -pix_fmt yuvj420p -flush_packets 1 -f \
                 rawvideo pipe:1"
            ),
            Peer::Ffmpeg => {
                format!("-v error -nostdin {from} -pix_fmt yuvj420p -f rawvideo pipe:1")
            }
        })
    }

    fn command(self, arguments: &str) -> Command {
        let mut command = Command::new(self.program());
        command.args(arguments.split_whitespace());
        command
    }

    /// Let them carry pictures for a while, through a string of ssh if there is a `login`.
    ///
    /// # Errors
    /// One of them ended, or no picture came through.
    pub(super) fn measure(self, lab: &Lab, login: Option<Login>) -> anyhow::Result<Seen> {
        let folder = lab.folder("peer")?;
        let port = free_port()?;
        let mut send = self.sender(port);
        send.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut sender = Part::start(send, &folder.join("sender.log"))?;
        let into = sender.pipes().0.context("a pipe to the sender")?;
        lab::widen(&into);
        let ages = Arc::new(Mutex::new(Ages::new()));
        let (stopper, stop) = stop_pair();
        let pattern = TestPattern::new(SIZE, f64::from(FPS), 'A')?;
        // Both threads end when the programs at the other ends of their pipes do. The sender wants
        // to see a picture before it listens.
        let feeder = std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || feed(pattern, into, &stop))?;
        lab::wait_for_listener(port)?;
        let string = login.map(|login| SshString::tie(lab, login, port)).transpose()?;
        let mut receive = self.receiver(string.as_ref().map_or(port, |string| string.port));
        receive.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut receiver = Part::start(receive, &folder.join("receiver.log"))?;
        let out = receiver.pipes().1.context("a pipe from the receiver")?;
        lab::widen(&out);
        let pids = [sender.pid(), receiver.pid()];
        let clients = string.as_ref().map(SshString::pids).unwrap_or_default();
        let clients = if string.is_some() { &clients[..] } else { &[] };
        let shared = Arc::clone(&ages);
        let eye = std::thread::Builder::new()
            .name("eye".to_owned())
            .spawn(move || watch(out, &shared))?;

        let measured = (|| {
            lab.wait(WARM)?;
            ages.lock().unwrap_or_else(PoisonError::into_inner).clear();
            let (before, before_ssh) = (Mark::of(&pids)?, Mark::of(clients)?);
            lab.wait(MEASURED)?;
            let (seconds, cpu) = before.until(&Mark::of(&pids)?);
            let ssh = before_ssh.until(&Mark::of(clients)?).1;
            let age = ages.lock().unwrap_or_else(PoisonError::into_inner).percentiles();
            if age.count == 0 {
                bail!("no picture came through {}", self.name());
            }
            let rss = [lab::rss_mb(pids[0])?, lab::rss_mb(pids[1])?];
            let frames = (seconds * f64::from(FPS)).min(age.count as f64);
            Ok(Seen { cpu, ssh, frames, p50: age.p50, p99: age.p99, rss })
        })();
        drop(stopper);
        drop(sender);
        drop(receiver);
        drop(string);
        for thread in [feeder, eye] {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        measured
    }
}

fn feed(mut pattern: TestPattern, mut into: impl Write, stop: &crate::stop::Stop) {
    let mut picture = Picture::default();
    while let Ok(true) = pattern.read(&mut picture, stop) {
        if into.write_all(&picture.data).is_err() {
            return;
        }
    }
}

fn watch(mut out: impl Read, ages: &Mutex<Ages>) {
    let mut picture = vec![0; PixelFormat::I420.bytes(SIZE)];
    while out.read_exact(&mut picture).is_ok() {
        let now = clock::now();
        if let Some(stamp) = stamp::read(&picture, SIZE) {
            let age = now.since(stamp.time);
            ages.lock().unwrap_or_else(PoisonError::into_inner).record(age);
        }
    }
}
