//! `twocan viewer` in a window on a real X server (Xvfb): what ffmpeg sends is what its pixels show,
//! and closing the window is an end like any other.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The X server's root, and the part of it that the viewer's window covers: no window manager is
/// there to put it anywhere else than in the corner.
const ROOT: (usize, usize) = (800, 600);
const LIMIT: Duration = Duration::from_secs(60);

/// What a window manager sends to the window when somebody closes it; not every xdotool can.
const CLOSER: &str = r#"
import ctypes, sys
class Message(ctypes.Structure):
    _fields_ = [('type', ctypes.c_int), ('serial', ctypes.c_ulong), ('send_event', ctypes.c_int),
                ('display', ctypes.c_void_p), ('window', ctypes.c_ulong), ('kind', ctypes.c_ulong),
                ('format', ctypes.c_int), ('data', ctypes.c_long * 5), ('room', ctypes.c_long * 24)]
x = ctypes.CDLL('libX11.so.6')
x.XOpenDisplay.restype = ctypes.c_void_p
x.XInternAtom.restype = ctypes.c_ulong
display, window = ctypes.c_void_p(x.XOpenDisplay(None)), int(sys.argv[1])
protocols = x.XInternAtom(display, b'WM_PROTOCOLS', 0)
delete = x.XInternAtom(display, b'WM_DELETE_WINDOW', 0)
message = Message(type=33, window=window, kind=protocols, format=32)
message.data[0] = delete
sent = x.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(message))
x.XCloseDisplay(display)
sys.exit(0 if sent else 1)
"#;

/// A child that is ended with the test.
struct Own(Child);

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An X server on a number of its own choice.
fn x_server() -> Option<(Own, String)> {
    let screen = format!("{}x{}x24", ROOT.0, ROOT.1);
    let mut server = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = server.stdout.take().unwrap();
    let server = Own(server);
    let mut number = String::new();
    BufReader::new(output).read_line(&mut number).unwrap();
    Some((server, format!(":{}", number.trim())))
}

fn ffmpeg(arguments: &[&str]) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin"]).args(arguments);
    command
}

/// The RGB bytes that ffmpeg makes of `input`, as large as the root.
fn rgb(input: &[&str]) -> Vec<u8> {
    let size = format!("scale={}:{}", ROOT.0, ROOT.1);
    let mut command = ffmpeg(input);
    command.args(["-frames:v", "1", "-vf", &size, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
    let Output { status, stdout, .. } = command.output().unwrap();
    assert!(status.success() && stdout.len() == ROOT.0 * ROOT.1 * 3);
    stdout
}

/// The share of bytes that are nearly the same in both.
fn alike(a: &[u8], b: &[u8]) -> f64 {
    let same = a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) < 24).count();
    same as f64 / a.len() as f64
}

/// The first log line with `text` in it, from there on.
fn says(log: &Path, text: &str) -> String {
    let limit = Instant::now() + LIMIT;
    loop {
        let said = std::fs::read_to_string(log).unwrap();
        if let Some((line, _)) = said.split_once(text).and_then(|(_, rest)| rest.split_once('\n')) {
            return line.to_owned();
        }
        assert!(Instant::now() < limit, "never said {text}: {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_ffmpeg_sends_is_seen_in_the_window_and_closing_it_writes_the_statistics() {
    let Some((_server, display)) = x_server() else {
        println!("skipped: Xvfb is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let viewer = Command::new(env!("CARGO_BIN_EXE_twocan"))
        .args(["viewer", "--listen", "0"])
        .current_dir(folder.path())
        .env("DISPLAY", &display)
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env_remove("RUST_LOG")
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn();
    let mut viewer = Own(viewer.unwrap());
    let url = format!("tcp://{}", says(&log, "waiting at "));

    let source = "testsrc=size=640x480:rate=10";
    let sent = rgb(&["-f", "lavfi", "-i", source]);
    let screen = || rgb(&["-f", "x11grab", "-draw_mouse", "0", "-i", &display]);
    let before = alike(&screen(), &sent);
    assert!(before < 0.5, "nothing was sent yet: {before}");
    let input = ["-re", "-f", "lavfi", "-i", source, "-q:v", "2", "-f", "mjpeg", &url];
    let _sender = Own(ffmpeg(&input).stderr(Stdio::null()).spawn().unwrap());
    let limit = Instant::now() + LIMIT;
    loop {
        // A gradient and a number in it move; the rest stands still.
        let seen = alike(&screen(), &sent);
        if seen > 0.9 {
            break;
        }
        assert!(Instant::now() < limit, "only {seen} of the picture is seen");
    }

    let search = ["search", "--onlyvisible", "--name", "Twocan viewer"];
    let window = Command::new("xdotool").args(search).env("DISPLAY", &display).output();
    let window = String::from_utf8(window.expect("xdotool is installed").stdout).unwrap();
    let mut close = Command::new("python3");
    close.args(["-c", CLOSER, window.trim()]).env("DISPLAY", &display);
    assert!(close.status().unwrap().success());
    let limit = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = viewer.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < limit, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}: {}", std::fs::read_to_string(&log).unwrap());
    let stats = std::fs::read_to_string(folder.path().join("Stats-Video-Viewer")).unwrap();
    let json: serde_json::Value = serde_json::from_str(stats.lines().last().unwrap()).unwrap();
    assert!(json["shown"].as_u64() > Some(0), "{stats}");
    assert_eq!((&json["sink"], &json["failures"]), (&"window".into(), &0.into()), "{stats}");
}
