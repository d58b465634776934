//! Which host keys of a relay are taken: every row is asked of our policy and of OpenSSH's client with
//! `StrictHostKeyChecking=yes`, which talks to a real sshd.
//!
//! ```text
//!  row: file, name, port ──> known_hosts::check ─────────────────────────────> outcome ─┐ the same, or
//!                  └───────> ssh -p port name ── ProxyCommand sshd -i (one key) ──> exit ┘ the row says why
//! ```
//! The proxy command lets a name and a port be whatever the row wants; the outcomes over TCP, through our
//! own tunnel, are in host_keys_tunnel.rs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;

use common::host_keys::Scene;
use twocan::known_hosts::{FILE_LIMIT, HostPins, KnownHosts, Outcome, Refusal, check};

use Outcome::{Changed, Match, Revoked, Unknown, Unreadable};

const HOST: &str = "relay.example";

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
