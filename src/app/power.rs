//! How much light the screen gets: pure; time of day and time passed come from outside.
//!
//! ```text
//!                 dim_after                    blank_after
//!   ┌─> Bright ──────────────> Dim ──────────────────────────────> Dark
//!   │     │ ^                  │ │ (quiet: 60 s after the last     │ │
//!   │     │ └───── touched ────┘ │  touch)                         │ │
//!   │     └─ quiet hours begin ──┴─ or, untouched for 60 s, ─────> │ │
//!   └───────────────────────── touched (quiet: only to Dim) ───────┘ │
//!   └───────────────────────── a call ───────────────────────────────┘
//! ```
//! While there is a call (ringing, going on, being mended) it is Bright; when it is over the idle
//! time starts anew. Nothing here ticks: [`Power::deadline`] says when to look again, and in the dark
//! without quiet hours that is never.

use std::time::Duration;

use chrono::NaiveTime;

use crate::clock::Time;
use crate::config::{Display, QuietHours};
use crate::ui::screen::{Command, Light};

/// In quiet hours it is dark so long after the last touch.
pub const LINGER: Duration = Duration::from_secs(60);
/// Of the chosen brightness, when dimmed.
const DIM_PERCENT: u32 = 30;
/// While there are quiet hours they are looked at this often at least: the wall clock may be set, by
/// the network or for summer time.
const CLOCK_CHECK: Duration = Duration::from_secs(3600);

/// When the light changes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// Without a touch until it is dimmed; none: never.
    pub dim_after: Option<Duration>,
    /// Without a touch until it is dark; none: never.
    pub blank_after: Option<Duration>,
    /// When it is dark unless somebody uses it.
    pub quiet: QuietHours,
}

impl Habits {
    /// What the configuration says.
    pub fn of(display: &Display) -> Self {
        let after = |seconds: u32| (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        Self {
            dim_after: after(display.dim_after.get()),
            blank_after: after(display.blank_after.get()),
            quiet: display.quiet_hours,
        }
    }
}

/// The state.
#[derive(Debug)]
pub struct Power {
    habits: Habits,
    /// The last touch, the end of the last call, or the start.
    used: Time,
    in_call: bool,
}

impl Power {
    /// Somebody has just switched the kiosk on.
    pub fn new(habits: Habits, now: Time) -> Self {
        Self { habits, used: now, in_call: false }
    }

    /// These are the quiet hours from now on.
    pub fn set_quiet(&mut self, quiet: QuietHours) {
        self.habits.quiet = quiet;
    }

    /// A finger touched it, wherever.
    pub fn touched(&mut self, now: Time) {
        self.used = now;
    }

    /// Whether there is a call, from its first ring to its last word.
    pub fn follow_call(&mut self, in_call: bool, now: Time) {
        if self.in_call && !in_call {
            self.used = now;
        }
        self.in_call = in_call;
    }

    /// The light at `now`, when the clock on the wall says `wall`.
    pub fn light(&self, now: Time, wall: NaiveTime) -> Light {
        let idle = now.since(self.used);
        let over = |limit: Option<Duration>| limit.is_some_and(|limit| idle >= limit);
        let quiet = self.is_quiet(wall);
        match (self.in_call, quiet) {
            (true, _) => Light::Bright,
            (false, true) if idle >= self.linger() => Light::Dark,
            (false, true) => Light::Dim,
            (false, false) if over(self.habits.blank_after) => Light::Dark,
            (false, false) if over(self.habits.dim_after) => Light::Dim,
            (false, false) => Light::Bright,
        }
    }

    /// Whether it is quiet time when the clock on the wall says `wall`: the one place that says so,
    /// for the light as for whom the kiosk rings.
    pub fn is_quiet(&self, wall: NaiveTime) -> bool {
        self.habits.quiet.hold(wall)
    }

    /// When to look again, if nothing happens before.
    pub fn deadline(&self, now: Time, wall: NaiveTime) -> Option<Time> {
        if self.in_call {
            return None;
        }
        let limits = if self.is_quiet(wall) {
            [Some(self.linger()), None]
        } else {
            [self.habits.dim_after, self.habits.blank_after]
        };
        let limits = limits.into_iter().flatten().map(|limit| self.used + limit);
        let edge = self.habits.quiet.next_edge(wall).map(|edge| now + edge.min(CLOCK_CHECK));
        limits.chain(edge).filter(|due| *due > now).min()
    }

    fn linger(&self) -> Duration {
        self.habits.blank_after.map_or(LINGER, |blank| blank.min(LINGER))
    }
}

/// What a finger says that met a screen with this light: in the dark, whatever it says, that it is
/// to wake up, since nobody aims at what can't be seen.
pub fn as_felt(light: Light, command: Command) -> Command {
    match (light, command) {
        // The cross of a desktop's window is not on the page.
        (_, Command::Quit) => Command::Quit,
        (Light::Dark, _) => Command::Wake,
        (Light::Dim | Light::Bright, command) => command,
    }
}

/// Percent of the panel's most light, when `brightness` percent were chosen; 0 only in the dark.
pub fn percent(light: Light, brightness: u8) -> u8 {
    match light {
        Light::Dark => 0,
        Light::Dim => {
            let dimmed = (u32::from(brightness) * DIM_PERCENT).div_ceil(100);
            u8::try_from(dimmed).unwrap_or(brightness)
        }
        Light::Bright => brightness,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    fn habits(text: &str) -> Habits {
        let config = Config::parse("test", format!("[display]\n{text}").as_bytes()).unwrap();
        Habits::of(&config.display)
    }

    fn at(seconds: u64) -> Time {
        Time::from_micros(1_000_000 * seconds)
    }

    const NOON: NaiveTime = NaiveTime::from_hms_opt(12, 0, 0).unwrap();
    const NIGHT: NaiveTime = NaiveTime::from_hms_opt(23, 0, 0).unwrap();

    #[test]
    fn it_dims_after_five_minutes_is_dark_after_thirty_and_bright_again_at_a_touch() {
        let mut power = Power::new(habits(""), at(0));
        let lights = [0, 299, 300, 1799, 1800].map(|second| power.light(at(second), NOON));
        use Light::{Bright, Dark, Dim};
        assert_eq!(lights, [Bright, Bright, Dim, Dim, Dark]);
        assert_eq!(power.deadline(at(0), NOON), Some(at(300)));
        assert_eq!(power.deadline(at(300), NOON), Some(at(1800)));
        assert_eq!(power.deadline(at(1800), NOON), None);
        power.touched(at(2000));
        assert_eq!(power.light(at(2000), NOON), Bright);
        assert_eq!(power.deadline(at(2000), NOON), Some(at(2300)));
    }

    #[test]
    fn what_is_never_is_never() {
        let power = Power::new(habits("dim_after = 0\nblank_after = 0"), at(0));
        assert_eq!(power.light(at(1_000_000), NOON), Light::Bright);
        assert_eq!(power.deadline(at(0), NOON), None);
    }

    #[test]
    fn a_call_is_bright_however_long_and_the_idle_time_starts_at_its_end() {
        let mut power = Power::new(habits(""), at(0));
        assert_eq!(power.light(at(5000), NOON), Light::Dark);
        power.follow_call(true, at(5000));
        assert_eq!(power.light(at(9000), NIGHT), Light::Bright);
        assert_eq!(power.deadline(at(9000), NIGHT), None);
        power.follow_call(false, at(9000));
        assert_eq!(power.light(at(9299), NOON), Light::Bright);
        assert_eq!(power.light(at(9300), NOON), Light::Dim);
        // Being told of it again changes nothing.
        power.follow_call(false, at(9300));
        assert_eq!(power.light(at(9300), NOON), Light::Dim);
    }

    #[test]
    fn in_quiet_hours_a_touch_is_worth_a_dim_minute_and_untouched_they_begin_dark() {
        let mut power = Power::new(habits("quiet_hours = '22:00-07:00'"), at(0));
        let before = NaiveTime::from_hms_opt(21, 59, 50).unwrap();
        assert_eq!(power.light(at(100), before), Light::Bright);
        assert_eq!(power.deadline(at(100), before), Some(at(110)));
        assert_eq!(power.light(at(110), NIGHT), Light::Dark);
        power.touched(at(200));
        assert_eq!(power.light(at(200), NIGHT), Light::Dim);
        assert_eq!(power.deadline(at(200), NIGHT), Some(at(260)));
        assert_eq!(power.light(at(260), NIGHT), Light::Dark);
        // Dark until the hour is looked at; in the morning as idle as it is.
        assert_eq!(power.deadline(at(260), NIGHT), Some(at(260 + 3600)));
        assert_eq!(power.light(at(260 + 8 * 3600), NOON), Light::Dark);
    }

    #[test]
    fn in_the_dark_every_finger_only_wakes() {
        assert_eq!(as_felt(Light::Dark, Command::Answer), Command::Wake);
        assert_eq!(as_felt(Light::Dim, Command::Answer), Command::Answer);
        assert_eq!(as_felt(Light::Dark, Command::Quit), Command::Quit);
    }

    #[test]
    fn dimmed_is_a_third_of_what_was_chosen_and_never_nothing() {
        let percents = [(100, 30), (50, 15), (1, 1)];
        for (chosen, dimmed) in percents {
            assert_eq!(percent(Light::Dim, chosen), dimmed);
            assert_eq!(percent(Light::Bright, chosen), chosen);
            assert_eq!(percent(Light::Dark, chosen), 0);
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Touch,
        Call(bool),
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => Just(Step::Touch),
            2 => any::<bool>().prop_map(Step::Call),
            5 => (1..200_u64).prop_map(Step::Wait),
            2 => (1..30_000_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Second by second over days: the light that was set at the last event or deadline is right.
        #[test]
        fn the_light_never_changes_between_two_deadlines_and_is_never_dark_in_a_call(
            dim in 0..400_u32,
            blank in 0..400_u32,
            quiet in prop_oneof![Just("none"), Just("22:00-07:00"), Just("13:00-13:01")],
            start in 0..86_400_u32,
            steps in prop::collection::vec(any_step(), 1..12),
        ) {
            let text = format!("dim_after = {dim}\nblank_after = {blank}\nquiet_hours = '{quiet}'");
            let began = NaiveTime::from_num_seconds_from_midnight_opt(start, 0).unwrap();
            let wall = |now: Time| {
                began + TimeDelta::seconds(i64::try_from(now.micros() / 1_000_000).unwrap())
            };
            let mut now = at(0);
            let mut power = Power::new(habits(&text), now);
            let mut in_call = false;
            for step in steps {
                let mut seconds = 0;
                match step {
                    Step::Touch => power.touched(now),
                    Step::Call(call) => {
                        in_call = call;
                        power.follow_call(call, now);
                    }
                    Step::Wait(wait) => seconds = wait,
                }
                let mut light = power.light(now, wall(now));
                let mut due = power.deadline(now, wall(now));
                prop_assert!(due.is_none_or(|due| due > now), "a deadline that has passed");
                if matches!(step, Step::Touch) {
                    prop_assert!(light != Light::Dark, "a touch wakes");
                }
                for _ in 0..seconds {
                    now = now + Duration::from_secs(1);
                    if due.is_some_and(|due| due <= now) {
                        light = power.light(now, wall(now));
                        due = power.deadline(now, wall(now));
                    }
                    prop_assert_eq!(light, power.light(now, wall(now)), "unnoticed at {:?}", now);
                    prop_assert!(!in_call || light == Light::Bright);
                }
            }
        }
    }
}
