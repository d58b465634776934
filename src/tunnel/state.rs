//! The state of one link, whatever it leads to (the relay or a peer): pure, no I/O, no clock.
//!
//! ```text
//!                  want / wake              up
//!  Disconnected ─────────────> Connecting ──────> Connected      (anew: Connecting starts over)
//!       ▲  ▲                    ▲  │  │              │  │
//!       │  │ ended   wake, kick │  │  │ failed       │  │ lost
//!       │  Disconnecting        │  │  └───────┐      │  │
//!       │      ▲  ▲             │  │          ▼      │  │
//!       │      │  └──unwanted───┼──┴──────────┼──────┘  │
//!       │      │                └───────── Backoff <────┘
//!       └──────┼──── unwanted ────────────────┘
//!              │          key refused
//!          Connecting ───────────────> Blocked ── retry (a human) ──> Connecting
//! ```
//! What is wanted is kept apart from what is. A refused login waits a minute and more whoever
//! hurries us; a key that is not the pinned one waits for a human.

use std::time::Duration;

use crate::clock::Time;

/// Pauses before the 1st, 2nd, … attempt in a row; doubling from the last one on.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// The longest pause between attempts.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest pause while a call is on.
const LONGEST_IN_CALL: Duration = Duration::from_secs(1);
/// The first pause after a refused login; OpenSSH's PerSourcePenalties would block us otherwise.
const REFUSED: Duration = Duration::from_secs(60);
/// The longest pause after refused logins.
const REFUSED_LONGEST: Duration = Duration::from_secs(15 * 60);
/// A link that held this long was a good one: the next failure starts the pauses over.
const GOOD: Duration = Duration::from_secs(3);
/// However often something kicks us, attempts are at least this far apart.
const KICK_GAP: Duration = Duration::from_millis(10);
/// A pause is made longer by up to this share of itself, so that kiosks do not march in step.
const JITTER: f64 = 0.1;

/// Where a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not wanted, nothing there.
    Disconnected,
    /// An attempt is running.
    Connecting,
    /// It is there.
    Connected,
    /// Being taken down because it is not wanted any more.
    Disconnecting,
    /// Waiting for the next attempt.
    Backoff {
        /// When the next attempt starts.
        until: Time,
        /// Why the last one failed.
        sentence: String,
        /// A refused login: nothing but a human shortens this pause.
        refused: bool,
    },
    /// Something a human has to look at.
    Blocked {
        /// What it is.
        sentence: String,
    },
}

/// What kind of failure it was decides how long we wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Network, time-out, a process that died.
    Trouble,
    /// The other end knows us not.
    LoginRefused,
    /// The other end shows a key that is not pinned for it.
    KeyRefused,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The link is wanted, or not any more.
    Want(bool),
    /// A call depends on it, or not any more.
    InCall(bool),
    /// The attempt succeeded.
    Up,
    /// The attempt failed.
    Failed(FailureKind, String),
    /// The established link ended by itself.
    Lost(String),
    /// What was being taken down is gone.
    Ended,
    /// The time of [`Link::wake_at`] has come.
    Wake,
    /// The world changed for the better: another network, the peer knocked, the relay is back.
    Kick,
    /// We are in another network: what runs was begun in the old one, and the pauses start over.
    Anew,
    /// A human asks for another attempt.
    Retry,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Start an attempt, in the place of one that runs; answer with `Up` or `Failed`.
    Connect,
    /// Take it down (or give the attempt up); answer with `Ended`.
    Disconnect,
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    wanted: bool,
    in_call: bool,
    /// Attempts since the link last held for [`GOOD`].
    attempts: u32,
    /// Refused logins in a row.
    refusals: u32,
    last_attempt: Option<Time>,
    up_since: Time,
}

impl Link {
    /// A link nobody wants yet.
    pub(super) fn new() -> Self {
        Self {
            state: State::Disconnected,
            wanted: false,
            in_call: false,
            attempts: 0,
            refusals: 0,
            last_attempt: None,
            up_since: Time::default(),
        }
    }

    /// Where it is.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// When it wants an [`Event::Wake`].
    pub(super) fn wake_at(&self) -> Option<Time> {
        match &self.state {
            State::Backoff { until, .. } => Some(*until),
            State::Disconnected
            | State::Connecting
            | State::Connected
            | State::Disconnecting
            | State::Blocked { .. } => None,
        }
    }

    /// Take an event at `now`; `jitter` in 0..1 is rolled by the caller.
    pub(super) fn handle(&mut self, event: Event, now: Time, jitter: f64) -> Option<Effect> {
        match event {
            Event::Want(wanted) => self.want(wanted, now),
            Event::InCall(in_call) => {
                self.in_call = in_call;
                if in_call {
                    self.hurry(now + LONGEST_IN_CALL);
                }
                None
            }
            Event::Up => {
                if self.state == State::Connecting {
                    self.state = State::Connected;
                    self.up_since = now;
                    self.refusals = 0;
                }
                None
            }
            Event::Failed(kind, sentence) => {
                if self.state == State::Connecting {
                    self.failed(kind, sentence, now, jitter);
                }
                None
            }
            Event::Lost(sentence) => {
                if self.state == State::Connected {
                    if now.since(self.up_since) >= GOOD {
                        self.attempts = 0;
                    }
                    self.failed(FailureKind::Trouble, sentence, now, jitter);
                }
                None
            }
            Event::Ended => {
                if self.state != State::Disconnecting {
                    return None;
                }
                self.state = State::Disconnected;
                if self.wanted { self.connect(now) } else { None }
            }
            Event::Wake => match self.state {
                State::Backoff { until, .. } if until <= now => self.connect(now),
                _ => None,
            },
            Event::Kick => {
                if let State::Backoff { refused: false, .. } = self.state {
                    self.attempts = 0;
                    self.hurry(self.last_attempt.map_or(now, |last| now.max(last + KICK_GAP)));
                }
                None
            }
            Event::Anew => match self.state {
                State::Backoff { refused: false, .. } | State::Connecting => {
                    self.attempts = 0;
                    self.connect(now)
                }
                _ => None,
            },
            Event::Retry => match self.state {
                State::Backoff { .. } | State::Blocked { .. } if self.wanted => {
                    self.attempts = 0;
                    self.connect(now)
                }
                _ => None,
            },
        }
    }

    fn want(&mut self, wanted: bool, now: Time) -> Option<Effect> {
        self.wanted = wanted;
        match (&self.state, wanted) {
            (State::Disconnected, true) => {
                self.attempts = 0;
                // Wanting it on and off does not get round the pauses of a refused login.
                self.connect(now)
            }
            (State::Connecting | State::Connected, false) => {
                self.state = State::Disconnecting;
                Some(Effect::Disconnect)
            }
            (State::Backoff { refused: false, .. }, false) => {
                self.state = State::Disconnected;
                None
            }
            // A refused login and a refused key outlast the wish: they are facts, not attempts.
            (State::Backoff { refused: true, .. } | State::Blocked { .. }, _)
            | (State::Connecting | State::Connected | State::Disconnecting, true)
            | (State::Disconnected | State::Disconnecting, false)
            | (State::Backoff { .. }, true) => None,
        }
    }

    fn connect(&mut self, now: Time) -> Option<Effect> {
        if !self.wanted {
            self.state = State::Disconnected;
            return None;
        }
        self.state = State::Connecting;
        self.attempts = self.attempts.saturating_add(1);
        self.last_attempt = Some(now);
        Some(Effect::Connect)
    }

    fn failed(&mut self, kind: FailureKind, sentence: String, now: Time, jitter: f64) {
        let jittered = |pause: Duration| pause.mul_f64(1.0 + JITTER * jitter.clamp(0.0, 1.0));
        self.state = match kind {
            FailureKind::KeyRefused => State::Blocked { sentence },
            FailureKind::LoginRefused => {
                let pause = doubled(REFUSED, self.refusals, REFUSED_LONGEST);
                self.refusals = self.refusals.saturating_add(1);
                State::Backoff { until: now + jittered(pause), sentence, refused: true }
            }
            FailureKind::Trouble => {
                let step = self.attempts as usize;
                let pause = match PAUSES.get(step) {
                    Some(pause) => *pause,
                    None => doubled(PAUSES[5], self.attempts - 5, LONGEST),
                };
                let mut pause = jittered(pause);
                if self.in_call {
                    pause = pause.min(LONGEST_IN_CALL);
                }
                State::Backoff { until: now + pause, sentence, refused: false }
            }
        };
    }

    /// Not later than `at`, unless a login was refused.
    fn hurry(&mut self, at: Time) {
        if let State::Backoff { until, refused: false, .. } = &mut self.state {
            *until = at.min(*until);
        }
    }
}

fn doubled(pause: Duration, times: u32, longest: Duration) -> Duration {
    pause.saturating_mul(1 << times.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trouble() -> Event {
        Event::Failed(FailureKind::Trouble, "no route".to_owned())
    }

    /// Let every attempt fail with `kind` for `length`; the times of the attempts.
    fn outage(link: &mut Link, kind: FailureKind, length: Duration, jitter: f64) -> Vec<Time> {
        let start = Time::from_micros(1);
        let mut now = start;
        let mut effect = link.handle(Event::Want(true), now, jitter);
        let mut attempts = Vec::new();
        while now.since(start) < length {
            if effect == Some(Effect::Connect) {
                attempts.push(now);
                link.handle(Event::Failed(kind, "no".to_owned()), now, jitter);
            }
            let Some(wake) = link.wake_at() else { break };
            now = wake;
            effect = link.handle(Event::Wake, now, jitter);
        }
        attempts
    }

    #[test]
    fn a_day_without_a_network_costs_at_most_300_attempts() {
        for jitter in [0.0, 0.5, 1.0] {
            let day = Duration::from_secs(24 * 3600);
            let attempts = outage(&mut Link::new(), FailureKind::Trouble, day, jitter);
            assert!((200..=300).contains(&attempts.len()), "{} attempts", attempts.len());
        }
    }

    #[test]
    fn a_refused_login_is_tried_once_a_minute_and_then_ever_less() {
        let hour = Duration::from_secs(3600);
        let attempts = outage(&mut Link::new(), FailureKind::LoginRefused, hour, 0.0);
        let gaps: Vec<_> = attempts.windows(2).map(|w| w[1].since(w[0]).as_secs()).collect();
        assert_eq!(gaps, [60, 120, 240, 480, 900, 900]);
    }

    #[test]
    fn in_a_call_the_pause_never_grows_over_a_second() {
        let mut link = Link::new();
        link.handle(Event::InCall(true), Time::default(), 0.0);
        let attempts = outage(&mut link, FailureKind::Trouble, Duration::from_secs(60), 1.0);
        assert!(attempts.windows(2).all(|w| w[1].since(w[0]) <= Duration::from_secs(1)));
        assert!(attempts.len() >= 60);
    }

    #[test]
    fn a_good_link_that_is_lost_is_tried_again_at_once() {
        let mut link = Link::new();
        let mut now = Time::from_micros(1);
        link.handle(Event::Want(true), now, 0.0);
        link.handle(Event::Up, now, 0.0);
        now = now + Duration::from_secs(11);
        link.handle(Event::Lost("gone".to_owned()), now, 0.0);
        assert_eq!(link.wake_at(), Some(now));
    }

    #[test]
    fn a_changed_key_waits_for_a_human_and_then_tries_once() {
        let mut link = Link::new();
        let now = Time::from_micros(1);
        link.handle(Event::Want(true), now, 0.0);
        let changed = Event::Failed(FailureKind::KeyRefused, "another key".to_owned());
        link.handle(changed, now, 0.0);
        for event in [Event::Kick, Event::Anew, Event::Wake, Event::Want(false), Event::Want(true)]
        {
            assert_eq!(link.handle(event, now + LONGEST, 0.0), None);
        }
        assert!(matches!(link.state(), State::Blocked { .. }));
        assert_eq!(link.handle(Event::Retry, now, 0.0), Some(Effect::Connect));
    }

    #[test]
    fn a_kick_ends_a_long_pause_but_not_that_of_a_refused_login() {
        let mut link = Link::new();
        let now = Time::from_micros(1);
        link.attempts = 9;
        link.handle(Event::Want(true), now, 0.0);
        link.attempts = 9;
        link.handle(trouble(), now, 0.0);
        let later = now + Duration::from_secs(2);
        link.handle(Event::Kick, later, 0.0);
        assert_eq!(link.handle(Event::Wake, later, 0.0), Some(Effect::Connect));
        link.handle(Event::Failed(FailureKind::LoginRefused, "who".to_owned()), later, 0.0);
        link.handle(Event::Kick, later, 0.0);
        assert_eq!(link.wake_at(), Some(later + REFUSED));
    }

    #[test]
    fn another_network_starts_over_at_once_and_ends_what_was_begun_in_the_old_one() {
        let mut link = Link::new();
        let now = Time::from_micros(1);
        link.handle(Event::Want(true), now, 0.0);
        // An attempt that hangs.
        let later = now + Duration::from_secs(3);
        assert_eq!(link.handle(Event::Anew, later, 0.0), Some(Effect::Connect));
        link.attempts = 9;
        link.handle(trouble(), later, 0.0);
        assert!(link.wake_at() > Some(later + Duration::from_secs(60)));
        assert_eq!(link.handle(Event::Anew, later, 0.0), Some(Effect::Connect));
        link.handle(trouble(), later, 0.0);
        assert_eq!(link.wake_at(), Some(later + PAUSES[1]));
        link.handle(Event::Wake, later + PAUSES[1], 0.0);
        link.handle(Event::Failed(FailureKind::LoginRefused, "who".to_owned()), later, 0.0);
        assert_eq!(link.handle(Event::Anew, later, 0.0), None);
        assert_eq!(link.wake_at(), Some(later + REFUSED));
    }

    #[test]
    fn the_pauses_are_a_quarter_a_half_one_two_five_and_doubling_to_five_minutes() {
        let attempts = outage(&mut Link::new(), FailureKind::Trouble, LONGEST * 5, 0.0);
        let gaps: Vec<_> = attempts.windows(2).map(|w| w[1].since(w[0]).as_millis()).collect();
        let expected =
            [250, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000];
        assert_eq!(gaps[..11], expected);
        assert!(gaps[11..].iter().all(|gap| *gap == 300_000));
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            any::<bool>().prop_map(Event::Want),
            any::<bool>().prop_map(Event::InCall),
            Just(Event::Up),
            Just(trouble()),
            Just(Event::Failed(FailureKind::LoginRefused, "no".to_owned())),
            Just(Event::Failed(FailureKind::KeyRefused, "no".to_owned())),
            Just(Event::Lost("gone".to_owned())),
            Just(Event::Ended),
            Just(Event::Wake),
            Just(Event::Kick),
            Just(Event::Anew),
            Just(Event::Retry),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_the_rules_hold(
            events in prop::collection::vec((any_event(), 0u64..2_000_000, 0f64..1.0), 0..300)
        ) {
            let mut link = Link::new();
            let mut now = Time::from_micros(1);
            let mut refused_at: Option<Time> = None;
            for (event, passed, jitter) in events {
                now = now + Duration::from_micros(passed);
                let before = link.state().clone();
                let human = event == Event::Retry;
                let anew = event == Event::Anew;
                let refusal = matches!(event, Event::Failed(FailureKind::LoginRefused, _));
                let effect = link.handle(event, now, jitter);
                if matches!(before, State::Blocked { .. }) && !human {
                    prop_assert_eq!(link.state(), &before, "only a human leaves Blocked");
                }
                if effect == Some(Effect::Connect) {
                    prop_assert!(link.wanted, "never an attempt nobody wants");
                    prop_assert_eq!(link.state(), &State::Connecting);
                    prop_assert!(anew || before != State::Connecting, "one attempt at a time");
                    if let Some(at) = refused_at {
                        prop_assert!(human || now.since(at) >= REFUSED, "a refusal rests a minute");
                    }
                    refused_at = None;
                }
                if refusal && before == State::Connecting {
                    refused_at = Some(now);
                }
                if !link.wanted {
                    prop_assert_ne!(link.state(), &State::Connecting);
                    prop_assert_ne!(link.state(), &State::Connected);
                }
            }
        }
    }
}
