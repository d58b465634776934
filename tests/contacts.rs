//! Contacts, call records and the state files, through the real command and on a real disk.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use twocan::contacts::{Contact, ContactError, Contacts, set_photo};
use twocan::identity::{Identity, PeerKey};
use twocan::records::{self, Direction, EndReason, Figures, Record, Records};
use twocan::store::Origin;

struct Kiosk {
    _folder: tempfile::TempDir,
    state: PathBuf,
}

impl Kiosk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        Self { _folder: folder, state }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.env_clear().env("HOME", "/nonexistent").env("TZ", "UTC");
        command.arg("--state").arg(&self.state);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], sentence: &str) {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text, format!("twocan: {sentence}\n"));
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }
}

fn key() -> String {
    Identity::generate().public().to_openssh("")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn two_kiosks_learn_each_others_keys_from_the_command_line() {
    let (a, b) = (Kiosk::new(), Kiosk::new());
    let text = a.done(&["identity"]);
    let lines: Vec<&str> = text.lines().collect();
    let b_shown = b.json(&["identity", "--json"]);
    b.done(&[
        "contact",
        "add",
        "Anna",
        "--key",
        lines[0],
        "--direct",
        "127.0.0.1:5022",
        "--direct",
        "[::1]:7",
    ]);
    let said = a.done(&["contact", "add", "Ben", "--key", b_shown["key"].as_str().unwrap()]);
    let words: Vec<&str> =
        b_shown["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(said, format!("Added Ben: {}\n", words.join(" ")));

    let anna = &b.json(&["contact", "list", "--json"])[0];
    assert_eq!(anna["fingerprint"], lines[1]);
    assert_eq!(anna["direct"], serde_json::json!(["127.0.0.1:5022", "[::1]:7"]));
    assert_eq!((&anna["via_relay"], &anna["may_ring"]), (&true.into(), &true.into()));
    assert!(b.done(&["contact", "list"]).contains("127.0.0.1:5022, [::1]:7, relay"));
    assert_eq!((mode(&b.state), mode(&b.state.join("contacts.toml"))), (0o700, 0o600));
    assert_eq!(b.done(&["contact", "remove", "ANNA"]), "Removed Anna\n");
    assert_eq!(b.json(&["contact", "list", "--json"]), serde_json::json!([]));
}

#[test]
fn what_somebody_may_do_is_said_on_the_command_line_and_only_that_is_changed() {
    let kiosk = Kiosk::new();
    kiosk.done(&["contact", "add", "Anna", "--key", &key()]);
    let may = || {
        let anna = &kiosk.json(&["contact", "list", "--json"])[0];
        ["may_ring", "in_quiet_hours", "look_in"].map(|what| anna[what].as_bool().unwrap())
    };
    assert_eq!(may(), [true, false, false], "nobody looks in unasked");
    let said = kiosk.done(&["contact", "set", "anna", "--look-in", "yes"]);
    assert_eq!((said.as_str(), may()), ("Anna may ring, and look in\n", [true, false, true]));
    kiosk.done(&["contact", "set", "Anna", "--in-quiet-hours", "yes", "--may-ring", "no"]);
    assert_eq!(may(), [false, true, true]);
    assert!(kiosk.done(&["contact", "list"]).contains("\n  may not ring\n"));
    kiosk.refused(&["contact", "set", "Ben", "--look-in", "no"], "there is no contact named Ben");
    assert_eq!(kiosk.run(&["contact", "set", "Anna"]).status.code(), Some(2));
    assert_eq!(kiosk.run(&["contact", "set", "Anna", "--look-in", "maybe"]).status.code(), Some(2));
    assert_eq!(may(), [false, true, true]);
}

#[test]
fn what_would_confuse_people_is_refused_with_a_sentence() {
    let kiosk = Kiosk::new();
    let (own, anna, ben) = (kiosk.done(&["identity"]), key(), key());
    let own = own.lines().next().unwrap();
    kiosk.done(&["contact", "add", "Anna", "--key", &anna]);
    let add = |name, key| ["contact", "add", name, "--key", key];
    kiosk.refused(&add("ANNA ", &ben), "there is a contact named Anna already");
    kiosk.refused(&add("Ben", &anna), "this key belongs to the contact Anna already");
    kiosk.refused(
        &add("Me", own),
        "this is the key of this kiosk; a contact needs the other one's, from `twocan identity` there",
    );
    kiosk.refused(&add(" \u{202e}\u{7} ", &ben), "a contact needs a name");
    kiosk.refused(
        &["contact", "add", "Ben", "--key", &ben, "--no-relay"],
        "Ben could not be reached: without the relay a direct address is needed",
    );
    kiosk.refused(&["contact", "remove", "Ben"], "there is no contact named Ben");
    kiosk.refused(
        &["contact", "photo", "Ben", "/nowhere.jpg"],
        "read photo /nowhere.jpg: No such file or directory (os error 2)",
    );

    let output = kiosk.run(&add("Ben", "ssh-ed25519 nonsense"));
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("is not a public key; expected a line such as"), "{text}");
    assert_eq!(kiosk.json(&["contact", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn commands_at_the_same_time_lose_nobody() {
    let kiosk = Kiosk::new();
    kiosk.done(&["identity"]);
    let adding: Vec<_> = (0..12)
        .map(|n| {
            let mut command = kiosk.command();
            command.args(["contact", "add", &format!("Person {n}"), "--key", &key()]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in adding {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(Contacts::load(&kiosk.state).value.iter().count(), 12);
}

#[test]
fn a_photo_is_checked_by_its_header_and_replaced() {
    let kiosk = Kiosk::new();
    kiosk.done(&["contact", "add", "Anna", "--key", &key()]);
    let (jpeg, png) = (kiosk.state.join("a.jpg"), kiosk.state.join("a.png"));
    for file in [&jpeg, &png] {
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=321x240", "-frames:v", "1"])
            .arg(file)
            .status()
            .unwrap();
        assert!(made.success());
    }
    let photo =
        || Contacts::load(&kiosk.state).value.by_name("anna").unwrap().photo_path(&kiosk.state);
    for file in [&jpeg, &png] {
        kiosk.done(&["contact", "photo", "anna", file.to_str().unwrap()]);
        assert_eq!(fs::read(photo().unwrap()).unwrap(), fs::read(file).unwrap());
        assert_eq!(fs::read_dir(kiosk.state.join("photos")).unwrap().count(), 1);
    }
    let text = kiosk.state.join("contacts.toml");
    kiosk.refused(
        &["contact", "photo", "Anna", text.to_str().unwrap()],
        &format!("take {}: the photo is neither a JPEG nor a PNG", text.display()),
    );
    assert_eq!(fs::read(photo().unwrap()).unwrap(), fs::read(&png).unwrap());
    kiosk.done(&["contact", "remove", "Anna"]);
    assert_eq!(fs::read_dir(kiosk.state.join("photos")).unwrap().count(), 0);
}

#[test]
fn a_photo_of_nobody_leaves_nothing_behind() {
    let kiosk = Kiosk::new();
    kiosk.done(&["identity"]);
    let jpeg = [0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0];
    assert!(matches!(set_photo(&kiosk.state, "Nobody", &jpeg), Err(ContactError::Unknown(_))));
    assert_eq!(fs::read_dir(kiosk.state.join("photos")).unwrap().count(), 0);
}

#[test]
fn bad_contacts_fall_back_to_the_copy_and_then_to_none_and_are_never_overwritten_blindly() {
    let kiosk = Kiosk::new();
    kiosk.done(&["contact", "add", "Anna", "--key", &key()]);
    kiosk.done(&["contact", "add", "Ben", "--key", &key()]);
    let file = kiosk.state.join("contacts.toml");
    let loaded = Contacts::load(&kiosk.state);
    assert_eq!((loaded.from, loaded.trouble), (Origin::File, None));

    fs::write(&file, "[[contact]]\nname = 3").unwrap();
    let loaded = Contacts::load(&kiosk.state);
    assert_eq!(loaded.from, Origin::Backup);
    assert_eq!(loaded.value.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["Anna"]);
    let trouble = loaded.trouble.unwrap();
    assert!(
        trouble.contains("contacts.toml: line 2:") && trouble.contains("previous copy"),
        "{trouble}"
    );

    fs::write(kiosk.state.join("contacts.toml.bak"), "").unwrap();
    fs::remove_file(&file).unwrap();
    assert!(Contacts::load(&kiosk.state).trouble.unwrap().contains("contacts.toml is missing"));

    fs::write(&file, "\0").unwrap();
    fs::write(kiosk.state.join("contacts.toml.bak"), "\0").unwrap();
    let loaded = Contacts::load(&kiosk.state);
    assert_eq!((loaded.from, loaded.value), (Origin::Default, Contacts::default()));
    assert!(loaded.trouble.unwrap().ends_with("starting without it"));
    let output = kiosk.run(&["contact", "add", "Cleo", "--key", &key()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the contacts were left as they are"));
    assert_eq!(fs::read(&file).unwrap(), b"\0");
}

#[test]
fn contacts_cut_at_any_length_never_panic() {
    let kiosk = Kiosk::new();
    kiosk.done(&["contact", "add", "Anna", "--key", &key(), "--direct", "a:1"]);
    let file = kiosk.state.join("contacts.toml");
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let names = Contacts::load(&kiosk.state).value.iter().count();
        assert!(names <= 1);
    }
}

#[test]
fn a_disk_that_takes_no_byte_leaves_the_old_contacts_whole() {
    let kiosk = Kiosk::new();
    kiosk.done(&["contact", "add", "Anna", "--key", &key()]);
    let before = fs::read(kiosk.state.join("contacts.toml")).unwrap();
    let command = kiosk.command();
    let program = command.get_program().to_owned();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(program)
        .args(command.get_args())
        .args(["contact", "add", "Ben", "--key", &key()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("save ") && text.contains("contacts.toml: File too large"), "{text}");
    assert_eq!(fs::read(kiosk.state.join("contacts.toml")).unwrap(), before);
    let left: Vec<_> =
        fs::read_dir(&kiosk.state).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().ends_with(".new")), "{left:?}");
}

fn record(name: &str, direction: Direction, answered: bool, reason: EndReason) -> Record {
    Record {
        name: name.to_owned(),
        fingerprint: format!("SHA256:{name}"),
        direction,
        began: 1_790_000_000,
        answered,
        seconds: if answered { 303 } else { 0 },
        reason,
        call: 7,
        figures: Figures { pictures_shown: 9, ..Figures::default() },
    }
}

#[test]
fn calls_are_listed_and_missed_ones_stand_out_until_they_are_seen() {
    let kiosk = Kiosk::new();
    fs::create_dir_all(&kiosk.state).unwrap();
    assert_eq!(kiosk.json(&["calls", "--json"]), serde_json::json!([]));
    let calls = [
        record("Anna", Direction::Incoming, true, EndReason::HungUp),
        record("Anna", Direction::Incoming, false, EndReason::Cancelled),
        record("Ben", Direction::Incoming, false, EndReason::Declined),
        record("Ben", Direction::Outgoing, false, EndReason::NoAnswer),
        record("Ben", Direction::Incoming, false, EndReason::Busy),
    ];
    for call in &calls {
        records::append(&kiosk.state, call).unwrap();
    }
    let text = kiosk.done(&["calls"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "2026-09-21 14:13  from Anna  5:03  hung-up");
    assert_eq!(lines[1], "2026-09-21 14:13  from Anna  missed  cancelled");
    assert_eq!(lines[3], "2026-09-21 14:13  to Ben  -  no-answer");
    let json = kiosk.json(&["calls", "--json"]);
    let missed: Vec<bool> =
        json.as_array().unwrap().iter().map(|call| call["missed"].as_bool().unwrap()).collect();
    assert_eq!(missed, [false, true, false, false, true]);
    assert_eq!(
        (&json[0]["figures"]["pictures_shown"], &json[0]["reason"]),
        (&9.into(), &"hung-up".into())
    );

    records::mark_seen(&kiosk.state, "SHA256:Anna").unwrap();
    let seen = Records::load(&kiosk.state).unwrap();
    assert_eq!(seen.missed("SHA256:Anna"), None);
    assert_eq!(seen.missed("SHA256:Ben"), Some(&calls[4]));
    records::append(&kiosk.state, &calls[1]).unwrap();
    assert!(Records::load(&kiosk.state).unwrap().missed("SHA256:Anna").is_some(), "called again");
}

#[test]
fn a_torn_line_costs_one_call_and_not_the_next_one() {
    let kiosk = Kiosk::new();
    fs::create_dir_all(&kiosk.state).unwrap();
    let file = kiosk.state.join("calls.jsonl");
    let call = record("Anna", Direction::Outgoing, true, EndReason::Lost);
    records::append(&kiosk.state, &call).unwrap();
    let line = fs::read(&file).unwrap();
    for cut in 1..line.len() - 1 {
        fs::write(&file, [&line[..], &line[..cut]].concat()).unwrap();
        records::append(&kiosk.state, &call).unwrap();
        let records = Records::load(&kiosk.state).unwrap();
        assert_eq!((records.entries.len(), records.unreadable), (2, 1), "cut at {cut}");
    }
    fs::write(&file, b"\xff\xfe\n{\"seen\":3}\n[]\n\n").unwrap();
    assert_eq!(Records::load(&kiosk.state).unwrap().unreadable, 3);
}

#[test]
fn a_long_record_turns_over_and_loses_nothing_of_the_last_four_mebibytes() {
    let kiosk = Kiosk::new();
    fs::create_dir_all(&kiosk.state).unwrap();
    let call = record("Anna", Direction::Outgoing, true, EndReason::HungUp);
    let line = serde_json::to_string(&call).unwrap() + "\n";
    let many = (4 << 20) / line.len() + 1;
    fs::write(kiosk.state.join("calls.jsonl"), line.repeat(many)).unwrap();
    records::append(&kiosk.state, &call).unwrap();
    assert!(fs::metadata(kiosk.state.join("calls.jsonl")).unwrap().len() < 1000);
    assert_eq!(Records::load(&kiosk.state).unwrap().entries.len(), many + 1);
}

#[test]
fn the_rules_hold_for_a_file_written_by_hand() {
    let kiosk = Kiosk::new();
    fs::create_dir_all(&kiosk.state).unwrap();
    let key = PeerKey([5; 32]);
    let twice = format!(
        "[[contact]]\nname = 'Anna'\nkey = '{key}'\n[[contact]]\nname = 'anna'\nkey = '{key}'\n"
    );
    fs::write(kiosk.state.join("contacts.toml"), twice).unwrap();
    let trouble = Contacts::load(&kiosk.state).trouble.unwrap();
    assert!(trouble.contains("there is a contact named Anna already"), "{trouble}");

    let escape = format!("[[contact]]\nname = 'Anna'\nkey = '{key}'\nphoto = '../identity'\n");
    fs::write(kiosk.state.join("contacts.toml"), escape).unwrap();
    let contacts = Contacts::load(&kiosk.state).value;
    assert_eq!(contacts.by_key(&key).unwrap().photo_path(&kiosk.state), None);
    assert!(Contact::new(" A\u{0} ", key).name == "A");
}
