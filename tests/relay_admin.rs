//! `twocan relay` on a throw-away root: what it writes, shows, undoes, finds wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use common::hardened::{Server, snapshot};
use twocan::identity::Identity;
use twocan::tunnel::enrol;

const INSTALL: [&str; 3] = ["install", "--program", "/opt/twocan/twocan"];
const DROP_IN: &str = "etc/ssh/sshd_config.d/50-twocan-relay.conf";

fn install(server: &Server) {
    server.relay(&["install", "--yes", "--program", "/opt/twocan/twocan"]);
}

#[test]
fn nothing_is_written_before_the_diff_was_seen_and_agreed_to() {
    let server = Server::new();
    let before = snapshot(&server.at("etc"));
    let said = server.refused(&INSTALL, 1);
    for part in ["+++ ", DROP_IN, "+Match User kiosk-*", "nothing was changed"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    before.assert_same(&server.at("etc"));
    assert!(server.refused(&["add", "anna"], 1).contains("twocan relay install comes first"));
    assert!(server.refused(&["add", "Anna"], 2).contains("small letters"));
}

#[test]
fn what_is_installed_is_right_and_installing_twice_changes_nothing() {
    let server = Server::new();
    install(&server);
    assert!(server.relay(&["check"]).contains("All is well"));
    assert_eq!(server.relay(&["install", "--yes"]), "Everything is as it should be.\n");
    assert_eq!(server.relay(&["list"]), "There are no kiosks here yet.\n");
    let accounts = |file: &str| fs::read_to_string(server.at(file)).unwrap();
    let before = accounts("etc/shadow");

    server.add("anna");
    let said = server.relay(&["add", "bert", "--yes", "--host", "relay.example"]);
    assert!(!said.contains("$y$"), "nobody's password is shown: {said}");
    assert!(said.contains("TWOCANRELAY1:") && said.contains('█'), "as text and as a code");
    let kiosk = fs::metadata(server.at("run/twocan-relay/anna")).unwrap();
    assert_eq!(kiosk.mode() & 0o7777, 0o2750);
    let line = accounts("etc/passwd");
    let anna = line.lines().find(|line| line.starts_with("kiosk-anna:")).unwrap();
    assert!(anna.starts_with(&format!("kiosk-anna:x:{}:{}:", kiosk.uid(), kiosk.gid())), "{anna}");
    assert!(accounts("etc/shadow").starts_with(&before));
    assert!(accounts("etc/shadow").contains("\nkiosk-anna:*:"), "not locked, and no password fits");
    for file in ["keys/kiosk-anna", "tickets/twocan-join-anna"] {
        let file = fs::metadata(server.at("etc/twocan-relay").join(file)).unwrap();
        assert_eq!((file.mode() & 0o7777, file.uid()), (0o600, kiosk.uid()));
    }
    for folder in ["etc/twocan-relay/keys", "etc/twocan-relay/tickets", "run/twocan-relay"] {
        let folder = fs::metadata(server.at(folder)).unwrap();
        assert_eq!((folder.mode() & 0o7777, folder.uid()), (0o755, 0));
    }
    let pairing = fs::metadata(server.at("run/twocan-relay/pair")).unwrap();
    assert_eq!((pairing.mode() & 0o7777, pairing.uid()), (0o2770, 0), "for the group of all");
    let tmpfiles = accounts("etc/tmpfiles.d/twocan-relay.conf");
    assert!(tmpfiles.contains("d /run/twocan-relay/anna 2750 kiosk-anna kiosk-anna -\n"));
    assert!(accounts(DROP_IN).contains(
        "PermitOpen [/anna/voice.sock]:* [/anna/video.sock]:* [/bert/voice.sock]:* [/bert/video.sock]:* [/pair/0.sock]:* "
    ));
    assert!(server.relay(&["list"]).contains("anna: has a ticket; called by nobody"));
    assert!(server.relay(&["pair", "anna", "bert", "--yes"]).contains("may call each other"));
    assert!(server.relay(&["list"]).contains("anna: has a ticket; called by bert\nbert: "));
    assert!(server.relay(&["pair", "bert", "anna", "--yes"]).contains("already"));
    assert!(server.refused(&["pair", "anna", "carla", "--yes"], 1).contains("no kiosk carla"));
    assert!(server.refused(&["pair", "anna", "anna", "--yes"], 1).contains("itself"));
    let checked = server.relay(&["check"]);
    assert!(checked.contains("All is well; kiosks: 2."), "{checked}");

    // What a restart of the machine takes away comes back.
    fs::remove_dir_all(server.at("run/twocan-relay")).unwrap();
    assert!(server.refused(&["check"], 1).contains("/run/twocan-relay/anna is missing"));
    install(&server);
    assert!(server.relay(&["check"]).contains("All is well"));
}

#[test]
fn an_sshd_that_does_not_take_it_has_everything_undone() {
    let server = Server::new();
    // The first question is answered with yes, every later one with no.
    let fake = server.at("opt/sshd");
    let script = "#!/bin/sh\n[ -e /var/asked ] && { echo 'Bad configuration option' >&2; exit 255; }\n: >/var/asked\n";
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let mut mount = server.inside("mount");
    let mount = mount.arg("--bind").arg(&fake).arg(server.at("usr/sbin/sshd"));
    assert!(mount.stdout(Stdio::null()).status().unwrap().success());
    fs::write(server.at("etc/.pwd.lock"), "").unwrap();
    let folders = ["etc", "run"].map(|folder| server.at(folder));
    let before = folders.each_ref().map(|folder| snapshot(folder));
    let same =
        || before.iter().zip(&folders).for_each(|(before, folder)| before.assert_same(folder));
    let said = server.refused(&["install", "--yes", "--program", "/opt/twocan/twocan"], 1);
    assert!(said.contains("everything was undone") && said.contains("Bad configuration"), "{said}");
    same();
    let said = server.refused(&["install", "--yes", "--program", "/opt/twocan/twocan"], 1);
    assert!(said.contains("wrong before anything is changed"), "{said}");
    same();
}

#[test]
fn an_sshd_that_includes_no_folder_has_the_rules_at_the_end_of_its_file() {
    let server = Server::new();
    let main = server.at("etc/ssh/sshd_config");
    let text = fs::read_to_string(&main).unwrap().replace("Include ", "#Include ");
    fs::write(&main, &text).unwrap();
    install(&server);
    server.add("anna");
    let now = fs::read_to_string(&main).unwrap();
    assert!(now.starts_with(&text) && now.matches("# twocan relay: begin").count() == 1);
    assert!(!server.at(DROP_IN).exists());
    assert!(server.relay(&["check"]).contains("All is well"));
}

#[test]
fn what_somebody_else_changed_is_found_and_named() {
    let server = Server::new();
    install(&server);
    server.add("anna");
    let early = server.at("etc/ssh/sshd_config.d/00-admin.conf");
    fs::write(&early, "Match User kiosk-anna\n    PermitTTY yes\nMatch all\nAllowUsers admin\n")
        .unwrap();
    let said = server.refused(&["check"], 1);
    assert!(said.contains("for kiosk-anna sshd has permittty yes, not no"), "{said}");
    assert!(said.contains("allowusers admin: kiosk-anna must be let in"), "{said}");
    fs::remove_file(early).unwrap();

    let key = server.at("etc/twocan-relay/keys/kiosk-anna");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(server.refused(&["check"], 1).contains("keys/kiosk-anna has the mode 0644"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    let folder = server.at("run/twocan-relay/anna");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(server.refused(&["check"], 1).contains("anna has another owner or mode"));
    install(&server);

    drop(std::os::unix::net::UnixListener::bind(folder.join("voice.sock")).unwrap());
    let said = server.relay(&["check"]);
    assert!(said.contains("note: nobody listens at") && said.contains("All is well"), "{said}");
}

#[test]
fn a_ticket_is_good_once_for_one_kiosk_and_for_a_day() {
    let server = Server::hardened();
    let ticket = server.add("anna");
    let (anna, other) = (Identity::generate().public(), Identity::generate().public());
    let point = enrol(&ticket, anna).unwrap();
    assert_eq!(point.user.as_ref().unwrap().as_str(), "kiosk-anna");
    assert_eq!(point.place.as_ref().unwrap().as_str(), "/anna/");
    let kept = || fs::read_to_string(server.at("etc/twocan-relay/keys/kiosk-anna")).unwrap();
    assert_eq!(kept(), format!("restrict,port-forwarding {anna}\n"));
    let again = enrol(&ticket, other).unwrap_err();
    assert!(again.contains("used already"), "{again}");
    assert_eq!(kept(), format!("restrict,port-forwarding {anna}\n"));
    assert!(server.relay(&["list"]).contains("anna: has brought its key"));

    // A new one takes the place of the old one, which is how a dead kiosk is replaced.
    let old = server.add("anna");
    let new = server.add("anna");
    assert!(enrol(&old, other).unwrap_err().contains("older than a day"));
    enrol(&new, other).unwrap();
    assert_eq!(kept(), format!("restrict,port-forwarding {other}\n"));

    let late = server.add("bert");
    let file = server.at("etc/twocan-relay/tickets/twocan-join-bert");
    let touched =
        std::process::Command::new("touch").args(["-d", "25 hours ago"]).arg(&file).status();
    assert!(touched.unwrap().success());
    let refused = enrol(&late, anna).unwrap_err();
    assert!(refused.contains("the ticket is older than a day"), "{refused}");
}

#[test]
fn a_kiosk_meets_at_a_relay_by_the_command_line_and_says_so() {
    let server = Server::hardened();
    let port = server.port.to_string();
    let said = server.relay(&["add", "anna", "--yes", "--host", "127.0.0.1", "--port", &port]);
    let ticket = said.split_whitespace().find(|word| word.starts_with("TWOCANRELAY1:")).unwrap();
    let state = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut twocan = std::process::Command::new(env!("CARGO_BIN_EXE_twocan"));
        let none = state.path().join("none.toml");
        fs::write(&none, "").unwrap();
        twocan.arg("--state").arg(state.path()).arg("--config").arg(none).args(words);
        twocan.output().unwrap()
    };
    let met = run(&["meet", ticket]);
    assert!(met.status.success(), "{}", String::from_utf8_lossy(&met.stderr));
    let said = String::from_utf8_lossy(&met.stdout).into_owned();
    assert_eq!(said, "This kiosk meets others at 127.0.0.1 now, with its place /anna/.\n");
    let file = state.path().join("relay.toml");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let relay = twocan::meeting::load(state.path()).unwrap();
    assert_eq!(relay.user.as_str(), "kiosk-anna");
    // The doctor logs in there.
    let doctor = run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let rows = report["checks"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "relay").unwrap();
    assert_eq!(row["result"], "ok", "{row}");
    assert_eq!(row["details"]["user"], "kiosk-anna", "{row}");
    let again = run(&["meet", ticket]);
    assert_eq!(again.status.code(), Some(1));
    let garbage = run(&["meet", "TWOCANRELAY1:AAAA"]);
    assert!(String::from_utf8_lossy(&garbage.stderr).contains("damaged"));
}
