//! The machine: every event in every state.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Effect, Event, Outcome, Party, State};
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::records::Direction;
use crate::wire::signal::{CallId, EndReason, Signal};

/// A caller waits this long for the link before the peer counts as unreachable.
pub const REACH_LIMIT: Duration = Duration::from_secs(10);
/// The callee rings this much longer than the caller, who is the one to give up.
const RING_GRACE: Duration = Duration::from_secs(5);
/// A call without a link is given up after this.
const RECONNECT_LIMIT: Duration = Duration::from_secs(60);
/// Ended calls that are still known when somebody speaks of them again.
const REMEMBERED: usize = 16;
/// The ended page goes home by itself after this.
const ENDED_SHOWN: Duration = Duration::from_secs(3);
/// As long, when there is a sentence to read and not just "it is over".
const SENTENCE_SHOWN: Duration = Duration::from_secs(6);

/// The machine. Feed it [`Event`]s and do what its [`Effect`]s say, in their order.
#[derive(Debug)]
pub struct Machine {
    us: PeerKey,
    ring: Duration,
    state: State,
    linked: Vec<PeerKey>,
    /// The last calls that ended here or found us busy, newest last.
    ended: VecDeque<(PeerKey, CallId, EndReason)>,
}

impl Machine {
    /// A machine for the kiosk `us` whose calls ring for `ring`.
    pub fn new(us: PeerKey, ring: Duration) -> Self {
        Self { us, ring, state: State::Idle, linked: Vec::new(), ended: VecDeque::new() }
    }

    /// Where the call is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether media runs: exactly while this is true.
    pub fn is_established(&self) -> bool {
        match self.state {
            State::Established { .. } | State::Reconnecting { .. } => true,
            State::Idle | State::Outgoing { .. } | State::Incoming { .. } | State::Ended { .. } => {
                false
            }
        }
    }

    /// Whether there is a link with this peer.
    pub fn is_linked(&self, peer: PeerKey) -> bool {
        self.linked.contains(&peer)
    }

    /// When a [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Idle | State::Established { .. } => None,
            // However often the link comes and goes, it rings no longer than it may.
            State::Outgoing { party, since, invited, .. } => {
                let due = invited.map_or(since + REACH_LIMIT, |invited| invited + self.ring);
                Some(due.min(party.began + self.ring + REACH_LIMIT))
            }
            State::Incoming { party } => Some(party.began + self.ring + RING_GRACE),
            State::Reconnecting { lost, .. } => Some(lost + RECONNECT_LIMIT),
            State::Ended { until, .. } => Some(until),
        }
    }

    /// One step.
    pub fn handle(&mut self, event: Event, now: Time) -> Vec<Effect> {
        match event {
            Event::Dial(peer, call) => self.dial(peer, call, now),
            Event::Answer => self.answer(now),
            Event::HangUp => self.hang_up(now),
            Event::Dismiss => self.dismiss(),
            Event::LinkUp(peer) => self.link_up(peer, now),
            Event::LinkDown(peer) => self.link_down(peer, now),
            Event::Signal(peer, signal) => self.signal(peer, signal, now),
            Event::Refuse(peer, call, reason) => self.refuse(peer, call, reason, now),
            Event::Tick => self.tick(now),
            Event::ShutDown => self.shut_down(now),
        }
    }

    fn dial(&mut self, peer: PeerKey, call: CallId, now: Time) -> Vec<Effect> {
        match self.state {
            State::Idle | State::Ended { .. } => {}
            State::Incoming { party } if party.peer == peer => return self.answer(now),
            State::Incoming { .. }
            | State::Outgoing { .. }
            | State::Established { .. }
            | State::Reconnecting { .. } => return Vec::new(),
        }
        let party = Party { call, peer, direction: Direction::Outgoing, began: now };
        let linked = self.is_linked(peer);
        let invited = linked.then_some(now);
        self.state = State::Outgoing { party, since: now, invited, ringing: false };
        if linked { vec![Effect::Send(peer, Signal::Invite { call })] } else { Vec::new() }
    }

    fn answer(&mut self, now: Time) -> Vec<Effect> {
        let State::Incoming { party } = self.state else { return Vec::new() };
        let accept = Effect::Send(party.peer, Signal::Accept { call: party.call });
        self.state = if self.is_linked(party.peer) {
            State::Established { party, answered: now }
        } else {
            State::Reconnecting { party, answered: now, lost: now }
        };
        vec![accept, Effect::StartMedia(party.peer)]
    }

    fn hang_up(&mut self, now: Time) -> Vec<Effect> {
        match self.state {
            State::Idle | State::Ended { .. } => Vec::new(),
            State::Outgoing { party, .. } => self.bye(party, EndReason::Cancelled, now),
            State::Incoming { party } => {
                let decline = farewell(party.call, EndReason::Declined);
                let mut effects = vec![Effect::Send(party.peer, decline)];
                effects.extend(self.finish(party, EndReason::Declined, now));
                self.state = State::Idle;
                effects
            }
            State::Established { party, .. } | State::Reconnecting { party, .. } => {
                self.bye(party, EndReason::HungUp, now)
            }
        }
    }

    fn dismiss(&mut self) -> Vec<Effect> {
        if let State::Ended { .. } = self.state {
            self.state = State::Idle;
        }
        Vec::new()
    }

    fn link_up(&mut self, peer: PeerKey, now: Time) -> Vec<Effect> {
        if !self.is_linked(peer) {
            self.linked.push(peer);
        }
        match &mut self.state {
            State::Outgoing { party, invited, .. } if party.peer == peer => {
                *invited = Some(now);
                vec![Effect::Send(peer, Signal::Invite { call: party.call })]
            }
            // Established too: a link may be replaced by a new one that only the other end missed.
            State::Established { party, .. } | State::Reconnecting { party, .. }
                if party.peer == peer =>
            {
                vec![Effect::Send(peer, Signal::Resume { call: party.call })]
            }
            _ => Vec::new(),
        }
    }

    fn link_down(&mut self, peer: PeerKey, now: Time) -> Vec<Effect> {
        if !self.is_linked(peer) {
            return Vec::new();
        }
        self.linked.retain(|known| *known != peer);
        match self.state {
            State::Outgoing { party, ringing, .. } if party.peer == peer => {
                // The time to reach them starts over, so that a blink doesn't end the call.
                self.state = State::Outgoing { party, since: now, invited: None, ringing };
            }
            State::Established { party, answered } if party.peer == peer => {
                self.state = State::Reconnecting { party, answered, lost: now };
            }
            _ => {}
        }
        Vec::new()
    }

    fn signal(&mut self, peer: PeerKey, signal: Signal, now: Time) -> Vec<Effect> {
        match signal {
            Signal::Invite { call } => self.invited(peer, call, now),
            Signal::Ringing { call } => {
                if let State::Outgoing { party, ringing, .. } = &mut self.state {
                    *ringing |= (party.peer, party.call) == (peer, call);
                }
                Vec::new()
            }
            Signal::Accept { call } => self.accepted(peer, call, now),
            Signal::Resume { call } => self.resumed(peer, call, now),
            Signal::Decline { call } => self.ended_by(peer, call, EndReason::Declined, now),
            Signal::Busy { call } => self.ended_by(peer, call, EndReason::Busy, now),
            Signal::Bye { call, reason } => self.ended_by(peer, call, reason, now),
            Signal::Hello { .. }
            | Signal::Hide { .. }
            | Signal::Report { .. }
            | Signal::Missed { .. }
            | Signal::Noted { .. }
            | Signal::Meet { .. }
            | Signal::Hear { .. }
            | Signal::Hearing { .. }
            | Signal::Ping { .. }
            | Signal::Pong { .. }
            | Signal::Unknown => Vec::new(),
        }
    }

    fn invited(&mut self, peer: PeerKey, call: CallId, now: Time) -> Vec<Effect> {
        let theirs = Party { call, peer, direction: Direction::Incoming, began: now };
        let ringing = Effect::Send(peer, Signal::Ringing { call });
        if let Some(reason) = self.known_end(peer, call) {
            // Said again because our answer was lost with the link: it is the same answer.
            return vec![Effect::Send(peer, farewell(call, reason))];
        }
        match self.state {
            State::Idle | State::Ended { .. } => {
                self.state = State::Incoming { party: theirs };
                vec![ringing]
            }
            State::Incoming { party } if party.peer == peer => {
                self.state = State::Incoming { party: Party { call, ..party } };
                vec![ringing]
            }
            State::Outgoing { party, .. } if party.peer == peer => {
                if self.us < peer {
                    return Vec::new();
                }
                let party = Party { call, ..party };
                self.state = State::Established { party, answered: now };
                vec![Effect::Send(peer, Signal::Accept { call }), Effect::StartMedia(peer)]
            }
            State::Established { party, .. } | State::Reconnecting { party, .. }
                if party.peer == peer =>
            {
                if party.call == call {
                    return vec![Effect::Send(peer, Signal::Accept { call })];
                }
                // They forgot the call we are in (a restart): it is over, and they ring anew.
                let mut effects = self.finish(party, EndReason::Lost, now);
                self.state = State::Incoming { party: theirs };
                effects.push(ringing);
                effects
            }
            State::Incoming { .. }
            | State::Outgoing { .. }
            | State::Established { .. }
            | State::Reconnecting { .. } => self.refuse(peer, call, EndReason::Busy, now),
        }
    }

    fn refuse(&mut self, peer: PeerKey, call: CallId, why: EndReason, now: Time) -> Vec<Effect> {
        if let Some(known) = self.known_end(peer, call) {
            return vec![Effect::Send(peer, farewell(call, known))];
        }
        self.remember(peer, call, why);
        let party = Party { call, peer, direction: Direction::Incoming, began: now };
        let missed = Outcome { party, talked: None, reason: why, rang: true };
        vec![Effect::Send(peer, farewell(call, why)), Effect::Record(missed)]
    }

    /// Why this call ended, if it was one of the last.
    fn known_end(&self, peer: PeerKey, call: CallId) -> Option<EndReason> {
        let mut ended = self.ended.iter();
        ended.find(|(of, id, _)| (*of, *id) == (peer, call)).map(|(_, _, reason)| *reason)
    }

    fn remember(&mut self, peer: PeerKey, call: CallId, reason: EndReason) {
        if self.ended.len() == REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((peer, call, reason));
    }

    fn accepted(&mut self, peer: PeerKey, call: CallId, now: Time) -> Vec<Effect> {
        match self.state {
            State::Outgoing { party, .. } if (party.peer, party.call) == (peer, call) => {
                self.state = State::Established { party, answered: now };
                vec![Effect::StartMedia(peer)]
            }
            State::Established { party, .. } | State::Reconnecting { party, .. }
                if (party.peer, party.call) == (peer, call) =>
            {
                Vec::new()
            }
            _ => self.unknown_call(peer, call),
        }
    }

    fn resumed(&mut self, peer: PeerKey, call: CallId, now: Time) -> Vec<Effect> {
        match self.state {
            State::Reconnecting { party, answered, .. }
                if (party.peer, party.call) == (peer, call) =>
            {
                self.state = State::Established { party, answered };
                Vec::new()
            }
            State::Established { party, .. } if (party.peer, party.call) == (peer, call) => {
                Vec::new()
            }
            // They answered while the link was away.
            State::Outgoing { party, .. } if (party.peer, party.call) == (peer, call) => {
                self.state = State::Established { party, answered: now };
                vec![Effect::Send(peer, Signal::Resume { call }), Effect::StartMedia(peer)]
            }
            _ => self.unknown_call(peer, call),
        }
    }

    /// Media of a call that is over here must not go on there.
    fn unknown_call(&self, peer: PeerKey, call: CallId) -> Vec<Effect> {
        let reason = self.known_end(peer, call).unwrap_or(EndReason::Lost);
        vec![Effect::Send(peer, farewell(call, reason))]
    }

    fn ended_by(
        &mut self,
        peer: PeerKey,
        call: CallId,
        reason: EndReason,
        now: Time,
    ) -> Vec<Effect> {
        match self.state {
            State::Outgoing { party, .. }
            | State::Established { party, .. }
            | State::Reconnecting { party, .. }
                if (party.peer, party.call) == (peer, call) =>
            {
                self.finish(party, reason, now)
            }
            // The caller gave up: home at once, where the tile says who called.
            State::Incoming { party } if (party.peer, party.call) == (peer, call) => {
                let effects = self.finish(party, reason, now);
                self.state = State::Idle;
                effects
            }
            _ => Vec::new(),
        }
    }

    fn tick(&mut self, now: Time) -> Vec<Effect> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        match self.state {
            State::Idle | State::Established { .. } => Vec::new(),
            State::Outgoing { party, invited: None, .. } => {
                self.finish(party, EndReason::Unreachable, now)
            }
            State::Outgoing { party, .. } => self.bye(party, EndReason::NoAnswer, now),
            State::Incoming { party } => {
                let effects = self.finish(party, EndReason::NoAnswer, now);
                self.state = State::Idle;
                effects
            }
            State::Reconnecting { party, .. } => self.finish(party, EndReason::Lost, now),
            State::Ended { .. } => self.dismiss(),
        }
    }

    fn shut_down(&mut self, now: Time) -> Vec<Effect> {
        match self.state {
            State::Idle | State::Ended { .. } => Vec::new(),
            State::Outgoing { party, .. }
            | State::Incoming { party }
            | State::Established { party, .. }
            | State::Reconnecting { party, .. } => self.bye(party, EndReason::ShuttingDown, now),
        }
    }

    fn bye(&mut self, party: Party, reason: EndReason, now: Time) -> Vec<Effect> {
        let mut effects = vec![Effect::Send(party.peer, farewell(party.call, reason))];
        effects.extend(self.finish(party, reason, now));
        effects
    }

    /// Into Ended, with the record, media stopped if it ran.
    fn finish(&mut self, party: Party, reason: EndReason, now: Time) -> Vec<Effect> {
        let talked = match self.state {
            State::Established { answered, .. } | State::Reconnecting { answered, .. } => {
                Some(now.since(answered))
            }
            State::Idle | State::Outgoing { .. } | State::Incoming { .. } | State::Ended { .. } => {
                None
            }
        };
        let rang = !matches!(self.state, State::Outgoing { ringing: false, .. });
        let shown = match reason {
            EndReason::HungUp | EndReason::Cancelled => ENDED_SHOWN,
            _ => SENTENCE_SHOWN,
        };
        self.state = State::Ended { party, talked, reason, until: now + shown };
        self.remember(party.peer, party.call, reason);
        let mut effects = Vec::new();
        if talked.is_some() {
            effects.push(Effect::StopMedia);
        }
        effects.push(Effect::Record(Outcome { party, talked, reason, rang }));
        effects
    }
}

/// How the other end is told that a call is over, or was not to be.
fn farewell(call: CallId, reason: EndReason) -> Signal {
    match reason {
        EndReason::Declined => Signal::Decline { call },
        EndReason::Busy => Signal::Busy { call },
        reason => Signal::Bye { call, reason },
    }
}
