//! The service manager's side: a socket that listens as systemd does, and a kiosk that was started
//! with it in its environment.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use twocan::app::{self, Inbox};
use twocan::config::{Config, Paths};
use twocan::stop::stop_pair;
use twocan::ui::panel::Panel;
use twocan::ui::{ScreenKind, Ui, WindowFace};

/// However slow the machine is, by now it has happened or it never will.
const LIMIT: Duration = Duration::from_secs(60);
/// The watchdog's period, in microseconds.
const PERIOD_US: u64 = 300_000;

/// A service manager with one service; ends it with itself.
struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
    service: Option<Child>,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { folder, socket, service: None }
    }

    fn start(&mut self, command: &mut Command) {
        let command = command
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .env("WATCHDOG_USEC", PERIOD_US.to_string())
            .env_remove("WATCHDOG_PID");
        self.service = Some(command.spawn().unwrap());
    }

    fn service(&mut self) -> &mut Child {
        self.service.as_mut().unwrap()
    }

    /// The next message within `limit`, if there is one.
    fn hear(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    /// Everything up to the message that is `wanted`.
    #[track_caller]
    fn wait(&self, wanted: &str) -> Vec<String> {
        let (deadline, mut heard) = (Instant::now() + LIMIT, Vec::new());
        while Instant::now() < deadline {
            let Some(message) = self.hear(LIMIT) else { break };
            let found = message.trim_end() == wanted;
            heard.push(message);
            if found {
                return heard;
            }
        }
        panic!("no {wanted}, instead {heard:?}");
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(service) = &mut self.service {
            // It may have ended by itself.
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

fn at(command: &mut Command, folder: &Path) {
    let path = |name: &str| folder.join(name).into_os_string();
    std::fs::write(folder.join("twocan.toml"), "").unwrap();
    let config = [("--config", path("twocan.toml")), ("--state", path("state"))];
    for (option, value) in config {
        command.arg(option).arg(value);
    }
}

#[test]
fn a_kiosk_says_that_it_is_up_how_it_is_that_it_goes_on_and_that_it_ends() {
    let mut manager = Manager::new();
    let mut kiosk = Command::new(env!("CARGO_BIN_EXE_twocan"));
    kiosk.args(["kiosk", "--screen", "headless"]);
    at(&mut kiosk, manager.folder.path());
    manager.start(&mut kiosk);

    let before = manager.wait("READY=1");
    assert!(!before.iter().any(|message| message.contains("WATCHDOG")), "{before:?}");
    let words = "STATUS=at rest; no relay; 0 of 0 contacts can be reached";
    assert!(before.iter().any(|message| message.trim_end() == words), "{before:?}");
    for _ in 0..3 {
        manager.wait("WATCHDOG=1");
    }

    let pid = i32::try_from(manager.service().id()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGTERM).unwrap();
    manager.wait("STOPPING=1");
    assert!(manager.service().wait().unwrap().success());
}

#[test]
fn a_kiosk_whose_screen_hangs_is_alive_and_fed_no_more() {
    let mut manager = Manager::new();
    let mut kiosk = Command::new(std::env::current_exe().unwrap());
    kiosk
        .args(["--exact", "a_kiosk_whose_screen_can_be_hung", "--ignored", "--nocapture"])
        .env("TWOCAN_TEST_FOLDER", manager.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    manager.start(&mut kiosk);
    manager.wait("READY=1");
    manager.wait("WATCHDOG=1");
    manager.wait("WATCHDOG=1");

    manager.service().stdin.as_mut().unwrap().write_all(b"hang\n").unwrap();
    let said = BufReader::new(manager.service().stdout.take().unwrap());
    said.lines().find(|line| line.as_ref().unwrap() == "hung").unwrap().unwrap();
    // What was under way when it hung may still arrive; nothing comes after it.
    let fed = std::iter::from_fn(|| manager.hear(10 * Duration::from_micros(PERIOD_US))).take(100);
    let fed: Vec<String> = fed.collect();
    assert!(fed.len() <= 2, "{fed:?}");

    let mut status = Command::new(env!("CARGO_BIN_EXE_twocan"));
    status.arg("status");
    at(&mut status, manager.folder.path());
    assert!(status.output().unwrap().status.success(), "the app's own loop goes on");
}

/// Not a test: the other one's kiosk, in a process of its own, since it needs an environment of its
/// own and never ends.
#[test]
#[ignore = "it is started by another test"]
fn a_kiosk_whose_screen_can_be_hung() {
    let Some(folder) = std::env::var_os("TWOCAN_TEST_FOLDER").map(PathBuf::from) else { return };
    let named = Some(folder.join("state"));
    let paths = Paths::find(Some(folder.join("twocan.toml")), named, None, |_| None).unwrap();
    let inbox = Inbox::default();
    let mut ui = Ui::new(ScreenKind::Headless, Panel::SEVEN_INCH, |_| {}).unwrap();
    let face = Arc::new(WindowFace::of(&mut ui));
    let (_stopper, stop) = stop_pair();
    let _app = app::start(&Config::default(), &paths, face, inbox, stop).unwrap();
    let hand = std::thread::Builder::new().spawn(|| {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        slint::invoke_from_event_loop(|| {
            println!("\nhung");
            loop {
                std::thread::park();
            }
        })
        .unwrap();
    });
    ui.run().unwrap();
    hand.unwrap().join().unwrap();
}
