//! Packets in any rhythm, and what is heard of them.

use super::*;
use crate::codec::opus::{VoiceEncoder, VoiceFormat};
use crate::frame::PacketKind;
use proptest::prelude::*;

fn packet(sequence: u32, payload: Vec<u8>) -> Packet {
    Packet {
        kind: PacketKind::Voice,
        sequence,
        captured: Time::from_micros(u64::from(sequence) * 20_000),
        after_gap: false,
        payload: payload.into(),
    }
}

fn tone_packets(count: u32) -> Vec<Packet> {
    let mut encoder = VoiceEncoder::new(VoiceFormat::default()).unwrap();
    let packets = (0..count).map(|n| {
        let at = |i: u32| (n * 960 + i) as f32 / 48_000.0;
        let frame: Vec<i16> = (0..960)
            .map(|i| ((at(i) * 440.0 * std::f32::consts::TAU).sin() * 9000.0) as i16)
            .collect();
        let mut payload = Vec::new();
        encoder.encode(&frame, &mut payload).unwrap();
        packet(n, payload)
    });
    packets.collect()
}

static TONE: std::sync::LazyLock<Vec<Packet>> = std::sync::LazyLock::new(|| tone_packets(400));

#[test]
fn a_tone_is_heard_without_a_hole_and_its_age_is_known() {
    let mut playout = Playout::new(Stamps::Captured).unwrap();
    let mut into = [0; PERIOD_SAMPLES];
    let (mut now, mut quiet, mut loud) = (Time::from_micros(1_000), 0, 0);
    for packet in tone_packets(200) {
        now = now + Duration::from_millis(20);
        playout.push(packet, now);
        for half in 0..2 {
            playout.pull(&mut into, now + Duration::from_millis(half * 10), |_| {});
            let peak = into.iter().map(|s| s.unsigned_abs()).max().unwrap();
            if peak > 4000 {
                loud += 1
            } else if loud > 0 {
                quiet += 1
            }
        }
    }
    assert_eq!((quiet, playout.figures().jitter.gaps), (0, 0));
    assert!(loud > 380, "{loud} loud periods");
    let age = now.since(playout.next_captured().unwrap());
    assert!(age < Duration::from_millis(80), "{age:?}");
}

#[test]
fn the_tap_gets_every_packet_once_and_in_order() {
    let mut playout = Playout::new(Stamps::Arrival).unwrap();
    let (sent, mut tapped) = (tone_packets(50), Vec::new());
    let mut into = [0; PERIOD_SAMPLES];
    for (n, packet) in (0..).zip(sent.clone()) {
        let now = Time::from_micros(n * 20_000);
        playout.push(packet, now);
        for _ in 0..2 {
            playout.pull(&mut into, now, |heard| {
                if let Heard::Packet { payload, .. } = heard {
                    tapped.push(payload);
                }
            });
        }
    }
    assert!(tapped.len() >= 47);
    assert!(tapped.iter().zip(&sent).all(|(got, sent)| *got == sent.payload));
}

/// Quiet has no pitch, so the longest piece is cut out: less than a period may be left then.
#[test]
fn a_backlog_of_quiet_is_caught_up_without_a_hole() {
    let mut encoder = VoiceEncoder::new(VoiceFormat::default()).unwrap();
    let mut playout = Playout::new(Stamps::Captured).unwrap();
    let mut into = [0; PERIOD_SAMPLES];
    let mut waiting = Vec::new();
    for n in 0..300 {
        let mut payload = Vec::new();
        encoder.encode(&[0; 960], &mut payload).unwrap();
        waiting.push(packet(n, payload));
        let now = Time::from_micros(u64::from(n) * 20_000 + 21_000);
        // The line stands still for 300 ms, and then gives everything at once.
        if !(50..65).contains(&n) {
            waiting.drain(..).for_each(|packet| playout.push(packet, now));
        }
        playout.pull(&mut into, now, |_| {});
        playout.pull(&mut into, now + Duration::from_millis(10), |_| {});
    }
    let age = Time::from_micros(300 * 20_000 + 21_000).since(playout.next_captured().unwrap());
    assert!(age < Duration::from_millis(250), "it was 320 ms behind, and is {age:?}");
}

#[test]
fn in_a_cut_a_steady_tone_is_drawn_out_for_60_ms_and_no_longer() {
    let mut playout = Playout::new(Stamps::Captured).unwrap();
    let mut into = [0; PERIOD_SAMPLES];
    let (mut before, mut loud) = (0, Vec::new());
    for (n, packet) in TONE.iter().take(200).enumerate() {
        let now = Time::from_micros(n as u64 * 20_000 + 21_000);
        if !(100..150).contains(&n) {
            playout.push(packet.clone(), now);
        }
        if n == 100 {
            before = playout.figures().stretched;
        }
        if n == 149 {
            let put = playout.figures().stretched - before;
            assert!(put <= 80 * 48, "{} ms", put / 48);
        }
        for half in 0..2 {
            playout.pull(&mut into, now + Duration::from_millis(half * 10), |_| {});
            if (100..150).contains(&n) {
                loud.push(into.iter().any(|sample| sample.unsigned_abs() > 4000));
            }
        }
    }
    assert!(loud[30..].iter().all(|loud| !loud), "{loud:?}");
    assert!(playout.figures().jitter.concealed > 700 * 48, "{:?}", playout.figures());
}

proptest! {
    #[test]
    fn packets_that_come_in_any_rhythm_never_panic(
        rhythm in proptest::collection::vec((0usize..12, 1usize..6), 1..80),
    ) {
        let mut playout = Playout::new(Stamps::Captured).unwrap();
        let mut into = [0; PERIOD_SAMPLES];
        let mut packets = TONE.iter().cloned();
        let mut now = Time::from_micros(1_000);
        for (pushes, pulls) in rhythm {
            packets.by_ref().take(pushes).for_each(|packet| playout.push(packet, now));
            for _ in 0..pulls {
                playout.pull(&mut into, now, |_| {});
                now = now + Duration::from_millis(10);
            }
        }
    }

    #[test]
    fn garbage_packets_are_counted_and_never_panic(
        payloads in proptest::collection::vec(any::<Vec<u8>>(), 1..60),
    ) {
        let mut playout = Playout::new(Stamps::Arrival).unwrap();
        let mut into = [0; PERIOD_SAMPLES];
        for (n, payload) in (0..).zip(payloads) {
            let now = Time::from_micros(u64::from(n) * 20_000);
            playout.push(packet(n, payload), now);
            playout.pull(&mut into, now, |_| {});
            playout.pull(&mut into, now + Duration::from_millis(10), |_| {});
        }
    }
}
