//! The link to a server of stations: pure, no I/O, no clock.
//!
//! ```text
//!  start, or the pause is over        connected             the server answers
//!  ────────────────────────> Connecting ──────────> Online ───────────────────> Streaming
//!                  ▲              │                    │                            │
//!                  │              │ failed, or no end  │ ended; silent; takes       │
//!                  │              │ of it in time      │ nothing                    │
//!                  └── Backoff <──┴────────────────────┴────────────────────────────┘
//! ```
//! A server answers about once a second with the sequence of a datagram of ours. That is young when it
//! is at most [`AGE_LIMIT`] behind what was sent last, counted modulo 2^16 as the sequence is: by the
//! difference, never by the larger number. Silence counts only while we talk: what was sent after the last
//! answer and before the microphone was unplugged is never answered, and restarts nothing. What the other
//! machine's kernel acknowledges is a sign of life too, for a while (a server may have stopped behind it)
//! or for ever (a server that answers nobody). Over UDP nobody acknowledges: a server that has never
//! answered there may hear us all the same, so its line stays, and only its address is looked up again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Time;

/// Datagrams that an answer may be behind: 10 s.
pub const AGE_LIMIT: u16 = 500;
/// Unanswered for so long is dead.
pub const SILENCE: Duration = Duration::from_secs(5);
/// The same for a server that has answered before and whose machine still acknowledges.
pub const HUNG: Duration = Duration::from_secs(15);
/// Silence of a server counts only if something was sent so short a time before it is over.
const TALKING: Duration = Duration::from_secs(2);
/// How often a server by UDP that has never answered is looked up again.
pub const LOOK_UP: Duration = Duration::from_secs(15);
/// A datagram that the line does not take in so long is the last one.
pub const WRITE_LIMIT: Duration = Duration::from_secs(4);
/// A link that was answered and lived so long was a good one: the pauses start over.
const GOOD: Duration = Duration::from_millis(500);
/// So was one that nobody answered and that took datagrams for so long: a black hole does not.
const GOOD_MUTE: Duration = Duration::from_secs(10);
/// Pauses before the 2nd, 3rd, … attempt in a row, each a third longer at most: 0.5 to 8 s.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(6),
];
/// The pause after a login or a key that was refused, doubling: OpenSSH shuts out who knocks faster.
const REFUSED: Duration = Duration::from_secs(60);
/// The longest of those.
const REFUSED_LONGEST: Duration = Duration::from_secs(15 * 60);

/// Where the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Before [`Event::Start`].
    Idle,
    /// An attempt is running.
    Connecting,
    /// Datagrams may go; nobody has answered yet.
    Online,
    /// The server answers.
    Streaming,
    /// Waiting for the next attempt.
    Backoff {
        /// When it begins.
        until: Time,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Begin.
    Start,
    /// The attempt succeeded.
    Connected,
    /// The attempt failed; `refused`: our login was, or its host key was not the right one.
    Failed {
        /// See above.
        refused: bool,
    },
    /// A datagram waits for the line to take it.
    Offered,
    /// The line has taken all of a datagram.
    Sent {
        /// Its own.
        sequence: u16,
    },
    /// The other machine's kernel has acknowledged something of ours.
    Acknowledged,
    /// The server has answered with this sequence.
    Answered {
        /// Of the last datagram that it has read.
        sequence: u16,
    },
    /// The connection ended.
    Lost,
    /// The time of [`Link::wake_at`] has come.
    Wake,
}

/// Why a connection is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// No answer and no acknowledgement: the line is cut, or the machine is gone.
    Silent,
    /// The machine is there and the server has stopped to answer.
    Hung,
    /// The line takes nothing any more.
    Stuck,
    /// The attempt takes too long.
    Late,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Begin an attempt; answer with `Connected` or `Failed`.
    Connect,
    /// Give the connection, or the attempt, up; no answer.
    Disconnect(Dead),
    /// The server has answered: so long after the datagram was sent, where that is still known.
    Answer(Option<Duration>),
    /// It answered with a sequence that nobody sends any more; it counts as nothing.
    Stale,
    /// Look the server up again and go on: on another connection if it has another address.
    LookUp,
}

/// The link. See the module.
#[derive(Debug)]
pub struct Link {
    state: State,
    /// How long an attempt may take.
    patience: Duration,
    /// Whether the other machine's kernel acknowledges what arrives.
    acknowledges: bool,
    /// Failures since the last good link, and refusals among them.
    attempts: usize,
    refusals: u32,
    /// When the state began.
    since: Time,
    last_sent: Option<u16>,
    last_sent_at: Time,
    /// When what was sent of late was sent: as many as are not stale.
    sent: VecDeque<(u16, Time)>,
    /// Since when something of ours has had no sign of life as its answer.
    unheard: Option<Time>,
    /// Since when something of ours has had no answer of the server's.
    unanswered: Option<Time>,
    /// Since when a datagram waits for the line.
    offered: Option<Time>,
}

impl Link {
    /// A link over UDP, where nobody acknowledges.
    pub fn over_udp(patience: Duration) -> Self {
        Self { acknowledges: false, ..Self::new(patience) }
    }

    /// A link whose attempts may take as long as `patience`.
    pub fn new(patience: Duration) -> Self {
        Self {
            state: State::Idle,
            patience,
            acknowledges: true,
            attempts: 0,
            refusals: 0,
            since: Time::default(),
            last_sent: None,
            last_sent_at: Time::default(),
            sent: VecDeque::with_capacity(usize::from(AGE_LIMIT) + 1),
            unheard: None,
            unanswered: None,
            offered: None,
        }
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether datagrams may go.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Online | State::Streaming)
    }

    /// When it wants an [`Event::Wake`].
    pub fn wake_at(&self) -> Option<Time> {
        match self.state {
            State::Idle => None,
            State::Backoff { until } => Some(until),
            State::Connecting => Some(self.since + self.patience),
            State::Online | State::Streaming => self.dies_at().map(|(at, _)| at),
        }
    }

    /// Take an event at `now`; `jitter` in 0..1 is rolled by the caller.
    pub fn handle(&mut self, event: Event, now: Time, jitter: f64) -> Option<Effect> {
        match event {
            Event::Start if self.state == State::Idle => Some(self.connect(now)),
            Event::Connected if self.state == State::Connecting => {
                (self.unheard, self.unanswered, self.offered) = (None, None, None);
                // Answers to what an earlier connection has sent say nothing of this one.
                self.sent.clear();
                // Whoever refuses logins has taken ours.
                self.refusals = 0;
                self.enter(State::Online, now);
                None
            }
            Event::Failed { refused } if self.state == State::Connecting => {
                self.refusals = if refused { self.refusals + 1 } else { 0 };
                self.rest(now, jitter);
                None
            }
            Event::Offered if self.is_up() => {
                self.offered.get_or_insert(now);
                None
            }
            Event::Sent { sequence } if self.is_up() => {
                self.sent(sequence, now);
                None
            }
            Event::Acknowledged if self.is_up() => {
                self.unheard = None;
                None
            }
            Event::Answered { sequence } if self.is_up() => Some(self.answered(sequence, now)),
            Event::Lost if self.is_up() => {
                self.lost(now, jitter);
                None
            }
            Event::Wake => self.wake(now, jitter),
            Event::Start
            | Event::Connected
            | Event::Failed { .. }
            | Event::Offered
            | Event::Sent { .. }
            | Event::Acknowledged
            | Event::Answered { .. }
            | Event::Lost => None,
        }
    }

    fn enter(&mut self, state: State, now: Time) {
        (self.state, self.since) = (state, now);
    }

    fn connect(&mut self, now: Time) -> Effect {
        self.enter(State::Connecting, now);
        Effect::Connect
    }

    fn sent(&mut self, sequence: u16, now: Time) {
        self.last_sent = Some(sequence);
        self.offered = None;
        if now.since(self.last_sent_at) > TALKING {
            // What nobody answered before we fell silent is no reproach.
            (self.unheard, self.unanswered) = (None, None);
        }
        self.last_sent_at = now;
        self.unheard.get_or_insert(now);
        self.unanswered.get_or_insert(now);
        if self.sent.len() > usize::from(AGE_LIMIT) {
            self.sent.pop_front();
        }
        self.sent.push_back((sequence, now));
    }

    fn answered(&mut self, sequence: u16, now: Time) -> Effect {
        let age = self.last_sent.map(|last| last.wrapping_sub(sequence));
        if age.is_none_or(|age| age > AGE_LIMIT) {
            return Effect::Stale;
        }
        (self.unheard, self.unanswered) = (None, None);
        if self.state == State::Online {
            self.state = State::Streaming;
        }
        let sent = self.sent.iter().rev().find(|(known, _)| *known == sequence);
        Effect::Answer(sent.map(|(_, at)| now.since(*at)))
    }

    /// Whether nothing but a first answer could show that somebody is there.
    fn is_blind(&self) -> bool {
        !self.acknowledges && self.state == State::Online
    }

    /// When the connection counts as dead unless something happens before, and why.
    fn dies_at(&self) -> Option<(Time, Dead)> {
        let talking = |at: &(Time, Dead)| self.last_sent_at + TALKING >= at.0;
        let limit = if self.is_blind() { LOOK_UP } else { SILENCE };
        let silent = self.unheard.map(|since| (since + limit, Dead::Silent)).filter(talking);
        let hung = self.unanswered.filter(|_| self.state == State::Streaming);
        let hung = hung.map(|since| (since + HUNG, Dead::Hung)).filter(talking);
        let stuck = self.offered.map(|since| (since + WRITE_LIMIT, Dead::Stuck));
        [silent, hung, stuck].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn wake(&mut self, now: Time, jitter: f64) -> Option<Effect> {
        match self.state {
            State::Backoff { until } if until <= now => Some(self.connect(now)),
            State::Connecting if self.since + self.patience <= now => {
                self.refusals = 0;
                self.rest(now, jitter);
                Some(Effect::Disconnect(Dead::Late))
            }
            State::Online | State::Streaming => {
                let (_, why) = self.dies_at().filter(|(at, _)| *at <= now)?;
                if why == Dead::Silent && self.is_blind() {
                    (self.unheard, self.unanswered) = (None, None);
                    return Some(Effect::LookUp);
                }
                self.lost(now, jitter);
                Some(Effect::Disconnect(why))
            }
            State::Idle | State::Connecting | State::Backoff { .. } => None,
        }
    }

    fn lost(&mut self, now: Time, jitter: f64) {
        let good = match self.state {
            State::Streaming => GOOD,
            _ => GOOD_MUTE,
        };
        if !self.sent.is_empty() && now.since(self.since) >= good {
            self.attempts = 0;
        }
        self.rest(now, jitter);
    }

    fn rest(&mut self, now: Time, jitter: f64) {
        let pause = match self.refusals {
            0 => PAUSES[self.attempts.min(PAUSES.len() - 1)],
            refusals => (REFUSED * (1 << (refusals - 1).min(8))).min(REFUSED_LONGEST),
        };
        self.attempts = (self.attempts + 1).min(PAUSES.len());
        let pause = pause.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 3.0);
        self.enter(State::Backoff { until: now + pause }, now);
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod stories;
