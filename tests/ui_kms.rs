//! The pages on a panel, as far as no kernel is needed: what is drawn, what is handed on, where the
//! hole is. What shows it here is memory that keeps a record.
#![cfg(feature = "kms")]

mod ui_common;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use twocan::clock::{self, Time};
use twocan::device::{DeviceError, VideoSink};
use twocan::frame::{PixelFormat, Size};
use twocan::geometry::Rect;
use twocan::ui::face::{Hook, Shown};
use twocan::ui::kms::surface::{Patch, Room, Surface};
use twocan::ui::kms::{Appliance, Changed};
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Command, Levels, Page};
use twocan::ui::{ScreenKind, Snapshot, Ui, UiHandle};
use twocan::wire::status::ScreenStatus;
use ui_common::*;

/// What has been asked of the panel.
#[derive(Default)]
struct Record {
    size: Size,
    hole: bool,
    /// The pages as they are on it.
    canvas: Vec<u32>,
    /// Every rectangle presented since it was last looked at.
    presented: Vec<Rect>,
    rooms: Vec<Option<Room>>,
    /// Pixels of holes that were on it with no room for a picture there.
    bare: usize,
    pictures: u64,
    cleared: u64,
    /// It hangs: whoever asks whether it comes round waits.
    hangs: bool,
    waiting: Vec<Hook>,
    changed: Option<Changed>,
}

#[derive(Clone)]
struct Memory(Arc<Mutex<Record>>);

impl Memory {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pixel(&self, x: u32, y: u32) -> u32 {
        let record = self.record();
        let at = (y * record.size.width + x) as usize;
        record.canvas.get(at).copied().expect("the pixel is on the panel")
    }

    /// What was presented since the last time, as one rectangle around it, and how many pixels.
    fn news(&self) -> (Rect, usize) {
        let presented = std::mem::take(&mut self.record().presented);
        let around = presented.iter().copied().fold(Rect::default(), Rect::join);
        (around, presented.iter().map(|rect| rect.size.pixels()).sum())
    }

    fn room(&self) -> Option<Rect> {
        self.record().rooms.last().copied().flatten().map(|room| room.rect)
    }

    /// Plug in another panel.
    fn become_panel(&self, size: Size, hole: bool) {
        let mut record = self.record();
        (record.size, record.hole) = (size, hole);
        record.canvas = vec![0x1234_5678; size.pixels()];
        let changed = record.changed.take().expect("somebody wants to hear it");
        drop(record);
        changed();
        self.record().changed = Some(changed);
    }
}

impl Surface for Memory {
    fn size(&self) -> Size {
        self.record().size
    }

    fn present(&self, patches: Vec<Patch>, room: Option<Room>) {
        let mut record = self.record();
        let width = record.size.width as usize;
        for Patch { rect, pixels } in patches {
            record.presented.push(rect);
            for (row, line) in pixels.chunks_exact(rect.size.width as usize).enumerate() {
                let start = (rect.y as usize + row) * width + rect.x as usize;
                record.canvas[start..start + line.len()].copy_from_slice(line);
            }
        }
        if record.rooms.last() != Some(&room) {
            record.rooms.push(room);
        }
        let room = room.map(|room| room.rect).unwrap_or_default();
        let holes = record.canvas.iter().enumerate().filter(|(_, pixel)| **pixel == 0);
        let place = |at: usize| Rect::new((at % width) as u32, (at / width) as u32, 1, 1);
        let bare = holes.filter(|(at, _)| place(*at).meet(room).is_empty()).count();
        record.bare += bare;
    }

    fn has_hole(&self) -> bool {
        self.record().hole
    }

    fn pictures(&self, shown: Shown) -> Box<dyn VideoSink> {
        Box::new(Pictures { memory: self.clone(), shown, buffer: Vec::new() })
    }

    fn clear(&self) {
        self.record().cleared += 1;
    }

    fn come_round(&self, answer: Hook) {
        let mut record = self.record();
        if record.hangs {
            record.waiting.push(answer);
            return;
        }
        drop(record);
        answer();
    }

    fn status(&self) -> ScreenStatus {
        ScreenStatus { connector: Some("Memory-1".to_owned()), ..ScreenStatus::default() }
    }

    fn snapshot(&self) -> Result<Snapshot, String> {
        let record = self.record();
        let rgb8 = record.canvas.iter().flat_map(|pixel| {
            let [_, red, green, blue] = pixel.to_be_bytes();
            [red, green, blue]
        });
        Ok(Snapshot { size: record.size, rgb8: rgb8.collect() })
    }
}

struct Pictures {
    memory: Memory,
    shown: Shown,
    buffer: Vec<u8>,
}

impl VideoSink for Pictures {
    fn format(&self) -> PixelFormat {
        PixelFormat::I420
    }

    fn lease(&mut self, _size: Size, bytes: usize) -> &mut [u8] {
        self.buffer.resize(bytes, 0);
        &mut self.buffer
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        self.memory.record().pictures += 1;
        (self.shown)(captured, clock::now());
        Ok(())
    }
}

const PICTURE: Size = Size::new(640, 360);

fn push(sink: &mut dyn VideoSink) {
    let bytes = match sink.format() {
        PixelFormat::Rgb8 => PICTURE.pixels() * 3,
        _ => PICTURE.pixels() * 3 / 2,
    };
    sink.lease(PICTURE, bytes).fill(200);
    sink.push(clock::now()).expect("the panel takes it");
}

/// One process has one event loop: the whole story is one test.
#[test]
fn pages_on_a_panel_hand_on_only_what_changed_and_leave_a_hole_for_the_picture() {
    let size = Size::new(800, 480);
    let record = Record { size, hole: true, canvas: vec![0; size.pixels()], ..Record::default() };
    let memory = Memory(Arc::new(Mutex::new(record)));
    let (command, commands) = mpsc::channel();
    let surface = memory.clone();
    let appliance = Appliance {
        surface: Box::new(move |changed| {
            surface.record().changed = Some(changed);
            Ok(Arc::new(surface) as Arc<dyn Surface>)
        }),
        fingers: None,
    };
    let ui = Ui::new(ScreenKind::Kms(appliance), Panel::PORTRAIT, move |said| {
        let _ = command.send(said);
    })
    .expect("memory is a panel");
    run_beside(ui, move |handle| {
        let story = Story { handle, memory, commands };
        story.home_is_drawn_once();
        story.a_call_has_a_hole();
        story.only_what_changes_is_handed_on();
        story.the_hole_moves_and_goes();
        story.no_hole_was_without_its_room();
        story.another_panel_is_laid_out_anew();
        story.a_panel_that_hangs_answers_nobody_though_the_pages_go_on();
    });
}

struct Story<'a> {
    handle: &'a UiHandle,
    memory: Memory,
    commands: mpsc::Receiver<Command>,
}

impl Story<'_> {
    fn a_panel_that_hangs_answers_nobody_though_the_pages_go_on(&self) {
        let ask = || {
            let (answer, answered) = mpsc::channel();
            let answer = move || {
                let _ = answer.send(());
            };
            self.handle.come_round(Box::new(answer.clone()));
            // What the service manager hears of the first frame goes the same way.
            self.handle.once_on_panel(Box::new(answer));
            answered
        };
        let answered = ask();
        for _ in 0..2 {
            answered.recv_timeout(Duration::from_secs(30)).expect("it comes round");
        }
        self.memory.record().hangs = true;
        let answered = ask();
        self.settle();
        assert!(answered.try_recv().is_err(), "the pages answered for the panel");
        let waiting = std::mem::take(&mut self.memory.record().waiting);
        assert_eq!(waiting.len(), 2);
        waiting.into_iter().for_each(|answer| answer());
        assert_eq!(answered.iter().count(), 2);
    }

    /// Everything published and pushed so far has been drawn and handed on.
    fn settle(&self) {
        self.handle.screenshot().expect("the loop answers");
    }

    fn copied(&self) -> u64 {
        self.settle();
        self.handle.status().copied_pixels
    }

    fn home_is_drawn_once(&self) {
        self.handle.publish(two_people());
        wait_until("the tiles are drawn", || self.memory.pixel(18, 260) == 0xff14_181f);
        assert!(self.memory.record().canvas.iter().all(|pixel| pixel >> 24 == 0xff), "no hole");
        assert!(self.memory.room().is_none());
        self.settle();
        let before = self.handle.status();
        for _ in 0..5 {
            self.handle.publish(two_people());
            self.settle();
        }
        let after = self.handle.status();
        assert_eq!(after.drawings, before.drawings, "drawings while nothing changes");
        assert_eq!(after.copied_pixels, before.copied_pixels);
        assert_eq!((after.kind.as_str(), after.connector.as_deref()), ("kms", Some("Memory-1")));
        assert!(after.full_drawings >= 1 && after.drawings >= after.full_drawings);
    }

    fn a_call_has_a_hole(&self) {
        self.handle.publish(in_call_at(5, 6));
        wait_until("the picture's room is known", || self.memory.room().is_some());
        self.settle();
        assert_eq!(self.memory.room(), Some(Rect::new(0, 0, 680, 412)));
        // Until there is a picture, the page shows who it is.
        assert_eq!(self.memory.pixel(20, 300) >> 24, 0xff);
        let (shown, shown_at) = mpsc::channel();
        let mut sink = self.handle.remote(Arc::new(move |captured, _| {
            let _ = shown.send(captured);
        }));
        assert_eq!(sink.format(), PixelFormat::I420, "the panel's own sink");
        push(&mut *sink);
        shown_at.recv_timeout(LIMIT).expect("the panel tells");
        wait_until("the page lets the picture through", || self.memory.pixel(20, 300) == 0);
        let holes: Vec<(usize, usize)> = {
            let record = self.memory.record();
            let pixels = record.canvas.iter().enumerate().filter(|(_, pixel)| **pixel == 0);
            pixels.map(|(at, _)| (at % 800, at / 800)).collect()
        };
        let sign = 140 * 50;
        let by_sign =
            holes.iter().filter(|(x, y)| (8..148).contains(x) && (8..58).contains(y)).count();
        assert_eq!(holes.len() - by_sign, 680 * 412 - sign, "the hole is the picture's room");
        assert!(by_sign < sign / 2, "but for the sign of camera and microphone");
        assert_eq!(self.memory.pixel(4, 420), 0xff0d_1118, "the strip");
        assert_eq!(self.memory.pixel(681, 240) >> 24, 0xff, "the rail");

        // A hundred pictures cost the pages nothing.
        let before = (self.copied(), self.handle.draws());
        for _ in 0..100 {
            push(&mut *sink);
        }
        assert_eq!((self.copied(), self.handle.draws()), before);
        assert_eq!(self.memory.record().pictures, 101);
    }

    fn only_what_changes_is_handed_on(&self) {
        self.memory.news();
        self.handle.publish(in_call_at(6, 6));
        wait_until("the minute is drawn", || !self.memory.record().presented.is_empty());
        self.settle();
        let (minute, minute_pixels) = self.memory.news();
        inside("a minute", minute, Rect::new(0, 412, 680, 68));

        // A touch on Louder: the button's colours, and when it is published the bar.
        wait_until("the tap on Louder is heard", || {
            self.handle.tap(740.0, 50.0);
            self.commands.recv_timeout(Duration::from_millis(100)) == Ok(Command::Louder)
        });
        self.settle();
        let (button, button_pixels) = self.memory.news();
        inside("Louder", button, Rect::new(680, 0, 120, 104));
        self.handle.publish(in_call_at(6, 7));
        wait_until("the bar is drawn", || self.memory.pixel(50, 320) == 0xff14_181f);
        self.settle();
        let (bar, bar_pixels) = self.memory.news();
        inside("the bar", bar, Rect::new(40, 300, 600, 96));
        assert_eq!(self.memory.pixel(20, 300), 0, "beside it the picture is seen");
        wait_until("the bar is gone", || self.memory.pixel(50, 320) == 0);
        self.settle();
        let (gone, _) = self.memory.news();
        inside("the bar's place", gone, Rect::new(40, 300, 600, 96));

        // Both voices: their lamps, beside which nothing is drawn or copied.
        let meters = Rect::new(80, 0, 110, 68);
        let strip = Rect::new(0, 412, 680, 68);
        let mut voices_pixels = 0;
        for level in [3, 1, 5] {
            self.handle.publish(in_call_with(|page| {
                if let Page::InCall { duration, volume, levels, .. } = page {
                    (*duration, *volume) = (Duration::from_secs(60 * 6), 7);
                    *levels = Levels { ours: level, theirs: 5 - level };
                }
            }));
            self.settle();
            let (voices, pixels) = self.memory.news();
            inside("the meters", voices, strip);
            inside("the meters", voices, Rect::new(meters.x, strip.y, 110, 68));
            voices_pixels = pixels;
        }
        self.handle.publish(in_call_at(6, 7));
        self.settle();
        self.memory.news();

        // The own picture is over the other's and costs its own pixels.
        let mut own = self.handle.self_view_sink();
        own.lease(PICTURE, PICTURE.pixels() * 3).fill(99);
        own.push(clock::now()).expect("the screen is there");
        wait_until("the own picture is drawn", || self.memory.pixel(600, 60) == 0xff63_6363);
        self.settle();
        self.memory.news();
        own.lease(PICTURE, PICTURE.pixels() * 3).fill(98);
        own.push(clock::now()).expect("the screen is there");
        wait_until("the next one is drawn", || self.memory.pixel(600, 60) == 0xff62_6262);
        self.settle();
        let (view, view_pixels) = self.memory.news();
        inside("the own picture", view, Rect::new(500, 10, 170, 100));
        println!(
            "pixels handed on: 100 pictures 0, a minute {minute_pixels}, Louder pressed and let go \
             {button_pixels}, the bar {bar_pixels}, both voices {voices_pixels}, an own picture \
             {view_pixels}"
        );
    }

    fn the_hole_moves_and_goes(&self) {
        self.handle.publish(in_call_with(|page| {
            if let Page::InCall { hidden, .. } = page {
                *hidden = true;
            }
        }));
        let below = Rect::new(0, 140, 680, 272);
        wait_until("the banner pushes the picture down", || self.memory.room() == Some(below));
        self.settle();
        assert_eq!(self.memory.pixel(4, 4), 0xffff_c93c, "the banner");
        assert_eq!(self.memory.pixel(20, 200), 0);
        self.handle.publish(in_call_at(6, 7));
        let whole = Rect::new(0, 0, 680, 412);
        wait_until("the picture has its room back", || self.memory.room() == Some(whole));

        // The call's pictures are forgotten: who it is, instead of them.
        self.handle.clear_video();
        wait_until("the page covers the hole", || self.memory.pixel(20, 300) >> 24 == 0xff);
        assert_eq!(self.memory.record().cleared, 1);
        self.handle.publish(two_people());
        wait_until("no page has a hole", || self.memory.room().is_none());
    }

    /// Not for one refresh: what is presented together is shown together.
    fn no_hole_was_without_its_room(&self) {
        self.settle();
        assert_eq!(self.memory.record().bare, 0);
    }

    fn another_panel_is_laid_out_anew(&self) {
        // The same panel again: everything is handed on, nothing is missing.
        let size = Size::new(800, 480);
        self.memory.become_panel(size, true);
        let whole = Rect::whole(size);
        wait_until("all of it is presented", || self.memory.record().presented.contains(&whole));
        self.settle();
        assert_eq!(self.memory.pixel(18, 260), 0xff14_181f);

        let size = Size::new(720, 1280);
        self.memory.become_panel(size, false);
        wait_until("it is laid out upright", || {
            let shot = self.handle.screenshot().expect("the loop answers");
            shot.size == size && self.memory.pixel(700, 1270) == 0xfff6_f2ea
        });
        let leftover = self.memory.record().canvas.contains(&0x1234_5678);
        assert!(!leftover, "every pixel was presented");
        wait_until("the tap on the lower tile is heard", || {
            self.handle.tap(360.0, 1000.0);
            self.commands.recv_timeout(Duration::from_millis(100)) == Ok(Command::Dial(key(2)))
        });

        // Without a hole the pages draw the picture.
        self.handle.publish(in_call_at(1, 7));
        let mut sink = self.handle.remote(Arc::new(|_, _| {}));
        assert_eq!(sink.format(), PixelFormat::Rgb8);
        push(&mut *sink);
        wait_until("the page draws the picture", || self.memory.pixel(360, 400) == 0xffc8_c8c8);
        self.settle();
        assert!(self.memory.room().is_none());
        let file = pages_folder().join("kms.png");
        self.handle.screenshot_png(&file).expect("the file can be written");
    }
}

fn in_call_at(minute: u64, loud: u8) -> twocan::ui::screen::Screen {
    in_call_with(|page| {
        if let Page::InCall { duration, volume, .. } = page {
            (*duration, *volume) = (Duration::from_secs(60 * minute), loud);
        }
    })
}

#[track_caller]
fn inside(what: &str, inner: Rect, outer: Rect) {
    assert!(!inner.is_empty(), "{what} was drawn");
    assert_eq!(inner.meet(outer), inner, "{what} draws nothing else");
}
