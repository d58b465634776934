//! Listening, step by step, with no thread and no clock: tiles, the page, calls that come over it.

use super::core::{Core, Effect, Event, Ring};
use super::hear::{News, Sound};
use super::menu;
use super::stories::{ANNA, BERT, at, hearing_kiosk, page, said};
use crate::config::{Config, Hearable};
use crate::station::ear::State;
use crate::ui::menu::MenuTap;
use crate::ui::screen::{Command, Page, Station, StationId, Subject};
use crate::wire::signal::{Hearing, Signal};

const GARDEN: StationId = StationId(0);
const BARN: StationId = StationId(1);
const ADDRESS: &str = "http://house:8080/live.m3u8";

fn hearables() -> Vec<Hearable> {
    let text = format!(
        "[[listen]]\nname = 'Garden'\nsource = '{ADDRESS}'\n\
         [[listen]]\nname = 'Barn'\nsource = 'twocan:anna/barn'\n\
         [[listen]]\nname = 'Moon'\nsource = 'twocan:nobody/moon'\n"
    );
    Config::parse("test", text.as_bytes()).unwrap().listen
}

fn kiosk() -> Core {
    hearing_kiosk(hearables())
}

fn touch(core: &mut Core, command: Command) -> Vec<Effect> {
    core.handle(Event::Touched(command), at(5))
}

fn garden() -> Effect {
    Effect::Hear(Some(Sound::Playlist(ADDRESS.to_owned())))
}

fn barn() -> Effect {
    Effect::Hear(Some(Sound::Peer(ANNA, "barn".to_owned())))
}

fn hear(station: &str) -> Effect {
    Effect::Send(ANNA, Signal::Hear { station: station.to_owned() })
}

/// What is read on the page; fails where there is another one.
fn read(core: &Core) -> (String, String, bool) {
    match page(core, at(6)) {
        Page::Hearing { station: Station { name, .. }, sentence, live, .. } => {
            (name, sentence, live)
        }
        other => panic!("not listening: {other:?}"),
    }
}

fn listening() -> Core {
    let mut core = kiosk();
    assert_eq!(touch(&mut core, Command::Hear(GARDEN)), [garden()]);
    core.handle(Event::Heard(News::State(State::Live)), at(5));
    core
}

#[test]
fn stations_have_tiles_behind_the_people_and_a_contacts_is_bright_while_it_can_be_reached() {
    let mut core = kiosk();
    let tiles = |core: &Core| match page(core, at(1)) {
        Page::Home { tiles, .. } => tiles,
        other => panic!("not home: {other:?}"),
    };
    let seen: Vec<_> = tiles(&core)
        .into_iter()
        .map(|tile| match tile.subject {
            Subject::Person(person) => (person.name, tile.reachable, tile.state),
            Subject::Station(station) => (station.name, tile.reachable, tile.state),
        })
        .collect();
    let row = |name: &str, bright, state: &str| (name.to_owned(), bright, state.to_owned());
    assert_eq!(
        seen,
        [
            row("Anna", true, "Touch to call"),
            row("Bert", false, "not at home"),
            row("Garden", true, "Touch to listen"),
            row("Barn", true, "Touch to listen"),
            row("Moon", false, "quiet now"),
        ]
    );
    core.handle(Event::PeerDown(ANNA, None), at(2));
    assert!(!tiles(&core)[3].reachable);
}

#[test]
fn a_touch_is_heard_and_the_page_says_how_it_stands_until_stop() {
    let mut core = kiosk();
    touch(&mut core, Command::Hear(GARDEN));
    assert_eq!(read(&core), ("Garden".to_owned(), "One moment…".to_owned(), false));
    for (state, sentence, sounds) in [
        (State::Live, "You are listening.", true),
        (State::Silent, "Nothing to hear now.", false),
        (State::Away, "Not to be reached just now. It comes back by itself.", false),
    ] {
        core.handle(Event::Heard(News::State(state)), at(6));
        assert_eq!(read(&core), ("Garden".to_owned(), sentence.to_owned(), sounds));
    }
    core.handle(Event::Heard(News::Speaker { broken: true, gone: false }), at(6));
    assert_eq!(read(&core).1, "The loudspeaker is not working.");
    // Volume is one thing, whatever is heard.
    assert_eq!(touch(&mut core, Command::Louder), [Effect::Volume(8)]);
    assert_eq!(touch(&mut core, Command::StopHearing), [Effect::Hear(None)]);
    assert!(matches!(page(&core, at(7)), Page::Home { .. }));
}

#[test]
fn an_incoming_call_rings_over_it_and_it_goes_on_when_the_call_is_over() {
    let mut core = listening();
    let effects = said(&mut core, ANNA, Signal::Invite { call: 7 }, at(10));
    assert!(effects.contains(&Effect::Hear(None)), "{effects:?}");
    assert_eq!(core.ring(), Some(Ring::Bell));
    assert!(matches!(page(&core, at(10)), Page::Incoming { .. }));

    let effects = core.handle(Event::Touched(Command::Answer), at(12));
    assert!(effects.contains(&Effect::StartMedia(ANNA)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Hear(_))));
    assert!(matches!(page(&core, at(13)), Page::InCall { .. }));

    let effects = said(&mut core, ANNA, bye(), at(20));
    let place = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted).unwrap();
    // The call gives the loudspeaker back first.
    let stopped = place(&|effect| *effect == Effect::StopMedia);
    let recorded = place(&|effect| matches!(effect, Effect::Record(_)));
    let heard = place(&|effect| *effect == garden());
    assert!(stopped < heard && recorded < heard, "{effects:?}");
    core.handle(Event::Touched(Command::Home), at(21));
    assert_eq!(read(&core).1, "One moment…");
}

fn bye() -> Signal {
    Signal::Bye { call: 7, reason: crate::wire::signal::EndReason::HungUp }
}

#[test]
fn a_call_that_nobody_answers_and_one_that_is_made_pause_it_too() {
    let mut core = listening();
    said(&mut core, ANNA, Signal::Invite { call: 7 }, at(10));
    let effects = core.handle(Event::Touched(Command::Decline), at(11));
    assert!(effects.contains(&garden()), "{effects:?}");

    let mut core = listening();
    let effects = core.handle(Event::Dial(ANNA), at(10));
    assert_eq!(effects[0], Effect::Send(ANNA, Signal::Invite { call: 7 }));
    assert!(effects.contains(&Effect::Hear(None)), "{effects:?}");
    let effects = core.handle(Event::Touched(Command::Cancel), at(11));
    assert!(effects.contains(&garden()), "{effects:?}");
}

#[test]
fn nothing_leads_to_a_camera_or_a_microphone_or_to_the_pages_behind_while_one_listens() {
    let mut core = kiosk();
    let mut effects = touch(&mut core, Command::Hear(BARN));
    effects.extend(said(&mut core, ANNA, live(), at(6)));
    for command in
        [Command::Answer, Command::Hide, Command::Menu(MenuTap::Open), Command::Hear(GARDEN)]
    {
        effects.extend(touch(&mut core, command));
    }
    assert!(core.media_since().is_none());
    assert_eq!(effects, [barn(), hear("barn")], "and nothing else is said or done");
    assert_eq!(read(&core).0, "Barn");
}

fn live() -> Signal {
    Signal::Hearing { station: "barn".to_owned(), state: Hearing::Live }
}

#[test]
fn a_contacts_station_is_asked_for_again_after_every_reconnect_and_given_up_at_the_stop() {
    let mut core = kiosk();
    assert_eq!(touch(&mut core, Command::Hear(BARN)), [barn(), hear("barn")]);
    said(&mut core, ANNA, live(), at(6));
    assert_eq!(read(&core).1, "You are listening.");
    // Of another station, or of somebody else, nothing is believed.
    said(
        &mut core,
        BERT,
        Signal::Hearing { station: "barn".to_owned(), state: Hearing::Silent },
        at(6),
    );
    said(
        &mut core,
        ANNA,
        Signal::Hearing { station: "attic".to_owned(), state: Hearing::Silent },
        at(6),
    );
    assert_eq!(read(&core).1, "You are listening.");

    core.handle(Event::PeerDown(ANNA, None), at(7));
    assert_eq!(read(&core).1, "Not to be reached just now. It comes back by itself.");
    let effects = core.handle(Event::PeerUp(ANNA), at(8));
    assert!(effects.contains(&hear("barn")), "{effects:?}");
    // A newer session in the place of the old one.
    let effects = core.handle(Event::PeerUp(ANNA), at(9));
    assert!(effects.contains(&hear("barn")), "{effects:?}");
    assert!(!core.handle(Event::Tick, at(10)).contains(&hear("barn")));

    assert_eq!(touch(&mut core, Command::StopHearing), [hear(""), Effect::Hear(None)]);
}

#[test]
fn a_call_of_the_contact_whose_station_is_heard_takes_its_place() {
    let mut core = kiosk();
    touch(&mut core, Command::Hear(BARN));
    let effects = said(&mut core, ANNA, Signal::Invite { call: 7 }, at(10));
    let gives_up = [hear(""), Effect::Hear(None)];
    assert!(effects.windows(2).any(|pair| pair == gives_up), "{effects:?}");
    core.handle(Event::Touched(Command::Answer), at(11));
    let effects = said(&mut core, ANNA, bye(), at(20));
    assert!(effects.ends_with(&[barn(), hear("barn")]), "{effects:?}");
}

#[test]
fn a_station_of_nobody_says_whom_to_ask_and_one_that_is_not_there_too() {
    let mut core = kiosk();
    assert_eq!(touch(&mut core, Command::Hear(StationId(2))), []);
    assert_eq!(read(&core).1, "Moon is not there any more. Please ask Eva.");
    touch(&mut core, Command::StopHearing);
    touch(&mut core, Command::Hear(BARN));
    said(
        &mut core,
        ANNA,
        Signal::Hearing { station: "barn".to_owned(), state: Hearing::Unknown },
        at(6),
    );
    assert_eq!(read(&core).1, "Barn is not there any more. Please ask Eva.");
    assert_eq!(touch(&mut core, Command::Hear(StationId(3))), [], "there is no fourth");
}

#[test]
fn who_asks_a_kiosk_for_a_station_hears_that_it_has_none() {
    let mut core = kiosk();
    let asked = Signal::Hear { station: "attic".to_owned() };
    let none = Signal::Hearing { station: "attic".to_owned(), state: Hearing::Unknown };
    assert_eq!(said(&mut core, ANNA, asked, at(1)), [Effect::Send(ANNA, none)]);
    assert_eq!(said(&mut core, ANNA, Signal::Hear { station: String::new() }, at(1)), []);
    let long = Signal::Hear { station: "x".repeat(65) };
    assert_eq!(said(&mut core, ANNA, long, at(1)), []);
}

/// A finger on a page behind home, and the facts when they are asked for.
fn tap(core: &mut Core, tap: MenuTap) -> Vec<Effect> {
    let mut effects = touch(core, Command::Menu(tap));
    if effects.contains(&Effect::Menu(menu::Effect::Read)) {
        let facts = Event::Menu(menu::Heard::Facts(Box::default()));
        effects.extend(core.handle(facts, at(5)));
    }
    effects
}

fn hears(effects: &[Effect]) -> Vec<&Effect> {
    effects.iter().filter(|effect| matches!(effect, Effect::Hear(_))).collect()
}

#[test]
fn a_station_that_a_program_wants_waits_until_the_scan_page_has_given_the_camera_back() {
    let mut core = kiosk();
    for step in [MenuTap::Open, MenuTap::Add, MenuTap::SameRoom] {
        tap(&mut core, step);
    }
    assert_eq!(core.handle(Event::Hear(Some(GARDEN)), at(6)), []);
    assert!(matches!(page(&core, at(6)), Page::Menu(_)) && !core.hear().sounds());
    // The page may be left, whatever was chosen meanwhile.
    let effects = tap(&mut core, MenuTap::Back);
    assert!(effects.contains(&Effect::Menu(menu::Effect::Scan(false))), "{effects:?}");
    assert_eq!(hears(&effects), [&garden()]);
    // It goes on while a page without a camera is on show, and gives way to another one with it.
    assert_eq!(hears(&tap(&mut core, MenuTap::SameRoom)), [&Effect::Hear(None)]);
    assert_eq!(hears(&tap(&mut core, MenuTap::Close)), [&garden()]);
    assert_eq!(read(&core).0, "Garden");
    // Over it none is opened.
    assert_eq!(tap(&mut core, MenuTap::Open), []);
}

#[test]
fn a_station_and_the_ring_that_is_tried_are_not_heard_at_once() {
    let mut core = kiosk();
    tap(&mut core, MenuTap::Open);
    core.handle(Event::Hear(Some(GARDEN)), at(5));
    assert!(core.hear().sounds(), "the settings alone make no sound");
    assert_eq!(hears(&tap(&mut core, MenuTap::TryRing)), [&Effect::Hear(None)]);
    assert_eq!(core.ring(), Some(Ring::Bell));
    // The ring outlives the page; the station waits for its end.
    assert_eq!(hears(&tap(&mut core, MenuTap::Close)), [] as [&Effect; 0]);
    let end = core.deadline().unwrap();
    let effects = core.handle(Event::Tick, end);
    assert_eq!((hears(&effects), core.ring()), (vec![&garden()], None));

    let mut core = kiosk();
    tap(&mut core, MenuTap::Open);
    tap(&mut core, MenuTap::TryRing);
    tap(&mut core, MenuTap::Close);
    assert_eq!(touch(&mut core, Command::Hear(GARDEN)), []);
    assert_eq!(core.handle(Event::Tick, core.deadline().unwrap()), [garden()]);
}

#[test]
fn a_contact_is_found_however_its_name_is_written() {
    let text = "[[listen]]\nname = 'Barn'\nsource = 'twocan:ANNA/barn'\n";
    let mut core = hearing_kiosk(Config::parse("test", text.as_bytes()).unwrap().listen);
    assert_eq!(touch(&mut core, Command::Hear(StationId(0))), [barn(), hear("barn")]);
}

#[test]
fn what_a_station_costs_is_counted_and_kept_every_ten_minutes() {
    let mut core = listening();
    assert_eq!(core.handle(Event::Listened(3000), at(10)), []);
    let kept = core.handle(Event::Listened(4000), at(610));
    assert!(matches!(kept[..], [Effect::KeepUsage(_)]), "{kept:?}");
    assert_eq!(core.budget().spent().bytes, 7000);
}
