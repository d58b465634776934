//! What can be set by touch: the ring, the light, and when it is quiet.

use chrono::{NaiveTime, TimeDelta};

use super::known::{Effect, Facts, Known};
use super::people::Lists;
use super::{Go, NewPin, Out, Place, words};
use crate::config::QuietHours;
use crate::pin::Guard;
use crate::settings::{BRIGHTEST, Change, LOUDEST, usual_night};
use crate::ui::menu::{MenuPage, MenuTap};

/// Half hours of a day.
const HALF_HOURS: i64 = 48;

pub(super) fn page(facts: &Facts) -> MenuPage {
    MenuPage::Settings {
        ring_volume: facts.ring_volume,
        brightness: facts.brightness,
        quiet_hours: words::hours(facts.quiet),
        pin: facts.guard != Guard::Open,
        missed: facts.missed.iter().filter(|call| call.unseen).count(),
    }
}

pub(super) fn tap(tap: MenuTap, facts: &mut Facts) -> Out {
    match tap {
        MenuTap::RingVolume(steps) => {
            let volume = moved(facts.ring_volume, steps, 0, LOUDEST);
            let changed = volume != std::mem::replace(&mut facts.ring_volume, volume);
            set(changed, Change::RingVolume(volume))
        }
        MenuTap::Brightness(steps) => {
            let step = moved(facts.brightness, steps, 1, BRIGHTEST);
            let changed = step != std::mem::replace(&mut facts.brightness, step);
            set(changed, Change::Brightness(step))
        }
        MenuTap::QuietHours => Out::go(Go::On(Place::QuietHours)),
        MenuTap::Pin => Out::go(Go::On(Place::NewPin(NewPin::default()))),
        MenuTap::People => Out::go(Go::On(Place::Lists(Lists::People { first: 0 }))),
        MenuTap::Missed => Out::go(Go::On(Place::Lists(Lists::Missed { first: 0 }))),
        MenuTap::LookIns => Out::go(Go::On(Place::Lists(Lists::LookIns { first: 0 }))),
        MenuTap::Add => Out::go(Go::On(Place::Add)),
        _ => Out::default(),
    }
}

fn set(changed: bool, change: Change) -> Out {
    if changed { Out::does(Effect::Set(change)) } else { Out::default() }
}

fn moved(value: u8, steps: i8, least: u8, most: u8) -> u8 {
    value.saturating_add_signed(steps).clamp(least, most)
}

pub(super) fn quiet_page(facts: &Facts, known: &Known<'_>) -> MenuPage {
    let (from, to) = times(facts);
    let may = known.neighbours.iter().filter(|neighbour| neighbour.in_quiet_hours);
    let names: Vec<&str> = may.map(|neighbour| neighbour.person.name.as_str()).collect();
    MenuPage::QuietHours {
        on: facts.quiet.times().is_some(),
        from: words::time(from),
        to: words::time(to),
        exceptions: words::exceptions(&names),
    }
}

pub(super) fn quiet_tap(tap: MenuTap, facts: &mut Facts) -> Out {
    let (from, to) = times(facts);
    let on = facts.quiet.times().is_some();
    let (from, to, on) = match tap {
        MenuTap::QuietHours | MenuTap::QuietOnOff => (from, to, !on),
        MenuTap::QuietFrom(steps) => (later(from, steps, to), to, on),
        MenuTap::QuietTo(steps) => (from, later(to, steps, from), on),
        _ => return Out::default(),
    };
    // The same time twice would be no hours at all: `later` steps over it.
    let before = QuietHours::between(from, to).unwrap_or(facts.quiet_before);
    let hours = if on { before } else { QuietHours::default() };
    let changed = (hours, before) != (facts.quiet, facts.quiet_before);
    (facts.quiet, facts.quiet_before) = (hours, before);
    set(changed, Change::Quiet { hours, before })
}

fn times(facts: &Facts) -> (NaiveTime, NaiveTime) {
    facts.quiet.times().or_else(|| facts.quiet_before.times()).unwrap_or_else(usual_night)
}

/// So many half hours on from `time`, around the day, and never at `other`.
fn later(time: NaiveTime, steps: i8, other: NaiveTime) -> NaiveTime {
    let by =
        |steps: i64| time.overflowing_add_signed(TimeDelta::minutes(30 * (steps % HALF_HOURS))).0;
    let steps = i64::from(steps);
    let there = by(steps);
    if there == other { by(steps + steps.signum()) } else { there }
}
