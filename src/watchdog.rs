//! Tells the service manager that the kiosk is up, how it is, and that it makes progress.
//!
//! ```text
//!             first frame, or none for 10 s        STOPPING=1
//!  Starting ────────────────────────────> Resting ─────────────> (the end)
//!              READY=1                    │    ▲
//!         a third of WATCHDOG_USEC later  │    │ the answer has come back: WATCHDOG=1
//!                                         ▼    │
//!                                         Asked ──┐ again a third later: asked again
//!                                           ▲─────┘
//! ```
//! The app's loop asks the screen's event loop to come round, and the answer comes back through the
//! app's own queue. So each feeding proves that both loops went round once since the last one: a
//! timer would go on feeding for a kiosk whose screen has frozen. On a panel of the kernel's the
//! display's thread has to come round as well, and what was drawn before has to be on the panel. One
//! answer may get lost (the app's queue was full), so it is asked again; that no answer comes at all
//! is the service manager's business.
//!
//! Without a NOTIFY_SOCKET there is no [`Herald`], and nobody is woken for one.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::Time;

/// A screen with nothing to draw on (its panel is not plugged in) does not hold back the rest.
const WITHOUT_FRAME: Duration = Duration::from_secs(10);
/// Feedings in one watchdog period.
const FEEDINGS: u32 = 3;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first frame is drawn and on the panel, or there is nothing to draw on.
    Drawn,
    /// The screen's threads have come round since they were asked.
    CameRound,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Say that the kiosk is up.
    Ready,
    /// Have the screen's event loop answer with [`Event::CameRound`].
    Ask,
    /// Say that it makes progress.
    Feed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting { until: Time },
    Resting { until: Option<Time> },
    Asked { until: Option<Time> },
}

/// When to say what: pure.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    state: State,
    pause: Option<Duration>,
}

impl Watch {
    /// A kiosk that starts now; `watchdog` is how long the service manager waits for a feeding,
    /// `None` when it wants none.
    pub fn new(watchdog: Option<Duration>, now: Time) -> Self {
        let pause = watchdog.map(|period| period / FEEDINGS);
        Self { state: State::Starting { until: now + WITHOUT_FRAME }, pause }
    }

    /// When a [`Event::Tick`] is due; `None`: never.
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Starting { until } => Some(until),
            State::Resting { until } | State::Asked { until } => until,
        }
    }

    /// What follows from `event`.
    pub fn handle(&mut self, event: Event, now: Time) -> Option<Effect> {
        let until = self.pause.map(|pause| now + pause);
        let (resting, asked) = (State::Resting { until }, State::Asked { until });
        let (state, effect) = match (self.state, event) {
            (State::Starting { .. }, Event::Drawn) => (resting, Some(Effect::Ready)),
            (State::Starting { until }, Event::Tick) if until <= now => {
                (resting, Some(Effect::Ready))
            }
            (
                State::Resting { until: Some(until) } | State::Asked { until: Some(until) },
                Event::Tick,
            ) if until <= now => (asked, Some(Effect::Ask)),
            (State::Asked { .. }, Event::CameRound) => (resting, Some(Effect::Feed)),
            // A drawing or an answer that nobody waits for any more, or a tick that came early.
            (state, Event::Drawn | Event::CameRound | Event::Tick) => (state, None),
        };
        self.state = state;
        effect
    }
}

/// Speaks with the service manager that started us.
#[derive(Debug)]
pub struct Herald {
    watch: Watch,
    said: String,
    warned: bool,
}

impl Herald {
    /// `None` where no service manager listens.
    pub fn from_environment(now: Time) -> Option<Self> {
        let listens = std::env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty());
        listens.then(|| Self {
            watch: Watch::new(sd_notify::watchdog_enabled(), now),
            said: String::new(),
            warned: false,
        })
    }

    /// See [`Watch::deadline`].
    pub fn deadline(&self) -> Option<Time> {
        self.watch.deadline()
    }

    /// Tell what follows from `event`; true when the screen's event loop is to be asked.
    pub fn handle(&mut self, event: Event, now: Time) -> bool {
        match self.watch.handle(event, now) {
            Some(Effect::Ready) => self.tell(&[NotifyState::Ready]),
            Some(Effect::Feed) => self.tell(&[NotifyState::Watchdog]),
            Some(Effect::Ask) => return true,
            None => {}
        }
        false
    }

    /// How the kiosk is, in a sentence for `systemctl status`; nothing when that is known.
    pub fn say(&mut self, sentence: String) {
        if sentence != self.said {
            self.tell(&[NotifyState::Status(&sentence)]);
            self.said = sentence;
        }
    }

    /// The kiosk ends.
    pub fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping]);
    }

    fn tell(&mut self, news: &[NotifyState<'_>]) {
        let told: io::Result<()> = sd_notify::notify(news);
        if let Err(error) = told
            && !std::mem::replace(&mut self.warned, true)
        {
            tracing::warn!("tell the service manager: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn up(watchdog: Option<Duration>) -> Watch {
        let mut watch = Watch::new(watchdog, at(0));
        assert_eq!(watch.handle(Event::Drawn, at(1)), Some(Effect::Ready));
        watch
    }

    #[test]
    fn it_is_up_with_the_first_frame_and_says_so_once() {
        let mut watch = up(None);
        assert_eq!(watch.handle(Event::Drawn, at(2)), None);
        assert_eq!(watch.handle(Event::Tick, at(100)), None);
    }

    #[test]
    fn a_panel_that_is_not_there_holds_it_back_for_a_while_only() {
        let mut watch = Watch::new(Some(PERIOD), at(0));
        assert_eq!(watch.handle(Event::Tick, at(9)), None);
        assert_eq!(watch.deadline(), Some(at(10)));
        assert_eq!(watch.handle(Event::Tick, at(10)), Some(Effect::Ready));
        assert_eq!(watch.handle(Event::Drawn, at(11)), None);
    }

    #[test]
    fn without_a_watchdog_nobody_is_woken() {
        assert_eq!(up(None).deadline(), None);
    }

    #[test]
    fn it_feeds_when_both_loops_have_come_round_and_not_before() {
        let mut watch = up(Some(PERIOD));
        assert_eq!(watch.deadline(), Some(at(11)));
        assert_eq!(watch.handle(Event::Tick, at(10)), None);
        assert_eq!(watch.handle(Event::Tick, at(11)), Some(Effect::Ask));
        assert_eq!(watch.handle(Event::CameRound, at(12)), Some(Effect::Feed));
        assert_eq!(watch.handle(Event::CameRound, at(12)), None);
        assert_eq!(watch.deadline(), Some(at(22)));
    }

    #[test]
    fn a_screen_that_does_not_answer_is_not_fed_for_however_often_the_app_looks() {
        let mut watch = up(Some(PERIOD));
        let asked = (11..=200).filter(|second| {
            let effect = watch.handle(Event::Tick, at(*second));
            assert!(matches!(effect, None | Some(Effect::Ask)), "fed at {second}");
            effect.is_some()
        });
        assert_eq!(asked.count(), 19, "every third of the period");
    }

    #[test]
    fn an_answer_that_got_lost_is_asked_for_again_before_the_period_is_over() {
        let mut watch = up(Some(PERIOD));
        assert_eq!(watch.handle(Event::Tick, at(11)), Some(Effect::Ask));
        assert_eq!(watch.deadline(), Some(at(21)));
        assert_eq!(watch.handle(Event::Tick, at(21)), Some(Effect::Ask));
        assert_eq!(watch.handle(Event::CameRound, at(22)), Some(Effect::Feed));
        assert!(at(22).since(at(1)) < PERIOD);
        // The answer to the first question, late: it proves nothing new.
        assert_eq!(watch.handle(Event::CameRound, at(23)), None);
        assert_eq!(watch.deadline(), Some(at(32)));
    }
}
