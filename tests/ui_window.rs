//! The desktop window on a real X server (Xvfb, when there is no display): drawn, touched, closed.
//!
//! Without a harness, since winit wants the main thread.

mod ui_common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use twocan::clock;
use twocan::device::VideoSink;
use twocan::frame::Size;
use twocan::ui::panel::Panel;
use twocan::ui::screen::Command;
use twocan::ui::{ScreenKind, Ui, UiHandle};
use ui_common::*;

const LIMIT: Duration = Duration::from_secs(30);
const AGAIN: &str = "TWOCAN_TEST_UI_WINDOW";

/// An X server on a number of its own choice.
fn x_server() -> Option<(Child, String)> {
    let mut server = Process::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut number = String::new();
    let output = server.stdout.take().expect("it was piped");
    BufReader::new(output).read_line(&mut number).expect("Xvfb says its number");
    Some((server, format!(":{}", number.trim())))
}

fn main() {
    if std::env::var_os(AGAIN).is_some() {
        return the_window_is_drawn_touched_and_closed();
    }
    let Some((mut server, display)) = x_server() else {
        println!("skipped: Xvfb is not installed");
        return;
    };
    let again = std::env::current_exe().expect("a test has a path");
    let ended = Process::new(again)
        .env(AGAIN, "1")
        .env("DISPLAY", display)
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .status();
    server.kill().expect("Xvfb is ours to end");
    server.wait().expect("Xvfb has ended");
    assert!(ended.expect("this test starts again").success(), "the window's story came true");
}

fn the_window_is_drawn_touched_and_closed() {
    let (command, commands) = mpsc::channel();
    let ui = Ui::new(ScreenKind::Window, Panel::SEVEN_INCH.square(), move |said| {
        let _ = command.send(said);
    })
    .expect("there is an X server");
    ui.handle().publish(two_people());
    run_beside(ui, move |handle| tell(handle, &commands));
}

fn tell(handle: &UiHandle, commands: &mpsc::Receiver<Command>) {
    let shot = handle.screenshot().expect("the window is drawn");
    assert_eq!(shot.size, Size::new(800, 480));
    let deadline = Instant::now() + LIMIT;
    loop {
        handle.tap(200.0, 250.0);
        match commands.recv_timeout(Duration::from_millis(100)) {
            Ok(command) => break assert_eq!(command, Command::Dial(key(1))),
            Err(_) => assert!(Instant::now() < deadline, "the tap on Anna was not heard"),
        }
    }
    handle.publish(in_call());
    let (shown, shown_at) = mpsc::channel();
    handle.on_shown(std::sync::Arc::new(move |captured, _| {
        let _ = shown.send(captured);
    }));
    let mut sink = handle.video_sink();
    let captured = clock::now();
    sink.lease(Size::new(640, 480), 640 * 480 * 3).fill(77);
    sink.push(captured).expect("the window is there");
    assert_eq!(shown_at.recv_timeout(LIMIT), Ok(captured));
    let shot = handle.screenshot().expect("the window is drawn");
    // Square pixels: 412 high, 549 wide, in the middle of 680.
    assert_eq!(shot.pixel(60, 200), Some([0, 0, 0]));
    assert_eq!(shot.pixel(70, 200), Some([77, 77, 77]));
    let file = pages_folder().join("window.png");
    handle.screenshot_png(&file).expect("the file can be written");
}
