//! Two machines, a link that comes and goes, fingers that touch anything at any time.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::{Effect, Event, Machine, State};
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::wire::signal::{CallId, EndReason, Signal};

/// One kiosk: its machine, whether its effects say that media runs, and what is on its way to it.
struct Kiosk {
    key: PeerKey,
    machine: Machine,
    media: bool,
    talks: usize,
    records: Vec<super::Outcome>,
    inbox: VecDeque<Signal>,
}

impl Kiosk {
    fn new(key: u8) -> Self {
        let key = PeerKey([key; 32]);
        Self {
            key,
            machine: Machine::new(key, Duration::from_secs(40)),
            media: false,
            talks: 0,
            records: Vec::new(),
            inbox: VecDeque::new(),
        }
    }
}

struct World {
    kiosks: [Kiosk; 2],
    up: bool,
    now: Time,
    next_call: CallId,
}

#[derive(Debug, Clone)]
enum Step {
    Dial(usize),
    Answer(usize),
    HangUp(usize),
    Dismiss(usize),
    Deliver(usize),
    Cut,
    Join,
    /// The link is replaced by a new one, and this end alone sees the old one go.
    Replace(usize),
    Wait(u64),
    Stranger(usize, Signal),
    /// Somebody else calls in the quiet hours.
    Refuse(usize, CallId),
}

impl World {
    fn new() -> Self {
        Self {
            kiosks: [Kiosk::new(1), Kiosk::new(2)],
            up: false,
            now: Time::from_micros(1),
            next_call: 1,
        }
    }

    fn feed(&mut self, who: usize, event: Event) {
        let other = 1 - who;
        let effects = self.kiosks[who].machine.handle(event, self.now);
        for effect in effects {
            match effect {
                Effect::Send(to, signal) => {
                    if self.up && to == self.kiosks[other].key {
                        self.kiosks[other].inbox.push_back(signal);
                    }
                }
                Effect::StartMedia(_) => {
                    assert!(!self.kiosks[who].media, "media started twice");
                    self.kiosks[who].media = true;
                    self.kiosks[who].talks += 1;
                }
                Effect::StopMedia => {
                    assert!(self.kiosks[who].media, "media stopped twice");
                    self.kiosks[who].media = false;
                }
                Effect::Record(outcome) => self.kiosks[who].records.push(outcome),
            }
        }
        let kiosk = &self.kiosks[who];
        assert_eq!(kiosk.media, kiosk.machine.is_established(), "{:?}", kiosk.machine.state());
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Dial(who) => {
                let (peer, call) = (self.kiosks[1 - who].key, self.next_call);
                self.next_call += 1;
                self.feed(who, Event::Dial(peer, call));
            }
            Step::Answer(who) => self.feed(who, Event::Answer),
            Step::HangUp(who) => self.feed(who, Event::HangUp),
            Step::Dismiss(who) => self.feed(who, Event::Dismiss),
            Step::Deliver(who) => {
                if let Some(signal) = self.kiosks[who].inbox.pop_front() {
                    let from = self.kiosks[1 - who].key;
                    self.feed(who, Event::Signal(from, signal));
                }
            }
            Step::Cut => {
                if std::mem::take(&mut self.up) {
                    for who in 0..2 {
                        self.kiosks[who].inbox.clear();
                        let peer = self.kiosks[1 - who].key;
                        self.feed(who, Event::LinkDown(peer));
                    }
                }
            }
            Step::Join => {
                if !std::mem::replace(&mut self.up, true) {
                    for who in 0..2 {
                        let peer = self.kiosks[1 - who].key;
                        self.feed(who, Event::LinkUp(peer));
                    }
                }
            }
            Step::Replace(who) => {
                if self.up {
                    self.kiosks[0].inbox.clear();
                    self.kiosks[1].inbox.clear();
                    let keys = [self.kiosks[1].key, self.kiosks[0].key];
                    self.feed(who, Event::LinkDown(keys[who]));
                    self.feed(0, Event::LinkUp(keys[0]));
                    self.feed(1, Event::LinkUp(keys[1]));
                }
            }
            Step::Wait(seconds) => self.wait(Duration::from_secs(seconds)),
            Step::Stranger(who, signal) => {
                self.feed(who, Event::Signal(PeerKey([9; 32]), signal));
            }
            Step::Refuse(who, call) => {
                let before = *self.kiosks[who].machine.state();
                let refused = Event::Refuse(PeerKey([9; 32]), call, EndReason::QuietHours);
                self.feed(who, refused);
                assert_eq!(*self.kiosks[who].machine.state(), before, "a refusal changes nothing");
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        for who in 0..2 {
            self.feed(who, Event::Tick);
            let deadline = self.kiosks[who].machine.deadline();
            assert!(deadline.is_none_or(|due| due > self.now), "a tick that is due did nothing");
        }
    }

    /// Deliver what is under way until nothing is.
    fn settle(&mut self) {
        let mut steps = 0;
        while self.kiosks.iter().any(|kiosk| !kiosk.inbox.is_empty()) {
            self.step(Step::Deliver(0));
            self.step(Step::Deliver(1));
            steps += 1;
            assert!(steps < 1000, "the machines never stop talking");
        }
    }
}

fn any_signal() -> impl Strategy<Value = Signal> {
    (0..8u8, 1..6u64).prop_map(|(kind, call)| match kind {
        0 => Signal::Invite { call },
        1 => Signal::Ringing { call },
        2 => Signal::Accept { call },
        3 => Signal::Decline { call },
        4 => Signal::Busy { call },
        5 => Signal::Bye { call, reason: super::EndReason::HungUp },
        6 => Signal::Resume { call },
        _ => Signal::Unknown,
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = 0..2usize;
    prop_oneof![
        3 => who.clone().prop_map(Step::Dial),
        3 => who.clone().prop_map(Step::Answer),
        2 => who.clone().prop_map(Step::HangUp),
        1 => who.clone().prop_map(Step::Dismiss),
        12 => who.clone().prop_map(Step::Deliver),
        1 => Just(Step::Cut),
        3 => Just(Step::Join),
        1 => who.clone().prop_map(Step::Replace),
        1 => (1..70u64).prop_map(Step::Wait),
        1 => (who.clone(), any_signal()).prop_map(|(who, signal)| Step::Stranger(who, signal)),
        1 => (who, 1..6u64).prop_map(|(who, call)| Step::Refuse(who, call)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn media_runs_exactly_while_the_call_is_established_and_both_ends_come_to_agree(
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        // Whatever happened: with a link and nothing under way, both agree on the call.
        world.step(Step::Join);
        world.settle();
        let talking = |world: &World, who: usize| match *world.kiosks[who].machine.state() {
            State::Established { party, .. } if party.peer != PeerKey([9; 32]) => Some(party.call),
            _ => None,
        };
        prop_assert_eq!(talking(&world, 0), talking(&world, 1));
        // And nothing hangs: hanging up and waiting brings both home, with each call recorded once.
        world.step(Step::HangUp(0));
        world.settle();
        world.step(Step::HangUp(1));
        world.settle();
        world.wait(Duration::from_secs(120));
        world.wait(Duration::from_secs(120));
        for kiosk in &mut world.kiosks {
            prop_assert_eq!(kiosk.machine.state(), &State::Idle);
            prop_assert!(!kiosk.media);
            let talks = kiosk.records.iter().filter(|outcome| outcome.talked.is_some()).count();
            prop_assert_eq!(talks, kiosk.talks, "every talk has its record");
            let mut calls: Vec<_> =
                kiosk.records.iter().map(|outcome| (outcome.party.peer, outcome.party.call)).collect();
            calls.retain(|(peer, _)| *peer != PeerKey([9; 32]));
            let all = calls.len();
            calls.sort_unstable();
            calls.dedup();
            prop_assert_eq!(calls.len(), all, "no call has two records");
        }
    }

    #[test]
    fn an_end_that_hears_anything_at_all_from_anybody_keeps_its_invariants(
        heard in prop::collection::vec((0..3u8, any_signal(), any::<bool>()), 1..200),
    ) {
        let mut world = World::new();
        world.step(Step::Join);
        for (from, signal, dial) in heard {
            if dial {
                world.step(Step::Dial(0));
            }
            world.feed(0, Event::Signal(PeerKey([from + 2; 32]), signal));
            world.kiosks[1].inbox.clear();
        }
    }
}

/// Every interleaving of two kiosks that touch each other's tile at about the same time.
#[test]
fn glare_becomes_one_call_in_every_interleaving() {
    for order in 0..64u32 {
        let mut world = World::new();
        world.step(Step::Join);
        world.step(Step::Dial(0));
        world.step(Step::Dial(1));
        for bit in 0..6 {
            world.step(Step::Deliver(((order >> bit) & 1) as usize));
        }
        world.settle();
        let calls: Vec<_> = world
            .kiosks
            .iter()
            .map(|kiosk| match *kiosk.machine.state() {
                State::Established { party, .. } => party.call,
                other => panic!("{other:?} in order {order:b}"),
            })
            .collect();
        assert_eq!(calls, [1, 1], "the invite of the smaller key wins");
    }
}
