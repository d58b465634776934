//! The camera and the viewer worker joined in one process: pace, failures, bad pictures.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use twocan::clock;
use twocan::codec::jpeg::Limits;
use twocan::device::null_video::{NullVideo, Seen};
use twocan::device::test_pattern::TestPattern;
use twocan::device::{DeviceError, VideoSource};
use twocan::frame::{Ack, Packet, PacketKind, Picture, PixelFormat, Size};
use twocan::media::camera::{self, Camera, Gate, Settings};
use twocan::media::viewer::{self, Viewer};
use twocan::queue::Queue;
use twocan::stop::Stop;
use twocan::supervisor::{Health, Restart, Supervisor};

const SIZE: Size = Size::new(640, 480);
const SOON: Restart =
    Restart::Backoff { first: Duration::from_millis(1), most: Duration::from_millis(10) };

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

struct CameraEnd {
    counters: Arc<camera::Counters>,
    health: Arc<Health>,
}

fn start_camera(
    supervisor: &mut Supervisor,
    open: camera::OpenSource,
    limit: Size,
    gate: Gate,
    packets: &Queue<Packet>,
) -> CameraEnd {
    let counters = Arc::new(camera::Counters::default());
    let settings = Settings { quality: 75, limit };
    let (shared, packets) = (Arc::clone(&counters), packets.clone());
    let health = supervisor
        .start_with("camera", SOON, |health| {
            Camera::new(open, settings, gate, packets, shared, health)
        })
        .unwrap();
    CameraEnd { counters, health }
}

struct ViewerEnd {
    counters: Arc<viewer::Counters>,
    seen: Arc<Mutex<Seen>>,
}

fn start_viewer(
    supervisor: &mut Supervisor,
    limits: Limits,
    packets: &Queue<Packet>,
    acks: Option<Queue<Ack>>,
) -> ViewerEnd {
    let counters = Arc::new(viewer::Counters::default());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let sink = Arc::clone(&seen);
    let open: viewer::OpenSink = Box::new(move || Ok(Box::new(NullVideo::new(Arc::clone(&sink)))));
    let (shared, packets) = (Arc::clone(&counters), packets.clone());
    supervisor
        .start_with("viewer", SOON, |health| {
            Viewer::new(open, limits, packets, acks, shared, health)
        })
        .unwrap();
    ViewerEnd { counters, seen }
}

fn pattern(fps: f64) -> camera::OpenSource {
    Box::new(move || Ok(Box::new(TestPattern::new(SIZE, fps, 'A')?)))
}

#[test]
fn what_the_camera_takes_the_viewer_shows_while_acknowledgements_come_back() {
    let (packets, acks) = (Queue::newest_wins(2), Queue::newest_wins(64));
    let mut supervisor = Supervisor::new();
    let gate = Gate::acknowledged(acks.clone(), Arc::default());
    let viewer = start_viewer(&mut supervisor, Limits::of(SIZE), &packets, Some(acks));
    let camera = start_camera(&mut supervisor, pattern(60.0), SIZE, gate, &packets);
    until("60 pictures are shown, and the ladder is climbed", || {
        let shown = viewer.counters.last().map(|(_, size)| size);
        count(&viewer.counters.shown) >= 60 && shown == Some(SIZE)
    });
    assert!(supervisor.stop().is_empty());
    let seen = viewer.seen.lock().unwrap().clone();
    assert_eq!(seen.stamped, seen.pictures);
    assert_eq!((seen.not_rising, seen.size), (0, SIZE));
    assert_eq!(viewer.counters.ages().count, count(&viewer.counters.shown));
    let counters = &camera.counters;
    let let_go = count(&counters.skipped) + count(&counters.unchanged);
    assert_eq!(count(&counters.captured), count(&counters.sent) + let_go);
    assert_eq!(camera.health.failures(), 0);
}

/// What a viewer has seen of a camera whose pictures are frosted until `end`, when it has seen enough.
fn seen_through_frost(end: clock::Time, enough: impl Fn(&Seen) -> bool) -> Seen {
    let (packets, acks) = (Queue::newest_wins(2), Queue::newest_wins(64));
    let mut supervisor = Supervisor::new();
    let viewer = start_viewer(&mut supervisor, Limits::of(SIZE), &packets, Some(acks.clone()));
    let gate = Gate::acknowledged(acks, Arc::default());
    let settings = Settings { quality: 75, limit: SIZE };
    let camera = |health| {
        Camera::new(pattern(60.0), settings, gate, packets, Arc::default(), health)
            .frosted_until(Some(end))
    };
    supervisor.start_with("camera", SOON, camera).unwrap();
    until("it has seen enough", || enough(&viewer.seen.lock().unwrap()));
    assert!(supervisor.stop().is_empty());
    let seen = viewer.seen.lock().unwrap();
    seen.clone()
}

#[test]
fn frosted_pictures_show_nothing_and_clear_ones_follow_them() {
    // The pattern's stamp can be read of any picture but a frosted one.
    let now = clock::now();
    let frosted = seen_through_frost(now + Duration::from_secs(3600), |seen| seen.pictures >= 20);
    assert_eq!(frosted.stamped, 0, "of {}", frosted.pictures);
    let cleared =
        seen_through_frost(clock::now() + Duration::from_secs(1), |seen| seen.stamped >= 20);
    assert!(cleared.pictures > cleared.stamped, "none of {} was frosted", cleared.pictures);
}

#[test]
fn a_receiver_that_says_nothing_gets_two_pictures_and_then_none_are_encoded() {
    let (packets, acks) = (Queue::newest_wins(100), Queue::newest_wins(64));
    let mut supervisor = Supervisor::new();
    let gate = Gate::acknowledged(acks.clone(), Arc::default());
    let camera = start_camera(&mut supervisor, pattern(100.0), SIZE, gate, &packets);
    until("pictures are skipped", || count(&camera.counters.skipped) >= 20);
    // Two at first; silence opens the gate again for two in two seconds, on however slow a machine.
    let seconds = count(&camera.counters.captured) / 100 + 1;
    assert!(packets.len() as u64 <= 2 + 2 * seconds, "{} sent", packets.len());
    let before = count(&camera.counters.sent);
    let newest = std::iter::from_fn(|| packets.try_receive()).last().unwrap();
    let ack =
        Ack { sequence: newest.sequence, arrived: clock::now(), shown: true, came: clock::now() };
    acks.send(ack).unwrap();
    until("the word opens the gate", || count(&camera.counters.sent) > before);
}

#[test]
fn a_camera_that_comes_back_works_again_and_its_trouble_is_over() {
    struct Failing(TestPattern, u32);
    impl VideoSource for Failing {
        fn shape(&self) -> (Size, PixelFormat) {
            self.0.shape()
        }
        fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
            if self.1 == 0 {
                return Err(unplugged());
            }
            self.1 -= 1;
            self.0.read(into, stop)
        }
    }
    fn unplugged() -> DeviceError {
        DeviceError {
            deed: "read from camera",
            device: "/dev/video7".to_owned(),
            cause: "it was unplugged".to_owned(),
        }
    }
    let mut attempts = 0;
    let open: camera::OpenSource = Box::new(move || {
        attempts += 1;
        let pattern = TestPattern::new(SIZE, 200.0, 'A')?;
        match attempts {
            1 => Ok(Box::new(Failing(pattern, 3))),
            2 | 3 => Err(unplugged()),
            _ => Ok(Box::new(pattern)),
        }
    });
    let packets = Queue::newest_wins(1000);
    let mut supervisor = Supervisor::new();
    let camera = start_camera(&mut supervisor, open, SIZE, Gate::Open, &packets);
    until("pictures after the failures", || count(&camera.counters.captured) >= 10);
    assert_eq!((camera.health.failures(), camera.health.trouble()), (3, None));
    supervisor.stop();
    let numbers = std::iter::from_fn(|| packets.try_receive()).map(|packet| packet.sequence);
    assert!(numbers.enumerate().all(|(index, number)| index == number as usize));
}

#[test]
fn a_camera_over_the_agreed_size_is_refused_with_a_sentence() {
    let packets = Queue::newest_wins(1);
    let mut supervisor = Supervisor::new();
    let limit = Size::new(320, 180);
    let camera = start_camera(&mut supervisor, pattern(30.0), limit, Gate::Open, &packets);
    until("it is refused", || camera.health.trouble().is_some());
    let sentence = camera.health.trouble().unwrap();
    assert_eq!(sentence, "the camera's pictures are 640x480, at most 320x180 was agreed");
    assert!(packets.is_empty());
}

fn packet(sequence: u32, payload: impl Into<Bytes>) -> Packet {
    Packet {
        kind: PacketKind::Picture,
        sequence,
        captured: clock::now(),
        after_gap: false,
        payload: payload.into(),
    }
}

#[test]
fn bad_pictures_are_dropped_counted_and_acknowledged_and_the_next_one_is_shown() {
    let good = {
        let taken = Queue::newest_wins(1000);
        let mut supervisor = Supervisor::new();
        start_camera(&mut supervisor, pattern(100.0), SIZE, Gate::Open, &taken);
        until("a picture is taken", || !taken.is_empty());
        supervisor.stop();
        taken.try_receive().unwrap().payload
    };
    let (packets, acks) = (Queue::fail_on_full(100), Queue::newest_wins(100));
    let mut supervisor = Supervisor::new();
    let viewer = start_viewer(&mut supervisor, Limits::of(SIZE), &packets, Some(acks.clone()));
    let huge = {
        let mut bytes = good.to_vec();
        let header = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[header + 5..header + 9].fill(0xf0);
        bytes
    };
    let bad: [Bytes; 4] = [
        Bytes::from_static(b"garbage"),
        good.slice(..good.len() / 2),
        huge.into(),
        vec![0xff; 600_000].into(),
    ];
    for (sequence, payload) in bad.into_iter().enumerate() {
        packets.send(packet(sequence as u32, payload)).unwrap();
        until("it is dropped", || count(&viewer.counters.broken) == sequence as u64 + 1);
    }
    packets.send(packet(4, good)).unwrap();
    until("the good one is shown", || count(&viewer.counters.shown) == 1);
    until("all five are acknowledged", || acks.len() == 5);
    let words: Vec<_> =
        std::iter::from_fn(|| acks.try_receive()).map(|ack| (ack.sequence, ack.shown)).collect();
    assert_eq!(words, [(0, false), (1, false), (2, false), (3, false), (4, true)]);
}

#[test]
fn of_the_pictures_that_wait_only_the_newest_is_shown_and_all_are_acknowledged() {
    let (packets, acks) = (Queue::fail_on_full(100), Queue::newest_wins(100));
    let taken = Queue::newest_wins(1000);
    let mut supervisor = Supervisor::new();
    start_camera(&mut supervisor, pattern(100.0), SIZE, Gate::Open, &taken);
    until("ten pictures are taken", || taken.len() >= 10);
    supervisor.stop();
    for sequence in 0..10 {
        let picture = taken.try_receive().unwrap();
        packets.send(packet(sequence, picture.payload)).unwrap();
    }
    let mut supervisor = Supervisor::new();
    let viewer = start_viewer(&mut supervisor, Limits::of(SIZE), &packets, Some(acks.clone()));
    until("all are acknowledged", || acks.len() == 10);
    until("one is shown", || count(&viewer.counters.shown) == 1);
    assert_eq!(count(&viewer.counters.dropped), 9);
    let shown: Vec<_> = std::iter::from_fn(|| acks.try_receive()).filter(|ack| ack.shown).collect();
    assert_eq!(shown.iter().map(|ack| ack.sequence).collect::<Vec<_>>(), [9]);
}
