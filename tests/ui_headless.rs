//! The headless screen as the kiosk uses it: its own event loop, handles in other threads.
#![cfg(feature = "ui")]

mod ui_common;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use twocan::clock::{self, Time};
use twocan::device::VideoSink;
use twocan::frame::Size;
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Command, Page};
use twocan::ui::{ScreenKind, Ui, UiHandle};
use ui_common::*;

fn push(sink: &mut impl VideoSink, size: Size, color: [u8; 3], captured: Time) {
    let room = sink.lease(size, size.pixels() * 3);
    for pixel in room.chunks_exact_mut(3) {
        pixel.copy_from_slice(&color);
    }
    sink.push(captured).expect("the screen is there");
}

/// Black on the left, white on the right; above, slanting stripes and circles, for people to see.
fn push_pattern(sink: &mut impl VideoSink, size: Size) {
    let room = sink.lease(size, size.pixels() * 3);
    for (n, pixel) in room.chunks_exact_mut(3).enumerate() {
        let (x, y) = (n as u32 % size.width, n as u32 / size.width);
        let (dx, dy) = (x.abs_diff(480), y.abs_diff(110));
        let ring = (dx * dx + dy * dy).isqrt();
        let white = match (x < size.width / 2, y < 220) {
            (left, false) => !left,
            (true, true) => (x + y / 4) % 12 < 6,
            (false, true) => ring % 10 < 5,
        };
        pixel.fill(if white { 255 } else { 0 });
    }
    sink.push(clock::now()).expect("the screen is there");
}

/// One process has one event loop: the whole story is one test.
#[test]
fn a_headless_kiosk_draws_what_is_published_feels_taps_shows_pictures_and_rests_in_between() {
    let (command, commands) = mpsc::channel();
    let ui = Ui::new(ScreenKind::Headless, Panel::SEVEN_INCH, move |said| {
        let _ = command.send(said);
    })
    .expect("a headless screen needs nothing");
    let late = ui.handle();
    run_beside(ui, move |handle| tell(handle, &commands));
    // Whoever comes late is told, and need not wait.
    assert!(late.screenshot().is_err());
    let mut sink = late.video_sink();
    sink.lease(Size::new(2, 2), 12);
    assert!(sink.push(clock::now()).is_err());
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

    // Dark is drawn once; then whatever changes draws nothing, and light paints everything.
    handle.publish(dark(two_people()));
    wait_until("it is dark", || {
        handle.screenshot().expect("drawn").rgb8.iter().all(|byte| *byte == 0)
    });
    let before = handle.draws();
    let mut later = dark(home(six_people()));
    later.strip.clock = "14:06".to_owned();
    handle.publish(later);
    handle.screenshot().expect("the loop answers, so it has taken the screen");
    handle.publish(dark(two_people()));
    handle.screenshot().expect("the loop answers, so it has taken the screen");
    assert_eq!(handle.draws(), before, "drawings in the dark");
    handle.tap(200.0, 250.0);
    assert_eq!(commands.recv_timeout(LIMIT), Ok(Command::Wake));
    assert!(commands.try_recv().is_err());
    handle.publish(two_people());
    assert!(handle.screenshot().expect("drawn") == shot, "all of it is painted again");

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

    // It is drawn in the screen's own pixels, mixed of those it came with: the room is 680x412.
    // How much room there is, the screen tells with the picture before.
    let mut pushed = 1;
    wait_until("the picture is scaled smoothly", || {
        push_pattern(&mut sink, Size::new(640, 360));
        pushed += 1;
        let shot = handle.screenshot().expect("the loop answers");
        shot.pixel(339, 300) == Some([7; 3]) && shot.pixel(340, 300) == Some([247; 3])
    });
    let shot = handle.screenshot().expect("the loop answers");
    assert_eq!(shot.pixel(338, 300), Some([0; 3]));
    assert_eq!(shot.pixel(341, 300), Some([255; 3]));
    shot.write_png(&pages_folder().join("scaled.png")).expect("the file can be written");

    // Newest wins: every picture pushed is either shown or replaced, and the last one is shown.
    for n in 0..200_u8 {
        push(&mut sink, Size::new(640, 360), [n, 0, 0], clock::now());
    }
    wait_until("all pictures are accounted for", || {
        let stats = handle.picture_stats();
        stats.shown + stats.replaced == pushed + 200
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
