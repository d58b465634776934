//! Who may ring when, and who may look in: step by step, and two kiosks at random.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::budget::Budget;
use super::core::{Core, Effect, Event, Ring};
use super::facts::Neighbour;
use super::lookin::{COUNTDOWN, FROSTED};
use super::stories::{ANNA, BERT, at, kiosk, kiosk_of, neighbour, page, said};
use crate::call::State;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::lookins::How;
use crate::records::{Direction, EndReason};
use crate::ui::screen::{Command, Light, Page};
use crate::usage::{Month, Usage};
use crate::wire::signal::{CallId, Signal};

fn look_in(key: PeerKey, name: &str) -> Neighbour {
    Neighbour { look_in: true, ..neighbour(key, name) }
}

/// A kiosk whom Anna may look in on; Bert may only ring.
fn open_house() -> Core {
    let mut core = kiosk();
    core.handle(Event::Contacts(vec![look_in(ANNA, "Anna"), neighbour(BERT, "Bert")]), at(0));
    core.handle(Event::PeerUp(BERT), at(0));
    core
}

fn invite(core: &mut Core, from: PeerKey, call: CallId, now: Time) -> Vec<Effect> {
    said(core, from, Signal::Invite { call }, now)
}

fn appears_in(core: &Core, now: Time) -> Option<u8> {
    match page(core, now) {
        Page::Incoming { appears_in, .. } => appears_in,
        other => panic!("{other:?}"),
    }
}

fn reason(effects: &[Effect]) -> Option<EndReason> {
    effects.iter().find_map(|effect| match effect {
        Effect::Record(outcome) => Some(outcome.reason),
        _ => None,
    })
}

#[test]
fn in_quiet_hours_only_the_exceptions_ring_and_the_others_leave_a_missed_call_in_the_dark() {
    let mut core = kiosk();
    let bert = Neighbour { in_quiet_hours: true, ..neighbour(BERT, "Bert") };
    core.handle(Event::Contacts(vec![neighbour(ANNA, "Anna"), bert]), at(0));
    core.handle(Event::PeerUp(BERT), at(0));
    core.handle(Event::Quiet(true), at(3000));
    let effects = invite(&mut core, ANNA, 7, at(3001));
    let bye = Effect::Send(ANNA, Signal::Bye { call: 7, reason: EndReason::QuietHours });
    assert_eq!((effects.len(), &effects[0]), (2, &bye));
    assert_eq!(reason(&effects), Some(EndReason::QuietHours));
    assert_eq!((core.ring(), *core.call()), (None, State::Idle));
    let noon = chrono::NaiveTime::from_hms_opt(12, 0, 0).unwrap();
    assert_eq!(core.power().light(at(3002), noon), Light::Dark, "nothing woke the screen");
    // Said again, since the answer was lost with the link: the same answer, and no second record.
    assert_eq!(invite(&mut core, ANNA, 7, at(3002)), [bye]);
    invite(&mut core, BERT, 8, at(3003));
    assert_eq!(core.ring(), Some(Ring::Bell));
}

#[test]
fn quiet_hours_keep_nobody_from_us_whom_we_call_ourselves_and_end_no_call() {
    let mut core = kiosk();
    core.handle(Event::Quiet(true), at(1));
    core.handle(Event::Touched(Command::Dial(ANNA)), at(2));
    let effects = invite(&mut core, ANNA, 9, at(2));
    assert_eq!(reason(&effects), None, "both want it: {effects:?}");
    said(&mut core, ANNA, Signal::Accept { call: 7 }, at(3));
    assert!(matches!(core.call(), State::Established { .. }));
    // Somebody else gets busy, as by day: the caller learns the same either way.
    core.handle(Event::PeerUp(BERT), at(3));
    assert_eq!(reason(&invite(&mut core, BERT, 10, at(4))), Some(EndReason::Busy));
    // Nor does a ring stop that began before them.
    let mut core = kiosk();
    invite(&mut core, ANNA, 11, at(1));
    core.handle(Event::Quiet(true), at(2));
    invite(&mut core, ANNA, 11, at(3));
    assert_eq!(core.ring(), Some(Ring::Bell));
}

#[test]
fn a_caller_who_was_refused_in_quiet_hours_reads_why() {
    let mut core = kiosk();
    core.handle(Event::Touched(Command::Dial(ANNA)), at(1));
    said(&mut core, ANNA, Signal::Bye { call: 7, reason: EndReason::QuietHours }, at(2));
    let Page::Ended { sentence, .. } = page(&core, at(2)) else { panic!("not over") };
    assert_eq!(sentence, "It is quiet time at Anna's. Anna will see that you called.");
}

#[test]
fn who_calls_a_kiosk_in_a_call_gets_busy_and_leaves_a_missed_call_once() {
    let mut core = super::stories::in_call();
    core.handle(Event::PeerUp(BERT), at(3));
    let effects = invite(&mut core, BERT, 20, at(4));
    let busy = Effect::Send(BERT, Signal::Busy { call: 20 });
    assert_eq!((&effects[0], reason(&effects)), (&busy, Some(EndReason::Busy)));
    assert_eq!(invite(&mut core, BERT, 20, at(5)), [busy]);
    assert!(matches!(core.call(), State::Established { party, .. } if party.peer == ANNA));
}

#[test]
fn a_ring_whose_caller_gave_up_while_the_link_was_away_stops_with_the_word_of_it() {
    let mut core = kiosk();
    invite(&mut core, ANNA, 7, at(1));
    core.handle(Event::PeerDown(ANNA, None), at(2));
    core.handle(Event::PeerUp(ANNA), at(14));
    assert_eq!(core.ring(), Some(Ring::Bell));
    let missed = Signal::Missed { call: 7, seconds: 13 };
    let effects = said(&mut core, ANNA, missed.clone(), at(14));
    assert_eq!((core.ring(), reason(&effects)), (None, Some(EndReason::Cancelled)));
    assert_eq!(said(&mut core, ANNA, missed, at(15)), []);
}

#[test]
fn a_look_in_is_announced_counted_down_answered_and_frosted_for_three_seconds() {
    let mut core = open_house();
    let effects = invite(&mut core, ANNA, 7, at(10));
    assert_eq!(effects, [Effect::Send(ANNA, Signal::Ringing { call: 7 })]);
    assert_eq!(core.ring(), Some(Ring::Chime));
    for second in 0..10 {
        assert_eq!(appears_in(&core, at(10 + second)), Some(10 - second as u8));
        assert_eq!(core.deadline(), Some(at(11 + second)), "each second is shown");
        let effects = core.handle(Event::Tick, at(11 + second));
        let asked = effects.contains(&Effect::LetIn(ANNA));
        assert_eq!(asked, second == 9, "{effects:?}");
        assert_eq!(core.media_since(), None, "nothing before the log has it");
    }
    assert_eq!(appears_in(&core, at(20)), Some(0));
    let effects = core.handle(Event::LetIn(true), at(20));
    let accept = Effect::Send(ANNA, Signal::Accept { call: 7 });
    assert!(effects.contains(&accept) && effects.contains(&Effect::StartMedia(ANNA)));
    assert_eq!(core.frosted_until(), Some(at(20) + FROSTED));
    let frosted = |core: &Core, now| match page(core, now) {
        Page::InCall { frosted, .. } => frosted,
        other => panic!("{other:?}"),
    };
    assert!(frosted(&core, at(22)));
    assert_eq!(core.deadline(), Some(at(23)));
    core.handle(Event::Tick, at(23));
    assert!(!frosted(&core, at(23)));
    assert_eq!(core.deadline(), None);
    let effects = core.handle(Event::Touched(Command::HangUp), at(80));
    assert!(effects.contains(&Effect::Visit(ANNA, How::Closed { seconds: 60 })), "{effects:?}");
}

#[test]
fn until_the_last_second_a_finger_refuses_answers_or_the_caller_gives_up_and_the_log_says_which() {
    let refuse = |core: &mut Core| core.handle(Event::Touched(Command::Decline), at(19));
    let answer = |core: &mut Core| core.handle(Event::Touched(Command::Answer), at(19));
    let give_up = |core: &mut Core| {
        let bye = Signal::Bye { call: 7, reason: EndReason::Cancelled };
        said(core, ANNA, bye, at(19))
    };
    type Finger<'a> = &'a dyn Fn(&mut Core) -> Vec<Effect>;
    let ways: [(Finger<'_>, How); 3] =
        [(&refuse, How::Refused), (&answer, How::Answered), (&give_up, How::GivenUp)];
    for (act, how) in ways {
        let mut core = open_house();
        invite(&mut core, ANNA, 7, at(10));
        core.handle(Event::Tick, at(15));
        let effects = act(&mut core);
        let visits: Vec<_> =
            effects.iter().filter(|effect| matches!(effect, Effect::Visit(..))).collect();
        assert_eq!(visits, [&Effect::Visit(ANNA, how)]);
        assert_eq!(core.media_since().is_some(), how == How::Answered);
        // Answered by a finger it is a call like any other.
        assert_eq!(core.frosted_until(), None);
        let later = core.handle(Event::Tick, at(60));
        assert!(!later.contains(&Effect::LetIn(ANNA)), "{later:?}");
    }
}

#[test]
fn a_log_that_takes_nothing_lets_nobody_in_and_the_call_rings_on() {
    let mut core = open_house();
    invite(&mut core, ANNA, 7, at(10));
    assert!(core.handle(Event::Tick, at(20)).contains(&Effect::LetIn(ANNA)));
    assert_eq!(core.handle(Event::LetIn(false), at(20)), []);
    assert_eq!((core.ring(), appears_in(&core, at(21))), (Some(Ring::Bell), None));
    assert_eq!(core.handle(Event::Tick, at(30)), []);
    assert_eq!(core.handle(Event::LetIn(true), at(31)), [], "nobody asked");
}

#[test]
fn who_may_not_look_in_only_rings_whatever_the_hour_and_the_call() {
    // By permission.
    let mut core = open_house();
    invite(&mut core, BERT, 7, at(10));
    assert_eq!((core.ring(), appears_in(&core, at(11))), (Some(Ring::Bell), None));
    assert!(!core.handle(Event::Tick, at(30)).contains(&Effect::LetIn(BERT)));
    // By the hour.
    let mut core = open_house();
    core.handle(Event::Quiet(true), at(9));
    assert_eq!(reason(&invite(&mut core, ANNA, 7, at(10))), Some(EndReason::QuietHours));
    // By another call.
    let mut core = open_house();
    invite(&mut core, BERT, 7, at(10));
    core.handle(Event::Touched(Command::Answer), at(11));
    assert_eq!(reason(&invite(&mut core, ANNA, 8, at(12))), Some(EndReason::Busy));
    assert!(!core.handle(Event::Tick, at(40)).contains(&Effect::LetIn(ANNA)));
    // Exceptions look in at night too.
    let mut core = open_house();
    let anna = Neighbour { in_quiet_hours: true, ..look_in(ANNA, "Anna") };
    core.handle(Event::Contacts(vec![anna]), at(9));
    core.handle(Event::Quiet(true), at(9));
    invite(&mut core, ANNA, 7, at(10));
    assert_eq!(appears_in(&core, at(10)), Some(10));
}

#[test]
fn a_permission_that_is_taken_back_in_the_count_ends_the_count_and_one_that_is_given_begins_none() {
    let mut core = open_house();
    invite(&mut core, ANNA, 7, at(10));
    core.handle(Event::Contacts(vec![neighbour(ANNA, "Anna")]), at(15));
    assert_eq!((core.ring(), appears_in(&core, at(15))), (Some(Ring::Bell), None));
    core.handle(Event::Contacts(vec![look_in(ANNA, "Anna")]), at(16));
    assert_eq!(appears_in(&core, at(16)), None);
    assert!(!core.handle(Event::Tick, at(21)).contains(&Effect::LetIn(ANNA)));
}

#[test]
fn while_the_link_is_away_nobody_is_let_in_until_they_have_rung_again() {
    let mut core = open_house();
    invite(&mut core, ANNA, 7, at(10));
    core.handle(Event::PeerDown(ANNA, None), at(12));
    assert!(!core.handle(Event::Tick, at(20)).contains(&Effect::LetIn(ANNA)));
    assert_eq!(appears_in(&core, at(21)), Some(0));
    assert!(!core.handle(Event::PeerUp(ANNA), at(22)).contains(&Effect::LetIn(ANNA)));
    assert!(invite(&mut core, ANNA, 7, at(22)).contains(&Effect::LetIn(ANNA)));
    // A blink in the middle costs nothing, and a new call id does not shorten the count.
    let mut core = open_house();
    invite(&mut core, ANNA, 7, at(10));
    core.handle(Event::PeerDown(ANNA, None), at(12));
    core.handle(Event::PeerUp(ANNA), at(13));
    invite(&mut core, ANNA, 8, at(13));
    assert_eq!(appears_in(&core, at(14)), Some(6));
    assert!(core.handle(Event::Tick, at(20)).contains(&Effect::LetIn(ANNA)));
}

/// One of two kiosks, as its loop would run it.
struct House {
    core: Core,
    key: PeerKey,
    media: bool,
    /// A finger has asked for this talk here: it answered, or it dialled.
    wanted: bool,
    /// Since when the ring that is there has rung.
    rings_since: Option<Time>,
    opened: usize,
    closed: usize,
    inbox: VecDeque<Signal>,
}

struct World {
    houses: [House; 2],
    up: bool,
    log_works: bool,
    now: Time,
}

#[derive(Debug, Clone)]
enum Step {
    Finger(usize, Command),
    Deliver(usize),
    Link(bool),
    Permit(usize, bool),
    Quiet(usize, bool),
    Log(bool),
    Wait(u64),
    Stranger(usize, CallId),
}

impl World {
    fn new() -> Self {
        let house = |us: u8, other: u8| {
            let key = PeerKey([us; 32]);
            let other = look_in(PeerKey([other; 32]), "Other");
            let budget = Budget::new(Usage::default(), 0, Month::default());
            let core = kiosk_of(key, vec![other, neighbour(PeerKey([9; 32]), "Nina")], budget);
            let (wanted, media, rings_since, inbox) = (false, false, None, VecDeque::new());
            House { core, key, media, wanted, rings_since, opened: 0, closed: 0, inbox }
        };
        let mut world =
            Self { houses: [house(5, 6), house(6, 5)], up: false, log_works: true, now: at(1) };
        (0..2).for_each(|who| world.feed(who, Event::PeerUp(PeerKey([9; 32]))));
        world
    }

    fn may(&self, who: usize) -> bool {
        let neighbours = self.houses[who].core.neighbours();
        neighbours[0].look_in && !self.houses[who].core.is_quiet()
    }

    fn feed(&mut self, who: usize, event: Event) {
        let now = self.now;
        let let_in = matches!(event, Event::LetIn(_));
        let finger = matches!(event, Event::Touched(Command::Answer | Command::Dial(_)));
        let effects = self.houses[who].core.handle(event, now);
        let other = self.houses[1 - who].key;
        for effect in effects {
            match effect {
                Effect::Send(to, signal) if to == other && self.up => {
                    self.houses[1 - who].inbox.push_back(signal);
                }
                Effect::StartMedia(peer) => {
                    let (may, house) = (self.may(who), &mut self.houses[who]);
                    assert!(!house.media, "media twice");
                    house.media = true;
                    if let_in {
                        let rang = house.rings_since.expect("nobody looks in who has not rung");
                        assert!(may && peer == other, "looked in without permission");
                        assert!(now.since(rang) >= COUNTDOWN, "not announced for ten seconds");
                        assert!(self.log_works, "looked in without a line in the log");
                    } else {
                        assert!(finger || house.wanted, "a camera that no finger asked for");
                    }
                }
                Effect::StopMedia => {
                    assert!(std::mem::take(&mut self.houses[who].media), "stopped twice");
                }
                Effect::LetIn(_) => {
                    let works = self.log_works;
                    self.houses[who].opened += usize::from(works);
                    self.feed(who, Event::LetIn(works));
                }
                Effect::Visit(_, How::Closed { .. }) => self.houses[who].closed += 1,
                Effect::Visit(_, how) => {
                    let house = &self.houses[who];
                    assert!(house.opened == house.closed, "{how:?} of one who looks in");
                    // A finger's answer and nothing else has media behind it.
                    assert_eq!(how == How::Answered, house.core.media_since().is_some());
                }
                _ => {}
            }
        }
        let house = &mut self.houses[who];
        assert_eq!(house.media, house.core.media_since().is_some());
        house.rings_since = match house.core.call() {
            State::Incoming { .. } => house.rings_since.or(Some(now)),
            _ => None,
        };
        house.wanted = match house.core.call() {
            State::Outgoing { .. } => true,
            State::Established { party, .. } | State::Reconnecting { party, .. } => {
                house.wanted && party.direction == Direction::Outgoing
            }
            _ => false,
        };
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Finger(who, Command::Dial(_)) => {
                let other = self.houses[1 - who].key;
                self.feed(who, Event::Touched(Command::Dial(other)));
            }
            Step::Finger(who, command) => self.feed(who, Event::Touched(command)),
            Step::Deliver(who) => {
                if let Some(signal) = self.houses[who].inbox.pop_front() {
                    let from = self.houses[1 - who].key;
                    self.feed(who, Event::Signal(from, signal));
                }
            }
            Step::Link(up) => {
                if up == std::mem::replace(&mut self.up, up) {
                    return;
                }
                for who in 0..2 {
                    self.houses[who].inbox.clear();
                    let peer = self.houses[1 - who].key;
                    let event = if up { Event::PeerUp(peer) } else { Event::PeerDown(peer, None) };
                    self.feed(who, event);
                }
            }
            Step::Permit(who, may) => {
                let mut neighbours = self.houses[who].core.neighbours().to_vec();
                neighbours[0].look_in = may;
                self.feed(who, Event::Contacts(neighbours));
            }
            Step::Quiet(who, quiet) => self.feed(who, Event::Quiet(quiet)),
            Step::Log(works) => self.log_works = works,
            Step::Wait(ms) => {
                self.now = self.now + Duration::from_millis(ms);
                for who in 0..2 {
                    self.feed(who, Event::Tick);
                    let due = self.houses[who].core.deadline();
                    assert!(due.is_none_or(|due| due > self.now), "a loop that never sleeps");
                }
            }
            Step::Stranger(who, call) => {
                self.feed(who, Event::Signal(PeerKey([9; 32]), Signal::Invite { call }));
            }
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = 0..2_usize;
    let commands = prop::sample::select(vec![
        Command::Dial(ANNA),
        Command::Dial(ANNA),
        Command::Answer,
        Command::Decline,
        Command::HangUp,
        Command::Home,
    ]);
    prop_oneof![
        5 => (who.clone(), commands).prop_map(|(who, command)| Step::Finger(who, command)),
        12 => who.clone().prop_map(Step::Deliver),
        3 => prop::sample::select(vec![true, true, true, false]).prop_map(Step::Link),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, may)| Step::Permit(who, may)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, quiet)| Step::Quiet(who, quiet)),
        1 => any::<bool>().prop_map(Step::Log),
        6 => (1..4000_u64).prop_map(Step::Wait),
        2 => (9000..12_000_u64).prop_map(Step::Wait),
        1 => (who, 100..104_u64).prop_map(|(who, call)| Step::Stranger(who, call)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Whatever fingers, links, hours and permissions do: no camera opens but by a finger, or for one who
    /// may look in, has been announced for ten seconds and stands in the log.
    #[test]
    fn nobody_looks_in_but_by_permission_announced_and_written_down(
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut world = World::new();
        world.step(Step::Link(true));
        for step in steps {
            world.step(step);
        }
        world.step(Step::Finger(0, Command::HangUp));
        world.step(Step::Finger(1, Command::HangUp));
        for house in &world.houses {
            prop_assert_eq!(house.opened, house.closed, "every look-in has its end in the log");
        }
    }
}

#[test]
fn in_that_world_somebody_does_look_in() {
    let mut world = World::new();
    world.step(Step::Link(true));
    world.step(Step::Finger(0, Command::Dial(ANNA)));
    world.step(Step::Deliver(1));
    (0..10).for_each(|_| world.step(Step::Wait(1000)));
    assert_eq!((world.houses[1].opened, world.houses[1].media), (1, true));
    world.step(Step::Deliver(0));
    world.step(Step::Deliver(0));
    assert!(world.houses[0].media);
}
