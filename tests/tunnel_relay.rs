//! Two tunnels and a real sshd between them.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::kiosk::{
    Kiosk, a_pair, at_relay, close, config, packet, send_until_one_arrives, two_identities,
    wait_count,
};
use common::rogue::Rogue;
use common::sshd::Sshd;
use twocan::frame::{Ack, PacketKind};
use twocan::identity::Identity;
use twocan::known_hosts::HostPins;
use twocan::queue::Received;
use twocan::tunnel::{Command, Event, RelayConfig, RelayStatus, TunnelConfig};
use twocan::wire::signal::Signal;

#[test]
fn two_kiosks_find_each_other_through_a_real_sshd_and_talk() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    a.say(b.key, Signal::Invite { call: 42 });
    assert_eq!(b.wait_signal(), Signal::Invite { call: 42 });
    b.say(a.key, Signal::Accept { call: 42 });
    assert_eq!(a.wait_signal(), Signal::Accept { call: 42 });
}

#[test]
fn packets_of_each_kind_arrive_intact_and_on_our_clock() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (from_a, from_b) = (a.attach(b.key), b.attach(a.key));
    let picture: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    for (from, to) in [(&from_a, &from_b), (&from_b, &from_a)] {
        let voice = |n| packet(PacketKind::Voice, n, b"opus");
        let (sent, came) = send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
        assert_eq!((&sent.payload, sent.kind), (&came.payload, came.kind));
        assert!(close(sent.captured, came.captured), "{sent:?} {came:?}");

        let (sent, came) = send_until_one_arrives(&from.pictures_out, &to.pictures_in, |n| {
            packet(PacketKind::Picture, n, &picture)
        });
        assert!(sent.payload == came.payload && came.kind == PacketKind::Picture);
        assert!(close(sent.captured, came.captured));

        let same = |n| packet(PacketKind::Same, n, b"");
        let (_, came) = send_until_one_arrives(&from.pictures_out, &to.pictures_in, same);
        assert_eq!(came.kind, PacketKind::Same);

        let arrived = || twocan::clock::now();
        let ack = |n| Ack { sequence: n, arrived: arrived(), shown: true, came: arrived() };
        let (sent, came) = send_until_one_arrives(&from.acks_out, &to.acks_in, ack);
        assert!(came.shown);
        assert!(close(sent.arrived, came.arrived));
    }
}

#[test]
fn a_contact_that_floods_a_bare_channel_through_the_relay_silences_nobody_else() {
    let (anna, bert) = two_identities();
    let bad = Identity::generate();
    let sshd = Sshd::start(&[anna.public(), bert.public(), bad.public()]);
    let a = Kiosk::at_relay(&anna, "Anna", sshd.relay(), bert.public());
    let b = Kiosk::start(TunnelConfig {
        relay: Some(sshd.relay()),
        contacts: vec![at_relay(anna.public()), at_relay(bad.public())],
        ..config(&bert, "Bert")
    });
    a.wait_up(b.key);
    b.wait_up(a.key);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    for number in 1..=3 {
        for lane in ["voice", "video"] {
            let socket = sshd.sockets().join(format!("{}-{lane}.sock", b.key.id16()));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let socket = socket.to_str().unwrap();
                let rogue = Rogue::enter_through(&sshd.relay(), socket, &bad).await;
                rogue.flood_a_bare_channel().await;
            });
        }
        wait_count("bad sessions", &b.tunnel.counters().bad_sessions, 2 * number);
        send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
        send_until_one_arrives(&from.pictures_out, &to.pictures_in, picture);
    }
    assert!(!a.events.try_iter().any(|event| matches!(event, Event::PeerDown { .. })));
}

#[test]
fn of_a_picture_that_is_half_on_the_line_when_its_sender_hides_only_zeros_follow() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let small = |n| packet(PacketKind::Picture, n, b"jpeg");
    send_until_one_arrives(&from.pictures_out, &to.pictures_in, small);

    // So slowly that it would take eight seconds.
    let space = |rate| from.pictures_spacing.store(rate, std::sync::atomic::Ordering::Relaxed);
    space(2000);
    let came = |wanted: u32| {
        let (_stopper, stop) = twocan::stop::stop_pair();
        loop {
            match to.pictures_in.receive(&stop, Some(common::kiosk::LIMIT)) {
                Received::Item(packet) if packet.sequence == wanted => return packet,
                Received::Item(_) => {}
                Received::Timeout | Received::Stopped => panic!("no picture {wanted}"),
            }
        }
    };
    let half = packet(PacketKind::Picture, 1_000_001, &[0xAA; 16_000]);
    assert!(from.pictures_out.send(half).is_ok());
    // It was taken from the queue, so it is being written.
    while !from.pictures_out.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // A moment for the writer, which has it in its hands; there are eight seconds of it.
    std::thread::sleep(std::time::Duration::from_millis(200));
    from.blank();
    space(0);
    let arrived = came(1_000_001).payload;
    assert_eq!(arrived.len(), 16_000, "whole, so that what follows is understood");
    let left = arrived.iter().take_while(|byte| **byte == 0xAA).count();
    assert!(left > 0 && left < 16_000, "{left} bytes had left");
    assert!(arrived[left..].iter().all(|byte| *byte == 0));
    // The next one is as it was taken.
    assert!(from.pictures_out.send(packet(PacketKind::Picture, 1_000_002, &[0xBB; 900])).is_ok());
    assert!(came(1_000_002).payload.iter().all(|byte| *byte == 0xBB));
}

#[test]
fn the_link_stays_when_media_end() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    a.tunnel.send(Command::Detach { peer: b.key });
    b.tunnel.send(Command::Detach { peer: a.key });
    a.say(b.key, Signal::Ringing { call: 1 });
    assert_eq!(b.wait_signal(), Signal::Ringing { call: 1 });
    assert!(!a.events.try_iter().any(|e| matches!(e, Event::PeerDown { .. })));
}

#[test]
fn a_plain_login_needs_no_folder_in_the_config() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let relay = || RelayConfig { folder: None, ..sshd.relay() };
    let (_a, _b) = a_pair(relay(), &anna, &bert);
    for key in [anna.public(), bert.public()] {
        for lane in ["voice", "video"] {
            let socket = sshd.home().join(".twocan").join(format!("{}-{lane}.sock", key.id16()));
            assert!(socket.exists(), "{}", socket.display());
        }
    }
}

#[test]
fn sockets_that_a_dead_session_left_behind_are_in_nobodys_way() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    for key in [anna.public(), bert.public()] {
        for lane in ["voice", "video"] {
            let socket = sshd.sockets().join(format!("{}-{lane}.sock", key.id16()));
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            assert!(socket.exists(), "it stays, and nobody listens");
        }
    }
    a_pair(sshd.relay(), &anna, &bert);
}

/// The first system's case: one side can be reached, and its own sshd is the relay. Anna finds it on
/// her machine, Bert by the name that she has for him.
#[test]
fn the_sshd_of_one_of_the_two_is_relay_enough() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let at = |host: &str| RelayConfig { host: host.to_owned(), folder: None, ..sshd.relay() };
    for (at_home, away) in [(&anna, &bert), (&bert, &anna)] {
        let a = Kiosk::at_relay(at_home, "Home", at("127.0.0.1"), away.public());
        let b = Kiosk::at_relay(away, "Away", at("localhost"), at_home.public());
        assert_eq!(a.wait_up(b.key), "Away");
        assert_eq!(b.wait_up(a.key), "Home");
        let (from, to) = (a.attach(b.key), b.attach(a.key));
        let voice = |n| packet(PacketKind::Voice, n, b"opus");
        send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
        send_until_one_arrives(&to.voice_out, &from.voice_in, voice);
    }
}

/// Two kiosks that are told no folder find each other at such a relay, and pictures flow.
fn meet_without_folder(more: &str) {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start_with(&[anna.public(), bert.public()], more);
    let relay = || RelayConfig { folder: None, ..sshd.relay() };
    let (a, b) = a_pair(relay(), &anna, &bert);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
}

#[test]
fn a_relay_that_forwards_no_sockets_is_used_by_ports() {
    meet_without_folder("AllowStreamLocalForwarding no");
}

#[test]
fn a_relay_that_runs_no_command_is_used_by_ports() {
    meet_without_folder("ForceCommand /bin/false");
}

#[test]
fn a_relay_that_forwards_nothing_is_named_with_what_it_refused() {
    let (anna, bert) = two_identities();
    let more = "ForceCommand /bin/false\nAllowTcpForwarding no";
    let sshd = Sshd::start_with(&[anna.public()], more);
    let relay = RelayConfig { folder: None, ..sshd.relay() };
    let a = Kiosk::at_relay(&anna, "Anna", relay, bert.public());
    let status = a.wait_relay(|status| matches!(status, RelayStatus::Backoff { .. }));
    let RelayStatus::Backoff { sentence, .. } = status else { unreachable!() };
    for part in ["relay 127.0.0.1", "refused to listen on 127.0.0.1:", "`folder` in [relay]"] {
        assert!(sentence.contains(part), "{sentence}");
    }
}

/// Stop the sshd sessions that listen on a video socket; how many there were.
fn freeze_video_sessions(sshd: &Sshd) -> usize {
    let folder = sshd.sockets().display().to_string();
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let inodes: Vec<String> = sockets
        .lines()
        .filter(|line| line.contains(&folder) && line.ends_with("-video.sock"))
        .filter_map(|line| Some(format!("socket:[{}]", line.split_whitespace().nth(6)?)))
        .collect();
    let holds = |pid: i32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        entry.ok()?.file_name().to_str()?.parse::<i32>().ok().filter(|pid| holds(*pid))
    });
    let pids: Vec<i32> = pids.collect();
    for pid in &pids {
        let pid = nix::unistd::Pid::from_raw(*pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    }
    pids.len()
}

#[test]
fn a_half_open_video_lane_is_noticed_by_itself_and_the_voice_goes_on() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    send_until_one_arrives(&from.pictures_out, &to.pictures_in, picture);
    send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
    // Nothing is sent: each side must show life by itself.
    for ports in [&from, &to] {
        let (_stopper, stop) = twocan::stop::stop_pair();
        // Pictures may be on their way still.
        loop {
            let came = ports.pictures_in.receive(&stop, Some(common::kiosk::LIMIT));
            let twocan::queue::Received::Item(came) = came else { panic!("no sign of life") };
            if came.kind == PacketKind::Same {
                break;
            }
        }
    }
    assert!(freeze_video_sessions(&sshd) >= 2, "the video session of each");
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    send_until_one_arrives(&from.pictures_out, &to.pictures_in, picture);
    send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
    send_until_one_arrives(&to.voice_out, &from.voice_in, voice);
    for kiosk in [&a, &b] {
        let down = kiosk.events.try_iter().any(|e| matches!(e, Event::PeerDown { .. }));
        assert!(!down, "the voice lane was not touched");
    }
}

#[test]
fn another_host_key_blocks_with_a_sentence_that_names_host_and_keys() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public()]);
    let impostor = Identity::generate().public();
    let relay = RelayConfig { pins: HostPins::only(impostor.public_key()), ..sshd.relay() };
    let a = Kiosk::at_relay(&anna, "Anna", relay, bert.public());
    let status = a.wait_relay(|status| matches!(status, RelayStatus::Blocked { .. }));
    let RelayStatus::Blocked { sentence } = status else { unreachable!() };
    let real = sshd.host_key().fingerprint(ssh_key::HashAlg::Sha256).to_string();
    for part in ["127.0.0.1", &impostor.fingerprint(), &real] {
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[test]
fn a_refused_login_backs_off_with_a_sentence_and_a_human_can_retry() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[]);
    let a = Kiosk::at_relay(&anna, "Anna", sshd.relay(), bert.public());
    let status = a.wait_relay(|status| matches!(status, RelayStatus::Backoff { .. }));
    let RelayStatus::Backoff { sentence, .. } = status else { unreachable!() };
    assert!(sentence.contains("refused the login"), "{sentence}");
    sshd.authorize(&[anna.public()]);
    a.tunnel.send(Command::Retry);
    a.wait_relay(|status| *status == RelayStatus::Connected);
}

#[test]
fn a_relay_that_is_down_is_named_in_the_sentence() {
    let (anna, bert) = two_identities();
    let mut sshd = Sshd::start(&[anna.public()]);
    sshd.kill_all();
    let a = Kiosk::at_relay(&anna, "Anna", sshd.relay(), bert.public());
    let status = a.wait_relay(|status| matches!(status, RelayStatus::Backoff { .. }));
    let RelayStatus::Backoff { sentence, .. } = status else { unreachable!() };
    assert!(sentence.starts_with("cannot reach relay 127.0.0.1: "), "{sentence}");
    sshd.restart();
    a.wait_relay(|status| *status == RelayStatus::Connected);
}

#[test]
fn killed_session_processes_cost_a_moment_and_not_the_call() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    for _ in 0..3 {
        send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
        send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
        assert!(sshd.kill_sessions() >= 4, "two outer sessions each");
        a.wait_down(b.key);
        a.wait_up(b.key);
        send_until_one_arrives(&to.voice_out, &from.voice_in, voice);
        send_until_one_arrives(&from.pictures_out, &to.pictures_in, picture);
    }
}

#[test]
fn half_open_sessions_are_noticed_in_a_call_and_their_sockets_taken_over() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    assert!(sshd.freeze_sessions() >= 4, "two outer sessions each");
    // The session with the peer and those with the relay are watched alike: who is first is chance.
    let sentence = a.wait_down(b.key);
    let noticed = ["silent for 1.4 s in a call", "the connection ended"];
    assert!(noticed.iter().any(|why| sentence.contains(why)), "{sentence}");
    // The frozen sessions still hold their listening sockets; new ones get the names.
    a.wait_up(b.key);
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    let picture = |n| packet(PacketKind::Picture, n, b"jpeg");
    send_until_one_arrives(&to.pictures_out, &from.pictures_in, picture);
}

#[test]
fn a_killed_sshd_that_comes_back_brings_the_link_back() {
    let (anna, bert) = two_identities();
    let mut sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let (from, to) = (a.attach(b.key), b.attach(a.key));
    sshd.kill_all();
    a.wait_down(b.key);
    a.wait_relay(|status| matches!(status, RelayStatus::Backoff { .. }));
    sshd.restart();
    a.wait_up(b.key);
    let voice = |n| packet(PacketKind::Voice, n, b"opus");
    send_until_one_arrives(&from.voice_out, &to.voice_in, voice);
    send_until_one_arrives(&to.voice_out, &from.voice_in, voice);
}

#[test]
fn the_last_word_before_the_end_is_heard() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let (a, b) = a_pair(sshd.relay(), &anna, &bert);
    let bye = Signal::Bye { call: 3, reason: twocan::wire::signal::EndReason::ShuttingDown };
    b.say(a.key, bye.clone());
    assert!(b.tunnel.stop(common::kiosk::LIMIT));
    assert_eq!(a.wait_signal(), bye);
    a.wait_down(bert.public());
}
