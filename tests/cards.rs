//! Cards, pairing and back-ups through the real command: two machines with a state folder each.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use common::sshd::Sshd;
use twocan::contacts::{self, Contact, ContactError, Contacts};
use twocan::identity::{Identity, PeerKey};

struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// One that is called so and meets others at `sshd`.
    fn at(name: &str, sshd: &Sshd) -> Self {
        let machine = Self::new();
        let relay = sshd.relay();
        let config = format!(
            "[kiosk]\nname = \"{name}\"\n[relay]\nhost = \"{}\"\nport = {}\nuser = \"{}\"\n\
             host_key = \"{}\"\nfolder = \"{}\"\n",
            relay.host,
            relay.port,
            relay.user,
            sshd.host_key().to_openssh().unwrap(),
            relay.folder.unwrap()
        );
        fs::write(machine.path("twocan.toml"), config).unwrap();
        machine
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.env_clear().env("HOME", "/nonexistent").env("TZ", "UTC");
        let config = self.path("twocan.toml");
        if config.exists() {
            command.arg("--config").arg(config);
        }
        command.arg("--state").arg(self.state()).arg("--runtime").arg(self.path("run"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], part: &str) {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(part), "{text}");
    }

    fn identity(&self) -> Identity {
        Identity::load_or_create(&self.state()).unwrap()
    }

    fn contacts(&self) -> Vec<Contact> {
        Contacts::load(&self.state()).value.iter().cloned().collect()
    }
}

/// Every file below is for its owner alone, and every folder too.
#[track_caller]
fn all_private(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
        if entry.file_type().unwrap().is_dir() {
            all_private(&entry.path());
        }
    }
}

fn key_of(machine: &Machine) -> PeerKey {
    machine.identity().public()
}

#[test]
fn a_card_goes_from_one_machine_to_the_other_as_text_or_as_a_file() {
    let sshd = Sshd::start(&[]);
    let (anna, bert) = (Machine::at("Anna", &sshd), Machine::at("Bert", &sshd));
    let text = anna.done(&["contact", "export"]);
    assert!(text.starts_with("TWOCAN1:") && text.lines().count() == 1, "{text}");
    // Nobody at the terminal says yes.
    bert.refused(&["contact", "import", text.trim()], "nobody was added");
    assert!(bert.contacts().is_empty());
    let said = bert.done(&["contact", "import", text.trim(), "--yes"]);
    assert!(said.contains(&key_of(&anna).words().join(" ")), "{said}");
    let [contact] = bert.contacts().try_into().unwrap();
    assert_eq!((contact.name.as_str(), contact.key), ("Anna", key_of(&anna)));
    assert_eq!(contact.meeting[0].port, sshd.relay().port);
    let file = bert.path("card");
    bert.done(&["contact", "export", file.to_str().unwrap()]);
    anna.done(&["contact", "import", file.to_str().unwrap(), "--yes", "--name", "Uncle"]);
    assert_eq!(anna.contacts()[0].name, "Uncle");
    anna.refused(&["contact", "import", text.trim(), "--yes"], "the key of this kiosk");
    anna.refused(&["contact", "import", "TWOCAN1:AAAA", "--yes"], "damaged");
    let drawn = anna.done(&["contact", "export", "--qr"]);
    assert!(drawn.lines().count() > 15 && drawn.contains('▀'), "{drawn}");
    all_private(&anna.state());
    all_private(&bert.state());
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_a_known_key_only_new_ways() {
    let machine = Machine::new();
    let card = |name: &str, key: u8, direct: &str| twocan::card::Card {
        name: name.to_owned(),
        key: PeerKey([key; 32]),
        meeting: Vec::new(),
        direct: direct.parse().into_iter().collect(),
    };
    machine.identity();
    let adopt = |card| contacts::adopt(&machine.state(), &card).map(|contact| contact.name);
    assert_eq!(adopt(card("Anna", 1, "")).unwrap(), "Anna");
    assert_eq!(adopt(card("anna", 2, "")).unwrap(), "anna 2");
    assert_eq!(adopt(card("Anna", 3, "")).unwrap(), "Anna 3");
    assert_eq!(adopt(card("Mallory", 1, "anna.example:22")).unwrap(), "Anna");
    assert_eq!(adopt(card(&"x".repeat(64), 4, "")).unwrap(), "x".repeat(64));
    assert_eq!(adopt(card(&"x".repeat(64), 5, "")).unwrap(), format!("{} 2", "x".repeat(60)));
    let known = machine.contacts();
    assert_eq!(known[0].direct[0].to_string(), "anna.example:22");
    assert_eq!(known.len(), 5);
    let own = machine.identity().public().0;
    let ours = twocan::card::Card { key: PeerKey(own), ..card("Me", 9, "") };
    assert!(matches!(adopt(ours), Err(ContactError::OwnKey)));
}

/// A running `twocan pair`, and what it prints.
struct Pair {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Pair {
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let arguments = [&["pair"], arguments].concat();
        let mut child = machine.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that is printed.
    #[track_caller]
    fn line(&mut self) -> String {
        self.lines.next().expect("it says more").unwrap()
    }

    fn words(&mut self) -> Vec<String> {
        assert_eq!(self.line(), "Tell the other one these words:");
        self.line().split_whitespace().map(str::to_owned).collect()
    }

    fn end(mut self) -> (bool, Vec<String>) {
        let lines = self.lines.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().success(), lines)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_machines_without_a_screen_pair_by_four_words() {
    let sshd = Sshd::start(&[]);
    let (anna, bert) = (Machine::at("Anna", &sshd), Machine::at("Bert", &sshd));
    sshd.authorize(&[key_of(&anna), key_of(&bert)]);
    let mut offers = Pair::start(&anna, &["--yes"]);
    let words = offers.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let joins = Pair::start(&bert, &[&words[..], &["--yes"]].concat());
    let ((good, at_anna), (well, at_bert)) = (offers.end(), joins.end());
    assert!(good && well, "{at_anna:#?} {at_bert:#?}");
    assert_eq!(at_anna[0], "Bert is there. The pictures are:");
    assert_eq!(at_bert[0], "Anna is there. The pictures are:");
    assert_eq!(at_anna[1], at_bert[1], "the same pictures");
    assert_eq!(at_anna.last().unwrap(), "Bert is a contact now.");
    assert_eq!(anna.contacts()[0].key, key_of(&bert));
    assert_eq!(bert.contacts()[0].key, key_of(&anna));
    all_private(&anna.state());
    all_private(&bert.state());
}

#[test]
fn words_that_are_none_and_a_no_at_the_pictures_pair_nobody() {
    let sshd = Sshd::start(&[]);
    let (anna, bert) = (Machine::at("Anna", &sshd), Machine::at("Bert", &sshd));
    sshd.authorize(&[key_of(&anna), key_of(&bert)]);
    let wrong = bert.run(&["pair", "these", "are", "no", "words"]);
    assert_eq!(wrong.status.code(), Some(2));
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(text.contains("none of the words"), "{text}");
    // With nobody at the terminal the answer is no.
    let mut offers = Pair::start(&anna, &[]);
    let words = offers.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let joins = Pair::start(&bert, &[&words[..], &["--yes"]].concat());
    assert!(!offers.end().0 && !joins.end().0);
    assert!(anna.contacts().is_empty() && bert.contacts().is_empty());
}

#[test]
fn a_kiosk_comes_back_from_its_back_up_as_the_same_one() {
    let (old, new) = (Machine::new(), Machine::new());
    let secret = old.path("secret");
    fs::write(&secret, "correct horse\n").unwrap();
    let (secret, wrong) = (secret.to_str().unwrap().to_owned(), old.path("wrong"));
    fs::write(&wrong, "incorrect horse\n").unwrap();
    let file = old.path("kiosk.backup");
    let file = file.to_str().unwrap();
    let backup = ["backup", file, "--passphrase-file", &secret];
    old.refused(&backup, "there is no kiosk here yet");
    let who = key_of(&old);
    let anna = Identity::generate().public().to_openssh("");
    old.done(&["contact", "add", "Anna", "--key", &anna]);
    fs::create_dir(old.state().join("photos")).unwrap();
    fs::write(old.state().join("photos/0011.jpg"), b"not looked at").unwrap();
    fs::write(old.state().join("relay.toml"), b"# a relay").unwrap();
    old.done(&backup);
    old.refused(&backup, "make ");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(file).unwrap();
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    assert!(!shown.contains("Anna") && !shown.contains("OPENSSH"), "nothing lies open");

    new.refused(
        &["restore", file, "--passphrase-file", wrong.to_str().unwrap()],
        "the passphrase is wrong, or the file is damaged",
    );
    assert!(!new.state().join("identity").exists());
    let restore = ["restore", file, "--passphrase-file", &secret];
    assert!(new.done(&restore).contains(&who.words().join(" ")));
    assert_eq!(key_of(&new), who);
    assert_eq!(new.contacts(), old.contacts());
    assert_eq!(fs::read(new.state().join("photos/0011.jpg")).unwrap(), b"not looked at");
    assert_eq!(fs::read(new.state().join("relay.toml")).unwrap(), b"# a relay");
    all_private(&new.state());
    // Once more over itself, but over nobody else unless that is said.
    new.done(&restore);
    let other = Machine::new();
    let others = key_of(&other);
    other.refused(&restore, "another kiosk's identity");
    assert_eq!(key_of(&other), others);
    other.done(&[&restore[..], &["--replace"]].concat());
    assert_eq!(key_of(&other), who);
    let mut damaged = bytes;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(file, damaged).unwrap();
    new.refused(&restore, "or the file is damaged");
    fs::write(&secret, "short").unwrap();
    old.refused(&["backup", "/nonexistent/x", "--passphrase-file", &secret], "8 characters");
}
