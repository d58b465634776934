//! Which pictures fit into a rate: nine rungs, from the configured picture to none at all.
//!
//! ```text
//!  rung  size       a second      quality           class
//!   0    full       all           80-100 % of it    Full
//!   1    full       all           from 35           Smaller     │ down at once:
//!   2    480x270    all           from 30           Smaller     ▼ the best rung that fits
//!   3    320x180    all           from 20           Smaller
//!   4    240x134    15            from 20           Smaller     ▲ up after 3 s without trouble,
//!   5    320x180     8            from 20           Slower      │ where it fits with a fifth to
//!   6    320x180     4            from 20           Slower      │ spare; a rung that failed soon
//!   7    the same    every 2 s    30-60             Stills      │ waits 3, 6 .. 24 s, or for a
//!   8    none                                       VoiceOnly   │ rate a quarter higher
//! ```
//! Down is where the least quality no longer passes, not where there is nothing to spare any more.
//! The sizes are eighths of the configured one, the largest with no more pixels than those: that keeps
//! the shape, and is what a JPEG is decoded to for less work. Within a rung the quality follows the
//! rate from picture to picture, by what the last pictures of that size have cost; so few changes of
//! size are seen. On a line without a known limit there is nothing to choose.

use std::cmp::Ordering;
use std::time::Duration;

use crate::clock::Time;
use crate::frame::Size;
use crate::quality::Quality;

/// Rungs there are.
pub const RUNGS: usize = 9;
/// The rung of a still every two seconds.
pub const STILLS: usize = 7;
/// The last rung: no pictures.
pub const VOICE_ONLY: usize = 8;

/// The pictures at the top of the ladder.
#[derive(Clone, Copy, Debug)]
pub struct Top {
    /// In pixels, even.
    pub size: Size,
    /// A second.
    pub fps: f64,
    /// JPEG quality.
    pub quality: u8,
}

/// How the next picture is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// 0 at the top.
    pub rung: usize,
    /// Eighths of the full size, each way.
    pub eighths: u32,
    /// JPEG quality.
    pub quality: u8,
    /// Pictures a second.
    pub fps: f64,
    /// Bytes it should have; `None`: as many as it has.
    pub budget: Option<usize>,
}

/// The class that rung `rung` belongs to.
pub fn class(rung: usize) -> Quality {
    match rung {
        0 => Quality::Full,
        1..=4 => Quality::Smaller,
        5..=6 => Quality::Slower,
        STILLS => Quality::Stills,
        _ => Quality::VoiceOnly,
    }
}

/// The best rung that a ceiling allows. Below the top a metered line has half the pictures too.
fn highest(ceiling: Quality) -> usize {
    match ceiling {
        Quality::Full => 0,
        Quality::Smaller => 2,
        Quality::Slower => 5,
        Quality::Stills => STILLS,
        Quality::VoiceOnly => VOICE_ONLY,
    }
}

/// Pictures a second under a ceiling, at most.
const METERED_FPS: f64 = 15.0;
/// Of the rate, this goes into pictures; the rest is for what is larger than was thought.
const USE: f64 = 0.85;
/// What must be to spare for a better rung.
const TO_SPARE: f64 = 1.2;
/// And what may be lacking before one that pictures are on is left: they pass, a little slower.
const TO_STAY: f64 = 0.9;
/// After trouble, nothing gets better for so long.
const UP_AFTER: Duration = Duration::from_secs(3);
/// A rung left again within this has failed.
const FAILED_WITHIN: Duration = Duration::from_secs(6);
/// The longest that a failed rung waits.
const LONGEST_WAIT: Duration = Duration::from_secs(24);
/// Pixels of the medium and the small size, at most.
const MEDIUM: usize = 480 * 270;
const SMALL: usize = 320 * 180;
/// And of the size that still moves at 15 a second through 0.6 Mbit/s; a 4:3 picture keeps the small one.
const TINY: usize = 240 * 180;
/// Bytes of a pixel at quality 75 before anything was measured: full, medium, small, tiny.
const COSTS: [f64; 4] = [0.09, 0.11, 0.13, 0.14];
/// Bytes at a quality, as parts of those at 75; measured on photographs coded 4:2:0 by libjpeg-turbo.
const BY_QUALITY: [(u8, f64); 15] = [
    (1, 0.10),
    (10, 0.25),
    (20, 0.39),
    (25, 0.45),
    (30, 0.51),
    (35, 0.56),
    (40, 0.61),
    (50, 0.70),
    (60, 0.80),
    (70, 0.93),
    (75, 1.0),
    (80, 1.14),
    (90, 1.7),
    (95, 2.5),
    (100, 4.8),
];

#[derive(Clone, Copy, Debug)]
struct Rung {
    /// 0 full, 1 medium, 2 small, 3 tiny.
    scale: usize,
    fps: f64,
    least: u8,
    most: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failure {
    when: Time,
    rate: f64,
    wait: Duration,
}

/// Where on the ladder the pictures are. Pure: `now` is an argument.
#[derive(Clone, Debug)]
pub struct Ladder {
    top: Top,
    rungs: [Rung; RUNGS],
    eighths: [u32; 4],
    /// Bytes of a pixel at quality 75, by scale, and whether that was measured.
    costs: [(f64, bool); 4],
    at: usize,
    /// When, and at which rate, it got better last.
    climbed: Option<(Time, f64)>,
    failures: [Option<Failure>; RUNGS],
    trouble: Option<Time>,
}

impl Ladder {
    /// On the lowest rung that is a moving picture: the climb begins there.
    pub fn new(top: Top) -> Self {
        let eighths =
            [8, eighths(top.size, MEDIUM), eighths(top.size, SMALL), eighths(top.size, TINY)];
        let most = top.quality;
        let rung =
            |scale: usize, fps: f64, least: u8| Rung { scale, fps, least: least.min(most), most };
        let all = f64::INFINITY;
        let full = rung(0, all, (u16::from(most) * 4 / 5) as u8);
        let still = Rung { most: most.min(60), ..rung(2, 0.5, 30) };
        let rungs = [
            full,
            rung(0, all, 35),
            rung(1, all, 30),
            rung(2, all, 20),
            rung(3, 15.0, 20),
            rung(2, 8.0, 20),
            rung(2, 4.0, 20),
            still,
            Rung { most: 20, ..rung(2, 0.1, 20) },
        ];
        let costs = COSTS.map(|cost| (cost, false));
        let failures = [None; RUNGS];
        Self { top, rungs, eighths, costs, at: 4, climbed: None, failures, trouble: None }
    }

    /// The camera takes so many pictures a second.
    pub fn set_fps(&mut self, fps: f64) {
        self.top.fps = fps;
    }

    /// The rung that pictures are on.
    pub fn rung(&self) -> usize {
        self.at
    }

    /// What a picture at the top has in bytes.
    pub fn full_bytes(&self) -> usize {
        self.cost(0, self.top.quality) as usize
    }

    /// The line was found to be thinner than was thought.
    pub fn troubled(&mut self, now: Time) {
        self.trouble = Some(now);
    }

    /// The next picture, with `rate` bytes a second (`None`: no limit is known). `settle`: false for
    /// a rate that is only suspected: the rung is kept in mind for the one after.
    pub fn order(
        &mut self,
        rate: Option<f64>,
        ceiling: Quality,
        starting: bool,
        settle: bool,
        now: Time,
    ) -> Order {
        let wanted = self.wanted(rate, ceiling);
        let mut rung = self.at;
        if wanted > rung {
            rung = wanted;
            if settle {
                self.fall(wanted, now);
            }
        } else if wanted < rung && settle {
            let calm = self.trouble.is_none_or(|trouble| now.since(trouble) >= UP_AFTER);
            if starting || calm {
                rung = (wanted..rung).find(|up| self.may_climb(*up, rate, now)).unwrap_or(rung);
            }
            if rung < self.at {
                self.at = rung;
                self.climbed = Some((now, rate.unwrap_or(f64::INFINITY)));
            }
        }
        self.order_of(rung, rate, ceiling)
    }

    fn order_of(&self, rung: usize, rate: Option<f64>, ceiling: Quality) -> Order {
        let Rung { scale, least, most, .. } = self.rungs[rung];
        let fps = self.fps(rung, ceiling);
        // A still is the better for being larger.
        let larger = rung == STILLS && self.fits_still(rate);
        let scale = if larger { 1 } else { scale };
        let budget = rate.map(|rate| USE * rate / fps);
        let quality = budget.map_or(most, |budget| self.quality(scale, budget).clamp(least, most));
        let budget = budget.map(|budget| budget as usize);
        Order { rung, eighths: self.eighths[scale], quality, fps, budget }
    }

    /// What is sent while nobody answers: small, and one.
    pub fn still(&self) -> Order {
        let Rung { scale, least, .. } = self.rungs[STILLS];
        let (rung, fps) = (STILLS, self.fps(STILLS, Quality::Stills));
        Order { rung, eighths: self.eighths[scale], quality: least, fps, budget: None }
    }

    /// Pictures a second on `rung`; a metered line has half of them.
    fn fps(&self, rung: usize, ceiling: Quality) -> f64 {
        let most = if ceiling == Quality::Full { f64::INFINITY } else { METERED_FPS };
        self.rungs[rung].fps.min(self.top.fps).min(most)
    }

    fn fits_still(&self, rate: Option<f64>) -> bool {
        rate.is_none_or(|rate| self.cost(1, 40) <= USE * rate / self.fps(STILLS, Quality::Stills))
    }

    /// The best rung that fits, with something to spare if it is better than the one we are on.
    fn wanted(&self, rate: Option<f64>, ceiling: Quality) -> usize {
        let highest = highest(ceiling);
        let Some(rate) = rate else { return highest };
        let fits = |index: &usize| {
            let rung = &self.rungs[*index];
            let spare = match index.cmp(&self.at) {
                Ordering::Less => TO_SPARE,
                Ordering::Equal => TO_STAY,
                Ordering::Greater => 1.0,
            };
            self.cost(rung.scale, rung.least) * spare <= USE * rate / self.fps(*index, ceiling)
        };
        (highest..VOICE_ONLY).find(fits).unwrap_or(VOICE_ONLY)
    }

    /// Straight down to `to`, off the ladder if need be.
    fn fall(&mut self, to: usize, now: Time) {
        let soon = |(when, _): &(Time, f64)| now.since(*when) < FAILED_WITHIN;
        if let Some((_, rate)) = self.climbed.take().filter(soon) {
            let known = &mut self.failures[self.at];
            let wait = known.map_or(UP_AFTER, |failure| (failure.wait * 2).min(LONGEST_WAIT));
            *known = Some(Failure { when: now, rate, wait });
        }
        self.at = to;
    }

    fn may_climb(&self, to: usize, rate: Option<f64>, now: Time) -> bool {
        self.failures[to].is_none_or(|failure| {
            now.since(failure.when) >= failure.wait
                || rate.is_none_or(|rate| rate >= 1.25 * failure.rate)
        })
    }

    /// Silence: what went wrong then says nothing of the line now.
    pub fn forget_failures(&mut self) {
        self.failures = [None; RUNGS];
        self.trouble = None;
    }

    /// Nobody answers: no picture but one in a while that asks again.
    pub fn to_voice_only(&mut self) {
        self.at = VOICE_ONLY;
        self.climbed = None;
    }

    /// A picture of so many eighths and this quality had `bytes`.
    pub fn cost_was(&mut self, eighths: u32, quality: u8, bytes: usize) {
        let Some(scale) = self.eighths.iter().position(|known| *known == eighths) else { return };
        let factor = bytes as f64 / self.cost(scale, quality).max(1.0);
        let (_, measured) = self.costs[scale];
        let factor = if measured { factor.powf(0.4) } else { factor };
        for (other, (cost, known)) in self.costs.iter_mut().enumerate() {
            // What is in the picture counts at every size; a first measure only where there is none.
            if other == scale || measured || !*known {
                *cost = (*cost * factor).clamp(1e-4, 10.0);
            }
        }
        self.costs[scale].1 = true;
    }

    /// The quality for another try at a picture that had `bytes` at `quality`.
    pub fn quality_for(&self, order: &Order, bytes: usize) -> Option<u8> {
        let budget = order.budget?;
        let wanted = by_quality(order.quality) * budget as f64 / bytes.max(1) as f64;
        let least = self.rungs[order.rung].least;
        Some(quality_of(wanted).clamp(least.min(20), order.quality))
    }

    /// Bytes of a picture, as far as is known.
    fn cost(&self, scale: usize, quality: u8) -> f64 {
        let pixels = self.top.size.eighths(self.eighths[scale]).pixels();
        self.costs[scale].0 * pixels as f64 * by_quality(quality)
    }

    fn quality(&self, scale: usize, budget: f64) -> u8 {
        quality_of(budget / self.cost(scale, 75).max(1.0))
    }
}

/// The most eighths of `size` that have at most `pixels`.
fn eighths(size: Size, pixels: usize) -> u32 {
    (1..=8).rev().find(|eighths| size.eighths(*eighths).pixels() <= pixels).unwrap_or(1)
}

fn by_quality(quality: u8) -> f64 {
    let above = BY_QUALITY.iter().position(|(of, _)| *of >= quality).unwrap_or(14).max(1);
    let ((q0, f0), (q1, f1)) = (BY_QUALITY[above - 1], BY_QUALITY[above]);
    f0 + (f1 - f0) * (f64::from(quality) - f64::from(q0)) / (f64::from(q1) - f64::from(q0))
}

fn quality_of(factor: f64) -> u8 {
    (1..=100).rev().find(|quality| by_quality(*quality) <= factor).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOP: Top = Top { size: Size::new(640, 480), fps: 30.0, quality: 75 };

    fn at(ms: u64) -> Time {
        Time::from_micros(1_000_000 + ms * 1000)
    }

    fn order(ladder: &mut Ladder, rate: f64, ms: u64) -> Order {
        ladder.order(Some(rate), Quality::Full, false, true, at(ms))
    }

    #[test]
    fn sizes_are_eighths_that_keep_the_shape() {
        let sizes = |width, height| {
            let ladder = Ladder::new(Top { size: Size::new(width, height), ..TOP });
            ladder.eighths.map(|eighths| ladder.top.size.eighths(eighths).to_string())
        };
        assert_eq!(sizes(640, 360), ["640x360", "480x270", "320x180", "240x134"]);
        assert_eq!(sizes(1280, 720), ["1280x720", "480x270", "320x180", "160x90"]);
        assert_eq!(sizes(640, 480), ["640x480", "400x300", "240x180", "240x180"]);
        assert_eq!(sizes(240, 180), ["240x180", "240x180", "240x180", "240x180"]);
    }

    #[test]
    fn down_goes_at_once_and_up_after_three_seconds_without_trouble() {
        let mut ladder = Ladder::new(TOP);
        assert_eq!(order(&mut ladder, 2e6, 0).rung, 0);
        ladder.troubled(at(10));
        assert_eq!(order(&mut ladder, 100e3, 10).rung, 3);
        assert_eq!(order(&mut ladder, 2e6, 3000).rung, 3);
        assert_eq!(order(&mut ladder, 2e6, 3010).rung, 0);
    }

    #[test]
    fn a_rung_that_failed_soon_waits_longer_and_longer_unless_the_line_is_clearly_better() {
        let mut ladder = Ladder::new(TOP);
        let mut now = 0;
        let mut waits = Vec::new();
        order(&mut ladder, 700e3, now);
        for _ in 0..6 {
            now += 500;
            order(&mut ladder, 650e3, now);
            order(&mut ladder, 50e3, now);
            let left = now;
            while order(&mut ladder, 700e3, now).rung > 1 {
                now += 100;
                assert!(now - left < 60_000, "{waits:?} {ladder:?}");
            }
            waits.push((now - left) / 1000);
        }
        assert_eq!(waits, [3, 6, 12, 24, 24, 24]);
        order(&mut ladder, 50e3, now);
        assert_eq!(order(&mut ladder, 2e6, now + 100).rung, 0);
    }

    #[test]
    fn the_ceiling_holds_whatever_the_line_is() {
        for (ceiling, rung) in Quality::ALL.into_iter().zip([0, 2, 5, STILLS, VOICE_ONLY]) {
            let order = Ladder::new(TOP).order(None, ceiling, true, true, at(0));
            assert_eq!(order.rung, rung);
            assert!(
                class(order.rung) == ceiling && (ceiling == Quality::Full || order.fps <= 15.0)
            );
        }
    }

    #[test]
    fn under_a_ceiling_the_rung_is_chosen_for_the_pictures_that_are_sent() {
        let mut ladder = Ladder::new(TOP);
        let rate = 15.5 * ladder.cost(1, 30) * TO_SPARE / USE;
        let mut rung = |ceiling| ladder.order(Some(rate), ceiling, true, true, at(0)).rung;
        assert_eq!((rung(Quality::Full), rung(Quality::Smaller)), (3, 2));
    }

    #[test]
    fn the_quality_follows_what_pictures_cost() {
        let mut ladder = Ladder::new(TOP);
        let rate = 400e3;
        for _ in 0..40 {
            let order = order(&mut ladder, rate, 0);
            // Content that costs three times what was thought.
            let bytes = 3.0
                * COSTS[0]
                * 640.0
                * 480.0
                * by_quality(order.quality)
                * f64::from(order.eighths * order.eighths)
                / 64.0;
            ladder.cost_was(order.eighths, order.quality, bytes as usize);
        }
        let order = order(&mut ladder, rate, 0);
        let scale = ladder.eighths.iter().position(|known| *known == order.eighths).unwrap();
        let cost = ladder.cost(scale, order.quality) as usize;
        assert!(cost <= order.budget.unwrap() && cost * 2 > order.budget.unwrap(), "{order:?}");
    }

    proptest! {
        #[test]
        fn a_line_that_only_gets_better_never_gets_a_worse_rung_and_the_other_way_round(
            mut rates in prop::collection::vec(1e3f64..3e6, 2..60),
        ) {
            rates.sort_by(f64::total_cmp);
            let mut ladder = Ladder::new(TOP);
            let mut last = VOICE_ONLY;
            ladder.to_voice_only();
            for (second, rate) in rates.iter().enumerate() {
                let rung = order(&mut ladder, *rate, 1000 * second as u64).rung;
                prop_assert!(rung <= last, "{rate} was {rung} after {last}");
                last = rung;
            }
            for (second, rate) in rates.iter().rev().enumerate() {
                let rung = order(&mut ladder, *rate, 100_000 + 1000 * second as u64).rung;
                prop_assert!(rung >= last, "{rate} was {rung} after {last}");
                last = rung;
            }
        }

        #[test]
        fn the_quality_is_within_its_rung_and_the_budget_within_the_rate(
            rate in 1e3f64..5e6, bytes in 1usize..500_000, quality in 1u8..=100,
        ) {
            let mut ladder = Ladder::new(Top { quality, ..TOP });
            for ms in 0..20 {
                let order = order(&mut ladder, rate, ms);
                let rung = ladder.rungs[order.rung];
                prop_assert!((rung.least..=rung.most).contains(&order.quality));
                prop_assert!(order.budget.unwrap() as f64 <= rate / order.fps);
                ladder.cost_was(order.eighths, order.quality, bytes);
                let again = ladder.quality_for(&order, bytes).unwrap();
                prop_assert!(again >= 1 && again <= order.quality);
            }
        }
    }
}
