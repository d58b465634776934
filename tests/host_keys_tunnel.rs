//! Which host keys of a relay our tunnel takes over TCP, what it says of those that it refuses, and the
//! command that pins them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::host_keys::{Scene, ssh, verdict};
use common::kiosk::{Kiosk, two_identities};
use common::sshd::Sshd;
use ssh_key::{HashAlg, PublicKey};
use twocan::known_hosts::{HostPins, KnownHosts};
use twocan::tunnel::{Command as Ask, RelayConfig, RelayStatus};

/// A real sshd over TCP with two host keys, and a state folder.
struct Line {
    sshd: Sshd,
    scene: Scene,
    anna: twocan::identity::Identity,
    bert: twocan::identity::Identity,
}

impl Line {
    fn new() -> Self {
        let scene = Scene::new();
        let (anna, bert) = two_identities();
        let more = format!("HostKey {}", scene.path("ec").display());
        let sshd = Sshd::start_with(&[anna.public()], &more);
        Self { sshd, scene, anna, bert }
    }

    /// `<HOST>` stands for the sshd, `<KEY>` for its ed25519 key.
    fn know(&self, template: &str) {
        let relay = self.sshd.relay();
        let key = self.sshd.host_key().to_openssh().unwrap();
        let text = self.scene.fill(template);
        let text = text.replace("<HOST>", &format!("[{}]:{}", relay.host, relay.port));
        fs::write(self.file(), text.replace("<KEY>", key.trim())).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.scene.path("known_hosts")
    }

    fn kiosk(&self, configured: Option<PublicKey>) -> Kiosk {
        let pins = HostPins::new(configured, self.scene.folder.path());
        let relay = RelayConfig { pins, ..self.sshd.relay() };
        Kiosk::at_relay(&self.anna, "Anna", relay, self.bert.public())
    }

    /// The client of OpenSSH, at the same sshd with the same file and key. It asks for the kinds in
    /// the order that it likes.
    fn openssh_takes(&self) -> bool {
        let relay = self.sshd.relay();
        let login = self.scene.path("anna");
        if !login.exists() {
            let state = self.scene.path("anna_state");
            let made = twocan::identity::Identity::load_or_create(&state).unwrap();
            self.sshd.authorize(&[self.anna.public(), made.public()]);
            fs::copy(state.join("identity"), &login).unwrap();
        }
        let mut ssh = ssh(&self.file(), &login);
        let at = format!("{}@{}", relay.user, relay.host);
        verdict(&ssh.args(["-p", &relay.port.to_string(), &at, "true"]).output().unwrap())
    }

    /// The kiosk must be blocked; what it says.
    #[track_caller]
    fn blocked(&self, configured: Option<PublicKey>) -> String {
        let kiosk = self.kiosk(configured);
        let status = kiosk.wait_relay(|status| {
            assert_ne!(*status, RelayStatus::Connected, "it must be refused");
            matches!(status, RelayStatus::Blocked { .. })
        });
        let RelayStatus::Blocked { sentence } = status else { unreachable!() };
        assert!(
            sentence.contains("relay 127.0.0.1 ") && sentence.contains("refused"),
            "{sentence}"
        );
        sentence
    }
}

fn print_of(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[track_caller]
fn says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "`{part}` is missing: {sentence}");
    }
}

#[test]
fn the_tunnel_takes_a_pinned_key_of_either_kind_as_openssh_does() {
    let line = Line::new();
    for known in ["<HOST> <KEY>\n", "<HOST> <EC>\n", "127.0.0.1 <KEY>\n", "* <EC>\n"] {
        line.know(known);
        assert!(line.openssh_takes(), "{known}");
        line.kiosk(None).wait_relay(|status| {
            assert!(!matches!(status, RelayStatus::Blocked { .. }), "{known}: {status:?}");
            *status == RelayStatus::Connected
        });
    }
}

#[test]
fn every_refusal_of_the_tunnel_is_one_sentence_with_keys_and_file() {
    let line = Line::new();
    let file = line.file().display().to_string();
    let [shown, other, rsa] =
        [line.sshd.host_key(), line.scene.key("other"), line.scene.key("rsa")]
            .map(|k| print_of(&k));

    line.know("<HOST> <OTHER>\n");
    assert!(!line.openssh_takes());
    let sentence = line.blocked(None);
    says(&sentence, &["shows the host key ssh-ed25519", &shown, &other, &file]);

    line.know("<HOST> <RSA>\n");
    says(&line.blocked(None), &["of another kind", &shown, "ssh-rsa", &rsa, &file]);

    line.know("<HOST> <KEY>\n<HOST> <EC>\n@revoked * <KEY>\n");
    says(&line.blocked(None), &["line 3", "revokes", &shown, &file]);

    fs::remove_file(line.file()).unwrap();
    assert!(!line.openssh_takes());
    let pin = format!("twocan hosts pin [127.0.0.1]:{}", line.sshd.relay().port);
    says(&line.blocked(None), &["no key for", &shown, &file, &pin]);

    line.know("<HOST> <KEY>\n<HOST> ssh-ed25519 AAAAC3\n");
    says(&line.blocked(None), &["makes no sense", "line 2", &shown, &file]);

    fs::remove_file(line.file()).unwrap();
    fs::create_dir(line.file()).unwrap();
    assert!(!line.openssh_takes());
    says(&line.blocked(None), &["cannot be checked", "no key", &shown, &file]);
}

#[test]
fn the_configured_key_alone_counts_and_the_file_can_only_revoke_it() {
    let line = Line::new();
    let real = line.sshd.host_key();
    let connects = |known: &str| {
        line.know(known);
        let connected = |status: &RelayStatus| *status == RelayStatus::Connected;
        line.kiosk(Some(real.clone())).wait_relay(connected);
    };
    connects("");
    connects("<HOST> <OTHER>\n");
    line.know("<HOST> <KEY>\n");
    let other = line.scene.key("other");
    let sentence = line.blocked(Some(other.clone()));
    says(&sentence, &["[relay] in twocan.toml", &print_of(&real), &print_of(&other)]);
    line.know("@revoked 127.0.0.1 <KEY>\n");
    says(&line.blocked(Some(real.clone())), &["line 1", "revokes", &print_of(&real)]);
}

#[test]
fn a_blocked_kiosk_comes_back_when_a_person_has_pinned_the_key() {
    let line = Line::new();
    let kiosk = line.kiosk(None);
    kiosk.wait_relay(|status| matches!(status, RelayStatus::Blocked { .. }));
    let relay = line.sshd.relay();
    let hosts = KnownHosts::of(line.scene.folder.path());
    assert!(hosts.pin(&relay.host, relay.port, &line.sshd.host_key()).unwrap());
    kiosk.tunnel.send(Ask::Retry);
    kiosk.wait_relay(|status| *status == RelayStatus::Connected);
}

#[test]
fn the_command_pins_lists_and_forgets() {
    let scene = Scene::new();
    let twocan = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.arg("--state").arg(scene.path("state")).arg("--runtime").arg(scene.path("run"));
        let output = command.arg("hosts").args(args).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (key, other) = (scene.line("ed"), scene.line("other"));
    let (code, said, _) = twocan(&["pin", "relay.example:2222", &key]);
    assert_eq!((code, said.contains(&print_of(&scene.key("ed")))), (Some(0), true), "{said}");
    // As it stands in the .pub, without quotes.
    let words: Vec<&str> = other.split(' ').chain(["anna@home"]).collect();
    let (code, ..) = twocan(&[&["pin", "2001:db8::7"], &words[..]].concat());
    assert_eq!(code, Some(0));
    let (_, listed, _) = twocan(&[]);
    says(&listed, &["[relay.example]:2222", "2001:db8::7", &print_of(&scene.key("other"))]);
    let (code, _, error) = twocan(&["pin", "relay.example:2222", &other]);
    assert_eq!(code, Some(1));
    says(&error, &["another key", &print_of(&scene.key("ed")), "twocan hosts forget"]);
    let (code, _, error) = twocan(&["pin", "relay.example", &scene.line("rsa")]);
    assert_eq!(code, Some(1));
    says(&error, &["ssh-ed25519 or ecdsa"]);
    assert_eq!(twocan(&["forget", "[relay.example]:2222"]).0, Some(0));
    assert_eq!(twocan(&["forget", "relay.example:2222"]).0, Some(1));
    assert_eq!(twocan(&["forget", "not a host"]).0, Some(2));
}
