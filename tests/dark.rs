//! A whole kiosk goes dark and wakes again, seen over its control socket: its light, its page, and
//! the files of a backlight as the kernel has them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{self, Kiosk};
use twocan::wire::control::Request;

/// Far more than anything here takes; a limit only for a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(40);
const HEADLESS: [&str; 3] = ["kiosk", "--screen", "headless"];
/// In the middle of the one tile, and of Answer on the page of a call that rings.
const TILE: Request = Request::Tap { x: 400, y: 270 };
const ANSWER: Request = Request::Tap { x: 596, y: 372 };

fn lights(percent: u8) -> impl Fn(&Value) -> bool {
    move |status| status["screen"]["light"] == percent
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |status| status["call"]["state"] == state
}

/// A folder like one of the kernel's in /sys/class/backlight.
fn backlight(folder: &Path) -> PathBuf {
    let lamp = folder.join("10-0045");
    fs::create_dir(&lamp).unwrap();
    for (property, value) in
        [("type", "raw"), ("max_brightness", "200"), ("brightness", "120"), ("bl_power", "0")]
    {
        fs::write(lamp.join(property), format!("{value}\n")).unwrap();
    }
    lamp
}

/// Its brightness and its power.
fn burns(lamp: &Path) -> (u32, u32) {
    let read = |property| {
        let text = fs::read_to_string(lamp.join(property)).unwrap();
        text.trim().parse().unwrap()
    };
    (read("brightness"), read("bl_power"))
}

/// Whether no pixel of the screen is lit.
fn is_black(kiosk: &Kiosk) -> bool {
    let file = kiosk.ask(&Request::Screenshot).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.len() >= 800 * 480 * 3);
    pixels.iter().all(|byte| *byte == 0)
}

#[test]
fn a_kiosk_goes_dark_a_touch_wakes_it_and_answers_nothing_and_so_does_a_call() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let habits = Habits::default();
    let family = Family::make(folder.path(), &habits).unwrap();
    let lamp = backlight(folder.path());
    let config = family.config(&family.bert, &habits, &habits.sound[1]);
    let display = format!(
        "\n[display]\nbrightness = 50\ndim_after = 2\nblank_after = 8\nbacklight = \"{}\"\n",
        lamp.display()
    );
    family.bert.configure(&(config + &display)).unwrap();
    let mut bert = family.bert.start(&HEADLESS, &[]).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();

    // Bright, dim, dark, as often as nobody is there.
    bert.wait_for("the dimmed light", LIMIT, lights(15)).unwrap();
    assert!(!is_black(&bert), "the people stay");
    let status = bert.wait_for("the dark", LIMIT, lights(0)).unwrap();
    assert_eq!(status["screen"]["backlight"], "10-0045");
    assert_eq!(burns(&lamp), (30, 4));
    assert!(is_black(&bert));
    // In the dark the links come up as ever; nothing is drawn of it.
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    let before = bert.status().unwrap();
    bert.wait_for("Anna at home", LIMIT, reachable).unwrap();
    anna.wait_for("Bert at home", LIMIT, reachable).unwrap();
    let after = bert.status().unwrap();
    assert_eq!(after["screen"]["light"], 0);
    assert_eq!(before["screen"]["drawings"], after["screen"]["drawings"]);

    // A touch where a tile will be wakes, and nothing else.
    bert.ask(&TILE).unwrap();
    let status = bert.wait_for("the light", LIMIT, |status| !lights(0)(status)).unwrap();
    assert_eq!((&status["call"]["state"], &status["page"]), (&"idle".into(), &"home".into()));
    assert_eq!(burns(&lamp).1, 0);
    assert!(!is_black(&bert));
    let dark_and_idle = |status: &Value| {
        assert_eq!(status["call"]["state"], "idle", "the touch did more than wake");
        lights(0)(status)
    };
    bert.wait_for("the dark again", LIMIT, dark_and_idle).unwrap();

    // A call wakes it, to all the light that was chosen.
    anna.ask(&Request::Dial { name: "Bert".to_owned() }).unwrap();
    let status = bert.wait_for("the ring", LIMIT, is("incoming")).unwrap();
    assert_eq!((&status["page"], &status["screen"]["light"]), (&"incoming".into(), &50.into()));
    assert_eq!(burns(&lamp), (100, 0));
    // Once it is there to be seen, Answer is to be touched.
    let socket = bert.socket().to_owned();
    bert.wait_for("the answer", LIMIT, |status| {
        // Not before 600 ms are over: then another one.
        twocan::cli::remote::ask(&socket, &ANSWER).unwrap();
        is("established")(status)
    })
    .unwrap();
    bert.ask(&Request::Hangup).unwrap();
    bert.wait_for("the dark after the call", LIMIT, lights(0)).unwrap();

    // The light goes back to what it was.
    assert!(bert.stop(LIMIT).unwrap().success(), "{}", bert.last_words());
    assert_eq!(burns(&lamp), (120, 0));
}
