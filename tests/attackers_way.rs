//! Attackers on the way: the relay's owner between the sockets of two kiosks, and somebody on the path
//! to the relay. They may stop a call and learn nothing; nothing that they make up, change, leave out
//! or say again is ever heard as a signal; when they stop, the link is back by itself.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::kiosk::{Kiosk, LIMIT, config, packet, two_identities};
use common::middle::{Middle, Trick};
use common::sshd::Sshd;
use twocan::frame::PacketKind;
use twocan::identity::Identity;
use twocan::tunnel::{Event, Fault, MediaPorts, RelayConfig, RelayStatus, TunnelConfig};
use twocan::wire::signal::Signal;

const TRICKS: [Trick; 5] = [Trick::Flip, Trick::Drop, Trick::Swap, Trick::Replay, Trick::Inject];

/// Voice and pictures both ways, as in a call, until it is dropped.
struct Chatter(Arc<AtomicBool>);

impl Chatter {
    fn between(ends: [MediaPorts; 2]) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let watched = Arc::clone(&goes_on);
        let talk = move || {
            for number in 0.. {
                for ports in &ends {
                    // Closed with the test.
                    let _ = ports.voice_out.send(packet(PacketKind::Voice, number, &[7; 60]));
                    let _ =
                        ports.pictures_out.send(packet(PacketKind::Picture, number, &[8; 3000]));
                }
                std::thread::sleep(Duration::from_millis(20));
                if !watched.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("chatter".to_owned()).spawn(talk).unwrap();
        Self(goes_on)
    }
}

impl Drop for Chatter {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Say `invite` until it is heard. Whatever else is heard meanwhile must be what was said before.
#[track_caller]
fn until_heard(from: &Kiosk, to: &Kiosk, call: u64) {
    let limit = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < limit, "the link came back, and invite {call} was not heard");
        from.say(to.key, Signal::Invite { call });
        let pause = Instant::now() + Duration::from_millis(300);
        while let Ok(event) =
            to.events.recv_timeout(pause.saturating_duration_since(Instant::now()))
        {
            match event {
                Event::Signal { signal: Signal::Invite { call: heard }, .. } if heard == call => {
                    return;
                }
                Event::Signal { signal, .. } => {
                    let earlier = matches!(signal, Signal::Invite { call: heard } if heard < call);
                    assert!(earlier, "nobody said {signal:?}");
                }
                _ => {}
            }
        }
    }
}

/// A link of which somebody is in the middle, with a call on it: each trick ends a session and not more.
/// Where sshd is the one who notices, our ends see a closed connection only: the trick is played again
/// until one of them has noticed itself, and counted.
fn play_all(middles: &[Middle], a: &Kiosk, b: &Kiosk) {
    let _chatter = Chatter::between([a.attach(b.key), b.attach(a.key)]);
    let garbled = || {
        let count = |kiosk: &Kiosk| kiosk.tunnel.counters().of(Fault::Garbled);
        count(a) + count(b)
    };
    let mut call = 0;
    for trick in TRICKS {
        let (before, limit) = (garbled(), Instant::now() + 2 * LIMIT);
        loop {
            let losses = play(trick, middles, a, b, &mut call);
            let is_counted = matches!(trick, Trick::Flip | Trick::Replay | Trick::Inject);
            if !is_counted || garbled() > before {
                break;
            }
            assert!(Instant::now() < limit, "{trick:?} is counted; {losses:?}");
        }
    }
}

/// One trick, and what each end said of it.
#[track_caller]
fn play(trick: Trick, middles: &[Middle], a: &Kiosk, b: &Kiosk, call: &mut u64) -> Vec<String> {
    *call += 1;
    until_heard(a, b, *call);
    let _ = (a.losses(), b.losses());
    let before = middles.iter().map(Middle::played).sum::<u64>();
    middles.iter().for_each(|middle| middle.play(trick));
    // Either end may notice it first, and the other one only by the session that follows.
    let limit = Instant::now() + LIMIT;
    let mut losses = Vec::new();
    while losses.is_empty() {
        assert!(Instant::now() < limit, "{trick:?} was not noticed");
        std::thread::sleep(Duration::from_millis(50));
        losses.extend([a.losses(), b.losses()].concat());
    }
    let played = middles.iter().map(Middle::played).sum::<u64>() - before;
    assert!(played > 0, "{trick:?} was played, {losses:?}");
    middles.iter().for_each(|middle| middle.play(Trick::None));
    *call += 1;
    until_heard(a, b, *call);
    losses
}

#[test]
fn a_relay_that_flips_drops_reorders_replays_and_injects_says_nothing_in_anybodys_name() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let b = Kiosk::at_relay(&bert, "Bert", sshd.relay(), anna.public());
    b.wait_relay(|status| *status == RelayStatus::Connected);
    let sockets =
        ["voice", "video"].map(|lane| sshd.sockets().join(format!("{}-{lane}.sock", b.key.id16())));
    let limit = Instant::now() + LIMIT;
    while !sockets.iter().all(|socket| socket.exists()) {
        assert!(Instant::now() < limit, "both sockets come");
        std::thread::sleep(Duration::from_millis(20));
    }
    let middles = sockets.map(|socket| Middle::in_the_place_of(&socket));
    let a = Kiosk::at_relay(&anna, "Anna", sshd.relay(), bert.public());
    a.wait_up(b.key);
    play_all(&middles, &a, &b);
}

#[test]
fn somebody_on_the_path_who_flips_drops_reorders_replays_and_injects_stops_a_session_and_no_more() {
    let (anna, bert) = two_identities();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let address = SocketAddr::from(([127, 0, 0, 1], sshd.relay().port));
    let (middle, port) = {
        let (middle, address) = Middle::on_the_path_to(address);
        (middle, address.port())
    };
    let relay = || RelayConfig { port, ..sshd.relay() };
    let a = Kiosk::at_relay(&anna, "Anna", relay(), bert.public());
    let b = Kiosk::at_relay(&bert, "Bert", relay(), anna.public());
    a.wait_up(b.key);
    b.wait_up(a.key);
    play_all(&[middle], &a, &b);
}

#[test]
fn a_relay_that_leads_to_another_kiosk_is_found_out_by_its_key() {
    let (anna, bert) = two_identities();
    let impostor = Identity::generate();
    let sshd = Sshd::start(&[anna.public(), bert.public()]);
    let b = Kiosk::at_relay(&bert, "Bert", sshd.relay(), anna.public());
    let voice = sshd.sockets().join(format!("{}-voice.sock", b.key.id16()));
    b.wait_relay(|status| *status == RelayStatus::Connected);
    let door = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let contacts = vec![common::kiosk::at_relay(anna.public())];
    let c = Kiosk::start(TunnelConfig { door, contacts, ..config(&impostor, "Bert") });
    let door = c.wait_door();
    let limit = Instant::now() + LIMIT;
    while !voice.exists() {
        assert!(Instant::now() < limit, "the socket comes");
        std::thread::sleep(Duration::from_millis(20));
    }
    Middle::leading_astray(&voice, door);
    let a = Kiosk::at_relay(&anna, "Anna", sshd.relay(), bert.public());
    let sentence = a.wait("PeerBlocked or PeerDown with the key", |event| match event {
        Event::PeerUp { .. } => panic!("the impostor was believed"),
        Event::PeerBlocked { sentence, .. } | Event::PeerDown { sentence, .. } => {
            sentence.contains(&c.key.fingerprint()).then(|| sentence.clone())
        }
        _ => None,
    });
    assert!(sentence.contains(&bert.public().fingerprint()), "{sentence}");
}
