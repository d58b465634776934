//! `twocan camera` and `twocan viewer` as a maker uses them: with ffmpeg at the other end, with
//! signals, with mistakes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use twocan::device::stamp;
use twocan::frame::Size;
use twocan::media::line::{Framing, Outgoing, Place};
use twocan::wire::mjpeg::picture_size;

const SIZE: Size = Size::new(640, 480);

/// A running `twocan`; it is ended when a test is over, however that ends.
struct Twocan {
    child: Child,
    log: std::sync::mpsc::Receiver<String>,
}

impl Twocan {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_twocan"))
            .args(arguments)
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                for line in stderr.lines().map_while(Result::ok) {
                    eprintln!("{line}");
                    if lines.send(line).is_err() {
                        return;
                    }
                }
            })
            .unwrap();
        Self { child, log }
    }

    /// The rest of the first log line from here on that has `text` in it.
    fn says(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(60)).expect(text);
            if let Some((_, rest)) = line.split_once(text) {
                return rest.trim().to_owned();
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.says("waiting at ").parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < limit, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Twocan {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stats(folder: &Path, name: &str) -> serde_json::Value {
    let text = fs::read_to_string(folder.join(name)).unwrap();
    assert!(text.starts_with(name), "{text}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn ffmpeg(arguments: &[&str]) {
    let ffmpeg = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments)
        .status()
        .expect("ffmpeg is installed");
    assert!(ffmpeg.success());
}

#[test]
fn ffmpeg_reads_thirty_pictures_with_rising_stamps_from_our_camera() {
    let folder = tempfile::tempdir().unwrap();
    let mut camera = Twocan::start(folder.path(), &["camera", "--listen", "0"]);
    let url = format!("tcp://{}", camera.address());
    let raw = folder.path().join("gray");
    let gray = ["-frames:v", "30", "-f", "rawvideo", "-pix_fmt", "gray"];
    let input = ["-f", "mjpeg", "-i", &url];
    ffmpeg(&[&input[..], &gray, &[raw.to_str().unwrap()]].concat());
    let raw = fs::read(raw).unwrap();
    assert_eq!(raw.len(), 30 * SIZE.pixels());
    let stamps: Vec<_> = raw
        .chunks(SIZE.pixels())
        .map(|luma| stamp::read(luma, SIZE).expect("a stamp in every picture"))
        .collect();
    assert!(stamps.is_sorted_by(|a, b| a.counter < b.counter && a.time < b.time));
    camera.signal(Signal::SIGINT);
    assert!(camera.ended().success());
    let stats = stats(folder.path(), "Stats-Video-Camera");
    assert!(stats["sent"].as_u64() >= Some(30), "{stats}");
    assert_eq!((&stats["peers"], &stats["too_long"]), (&1.into(), &0.into()));
    assert_eq!(stats["latency_ms"]["count"], stats["sent"], "{stats}");
    assert!(stats["latency_ms"]["p50"].as_f64() > Some(0.0), "{stats}");
}

#[test]
fn the_viewer_records_every_picture_that_ffmpeg_sends() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["viewer", "--listen", "0", "--sink", "pictures/"];
    let mut viewer = Twocan::start(folder.path(), &arguments);
    let url = format!("tcp://{}", viewer.address());
    let source = "testsrc=size=640x480:rate=30";
    let input = ["-re", "-f", "lavfi", "-i", source, "-frames:v", "30"];
    ffmpeg(&[&input[..], &["-f", "mjpeg", &url]].concat());
    viewer.says("closed the line");
    viewer.signal(Signal::SIGTERM);
    assert!(viewer.ended().success());
    let stats = stats(folder.path(), "Stats-Video-Viewer");
    assert_eq!(stats["received"], 30, "{stats}");
    assert_eq!(stats["broken"], 0, "{stats}");
    let shown = stats["shown"].as_u64().unwrap();
    assert_eq!(shown + stats["dropped"].as_u64().unwrap(), 30, "{stats}");
    let pictures: Vec<_> = fs::read_dir(folder.path().join("pictures")).unwrap().collect();
    assert_eq!(pictures.len() as u64, shown);
    for picture in pictures {
        let jpeg = fs::read(picture.unwrap().path()).unwrap();
        assert_eq!(picture_size(&jpeg), Some(SIZE));
    }
}

#[test]
fn our_viewer_decodes_what_ffmpeg_sends_in_every_sampling() {
    for format in ["yuvj420p", "yuvj422p", "yuvj444p"] {
        let folder = tempfile::tempdir().unwrap();
        let mut viewer = Twocan::start(folder.path(), &["viewer", "--listen", "0"]);
        let url = format!("tcp://{}", viewer.address());
        let source = "testsrc=size=320x240:rate=30";
        let input = ["-f", "lavfi", "-i", source, "-frames:v", "5", "-pix_fmt", format];
        ffmpeg(&[&input[..], &["-f", "mjpeg", &url]].concat());
        viewer.says("pictures are 320x240");
        viewer.signal(Signal::SIGTERM);
        assert!(viewer.ended().success());
        let stats = stats(folder.path(), "Stats-Video-Viewer");
        assert_eq!((&stats["broken"], &stats["size"]), (&0.into(), &"320x240".into()), "{stats}");
    }
}

#[test]
fn our_viewer_shows_what_our_camera_takes_and_says_how_old_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let camera = Twocan::start(folder.path(), &["camera", "--listen", "0", "--fps", "60"]);
    let from = camera.address().to_string();
    let mut viewer = Twocan::start(folder.path(), &["viewer", "--from", &from, "--seconds", "5"]);
    assert!(viewer.ended().success());
    let stats = stats(folder.path(), "Stats-Video-Viewer");
    assert!(stats["shown"].as_u64() > Some(0), "{stats}");
    assert_eq!(stats["stamped"], stats["shown"]);
    assert_eq!(stats["stamp_age_ms"]["count"], stats["shown"]);
}

#[test]
fn a_full_disk_under_a_recording_ends_the_viewer_with_one_sentence_statistics_and_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let camera = Twocan::start(folder.path(), &["camera", "--listen", "0"]);
    let from = camera.address().to_string();
    let arguments = ["viewer", "--from", &from, "--sink", "/dev/full"];
    let mut viewer = Twocan::start(folder.path(), &arguments);
    let cause = viewer.says("write recording /dev/full: ");
    assert!(cause.starts_with("No space left on device"), "{cause}");
    assert_eq!(viewer.ended().code(), Some(1));
    assert!(viewer.log.iter().all(|line| !line.contains("write recording")), "said once");
    let stats = stats(folder.path(), "Stats-Video-Viewer");
    assert_eq!((&stats["failures"], &stats["shown"]), (&1.into(), &0.into()), "{stats}");
}

#[test]
fn what_the_viewer_recorded_the_camera_plays_again_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let camera = Twocan::start(folder.path(), &["camera", "--listen", "0"]);
    let from = camera.address().to_string();
    let record = ["viewer", "--from", &from, "--sink", "film.mjpeg"];
    let mut viewer = Twocan::start(folder.path(), &record);
    viewer.says("pictures are 640x480");
    viewer.signal(Signal::SIGTERM);
    assert!(viewer.ended().success());
    drop(camera);
    let film = fs::read(folder.path().join("film.mjpeg")).unwrap();
    assert!(!film.is_empty());
    let play = ["camera", "--listen", "0", "--device", "film.mjpeg", "--fps", "5"];
    let mut camera = Twocan::start(folder.path(), &play);
    let mut line = std::net::TcpStream::connect(camera.address()).unwrap();
    // Whichever picture comes first: the recording has it, byte for byte.
    let mut splitter = twocan::wire::mjpeg::Splitter::new(512 * 1024);
    let mut bytes = [0; 4096];
    let picture = loop {
        let length = line.read(&mut bytes).unwrap();
        assert!(length > 0);
        splitter.push(&bytes[..length]);
        if let Some(picture) = splitter.next_picture().unwrap() {
            break picture;
        }
    };
    assert!(film.windows(picture.len()).any(|window| window == picture));
    camera.signal(Signal::SIGTERM);
    assert!(camera.ended().success());
}

#[test]
fn sigterm_writes_the_statistics_though_the_peer_vanished() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let arguments = ["camera", "--to", &to, "--stats", "elsewhere"];
    let mut camera = Twocan::start(folder.path(), &arguments);
    let (mut peer, _) = listener.accept().unwrap();
    peer.read_exact(&mut [0; 50_000]).unwrap();
    drop((peer, listener));
    camera.says(&format!("the line with {to}: "));
    camera.signal(Signal::SIGTERM);
    assert!(camera.ended().success());
    assert!(stats(&elsewhere, "Stats-Video-Camera")["sent"].as_u64() > Some(0));
}

#[test]
fn a_stop_is_clean_while_the_peer_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let mut camera = Twocan::start(folder.path(), &["camera", "--to", &to, "--fps", "120"]);
    let (peer, _) = listener.accept().unwrap();
    let mut waiting = vec![0; 64 * 1024];
    while peer.peek(&mut waiting).unwrap() < waiting.len() {
        std::thread::sleep(Duration::from_millis(5));
    }
    camera.signal(Signal::SIGINT);
    assert!(camera.ended().success());
    stats(folder.path(), "Stats-Video-Camera");
    drop(peer);
}

#[test]
fn a_port_in_use_ends_the_command_with_one_sentence_and_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Outgoing::open(
        Place::Listen("127.0.0.1:0".to_owned()),
        Framing::Pictures,
        twocan::queue::Queue::newest_wins(1),
        std::sync::Arc::default(),
    )
    .unwrap();
    let port = taken.address().unwrap().port().to_string();
    for command in ["camera", "viewer"] {
        let mut twocan = Twocan::start(folder.path(), &[command, "--listen", &port]);
        let sentence = twocan.says("twocan: ");
        assert_eq!(
            sentence,
            format!("listen on 127.0.0.1:{port}: Address already in use (os error 98)")
        );
        assert_eq!(twocan.ended().code(), Some(1));
    }
}

#[test]
fn a_camera_that_is_not_there_ends_the_command_with_its_name_and_code_1() {
    let folder = tempfile::tempdir().unwrap();
    for device in ["/dev/video99", "no-such-file"] {
        let arguments = ["camera", "--listen", "0", "--device", device];
        let mut twocan = Twocan::start(folder.path(), &arguments);
        let sentence = twocan.says("twocan: ");
        assert!(sentence.contains(device) && sentence.contains("No such file"), "{sentence}");
        assert_eq!(twocan.ended().code(), Some(1));
    }
}

#[test]
fn wrong_arguments_are_told_and_end_with_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["camera"][..],
        &["camera", "--listen", "port"],
        &["camera", "--to", "nowhere"],
        &["camera", "--listen", "0", "--size", "wide"],
        &["camera", "--listen", "0", "--quality", "101"],
        &["viewer", "--listen", "0", "--from", "127.0.0.1:1"],
    ] {
        let mut twocan = Twocan::start(folder.path(), arguments);
        assert_eq!(twocan.ended().code(), Some(2), "{arguments:?}");
    }
}
