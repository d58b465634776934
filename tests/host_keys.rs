//! Which host keys of a relay are taken: every row is asked of our policy and of OpenSSH's client with
//! `StrictHostKeyChecking=yes`, which talks to a real sshd; then the outcomes through our own tunnel.
//!
//! ```text
//!  row: file, name, port ──> known_hosts::check ─────────────────────────────> outcome ─┐ the same, or
//!                  └───────> ssh -p port name ── ProxyCommand sshd -i (one key) ──> exit ┘ the row says why
//! ```
//! The proxy command lets a name and a port be whatever the row wants; the last tests go over TCP.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::kiosk::{Kiosk, two_identities};
use common::sshd::Sshd;
use ssh_key::{HashAlg, PublicKey};
use tempfile::TempDir;
use twocan::known_hosts::{FILE_LIMIT, HostPins, KnownHosts, Outcome, Refusal, check};
use twocan::tunnel::{Command as Ask, RelayConfig, RelayStatus};

use Outcome::{Changed, Match, Revoked, Unknown, Unreadable};

const HOST: &str = "relay.example";

/// Two keys of a server, keys that it has not, and a login.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        for (name, kind) in [
            ("ed", "ed25519"),
            ("ec", "ecdsa"),
            ("other", "ed25519"),
            ("otherec", "ecdsa"),
            ("rsa", "rsa"),
            ("login", "ed25519"),
        ] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", "", "-C", name, "-f"])
                .arg(scene.path(name))
                .status();
            assert!(made.unwrap().success());
        }
        let config = format!(
            "HostKey {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            scene.path("ed").display(),
            scene.path("ec").display(),
            scene.path("login.pub").display(),
        );
        fs::write(scene.path("sshd_config"), config).unwrap();
        if nix::unistd::Uid::effective().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ssh-ed25519 AAAA…`, without the comment.
    fn line(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    fn key(&self, name: &str) -> PublicKey {
        PublicKey::from_openssh(&self.line(name)).unwrap()
    }

    /// `ED`, `EC`, `OTHER` and so on stand for keys.
    fn fill(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for name in ["OTHEREC", "OTHER", "RSA", "ED", "EC"] {
            text = text.replace(&format!("<{name}>"), &self.line(&name.to_lowercase()));
        }
        text
    }

    /// The names of `file` hashed by ssh-keygen, with salts of its choice.
    fn hashed(&self, text: &str) -> String {
        let file = self.path("to_hash");
        fs::write(&file, text).unwrap();
        let done = Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("|1|"), "{text}");
        text
    }

    /// What the server shows is decided by the kind that the client asks for.
    fn openssh_takes(&self, file: &Path, host: &str, port: u16, shows: &str) -> bool {
        let proxy =
            format!("/usr/sbin/sshd -i -f {} 2>/dev/null", self.path("sshd_config").display());
        let mut ssh = ssh(file, &self.path("login"));
        ssh.args(["-o", &format!("HostKeyAlgorithms={}", self.key(shows).algorithm())])
            .args(["-o", &format!("ProxyCommand={proxy}")])
            .args(["-p", &port.to_string(), "--", host, "true"]);
        verdict(&ssh.output().unwrap())
    }
}

fn ssh(file: &Path, login: &Path) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"])
        .args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no"])
        .args(["-o", "IdentitiesOnly=yes", "-o", "LogLevel=INFO"])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", file.display()))
        .arg("-i")
        .arg(login);
    ssh
}

/// Whether the host key was taken; anything else that can go wrong is none of the two.
#[track_caller]
fn verdict(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let refused = said.contains("Host key verification failed");
    assert!(output.status.success() != refused, "neither taken nor refused: {output:?}");
    !refused
}

/// A case: what it is about, the file, what the server shows, and what we make of it.
struct Row {
    about: &'static str,
    file: &'static str,
    host: &'static str,
    port: u16,
    shows: &'static str,
    ours: Outcome,
    /// Why we refuse what OpenSSH takes.
    stricter: Option<&'static str>,
}

fn row(about: &'static str, file: &'static str, ours: Outcome) -> Row {
    Row { about, file, host: HOST, port: 22, shows: "ed", ours, stricter: None }
}

impl Row {
    fn at(self, host: &'static str, port: u16) -> Self {
        Self { host, port, ..self }
    }

    fn shows(self, shows: &'static str) -> Self {
        Self { shows, ..self }
    }

    fn stricter(self, why: &'static str) -> Self {
        Self { stricter: Some(why), ..self }
    }
}

const DAMAGED: &str = "a damaged line that is about the host may have been a revocation";
const NOBODY: &str = "a line of which can't be told whom it is about may be about this host";
const REVOKED: &str = "a key revoked for a host is revoked at all its ports";

fn rows() -> Vec<Row> {
    vec![
        row("the key", "relay.example <ED>\n", Match),
        row("an empty file", "", Unknown),
        row("another host's key", "else.example <ED>\n", Unknown),
        row("two keys of the kind", "relay.example <OTHER>\nrelay.example <ED>\n", Match),
        row("two names", "else.example,relay.example <ED>\n", Match),
        row("another key", "relay.example <OTHER>\n", Changed),
        row("another kind only", "relay.example <EC>\n", Changed),
        row("another kind only, of RSA", "relay.example <RSA>\n", Changed),
        row("both kinds", "relay.example <EC>\nrelay.example <ED>\n", Match),
        row("both kinds, the other shown", "relay.example <EC>\nrelay.example <ED>\n", Match)
            .shows("ec"),
        row("both kinds, ours is another", "relay.example <EC>\nrelay.example <OTHER>\n", Changed),
        row("an ECDSA key", "relay.example <EC>\n", Match).shows("ec"),
        row("another ECDSA key", "relay.example <OTHEREC>\n", Changed).shows("ec"),
        row("revoked alone", "@revoked relay.example <ED>\n", Revoked),
        row("revoked and pinned", "relay.example <ED>\n@revoked relay.example <ED>\n", Revoked),
        row("revoked for all", "relay.example <ED>\n@revoked * <ED>\n", Revoked),
        row("revoked elsewhere", "relay.example <ED>\n@revoked else.example <ED>\n", Match),
        row("another kind revoked", "relay.example <ED>\n@revoked * <EC>\n", Match),
        row("revoked, another pinned", "relay.example <EC>\n@revoked * <ED>\n", Revoked),
        row("a tab behind the marker", "relay.example <ED>\n@revoked\t* <ED>\n", Revoked)
            .stricter("OpenSSH takes it for a marker that it does not know, and passes on"),
        row("an authority is no key", "@cert-authority relay.example <ED>\n", Unknown),
        row("an authority beside", "@cert-authority * <OTHER>\nrelay.example <ED>\n", Match),
        row("an authority and another", "@cert-authority * <ED>\nrelay.example <OTHER>\n", Changed),
        row("a port", "[relay.example]:2222 <ED>\n", Match).at(HOST, 2222),
        row("another port", "[relay.example]:2223 <ED>\n", Unknown).at(HOST, 2222),
        row("a port's other key", "[relay.example]:2222 <OTHER>\n", Changed).at(HOST, 2222),
        row("no port in the file", "relay.example <ED>\n", Match).at(HOST, 2222),
        row("no port, another key", "relay.example <OTHER>\n", Unknown).at(HOST, 2222),
        row(
            "a port's other key beside",
            "relay.example <ED>\n[relay.example]:2222 <OTHER>\n",
            Changed,
        )
        .at(HOST, 2222),
        row("a port's key at 22", "[relay.example]:2222 <ED>\n", Unknown),
        row("22 in brackets", "[relay.example]:22 <ED>\n", Unknown),
        row(
            "revoked without the port",
            "[relay.example]:2222 <ED>\n@revoked relay.example <ED>\n",
            Revoked,
        )
        .at(HOST, 2222)
        .stricter(REVOKED),
        row("a pattern", "*.example <ED>\n", Match),
        row("a question mark", "rela?.example <ED>\n", Match),
        row("a pattern that is not", "*.example.org,relay? <ED>\n", Unknown),
        row("a pattern with a port", "[*.example]:2222 <ED>\n", Match).at(HOST, 2222),
        row("all but this", "*,!relay.example <ED>\n", Unknown),
        row("this never, then all", "!relay.example,* <ED>\n", Unknown),
        row("all but another", "*,!else.example <ED>\n", Match),
        row("all but this, at a port", "*,!relay.example <ED>\n", Match).at(HOST, 2222),
        row("capitals in the file", "Relay.EXAMPLE <ED>\n", Match),
        row("capitals in the name", "relay.example <ED>\n", Match).at("RELAY.Example", 22),
        row("an IPv6 address", "2001:db8::7 <ED>\n", Match).at("2001:db8::7", 22),
        row("an IPv6 address, a port", "[2001:db8::7]:2222 <ED>\n", Match).at("2001:db8::7", 2222),
        row("an IPv6 address, longer", "2001:db8:0::7 <ED>\n", Unknown).at("2001:db8::7", 22),
        row("an IPv6 address, capitals", "2001:DB8::7 <ED>\n", Match).at("2001:db8::7", 22),
        row("an IPv4 address", "[127.0.0.1]:2222 <ED>\n", Match).at("127.0.0.1", 2222),
        row("comments", "# relay.example <OTHER>\n\n  \t\nrelay.example <ED> a b # c\n", Match),
        row("a line of Windows", "relay.example <ED>\r\n", Match),
        row("lines of Windows", "\r\n# x\r\nrelay.example <OTHER>\r\n", Changed),
        row("no last line feed", "relay.example <ED>", Match),
        row("tabs and blanks", " \trelay.example \t <ED>\t x\n", Match),
        row("cut off before the key", "relay.example\n", Unreadable),
        row("cut off in the key", "relay.example ssh-ed25519 AAAAC3NzaC1lZDI1\n", Unreadable),
        row("cut off beside", "relay.example ssh-ed25519 AAAAC3\nrelay.example <ED>\n", Unreadable)
            .stricter(DAMAGED),
        row("cut off elsewhere", "else.example ssh-ed25519 AAAA\nrelay.example <ED>\n", Match),
        row("a revocation cut off", "relay.example <ED>\n@revoked * ssh-ed25519 AA\n", Unreadable)
            .stricter(DAMAGED),
        row("a kind that lies", "relay.example <ED>\nrelay.example ssh-rsa AAAA\n", Unreadable)
            .stricter(DAMAGED),
        row("a marker unheard of", "relay.example <ED>\n@revokd * <ED>\n", Unreadable)
            .stricter(DAMAGED),
        row("a marker for others", "relay.example <ED>\n@revokd else.example <ED>\n", Match),
        row("a hash cut off", "|1|JfKTdBh7rNbX|USECr3SW= <ED>\nrelay.example <ED>\n", Unreadable)
            .stricter(NOBODY),
        row("a zero byte", "relay.example <ED>\nelse\0relay.example <OTHER>\n", Unreadable)
            .stricter(NOBODY),
    ]
}

/// Both must agree, or the row says why not; then only ours may refuse.
fn agree(scene: &Scene, row: &Row, text: &[u8], wrong: &mut Vec<String>) {
    let file = scene.path("known_hosts");
    fs::write(&file, text).unwrap();
    let ours = check(text, row.host, row.port, &scene.key(row.shows));
    let takes = scene.openssh_takes(&file, row.host, row.port, row.shows);
    let as_expected = ours == row.ours
        && match row.stricter {
            None => takes == (ours == Match),
            Some(_) => takes && ours != Match,
        };
    if !as_expected {
        let theirs = if takes { "takes" } else { "refuses" };
        wrong.push(format!("{}: ours {ours:?}, OpenSSH {theirs} it", row.about));
    }
}

#[test]
fn openssh_and_we_take_and_refuse_the_same_keys_or_the_row_says_why() {
    let scene = Scene::new();
    let mut wrong = Vec::new();
    for row in rows() {
        agree(&scene, &row, scene.fill(row.file).as_bytes(), &mut wrong);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn hashed_names_mean_the_same_to_openssh_and_to_us() {
    let scene = Scene::new();
    let mut wrong = Vec::new();
    for row in [
        row("a hashed name", "relay.example <ED>\n", Match),
        row("a hashed name, another key", "relay.example <OTHER>\n", Changed),
        row("another hashed name", "else.example <ED>\n", Unknown),
        row("a hashed name and port", "[relay.example]:2222 <ED>\n", Match).at(HOST, 2222),
        row("a hashed name, another port", "relay.example <ED>\n", Match).at(HOST, 2222),
        row("a hashed name in capitals", "relay.example <ED>\n", Match).at("RELAY.example", 22),
        row("hashed, another kind", "relay.example <EC>\nrelay.example <OTHEREC>\n", Changed),
    ] {
        let hashed = scene.hashed(&scene.fill(row.file));
        agree(&scene, &row, hashed.as_bytes(), &mut wrong);
    }
    let revoked = format!("{}@revoked {}", scene.hashed(&scene.fill("relay.example <ED>\n")), {
        scene.hashed(&scene.fill("relay.example <ED>\n"))
    });
    let about = row("a hashed name revoked", "", Revoked);
    agree(&scene, &about, revoked.as_bytes(), &mut wrong);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_both() {
    let scene = Scene::new();
    let (file, key) = (scene.path("known_hosts"), scene.key("ed"));
    let refused = |what: &str| {
        let trusted = HostPins::new(None, scene.folder.path()).look_up(HOST, 22);
        assert_eq!(trusted.judge(&key), Unreadable, "{what}");
        let refusal = trusted.admit(&key).unwrap_err();
        assert!(matches!(refusal, Refusal::Unreadable { .. }), "{refusal}");
        assert!(refusal.to_string().contains(file.to_str().unwrap()), "{refusal}");
        assert!(!scene.openssh_takes(&file, HOST, 22, "ed"), "{what}");
    };
    fs::create_dir(&file).unwrap();
    refused("a folder in its place");
    fs::remove_dir(&file).unwrap();
    if !nix::unistd::Uid::effective().is_root() {
        fs::write(&file, scene.fill("relay.example <ED>\n")).unwrap();
        let nobody = std::os::unix::fs::PermissionsExt::from_mode(0o000);
        fs::set_permissions(&file, nobody).unwrap();
        refused("a file that nobody may read");
        fs::remove_file(&file).unwrap();
    }
    std::os::unix::fs::symlink(&file, &file).unwrap();
    refused("a link to itself");
    fs::remove_file(&file).unwrap();
    // OpenSSH knows no such limit: whoever fills our file up can only stop us.
    fs::write(&file, scene.fill("relay.example <ED>\n") + &"#\n".repeat(FILE_LIMIT)).unwrap();
    let trusted = HostPins::new(None, scene.folder.path()).look_up(HOST, 22);
    assert_eq!(trusted.judge(&key), Unreadable);
}

#[test]
fn what_we_pin_openssh_takes_and_what_we_forget_it_refuses() {
    let scene = Scene::new();
    let hosts = KnownHosts::of(scene.folder.path());
    for (host, port) in [(HOST, 22), ("Else.Example", 2222), ("2001:db8::7", 2222)] {
        assert!(hosts.pin(host, port, &scene.key("ed")).unwrap());
        assert!(scene.openssh_takes(hosts.path(), host, port, "ed"), "{host}");
        assert!(!scene.openssh_takes(hosts.path(), host, port, "ec"), "{host}");
        assert!(hosts.pin(host, port, &scene.key("ec")).is_err(), "{host}");
        hosts.forget(host, port).unwrap();
        assert!(!scene.openssh_takes(hosts.path(), host, port, "ed"), "{host}");
    }
}

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
