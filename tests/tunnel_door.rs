//! The door: who gets in, what is behind it, and what a bad guest can break (its own session).
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command as Process, Output};
use std::sync::atomic::Ordering;

use common::kiosk::{
    Kiosk, at_door, config, packet, send_until_one_arrives, two_identities, wait_count,
};
use common::rogue::Rogue;
use common::sshd::Sshd;
use ssh_key::LineEnding;
use twocan::frame::PacketKind;
use twocan::identity::{Identity, PeerKey};
use twocan::tunnel::{Command, Event, Path, PeerConfig, TunnelConfig};
use twocan::wire::packet::Header;
use twocan::wire::signal::Signal;

fn loopback() -> Option<SocketAddr> {
    Some(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn nowhere(key: PeerKey) -> PeerConfig {
    PeerConfig { key, direct: Vec::new(), via_relay: false, place: None }
}

/// A kiosk with an open door for `contacts`, and where it is.
fn with_door(identity: &Identity, contacts: &[PeerKey]) -> (Kiosk, SocketAddr) {
    let contacts = contacts.iter().map(|key| nowhere(*key)).collect();
    let kiosk =
        Kiosk::start(TunnelConfig { door: loopback(), contacts, ..config(identity, "Host") });
    let door = kiosk.wait_door();
    (kiosk, door)
}

fn guest(identity: &Identity, host: PeerKey, door: SocketAddr) -> Kiosk {
    let contacts = vec![at_door(host, door)];
    Kiosk::start(TunnelConfig { contacts, ..config(identity, "Guest") })
}

/// Only `host` has a door, and does not know where the guest is.
fn one_way(guest_is: &Identity, host_is: &Identity) {
    let (b, door) = with_door(host_is, &[guest_is.public()]);
    let a = guest(guest_is, b.key, door);
    assert_eq!((a.wait_up(b.key), b.wait_up(a.key)), ("Host".to_owned(), "Guest".to_owned()));
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    send_until_one_arrives(&from.pictures_out, &to.pictures_in, picture);
    send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
    a.say(b.key, Signal::Invite { call: 1 });
    assert_eq!(b.wait_signal(), Signal::Invite { call: 1 });
}

#[test]
fn a_direct_door_needs_no_relay() {
    let (anna, bert) = two_identities();
    one_way(&anna, &bert);
}

#[test]
fn a_direct_door_of_the_smaller_key_is_entered_too() {
    let (anna, bert) = two_identities();
    one_way(&bert, &anna);
}

#[test]
fn a_door_that_opens_later_or_again_is_found_by_the_larger_key() {
    let (anna, bert) = two_identities();
    // A port that is free, to begin with and then again.
    let door = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let a = guest(&bert, anna.public(), door);
    a.wait_down(anna.public());
    for _ in 0..2 {
        let contacts = vec![nowhere(bert.public())];
        let host = TunnelConfig { door: Some(door), contacts, ..config(&anna, "Host") };
        let host = Kiosk::start(host);
        a.wait_up(anna.public());
        host.wait_up(bert.public());
        drop(host);
        a.wait_down(anna.public());
    }
}

#[test]
fn two_doors_that_know_each_other_settle_on_one_session() {
    let (anna, bert) = two_identities();
    let doors = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let kiosk = |own: usize, identity: &Identity, peer: PeerKey| {
        let contacts = vec![at_door(peer, doors[1 - own])];
        let config = config(identity, "Both");
        Kiosk::start(TunnelConfig { door: Some(doors[own]), contacts, ..config })
    };
    let b = kiosk(1, &bert, anna.public());
    let a = kiosk(0, &anna, bert.public());
    a.wait_up(b.key);
    b.wait_up(a.key);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    for _ in 0..50 {
        send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
        send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
    }
    // What crossed at the start has settled: from now on nothing is replaced.
    while a.events.try_recv().is_ok() {}
    while b.events.try_recv().is_ok() {}
    for _ in 0..200 {
        send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    }
    let down = |kiosk: &Kiosk| kiosk.events.try_iter().any(|e| matches!(e, Event::PeerDown { .. }));
    assert!(!down(&a) && !down(&b));
}

#[test]
fn a_contact_that_moved_is_found_at_its_new_address() {
    let (anna, bert) = two_identities();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (b, door) = with_door(&bert, &[anna.public()]);
    let a = guest(&anna, b.key, nobody);
    a.wait_down(b.key);
    a.tunnel.send(Command::SetContacts(vec![at_door(b.key, door)]));
    a.wait_up(b.key);
}

#[test]
fn a_stranger_stays_outside_and_is_told_so() {
    let (anna, bert) = two_identities();
    let (b, door) = with_door(&bert, &[Identity::generate().public()]);
    let a = guest(&anna, b.key, door);
    let sentence = a.wait_blocked(b.key);
    assert!(sentence.contains("refused the login"), "{sentence}");
    wait_count("strangers", &b.tunnel.counters().strangers, 1);
}

#[test]
fn a_door_with_another_key_is_blocked_and_not_entered() {
    let (anna, bert) = two_identities();
    let (c, door) = with_door(&Identity::generate(), &[anna.public()]);
    let a = guest(&anna, bert.public(), door);
    let sentence = a.wait("PeerBlocked", |event| match event {
        Event::PeerBlocked { sentence, .. } => Some(sentence.clone()),
        _ => None,
    });
    for part in [bert.public().fingerprint(), c.key.fingerprint(), door.to_string()] {
        assert!(sentence.contains(&part), "{sentence}");
    }
}

#[test]
fn a_contact_that_is_off_while_a_stranger_sits_at_its_old_address_is_found_when_it_comes_to_the_relay()
 {
    let (anna, bert) = two_identities();
    let (c, door) = with_door(&Identity::generate(), &[anna.public()]);
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let contact = PeerConfig { via_relay: true, ..at_door(bert.public(), door) };
    let (relay, contacts) = (Some(sshd.relay()), vec![contact]);
    let a = Kiosk::start(TunnelConfig { relay, contacts, ..config(&anna, "Guest") });
    // Nobody has to touch anything, and what was found is told.
    let mut sentence = String::new();
    while !sentence.contains("is not there; and ") {
        sentence = a.wait_down(bert.public());
    }
    assert!(sentence.contains(&c.key.fingerprint()), "{sentence}");
    let b = Kiosk::at_relay(&bert, "Bert", sshd.relay(), anna.public());
    let path = a.wait("PeerUp", |event| match event {
        Event::PeerUp { peer, path, .. } if *peer == b.key => Some(path.clone()),
        Event::PeerBlocked { sentence, .. } => panic!("{sentence}"),
        _ => None,
    });
    assert_eq!(path, Path::Relay);
}

#[test]
fn who_is_no_contact_any_more_is_put_out() {
    let (anna, bert) = two_identities();
    let (b, door) = with_door(&bert, &[anna.public()]);
    let a = guest(&anna, b.key, door);
    a.wait_up(b.key);
    b.wait_up(a.key);
    b.tunnel.send(Command::SetContacts(Vec::new()));
    assert!(a.wait_blocked(b.key).contains("pair with it again"));
    wait_count("strangers", &b.tunnel.counters().strangers, 1);
    b.tunnel.send(Command::SetContacts(vec![nowhere(a.key)]));
    a.tunnel.send(Command::Retry);
    a.wait_up(b.key);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let identity = Identity::generate();
    let a = Kiosk::start(TunnelConfig { door: Some(address), ..config(&identity, "Late") });
    let sentence = a.wait("DoorFailed", |event| match event {
        Event::DoorFailed { sentence } => Some(sentence.clone()),
        _ => None,
    });
    assert!(sentence.contains(&address.to_string()), "{sentence}");
}

/// OpenSSH's own client at the door, with the key in `folder`.
fn ssh(folder: &tempfile::TempDir, door: SocketAddr, arguments: &[&str]) -> Output {
    Process::new("ssh")
        .args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes"])
        .args(["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20", "-l", "twocan"])
        .args(["-p", &door.port().to_string(), "-i"])
        .arg(folder.path().join("key"))
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssh-client is installed")
}

#[test]
fn openssh_gets_no_shell_no_command_and_no_forward_even_with_a_contacts_key() {
    let (anna, bert) = two_identities();
    let (b, door) = with_door(&bert, &[anna.public()]);
    let folder = tempfile::tempdir().unwrap();
    let key = anna.private_key().to_openssh(LineEnding::LF).unwrap();
    let mut file = std::fs::File::options();
    let mut file =
        file.write(true).create(true).mode(0o600).open(folder.path().join("key")).unwrap();
    std::io::Write::write_all(&mut file, key.as_bytes()).unwrap();
    let host = door.ip().to_string();
    let attempts: [&[&str]; 7] = [
        &[&host, "id"],
        &["-T", &host],
        &["-tt", &host],
        &["-A", "-X", &host, "id"],
        &["-W", "127.0.0.1:22", &host],
        &["-N", "-R", "127.0.0.1:0:127.0.0.1:22", &host],
        &["-N", "-R", "/tmp/twocan-no.sock:127.0.0.1:22", &host],
    ];
    let refused = &b.tunnel.counters().refused_requests;
    for attempt in attempts {
        let before = refused.load(Ordering::Relaxed);
        let output = ssh(&folder, door, attempt);
        assert!(!output.status.success(), "{attempt:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{attempt:?}: {output:?}");
        assert!(refused.load(Ordering::Relaxed) > before, "{attempt:?}: {output:?}");
    }
    for attempt in [["-s", &host, "sftp"], ["-W", "/run/systemd/private", &host]] {
        let output = ssh(&folder, door, &attempt);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    // Without the key not even that far.
    let output = ssh(&folder, door, &["-o", "PubkeyAuthentication=no", &host, "id"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Permission denied (publickey)"), "{said}");
}

#[test]
fn four_who_do_not_log_in_keep_a_fifth_out_and_are_put_out_themselves() {
    let (anna, bert) = two_identities();
    let (b, door) = with_door(&bert, &[anna.public()]);
    let mut idlers: Vec<_> = (0..4).map(|_| TcpStream::connect(door).unwrap()).collect();
    for idler in &mut idlers {
        // The banner shows that the connection is being served.
        idler.read_exact(&mut [0; 4]).unwrap();
    }
    let mut fifth = TcpStream::connect(door).unwrap();
    assert!(matches!(fifth.read(&mut [0; 4]), Ok(0) | Err(_)), "no banner for a fifth");
    wait_count("turned away", &b.tunnel.counters().turned_away, 5);
    let a = guest(&anna, b.key, door);
    a.wait_up(b.key);
}

#[test]
fn each_stream_can_be_opened_once_and_no_other() {
    let (anna, bert) = two_identities();
    let (_b, door) = with_door(&bert, &[anna.public()]);
    block_on(async {
        let rogue = Rogue::enter(door, &anna).await;
        let _control = rogue.greet().await;
        assert!(rogue.open("twocan-control").await.is_none());
        assert!(rogue.open("sftp").await.is_none());
        assert!(rogue.open("twocan-audio").await.is_some());
    });
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn header(kind: PacketKind, length: u32) -> Vec<u8> {
    let mut bytes = Header::of(&packet(kind, 0, b"x")).encode();
    bytes[16..20].copy_from_slice(&length.to_be_bytes());
    bytes.to_vec()
}

#[test]
fn whatever_a_bad_guest_sends_ends_its_own_session_only() {
    let (anna, bert) = two_identities();
    let bad = Identity::generate();
    let (b, door) = with_door(&bert, &[anna.public(), bad.public()]);
    let a = guest(&anna, b.key, door);
    a.wait_up(b.key);
    b.wait_up(a.key);
    let garbage = b"GET / HTTP/1.0\r\n\r\nHost: 0123456789".to_vec();
    let invite = Signal::Invite { call: 1 }.encode();
    let attacks: Vec<(&str, Vec<u8>, bool)> = vec![
        ("twocan-control", garbage.clone(), false),
        ("twocan-control", 4097u32.to_be_bytes().to_vec(), false),
        ("twocan-control", b"\0\0\0\x02{]".to_vec(), false),
        ("twocan-control", invite[..7].to_vec(), true),
        ("twocan-control", invite.repeat(200), false),
        ("twocan-audio", garbage.clone(), false),
        ("twocan-audio", header(PacketKind::Voice, 1276), false),
        ("twocan-audio", header(PacketKind::Voice, u32::MAX), false),
        ("twocan-audio", header(PacketKind::Voice, 100), true),
        ("twocan-audio", header(PacketKind::Picture, 100), true),
        ("twocan-video", garbage, false),
        ("twocan-video", header(PacketKind::Picture, 512 * 1024 + 1), false),
        ("twocan-video", header(PacketKind::Picture, 100), true),
        ("twocan-video", header(PacketKind::Picture, 100)[..5].to_vec(), true),
    ];
    let counters = b.tunnel.counters().clone();
    block_on(async {
        for (number, (stream, bytes, then_eof)) in (1..).zip(attacks) {
            let rogue = Rogue::enter(door, &bad).await;
            let control = rogue.greet().await;
            let channel = match stream {
                "twocan-control" => control,
                stream => rogue.open(stream).await.unwrap(),
            };
            channel.data_bytes(bytes).await.unwrap();
            if then_eof {
                channel.eof().await.unwrap();
            }
            // The session must be ended by the other end.
            let mut channel = channel;
            while channel.wait().await.is_some() {}
            let counters = std::sync::Arc::clone(&counters);
            let waited = tokio::task::spawn_blocking(move || {
                wait_count("bad sessions", &counters.bad_sessions, number);
            });
            waited.await.unwrap();
        }
    });
    // The good guest has noticed nothing.
    a.say(b.key, Signal::Invite { call: 9 });
    let heard = b.wait("the good guest's signal", |event| match event {
        Event::Signal { peer, signal } if *peer == a.key => Some(signal.clone()),
        Event::PeerDown { peer, .. } if *peer == a.key => panic!("the good guest was put out"),
        _ => None,
    });
    assert_eq!(heard, Signal::Invite { call: 9 });
}

#[test]
fn data_on_a_channel_without_a_subsystem_ends_the_session_that_sent_it() {
    let (anna, bert) = two_identities();
    let bad = Identity::generate();
    let (b, door) = with_door(&bert, &[anna.public(), bad.public()]);
    let a = guest(&anna, b.key, door);
    a.wait_up(b.key);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    for number in 1..=6 {
        // Over the five sessions that a contact may have: each must leave its place.
        block_on(async {
            let rogue = Rogue::enter(door, &bad).await;
            rogue.flood_a_bare_channel().await;
        });
        wait_count("bad sessions", &b.tunnel.counters().bad_sessions, number);
        send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    }
    assert!(!a.events.try_iter().any(|event| matches!(event, Event::PeerDown { .. })));
}

#[test]
fn a_channel_that_never_says_what_it_is_ends_its_session() {
    let (anna, bert) = two_identities();
    let (b, door) = with_door(&bert, &[anna.public()]);
    block_on(async {
        let rogue = Rogue::enter(door, &anna).await;
        let _control = rogue.greet().await;
        Rogue::until_put_out(rogue.channel().await).await;
    });
    wait_count("bad sessions", &b.tunnel.counters().bad_sessions, 1);
}

#[test]
fn each_request_for_more_than_a_stream_is_refused_and_counted() {
    let (anna, bert) = two_identities();
    let (b, door) = with_door(&bert, &[anna.public()]);
    let refused = &b.tunnel.counters().refused_requests;
    let kinds = ["terminal", "shell", "command", "environment", "agent", "X11"];
    block_on(async {
        for (number, kind) in (1..).zip(kinds) {
            let rogue = Rogue::enter(door, &anna).await;
            let channel = rogue.channel().await;
            match kind {
                "terminal" => channel.request_pty(true, "vt100", 80, 24, 0, 0, &[]).await.unwrap(),
                "shell" => channel.request_shell(true).await.unwrap(),
                "command" => channel.exec(true, "id").await.unwrap(),
                "environment" => channel.set_env(true, "LANG", "C").await.unwrap(),
                "agent" => channel.agent_forward(true).await.unwrap(),
                _ => channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap(),
            }
            assert!(Rogue::is_refused(channel).await, "{kind}");
            assert_eq!(refused.load(Ordering::Relaxed), number, "{kind}");
        }
        let before = kinds.len() as u64;
        let rogue = Rogue::enter(door, &anna).await;
        let session = rogue.session();
        let tcp = session.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await;
        assert!(tcp.is_err());
        assert_eq!(refused.load(Ordering::Relaxed), before + 1);
        assert!(session.channel_open_direct_streamlocal("/run/systemd/private").await.is_err());
        assert_eq!(refused.load(Ordering::Relaxed), before + 2);
        assert!(session.tcpip_forward("127.0.0.1", 0).await.is_err());
        assert_eq!(refused.load(Ordering::Relaxed), before + 3);
        assert!(session.streamlocal_forward("/tmp/twocan-no.sock").await.is_err());
        assert_eq!(refused.load(Ordering::Relaxed), before + 4);
    });
}

#[test]
fn a_signal_before_hello_ends_the_session() {
    let (anna, bert) = two_identities();
    let (b, door) = with_door(&bert, &[anna.public()]);
    block_on(async {
        let rogue = Rogue::enter(door, &anna).await;
        let mut control = rogue.open("twocan-control").await.unwrap();
        control.data_bytes(Signal::Invite { call: 1 }.encode()).await.unwrap();
        while control.wait().await.is_some() {}
    });
    wait_count("bad sessions", &b.tunnel.counters().bad_sessions, 1);
}
