//! Single calls, told step by step from one end.

use std::time::Duration;

use super::{Effect, Event, Machine, REACH_LIMIT, State};
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::records::Direction;
use crate::wire::signal::{EndReason, Signal};

const US: PeerKey = PeerKey([1; 32]);
const ANNA: PeerKey = PeerKey([2; 32]);
const BERT: PeerKey = PeerKey([3; 32]);
const RING: Duration = Duration::from_secs(40);

fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

fn linked() -> Machine {
    let mut machine = Machine::new(US, RING);
    assert_eq!(machine.handle(Event::LinkUp(ANNA), at(0)), []);
    assert_eq!(machine.handle(Event::LinkUp(BERT), at(0)), []);
    machine
}

fn heard(machine: &mut Machine, from: PeerKey, signal: Signal, now: Time) -> Vec<Effect> {
    machine.handle(Event::Signal(from, signal), now)
}

fn recorded(effects: &[Effect]) -> Option<(EndReason, Option<Duration>)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Record(outcome) => Some((outcome.reason, outcome.talked)),
        _ => None,
    })
}

#[test]
fn a_call_that_is_answered_and_hung_up() {
    let mut machine = linked();
    let invite = machine.handle(Event::Dial(ANNA, 7), at(1));
    assert_eq!(invite, [Effect::Send(ANNA, Signal::Invite { call: 7 })]);
    assert_eq!(heard(&mut machine, ANNA, Signal::Ringing { call: 7 }, at(1)), []);
    assert!(matches!(machine.state(), State::Outgoing { ringing: true, .. }));
    let accepted = heard(&mut machine, ANNA, Signal::Accept { call: 7 }, at(5));
    assert_eq!(accepted, [Effect::StartMedia(ANNA)]);
    let over = machine.handle(Event::HangUp, at(65));
    let bye = Signal::Bye { call: 7, reason: EndReason::HungUp };
    assert_eq!(over[..2], [Effect::Send(ANNA, bye), Effect::StopMedia]);
    assert_eq!(recorded(&over), Some((EndReason::HungUp, Some(Duration::from_secs(60)))));
    assert_eq!(machine.handle(Event::Tick, at(68)), []);
    assert_eq!(machine.state(), &State::Idle);
}

#[test]
fn nobody_answers_for_forty_seconds() {
    let mut machine = linked();
    machine.handle(Event::Dial(ANNA, 7), at(1));
    assert_eq!(machine.handle(Event::Tick, at(40)), []);
    let over = machine.handle(Event::Tick, at(41));
    assert_eq!(recorded(&over), Some((EndReason::NoAnswer, None)));
    assert!(
        over.contains(&Effect::Send(ANNA, Signal::Bye { call: 7, reason: EndReason::NoAnswer }))
    );
}

#[test]
fn a_peer_without_a_link_is_invited_as_soon_as_there_is_one_and_given_up_after_ten_seconds() {
    let mut machine = Machine::new(US, RING);
    assert_eq!(machine.handle(Event::Dial(ANNA, 7), at(1)), []);
    assert_eq!(machine.deadline(), Some(at(1) + REACH_LIMIT));
    let up = machine.handle(Event::LinkUp(ANNA), at(5));
    assert_eq!(up, [Effect::Send(ANNA, Signal::Invite { call: 7 })]);
    assert_eq!(machine.deadline(), Some(at(45)));

    let mut machine = Machine::new(US, RING);
    machine.handle(Event::Dial(ANNA, 7), at(1));
    let over = machine.handle(Event::Tick, at(11));
    assert_eq!(recorded(&over), Some((EndReason::Unreachable, None)));
}

#[test]
fn a_second_caller_gets_busy_and_leaves_a_missed_call() {
    let mut machine = linked();
    heard(&mut machine, ANNA, Signal::Invite { call: 7 }, at(1));
    machine.handle(Event::Answer, at(2));
    let effects = heard(&mut machine, BERT, Signal::Invite { call: 8 }, at(3));
    assert_eq!(effects[0], Effect::Send(BERT, Signal::Busy { call: 8 }));
    assert_eq!(recorded(&effects), Some((EndReason::Busy, None)));
    assert!(matches!(machine.state(), State::Established { party, .. } if party.peer == ANNA));
}

#[test]
fn not_now_is_told_to_the_caller_and_is_not_a_missed_call() {
    let mut machine = linked();
    heard(&mut machine, ANNA, Signal::Invite { call: 7 }, at(1));
    let effects = machine.handle(Event::HangUp, at(2));
    assert_eq!(effects[0], Effect::Send(ANNA, Signal::Decline { call: 7 }));
    assert_eq!(recorded(&effects), Some((EndReason::Declined, None)));
    assert_eq!(machine.state(), &State::Idle);
}

#[test]
fn a_caller_who_gives_up_leaves_a_missed_call() {
    let mut machine = linked();
    heard(&mut machine, ANNA, Signal::Invite { call: 7 }, at(1));
    let bye = Signal::Bye { call: 7, reason: EndReason::Cancelled };
    let effects = heard(&mut machine, ANNA, bye, at(9));
    assert_eq!(recorded(&effects), Some((EndReason::Cancelled, None)));
    assert_eq!(machine.state(), &State::Idle);
}

#[test]
fn a_link_lost_in_a_call_is_waited_for_sixty_seconds_and_the_call_resumes() {
    let mut machine = linked();
    heard(&mut machine, ANNA, Signal::Invite { call: 7 }, at(1));
    machine.handle(Event::Answer, at(2));
    assert_eq!(machine.handle(Event::LinkDown(ANNA), at(10)), []);
    assert!(machine.is_established(), "media goes on");
    assert_eq!(machine.deadline(), Some(at(70)));
    let up = machine.handle(Event::LinkUp(ANNA), at(20));
    assert_eq!(up, [Effect::Send(ANNA, Signal::Resume { call: 7 })]);
    heard(&mut machine, ANNA, Signal::Resume { call: 7 }, at(21));
    assert!(matches!(machine.state(), State::Established { .. }));

    machine.handle(Event::LinkDown(ANNA), at(30));
    let over = machine.handle(Event::Tick, at(90));
    assert_eq!(recorded(&over), Some((EndReason::Lost, Some(Duration::from_secs(88)))));
}

#[test]
fn a_peer_that_forgot_the_call_is_told_that_it_is_over() {
    let mut machine = linked();
    let effects = heard(&mut machine, ANNA, Signal::Resume { call: 7 }, at(1));
    let bye = Signal::Bye { call: 7, reason: EndReason::Lost };
    assert_eq!(effects, [Effect::Send(ANNA, bye)]);
}

#[test]
fn an_answer_while_the_link_blinks_is_kept() {
    let mut callee = linked();
    heard(&mut callee, ANNA, Signal::Invite { call: 7 }, at(1));
    callee.handle(Event::LinkDown(ANNA), at(2));
    callee.handle(Event::Answer, at(3));
    let up = callee.handle(Event::LinkUp(ANNA), at(4));
    assert_eq!(up, [Effect::Send(ANNA, Signal::Resume { call: 7 })]);

    let mut caller = linked();
    caller.handle(Event::Dial(ANNA, 7), at(1));
    caller.handle(Event::LinkDown(ANNA), at(2));
    caller.handle(Event::LinkUp(ANNA), at(4));
    let resumed = heard(&mut caller, ANNA, Signal::Resume { call: 7 }, at(4));
    let resume = Effect::Send(ANNA, Signal::Resume { call: 7 });
    assert_eq!(resumed, [resume, Effect::StartMedia(ANNA)]);
}

#[test]
fn touching_the_tile_of_who_is_ringing_answers() {
    let mut machine = linked();
    heard(&mut machine, ANNA, Signal::Invite { call: 7 }, at(1));
    let effects = machine.handle(Event::Dial(ANNA, 8), at(2));
    assert_eq!(effects[0], Effect::Send(ANNA, Signal::Accept { call: 7 }));
    let State::Established { party, .. } = machine.state() else { panic!("{machine:?}") };
    assert_eq!((party.direction, party.call), (Direction::Incoming, 7));
}
