//! Stations and listeners that come through the tunnel: a kiosk hears what another one's microphone sends,
//! by way of the station server of both.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod station_common;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::kiosk::{self, Kiosk, LIMIT, config, packet};
use station_common::process::Process;
use station_common::tone::Tone;
use twocan::clock;
use twocan::codec::opus::VoiceDecoder;
use twocan::frame::PacketKind;
use twocan::identity::{Identity, PeerKey};
use twocan::queue::Received;
use twocan::station::server::{Server, Setup, Way};
use twocan::stop::stop_pair;
use twocan::tunnel::{Event, MediaPorts, PeerConfig, TunnelConfig};
use twocan::wire::signal::{Hearing, Signal};

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A kiosk with a door, to which the server finds.
fn kiosk(identity: &Identity, name: &str, server: PeerKey) -> (Kiosk, PeerConfig) {
    let contacts = vec![PeerConfig { key: server, direct: vec![], via_relay: false, place: None }];
    let kiosk = Kiosk::start(TunnelConfig { door: Some(HERE), contacts, ..config(identity, name) });
    let contact = kiosk::at_door(kiosk.key, kiosk.wait_door());
    (kiosk, contact)
}

#[track_caller]
fn wait_hearing(kiosk: &Kiosk, wanted: Hearing) {
    kiosk.wait(&format!("Hearing {wanted:?}"), |event| match event {
        Event::Signal { signal: Signal::Hearing { state, .. }, .. } if *state == wanted => Some(()),
        _ => None,
    });
}

/// Send a tone of 1 kHz through the tunnel, in real time, until `ports` are closed.
fn microphone(ports: MediaPorts) {
    let (mut tone, began) = (Tone::new(1000.0), Instant::now());
    let (_stopper, stop) = stop_pair();
    loop {
        let datagram = tone.next();
        let packet = packet(PacketKind::Station, tone.block as u32, &datagram);
        if ports.voice_out.send(packet).is_err() {
            return;
        }
        stop.sleep(Duration::from_millis(20 * tone.block).saturating_sub(began.elapsed()));
    }
}

/// Wait until so many kiosks hear the only station.
#[track_caller]
fn wait_kiosks(house: &Server, kiosks: usize) {
    let limit = Instant::now() + LIMIT;
    while house.status().stations[0].kiosks != kiosks {
        assert!(Instant::now() < limit, "{:#?}", house.status());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_kiosk_hears_a_station_that_comes_by_its_key_and_is_told_when_it_falls_silent() {
    let mut identities = [Identity::generate(), Identity::generate(), Identity::generate()];
    // The server has the smallest key: it dials.
    identities.sort_by_key(Identity::public);
    let [server, barn, anna] = identities;
    let (station, station_contact) = kiosk(&barn, "Barn", server.public());
    let (listener, listener_contact) = kiosk(&anna, "Anna", server.public());
    let contacts = vec![station_contact, listener_contact];
    let wanted = TunnelConfig { contacts, ..config(&server, "House") };
    let house = Server::start(Setup {
        listen: HERE,
        web: HERE,
        names: vec![],
        stations: vec![("Barn".to_owned(), Way::Key(barn.public()))],
        tunnel: Some(wanted.clone()),
    })
    .unwrap();
    assert_eq!(station.wait_up(server.public()), "House");
    listener.wait_up(server.public());

    let hear = |name: &str| Signal::Hear { station: name.to_owned() };
    listener.say(server.public(), hear("Cellar"));
    wait_hearing(&listener, Hearing::Unknown);
    listener.say(server.public(), hear("BARN"));
    let silent = Signal::Hearing { station: "BARN".to_owned(), state: Hearing::Silent };
    assert_eq!(listener.wait_signal(), silent, "by the name that it knows it by");
    let sent = station.attach(server.public());
    let (ports, heard) = (sent.clone(), listener.attach(server.public()));
    let microphone =
        std::thread::Builder::new().name("microphone".to_owned()).spawn(|| microphone(ports));
    wait_hearing(&listener, Hearing::Live);

    let (_stopper, stop) = stop_pair();
    let (mut decoder, mut sound, mut ages) = (VoiceDecoder::new().unwrap(), Vec::new(), Vec::new());
    while sound.len() < 2 * 48_000 {
        let Received::Item(packet) = heard.voice_in.receive(&stop, Some(LIMIT)) else {
            panic!("nothing is heard: {:#?}", house.status())
        };
        assert_eq!(packet.kind, PacketKind::Voice);
        ages.push(clock::now().since(packet.captured).as_millis());
        sound.extend_from_slice(decoder.decode(&packet.payload).unwrap());
    }
    let second = &sound[48_000..];
    let rises = second.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
    assert!((990..1010).contains(&rises), "{rises} Hz");
    ages.sort_unstable();
    println!("from the server's ear to the kiosk: {} ms in the middle", ages[ages.len() / 2]);
    assert_eq!(house.status().stations[0].kiosks, 1);

    // Ringing there is in vain.
    listener.say(server.public(), Signal::Invite { call: 7 });
    assert_eq!(listener.wait_signal(), Signal::Decline { call: 7 });

    // A contact that is removed hears nothing from now on; the station is heard on.
    let mut alone = wanted.clone();
    let removed = alone.contacts.pop().unwrap();
    assert_eq!(removed.key, listener.key);
    house.handle().change(alone);
    listener.wait("the end", |event| match event {
        Event::PeerDown { peer, .. } if *peer == server.public() => Some(()),
        _ => None,
    });
    wait_kiosks(&house, 0);
    house.handle().change(wanted);
    listener.wait_up(server.public());
    listener.say(server.public(), hear("Barn"));
    wait_hearing(&listener, Hearing::Live);
    wait_kiosks(&house, 1);

    sent.voice_out.close();
    microphone.unwrap().join().unwrap();
    wait_hearing(&listener, Hearing::Silent);
    listener.say(server.public(), hear(""));
    wait_kiosks(&house, 0);
}

#[test]
fn a_running_server_is_told_of_contacts_that_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let (file, state) = (folder.path().join("twocan.toml"), folder.path().join("state"));
    let text = "[door]\nlisten = '127.0.0.1:0'\n[station_server]\nlisten = '127.0.0.1:0'\n\
                web = '127.0.0.1:0'\n[[station_server.station]]\nname = 'Barn'\naddress = '127.0.0.1'\n";
    std::fs::write(&file, text).unwrap();
    let twocan = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.arg("--config").arg(&file).arg("--state").arg(&state);
        command.arg("--runtime").arg(folder.path().join("run")).args(arguments);
        command.stdin(Stdio::null());
        command
    };
    assert!(twocan(&["identity"]).output().unwrap().status.success());
    let server = Identity::load_or_create(&state).unwrap().public();
    // The server has the smaller key: it dials.
    let anna = std::iter::repeat_with(Identity::generate).find(|anna| server < anna.public());
    let (listener, at) = kiosk(&anna.unwrap(), "Anna", server);
    let _server = Process(twocan(&["station-server"]).spawn().unwrap());

    let status = || twocan(&["status", "--json"]).output().unwrap();
    let limit = Instant::now() + LIMIT;
    while !status().status.success() {
        assert!(Instant::now() < limit, "no socket");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (key, door) = (listener.key.to_string(), &at.direct[0]);
    let add = || {
        let done = twocan(&["contact", "add", "Anna", "--key", &key, "--direct", door]).output();
        assert!(done.unwrap().status.success());
    };
    add();
    listener.wait_up(server);
    assert!(String::from_utf8(status().stdout).unwrap().contains("\"name\": \"Barn\""));
    let words = twocan(&["status"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(words).unwrap(), "Barn · silent\n");
    assert!(!twocan(&["hangup"]).output().unwrap().status.success(), "it is no kiosk");

    assert!(twocan(&["contact", "remove", "Anna"]).output().unwrap().status.success());
    listener.wait("the end", |event| match event {
        Event::PeerDown { peer, .. } if *peer == server => Some(()),
        _ => None,
    });
    add();
    listener.wait_up(server);
}
