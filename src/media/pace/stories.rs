//! The pace on lines as they are: what the issue demands of pictures and voice, minute by minute.

use std::time::Duration;

use proptest::prelude::*;

use super::ladder::{Order, STILLS, VOICE_ONLY};
use super::simulated::{Conditions, Scene, Story, film};
use super::{NEVER_OVER, Pace};
use crate::clock::Time;
use crate::frame::Size;
use crate::quality::Quality;

const FULL: Quality = Quality::Full;
/// 15 pictures of 20 kB a second: 2.4 Mbit/s.
const KIOSK: Scene = Scene { size: Size::new(640, 360), fps: 15, bytes: 20_000.0 };
/// 30 pictures of 33 kB a second: 8 Mbit/s.
const LARGE: Scene = Scene { size: Size::new(640, 480), fps: 30, bytes: 33_000.0 };

fn told(name: &str, story: &Story, from: u64, to: u64) {
    println!(
        "{name}, {from}-{to} s: pictures p50 {:.0} p95 {:.0} ms, {:.1} fps; voice p50 {:.0} p95 {:.0} \
         p99 {:.0} ms; {} changes of rung",
        story.age(from, to, 50),
        story.age(from, to, 95),
        story.fps(from, to),
        story.voice(from, to, 50),
        story.voice(from, to, 95),
        story.voice(from, to, 99),
        story.changes(from, to),
    );
    for second in from..to {
        let at = |ms: &f64| *ms >= 1e3 * second as f64;
        if let Some((_, rung, rate)) = story.rungs.iter().find(|(ms, ..)| at(ms)) {
            print!(" {second}:{rung}/{:.0}", rate / 1e3);
        }
    }
    println!();
}

fn falls_and_rises(loss: f64) -> Story {
    film(KIOSK, 60, FULL, |ms| {
        let mbit = if (10_000..40_000).contains(&ms) { 0.6 } else { 3.0 };
        Conditions { loss, ..Conditions::of(mbit) }
    })
}

#[test]
fn a_line_that_falls_from_3_to_06_mbit_and_rises_again_keeps_pictures_fresh() {
    let story = falls_and_rises(0.0);
    told("3 -> 0.6 -> 3", &story, 0, 60);
    told("3 -> 0.6 -> 3", &story, 10, 40);
    assert!(story.age(10, 40, 95) <= 250.0);
    assert!(story.fps(10, 40) >= 12.0);
    assert!(story.voice(10, 40, 95) <= 120.0);
    assert!(story.back_at(0, 40) <= 10.0);
}

#[test]
fn with_one_segment_in_a_hundred_lost_it_is_a_little_worse() {
    let story = falls_and_rises(0.01);
    told("with 1 % loss", &story, 10, 40);
    told("with 1 % loss", &story, 0, 60);
    assert!(story.age(10, 40, 95) <= 300.0);
    assert!(story.voice(12, 40, 99) <= 420.0);
}

/// The middle and the largest.
fn spread(mut of: Vec<f64>) -> (f64, f64) {
    of.sort_by(f64::total_cmp);
    (of[of.len() / 2], of[of.len() - 1])
}

#[test]
fn wherever_in_a_picture_the_line_falls_voice_waits_for_less_than_a_second() {
    for (loss, voice_p95) in [(0.0, 120.0), (0.01, 220.0)] {
        let falls = |shift: u64| {
            film(KIOSK, 31, FULL, move |ms| {
                let mbit = if ms >= 10_000 + shift { 0.6 } else { 3.0 };
                Conditions { loss, ..Conditions::of(mbit) }
            })
        };
        let stories: Vec<Story> = (0..12).map(|shift| falls(7 * shift)).collect();
        let (middle, worst) = spread(stories.iter().map(|it| it.voice(10, 30, 95)).collect());
        let (fps, _) = spread(stories.iter().map(|it| it.fps(10, 30)).collect());
        println!("falls with {loss}: voice p95 {middle:.0} to {worst:.0} ms, {fps:.1} fps");
        assert!(middle <= voice_p95 && worst <= 700.0, "{loss}: {middle} to {worst} ms");
        assert!(fps >= 12.0);
    }
}

#[test]
fn eight_megabits_on_a_line_of_four_leave_voice_alone() {
    let story = film(LARGE, 70, FULL, |_| Conditions::of(4.0));
    told("8 on 4", &story, 0, 10);
    told("8 on 4", &story, 10, 70);
    assert!(story.voice(10, 70, 99) <= 60.0);
    assert!(story.age(10, 70, 95) <= 100.0);
    assert!(story.fps(10, 70) >= 15.0);
}

#[test]
fn at_150_kbit_voice_flows_and_stills_arrive() {
    let story = film(KIOSK, 60, FULL, |_| Conditions::of(0.15));
    told("0.15", &story, 10, 60);
    assert!(story.fps(10, 60) >= 0.4);
    assert!(story.voice(10, 60, 95) <= 250.0);
    assert!(story.rungs.iter().skip(300).all(|(_, rung, _)| (5..VOICE_ONLY).contains(rung)));
}

#[test]
fn after_a_cut_of_five_seconds_the_top_is_back_within_ten() {
    let cut = |ms: u64| Conditions::of(if (10_000..15_000).contains(&ms) { 1e-6 } else { 10.0 });
    let story = film(KIOSK, 40, FULL, cut);
    told("a cut", &story, 8, 30);
    assert!(story.back_at(0, 15) <= 10.0);
    assert!(story.fps(17, 40) >= 13.0);
    assert!(story.age(20, 40, 95) <= 150.0);
}

#[test]
fn stalls_of_200_ms_do_not_take_the_picture_down() {
    let stalls = |ms: u64| Conditions { stalled: ms % 5000 < 200, ..Conditions::of(6.0) };
    let story = film(KIOSK, 60, FULL, stalls);
    told("stalls", &story, 10, 60);
    let at_top = story.rungs.iter().filter(|(ms, rung, _)| *ms >= 1e4 && *rung <= 1).count();
    assert!(at_top * 10 >= 9 * 50 * 15, "{at_top}");
    assert!(story.fps(10, 60) >= 13.0);
}

#[test]
fn hiccups_of_a_busy_machine_do_not_add_up() {
    // Nothing moves for 30 to 90 ms, once or twice a second.
    let hiccup = |ms: u64| (ms % 733 < 60) || (ms % 1171 < 90) || (ms % 1999 < 30);
    let at = |ms| Conditions { stalled: hiccup(ms), ..Conditions::of(4.0) };
    let story = film(LARGE, 70, FULL, at);
    told("hiccups", &story, 10, 70);
    assert!(story.fps(10, 70) >= 20.0);
    assert!(story.rungs.iter().all(|(ms, rung, _)| *ms < 10_000.0 || *rung <= 4));
    let story =
        film(KIOSK, 70, FULL, |ms| Conditions { stalled: hiccup(ms), ..Conditions::of(0.6) });
    told("hiccups on 0.6", &story, 10, 70);
    assert!(story.fps(10, 70) >= 11.0);
    assert!(story.age(10, 70, 95) <= 300.0);
}

#[test]
fn hiccups_on_a_fast_line_are_no_thin_line() {
    let hiccup = |ms: u64| (ms % 733 < 60) || (ms % 1171 < 90) || (ms % 1999 < 30);
    let at = |ms| Conditions { delay_ms: 1, stalled: hiccup(ms), ..Conditions::of(200.0) };
    let story = film(LARGE, 70, FULL, at);
    told("hiccups on a fast line", &story, 10, 70);
    assert!(story.age(10, 70, 50) <= 4.0);
    assert!(story.fps(10, 70) >= 27.0);
}

#[test]
fn a_line_that_breathes_is_followed_without_ups_and_downs_of_size() {
    let breath = |ms: u64| 1.5 + 0.6 * (ms as f64 / 4000.0 * std::f64::consts::TAU).sin();
    let story = film(KIOSK, 90, FULL, |ms| Conditions::of(breath(ms)));
    told("breath", &story, 10, 90);
    assert!(story.age(10, 90, 95) <= 250.0);
    assert!(story.voice(10, 90, 95) <= 120.0);
    assert!(story.changes(30, 90) <= 20);
}

#[test]
fn jitter_alone_is_no_congestion() {
    let story = film(KIOSK, 60, FULL, |_| Conditions { jitter_ms: 30.0, ..Conditions::of(8.0) });
    told("jitter", &story, 10, 60);
    assert!(story.rungs.iter().all(|(ms, rung, _)| *ms < 10_000.0 || *rung <= 2));
    assert!(story.fps(10, 60) >= 13.0);
}

#[test]
fn on_a_fast_line_pictures_are_full_within_two_seconds_and_nothing_is_held_back() {
    let fast = |_| Conditions { delay_ms: 1, ..Conditions::of(200.0) };
    let story = film(LARGE, 20, FULL, fast);
    told("fast", &story, 0, 20);
    assert!(story.back_at(0, 0) <= 1.7, "{}", story.back_at(0, 0));
    assert!(story.age(3, 20, 99) <= 4.0);
    assert!(story.fps(3, 20) >= 29.5);
}

#[test]
fn the_first_picture_goes_at_once_and_no_opening_makes_voice_wait() {
    for mbit in [0.3, 0.6, 1.0, 3.0, 10.0] {
        let story = film(KIOSK, 10, FULL, |_| Conditions::of(mbit));
        told(&format!("opening {mbit}"), &story, 0, 10);
        assert!(story.pictures[0].at_ms < 250.0);
        assert!(story.voice(0, 10, 100) <= 300.0);
    }
}

#[test]
fn nothing_grows_in_ten_minutes_on_a_thin_line() {
    let story = film(KIOSK, 600, FULL, |_| Conditions::of(0.6));
    told("ten minutes", &story, 30, 60);
    assert!(story.unacknowledged <= NEVER_OVER);
    for minute in 1..10 {
        let (from, to) = (60 * minute, 60 * minute + 60);
        assert!(story.age(from, to, 95) <= 250.0 && story.fps(from, to) >= 12.0, "{minute}");
    }
}

#[test]
fn a_ceiling_of_voice_only_sends_no_picture() {
    assert!(film(KIOSK, 10, Quality::VoiceOnly, |_| Conditions::of(10.0)).pictures.is_empty());
}

fn at(ms: u64) -> Time {
    Time::from_micros(10_000_000 + ms * 1000)
}

#[test]
fn before_the_first_word_two_pictures_go_and_the_third_waits() {
    let mut pace = Pace::new(KIOSK.size, 75);
    for (sequence, ms) in [(0, 0), (1, 100)] {
        let order = pace.order(FULL, at(ms)).unwrap();
        pace.sent(sequence, &order, 3000, at(ms));
    }
    assert_eq!(pace.order(FULL, at(200)), None);
    assert_eq!(pace.acknowledged(0, at(240), at(240)), Some(Duration::from_millis(240)));
    assert_eq!(pace.acknowledged(77, at(240), at(240)), None);
    assert_eq!(pace.acknowledged(1, at(250), at(250)), Some(Duration::from_millis(150)));
    assert_eq!(pace.acknowledged(0, at(251), at(251)), None);
    assert!(pace.order(FULL, at(260)).is_some());
}

#[test]
fn what_a_picture_made_once_more_has_cost_is_known_at_the_quality_it_had() {
    let mut pace = Pace::new(KIOSK.size, 75);
    let first = Order { quality: 60, ..pace.order(FULL, at(0)).unwrap() };
    let budget = first.budget.unwrap();
    let quality = pace.another_try(&first, 3 * budget / 2).unwrap();
    let mut as_it_was = pace.clone();
    as_it_was.sent(0, &first, 3 * budget / 2, at(0));
    pace.sent(0, &Order { quality, ..first }, budget, at(0));
    let (wanted, known) = (as_it_was.ladder.full_bytes(), pace.ladder.full_bytes());
    assert!(known.abs_diff(wanted) * 10 < wanted, "{known} is no {wanted} bytes");
}

#[test]
fn silence_leaves_a_still_every_two_seconds_and_then_says_that_there_is_only_the_voice() {
    let mut pace = Pace::new(KIOSK.size, 75);
    let mut sent = Vec::new();
    for ms in (0..20_000).step_by(66) {
        pace.taken(at(ms));
        if let Some(order) = pace.order(FULL, at(ms)) {
            pace.sent(sent.len() as u32, &order, 3000, at(ms));
            sent.push(ms);
        }
    }
    assert!((8..=13).contains(&sent.len()), "{sent:?}");
    assert_eq!((pace.rung(), pace.lost()), (VOICE_ONLY, sent.len() as u64 - 1));
    let last = sent.len() as u32 - 1;
    pace.acknowledged(last, at(20_000), at(20_000));
    assert!(pace.rung() < STILLS);
}

proptest! {
    #[test]
    fn never_more_than_six_are_under_way_and_the_gate_never_stays_shut(
        steps in prop::collection::vec((0u64..200, 0u8..4, 100usize..60_000), 0..400),
    ) {
        let (mut pace, mut now, mut next) = (Pace::new(KIOSK.size, 75), 0, 0u32);
        let mut gone = 0;
        for (wait, word, bytes) in steps {
            now += wait;
            pace.taken(at(now));
            match pace.order(FULL, at(now)) {
                Some(order) => {
                    prop_assert!(order.budget.is_none_or(|budget| budget > 0));
                    pace.sent(next, &order, bytes, at(now));
                    next += 1;
                    gone = now;
                }
                // The slowest rung is one in ten seconds; a long picture may be on its way besides.
                None => prop_assert!(now - gone <= 45_000, "shut for {} ms", now - gone),
            }
            prop_assert!(pace.unacknowledged.len() <= NEVER_OVER);
            if word == 0 && next > 0 {
                pace.acknowledged(next - 1, at(now), at(now));
            }
        }
    }

    #[test]
    fn words_of_times_that_cannot_be_never_panic(
        words in prop::collection::vec((0u64..200, any::<u64>(), any::<u32>()), 0..200),
    ) {
        let (mut pace, mut now) = (Pace::new(KIOSK.size, 75), 0);
        for (sequence, (wait, arrived, wild)) in (0u32..).zip(words) {
            now += wait;
            pace.taken(at(now));
            if let Some(order) = pace.order(FULL, at(now)) {
                pace.sent(sequence, &order, 3000, at(now));
            }
            pace.acknowledged(wild, Time::from_micros(arrived), at(now));
            pace.acknowledged(sequence, Time::from_micros(arrived), at(now));
            prop_assert!(pace.rate().is_none_or(f64::is_finite));
        }
    }
}

#[test]
fn a_line_that_was_wide_and_gets_half_of_what_is_offered_leaves_voice_alone_within_a_second() {
    let story = film(LARGE, 70, FULL, |ms| Conditions::of(if ms < 10_000 { 100.0 } else { 4.0 }));
    told("100 -> 4", &story, 10, 70);
    assert!(story.voice(10, 70, 99) <= 60.0 && story.voice(11, 70, 100) <= 80.0);
    assert!(story.fps(10, 70) >= 25.0);
}
