//! What the resident reads and hears, and the other end is told, when the line is bad, gone or dear.

use std::time::Duration;

use super::budget::{Budget, Tally};
use super::core::{Core, Effect, Event, Prompt};
use super::facts::News;
use super::pictures::Report;
use super::stories::{ANNA, answered, at, in_call, kiosk_that, kiosk_with, page, said};
use super::words;
use crate::clock::Time;
use crate::quality::Quality;
use crate::ui::screen::{Command, Line, Page};
use crate::usage::{Month, Usage};
use crate::wire::signal::Signal;

fn ms(ms: u64) -> Time {
    Time::from_micros(ms * 1000)
}

/// What stands instead of the picture, the notice, and the line in a word.
fn reads(core: &Core, now: Time) -> (Option<String>, Option<String>, Line) {
    let Page::InCall { no_picture, notice, line, .. } = page(core, now) else { panic!("no call") };
    (no_picture, notice, line)
}

/// The workers' second: a picture of theirs was just shown, ours are so good.
fn news(core: &mut Core, quality: Quality, now: Time) -> Vec<Effect> {
    let (picture, voice) = (Some(now), Some(now));
    core.handle(Event::News(News { picture, voice, quality, ..News::default() }), now)
}

/// Their voice comes; nothing else has changed.
fn heard(core: &mut Core, now: Time) {
    let news = News { voice: Some(now), ..core.news().clone() };
    core.handle(Event::News(news), now);
}

fn report(quality: Quality, takes: Quality) -> Effect {
    Effect::Report(ANNA, Report { quality, takes })
}

fn anna_reports(core: &mut Core, quality: Quality, takes: Quality, now: Time) -> Vec<Effect> {
    said(core, ANNA, Signal::Report { shown: 1, voice: 1, quality, takes }, now)
}

#[test]
fn a_class_of_quality_is_told_once_and_again_on_every_new_link() {
    let mut core = in_call();
    assert_eq!(news(&mut core, Quality::Full, at(10)), []);
    let slower = report(Quality::Slower, Quality::Full);
    assert_eq!(news(&mut core, Quality::Slower, at(11)), [slower]);
    assert_eq!(news(&mut core, Quality::Slower, at(12)), []);
    core.handle(Event::PeerDown(ANNA, None), at(13));
    // Nobody is there to hear it.
    assert_eq!(news(&mut core, Quality::Stills, at(14)), []);
    let effects = core.handle(Event::PeerUp(ANNA), at(15));
    // What was measured was measured on the line before.
    assert!(effects.contains(&report(Quality::Full, Quality::Full)), "{effects:?}");
    said(&mut core, ANNA, Signal::Resume { call: 7 }, at(15));
    assert_eq!(news(&mut core, Quality::Stills, at(16)), []);
    assert_eq!(news(&mut core, Quality::Stills, at(18)), [report(Quality::Stills, Quality::Full)]);
}

#[test]
fn pictures_that_begin_small_are_no_news_and_nothing_is_said_at_rest() {
    let mut core = in_call();
    assert_eq!(news(&mut core, Quality::Smaller, at(3)), []);
    assert_eq!(reads(&core, at(3)).2, Line::Good);
    assert_eq!(news(&mut core, Quality::Stills, at(4)), []);
    let effects = news(&mut core, Quality::Smaller, at(5));
    assert_eq!(effects, [report(Quality::Smaller, Quality::Full)]);
    core.handle(Event::Touched(Command::HangUp), at(7));
    assert_eq!(news(&mut core, Quality::Full, at(8)), []);
}

#[test]
fn what_they_report_is_the_word_and_the_words_of_the_page() {
    let mut core = in_call();
    let cases = [
        (Quality::Full, Line::Good, None),
        (Quality::Smaller, Line::Slow, None),
        (Quality::Slower, Line::Slow, None),
        (Quality::Stills, Line::Stills, None),
        (Quality::VoiceOnly, Line::VoiceOnly, Some(words::TOO_SLOW.to_owned())),
    ];
    for (quality, line, instead) in cases {
        anna_reports(&mut core, quality, Quality::Full, at(10));
        news(&mut core, Quality::Full, at(10));
        assert_eq!(reads(&core, at(10)), (instead, None, line), "{quality:?}");
    }
    assert_eq!(core.pictures().worst(), Quality::VoiceOnly);
}

#[test]
fn a_still_every_two_seconds_is_not_frozen_and_a_missing_one_is() {
    let mut core = in_call();
    anna_reports(&mut core, Quality::Stills, Quality::Full, at(10));
    news(&mut core, Quality::Full, at(10));
    assert_eq!(reads(&core, at(14)), (None, None, Line::Stills));
    heard(&mut core, at(14));
    let (instead, _, line) = reads(&core, at(15));
    assert_eq!((instead, line), (Some(words::frozen("Anna")), Line::VoiceOnly));
}

#[test]
fn nobody_is_told_to_talk_where_nothing_is_heard_either() {
    let mut core = in_call();
    news(&mut core, Quality::Full, at(10));
    heard(&mut core, at(11));
    assert_eq!(reads(&core, at(12)), (None, None, Line::Good));
    let gone = (Some(words::LINE_GONE.to_owned()), None, Line::Reconnecting);
    assert_eq!(reads(&core, at(13)), gone);
    // Ours do not get through either: nobody hears that they can hear us.
    core.handle(Event::News(News { quality: Quality::VoiceOnly, ..core.news().clone() }), at(14));
    assert_eq!(reads(&core, at(14)), gone);
    heard(&mut core, at(15));
    assert_eq!(reads(&core, at(15)).0, Some(words::frozen("Anna")));
    // Without a loudspeaker of ours nothing would be heard on the best line.
    let speaker = Some("it was unplugged".to_owned());
    core.handle(Event::News(News { speaker, ..core.news().clone() }), at(20));
    assert_eq!(reads(&core, at(20)).0, Some(words::frozen("Anna")));
}

#[test]
fn pictures_that_come_back_are_waited_for_with_words() {
    let mut core = in_call();
    news(&mut core, Quality::Full, at(5));
    anna_reports(&mut core, Quality::VoiceOnly, Quality::Full, at(6));
    assert_eq!(reads(&core, at(20)).0.as_deref(), Some(words::TOO_SLOW));
    anna_reports(&mut core, Quality::Stills, Quality::Full, at(21));
    assert_eq!(reads(&core, at(22)).0.as_deref(), Some(words::BACK));
    news(&mut core, Quality::Full, at(23));
    assert_eq!(reads(&core, at(23)).0, None);
}

#[test]
fn who_is_seen_no_more_and_still_sees_is_told() {
    let mut core = in_call();
    news(&mut core, Quality::VoiceOnly, at(10));
    let (instead, notice, line) = reads(&core, at(10));
    assert_eq!((instead, line), (None, Line::Slow));
    assert_eq!(notice, Some(words::we_are_unseen("Anna")));
    // Where neither is seen, one sentence says it.
    anna_reports(&mut core, Quality::VoiceOnly, Quality::Full, at(11));
    assert_eq!(reads(&core, at(11)).1, None);
    // Hidden: that is said already.
    anna_reports(&mut core, Quality::Full, Quality::Full, at(12));
    core.handle(Event::Touched(Command::Hide), at(12));
    assert_eq!(reads(&core, at(12)).1, None);
}

#[test]
fn a_lost_line_is_covered_said_aloud_once_and_asks_for_patience_after_ten_seconds() {
    let mut core = in_call();
    news(&mut core, Quality::Full, ms(9900));
    core.handle(Event::PeerDown(ANNA, None), at(10));
    assert_eq!(reads(&core, at(10)), (None, None, Line::Reconnecting));
    assert_eq!(core.deadline(), Some(at(11)));
    assert_eq!(core.handle(Event::Tick, at(11)), []);
    assert_eq!(reads(&core, at(11)).0.as_deref(), Some(words::LINE_GONE));
    assert_eq!(core.deadline(), Some(ms(11_500)));
    assert_eq!(core.handle(Event::Tick, ms(11_500)), [Effect::Say(Prompt::LineGone)]);
    assert_eq!(core.deadline(), Some(at(20)));
    assert_eq!(core.handle(Event::Tick, at(20)), []);
    assert_eq!(reads(&core, at(20)).0, Some(words::still_trying("Anna")));
    // Its own end is the call machine's: after a minute.
    assert_eq!(core.deadline(), Some(at(70)));

    core.handle(Event::PeerUp(ANNA), at(21));
    let effects = said(&mut core, ANNA, Signal::Resume { call: 7 }, at(21));
    assert!(effects.contains(&Effect::Hush), "{effects:?}");
    assert_eq!(reads(&core, at(21)), (Some(words::BACK.to_owned()), None, Line::Good));
    news(&mut core, Quality::Full, at(22));
    assert_eq!(reads(&core, at(22)), (None, None, Line::Good));
}

#[test]
fn the_next_call_says_aloud_at_once_what_this_one_has_just_said() {
    let mut core = in_call();
    core.handle(Event::PeerDown(ANNA, None), at(10));
    assert_eq!(core.handle(Event::Tick, ms(11_500)), [Effect::Say(Prompt::LineGone)]);
    core.handle(Event::Touched(Command::HangUp), at(12));
    core.handle(Event::PeerUp(ANNA), at(13));
    said(&mut core, ANNA, Signal::Invite { call: 8 }, at(13));
    core.handle(Event::Touched(Command::Answer), at(13));
    core.handle(Event::PeerDown(ANNA, None), at(14));
    assert_eq!(core.handle(Event::Tick, ms(15_500)), [Effect::Say(Prompt::LineGone)]);
}

#[test]
fn a_line_that_is_back_without_a_picture_says_so_after_a_while() {
    let mut core = in_call();
    core.handle(Event::PeerDown(ANNA, None), at(10));
    core.handle(Event::PeerUp(ANNA), at(20));
    said(&mut core, ANNA, Signal::Resume { call: 7 }, at(20));
    assert_eq!(reads(&core, at(22)).0, Some(words::awaited("Anna")));
    heard(&mut core, at(22));
    assert_eq!(reads(&core, at(23)).0, Some(words::frozen("Anna")));
}

#[test]
fn no_picture_stands_still_without_words_whatever_happens_to_line_and_quality() {
    // Every second something else happens; no picture ever comes after the tenth second.
    let events: [fn(&mut Core, Time); 7] = [
        |core, now| drop(core.handle(Event::PeerDown(ANNA, None), now)),
        |core, now| drop(core.handle(Event::PeerUp(ANNA), now)),
        |core, now| drop(said(core, ANNA, Signal::Resume { call: 7 }, now)),
        |core, now| drop(anna_reports(core, Quality::Stills, Quality::Full, now)),
        |core, now| drop(anna_reports(core, Quality::VoiceOnly, Quality::Full, now)),
        |core, now| drop(anna_reports(core, Quality::Full, Quality::VoiceOnly, now)),
        |core, now| drop(core.handle(Event::Touched(Command::Hide), now)),
    ];
    for seed in 0..200_u64 {
        let mut core = in_call();
        news(&mut core, Quality::Full, at(10));
        let mut dice = seed;
        for second in 11..60 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            events[(dice >> 33) as usize % events.len()](&mut core, at(second));
            if !matches!(page(&core, at(second)), Page::InCall { .. }) {
                break;
            }
            let (instead, _, _) = reads(&core, at(second) + Duration::from_millis(999));
            assert!(second < 15 || instead.is_some(), "seed {seed}, second {second}");
        }
    }
}

fn november() -> Month {
    Month::new(2026, 11).unwrap()
}

/// In a call on a metered network with `minutes` with pictures a month, of which `used` are gone.
fn metered(minutes: u64, used: u64) -> Core {
    let mut usage = Usage::default();
    usage.count(november()).picture_seconds = used * 60;
    let mut core = kiosk_with(Budget::new(usage, minutes, november()));
    assert_eq!(core.handle(Event::Metered(true), at(0)), [Effect::Metered(true)]);
    assert_eq!(core.handle(Event::Metered(true), at(0)), []);
    answered(core)
}

/// A second with pictures; what comes of it.
fn spend(core: &mut Core, second: u64) -> Vec<Effect> {
    news(core, Quality::Smaller, at(second));
    core.handle(Event::Spent(Tally { bytes: second * 9, picture_bytes: second }), at(second))
}

#[test]
fn a_metered_network_makes_both_ends_pictures_smaller_and_that_is_not_the_lines_fault() {
    let mut core = kiosk_with(Budget::new(Usage::default(), 0, november()));
    core.handle(Event::Metered(true), at(0));
    said(&mut core, ANNA, Signal::Invite { call: 7 }, at(1));
    let effects = core.handle(Event::Touched(Command::Answer), at(2));
    assert!(effects.contains(&Effect::Allow(Quality::Smaller)), "{effects:?}");
    assert!(effects.contains(&report(Quality::Full, Quality::Smaller)), "{effects:?}");
    news(&mut core, Quality::Smaller, at(10));
    anna_reports(&mut core, Quality::Smaller, Quality::Full, at(10));
    assert_eq!(reads(&core, at(10)), (None, None, Line::Good));
    anna_reports(&mut core, Quality::Slower, Quality::Full, at(11));
    assert_eq!(reads(&core, at(11)).2, Line::Slow);
    // It is unplugged from the phone and put on Wi-Fi.
    let effects = core.handle(Event::Metered(false), at(12));
    assert!(effects.contains(&Effect::Metered(false)), "{effects:?}");
    assert!(effects.contains(&Effect::Allow(Quality::Full)), "{effects:?}");
}

#[test]
fn what_they_may_not_pay_for_is_not_sent_to_them() {
    let mut core = in_call();
    news(&mut core, Quality::Full, at(10));
    let effects = anna_reports(&mut core, Quality::Smaller, Quality::Smaller, at(10));
    assert_eq!(effects, [Effect::Allow(Quality::Smaller)]);
    assert_eq!(reads(&core, at(10)), (None, None, Line::Good));
    let effects = anna_reports(&mut core, Quality::VoiceOnly, Quality::VoiceOnly, at(11));
    assert_eq!(effects, [Effect::Allow(Quality::VoiceOnly)]);
    let (instead, notice, line) = reads(&core, at(11));
    assert_eq!((instead.as_deref(), notice, line), (Some(words::TOO_DEAR), None, Line::VoiceOnly));
    // The next call knows nothing of it.
    core.handle(Event::Touched(Command::HangUp), at(12));
    said(&mut core, ANNA, Signal::Invite { call: 8 }, at(12));
    core.handle(Event::Touched(Command::Answer), at(12));
    assert_eq!(core.allowed(), Quality::Full);
    assert_eq!(news(&mut core, Quality::Full, at(13)), []);
}

#[test]
fn who_changes_its_mind_all_the_time_has_our_camera_set_anew_once_a_second() {
    let mut core = in_call();
    let mut better = 0;
    for tenth in 100..200 {
        let takes = if tenth % 2 == 0 { Quality::Slower } else { Quality::Full };
        let effects = anna_reports(&mut core, Quality::Full, takes, ms(tenth * 100));
        better += effects.iter().filter(|effect| **effect == Effect::Allow(Quality::Full)).count();
    }
    assert!((9..=11).contains(&better), "{better} times in ten seconds");
    // The last word counts, if nothing more is said.
    anna_reports(&mut core, Quality::Full, Quality::Slower, at(20));
    anna_reports(&mut core, Quality::Full, Quality::Full, at(20));
    news(&mut core, Quality::Full, at(21));
    assert_eq!(core.allowed(), Quality::Full);
}

#[test]
fn the_months_minutes_are_counted_down_in_words_and_then_voice_goes_on_alone() {
    let mut core = metered(8, 1);
    spend(&mut core, 3);
    assert_eq!(reads(&core, at(3)).1, Some(words::minutes_left(7)));
    assert_eq!(reads(&core, at(30)).1, None, "it was read");
    let mut paused = None;
    for second in 4..600 {
        let effects = spend(&mut core, second);
        if effects.contains(&Effect::Allow(Quality::VoiceOnly)) {
            assert!(effects.iter().any(|effect| matches!(effect, Effect::Report(..))));
            assert!(!effects.contains(&Effect::StopMedia));
            paused = Some(second);
            break;
        }
    }
    let paused = paused.expect("the minutes are used up");
    assert!((420..425).contains(&paused), "after {paused} s");
    let (instead, notice, line) = reads(&core, at(paused));
    assert_eq!((instead.as_deref(), notice, line), (Some(words::TOO_DEAR), None, Line::VoiceOnly));
    // Nothing is sent, and the workers at both ends say so.
    anna_reports(&mut core, Quality::VoiceOnly, Quality::Full, at(paused + 1));
    news(&mut core, Quality::VoiceOnly, at(paused + 1));
    assert_eq!(reads(&core, at(paused + 1)).0.as_deref(), Some(words::TOO_DEAR));
    // A new month, in the same call: the line was never too slow.
    let month = Month::new(2026, 12).unwrap();
    let effects = core.handle(Event::Month(month), at(paused + 5));
    assert!(effects.contains(&Effect::Allow(Quality::Smaller)), "{effects:?}");
    assert!(effects.contains(&report(Quality::Full, Quality::Smaller)), "{effects:?}");
    assert_eq!(reads(&core, at(paused + 5)), (Some(words::BACK.to_owned()), None, Line::Good));
    news(&mut core, Quality::Smaller, at(paused + 6));
    assert_eq!(reads(&core, at(paused + 6)), (None, None, Line::Good));
}

#[test]
fn a_call_without_minutes_starts_with_voice_and_words() {
    let core = metered(8, 8);
    assert_eq!(core.allowed(), Quality::VoiceOnly);
    let (instead, _, line) = reads(&core, at(2));
    assert_eq!((instead.as_deref(), line), (Some(words::TOO_DEAR), Line::VoiceOnly));
}

#[test]
fn what_a_call_cost_is_kept_every_ten_minutes_and_at_its_end() {
    let mut core = metered(0, 0);
    let mut kept = Vec::new();
    for second in 3..1300 {
        for effect in spend(&mut core, second) {
            if let Effect::KeepUsage(usage) = effect {
                kept.push((second, usage.of(november()).bytes));
            }
        }
    }
    assert_eq!(kept, [(602, 602 * 9), (1202, 1202 * 9)]);
    assert!(core.handle(Event::Touched(Command::HangUp), at(1300)).contains(&Effect::StopMedia));
    let last = Tally { bytes: 20_000, picture_bytes: 2000 };
    let effects = core.handle(Event::Spent(last), at(1300));
    let [Effect::KeepUsage(usage)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(usage.of(november()).bytes, 20_000);
    assert_eq!(usage.of(november()).metered_seconds, 1298);
}

#[test]
fn who_was_killed_and_calls_again_is_answered_when_the_old_calls_account_is_closed() {
    let mut core = kiosk_that(true, Budget::new(Usage::default(), 0, november()));
    assert_eq!(
        said(&mut core, ANNA, Signal::Invite { call: 7 }, at(1)).last(),
        Some(&Effect::Answer)
    );
    assert!(core.handle(Event::Answer, at(1)).contains(&Effect::StartMedia(ANNA)));
    news(&mut core, Quality::Stills, at(10));
    core.handle(Event::Spent(Tally { bytes: 900, picture_bytes: 0 }), at(10));
    core.handle(Event::PeerDown(ANNA, None), at(11));
    core.handle(Event::PeerUp(ANNA), at(14));

    let effects = said(&mut core, ANNA, Signal::Invite { call: 8 }, at(15));
    let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted);
    let stopped = place(|effect| *effect == Effect::StopMedia).unwrap();
    let recorded = place(|effect| matches!(effect, Effect::Record(_))).unwrap();
    assert!(stopped < recorded && recorded < effects.len() - 1, "{effects:?}");
    assert_eq!(effects.last(), Some(&Effect::Answer));
    assert!(!effects.contains(&Effect::StartMedia(ANNA)), "{effects:?}");
    // What the loop asks for while it carries that out is all of the old call.
    core.handle(Event::Spent(Tally { bytes: 1000, picture_bytes: 0 }), at(15));
    assert_eq!(core.budget().spent().bytes, 1000);
    assert_eq!(core.pictures().worst(), Quality::Stills);

    assert!(core.handle(Event::Answer, at(15)).contains(&Effect::StartMedia(ANNA)));
    core.handle(Event::Spent(Tally { bytes: 50, picture_bytes: 0 }), at(16));
    assert_eq!(core.budget().spent().bytes, 1050);
    assert_eq!(core.pictures().worst(), Quality::Full);
}
