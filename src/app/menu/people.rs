//! The lists: people and each of them, missed calls, who looked in.

use chrono::{DateTime, Local};

use super::known::{Effect, Facts, Known, Permission};
use super::{Go, Out, Place};
use crate::app::facts::Neighbour;
use crate::app::words;
use crate::identity::PeerKey;
use crate::ui::menu::{List, LookInRow, MenuPage, MenuTap, MissedRow, PersonRow, ROWS};

/// A page of a list, which begins at the row `first`; or one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lists {
    People { first: usize },
    Person { key: PeerKey, forgetting: bool },
    Missed { first: usize },
    LookIns { first: usize },
}

impl Lists {
    pub(super) fn page(&self, facts: &Facts, known: &Known<'_>, wall: DateTime<Local>) -> MenuPage {
        match *self {
            Lists::People { first } => {
                MenuPage::People(list(known.neighbours.iter(), first, |neighbour| PersonRow {
                    person: neighbour.person.clone(),
                    reachable: known.is_here(neighbour.person.key),
                    seen: seen(neighbour, known, wall),
                }))
            }
            Lists::Person { key, forgetting } => match known.neighbour(key) {
                None => Lists::People { first: 0 }.page(facts, known, wall),
                Some(neighbour) => MenuPage::Person {
                    person: neighbour.person.clone(),
                    may_ring: neighbour.may_ring,
                    in_quiet_hours: neighbour.in_quiet_hours,
                    look_in: neighbour.look_in,
                    seen: seen(neighbour, known, wall),
                    forgetting,
                },
            },
            Lists::Missed { first } => {
                let rows = facts.missed.iter().filter_map(|call| {
                    let person = known.neighbour(call.peer)?.person.clone();
                    Some(MissedRow { person, when: words::moment_alone(call.when, wall) })
                });
                MenuPage::Missed(list(rows, first, |row| row))
            }
            Lists::LookIns { first } => MenuPage::LookIns {
                list: list(facts.look_ins.iter(), first, |look| LookInRow {
                    name: look.name.clone(),
                    when: words::moment_alone(look.when, wall),
                    how: look.how.clone(),
                }),
                whole: facts.look_ins_whole,
            },
        }
    }

    pub(super) fn tap(&mut self, tap: MenuTap, facts: &Facts, known: &Known<'_>) -> Out {
        if let Lists::Person { key, forgetting } = self {
            let Some(neighbour) = known.neighbour(*key) else { return Out::go(Go::Back) };
            return person_tap(tap, neighbour, forgetting);
        }
        let rows = match self {
            Lists::Missed { .. } => {
                facts.missed.iter().filter(|call| known.neighbour(call.peer).is_some()).count()
            }
            Lists::LookIns { .. } => facts.look_ins.len(),
            Lists::People { .. } | Lists::Person { .. } => known.neighbours.len(),
        };
        match (self, tap) {
            (Lists::People { .. }, MenuTap::Person(key)) if known.neighbour(key).is_some() => {
                let person = Lists::Person { key, forgetting: false };
                return Out::go(Go::On(Place::Lists(person)));
            }
            (Lists::People { .. }, MenuTap::Add) => return Out::go(Go::On(Place::Add)),
            (
                Lists::People { first } | Lists::Missed { first } | Lists::LookIns { first },
                MenuTap::Earlier | MenuTap::Later,
            ) => {
                let last = rows.saturating_sub(1) / ROWS * ROWS;
                let next =
                    if tap == MenuTap::Later { *first + ROWS } else { first.saturating_sub(ROWS) };
                *first = next.min(last);
            }
            _ => {}
        }
        Out::default()
    }
}

fn person_tap(tap: MenuTap, neighbour: &Neighbour, forgetting: &mut bool) -> Out {
    let peer = neighbour.person.key;
    let asked = std::mem::replace(forgetting, tap == MenuTap::Forget);
    let permit = |what, allowed| Out::does(Effect::Permit { peer, what, allowed });
    match tap {
        MenuTap::MayRing => permit(Permission::Ring, !neighbour.may_ring),
        MenuTap::InQuietHours => permit(Permission::InQuietHours, !neighbour.in_quiet_hours),
        MenuTap::LookIn => permit(Permission::LookIn, !neighbour.look_in),
        MenuTap::Forget if asked => Out::does(Effect::Forget(peer)).and(Go::Back),
        _ => Out::default(),
    }
}

fn seen(neighbour: &Neighbour, known: &Known<'_>, wall: DateTime<Local>) -> String {
    words::seen(known.is_here(neighbour.person.key), neighbour.seen, wall)
}

fn list<T, R>(rows: impl Iterator<Item = T>, first: usize, row: impl Fn(T) -> R) -> List<R> {
    let mut rows = rows.skip(first).map(row);
    let page = rows.by_ref().take(ROWS).collect();
    List { rows: page, earlier: first > 0, later: rows.next().is_some() }
}
