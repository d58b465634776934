//! How good the play-out is on each line, and an hour of two cards that do not count alike.

use super::traces::{Line, trace};
use super::*;

/// The mean of three minutes on a line.
fn tried(line: Line, frame_ms: u32) -> Quality {
    let minute = |seed| {
        let trace = trace(line, 60, u64::from(frame_ms) * 1000, seed);
        run(&trace, frame_ms, Cards::default()).unwrap()
    };
    let all = [1, 2, 3].map(minute);
    let mean = |of: fn(&Quality) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    let quality = Quality {
        added_mean_ms: mean(|quality| quality.added_mean_ms),
        added_p95_ms: mean(|quality| quality.added_p95_ms),
        concealed: mean(|quality| quality.concealed),
        stretched: mean(|quality| quality.stretched),
        rating: mean(|quality| quality.rating),
    };
    println!("{:22} {frame_ms} {quality:?}", line.name());
    quality
}

/// Less delay, fewer holes and a better rating than these.
fn is_at_least(line: Line, frame_ms: u32, mean: f64, p95: f64, concealed: f64, rating: f64) {
    let quality = tried(line, frame_ms);
    assert!(quality.added_mean_ms <= mean, "{line:?}: {quality:?}");
    assert!(quality.added_p95_ms <= p95, "{line:?}: {quality:?}");
    assert!(quality.concealed <= concealed, "{line:?}: {quality:?}");
    assert!(quality.rating >= rating, "{line:?}: {quality:?}");
}

#[test]
fn a_clean_line_is_heard_at_once_and_whole() {
    is_at_least(Line::Lan, 20, 5.0, 5.0, 0.0, 91.0);
    is_at_least(Line::Lan, 10, 5.0, 5.0, 0.0, 91.0);
}

#[test]
fn a_radio_that_sleeps_costs_a_beacon_and_hardly_a_word() {
    is_at_least(Line::WifiSaving, 20, 110.0, 130.0, 0.5, 88.0);
    is_at_least(Line::WifiSaving, 10, 110.0, 130.0, 0.8, 87.0);
}

#[test]
fn a_cell_and_its_hand_overs_are_smoothed() {
    is_at_least(Line::Cellular, 20, 56.0, 115.0, 0.8, 87.0);
    is_at_least(Line::Cellular, 10, 56.0, 115.0, 0.9, 86.5);
}

#[test]
fn what_is_sent_again_comes_in_time_most_often() {
    is_at_least(Line::LossyTcp, 20, 115.0, 190.0, 1.3, 84.0);
}

#[test]
fn stalls_that_come_again_and_again_are_waited_for() {
    is_at_least(Line::Stalls, 20, 180.0, 220.0, 2.0, 74.0);
}

#[test]
fn a_queue_that_grows_is_stretched_in_and_nothing_of_it_stays() {
    // The queue itself is 300 ms.
    is_at_least(Line::Overload, 20, 100.0, 345.0, 0.4, 88.0);
}

#[test]
fn after_a_second_without_trouble_an_overload_is_forgotten() {
    let trace: Vec<_> = trace(Line::Overload, 30, 20_000, 1);
    let mut playout = Playout::new(Stamps::Captured).unwrap();
    let speech = speech(20).unwrap();
    let (mut into, mut arrivals) = ([0; PERIOD_SAMPLES], trace.iter().peekable());
    let mut latencies = Vec::new();
    for now in (0..30_000_000).step_by(10_000) {
        while let Some(packet) = arrivals.next_if(|packet| packet.arrived <= now) {
            playout.push(
                Packet {
                    kind: PacketKind::Voice,
                    sequence: packet.sequence,
                    captured: Time::from_micros(packet.captured),
                    after_gap: false,
                    payload: speech[packet.sequence as usize % speech.len()].clone(),
                },
                Time::from_micros(packet.arrived),
            );
        }
        playout.pull(&mut into, Time::from_micros(now), |_| {});
        let captured = playout.next_captured().map_or(now, Time::micros);
        latencies.push((now + 10_000).saturating_sub(captured) / 1000);
    }
    // The queue begins to run off at 18.0 s and is gone at 18.5.
    assert!(latencies[1790] > 300, "{}", latencies[1790]);
    assert!(latencies[2050] < 90, "two seconds later it is still {} ms", latencies[2050]);
}

#[test]
fn an_hour_of_cards_that_do_not_count_alike_has_no_gap_and_no_growing_delay() {
    let patience = 8_000;
    let cards = |microphone, speaker| Cards { microphone, speaker, patience };
    for (seconds, cards) in [
        (3600, cards(200.0, 0.0)),
        (3600, cards(0.0, 1000.0)),
        (300, cards(-150.0, 50.0)),
        (300, cards(600.0, -400.0)),
    ] {
        let quality = run(&trace(Line::Lan, seconds, 20_000, 1), 20, cards).unwrap();
        println!("{cards:?} {quality:?}");
        assert_eq!(quality.concealed, 0.0, "{cards:?}");
        // While the drift is not known yet, cuts make good for it.
        assert!(quality.stretched < 36.0 / seconds as f64, "{quality:?}");
        assert!(quality.added_p95_ms < 20.0, "{quality:?}");
    }
}
