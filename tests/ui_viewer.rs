//! The viewer's window, headless: the picture and nothing else, in its true shape.
#![cfg(feature = "ui")]

use std::sync::{Arc, mpsc};
use std::time::Duration;

use twocan::clock;
use twocan::device::VideoSink;
use twocan::frame::{PixelFormat, Size};
use twocan::ui::{ScreenKind, viewer_window};

#[test]
fn a_4_to_3_picture_stands_in_the_middle_of_a_wide_viewer_between_black_bars() {
    let viewer = viewer_window(ScreenKind::Headless, Size::new(640, 360), || {})
        .expect("a headless viewer needs nothing");
    let handle = viewer.handle();
    let (shown, shown_at) = mpsc::channel();
    handle.on_shown(Arc::new(move |captured, _| {
        let _ = shown.send(captured);
    }));
    let story = std::thread::Builder::new()
        .name("story".to_owned())
        .spawn(move || {
            let mut sink = handle.video_sink();
            assert_eq!(sink.format(), PixelFormat::Rgb8);
            let captured = clock::now();
            sink.lease(Size::new(320, 240), 320 * 240 * 3).fill(99);
            sink.push(captured).expect("the viewer is there");
            let told = shown_at.recv_timeout(Duration::from_secs(20));
            let shot = handle.screenshot();
            handle.quit();
            (told == Ok(captured), shot)
        })
        .expect("a thread starts");
    viewer.run().expect("the loop ends when it is told to");
    let (told, shot) = story.join().expect("the story was told");
    assert!(told, "the picture is told of when it is on show");
    let shot = shot.expect("the loop answers");
    assert_eq!(shot.size, Size::new(640, 360));
    assert_eq!(shot.pixel(78, 180), Some([0, 0, 0]));
    assert_eq!(shot.pixel(81, 180), Some([99, 99, 99]));
    assert_eq!(shot.pixel(558, 180), Some([99, 99, 99]));
    assert_eq!(shot.pixel(561, 180), Some([0, 0, 0]));
}
