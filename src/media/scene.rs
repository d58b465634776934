//! Whether anything has changed since the last picture that was sent.
//!
//! ```text
//!  raw  ──> luma at every eighth pixel each way ──┐
//!  JPEG ──> about as long as the last one? ──yes──┴─> few values differ, and little: unchanged
//!              └─ no: changed, without decoding
//! ```
//! A camera's noise is no change: a value counts when it differs by more than noise does. What is sent
//! is what is compared with, so that a slow change adds up and is seen. A picture goes every few
//! seconds all the same: one that was lost or torn is mended by the next. To look into a JPEG costs
//! half as much as to decode it, so while things move it is done in two pictures running and then in
//! none for a while: a scene that comes to rest is noticed that much later.

use std::time::Duration;

use crate::clock::Time;
use crate::codec::shrink::Shrinker;
use crate::frame::{Picture, PixelFormat};

/// Pixels from one compared value to the next, each way.
const STEP: usize = 8;
/// By how much single pixels differ without a change: four times the noise of a room at dusk.
const PIXEL_NOISE: u8 = 20;
/// The same of the means of blocks.
const BLOCK_NOISE: u8 = 6;
/// Of so many values, one may differ more.
const STRAY_IN: usize = 2000;
/// By how much the light may change; noise is as often more as it is less.
const MEAN_NOISE: u64 = 3;
/// A JPEG whose length differs by more than one in so many is of something else.
const LENGTH_NOISE: usize = 50;
/// After so many changes running a scene moves ...
const MOVES: u32 = 3;
/// ... and its JPEGs are not looked into for so long.
const UNSEEN: Duration = Duration::from_millis(400);
/// What did not change is sent again after this.
const AGAIN: Duration = Duration::from_secs(3);

/// What was sent last, as far as it matters.
#[derive(Debug, Default)]
pub(super) struct Scene {
    last: Vec<u8>,
    now: Vec<u8>,
    length: usize,
    sent: Option<Time>,
    /// Looks running that found a change.
    changes: u32,
    unseen_until: Option<Time>,
    /// Eighths and quality of what was sent.
    made: (u32, u8),
}

impl Scene {
    /// Whether `picture` would show the receiver nothing new, made as `made` (eighths, quality).
    pub(super) fn is_unchanged(
        &mut self,
        picture: &Picture,
        made: (u32, u8),
        shrinker: &mut Shrinker,
    ) -> bool {
        let Some(sent) = self.sent else {
            self.look(picture, shrinker);
            return false;
        };
        let better = made.0 > self.made.0 || made.0 == self.made.0 && made.1 >= self.made.1 + 10;
        let length = picture.data.len();
        let other = length.abs_diff(self.length) * LENGTH_NOISE > self.length;
        let raw = picture.format != PixelFormat::Jpeg;
        let unseen = self.unseen_until.is_some_and(|until| picture.captured < until);
        if !raw && (other || unseen) {
            self.now.clear();
            return false;
        }
        self.look(picture, shrinker);
        let noise = if raw { PIXEL_NOISE } else { BLOCK_NOISE };
        let same = is_same(&self.last, &self.now, noise);
        if !self.last.is_empty() {
            self.changes = if same { 0 } else { self.changes + 1 };
            let moves = self.changes >= MOVES;
            self.unseen_until = moves.then(|| picture.captured + UNSEEN);
        }
        same && !better && picture.captured.since(sent) < AGAIN
    }

    /// What was looked at last was sent.
    pub(super) fn sent(&mut self, picture: &Picture, made: (u32, u8)) {
        std::mem::swap(&mut self.last, &mut self.now);
        (self.length, self.sent, self.made) = (picture.data.len(), Some(picture.captured), made);
    }

    /// The receiver may have nothing any more.
    pub(super) fn forget(&mut self) {
        self.sent = None;
    }

    fn look(&mut self, picture: &Picture, shrinker: &mut Shrinker) {
        self.now.clear();
        let width = picture.size.width as usize;
        let apart = match picture.format {
            PixelFormat::Jpeg => {
                if shrinker.thumbnail(&picture.data, &mut self.now).is_err() {
                    // Whether it is a picture at all is for others to say.
                    self.now.clear();
                }
                return;
            }
            PixelFormat::I420 | PixelFormat::Nv12 => 1,
            PixelFormat::Yuyv => 2,
            PixelFormat::Rgb8 => 3,
        };
        let luma = &picture.data[..(apart * picture.size.pixels()).min(picture.data.len())];
        let rows = luma.chunks_exact((apart * width).max(1)).skip(STEP / 2).step_by(STEP);
        for row in rows {
            self.now.extend(row.iter().skip(apart * STEP / 2).step_by(apart * STEP));
        }
    }
}

fn is_same(one: &[u8], other: &[u8], noise: u8) -> bool {
    if one.len() != other.len() || one.is_empty() {
        return false;
    }
    let (mut far, mut sum) = (0, 0i64);
    for (a, b) in one.iter().zip(other) {
        far += usize::from(a.abs_diff(*b) > noise);
        sum += i64::from(*a) - i64::from(*b);
    }
    far <= one.len() / STRAY_IN && sum.unsigned_abs() <= MEAN_NOISE * one.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::Encoder;
    use crate::frame::Size;

    const SIZE: Size = Size::new(320, 240);
    const MADE: (u32, u8) = (8, 75);

    /// Grey with noise of up to ±`noise`, and a bright square whose left edge is at `left`.
    fn picture(ms: u64, noise: u64, left: usize) -> Picture {
        let mut data = vec![128; PixelFormat::I420.bytes(SIZE)];
        let mut chance = 88_172_645_463_325_252 + ms;
        for (at, value) in data[..SIZE.pixels()].iter_mut().enumerate() {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let (x, y) = (at % 320, at / 320);
            let bright = x >= left && x < left + 24 && (100..124).contains(&y);
            *value = (if bright { 200 } else { 100 } + chance % (2 * noise + 1) - noise) as u8;
        }
        Picture { captured: Time::from_micros(ms * 1000), size: SIZE, data, ..Picture::default() }
    }

    fn jpeg(of: &Picture) -> Picture {
        let data = Encoder::new(75).unwrap().encode(of).unwrap().to_vec();
        Picture { format: PixelFormat::Jpeg, data, ..of.clone() }
    }

    struct Watcher(Scene, Shrinker);

    impl Watcher {
        fn after(picture: &Picture) -> Self {
            let mut watcher = Self(Scene::default(), Shrinker::new().unwrap());
            assert!(!watcher.unchanged(picture));
            watcher.0.sent(picture, MADE);
            watcher
        }

        fn unchanged(&mut self, picture: &Picture) -> bool {
            self.0.is_unchanged(picture, MADE, &mut self.1)
        }
    }

    #[test]
    fn noise_is_no_change_and_a_small_thing_that_moves_is_one() {
        for camera in [|picture: Picture| picture, |picture: Picture| jpeg(&picture)] {
            let mut watcher = Watcher::after(&camera(picture(0, 5, 40)));
            assert!(watcher.unchanged(&camera(picture(33, 5, 40))));
            assert!(!watcher.unchanged(&camera(picture(66, 5, 60))));
            assert!(watcher.unchanged(&camera(picture(99, 5, 40))));
        }
    }

    #[test]
    fn jpegs_of_a_scene_that_moves_are_seldom_looked_into_and_its_rest_is_noticed() {
        let mut watcher = Watcher::after(&jpeg(&picture(0, 0, 40)));
        let mut looks = 0;
        for n in 1..=30 {
            let moved = jpeg(&picture(n * 33, 0, 40 + 8 * n as usize));
            assert!(!watcher.unchanged(&moved));
            looks += u32::from(!watcher.0.now.is_empty());
            watcher.0.sent(&moved, MADE);
        }
        assert!((5..15).contains(&looks), "{looks} of 30");
        let rests = |n: &u64| {
            let still = jpeg(&picture(n * 33, 0, 280));
            let unchanged = watcher.unchanged(&still);
            if !unchanged {
                watcher.0.sent(&still, MADE);
            }
            unchanged
        };
        let noticed = (31..60).find(rests).expect("noticed within a second");
        assert!(noticed < 31 + 16, "{noticed}");
    }

    #[test]
    fn what_does_not_change_goes_every_three_seconds_and_at_once_when_it_would_be_better() {
        let mut watcher = Watcher::after(&picture(0, 2, 40));
        assert!(watcher.unchanged(&picture(2999, 2, 40)));
        assert!(!watcher.unchanged(&picture(3000, 2, 40)));
        watcher.0.made = (3, 75);
        assert!(!watcher.unchanged(&picture(33, 2, 40)));
        watcher.0.made = (8, 50);
        assert!(!watcher.unchanged(&picture(33, 2, 40)));
    }

    #[test]
    fn a_change_too_slow_to_be_seen_adds_up_until_it_is() {
        let first = picture(0, 0, 40);
        let mut watcher = Watcher::after(&first);
        let darker = |by: u8| {
            let data = first.data.iter().map(|value| value - by).collect();
            Picture { data, ..first.clone() }
        };
        assert!(watcher.unchanged(&darker(2)));
        assert!(watcher.unchanged(&darker(3)));
        assert!(!watcher.unchanged(&darker(4)));
    }

    #[test]
    fn torn_and_odd_pictures_are_a_change() {
        let mut watcher = Watcher::after(&picture(0, 0, 40));
        let mut short = picture(33, 0, 40);
        short.data.truncate(100);
        assert!(!watcher.unchanged(&short));
        let whole = jpeg(&picture(0, 5, 40));
        let mut watcher = Watcher::after(&whole);
        let torn = Picture { data: vec![7; whole.data.len()], ..whole.clone() };
        assert!(!watcher.unchanged(&torn));
    }
}
