//! Two complete kiosks as two processes, a real sshd between them, and what happens to their calls.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use serde_json::Value;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{self, Home, Kiosk};
use twocan::wire::control::Request;

/// Far more than anything here takes; a limit only for a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(40);

struct Scene {
    family: Family,
    anna: Kiosk,
    bert: Kiosk,
    _folder: tempfile::TempDir,
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |status| status["call"]["state"] == state
}

fn reachable(status: &Value) -> bool {
    status["contacts"][0]["reachable"] == true
}

fn shown(status: &Value) -> u64 {
    status["call"]["figures"]["video"]["shown"].as_u64().unwrap_or(0)
}

fn heard(status: &Value) -> u64 {
    status["call"]["figures"]["audio"]["packets"].as_u64().unwrap_or(0)
}

const HEADLESS: [&str; 3] = ["kiosk", "--screen", "headless"];

/// Two kiosks and their relay; the kiosks do not run yet.
fn a_family(habits: &Habits) -> (tempfile::TempDir, Family) {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let family = Family::make(folder.path(), habits).unwrap();
    (folder, family)
}

/// The records of a kiosk's calls, the newest first.
fn calls(home: &Home) -> Value {
    let calls = home.command().unwrap().args(["calls", "--json"]).output().unwrap();
    serde_json::from_slice(&calls.stdout).unwrap()
}

impl Scene {
    fn with(habits: &Habits) -> Self {
        let (folder, family) = a_family(habits);
        let anna = family.anna.start(&HEADLESS, &[]).unwrap();
        let bert = family.bert.start(&HEADLESS, &[]).unwrap();
        Self { family, anna, bert, _folder: folder }
    }

    fn at_home() -> Self {
        let mut scene = Self::with(&Habits::default());
        scene.anna.wait_for("Bert's tile to be bright", LIMIT, reachable).unwrap();
        scene.bert.wait_for("Anna's tile to be bright", LIMIT, reachable).unwrap();
        scene
    }

    fn in_call() -> Self {
        let mut scene = Self::at_home();
        scene.dial();
        scene.bert.wait_for("the ring", LIMIT, is("incoming")).unwrap();
        scene.bert.ask(&Request::Answer).unwrap();
        scene.both("the call", is("established"));
        scene.both("pictures and voice", |status| shown(status) > 10 && heard(status) > 10);
        scene
    }

    fn dial(&mut self) {
        self.anna.ask(&Request::Dial { name: "bert".to_owned() }).unwrap();
    }

    fn both(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        self.anna.wait_for(what, LIMIT, &wanted).unwrap();
        self.bert.wait_for(what, LIMIT, &wanted).unwrap();
    }

    /// Pictures and voice that are newer than now reach both.
    fn both_see_and_hear_on(&mut self) {
        for kiosk in [&mut self.anna, &mut self.bert] {
            let before = kiosk.status().unwrap();
            kiosk
                .wait_for("more pictures and voice", LIMIT, |status| {
                    shown(status) > shown(&before) + 10 && heard(status) > heard(&before) + 10
                })
                .unwrap();
        }
    }
}

#[test]
fn one_dials_the_other_answers_they_see_and_hear_each_other_and_hang_up() {
    let mut scene = Scene::in_call();
    assert_eq!(scene.anna.status().unwrap()["call"]["peer"], "Bert");
    assert_eq!(scene.bert.status().unwrap()["page"], "in-call");

    scene.anna.ask(&Request::Hangup).unwrap();
    scene.both("home", is("idle"));
    for (home, direction) in [(&scene.family.anna, "outgoing"), (&scene.family.bert, "incoming")] {
        let calls = calls(home);
        assert_eq!(calls.as_array().unwrap().len(), 1, "{calls}");
        assert_eq!(calls[0]["direction"], direction);
        assert_eq!(calls[0]["reason"], "hung-up");
        assert!(calls[0]["figures"]["pictures_shown"].as_u64().unwrap() > 10, "{calls}");
    }
}

#[test]
fn hide_me_closes_camera_and_microphone_and_says_so_at_both_ends() {
    let mut scene = Scene::in_call();
    scene.anna.ask(&Request::Hide { hidden: Some(true) }).unwrap();
    let workers = |status: &Value, name: &str| {
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        workers.iter().any(|worker| worker["name"] == name)
    };
    scene
        .anna
        .wait_for("closed devices", LIMIT, |status| {
            status["hidden"] == true && !workers(status, "camera") && !workers(status, "talk")
        })
        .unwrap();
    let before = scene.anna.status().unwrap();
    scene.anna.wait_for("Bert's pictures", LIMIT, |s| shown(s) > shown(&before) + 10).unwrap();

    scene.anna.ask(&Request::Hide { hidden: Some(false) }).unwrap();
    scene.both_see_and_hear_on();
}

#[test]
fn both_touch_each_other_at_once_and_it_is_one_call() {
    let mut scene = Scene::at_home();
    scene.dial();
    scene.bert.ask(&Request::Dial { name: "Anna".to_owned() }).unwrap();
    scene.both("one call without an answer", |status| {
        matches!(status["call"]["state"].as_str(), Some("established" | "incoming"))
    });
    if is("incoming")(&scene.bert.status().unwrap()) {
        // Anna's invite was there before Bert's touch: then his touch answered it.
        panic!("touching the tile of who rings must answer");
    }
    scene.both_see_and_hear_on();
}

#[test]
fn the_relays_session_processes_are_killed_in_a_call_and_it_goes_on() {
    let mut scene = Scene::in_call();
    let began = scene.anna.status().unwrap()["call"]["began_us"].clone();
    assert!(scene.family.relay.kill_sessions() >= 4, "each kiosk has two sessions");
    scene.both_see_and_hear_on();
    scene.both("the call", is("established"));
    assert_eq!(scene.anna.status().unwrap()["call"]["began_us"], began, "the same call");
}

#[test]
fn the_whole_relay_is_killed_in_a_call_and_the_call_resumes_when_it_is_back() {
    let mut scene = Scene::in_call();
    scene.family.relay.kill();
    scene.both("the words for a lost line", is("reconnecting"));
    scene.family.relay.listen().unwrap();
    scene.both("the same call again", is("established"));
    scene.both_see_and_hear_on();
}

#[test]
fn a_relay_that_stays_away_ends_the_call_after_a_minute_and_both_records_say_why() {
    let mut scene = Scene::in_call();
    scene.family.relay.kill();
    scene.both("the words for a lost line", is("reconnecting"));
    let limit = Duration::from_secs(120);
    for kiosk in [&mut scene.anna, &mut scene.bert] {
        kiosk.wait_for("home", limit, is("idle")).unwrap();
    }
    for home in [&scene.family.anna, &scene.family.bert] {
        assert_eq!(calls(home)[0]["reason"], "lost");
    }
}

#[test]
fn a_relay_with_another_key_is_refused_in_plain_words() {
    let habits = Habits::default();
    let (_folder, family) = a_family(&habits);
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n";
    let config = family.config(&family.anna, &habits, &habits.sound[0]);
    family.anna.configure(&config.replace(&family.relay.host_key, other)).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let status = anna
        .wait_for("the refusal", LIMIT, |status| status["relay"]["state"] == "blocked")
        .unwrap();
    assert_eq!(status["page"], "fault");
    let sentence = status["relay"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("127.0.0.1") && sentence.contains("SHA256:"), "{sentence}");
}

#[test]
fn a_relay_that_is_down_leaves_a_dull_tile_and_a_call_that_says_why_it_ended() {
    let (_folder, mut family) = a_family(&Habits::default());
    family.relay.kill();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let status = anna
        .wait_for("the reason", LIMIT, |status| status["relay"]["sentence"].is_string())
        .unwrap();
    assert_eq!(status["relay"]["state"], "connecting");
    assert_eq!(status["contacts"][0]["reachable"], false);
    anna.ask(&Request::Dial { name: "Bert".to_owned() }).unwrap();
    let ended = anna.wait_for("the end", LIMIT, is("ended")).unwrap();
    assert_eq!(ended["call"]["reason"], "unreachable");
}

#[test]
fn a_kiosk_that_is_no_contact_never_gets_to_ring() {
    let (_folder, family) = a_family(&Habits::default());
    let removed = family.bert.command().unwrap().args(["contact", "remove", "Anna"]).status();
    assert!(removed.unwrap().success());
    let mut bert = family.bert.start(&HEADLESS, &[]).unwrap();
    let connected = |status: &Value| status["relay"]["state"] == "connected";
    bert.wait_for("the relay", LIMIT, connected).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    anna.wait_for("the relay", LIMIT, connected).unwrap();
    anna.ask(&Request::Dial { name: "Bert".to_owned() }).unwrap();
    let ended = anna.wait_for("the end", LIMIT, is("ended")).unwrap();
    assert_eq!(ended["call"]["reason"], "unreachable");
    assert_eq!(bert.status().unwrap()["call"]["state"], "idle");
}

#[test]
fn a_kiosk_told_to_end_in_a_call_says_goodbye_and_ends_cleanly() {
    let mut scene = Scene::in_call();
    let status = scene.anna.stop(LIMIT).unwrap();
    assert!(status.success(), "{}", scene.anna.last_words());
    let ended = scene.bert.wait_for("the goodbye", LIMIT, is("ended")).unwrap();
    assert_eq!(ended["call"]["reason"], "shutting-down");
}

#[test]
fn a_relay_that_does_not_let_us_in_is_said_in_plain_words() {
    let (_folder, family) = a_family(&Habits::default());
    family.relay.authorize(&[family.bert.identity.public().to_openssh("Bert")]).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let status = anna
        .wait_for("the refusal", LIMIT, |status| status["relay"]["state"] == "refused")
        .unwrap();
    assert_eq!(status["page"], "fault");
    assert!(status["relay"]["sentence"].as_str().unwrap().contains("127.0.0.1"), "{status}");
}

#[test]
fn a_contact_added_while_the_kiosk_runs_can_be_called_at_once_and_a_removed_one_no_more() {
    let (_folder, family) = a_family(&Habits::default());
    let twocan = |home: &Home, arguments: &[&str]| {
        let done = home.command().unwrap().args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    twocan(&family.bert, &["contact", "remove", "Anna"]);
    let mut bert = family.bert.start(&HEADLESS, &[]).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let connected = |status: &Value| status["relay"]["state"] == "connected";
    bert.wait_for("the relay", LIMIT, connected).unwrap();
    anna.wait_for("the relay", LIMIT, connected).unwrap();
    assert_eq!(bert.status().unwrap()["contacts"], serde_json::json!([]));

    let key = family.anna.identity.public().to_openssh("Anna");
    twocan(&family.bert, &["contact", "add", "Anna", "--key", &key]);
    bert.wait_for("Anna's tile", LIMIT, reachable).unwrap();
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();

    twocan(&family.bert, &["contact", "remove", "Anna"]);
    anna.wait_for("Bert to be gone", LIMIT, |status| !reachable(status)).unwrap();
}

#[test]
fn the_loudness_set_by_touch_is_there_after_a_restart() {
    let (_folder, family) = a_family(&Habits::default());
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    anna.wait_for("its start", LIMIT, |status| status["volume"] == 7).unwrap();
    anna.ask(&Request::Volume { volume: 3 }).unwrap();
    anna.stop(LIMIT).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    anna.wait_for("the loudness", LIMIT, |status| status["volume"] == 3).unwrap();
}

#[test]
fn a_camera_that_is_not_there_is_said_on_the_screen_and_the_talk_goes_on() {
    let habits = Habits { camera: "/dev/video99".to_owned(), ..Habits::default() };
    let mut scene = Scene::with(&habits);
    scene.anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    scene.dial();
    scene.bert.wait_for("the ring", LIMIT, is("incoming")).unwrap();
    scene.bert.ask(&Request::Answer).unwrap();
    scene.both("voice", |status| heard(status) > 10);
    let trouble = |status: &Value| {
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        let camera = workers.into_iter().find(|worker| worker["name"] == "camera")?;
        camera["trouble"].as_str().map(str::to_owned)
    };
    let status = scene.anna.wait_for("the sentence", LIMIT, |s| trouble(s).is_some()).unwrap();
    assert!(trouble(&status).unwrap().contains("/dev/video99"), "{status}");
}
