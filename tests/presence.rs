//! Who is there, who called in vain, who looks in, and when camera and microphone are open: two whole
//! kiosks and a real sshd between them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{self, Home, Kiosk};
use twocan::cli::demo::pulse::Pulse;
use twocan::codec::jpeg::Encoder;
use twocan::device::VideoSource;
use twocan::device::test_pattern::TestPattern;
use twocan::frame::{Picture, Size};
use twocan::stop::stop_pair;
use twocan::wire::control::Request;

/// Far more than anything here takes; a limit only for a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(90);
/// A whole kiosk but for its screen.
const KIOSK: [&str; 1] = ["call"];

fn a_family(habits: &Habits) -> (tempfile::TempDir, Family) {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let family = Family::make(folder.path(), habits).unwrap();
    (folder, family)
}

fn start(home: &Home) -> Kiosk {
    home.start(&KIOSK, &[]).unwrap()
}

/// What a command says, and its exit code.
fn twocan(home: &Home, arguments: &[&str]) -> (String, Option<i32>) {
    let done = home.command().unwrap().args(arguments).output().unwrap();
    (String::from_utf8(done.stdout).unwrap(), done.status.code())
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    serde_json::from_str(&twocan(home, arguments).0).unwrap()
}

fn dial(kiosk: &Kiosk, name: &str) {
    kiosk.ask(&Request::Dial { name: name.to_owned() }).unwrap();
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |status| status["call"]["state"] == state
}

fn reachable(status: &Value) -> bool {
    status["contacts"][0]["reachable"] == true
}

fn connected(status: &Value) -> bool {
    status["relay"]["state"] == "connected"
}

fn shown(status: &Value) -> u64 {
    status["call"]["figures"]["video"]["shown"].as_u64().unwrap_or(0)
}

fn state_file(home: &Home, name: &str) -> PathBuf {
    home.folder.join("state").join(name)
}

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_call_to_somebody_who_is_away_is_on_their_tile_when_they_are_back_and_only_once() {
    let (_folder, family) = a_family(&Habits::default());
    let mut anna = start(&family.anna);
    anna.wait_for("the relay", LIMIT, connected).unwrap();
    dial(&anna, "Bert");
    let ended = anna.wait_for("the end", LIMIT, is("ended")).unwrap();
    assert_eq!(ended["call"]["reason"], "unreachable");
    // What waits survives a power cut.
    anna.kill().unwrap();
    let mut anna = start(&family.anna);

    let mut bert = start(&family.bert);
    let band = |status: &Value| status["contacts"][0]["missed"].is_string();
    bert.wait_for("the missed call", LIMIT, band).unwrap();
    let calls = json(&family.bert, &["calls", "--json"]);
    assert_eq!(calls.as_array().unwrap().len(), 1, "{calls}");
    assert_eq!((&calls[0]["missed"], &calls[0]["name"]), (&true.into(), &"Anna".into()));
    let outgoing = json(&family.anna, &["calls", "--json"]);
    assert_eq!(calls[0]["call"], outgoing[0]["call"], "the same call at both ends");
    let waiting = || fs::read_to_string(state_file(&family.anna, "outbox.json")).unwrap();
    until("Bert has noted it", || waiting() == r#"{"waiting":[]}"#);

    // Should the note be lost, the call is told again and not written down again.
    let called = calls[0]["call"].as_u64().unwrap();
    let key = family.bert.identity.public().to_string();
    let waits = serde_json::json!({"peer": key, "call": called, "began": outgoing[0]["began"]});
    let again = serde_json::json!({"waiting": [waits]});
    anna.stop(LIMIT).unwrap();
    fs::write(state_file(&family.anna, "outbox.json"), again.to_string()).unwrap();
    let mut anna = start(&family.anna);
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    until("Bert has noted it again", || waiting() == r#"{"waiting":[]}"#);
    assert_eq!(json(&family.bert, &["calls", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_tile_goes_dull_and_bright_again_whatever_became_of_the_other_kiosk() {
    let (_folder, mut family) = a_family(&Habits::default());
    let mut anna = start(&family.anna);
    let mut bert = start(&family.bert);
    let dull = |status: &Value| !reachable(status);
    let see = |what: &str, anna: &mut Kiosk, wanted: &dyn Fn(&Value) -> bool| {
        let began = Instant::now();
        let status = anna.wait_for(what, LIMIT, wanted).unwrap();
        // For whoever reads the test's output; nothing here depends on it.
        eprintln!("{what}: {} ms", began.elapsed().as_millis());
        status
    };
    see("bright after both started", &mut anna, &reachable);
    bert.stop(LIMIT).unwrap();
    let status = see("dull after SIGTERM", &mut anna, &dull);
    assert!(status["contacts"][0]["seen"].as_u64().unwrap() > 1_700_000_000, "{status}");
    let seen: Value =
        serde_json::from_slice(&fs::read(state_file(&family.anna, "seen.json")).unwrap()).unwrap();
    let fingerprint = family.bert.identity.public().fingerprint();
    assert_eq!(seen[&fingerprint], status["contacts"][0]["seen"]);

    bert = start(&family.bert);
    see("bright after its start", &mut anna, &reachable);
    bert.kill().unwrap();
    see("dull after SIGKILL", &mut anna, &dull);
    bert = start(&family.bert);
    see("bright after its start", &mut anna, &reachable);
    family.relay.kill();
    see("dull without a relay", &mut anna, &dull);
    family.relay.listen().unwrap();
    see("bright with the relay", &mut anna, &reachable);
    bert.wait_for("Anna's tile", LIMIT, reachable).unwrap();
    assert!(family.relay.freeze_sessions() >= 4, "each kiosk has two sessions");
    see("dull in a silence", &mut anna, &dull);
    see("bright after the silence", &mut anna, &reachable);
}

/// Bytes that a process has sent and received on its TCP connections so far.
fn bytes_of(pid: u32) -> u64 {
    let said = Command::new("ss").args(["-tinpH"]).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    let ours = lines.windows(2).filter(|two| two[0].contains(&format!("pid={pid},")));
    let number = |word: &str| {
        let number = word.strip_prefix("bytes_sent:").or(word.strip_prefix("bytes_received:"));
        number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    ours.map(|two| two[1].split_whitespace().map(number).sum::<u64>()).sum()
}

#[test]
fn two_kiosks_at_rest_exchange_no_more_than_their_pings() {
    let (_folder, family) = a_family(&Habits::default());
    let (mut anna, mut bert) = (start(&family.anna), start(&family.bert));
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    bert.wait_for("Anna's tile", LIMIT, reachable).unwrap();
    // What follows a greeting.
    std::thread::sleep(Duration::from_secs(3));
    let before = bytes_of(anna.pid());
    assert!(before > 0, "no connection was found");
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(30));
    let (bytes, seconds) = (bytes_of(anna.pid()) - before, began.elapsed().as_secs_f64());
    let an_hour = bytes as f64 / seconds * 3600.0;
    eprintln!("{bytes} bytes in {seconds:.0} s at rest, {:.2} MB an hour", an_hour / 1e6);
    // 0.9 MB an hour when this was written.
    assert!(an_hour < 1.5e6, "{bytes} bytes in {seconds:.0} s at rest");
}

#[test]
fn in_quiet_hours_a_kiosk_stays_silent_but_for_the_exceptions() {
    let (_folder, family) = a_family(&Habits::default());
    let hour = chrono::Timelike::hour(&chrono::Local::now());
    let quiet = format!("\"{:02}:00-{:02}:00\"", (hour + 23) % 24, (hour + 3) % 24);
    let habits = Habits::default();
    let config = family.config(&family.bert, &habits, &habits.sound[1]);
    family.bert.configure(&format!("{config}[display]\nquiet_hours = {quiet}\n")).unwrap();
    let (mut anna, mut bert) = (start(&family.anna), start(&family.bert));
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    dial(&anna, "Bert");
    let ended = anna.wait_for("the end", LIMIT, is("ended")).unwrap();
    assert_eq!(ended["call"]["reason"], "quiet-hours");
    let band = |status: &Value| status["contacts"][0]["missed"].is_string();
    let status = bert.wait_for("the missed call", LIMIT, band).unwrap();
    assert_eq!(status["call"]["state"], "idle");

    let (said, code) = twocan(&family.bert, &["contact", "set", "Anna", "--in-quiet-hours", "yes"]);
    assert_eq!((said.as_str(), code), ("Anna may ring, in the quiet hours too\n", Some(0)));
    dial(&anna, "Bert");
    bert.wait_for("the ring", LIMIT, is("incoming")).unwrap();
}

#[test]
fn somebody_who_may_looks_in_and_the_log_knows_and_cannot_be_changed_unseen() {
    let (_folder, family) = a_family(&Habits::default());
    let (said, _) = twocan(&family.bert, &["contact", "set", "Anna", "--look-in", "yes"]);
    assert_eq!(said, "Anna may ring, and look in\n");
    let (mut anna, mut bert) = (start(&family.anna), start(&family.bert));
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    dial(&anna, "Bert");
    let status = bert.wait_for("the announcement", LIMIT, is("incoming")).unwrap();
    assert_eq!(status["open"]["camera"], false, "{status}");
    // Nobody touches anything.
    anna.wait_for("Bert's picture", LIMIT, |status| shown(status) > 30).unwrap();
    let open = |status: &Value| status["open"]["camera"] == true;
    bert.wait_for("the sign", LIMIT, open).unwrap();
    let log = json(&family.bert, &["look-ins", "--json"]);
    assert_eq!(log["visits"][0]["how"], "looked-in", "it is written down while it lasts");
    assert_eq!(log["visits"][0]["seconds"], Value::Null);
    anna.ask(&Request::Hangup).unwrap();
    bert.wait_for("home", LIMIT, is("idle")).unwrap();

    // This time somebody does.
    anna.wait_for("home", LIMIT, is("idle")).unwrap();
    dial(&anna, "Bert");
    bert.wait_for("the announcement", LIMIT, is("incoming")).unwrap();
    bert.ask(&Request::Hangup).unwrap();
    let ended = anna.wait_for("the refusal", LIMIT, is("ended")).unwrap();
    assert_eq!(ended["call"]["reason"], "declined");

    let log = json(&family.bert, &["look-ins", "--json"]);
    let visits = log["visits"].as_array().unwrap();
    assert_eq!((visits.len(), &log["whole"]), (2, &true.into()), "{log}");
    assert_eq!((&visits[0]["how"], &visits[1]["how"]), (&"refused".into(), &"looked-in".into()));
    assert!(visits[1]["seconds"].as_u64().is_some(), "{log}");
    assert_eq!(visits[1]["fingerprint"], family.anna.identity.public().fingerprint());
    for name in ["look-ins.jsonl", "look-ins.head", "outbox.json", "seen.json"] {
        if let Ok(file) = fs::metadata(state_file(&family.bert, name)) {
            assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
    let path = state_file(&family.bert, "look-ins.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("Anna", "Otto", 1)).unwrap();
    let (said, code) = twocan(&family.bert, &["look-ins"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("looked in for") && said.contains("NOT whole: line 2"), "{said}");
}

/// Pictures on a disk, which a kiosk holds open as long as it looks at them.
fn reel(path: &Path) {
    let (_stopper, stop) = stop_pair();
    let mut pattern = TestPattern::new(Size::new(320, 240), 1000.0, 'R').unwrap();
    let mut encoder = Encoder::new(75).unwrap();
    let mut film = Vec::new();
    for _ in 0..8 {
        let mut picture = Picture::default();
        assert!(pattern.read(&mut picture, &stop).unwrap());
        film.extend_from_slice(encoder.encode(&picture).unwrap());
    }
    fs::write(path, film).unwrap();
}

/// What is open of a kiosk: the file of its camera, its microphone at the sound server, and how often a
/// stand-in for a Pi's camera was started and whether it runs.
struct Spy {
    film: PathBuf,
    server: String,
    pi: PathBuf,
}

impl Spy {
    fn camera(&self, kiosk: &Kiosk) -> bool {
        let files = fs::read_dir(format!("/proc/{}/fd", kiosk.pid())).unwrap().flatten();
        files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == self.film))
    }

    fn microphone(&self) -> bool {
        let mut pactl = Command::new("pactl");
        pactl.args(["-s", &self.server, "list", "short", "source-outputs"]);
        !pactl.output().unwrap().stdout.is_empty()
    }

    fn pi_starts(&self) -> usize {
        fs::read_to_string(self.pi.join("asked")).unwrap_or_default().lines().count()
    }

    fn pi_runs(&self) -> bool {
        let pid = fs::read_to_string(self.pi.join("pid")).unwrap_or_default();
        !pid.is_empty() && Path::new(&format!("/proc/{}", pid.trim())).exists()
    }
}

#[test]
fn over_a_day_camera_and_microphone_are_open_in_calls_and_nowhere_else_and_hide_closes_them() {
    let habits = Habits::default();
    let (folder, family) = a_family(&habits);
    let pulse = Pulse::start(&folder.path().join("sound"), &["a"]).unwrap();
    let spy = Spy {
        film: folder.path().join("film.mjpeg"),
        server: pulse.env()[0].1.clone(),
        pi: folder.path().join("pi"),
    };
    reel(&spy.film);
    // Anna has a film and a sound card, Bert a Pi's camera.
    let film = Habits { camera: spy.film.display().to_string(), ..habits.clone() };
    let card = ("mic_a".to_owned(), "spk_a".to_owned());
    let config = family.config(&family.anna, &film, &card);
    family.anna.configure(&config.replace("[call]", "[call]\ncleaning = \"off\"")).unwrap();
    let pi = Habits { camera: "rpicam".to_owned(), ..habits.clone() };
    family.bert.configure(&family.config(&family.bert, &pi, &habits.sound[1])).unwrap();
    fs::create_dir_all(&spy.pi).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rpicam-vid");
    symlink(script, spy.pi.join("rpicam-vid")).unwrap();
    fs::write(spy.pi.join("1.yuv"), vec![128; 640 * 480 * 3 / 2]).unwrap();
    let path = format!("{}:{}", spy.pi.display(), std::env::var("PATH").unwrap());
    let mut anna = family.anna.start(&KIOSK, &pulse.env()).unwrap();
    let mut bert = family.bert.start(&KIOSK, &[("PATH", path)]).unwrap();
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    bert.wait_for("Anna's tile", LIMIT, reachable).unwrap();

    let open = |kiosk: &Kiosk| (spy.camera(kiosk), spy.microphone());
    let sign =
        |status: &Value| (status["open"]["camera"] == true, status["open"]["microphone"] == true);
    let nothing = |anna: &Kiosk, when: &str| {
        assert_eq!((open(anna), spy.pi_runs()), ((false, false), false), "{when}");
    };
    nothing(&anna, "at rest");

    // A call that is refused, and one that is given up.
    dial(&anna, "Bert");
    bert.wait_for("the ring", LIMIT, is("incoming")).unwrap();
    nothing(&anna, "while it rings");
    bert.ask(&Request::Hangup).unwrap();
    anna.wait_for("the refusal", LIMIT, is("ended")).unwrap();
    anna.wait_for("home", LIMIT, is("idle")).unwrap();
    dial(&bert, "Anna");
    anna.wait_for("the ring", LIMIT, is("incoming")).unwrap();
    nothing(&anna, "while it rings here");
    bert.ask(&Request::Hangup).unwrap();
    anna.wait_for("home", LIMIT, is("idle")).unwrap();
    nothing(&anna, "after calls that came to nothing");
    assert_eq!(spy.pi_starts(), 0);

    // A call, hidden and shown again.
    bert.wait_for("home", LIMIT, is("idle")).unwrap();
    dial(&anna, "Bert");
    bert.wait_for("the ring", LIMIT, is("incoming")).unwrap();
    bert.ask(&Request::Answer).unwrap();
    anna.wait_for("the sign", LIMIT, |status| sign(status) == (true, true)).unwrap();
    until("Anna's devices", || open(&anna) == (true, true));
    bert.wait_for("Anna's pictures", LIMIT, |status| shown(status) > 5).unwrap();
    for hidden in [true, false] {
        anna.ask(&Request::Hide { hidden: Some(hidden) }).unwrap();
        anna.wait_for("the sign", LIMIT, |s| sign(s) == (!hidden, !hidden)).unwrap();
        if hidden {
            // The sign says it: then it is so.
            assert_eq!(open(&anna), (false, false));
        }
        until("Anna's devices", || open(&anna) == (!hidden, !hidden));
    }
    bert.ask(&Request::Hide { hidden: Some(true) }).unwrap();
    bert.wait_for("the sign", LIMIT, |status| sign(status) == (false, false)).unwrap();
    assert!(!spy.pi_runs());
    assert_eq!(spy.pi_starts(), 1);

    anna.ask(&Request::Hangup).unwrap();
    anna.wait_for("home", LIMIT, is("idle")).unwrap();
    bert.wait_for("home", LIMIT, is("idle")).unwrap();
    nothing(&anna, "after the call");
    assert_eq!(spy.pi_starts(), 1, "one call, one opening");
}
