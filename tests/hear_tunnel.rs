//! A contact's station through the tunnel: asked for by name, heard, given up; nothing goes the other way.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::kiosk::{Kiosk, LIMIT, config};
use common::opened::{only_hears, wait_for_no_ear};
use common::tone::{heard, shares};
use twocan::app::{self, App, Inbox};
use twocan::clock;
use twocan::codec::opus::{VoiceEncoder, VoiceFormat};
use twocan::config::{Config, Paths};
use twocan::contacts::{Contact, Contacts};
use twocan::frame::{Packet, PacketKind};
use twocan::identity::{Identity, PeerKey};
use twocan::stop::stop_pair;
use twocan::store;
use twocan::tunnel::{Event, MediaPorts, PeerConfig, TunnelConfig};
use twocan::ui::face::Faceless;
use twocan::wire::control::Request;
use twocan::wire::signal::{Hearing, Signal};

const HERTZ: f64 = 500.0;

/// A tone as Opus, 20 ms at a time as a card would have it, until it is told to stop.
fn play(ports: &MediaPorts, stop: &AtomicBool) {
    let format = VoiceFormat { frame_ms: 20, bitrate: 32_000, dtx: false, low_delay: false };
    let mut encoder = VoiceEncoder::new(format).unwrap();
    let began = Instant::now();
    for sequence in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let wave = |n: u32| (f64::from(n) * HERTZ * std::f64::consts::TAU / 48_000.0).sin();
        let frame: Vec<i16> =
            (0..960).map(|n| (8000.0 * wave(sequence * 960 + n)) as i16).collect();
        let mut payload = Vec::new();
        encoder.encode(&frame, &mut payload).unwrap();
        let payload = Bytes::from(payload);
        let captured = clock::now();
        let kind = PacketKind::Voice;
        let packet = Packet { kind, sequence, captured, after_gap: false, payload };
        let _ = ports.voice_out.send(packet);
        let due = Duration::from_millis(20) * (sequence + 1);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

fn wait_heard(mill: &Kiosk, from: PeerKey) -> String {
    mill.wait("Hear", |event| match event {
        Event::Signal { peer, signal: Signal::Hear { station } } if *peer == from => {
            Some(station.clone())
        }
        _ => None,
    })
}

#[track_caller]
fn wait_state(app: &App, wanted: &str) -> serde_json::Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = app.ask(Request::Status).unwrap().status.unwrap();
        if status["hearing"]["state"] == wanted {
            return status;
        }
        assert!(Instant::now() < deadline, "not {wanted}: {status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_contacts_station_is_heard_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (state, wav) = (folder.path().join("state"), folder.path().join("heard.wav"));
    store::ensure_folder(&state).unwrap();
    let us = Identity::load_or_create(&state).unwrap().public();
    let identity = Identity::generate();
    let contacts = vec![PeerConfig { key: us, direct: Vec::new(), via_relay: false, place: None }];
    let door = Some("127.0.0.1:0".parse().unwrap());
    let mill = Kiosk::start(TunnelConfig { door, contacts, ..config(&identity, "Mill") });
    let door = mill.wait_door();

    let mut contact = Contact::new("The mill", mill.key);
    contact.direct = vec![door.to_string().parse().unwrap()];
    contact.via_relay = false;
    Contacts::change(&state, |contacts| contacts.add(contact, None)).unwrap();
    let text = format!(
        "[camera]\nsource = 'pattern'\n[microphone]\ndevice = 'tone'\n[speaker]\nvolume = 10\n\
         device = '{}'\n[[listen]]\nname = 'Barn'\nsource = 'twocan:the mill/barn'\n",
        wav.display()
    );
    let config = Config::parse("test", text.as_bytes()).unwrap();
    let run = folder.path().join("run");
    let paths =
        Paths::find(Some(folder.path().join("twocan.toml")), Some(state), Some(run), |_| None)
            .unwrap();
    let (_stopper, stop) = stop_pair();
    let app = app::start(&config, &paths, Arc::new(Faceless), Inbox::default(), stop).unwrap();
    mill.wait_up(us);

    app.ask(Request::Hear { name: Some("Barn".to_owned()) }).unwrap();
    assert_eq!(wait_heard(&mill, us), "barn");
    mill.say(us, Signal::Hearing { station: "barn".to_owned(), state: Hearing::Silent });
    wait_state(&app, "silent");

    let ports = mill.attach(us);
    mill.say(us, Signal::Hearing { station: "barn".to_owned(), state: Hearing::Live });
    let status = wait_state(&app, "live");
    assert_eq!(
        (&status["hearing"]["name"], &status["call"]["state"]),
        (&"Barn".into(), &"idle".into())
    );
    let over = Arc::new(AtomicBool::new(false));
    let (theirs, stop) = (ports.clone(), Arc::clone(&over));
    let player = std::thread::Builder::new().name("player".to_owned());
    let player = player.spawn(move || play(&theirs, &stop)).unwrap();
    let deadline = Instant::now() + LIMIT;
    let sound = loop {
        let sound = heard(&wav);
        let begins = sound.iter().position(|sample| sample.unsigned_abs() > 4000);
        match begins.and_then(|begins| sound.get(begins + 24_000..)) {
            Some(sound) if sound.len() >= 96_000 => break sound.to_vec(),
            _ => assert!(Instant::now() < deadline, "no sound"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let status = app.ask(Request::Status).unwrap().status.unwrap();
    only_hears(std::process::id());
    over.store(true, Ordering::Relaxed);
    player.join().unwrap();
    // The play-out stretches and shortens as it must: the middle one.
    let shares = shares(&sound, HERTZ);
    assert!(shares[shares.len() / 2] > 0.8, "{shares:?}");
    assert_eq!(
        (&status["open"]["camera"], &status["open"]["microphone"]),
        (&false.into(), &false.into())
    );
    let workers = status["workers"].as_array().unwrap();
    assert!(workers.iter().all(|worker| worker["name"] == "ear"), "{workers:?}");

    app.ask(Request::Hear { name: None }).unwrap();
    assert_eq!(wait_heard(&mill, us), "");
    wait_for_no_ear(std::process::id());
    let packets = ports.stats.packets_in.load(Ordering::Relaxed);
    assert_eq!(packets, 0, "something came from the listener");
}
