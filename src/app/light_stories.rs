//! The screen's light over a kiosk's day, with no thread and no clock: what wakes it, what a waking
//! touch does (nothing), and that nothing stirs in the dark.

use std::time::Duration;

use chrono::{DateTime, Local, TimeDelta, TimeZone};
use proptest::prelude::*;

use super::budget::Budget;
use super::core::{Core, Effect, Event};
use super::facts::Settings;
use super::power::{Habits, as_felt};
use super::{run, screen};
use crate::call::State;
use crate::clock::Time;
use crate::config::Config;
use crate::identity::PeerKey;
use crate::ui::screen::{Command, Light, Page, Screen};
use crate::usage::{Month, Usage};
use crate::wire::signal::Signal;

const ANNA: PeerKey = PeerKey([2; 32]);

/// A kiosk, its two clocks, and what the loop would have published and woken up for.
struct Kiosk {
    core: Core,
    now: Time,
    began: DateTime<Local>,
    shown: Screen,
    published: usize,
    wakes: usize,
}

impl Kiosk {
    /// Switched on at `hour` o'clock.
    fn at(hour: u32, display: &str) -> Self {
        let config = Config::parse("test", format!("[display]\n{display}").as_bytes()).unwrap();
        let settings = Settings {
            us: PeerKey([1; 32]),
            ring: Duration::from_secs(40),
            auto_answer: false,
            helper: "Eva".to_owned(),
            volume: 7,
            has_way: true,
            light: Habits::of(&config.display),
            hearables: Vec::new(),
        };
        let anna = super::stories::neighbour(ANNA, "Anna");
        let budget = Budget::new(Usage::default(), 0, Month::default());
        let now = Time::from_micros(1_000_000);
        let mut core = Core::new(settings, vec![anna], budget, || 7, now);
        core.handle(Event::PeerUp(ANNA), now);
        let began = Local.with_ymd_and_hms(2026, 11, 21, hour, 0, 0).unwrap();
        let shown = screen::derive(&core, now, began);
        Self { core, now, began, shown, published: 0, wakes: 0 }
    }

    fn wall(&self) -> DateTime<Local> {
        let passed = self.now.since(Time::from_micros(1_000_000));
        self.began + TimeDelta::from_std(passed).unwrap()
    }

    fn publish(&mut self) {
        let screen = screen::derive(&self.core, self.now, self.wall());
        if screen != self.shown {
            self.shown = screen;
            self.published += 1;
        }
    }

    fn feed(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.core.handle(event, self.now);
        self.publish();
        effects
    }

    /// A finger, as the loop takes it.
    fn finger(&mut self, command: Command) -> Vec<Effect> {
        self.feed(Event::Touched(as_felt(self.shown.light, command)))
    }

    fn invited(&mut self) {
        self.feed(Event::Signal(ANNA, Signal::Invite { call: 8 }));
    }

    /// Let time pass, as the loop does: asleep until something is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = run::next_deadline(&self.core, self.shown.light, None, self.now, self.wall());
            let Some(due) = due.filter(|due| *due <= end) else { break };
            assert!(due > self.now, "a loop that never sleeps");
            self.now = due;
            self.wakes += 1;
            self.feed(Event::Tick);
        }
        self.now = end;
    }

    fn minutes(&mut self, minutes: u64) {
        self.pass(Duration::from_secs(60 * minutes));
    }

    fn light(&self) -> Light {
        self.shown.light
    }
}

#[test]
fn a_touch_that_wakes_the_screen_answers_nothing() {
    let mut kiosk = Kiosk::at(12, "");
    kiosk.minutes(30);
    assert_eq!(kiosk.light(), Light::Dark);
    // Whatever the finger would have said: a tile that is not seen is not touched.
    assert_eq!(kiosk.finger(Command::Dial(ANNA)), []);
    assert_eq!((kiosk.light(), kiosk.core.call()), (Light::Bright, &State::Idle));
    assert_ne!(kiosk.finger(Command::Dial(ANNA)), [], "now it is seen");
}

#[test]
fn an_incoming_call_wakes_a_dark_screen_and_the_idle_time_starts_at_its_end() {
    let mut kiosk = Kiosk::at(12, "");
    kiosk.minutes(30);
    kiosk.invited();
    assert_eq!(kiosk.light(), Light::Bright);
    assert!(matches!(kiosk.shown.page, Page::Incoming { .. }));
    kiosk.finger(Command::Answer);
    kiosk.minutes(90);
    assert_eq!(kiosk.light(), Light::Bright, "nobody touches a screen while talking");
    kiosk.finger(Command::HangUp);
    kiosk.minutes(4);
    assert_eq!(kiosk.light(), Light::Bright);
    kiosk.minutes(1);
    assert_eq!(kiosk.light(), Light::Dim);
    assert!(matches!(kiosk.shown.page, Page::Home { .. }), "the people stay");
}

#[test]
fn in_quiet_hours_a_call_rings_on_a_bright_screen_and_a_touch_lights_it_dimly_for_a_minute() {
    let mut kiosk = Kiosk::at(21, "quiet_hours = '22:00-07:00'\nblank_after = 0");
    kiosk.minutes(59);
    assert_eq!(kiosk.light(), Light::Dim);
    kiosk.minutes(1);
    assert_eq!(kiosk.light(), Light::Dark, "at ten, at once");
    kiosk.finger(Command::Wake);
    assert_eq!(kiosk.light(), Light::Dim);
    kiosk.minutes(1);
    assert_eq!(kiosk.light(), Light::Dark);
    kiosk.invited();
    assert_eq!(kiosk.light(), Light::Bright);
    // Nobody answers.
    kiosk.pass(Duration::from_secs(45));
    assert_eq!(kiosk.light(), Light::Dim);
    kiosk.minutes(1);
    assert_eq!(kiosk.light(), Light::Dark);
    kiosk.minutes(9 * 60);
    assert_eq!(kiosk.light(), Light::Dim, "in the morning the clock is to be seen");
}

#[test]
fn who_uses_it_when_the_quiet_hours_begin_keeps_a_dim_page() {
    let mut kiosk = Kiosk::at(21, "quiet_hours = '22:00-07:00'");
    kiosk.pass(Duration::from_secs(3570));
    kiosk.finger(Command::Touched);
    assert_eq!(kiosk.light(), Light::Bright);
    kiosk.pass(Duration::from_secs(30));
    assert_eq!(kiosk.light(), Light::Dim);
    kiosk.pass(Duration::from_secs(30));
    assert_eq!(kiosk.light(), Light::Dark);
}

#[test]
fn a_fault_goes_dark_like_home_and_is_still_there_after_the_touch() {
    let mut kiosk = Kiosk::at(12, "");
    let blocked = super::facts::Meeting::Blocked("another key".to_owned());
    kiosk.feed(Event::Meeting(blocked));
    kiosk.minutes(30);
    assert_eq!(kiosk.light(), Light::Dark);
    assert_eq!(kiosk.finger(Command::Home), []);
    assert!(matches!(kiosk.shown.page, Page::Fault { .. }), "nobody has read it");
}

#[test]
fn in_the_dark_nothing_is_published_and_nothing_wakes_up_and_in_the_light_once_a_minute() {
    let mut kiosk = Kiosk::at(12, "");
    kiosk.minutes(20);
    // Twenty minutes, and when it dimmed (on a minute, here).
    assert!((20..=21).contains(&kiosk.published), "{}", kiosk.published);
    assert!((20..=21).contains(&kiosk.wakes), "{}", kiosk.wakes);
    kiosk.minutes(10);
    assert_eq!(kiosk.light(), Light::Dark);
    (kiosk.published, kiosk.wakes) = (0, 0);
    kiosk.minutes(10 * 60);
    assert_eq!((kiosk.published, kiosk.wakes), (0, 0));
    // What happens meanwhile is on the page that the next touch shows.
    kiosk.feed(Event::PeerDown(ANNA, None));
    kiosk.finger(Command::Wake);
    let Page::Home { tiles, .. } = &kiosk.shown.page else { panic!("not home") };
    assert!(!tiles[0].reachable);
    assert_eq!(kiosk.shown.strip.clock, "22:30");
}

#[test]
fn a_night_of_quiet_hours_costs_one_look_an_hour_and_publishes_nothing_but_its_end() {
    let mut kiosk = Kiosk::at(22, "quiet_hours = '22:00-07:00'\nblank_after = 0");
    kiosk.minutes(1);
    assert_eq!(kiosk.light(), Light::Dark);
    (kiosk.published, kiosk.wakes) = (0, 0);
    kiosk.minutes(9 * 60 - 1);
    assert_eq!((kiosk.published, kiosk.light()), (1, Light::Dim));
    assert!(kiosk.wakes <= 9, "{}", kiosk.wakes);
}

#[derive(Debug, Clone)]
enum Step {
    Finger(Command),
    Heard(Signal),
    Link(bool),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let commands = prop::sample::select(vec![
        Command::Dial(ANNA),
        Command::Cancel,
        Command::Answer,
        Command::Decline,
        Command::HangUp,
        Command::Louder,
        Command::Quieter,
        Command::Hide,
        Command::Home,
        Command::EarlierTiles,
        Command::LaterTiles,
        Command::Touched,
        Command::Wake,
    ]);
    let signals = prop::sample::select(vec![
        Signal::Invite { call: 8 },
        Signal::Ringing { call: 7 },
        Signal::Accept { call: 7 },
        Signal::Decline { call: 7 },
        Signal::Bye { call: 8, reason: crate::wire::signal::EndReason::HungUp },
    ]);
    prop_oneof![
        4 => commands.prop_map(Step::Finger),
        3 => signals.prop_map(Step::Heard),
        1 => any::<bool>().prop_map(Step::Link),
        2 => (1..100_u64).prop_map(Step::Pass),
        2 => (100..40_000_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn it_is_never_dark_in_a_call_and_a_touch_in_the_dark_does_nothing_but_wake(
        quiet in any::<bool>(),
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let display = if quiet { "quiet_hours = '20:00-06:00'" } else { "" };
        let mut kiosk = Kiosk::at(18, display);
        for step in steps {
            let (was, call) = (kiosk.light(), *kiosk.core.call());
            let volume = kiosk.core.volume();
            match step {
                Step::Finger(command) => {
                    let effects = kiosk.finger(command);
                    prop_assert!(kiosk.light() != Light::Dark);
                    if was == Light::Dark {
                        prop_assert_eq!(effects, []);
                        prop_assert_eq!(*kiosk.core.call(), call);
                        prop_assert_eq!(kiosk.core.volume(), volume);
                    }
                }
                Step::Heard(signal) => drop(kiosk.feed(Event::Signal(ANNA, signal))),
                Step::Link(true) => drop(kiosk.feed(Event::PeerUp(ANNA))),
                Step::Link(false) => drop(kiosk.feed(Event::PeerDown(ANNA, None))),
                Step::Pass(seconds) => kiosk.pass(Duration::from_secs(seconds)),
            }
            let in_call = match kiosk.core.call() {
                State::Outgoing { .. } | State::Incoming { .. } => true,
                State::Established { .. } | State::Reconnecting { .. } => true,
                State::Idle | State::Ended { .. } => false,
            };
            prop_assert!(!in_call || kiosk.light() == Light::Bright);
        }
    }
}
