//! What the resident sees and the world is told, step by step, with no thread and no clock.

use std::time::Duration;

use chrono::{DateTime, Local, TimeZone};

use super::budget::Budget;
use super::core::{Core, Effect, Event, Ring};
use super::facts::{Meeting, Neighbour, News, Settings};
use super::power::Habits;
use super::screen;
use crate::clock::Time;
use crate::config::{Config, Hearable};
use crate::identity::PeerKey;
use crate::ui::screen::{Command, Line, Page, Person};
use crate::usage::{Month, Usage};
use crate::wire::signal::Signal;

const US: PeerKey = PeerKey([1; 32]);
pub(super) const ANNA: PeerKey = PeerKey([2; 32]);
pub(super) const BERT: PeerKey = PeerKey([3; 32]);

pub(super) fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

pub(super) fn neighbour(key: PeerKey, name: &str) -> Neighbour {
    let person = Person { key, name: name.to_owned(), photo: None };
    Neighbour {
        person,
        may_ring: true,
        in_quiet_hours: false,
        look_in: false,
        seen: None,
        missed: None,
        trouble: None,
    }
}

pub(super) fn kiosk() -> Core {
    kiosk_with(Budget::new(Usage::default(), 0, Month::default()))
}

pub(super) fn kiosk_with(budget: Budget) -> Core {
    kiosk_that(false, budget)
}

pub(super) fn kiosk_that(auto_answer: bool, budget: Budget) -> Core {
    let neighbours = vec![neighbour(ANNA, "Anna"), neighbour(BERT, "Bert")];
    let mut core = kiosk_with_all(US, auto_answer, neighbours, budget);
    core.handle(Event::Meeting(Meeting::Connected), at(0));
    core.handle(Event::PeerUp(ANNA), at(0));
    core
}

pub(super) fn kiosk_of(us: PeerKey, neighbours: Vec<Neighbour>, budget: Budget) -> Core {
    kiosk_with_all(us, false, neighbours, budget)
}

fn kiosk_with_all(
    us: PeerKey,
    auto_answer: bool,
    neighbours: Vec<Neighbour>,
    budget: Budget,
) -> Core {
    Core::new(settings(us, auto_answer), neighbours, budget, || 7, at(0))
}

/// One that knows Anna, who can be reached, and Bert; and has this to listen to.
pub(super) fn hearing_kiosk(hearables: Vec<Hearable>) -> Core {
    let neighbours = vec![neighbour(ANNA, "Anna"), neighbour(BERT, "Bert")];
    let settings = Settings { hearables, ..settings(US, false) };
    let budget = Budget::new(Usage::default(), 0, Month::default());
    let mut core = Core::new(settings, neighbours, budget, || 7, at(0));
    core.handle(Event::Meeting(Meeting::Connected), at(0));
    core.handle(Event::PeerUp(ANNA), at(0));
    core
}

fn settings(us: PeerKey, auto_answer: bool) -> Settings {
    Settings {
        us,
        ring: Duration::from_secs(40),
        auto_answer,
        helper: "Eva".to_owned(),
        volume: 7,
        has_way: true,
        light: Habits::of(&Config::default().display),
        hearables: Vec::new(),
    }
}

pub(super) fn page(core: &Core, now: Time) -> Page {
    let wall: DateTime<Local> = Local.with_ymd_and_hms(2026, 11, 21, 14, 5, 0).unwrap();
    screen::derive(core, now, wall).page
}

pub(super) fn said(core: &mut Core, from: PeerKey, signal: Signal, now: Time) -> Vec<Effect> {
    core.handle(Event::Signal(from, signal), now)
}

pub(super) fn in_call() -> Core {
    answered(kiosk())
}

/// Anna rings, and is answered in the second second.
pub(super) fn answered(mut core: Core) -> Core {
    said(&mut core, ANNA, Signal::Invite { call: 7 }, at(1));
    core.handle(Event::Touched(Command::Answer), at(2));
    core
}

#[test]
fn a_tile_is_bright_exactly_while_its_contact_can_be_reached() {
    let mut core = kiosk();
    let Page::Home { tiles, .. } = page(&core, at(1)) else { panic!("not home") };
    assert_eq!((tiles[0].reachable, tiles[0].state.as_str()), (true, "Touch to call"));
    assert_eq!((tiles[1].reachable, tiles[1].state.as_str()), (false, "not at home"));
    core.handle(Event::PeerDown(BERT, Some("another key".to_owned())), at(2));
    core.handle(Event::PeerDown(ANNA, None), at(2));
    let Page::Home { tiles, .. } = page(&core, at(3)) else { panic!("not home") };
    assert_eq!((tiles[0].state.as_str(), tiles[1].state.as_str()), ("not at home", "needs help"));
}

#[test]
fn a_missed_call_stands_on_the_tile_until_it_is_called_back() {
    let mut core = kiosk();
    core.missed(ANNA, "14:10".to_owned());
    let Page::Home { tiles, .. } = page(&core, at(1)) else { panic!("not home") };
    assert_eq!(tiles[0].missed.as_deref(), Some("called 14:10"));
    let effects = core.handle(Event::Touched(Command::Dial(ANNA)), at(2));
    assert!(effects.contains(&Effect::Seen(ANNA)), "{effects:?}");
    assert_eq!(core.neighbours()[0].missed, None);
}

#[test]
fn a_tile_touched_in_a_call_changes_nothing_and_keeps_its_missed_call() {
    let mut core = in_call();
    core.missed(BERT, "14:10".to_owned());
    assert_eq!(core.handle(Event::Touched(Command::Dial(BERT)), at(3)), []);
    assert!(core.neighbours()[1].missed.is_some());
}

#[test]
fn what_is_hidden_is_said_again_on_every_new_link_and_shown_again_too() {
    let mut core = in_call();
    let hide = |hidden| Effect::Send(ANNA, Signal::Hide { picture: hidden, sound: hidden });
    let effects = core.handle(Event::Touched(Command::Hide), at(3));
    assert_eq!(effects, [Effect::Hide(true), hide(true)]);
    core.handle(Event::PeerDown(ANNA, None), at(4));
    // Shown again while the link is away: that word is lost.
    core.handle(Event::Touched(Command::Hide), at(5));
    assert!(core.handle(Event::PeerUp(ANNA), at(6)).contains(&hide(false)));
    assert!(!core.handle(Event::PeerUp(BERT), at(7)).contains(&hide(false)));
}

#[test]
fn hiding_ends_with_the_call() {
    let mut core = in_call();
    core.handle(Event::Touched(Command::Hide), at(3));
    core.handle(Event::Touched(Command::HangUp), at(4));
    assert!(!core.hidden());
}

#[test]
fn a_contact_that_may_not_ring_is_declined_unless_we_are_calling_it() {
    let mut core = kiosk();
    let mut anna = neighbour(ANNA, "Anna");
    anna.may_ring = false;
    core.handle(Event::Contacts(vec![anna]), at(0));
    let effects = said(&mut core, ANNA, Signal::Invite { call: 9 }, at(1));
    assert_eq!(effects, [Effect::Send(ANNA, Signal::Decline { call: 9 })]);
    assert_eq!(core.ring(), None);
    core.handle(Event::Touched(Command::Dial(ANNA)), at(2));
    let effects = said(&mut core, ANNA, Signal::Invite { call: 10 }, at(2));
    assert!(!effects.contains(&Effect::Send(ANNA, Signal::Decline { call: 10 })), "{effects:?}");
}

#[test]
fn a_relay_with_another_key_is_a_fault_that_a_touch_tries_again_and_a_call_survives() {
    let mut core = kiosk();
    core.handle(Event::Meeting(Meeting::Blocked("another key".to_owned())), at(1));
    let Page::Fault { helper, .. } = page(&core, at(1)) else { panic!("no fault") };
    assert_eq!(helper, "Please ask Eva.");
    let effects = core.handle(Event::Touched(Command::Home), at(2));
    assert_eq!(effects, [Effect::Retry]);
    assert!(matches!(page(&core, at(2)), Page::Home { .. }));
    // The next try fails the same way: it was read already.
    core.handle(Event::Meeting(Meeting::Trying(None)), at(3));
    core.handle(Event::Meeting(Meeting::Blocked("another key".to_owned())), at(3));
    assert!(matches!(page(&core, at(3)), Page::Home { .. }));
    // Another fault is news.
    core.handle(Event::Meeting(Meeting::Refused("no login".to_owned())), at(4));
    assert!(matches!(page(&core, at(4)), Page::Fault { .. }));
    // And the end of a call is not the end of a fault nobody has read.
    core.handle(Event::Touched(Command::Dial(ANNA)), at(5));
    assert!(matches!(page(&core, at(5)), Page::Calling { .. }));
}

#[test]
fn a_picture_that_stands_still_for_three_seconds_is_covered_with_words() {
    let mut core = in_call();
    let news = News { picture: Some(at(10)), voice: Some(at(12)), ..News::default() };
    core.handle(Event::News(news), at(10));
    let Page::InCall { no_picture, line, .. } = page(&core, at(11)) else { panic!("no call") };
    assert_eq!((no_picture, line), (None, Line::Good));
    let Page::InCall { no_picture, line, .. } = page(&core, at(13)) else { panic!("no call") };
    assert!(no_picture.unwrap().contains("You can still talk"));
    assert_eq!(line, Line::VoiceOnly);
}

#[test]
fn a_camera_that_does_not_work_is_said_and_the_call_goes_on() {
    let mut core = in_call();
    let news = News { camera: Some("it was unplugged".to_owned()), ..News::default() };
    core.handle(Event::News(news), at(3));
    let Page::InCall { notice, .. } = page(&core, at(3)) else { panic!("no call") };
    assert_eq!(
        notice.as_deref(),
        Some("The camera is not working. Anna cannot see you, only hear you.")
    );
}

#[test]
fn what_does_not_work_is_named_and_nothing_else() {
    let bad = |device: bool| device.then(|| "it was unplugged".to_owned());
    for devices in 0..8 {
        let (camera, microphone, speaker) = (devices & 1 > 0, devices & 2 > 0, devices & 4 > 0);
        let mut core = in_call();
        let (see, hear, play) = (bad(camera), bad(microphone), bad(speaker));
        let news = News { camera: see, microphone: hear, speaker: play, ..News::default() };
        core.handle(Event::News(news), at(3));
        let Page::InCall { notice, .. } = page(&core, at(3)) else { panic!("no call") };
        let notice = notice.unwrap_or_default();
        let says = |words: &[&str]| words.iter().any(|word| notice.to_lowercase().contains(word));
        assert_eq!(notice.is_empty(), devices == 0);
        assert_eq!(says(&["camera"]), camera, "{notice}");
        assert_eq!(says(&["microphone", "camera and sound"]), microphone, "{notice}");
        assert_eq!(says(&["loudspeaker", "camera and sound"]), speaker, "{notice}");
        // Nobody is told that Anna sees or hears what she doesn't.
        let positive = notice.replace("cannot see you", "").replace("cannot see or hear you", "");
        assert!(!(camera && positive.contains("see you")), "{notice}");
        assert!(!(microphone && positive.contains("hear you")), "{notice}");
    }
}

#[test]
fn the_bell_rings_here_and_the_ringback_there_until_somebody_answers() {
    let mut core = kiosk();
    core.handle(Event::Touched(Command::Dial(ANNA)), at(1));
    assert_eq!(core.ring(), None);
    said(&mut core, ANNA, Signal::Ringing { call: 7 }, at(1));
    assert_eq!(core.ring(), Some(Ring::Ringback));
    said(&mut core, ANNA, Signal::Accept { call: 7 }, at(2));
    assert_eq!(core.ring(), None);
    let mut core = kiosk();
    said(&mut core, ANNA, Signal::Invite { call: 8 }, at(1));
    assert_eq!(core.ring(), Some(Ring::Bell));
}

#[test]
fn a_screen_is_set_up_once_there_is_a_way_to_call_by() {
    let mut core = kiosk();
    core.handle(Event::Meeting(Meeting::None), at(1));
    let wall: DateTime<Local> = Local.with_ymd_and_hms(2026, 11, 21, 14, 5, 0).unwrap();
    let mut link = |has| {
        core.handle(Event::Way(has), at(1));
        screen::derive(&core, at(1), wall).strip.link
    };
    assert_eq!([false, true].map(&mut link), ["Not set up yet", "Ready"]);
}
