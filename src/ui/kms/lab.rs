//! Tests that need a panel of the kernel's, in a guest or on a spare machine: ignored elsewhere.
//! They take the screen, so nothing else may be on it.
//!
//! ```sh
//! TWOCAN_DISPLAY='connector = "Virtual-1"' twocan-tests --ignored --nocapture ui::kms::lab::
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::card::{Card, Look, cards};
use super::model::Connector;
use super::surface::{Patch, Room, Surface};
use super::{Display, Options, probe};
use crate::clock::Time;
use crate::codec::jpeg::{Decoder, Encoder, Limits};
use crate::config;
use crate::device::VideoSource;
use crate::device::test_pattern::TestPattern;
use crate::frame::{Picture, Size};
use crate::geometry::Rect;
use crate::stop::stop_pair;
use crate::ui::panel::Panel;

const SIZE: Size = Size::new(800, 480);
const PICTURE: Size = Size::new(640, 480);

fn config() -> config::Display {
    toml::from_str(&std::env::var("TWOCAN_DISPLAY").unwrap_or_default()).unwrap()
}

#[test]
#[ignore = "needs a card of the kernel's"]
fn the_cards_of_this_machine_as_models_to_be_recorded() {
    for path in cards() {
        let model = Card::open(&path).and_then(|card| card.model(Look::Probe));
        match model {
            Ok(model) => println!("{}", serde_json::to_string_pretty(&model).unwrap()),
            Err(error) => println!("{error}"),
        }
    }
}

/// Pages with a hole in their middle, a half-transparent strip over it, and a mark in one corner.
fn pages(drawing: Size) -> Vec<Patch> {
    let (hole, strip) = (hole(drawing), Rect::new(0, drawing.height * 3 / 4, drawing.width, 40));
    let paint = |x: u32, y: u32| {
        let inside = |rect: Rect| !rect.meet(Rect::new(x, y, 1, 1)).is_empty();
        match () {
            () if x < 40 && y < 40 => 0xffff_0000,
            () if inside(hole) && inside(strip) => 0x8000_4000,
            () if inside(hole) => 0,
            () => 0xff20_2020 + (x * 255 / drawing.width),
        }
    };
    let places = (0..drawing.height).flat_map(|y| (0..drawing.width).map(move |x| (x, y)));
    let pixels = places.map(|(x, y)| paint(x, y)).collect();
    vec![Patch { rect: Rect::whole(drawing), pixels }]
}

fn hole(drawing: Size) -> Rect {
    let (x, y) = (drawing.width / 10, drawing.height / 10);
    Rect::new(x, y, drawing.width - 2 * x, drawing.height - 2 * y)
}

fn start() -> Arc<Display> {
    let changed = Box::new(|| println!("another panel"));
    let display = Display::start(Options { display: config(), size: SIZE, changed }).unwrap();
    display.present(pages(display.size()), None);
    display
}

/// Wait until it is so; with a limit, for a guest is slow.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How often the display's thread went to sleep so far.
fn sleeps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status"));
    let ours = tasks.filter_map(|task| status(task).ok());
    let ours = ours.filter(|status| status.starts_with("Name:\tdisplay\n"));
    let count = |status: String| {
        let line = status.lines().find(|line| line.starts_with("voluntary")).unwrap().to_owned();
        line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
    };
    ours.map(count).sum()
}

#[test]
#[ignore = "needs a panel of the kernel's, and takes it"]
fn nothing_is_done_while_nothing_changes_and_many_changes_are_one_per_refresh() {
    let display = start();
    until("the pages are on the panel", || display.status().commits == 1);
    std::thread::sleep(Duration::from_millis(500));
    let before = sleeps();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(sleeps(), before, "woken up for nothing");
    let (began, mut presented) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(2) {
        let rect = Rect::new(presented % 64, 0, 8, 8);
        display.present(vec![Patch { rect, pixels: vec![0xffff_ffff; 64] }], None);
        presented += 1;
        std::thread::sleep(Duration::from_micros(200));
    }
    let status = display.status();
    println!("{presented} presented in {:?}, {} commits", began.elapsed(), status.commits);
    assert!(status.commits <= 2 * 75 + 20, "{status:?}");
}

#[test]
#[ignore = "needs a panel of the kernel's, and takes it"]
fn a_panel_that_somebody_else_holds_is_taken_when_they_let_go() {
    let held: Vec<Card> = cards().iter().map(|path| Card::open(path).unwrap()).collect();
    println!("probe: {:?}", probe(&config(), SIZE));
    let display = start();
    println!("{:?}", display.status().trouble);
    assert!(display.status().trouble.is_some());
    assert_eq!(display.size(), SIZE, "what is wished for, until a panel is there");
    display.present(pages(display.size()), None);
    drop(held);
    until("the panel is taken", || display.status().trouble.is_none());
    display.present(pages(display.size()), None);
    until("it is painted", || display.status().commits > 0);
}

#[test]
#[ignore = "needs a card of the kernel's"]
fn a_glance_knows_what_a_probe_found() {
    for path in cards() {
        let Ok(card) = Card::open(&path) else { continue };
        let probed = card.model(Look::Probe).unwrap();
        let connected = |connector: &Connector| (connector.name.clone(), connector.connected);
        let model = card.model(Look::Glance).unwrap();
        let known: Vec<_> = model.connectors.iter().map(connected).collect();
        assert_eq!(known, probed.connectors.iter().map(connected).collect::<Vec<_>>());
        for (known, probed) in model.connectors.iter().zip(&probed.connectors) {
            assert_eq!(known.modes, probed.modes, "{}", known.name);
            println!("{}: {} modes", known.name, known.modes.len());
        }
    }
}

#[test]
#[ignore = "needs a panel of the kernel's, and takes it"]
fn a_panel_that_goes_is_waited_for_and_painted_when_it_comes_back() {
    let display = start();
    until("the pages are on the panel", || display.status().commits == 1);
    let status = display.status();
    let card = status.card.unwrap().rsplit_once('/').unwrap().1.to_owned();
    let folder = format!("/sys/class/drm/{card}");
    let plug = format!("{folder}/{card}-{}/status", status.connector.unwrap());
    // The kernel says nothing by itself of what is written here.
    let news = || std::fs::write(format!("{folder}/uevent"), "change").unwrap();
    std::fs::write(&plug, "off").unwrap();
    news();
    until("it is missed", || display.status().trouble.is_some());
    println!("{:?}", display.status().trouble);
    assert!(display.snapshot().is_ok(), "the pages are still there");
    std::fs::write(&plug, "on").unwrap();
    news();
    until("it is back", || display.status().trouble.is_none());
    until("it is painted", || display.status().commits == 2);
}

#[test]
#[ignore = "needs a panel of the kernel's, and takes it"]
fn a_moving_pattern_stands_on_the_panel_behind_the_hole_of_the_pages() {
    let seconds = std::env::var("TWOCAN_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    println!("probe: {:?}", probe(&config(), SIZE));
    let changed = Box::new(|| println!("another panel"));
    let display = Display::start(Options { display: config(), size: SIZE, changed }).unwrap();
    println!("status: {:?}", display.status());
    let drawing = display.size();
    let pixel_aspect = Panel::SEVEN_INCH.pixel_aspect;
    display.present(pages(drawing), Some(Room { rect: hole(drawing), pixel_aspect }));

    let times = Arc::new(Mutex::new(Vec::<(Time, Time)>::new()));
    let told = Arc::clone(&times);
    let mut sink = display.pictures(Arc::new(move |captured, at| {
        told.lock().unwrap().push((captured, at));
    }));
    let (_stopper, stop) = stop_pair();
    let mut pattern = TestPattern::new(PICTURE, 30.0, 'A').unwrap();
    let mut encoder = Encoder::new(75).unwrap();
    let mut decoder = Decoder::new(Limits::of(PICTURE)).unwrap();
    let (mut picture, pushed) = (Picture::default(), AtomicU64::new(0));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        pattern.read(&mut picture, &stop).unwrap();
        let jpeg = encoder.encode(&picture).unwrap().to_vec();
        decoder.decode(&jpeg, sink.format(), |size, bytes| sink.lease(size, bytes)).unwrap();
        sink.push(picture.captured).unwrap();
        pushed.fetch_add(1, Ordering::Relaxed);
    }
    let snapshot = display.snapshot().unwrap();
    if let Ok(path) = std::env::var("TWOCAN_SNAPSHOT") {
        snapshot.write_png(path.as_ref()).unwrap();
    }
    let status = display.status();
    let shown = times.lock().unwrap().clone();
    let late = shown.iter().map(|(captured, at)| at.since(*captured).as_micros());
    println!("{status:?}");
    println!("pushed {pushed:?}, shown {}, at most {:?} us late", shown.len(), late.max());
    assert!(!shown.is_empty(), "{status:?}");
    assert!(status.commits <= pushed.load(Ordering::Relaxed) + 2, "one commit a picture");
    assert_eq!(snapshot.pixel(1, 1), Some([255, 0, 0]));
    display.clear();
}
