//! The headless screen as the kiosk uses it: its own event loop, handles in other threads.
#![cfg(feature = "ui")]

mod ui_common;

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use twocan::clock::{self, Time};
use twocan::device::VideoSink;
use twocan::frame::Size;
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Command, Page};
use twocan::ui::{ScreenKind, Ui, UiHandle};
use ui_common::*;

const LIMIT: Duration = Duration::from_secs(20);

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn push(sink: &mut impl VideoSink, size: Size, color: [u8; 3], captured: Time) {
    let room = sink.lease(size, size.pixels() * 3);
    for pixel in room.chunks_exact_mut(3) {
        pixel.copy_from_slice(&color);
    }
    sink.push(captured).expect("the screen is there");
}

/// One process has one event loop: the whole story is one test.
#[test]
fn a_headless_kiosk_draws_what_is_published_feels_taps_shows_pictures_and_rests_in_between() {
    let (command, commands) = mpsc::channel();
    let mut ui = Ui::new(ScreenKind::Headless, Panel::SEVEN_INCH, move |said| {
        let _ = command.send(said);
    })
    .expect("a headless screen needs nothing");
    let (first, first_frame) = mpsc::channel();
    ui.on_first_frame(move |now| {
        let _ = first.send(now);
    });
    let handle = ui.handle();
    let story = std::thread::Builder::new()
        .name("story".to_owned())
        .spawn(move || {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                first_frame.recv_timeout(LIMIT).expect("the first frame is drawn");
                tell(&handle, &commands);
            }));
            handle.quit();
            ended
        })
        .expect("a thread starts");
    let late = ui.handle();
    ui.run().expect("the loop ends when it is told to");
    // Whoever comes late is told, and need not wait.
    assert!(late.screenshot().is_err());
    let mut sink = late.video_sink();
    sink.lease(Size::new(2, 2), 12);
    assert!(sink.push(clock::now()).is_err());
    story.join().expect("the story was told").expect("the story came true");
}

fn tell(handle: &UiHandle, commands: &mpsc::Receiver<Command>) {
    // What is published is drawn.
    handle.publish(two_people());
    wait_until("the tiles are drawn", || {
        handle.screenshot().expect("drawn").pixel(40, 100) != Some([0xf6, 0xf2, 0xea])
    });
    let shot = handle.screenshot().expect("the loop answers");
    assert_eq!(shot.size, Size::new(800, 480));

    // The same again draws nothing.
    let before = handle.draws();
    for _ in 0..5 {
        handle.publish(two_people());
    }
    let same = handle.screenshot().expect("the loop answers, so it has taken the screens");
    assert_eq!(handle.draws(), before);
    assert!(same == shot, "the pixels are the same");

    // A finger is felt, once the page has settled.
    wait_until("the tap on Anna is heard", || {
        handle.tap(200.0, 250.0);
        commands.recv_timeout(Duration::from_millis(100)) == Ok(Command::Dial(key(1)))
    });

    // A picture is shown where it belongs, and told of with its age.
    let (shown, shown_at) = mpsc::channel();
    handle.on_shown(Arc::new(move |captured, now| {
        let _ = shown.send((captured, now));
    }));
    handle.publish(in_call_with(|page| {
        if let Page::InCall { self_view, .. } = page {
            *self_view = true;
        }
    }));
    let mut sink = handle.video_sink();
    let mut own = handle.self_view_sink();
    let captured = clock::now();
    push(&mut sink, Size::new(640, 360), [10, 200, 30], captured);
    let (told, now) = shown_at.recv_timeout(LIMIT).expect("the picture is shown");
    assert_eq!(told, captured);
    assert!(now >= captured);
    push(&mut own, Size::new(320, 180), [200, 10, 30], clock::now());
    wait_until("both pictures are drawn", || {
        let shot = handle.screenshot().expect("the loop answers");
        shot.pixel(20, 390) == Some([10, 200, 30]) && shot.pixel(600, 60) == Some([200, 10, 30])
    });

    // Newest wins: every picture pushed is either shown or replaced, and the last one is shown.
    for n in 0..200_u8 {
        push(&mut sink, Size::new(640, 360), [n, 0, 0], clock::now());
    }
    wait_until("all pictures are accounted for", || {
        let stats = handle.picture_stats();
        stats.shown + stats.replaced == 201
    });
    assert_eq!(handle.screenshot().expect("drawn").pixel(20, 390), Some([199, 0, 0]));

    // Taken away, nothing of it is left.
    handle.clear_video();
    wait_until("the picture is gone", || {
        handle.screenshot().expect("drawn").pixel(20, 390) != Some([199, 0, 0])
    });

    // And a PNG of it all.
    let file = pages_folder().join("headless.png");
    handle.screenshot_png(&file).expect("the file can be written");
    assert!(handle.screenshot_png(std::path::Path::new("/nowhere/at/all.png")).is_err());
}
