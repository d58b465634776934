//! The pages behind home and the call, with no thread and no clock: a call closes them, and no finger
//! on them starts one.

use super::core::{Core, Effect, Event, Ring};
use super::menu::{self, Facts, Heard};
use super::stories::{ANNA, at, kiosk, page, said};
use crate::clock::Time;
use crate::config::QuietHours;
use crate::pairing::Ask;
use crate::settings::Change;
use crate::ui::menu::{MenuPage, MenuTap};
use crate::ui::screen::{Command, Page};
use crate::wire::signal::Signal;

/// A finger, and the facts when they are asked for.
fn tap(core: &mut Core, tap: MenuTap, now: Time) -> Vec<Effect> {
    let mut effects = core.handle(Event::Touched(Command::Menu(tap)), now);
    if effects.contains(&Effect::Menu(menu::Effect::Read)) {
        let facts = Heard::Facts(Box::new(Facts { ring_volume: 8, ..Facts::default() }));
        effects.extend(core.handle(Event::Menu(facts), now));
    }
    effects
}

fn menu_page(core: &Core, now: Time) -> Option<MenuPage> {
    match page(core, now) {
        Page::Menu(page) => Some(page),
        _ => None,
    }
}

#[test]
fn a_call_that_comes_in_closes_the_pages_the_camera_and_the_pairing() {
    for (way, what) in [
        (MenuTap::SameRoom, menu::Effect::Scan(false)),
        (MenuTap::ShowWords, menu::Effect::Pair(Ask::Stop)),
    ] {
        let mut core = kiosk();
        for step in [MenuTap::Open, MenuTap::Add, way] {
            tap(&mut core, step, at(1));
        }
        assert!(menu_page(&core, at(1)).is_some());
        let effects = said(&mut core, ANNA, Signal::Invite { call: 7 }, at(2));
        assert!(effects.contains(&Effect::Menu(what)), "{effects:?}");
        assert!(matches!(page(&core, at(2)), Page::Incoming { .. }));
        // A finger that was on its way.
        assert_eq!(tap(&mut core, MenuTap::Back, at(2)), []);
        assert_eq!(tap(&mut core, MenuTap::Open, at(2)), []);
        core.handle(Event::Touched(Command::Decline), at(3));
        core.handle(Event::Touched(Command::Home), at(4));
        assert!(matches!(page(&core, at(4)), Page::Home { .. }));
    }
}

#[test]
fn a_touch_on_a_tile_while_pages_are_open_is_a_call_like_any_other() {
    let mut core = kiosk();
    tap(&mut core, MenuTap::Open, at(1));
    tap(&mut core, MenuTap::Missed, at(1));
    core.handle(Event::Touched(Command::Dial(ANNA)), at(2));
    assert!(matches!(page(&core, at(2)), Page::Calling { .. }));
    assert!(!core.menu().is_open());
}

#[test]
fn no_finger_on_these_pages_starts_media_or_rings_anybody() {
    let mut seed: u64 = 7;
    let mut core = kiosk();
    let taps = [
        MenuTap::Open,
        MenuTap::Back,
        MenuTap::Add,
        MenuTap::SameRoom,
        MenuTap::ShowWords,
        MenuTap::People,
        MenuTap::Person(ANNA),
        MenuTap::LookIn,
        MenuTap::MayRing,
        MenuTap::Missed,
        MenuTap::Next,
        MenuTap::Same,
        MenuTap::TryRing,
        MenuTap::Again,
    ];
    for round in 0..20_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let now = at(1 + round / 100);
        let which = taps[(seed >> 33) as usize % taps.len()];
        for effect in tap(&mut core, which, now) {
            let harmless = matches!(effect, Effect::Menu(_));
            assert!(harmless, "{which:?} leads to {effect:?}");
        }
        assert!(core.media_since().is_none());
    }
}

#[test]
fn the_ring_is_tried_on_the_bell_and_stops_by_itself() {
    let mut core = kiosk();
    tap(&mut core, MenuTap::Open, at(1));
    tap(&mut core, MenuTap::TryRing, at(1));
    assert_eq!(core.ring(), Some(Ring::Bell));
    let due = core.deadline().unwrap();
    core.handle(Event::Tick, due);
    assert_eq!(core.ring(), None);
}

#[test]
fn quiet_hours_set_by_touch_hold_at_once() {
    let mut core = kiosk();
    tap(&mut core, MenuTap::Open, at(1));
    tap(&mut core, MenuTap::QuietHours, at(1));
    let effects = tap(&mut core, MenuTap::QuietOnOff, at(1));
    let set = |effect: &Effect| match effect {
        Effect::Menu(menu::Effect::Set(Change::Quiet { hours, .. })) => Some(*hours),
        _ => None,
    };
    let hours: QuietHours = effects.iter().find_map(set).unwrap();
    let (from, to) = hours.times().unwrap();
    assert!(core.power().is_quiet(from) && !core.power().is_quiet(to));
}

#[test]
fn a_kiosk_that_knows_nobody_shows_how_somebody_is_added() {
    let mut core = kiosk();
    core.handle(Event::Contacts(Vec::new()), at(1));
    assert_eq!(menu_page(&core, at(1)), Some(MenuPage::Add { meeting: true, first: true }));
    tap(&mut core, MenuTap::ShowWords, at(2));
    assert_eq!(menu_page(&core, at(2)).map(|page| page.name()), Some("words"));
}

#[test]
fn while_a_page_is_open_the_screen_stays_bright_and_it_closes_itself() {
    let mut core = kiosk();
    tap(&mut core, MenuTap::Open, at(1));
    let due = core.deadline().unwrap();
    assert_eq!(due, at(1) + menu::IDLE);
    // Any touch counts, on whatever page.
    core.handle(Event::Touched(Command::Touched), at(100));
    core.handle(Event::Tick, due);
    assert!(core.menu().is_open());
    core.handle(Event::Tick, at(100) + menu::IDLE);
    assert!(!core.menu().is_open());
}
