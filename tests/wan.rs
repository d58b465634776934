//! A bad line between two homes and their relay: what it does to packets, and that a call lives
//! through it. Where a machine has no network namespaces for us, each test says so and is done.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;
use twocan::cli::bench::wan::{Properties, Side, Wan, WanError, Way};
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{self, Kiosk};
use twocan::cli::demo::place::Place;
use twocan::wire::control::Request;

/// Far more than anything here takes; a limit only for a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(40);

/// Lines of so many Mbit/s, or none, with the reason told.
fn lines(a: Properties, b: Properties) -> Option<Wan> {
    match Wan::start(a, b) {
        Ok(wan) => Some(wan),
        Err(WanError::Missing(why)) => {
            eprintln!("skipped: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A connection from `home` to the relay: its two ends.
fn connection(wan: &Wan, home: &Place) -> (TcpStream, TcpStream) {
    let relay = wan.places().relay;
    let listener = relay.visit(|| TcpListener::bind((relay.listen(), 0))).unwrap().unwrap();
    let at = SocketAddr::new(home.relay(), listener.local_addr().unwrap().port());
    let one = home.visit(|| TcpStream::connect_timeout(&at, LIMIT)).unwrap().unwrap();
    let (other, _) = listener.accept().unwrap();
    for end in [&one, &other] {
        end.set_read_timeout(Some(LIMIT)).unwrap();
    }
    (one, other)
}

#[test]
fn both_homes_reach_the_relay_and_none_the_other_one() {
    let Some(wan) = lines(Properties::of(10.0), Properties::of(10.0)) else { return };
    let places = wan.places();
    for (home, side) in [(&places.anna, Side::A), (&places.bert, Side::B)] {
        let (mut one, mut other) = connection(&wan, home);
        one.write_all(b"hello, can you hear me").unwrap();
        let mut heard = [0; 22];
        other.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello, can you hear me");
        assert!(wan.counts(side, Way::Up).bytes > 22);
        assert!(wan.counts(side, Way::Down).carried > 0);
    }
    let listener = places.bert.visit(|| TcpListener::bind("0.0.0.0:0")).unwrap().unwrap();
    let port = listener.local_addr().unwrap().port();
    let bert = SocketAddr::new(IpAddr::from([10, 9, 2, 1]), port);
    let limit = Duration::from_secs(5);
    let tried = places.anna.visit(|| TcpStream::connect_timeout(&bert, limit)).unwrap();
    assert!(tried.is_err(), "Anna has no way to Bert but the relay");
}

#[test]
fn a_cut_line_carries_nothing_and_goes_on_with_the_same_connection() {
    let Some(wan) = lines(Properties::of(10.0), Properties::of(10.0)) else { return };
    let (mut one, mut other) = connection(&wan, &wan.places().anna);
    wan.set(Side::A, Properties::of(10.0).cut());
    let before = wan.counts(Side::A, Way::Up);
    one.write_all(b"lost").unwrap();
    // TCP says it again, and again it is lost.
    let started = std::time::Instant::now();
    while wan.counts(Side::A, Way::Up).lost < before.lost + 2 {
        assert!(started.elapsed() < LIMIT, "nothing was lost");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(wan.counts(Side::A, Way::Up).carried, before.carried);
    wan.set(Side::A, Properties::of(10.0));
    let mut heard = [0; 4];
    other.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"lost");
}

#[test]
fn a_router_that_forgets_its_connections_resets_them() {
    let Some(wan) = lines(Properties::of(10.0), Properties::of(10.0)) else { return };
    let (mut one, _other) = connection(&wan, &wan.places().bert);
    wan.forget_connections(Side::B);
    one.write_all(b"who am I").unwrap();
    let end = one.read(&mut [0; 1]).unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
    connection(&wan, &wan.places().bert);
}

struct Scene {
    wan: Wan,
    family: Family,
    anna: Kiosk,
    bert: Kiosk,
    _folder: tempfile::TempDir,
}

fn shown(status: &Value) -> u64 {
    status["call"]["figures"]["video"]["shown"].as_u64().unwrap_or(0)
}

fn heard(status: &Value) -> u64 {
    status["call"]["figures"]["audio"]["packets"].as_u64().unwrap_or(0)
}

fn sent(status: &Value) -> u64 {
    status["call"]["figures"]["audio"]["sent"].as_u64().unwrap_or(0)
}

fn reconnects(status: &Value) -> u64 {
    status["call"]["reconnects"].as_u64().unwrap_or(0)
}

impl Scene {
    /// Two kiosks without a screen in a call across the lines, each seeing and hearing the other.
    fn in_call(wan: Wan) -> Self {
        kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
        let folder = tempfile::tempdir().unwrap();
        let habits = Habits {
            size: "640x360".to_owned(),
            fps: 15,
            kiosk: "auto_answer = true".to_owned(),
            // Packets are counted: none is left out because a tone is no voice.
            call: "dtx = false\ncleaning = \"off\"".to_owned(),
            ..Habits::default()
        };
        let family = Family::make_at(&wan.places(), folder.path(), &habits).unwrap();
        let bert = family.bert.start(&["call"], &[]).unwrap();
        let anna = family.anna.start(&["call"], &[]).unwrap();
        let mut scene = Self { wan, family, anna, bert, _folder: folder };
        scene.both("the other at home", |status| status["contacts"][0]["reachable"] == true);
        scene.anna.ask(&Request::Dial { name: "Bert".to_owned() }).unwrap();
        scene.both("pictures and voice", |status| shown(status) > 10 && heard(status) > 10);
        scene
    }

    fn both(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        self.anna.wait_for(what, LIMIT, &wanted).unwrap();
        self.bert.wait_for(what, LIMIT, &wanted).unwrap();
    }

    /// So many pictures and voice packets that are newer than now reach both.
    fn both_get(&mut self, what: &str, pictures: u64, voice: u64) {
        let before = [&self.anna, &self.bert].map(|kiosk| kiosk.status().unwrap());
        for (kiosk, before) in [&mut self.anna, &mut self.bert].into_iter().zip(before) {
            kiosk
                .wait_for(what, LIMIT, |status| {
                    shown(status) >= shown(&before) + pictures
                        && heard(status) >= heard(&before) + voice
                })
                .unwrap();
        }
    }

    /// Nobody has given the line up.
    fn one_session(&self) {
        for kiosk in [&self.anna, &self.bert] {
            assert_eq!(reconnects(&kiosk.status().unwrap()), 0);
        }
    }

    /// Of the next voice packets that each sends, so many percent reach the other.
    fn both_hear(&mut self, percent: u64) {
        const PACKETS: u64 = 150;
        self.one_session();
        // What is on its way counts as not heard before, and likewise after.
        let look = |kiosk: &Kiosk, other: &Kiosk| {
            let (from, to) = (kiosk.status().unwrap(), other.status().unwrap());
            (sent(&from), heard(&to))
        };
        let both = |scene: &Self| [look(&scene.anna, &scene.bert), look(&scene.bert, &scene.anna)];
        let before = both(self);
        for (kiosk, (sent_before, _)) in [&mut self.anna, &mut self.bert].into_iter().zip(before) {
            let enough = |status: &Value| sent(status) >= sent_before + PACKETS;
            kiosk.wait_for("voice to be sent", LIMIT, enough).unwrap();
        }
        let who = ["Anna", "Bert"];
        for ((who, before), after) in who.into_iter().zip(before).zip(both(self)) {
            let (sent, heard) = (after.0 - before.0, after.1 - before.1);
            eprintln!("{who} sent {sent} packets of voice and {heard} were heard");
            assert!(heard * 100 >= sent * percent, "{who}: {heard} of {sent}");
        }
    }

    /// Each has one record of one call in the end.
    fn ends_as_one_call(mut self) {
        self.anna.ask(&Request::Hangup).unwrap();
        self.both("the end", |status| status["call"]["state"] == "idle");
        for home in [&self.family.anna, &self.family.bert] {
            let calls = home.command().unwrap().args(["calls", "--json"]).output().unwrap();
            let calls: Value = serde_json::from_slice(&calls.stdout).unwrap();
            assert_eq!(calls.as_array().unwrap().len(), 1, "{calls}");
            assert_eq!(calls[0]["reason"], "hung-up", "{calls}");
        }
    }
}

#[test]
fn a_call_lives_through_a_line_that_gets_thin_and_wide_again() {
    let Some(wan) = lines(Properties::of(10.0), Properties::of(3.0)) else { return };
    let mut scene = Scene::in_call(wan);
    scene.wan.set(Side::B, Properties::of(0.6));
    scene.both_get("pictures and voice on the thin line", 20, 150);
    scene.both_hear(90);
    scene.wan.set(Side::B, Properties::of(3.0));
    scene.both_get("pictures and voice on the wide line", 20, 100);
    scene.one_session();
    scene.ends_as_one_call();
}

#[test]
fn a_call_goes_on_when_a_line_that_was_cut_for_five_seconds_is_back() {
    let Some(wan) = lines(Properties::of(10.0), Properties::of(3.0)) else { return };
    let mut scene = Scene::in_call(wan);
    scene.wan.set(Side::B, Properties::of(3.0).cut());
    scene.wan.set_later(Duration::from_secs(5), Side::B, Properties::of(3.0));
    scene.both("the loss", |status| status["call"]["state"] == "reconnecting");
    scene.both("the call again", |status| {
        status["call"]["state"] == "established" && reconnects(status) > 0
    });
    scene.both_get("pictures and voice after the cut", 10, 50);
    scene.ends_as_one_call();
}

#[test]
fn voice_flows_on_a_line_that_is_too_thin_for_moving_pictures() {
    let Some(wan) = lines(Properties::of(10.0), Properties::of(3.0)) else { return };
    let mut scene = Scene::in_call(wan);
    scene.wan.set(Side::B, Properties::of(0.15));
    // Until the queue of before has drained.
    scene.both_get("voice and a picture", 1, 250);
    scene.both_hear(80);
    scene.wan.set(Side::B, Properties::of(3.0));
    scene.both_get("pictures and voice on the wide line", 10, 50);
    scene.one_session();
    scene.ends_as_one_call();
}
