//! JPEGs as cameras really send them, through the camera worker: what leaves it is whole for our
//! decoder and for ffmpeg's, and nothing that comes ends the worker.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use twocan::clock::Time;
use twocan::codec::jpeg::{Encoder, Limits, decode_rgb};
use twocan::device::open::{CameraName, Opener, Wish};
use twocan::device::test_pattern::TestPattern;
use twocan::device::{DeviceError, VideoSource};
use twocan::frame::{Packet, Picture, PixelFormat, Size};
use twocan::geometry::{Rotation, Turn};
use twocan::media::camera::{Camera, Counters, Gate, OpenSource, Settings};
use twocan::queue::Queue;
use twocan::stop::{Stop, stop_pair};
use twocan::supervisor::{Health, Restart, Supervisor};
use twocan::wire::mjpeg::picture_size;

const SIZE: Size = Size::new(320, 240);
const LIMIT: Size = Size::new(640, 640);

/// Sends these once, a second apart by its own time stamps, and then nothing more.
struct Script {
    jpegs: Vec<Vec<u8>>,
    sent: usize,
}

impl VideoSource for Script {
    fn shape(&self) -> (Size, PixelFormat) {
        (SIZE, PixelFormat::Jpeg)
    }

    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
        let Some(jpeg) = self.jpegs.get(self.sent) else {
            // Had it ended, it would be opened again, and begin anew.
            while !stop.sleep(Duration::from_secs(60)) {}
            return Ok(false);
        };
        self.sent += 1;
        into.captured = Time::from_micros(1_000_000 * self.sent as u64);
        (into.size, into.format) = (SIZE, PixelFormat::Jpeg);
        into.data.clear();
        into.data.extend_from_slice(jpeg);
        Ok(true)
    }

    fn broken(&self) -> u64 {
        // As if one had come between each two.
        self.sent as u64
    }
}

fn jpeg() -> Vec<u8> {
    let (_stopper, stop) = stop_pair();
    let mut picture = Picture::default();
    TestPattern::new(SIZE, 1000.0, 'J').unwrap().read(&mut picture, &stop).unwrap();
    Encoder::new(75).unwrap().encode(&picture).unwrap().to_vec()
}

/// As USB cameras send them: the Huffman tables are the standard ones, and left out.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xc4 {
            out.extend_from_slice(&jpeg[at..end]);
        }
        at = end;
    }
    out.extend_from_slice(&jpeg[at..]);
    out
}

struct Run {
    counters: Arc<Counters>,
    packets: Queue<Packet>,
    health: Arc<Health>,
    supervisor: Supervisor,
}

fn run(open: OpenSource) -> Run {
    let (counters, packets) = (Arc::new(Counters::default()), Queue::newest_wins(100));
    let mut supervisor = Supervisor::new();
    let settings = Settings { quality: 75, limit: LIMIT };
    let health = supervisor
        .start_with("camera", Restart::DEVICE, |health| {
            let counters = Arc::clone(&counters);
            Camera::new(open, settings, Gate::Open, packets.clone(), counters, health)
        })
        .unwrap();
    Run { counters, packets, health, supervisor }
}

fn script(jpegs: Vec<Vec<u8>>) -> Run {
    run(Box::new(move || Ok(Box::new(Script { jpegs: jpegs.clone(), sent: 0 }))))
}

impl Run {
    fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + Duration::from_secs(60);
        while !done(self) {
            assert!(Instant::now() < limit, "never: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn taken(self) -> Vec<Bytes> {
        drop(self.supervisor);
        std::iter::from_fn(|| self.packets.try_receive()).map(|packet| packet.payload).collect()
    }
}

/// What ffmpeg makes of one JPEG, gray; it ends at the first thing that is not as it should be.
fn ffmpeg(jpeg: &[u8]) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "warning", "-xerror", "-err_detect", "explode"])
        .args(["-f", "mjpeg", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    ffmpeg.stdin.take().unwrap().write_all(jpeg).unwrap();
    let done = ffmpeg.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    // It warns of the full range of every JPEG.
    let complaints: Vec<_> =
        words.lines().filter(|line| !line.contains("deprecated pixel format")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    done.stdout
}

#[test]
fn whole_pictures_pass_untouched_mended_ones_are_whole_for_ffmpeg_and_torn_ones_are_counted() {
    let whole = jpeg();
    let open = whole[..whole.len() - 2].to_vec();
    let bare = without_tables(&whole);
    let run = script(vec![
        whole.clone(),
        open.clone(),
        [whole.clone(), vec![0; 900]].concat(),
        Vec::new(),
        [open, vec![0; 4000]].concat(),
        whole[..whole.len() / 2].to_vec(),
        bare.clone(),
        b"no picture at all".to_vec(),
        bare[..bare.len() - 2].to_vec(),
        whole.clone(),
    ]);
    run.until("all are taken", |run| run.counters.captured.load(Ordering::Relaxed) == 10);
    run.until("its end", |run| run.counters.sent.load(Ordering::Relaxed) == 7);
    assert_eq!(run.health.failures(), 0);
    // Three by us, ten by the source.
    assert_eq!(run.counters.refused.load(Ordering::Relaxed), 13);
    let taken = run.taken();
    let limits = Limits::of(SIZE);
    let pixels = decode_rgb(&whole, limits).unwrap().data;
    let gray = ffmpeg(&whole);
    assert_eq!(gray.len(), SIZE.pixels());
    for (number, jpeg) in taken.iter().enumerate() {
        assert_eq!(decode_rgb(jpeg, limits).unwrap().data, pixels, "picture {number}");
        assert_eq!(ffmpeg(jpeg), gray, "picture {number}");
    }
    let untouched: Vec<bool> = taken.iter().map(|jpeg| *jpeg == whole).collect();
    // A missing end marker makes the same bytes again, missing tables do not.
    assert_eq!(untouched, [true, true, true, true, false, false, true]);
}

#[test]
fn a_camera_that_sends_nothing_of_use_is_opened_again_with_a_sentence() {
    let run = script(vec![jpeg()[..500].to_vec(); 20]);
    run.until("the sentence", |run| run.health.trouble().is_some());
    let sentence = run.health.trouble().unwrap();
    assert!(sentence.starts_with("the camera sends no picture of use: "), "{sentence}");
    assert!(run.counters.captured.load(Ordering::Relaxed) >= 6);
    assert!(run.taken().is_empty());
}

#[test]
fn pictures_are_turned_where_the_camera_can_not_raw_ones_and_compressed_ones_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.jpg");
    std::fs::write(&path, jpeg()).unwrap();
    let plain = decode_rgb(&jpeg(), Limits::of(SIZE)).unwrap().data;
    let at = |data: &[u8], width: u32, x: u32, y: u32| data[3 * (y * width + x) as usize];
    for name in [CameraName::Pattern('J'), CameraName::File(path)] {
        let turn = Turn { rotation: Rotation::Quarter, mirror: false };
        let mut opener = Opener::new(name, Wish { turn, ..Wish::new(SIZE, 200.0) });
        let run = run(Box::new(move || opener.open()));
        run.until("a picture", |run| !run.packets.is_empty());
        let turned = run.taken().remove(0);
        assert_eq!(picture_size(&turned), Some(Size::new(240, 320)));
        ffmpeg(&turned);
        let data = decode_rgb(&turned, Limits::of(LIMIT)).unwrap().data;
        // The bars at the foot are at the left now; what moves is left out.
        for (x, y) in [(20, 230), (60, 230), (300, 230), (160, 228)] {
            let (before, after) = (at(&plain, 320, x, y), at(&data, 240, 239 - y, x));
            assert!(before.abs_diff(after) < 12, "{x},{y}: {before} became {after}");
        }
    }
}
