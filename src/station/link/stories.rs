//! What a station's link lives through, told one by one.

use super::*;

const PATIENCE: Duration = Duration::from_secs(4);

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

fn sent(sequence: u16) -> Event {
    Event::Sent { sequence }
}

fn answered(sequence: u16) -> Event {
    Event::Answered { sequence }
}

/// A link that came up at 0.
fn online() -> Link {
    up(Link::new(PATIENCE))
}

fn online_by_udp() -> Link {
    up(Link::over_udp(PATIENCE))
}

fn up(mut link: Link) -> Link {
    assert_eq!(link.handle(Event::Start, at(0), 0.0), Some(Effect::Connect));
    assert_eq!(link.handle(Event::Connected, at(0), 0.0), None);
    assert_eq!(link.state(), State::Online);
    link
}

/// The pause after what has just happened at `now`.
fn pause(link: &Link, now: Time) -> Duration {
    match link.state() {
        State::Backoff { until } => until.since(now),
        other => panic!("no pause in {other:?}"),
    }
}

#[test]
fn the_first_answer_makes_it_streaming_and_tells_the_round_trip() {
    let mut link = online();
    link.handle(sent(7), at(20), 0.0);
    link.handle(sent(8), at(40), 0.0);
    let trip = Duration::from_millis(30);
    assert_eq!(link.handle(answered(7), at(50), 0.0), Some(Effect::Answer(Some(trip))));
    assert_eq!(link.state(), State::Streaming);
}

#[test]
fn an_answer_is_young_by_the_difference_over_every_wrap() {
    for last in [0, 1, 499, 500, 501, 32_767, 65_535] {
        let mut link = online();
        link.handle(sent(last), at(20), 0.0);
        let mut answer = |age: u16| {
            let sequence = last.wrapping_sub(age);
            link.handle(answered(sequence), at(30), 0.0) != Some(Effect::Stale)
        };
        assert_eq!([0, 1, 500].map(&mut answer), [true; 3], "{last}");
        assert_eq!([501, 1000, 40_000, 65_535].map(&mut answer), [false; 4], "{last}");
    }
}

#[test]
fn a_stale_answer_is_no_sign_of_life() {
    let mut link = online();
    link.handle(sent(1000), at(0), 0.0);
    assert_eq!(link.handle(answered(400), at(4000), 0.0), Some(Effect::Stale));
    for second in 1..5 {
        link.handle(sent(1000 + second), at(u64::from(second) * 1000), 0.0);
    }
    let effect = link.handle(Event::Wake, at(5000), 0.0);
    assert_eq!(effect, Some(Effect::Disconnect(Dead::Silent)));
}

#[test]
fn a_line_that_is_cut_is_noticed_five_seconds_after_what_it_swallowed() {
    let mut link = online();
    for turn in 0..100_u16 {
        link.handle(sent(turn), at(u64::from(turn) * 20), 0.0);
    }
    assert_eq!(link.wake_at(), None, "we would have to go on");
    link.handle(answered(99), at(2000), 0.0);
    assert_eq!(link.wake_at(), None, "nothing is unanswered");
    for turn in 100..350_u16 {
        link.handle(sent(turn), at(20 + u64::from(turn) * 20), 0.0);
    }
    assert_eq!(link.handle(Event::Wake, at(7019), 0.0), None);
    let effect = link.handle(Event::Wake, at(7020), 0.0);
    assert_eq!(effect, Some(Effect::Disconnect(Dead::Silent)));
}

#[test]
fn a_microphone_that_falls_silent_between_two_answers_restarts_nothing() {
    // The server answers once a second; the microphone goes at any point in between.
    for last in [150, 151, 175, 199] {
        for mut link in [online(), online_by_udp()] {
            let mut talk = |from: u64, to: u16| {
                for turn in 0..=to {
                    let now = at(from + u64::from(turn) * 20);
                    link.handle(sent(turn), now, 0.0);
                    if turn % 50 == 0 {
                        assert!(matches!(
                            link.handle(answered(turn), now, 0.0),
                            Some(Effect::Answer(_))
                        ));
                    }
                    assert_eq!(link.handle(Event::Wake, now, 0.0), None);
                }
            };
            talk(0, last);
            // Whether somebody sleeps until `wake_at` or not.
            for second in 4..3600 {
                assert_eq!(link.handle(Event::Wake, at(second * 1000), 0.0), None, "{last}");
            }
            assert_eq!(link.wake_at(), None);
            let mut talk = |from: u64| {
                for turn in 0..500_u16 {
                    let now = at(from + u64::from(turn) * 20);
                    link.handle(sent(turn), now, 0.0);
                    if let Some(effect) = link.handle(Event::Wake, now, 0.0) {
                        return Some((effect, turn));
                    }
                }
                None
            };
            let dead = Some((Effect::Disconnect(Dead::Silent), 250));
            assert_eq!(talk(4_000_000), dead, "from its first word on it counts again");
        }
    }
}

#[test]
fn a_server_by_udp_that_never_answers_keeps_its_line_and_is_looked_up_now_and_then() {
    let mut link = online_by_udp();
    let mut looked_up = Vec::new();
    for turn in 0..3000_u16 {
        let now = at(u64::from(turn) * 20);
        link.handle(sent(turn), now, 0.0);
        if let Some(effect) = link.handle(Event::Wake, now, 0.0) {
            looked_up.push((effect, turn / 50));
        }
    }
    assert_eq!(looked_up, [15, 30, 45].map(|second| (Effect::LookUp, second)));
    assert_eq!(link.state(), State::Online);
}

#[test]
fn a_login_that_was_taken_is_no_refused_one_any_more() {
    let mut link = Link::new(PATIENCE);
    link.handle(Event::Start, at(0), 0.0);
    link.handle(Event::Failed { refused: true }, at(0), 0.0);
    assert_eq!(pause(&link, at(0)), REFUSED);
    link.handle(Event::Wake, at(60_000), 0.0);
    link.handle(Event::Connected, at(60_000), 0.0);
    link.handle(Event::Lost, at(60_001), 0.0);
    assert_eq!(pause(&link, at(60_001)), PAUSES[1]);
}

#[test]
fn a_link_to_a_mute_server_that_lasted_was_a_good_one() {
    let mut link = online();
    let mut now = at(0);
    for _ in 0..6 {
        for turn in 0..11 {
            link.handle(sent(turn), now, 0.0);
            link.handle(Event::Acknowledged, now, 0.0);
            now = now + Duration::from_secs(1);
        }
        link.handle(Event::Lost, now, 0.0);
        assert_eq!(pause(&link, now), PAUSES[0]);
        now = link.wake_at().unwrap();
        link.handle(Event::Wake, now, 0.0);
        link.handle(Event::Connected, now, 0.0);
    }
}

#[test]
fn a_server_that_answers_nobody_is_believed_as_long_as_its_machine_acknowledges() {
    let mut link = online();
    for second in 0..3600 {
        link.handle(sent(second), at(u64::from(second) * 1000), 0.0);
        link.handle(Event::Acknowledged, at(u64::from(second) * 1000 + 1), 0.0);
        assert_eq!(link.handle(Event::Wake, at(u64::from(second) * 1000 + 900), 0.0), None);
    }
    assert_eq!(link.state(), State::Online);
}

#[test]
fn a_server_that_has_stopped_to_answer_is_left_though_its_machine_acknowledges() {
    let mut link = online();
    link.handle(sent(0), at(0), 0.0);
    link.handle(answered(0), at(1), 0.0);
    let mut given_up = None;
    for second in 1..60 {
        link.handle(sent(second), at(u64::from(second) * 1000), 0.0);
        link.handle(Event::Acknowledged, at(u64::from(second) * 1000 + 1), 0.0);
        if let Some(effect) = link.handle(Event::Wake, at(u64::from(second) * 1000 + 2), 0.0) {
            given_up.get_or_insert((second, effect));
        }
    }
    assert_eq!(given_up, Some((16, Effect::Disconnect(Dead::Hung))));
}

#[test]
fn a_line_that_takes_nothing_is_dropped() {
    let mut link = online();
    link.handle(Event::Offered, at(100), 0.0);
    link.handle(Event::Offered, at(3000), 0.0);
    let effect = link.handle(Event::Wake, at(4100), 0.0);
    assert_eq!(effect, Some(Effect::Disconnect(Dead::Stuck)));
}

#[test]
fn pauses_grow_from_half_a_second_to_eight_and_start_over_after_a_good_link() {
    for (jitter, first, last) in [(0.0, 500, 6000), (1.0, 666, 8000)] {
        let mut link = Link::new(PATIENCE);
        let mut now = at(0);
        link.handle(Event::Start, now, jitter);
        let mut pauses = Vec::new();
        for _ in 0..20 {
            link.handle(Event::Failed { refused: false }, now, jitter);
            pauses.push(pause(&link, now).as_millis());
            now = link.wake_at().unwrap();
            assert_eq!(link.handle(Event::Wake, now, jitter), Some(Effect::Connect));
        }
        assert_eq!((pauses[0], pauses[19]), (first, last), "{pauses:?}");
        assert!(pauses.is_sorted());
        link.handle(Event::Connected, now, jitter);
        link.handle(sent(1), now, jitter);
        link.handle(answered(1), now, jitter);
        link.handle(Event::Lost, now + GOOD, jitter);
        assert_eq!(pause(&link, now + GOOD).as_millis(), first);
    }
}

#[test]
fn a_server_that_takes_us_and_throws_us_out_does_not_set_the_pace() {
    let mut link = online();
    let mut now = at(0);
    for _ in 0..10 {
        link.handle(Event::Lost, now, 0.0);
        now = link.wake_at().unwrap();
        link.handle(Event::Wake, now, 0.0);
        link.handle(Event::Connected, now, 0.0);
    }
    link.handle(Event::Lost, now, 0.0);
    assert_eq!(pause(&link, now), PAUSES[4]);
}

#[test]
fn a_refused_login_is_tried_once_a_minute_and_ever_less_often() {
    let mut link = Link::new(PATIENCE);
    link.handle(Event::Start, at(0), 0.0);
    let pauses = [(); 6].map(|()| {
        link.handle(Event::Failed { refused: true }, at(0), 0.0);
        let pause = pause(&link, at(0)).as_secs();
        link.handle(Event::Wake, at(0) + Duration::from_secs(pause), 0.0);
        link.since = at(0);
        pause
    });
    assert_eq!(pauses, [60, 120, 240, 480, 900, 900]);
}

#[test]
fn an_attempt_without_an_end_is_given_up() {
    let mut link = Link::new(PATIENCE);
    link.handle(Event::Start, at(0), 0.0);
    assert_eq!(link.wake_at(), Some(at(4000)));
    let effect = link.handle(Event::Wake, at(4000), 0.0);
    assert_eq!(effect, Some(Effect::Disconnect(Dead::Late)));
    assert_eq!(pause(&link, at(4000)), PAUSES[0]);
}
