//! The pages behind the home page: one pure machine. Taps and news in, effects out, a page on show.
//!
//! ```text
//!  closed ── clock held ──> facts are read ──> [PIN] ──> Settings ┬─> QuietHours
//!     │                                                          ├─> NewPin ── twice the same ──> kept
//!     │                                                          ├─> People ──> Person
//!     │                                                          ├─> Missed
//!     │                                                          ├─> LookIns
//!     └── nobody is known: the three choices are home ── [PIN] ──└─> Add ┐
//!                        ┌───────────────────────────────────────────────┘
//!                        ├─ same room ──> Scan ── their card ──> Compare ──> Adopting ──> Result
//!                        │                  └──── a ticket ────> Enrolling ─────────────> Result
//!                        ├─ show words ──> Words ────────────┬──> Compare ──> Adopting ──> Result
//!                        └─ enter words ─> Letters ─> Looking ┘        └──── a refusal ──> Result
//! ```
//! The pages are a pile: *back* takes the top one away, down to home. A call closes everything, and so
//! do three minutes without a touch (a quarter of an hour where another person is waited for). However
//! a page is left, the camera closes with the scan page and a pairing that goes on is stopped:
//! [`Menu::settle`] looks after that in one place. Nothing in here can start a call.

mod adding;
#[cfg(test)]
mod adding_stories;
mod carry;
mod gate;
mod known;
mod letters;
#[cfg(test)]
mod monkey;
mod people;
mod settings;
#[cfg(test)]
mod stories;
pub mod words;

use std::time::Duration;

use chrono::{DateTime, Local};

use self::adding::Adding;
pub(super) use self::carry::{Behind, brightness, habits, ring_volume};
use self::gate::{Gate, NewPin};
pub use self::known::{Effect, Facts, Heard, Known, LookIn, MissedCall, NotEnrolled, Permission};
use self::people::Lists;
use crate::clock::Time;
use crate::ui::menu::{MenuPage, MenuTap};

/// Without a touch for so long it goes home.
pub const IDLE: Duration = Duration::from_secs(180);
/// The same while another person is waited for.
pub const WAITING: Duration = Duration::from_secs(900);
/// How long the ring is heard when it is tried: one round of the bell.
pub const RING_TRIAL: Duration = Duration::from_secs(3);

/// One page of the pile.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// The PIN is asked for.
    Gate(Gate),
    /// What can be set.
    Settings,
    /// A PIN is chosen.
    NewPin(NewPin),
    /// The quiet hours.
    QuietHours,
    /// People, one of them, missed calls, who looked in.
    Lists(Lists),
    /// The three ways of adding somebody.
    Add,
    /// One of them, begun.
    Adding(Adding),
}

/// Where somebody wants to, through the PIN.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Goal {
    Settings,
    /// One of the choices of a kiosk that knows nobody yet.
    Add(MenuTap),
}

/// Where the pile goes from its top page.
#[derive(Debug, Default)]
enum Go {
    #[default]
    Stay,
    /// To a page behind this one.
    On(Place),
    /// Another page instead of this one.
    Over(Place),
    /// This page away.
    Back,
    /// Home.
    Close,
    /// The PIN was the one.
    In(Goal),
}

/// What comes of a tap or of news.
#[derive(Debug, Default)]
struct Out {
    go: Go,
    effects: Vec<Effect>,
}

impl Out {
    fn go(go: Go) -> Self {
        Self { go, effects: Vec::new() }
    }

    fn does(effect: Effect) -> Self {
        Self { go: Go::Stay, effects: vec![effect] }
    }

    fn and(mut self, go: Go) -> Self {
        self.go = go;
        self
    }

    fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}

/// The machine.
#[derive(Debug, Clone, Default)]
pub struct Menu {
    pile: Vec<Place>,
    facts: Facts,
    /// The facts are being read, to go there.
    asked: Option<Goal>,
    touched: Time,
    /// Now, as it was said last.
    now: Time,
    rings_until: Option<Time>,
    /// Of the PIN that is being looked at: what comes of an older one is nobody's.
    turn: u64,
    /// The camera is open for the scan page.
    scanning: bool,
    /// A pairing goes on in the tunnel.
    pairing: bool,
}

impl Menu {
    /// A page is on show.
    pub fn is_open(&self) -> bool {
        !self.pile.is_empty()
    }

    /// The ring is being tried.
    pub fn rings(&self) -> bool {
        self.rings_until.is_some()
    }

    /// It has the camera open, or a sound is heard: a bench of one's own, for which a station gives way.
    pub fn is_at_work(&self) -> bool {
        self.scanning || self.rings()
    }

    /// What was read when it was opened, and has been set since.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Somebody is there.
    pub fn touched(&mut self, now: Time) {
        self.touched = now;
    }

    /// A finger on one of its pages.
    pub fn tap(&mut self, tap: MenuTap, known: &Known<'_>, now: Time) -> Vec<Effect> {
        self.touched = now;
        let out = match tap {
            MenuTap::Close => Out::go(Go::Close),
            MenuTap::Back if self.is_done() => Out::go(Go::Close),
            MenuTap::Back if self.is_open() => Out::go(Go::Back),
            _ if !self.is_open() => self.at_home(tap, known),
            tap => self.top(tap, known, now),
        };
        self.follow(out, known, now)
    }

    /// Whatever it is that comes from elsewhere.
    pub fn hear(&mut self, heard: Heard, known: &Known<'_>, now: Time) -> Vec<Effect> {
        let out = match heard {
            Heard::Facts(facts) => {
                self.facts = *facts;
                self.asked.take().map_or_else(Out::default, |goal| self.enter(goal, now))
            }
            heard => self.heard(heard, known, now),
        };
        self.follow(out, known, now)
    }

    /// Time has passed, or something else has happened: `calm` while there is no call.
    pub fn tend(&mut self, calm: bool, known: &Known<'_>, now: Time) -> Vec<Effect> {
        self.now = now;
        if self.rings_until.is_some_and(|until| until <= now || !calm) {
            self.rings_until = None;
        }
        if !calm {
            self.asked = None;
        }
        if !calm || (self.is_open() && now >= self.touched + self.patience()) {
            return self.follow(Out::go(Go::Close), known, now);
        }
        if let Some(Place::Lists(Lists::Person { key, .. })) = self.pile.last()
            && known.neighbour(*key).is_none()
        {
            self.pile.pop();
        }
        Vec::new()
    }

    /// When [`Menu::tend`] or another look at the page is due.
    pub fn deadline(&self) -> Option<Time> {
        let wait = self.facts.wait.filter(|until| *until > self.now);
        let count = match self.pile.last() {
            None => return self.rings_until,
            Some(Place::Gate(_)) => wait.map(|until| words::next_count(until, self.now)),
            Some(_) => None,
        };
        let idle = Some(self.touched + self.patience());
        [self.rings_until, count, idle].into_iter().flatten().min()
    }

    /// What is on show; none: home.
    pub fn page(&self, known: &Known<'_>, now: Time, wall: DateTime<Local>) -> Option<MenuPage> {
        Some(match self.pile.last()? {
            Place::Gate(gate) => gate.page(&self.facts, now),
            Place::Settings => settings::page(&self.facts),
            Place::NewPin(pin) => pin.page(&self.facts),
            Place::QuietHours => settings::quiet_page(&self.facts, known),
            Place::Lists(lists) => lists.page(&self.facts, known, wall),
            Place::Add => self::adding::choices(known, false),
            Place::Adding(adding) => adding.page(&self.facts),
        })
    }

    /// Which choices a kiosk has that knows nobody yet: they are its home.
    pub fn home(known: &Known<'_>) -> MenuPage {
        adding::choices(known, true)
    }

    fn patience(&self) -> Duration {
        match self.pile.last() {
            Some(Place::Adding(adding)) if adding.waits() => WAITING,
            _ => IDLE,
        }
    }

    /// Somebody was added: *back* leads home.
    fn is_done(&self) -> bool {
        matches!(self.pile.last(), Some(Place::Adding(adding)) if adding.is_done())
    }

    /// Nothing is open: only the clock leads in, and the choices where nobody is known yet.
    fn at_home(&mut self, tap: MenuTap, known: &Known<'_>) -> Out {
        let goal = match tap {
            MenuTap::Open => Goal::Settings,
            _ if !known.neighbours.is_empty() => return Out::default(),
            // There is no clock on that page.
            MenuTap::Back => Goal::Settings,
            tap if adding::is_choice(tap) => Goal::Add(tap),
            _ => return Out::default(),
        };
        self.asked = Some(goal);
        Out::does(Effect::Read)
    }

    /// On the way in, now that it is known whether there is a PIN.
    fn enter(&mut self, goal: Goal, now: Time) -> Out {
        if self.is_open() {
            return Out::default();
        }
        self.touched = now;
        Out::go(match Gate::before(&self.facts, goal) {
            Some(gate) => Go::On(Place::Gate(gate)),
            None => Go::In(goal),
        })
    }

    /// A tap on the page on show.
    fn top(&mut self, tap: MenuTap, known: &Known<'_>, now: Time) -> Out {
        let Some(place) = self.pile.last_mut() else { return Out::default() };
        match place {
            Place::Gate(gate) => gate.tap(tap, &self.facts, &mut self.turn, now),
            Place::NewPin(pin) => pin.tap(tap, &self.facts, &mut self.turn),
            Place::Settings if tap == MenuTap::TryRing => {
                self.rings_until = Some(now + RING_TRIAL);
                Out::default()
            }
            Place::Settings => settings::tap(tap, &mut self.facts),
            Place::QuietHours => settings::quiet_tap(tap, &mut self.facts),
            Place::Lists(lists) => lists.tap(tap, &self.facts, known),
            Place::Add => adding::choose(tap, known),
            Place::Adding(adding) => adding.tap(tap, known),
        }
    }

    /// News for the page on show; what was not waited for changes nothing on it.
    fn heard(&mut self, heard: Heard, known: &Known<'_>, now: Time) -> Out {
        let paired = adding::paired(&heard);
        if adding::ends_pairing(&heard) {
            self.pairing = false;
        }
        let mut out = match (self.pile.last_mut(), &heard) {
            (Some(Place::Gate(gate)), Heard::Pin { turn, tried }) if *turn == self.turn => {
                self.touched = now;
                gate.tried(*tried, &mut self.facts)
            }
            (Some(Place::NewPin(pin)), Heard::PinKept { turn, guard }) if *turn == self.turn => {
                self.touched = now;
                pin.kept(*guard, &mut self.facts)
            }
            (Some(Place::Adding(adding)), _) => {
                let out = adding.heard(heard, known);
                if !matches!(out.go, Go::Stay) {
                    self.touched = now;
                }
                out
            }
            _ => Out::default(),
        };
        // Both people have said yes: that holds wherever this one is now.
        out.effects.extend(paired.map(Effect::Adopt));
        out
    }

    /// Go where it leads, and do what has to be done for that.
    fn follow(&mut self, out: Out, known: &Known<'_>, now: Time) -> Vec<Effect> {
        let mut effects = out.effects;
        match out.go {
            Go::Stay => {}
            Go::On(place) => self.pile.push(place),
            Go::Over(place) => {
                self.pile.pop();
                self.pile.push(place);
            }
            Go::Back => drop(self.pile.pop()),
            Go::Close => self.pile.clear(),
            Go::In(Goal::Settings) => self.pile = vec![Place::Settings],
            Go::In(Goal::Add(tap)) => {
                self.pile = vec![Place::Add];
                effects.extend(self.tap(tap, known, now));
            }
        }
        self.settle(&mut effects);
        effects
    }

    /// The camera is open exactly while the scan page is on show, and a pairing goes on only while one
    /// of its pages is.
    fn settle(&mut self, effects: &mut Vec<Effect>) {
        let begun = |effect: &Effect| matches!(effect, Effect::Pair(ask) if adding::begins(*ask));
        self.pairing |= effects.iter().any(begun);
        let adding = match self.pile.last() {
            Some(Place::Adding(adding)) => Some(adding),
            _ => None,
        };
        if self.pairing && !adding.is_some_and(Adding::pairs) {
            self.pairing = false;
            effects.push(Effect::Pair(crate::pairing::Ask::Stop));
        }
        let scans = adding.is_some_and(Adding::scans);
        if scans != std::mem::replace(&mut self.scanning, scans) {
            effects.push(Effect::Scan(scans));
        }
    }
}
