//! A Pi's own camera, with a stand-in for `rpicam-vid`: what comes of its pictures, and of its
//! being killed and hanging, in the worker and in a call between two whole kiosks.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk;
use twocan::codec::jpeg::{Limits, decode_rgb};
use twocan::device::VideoSource;
use twocan::device::open::Wish;
use twocan::device::rpicam::Rpicam;
use twocan::device::test_pattern::TestPattern;
use twocan::frame::{Packet, Picture, PixelFormat, Size};
use twocan::geometry::{Rotation, Turn};
use twocan::media::camera::{Camera, Counters, Gate, Settings};
use twocan::queue::Queue;
use twocan::stop::stop_pair;
use twocan::supervisor::{Restart, Supervisor};
use twocan::wire::control::Request;
use twocan::wire::mjpeg::picture_size;

const SIZE: Size = Size::new(640, 480);
/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A folder with a camera in it that sends two pictures in turn.
struct Fake {
    folder: PathBuf,
    pictures: Vec<Vec<u8>>,
}

impl Fake {
    fn in_folder(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rpicam-vid");
        symlink(script, folder.join("rpicam-vid")).unwrap();
        let (_stopper, stop) = stop_pair();
        let mut pattern = TestPattern::new(SIZE, 1000.0, 'R').unwrap();
        let mut pictures = Vec::new();
        for name in ["1.yuv", "2.yuv"] {
            let mut picture = Picture::default();
            assert!(pattern.read(&mut picture, &stop).unwrap());
            fs::write(folder.join(name), &picture.data).unwrap();
            pictures.push(picture.data);
        }
        Self { folder: folder.to_owned(), pictures }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("rpicam-vid")
    }

    fn wish(&self) -> Wish {
        Wish::new(SIZE, 15.0)
    }

    /// The stand-in that runs now; `None`: none has begun to send yet.
    fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()
    }

    /// Send the running stand-in a signal, and forget its number: the next one writes its own.
    fn signal(&self, signal: Signal) -> i32 {
        let pid = self.pid().unwrap();
        fs::remove_file(self.folder.join("pid")).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
        pid
    }
}

/// Whether the process is there, be it as a zombie.
fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn its_pictures_arrive_byte_for_byte_and_it_ends_with_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::in_folder(folder.path());
    let mut source = Rpicam::open(&fake.program(), &fake.wish()).unwrap();
    assert_eq!(source.shape(), (SIZE, PixelFormat::I420));
    let (_stopper, stop) = stop_pair();
    let mut picture = Picture::default();
    let mut seen = [0; 2];
    for _ in 0..8 {
        assert!(source.read(&mut picture, &stop).unwrap());
        let which = fake.pictures.iter().position(|known| *known == picture.data);
        seen[which.expect("one of the two, whole")] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    let asked = fs::read_to_string(fake.folder.join("asked")).unwrap();
    assert!(asked.contains("--codec yuv420 --width 640 --height 480 --framerate 15"), "{asked}");
    let pid = fake.pid().unwrap();
    drop(source);
    assert!(!exists(pid), "killed and waited for");
}

#[test]
fn one_that_gives_up_is_an_error_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::in_folder(folder.path());
    let words = "[0:12:34] INFO Camera\nERROR: *** no cameras available ***\n";
    fs::write(fake.folder.join("words"), words).unwrap();
    let mut source = Rpicam::open(&fake.program(), &fake.wish()).unwrap();
    let (_stopper, stop) = stop_pair();
    let error = source.read(&mut Picture::default(), &stop).unwrap_err().to_string();
    let wanted = "read from camera rpicam: it ended (exit status: 255); it said: ERROR: *** no \
                  cameras available ***";
    assert_eq!(error, wanted);
}

#[test]
fn one_that_hangs_is_an_error_and_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::in_folder(folder.path());
    let mut source = Rpicam::open(&fake.program(), &fake.wish()).unwrap();
    let (_stopper, stop) = stop_pair();
    let mut picture = Picture::default();
    assert!(source.read(&mut picture, &stop).unwrap());
    let pid = fake.signal(Signal::SIGSTOP);
    let error = loop {
        // What was on its way may still come.
        if let Err(error) = source.read(&mut picture, &stop) {
            break error.to_string();
        }
    };
    let wanted = "read from camera rpicam: no picture for 5 s; it said: the sensor is awake";
    assert_eq!(error, wanted);
    drop(source);
    assert!(!exists(pid), "killed though it was halted");
}

#[test]
fn the_stop_ends_the_wait_for_a_program_that_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::in_folder(folder.path());
    let mut source = Rpicam::open(&fake.program(), &fake.wish()).unwrap();
    until("it runs", || fake.pid().is_some());
    fake.signal(Signal::SIGSTOP);
    let (stopper, stop) = stop_pair();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut picture = Picture::default();
        while source.read(&mut picture, &stop).unwrap() {}
    });
    drop(stopper);
    reader.unwrap().join().unwrap();
}

#[test]
fn a_worker_whose_program_is_killed_has_pictures_again_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::in_folder(folder.path());
    let packets: Queue<Packet> = Queue::newest_wins(1);
    let counters = Arc::new(Counters::default());
    // Laid on its side by us: the program can't.
    let turn = Turn { rotation: Rotation::Quarter, mirror: false };
    let (program, wish) = (fake.program(), Wish { turn, ..fake.wish() });
    let mut supervisor = Supervisor::new();
    let health = supervisor
        .start_with("camera", Restart::DEVICE, |health| {
            let open = Box::new(move || {
                let source: Box<dyn VideoSource> = Box::new(Rpicam::open(&program, &wish)?);
                Ok(source)
            });
            let settings = Settings { quality: 75, limit: SIZE.max_square() };
            let counters = Arc::clone(&counters);
            Camera::new(open, settings, Gate::Open, packets.clone(), counters, health)
        })
        .unwrap();
    let count = || counters.sent.load(Ordering::Relaxed);
    until("pictures", || count() >= 3);
    fake.signal(Signal::SIGKILL);
    until("the failure", || health.failures() == 1);
    let before = count();
    until("pictures again", || count() >= before + 3 && health.trouble().is_none());
    assert_eq!(counters.opened.load(Ordering::Relaxed), 2);
    assert!(supervisor.stop().is_empty());
    let jpeg = packets.try_receive().unwrap().payload;
    assert_eq!(picture_size(&jpeg), Some(Size::new(480, 640)));
    decode_rgb(&jpeg, Limits::of(SIZE.max_square())).unwrap();
}

trait MaxSquare {
    fn max_square(self) -> Size;
}

impl MaxSquare for Size {
    fn max_square(self) -> Size {
        let side = self.width.max(self.height);
        Size::new(side, side)
    }
}

const HEADLESS: [&str; 3] = ["kiosk", "--screen", "headless"];

fn shown(status: &Value) -> u64 {
    status["call"]["figures"]["video"]["shown"].as_u64().unwrap_or(0)
}

fn trouble(status: &Value) -> Option<String> {
    let workers = status["workers"].as_array().cloned().unwrap_or_default();
    let camera = workers.into_iter().find(|worker| worker["name"] == "camera")?;
    camera["trouble"].as_str().map(str::to_owned)
}

#[test]
fn in_a_call_a_camera_that_is_killed_and_one_that_hangs_is_said_at_both_ends_and_comes_back() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let habits = Habits { camera: "rpicam".to_owned(), fps: 15, ..Habits::default() };
    let family = Family::make(folder.path(), &habits).unwrap();
    let fakes = ["cam-a", "cam-b"].map(|name| Fake::in_folder(&folder.path().join(name)));
    let path = |fake: &Fake| {
        let others = std::env::var("PATH").unwrap();
        [("PATH", format!("{}:{others}", fake.folder.display()))]
    };
    let mut anna = family.anna.start(&HEADLESS, &path(&fakes[0])).unwrap();
    let mut bert = family.bert.start(&HEADLESS, &path(&fakes[1])).unwrap();
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    anna.ask(&Request::Dial { name: "bert".to_owned() }).unwrap();
    bert.wait_for("the ring", LIMIT, |s| s["call"]["state"] == "incoming").unwrap();
    bert.ask(&Request::Answer).unwrap();
    anna.wait_for("Bert's pictures", LIMIT, |status| shown(status) > 5).unwrap();
    bert.wait_for("Anna's pictures", LIMIT, |status| shown(status) > 5).unwrap();

    // Started and ended by what it says before its first picture, until the camera is back.
    let words = fakes[0].folder.join("words");
    fs::write(&words, "ERROR: *** the sensor is gone ***\n").unwrap();
    fakes[0].signal(Signal::SIGKILL);
    let status =
        anna.wait_for("the words at home", LIMIT, |s| s["call"]["notice"].is_string()).unwrap();
    assert_eq!(
        status["call"]["notice"],
        "The camera is not working. Bert cannot see you, only hear you."
    );
    anna.wait_for("the reason", LIMIT, |s| {
        trouble(s).is_some_and(|trouble| trouble.contains("the sensor is gone"))
    })
    .unwrap();
    let status =
        bert.wait_for("the words there", LIMIT, |s| s["call"]["no_picture"].is_string()).unwrap();
    assert_eq!(status["call"]["no_picture"], "No picture from Anna. You can still talk.");
    fs::remove_file(words).unwrap();
    let back = |status: &Value| {
        status["call"]["no_picture"].is_null() && status["call"]["notice"].is_null()
    };
    bert.wait_for("Anna's picture again", LIMIT, back).unwrap();
    anna.wait_for("no more words", LIMIT, back).unwrap();

    until("Bert's camera", || fakes[1].pid().is_some());
    let hung = fakes[1].signal(Signal::SIGSTOP);
    bert.wait_for("the reason", LIMIT, |s| {
        trouble(s).is_some_and(|trouble| trouble.contains("no picture for 5 s"))
    })
    .unwrap();
    until("the one that hung is gone", || !exists(hung));
    let before = shown(&anna.status().unwrap());
    anna.wait_for("Bert's picture again", LIMIT, |s| shown(s) > before + 10 && back(s)).unwrap();

    // Anna's kiosk dies without a word: its camera does not outlive it.
    until("Anna's camera", || fakes[0].pid().is_some());
    let orphan = fakes[0].pid().unwrap();
    drop(anna);
    until("it dies with the kiosk", || !exists(orphan));
    assert!(bert.stop(LIMIT).unwrap().success());
    until("it ends with the kiosk", || !exists(fakes[1].pid().unwrap()));
}
