//! The desktop window on a real X server (Xvfb, when there is no display): drawn, touched, closed.
//!
//! Without a harness, since winit wants the main thread.

#[path = "common/x_server.rs"]
mod x_server;

mod ui_common;

use std::process::Command as Process;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use twocan::clock;
use twocan::device::VideoSink;
use twocan::frame::Size;
use twocan::ui::panel::Panel;
use twocan::ui::screen::Command;
use twocan::ui::{ScreenKind, Ui, UiHandle};
use ui_common::*;
use x_server::XServer;

const LIMIT: Duration = Duration::from_secs(30);
const AGAIN: &str = "TWOCAN_TEST_UI_WINDOW";

fn main() {
    if std::env::var_os(AGAIN).is_some() {
        return the_window_is_drawn_touched_and_closed();
    }
    let Some(server) = XServer::start("1024x768x24") else {
        println!("skipped: Xvfb is not installed");
        return;
    };
    let again = std::env::current_exe().expect("a test has a path");
    let ended = Process::new(again)
        .env(AGAIN, "1")
        .env("DISPLAY", &server.display)
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .status();
    drop(server);
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
