//! A picture to look at where there is no camera: two cans on a string, a bead that runs along it,
//! colour bars, and a letter and tint that tell two kiosks apart.
//!
//! ```text
//!   ▮▯▯▮▮▯▮▯ stamp ▯▮▮▯        every picture: its number and its time, for machines
//!    ▛▜            ▛▜
//!    ▙▟·.__  ● __.·▙▟           the bead crosses in two seconds
//!      A    ```                  letter
//!   ▒▒▓▓░░██▒▒▓▓░░██            bars
//! ```
//! What doesn't move is drawn once and kept as runs of equal bytes, a hundredth of a picture; a tick
//! unrolls them and draws the rest. With grain the whole of it trembles from picture to picture as
//! what a camera's sensor makes: codecs that send differences have something to do.

use crate::clock::Time;
use crate::frame::{Picture, PixelFormat, Size};
use crate::stop::Stop;

use super::letters::glyph;
use super::stamp::{self, Stamp};
use super::ticker::Ticker;
use super::{DeviceError, VideoSource};

/// Seconds in which the bead runs across and back.
const SWING: f64 = 4.0;

const WHITE: [u8; 3] = [255, 255, 255];
const BARS: [[u8; 3]; 7] = [
    [235, 235, 235],
    [235, 220, 60],
    [60, 215, 215],
    [70, 200, 80],
    [205, 80, 200],
    [215, 70, 60],
    [60, 80, 210],
];
/// Backgrounds that letters take in turn: each two neighbours are far apart.
const TINTS: [[u8; 3]; 4] = [[28, 96, 110], [122, 66, 36], [74, 54, 118], [44, 92, 52]];

/// Grain: each pixel is off by at most this, at random.
const GRAIN: u8 = 6;
/// Places at which a picture's grain may begin in the field of it.
const GRAIN_PLACES: usize = 8192;

/// The generator.
pub struct TestPattern {
    size: Size,
    /// What doesn't move: how often each byte comes, one after the other.
    still: Vec<(u32, u8)>,
    /// Grain of more pixels than a picture has, 0 to twice [`GRAIN`]; empty: none.
    grain: Vec<u8>,
    ticker: Ticker,
    counter: u32,
}

impl TestPattern {
    /// Pictures of `size` (even each way), `fps` a second; `letter` A to Z chooses letter and tint.
    ///
    /// # Errors
    /// The size is odd, or the system has no timer to give.
    pub fn new(size: Size, fps: f64, letter: char) -> Result<Self, DeviceError> {
        let failed = |cause: String| DeviceError {
            deed: "start the test pattern",
            device: format!("{size}"),
            cause,
        };
        if !size.is_even() {
            return Err(failed("width and height must be even".to_owned()));
        }
        let ticker = Ticker::new(fps).map_err(|error| failed(error.to_string()))?;
        let still = draw_still(size, letter);
        let still = still.chunk_by(|a, b| a == b).map(|run| (run.len() as u32, run[0])).collect();
        Ok(Self { size, still, grain: Vec::new(), ticker, counter: 0 })
    }

    /// The same with a camera's grain over it.
    ///
    /// # Errors
    /// As [`TestPattern::new`].
    pub fn grainy(size: Size, fps: f64, letter: char) -> Result<Self, DeviceError> {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u8 % (GRAIN + 1)
        };
        // The sum of two: little is more frequent than much.
        let grain = (0..size.pixels() + GRAIN_PLACES).map(|_| random() + random());
        let grain = grain.collect();
        Ok(Self { grain, ..Self::new(size, fps, letter)? })
    }

    fn add_grain(&self, luma: &mut [u8]) {
        let place = self.counter.wrapping_mul(2_654_435_761) as usize % GRAIN_PLACES;
        for (pixel, grain) in luma.iter_mut().zip(self.grain.iter().skip(place)) {
            *pixel = pixel.saturating_add(*grain).saturating_sub(GRAIN);
        }
    }

    fn draw(&self, into: &mut Picture, tick: Time) {
        into.captured = tick;
        into.size = self.size;
        into.format = PixelFormat::I420;
        into.data.clear();
        into.data.reserve(PixelFormat::I420.bytes(self.size));
        for (times, byte) in &self.still {
            into.data.resize(into.data.len() + *times as usize, *byte);
        }
        self.add_grain(&mut into.data[..self.size.pixels()]);
        let mut canvas = Canvas { size: self.size, data: &mut into.data };
        let phase = (tick.micros() as f64 / 1e6 / SWING).fract();
        let along = 1.0 - (2.0 * phase - 1.0).abs();
        let (x, y) = string_at(self.size, along);
        canvas.disc(x, y, f64::from(self.size.height) / 24.0, WHITE);
        stamp::burn(canvas.data, self.size, Stamp { counter: self.counter, time: tick });
    }
}

impl VideoSource for TestPattern {
    fn shape(&self) -> (Size, PixelFormat) {
        (self.size, PixelFormat::I420)
    }

    fn read(&mut self, into: &mut Picture, stop: &Stop) -> Result<bool, DeviceError> {
        let tick = self.ticker.tick(stop).map_err(|error| DeviceError {
            deed: "time the test pattern",
            device: self.size.to_string(),
            cause: error.to_string(),
        })?;
        let Some(tick) = tick else { return Ok(false) };
        self.draw(into, tick);
        self.counter = self.counter.wrapping_add(1);
        Ok(true)
    }
}

fn draw_still(size: Size, letter: char) -> Vec<u8> {
    let mut data = vec![0; PixelFormat::I420.bytes(size)];
    let mut canvas = Canvas { size, data: &mut data };
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let letter = letter.to_ascii_uppercase();
    let tint = TINTS[letter as usize % TINTS.len()];
    let top = stamp::height(size);
    for y in 0..size.height as usize {
        let light = 0.6 + 0.8 * y as f64 / height;
        let colour = tint.map(|part| (f64::from(part) * light).min(255.0) as u8);
        canvas.rect(0, y, size.width as usize, 1, colour);
    }
    let bars = (height * 0.86) as usize / 2 * 2;
    for (index, colour) in BARS.iter().enumerate() {
        let [left, right] =
            [index, index + 1].map(|index| (width / BARS.len() as f64 * index as f64) as usize);
        canvas.rect(left, bars, right - left, size.height as usize - bars, *colour);
    }
    let steps = size.width as usize;
    for step in 0..=steps {
        let (x, y) = string_at(size, step as f64 / steps as f64);
        canvas.disc(x, y, (height / 200.0).max(1.0), [230, 220, 190]);
    }
    let (can_width, can_height) = (width * 0.11, height * 0.24);
    for end in [0.0, 1.0] {
        let (x, y) = string_at(size, end);
        let left = (x - can_width / 2.0) as usize;
        let up = ((y - can_height / 2.0) as usize).max(top);
        let (w, h) = (can_width as usize, can_height as usize);
        canvas.rect(left, up, w, h, [190, 194, 200]);
        for rib in 0..6 {
            let at = up + h * (2 * rib + 1) / 12;
            canvas.rect(left, at, w, (h / 24).max(1), [132, 138, 148]);
        }
        canvas.rect(left, up, (w / 6).max(1), h, [226, 230, 234]);
    }
    let dot = (height * 0.36 / 7.0) as usize;
    let (left, up) = ((size.width as usize).saturating_sub(5 * dot) / 2, (height * 0.44) as usize);
    for (row, bits) in glyph(letter).iter().enumerate() {
        for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
            canvas.rect(left + column * dot, up + row * dot, dot, dot, WHITE);
        }
    }
    data
}

/// Where the string is, `along` of its way from the left can (0) to the right one (1).
fn string_at(size: Size, along: f64) -> (f64, f64) {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let sag = 4.0 * along * (1.0 - along);
    (width * (0.12 + 0.76 * along), height * (0.28 + 0.11 * sag))
}

/// An I420 picture to draw on; what lies outside of it is left out.
struct Canvas<'a> {
    size: Size,
    data: &'a mut Vec<u8>,
}

impl Canvas<'_> {
    fn row(&mut self, x: usize, y: usize, width: usize, colour: [u8; 3]) {
        let (across, down) = (self.size.width as usize, self.size.height as usize);
        let end = (x + width).min(across);
        if y >= down || x >= end {
            return;
        }
        let [luma, u, v] = yuv(colour);
        self.data[y * across + x..y * across + end].fill(luma);
        let plane = across * down;
        let start = plane + y / 2 * (across / 2);
        for (start, value) in [(start, u), (start + plane / 4, v)] {
            self.data[start + x / 2..start + end.div_ceil(2)].fill(value);
        }
    }

    fn rect(&mut self, x: usize, y: usize, width: usize, height: usize, colour: [u8; 3]) {
        for y in y..y + height {
            self.row(x, y, width, colour);
        }
    }

    fn disc(&mut self, x: f64, y: f64, radius: f64, colour: [u8; 3]) {
        for row in (y - radius).max(0.0) as usize..=(y + radius).max(0.0) as usize {
            let half = (radius * radius - (row as f64 - y).powi(2)).max(0.0).sqrt();
            let left = (x - half).max(0.0) as usize;
            self.row(left, row, ((x + half) as usize).saturating_sub(left), colour);
        }
    }
}

/// BT.601, full range (JFIF 1.02, page 3).
fn yuv(rgb: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = rgb.map(f64::from);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [y, 128.0 + 0.564 * (b - y), 128.0 + 0.713 * (r - y)].map(|part| part.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grain_changes_the_whole_picture_and_leaves_its_stamp_readable() {
        let (_stopper, stop) = crate::stop::stop_pair();
        let size = Size::new(320, 240);
        let mut pattern = TestPattern::grainy(size, 200.0, 'A').unwrap();
        let (mut first, mut second) = (Picture::default(), Picture::default());
        assert!(
            pattern.read(&mut first, &stop).unwrap() && pattern.read(&mut second, &stop).unwrap()
        );
        let pixels = size.pixels();
        let differ = first.data[..pixels].iter().zip(&second.data).filter(|(a, b)| a != b).count();
        assert!(differ > pixels / 2, "{differ} of {pixels}");
        assert_eq!(stamp::read(&second.data, size).unwrap().counter, 1);
    }
    use crate::stop::stop_pair;

    #[test]
    fn every_picture_carries_its_number_and_the_time_of_its_tick() {
        let size = Size::new(640, 480);
        let mut pattern = TestPattern::new(size, 200.0, 'A').unwrap();
        let (_stopper, stop) = stop_pair();
        let mut picture = Picture::default();
        let mut last = None;
        for number in 0..10 {
            assert!(pattern.read(&mut picture, &stop).unwrap());
            assert_eq!(picture.data.len(), PixelFormat::I420.bytes(size));
            let stamp = stamp::read(&picture.data, size).unwrap();
            assert_eq!((stamp.counter, stamp.time), (number, picture.captured));
            assert!(last < Some(stamp.time));
            last = Some(stamp.time);
        }
    }

    #[test]
    fn two_letters_look_different_and_the_bead_moves() {
        let size = Size::new(640, 480);
        let pattern = |letter| TestPattern::new(size, 30.0, letter).unwrap();
        let (mut early, mut late) = (Picture::default(), Picture::default());
        pattern('A').draw(&mut early, Time::from_micros(0));
        pattern('A').draw(&mut late, Time::from_micros(500_000));
        let below = stamp::height(size) * size.width as usize..;
        assert_ne!(early.data[below.clone()], late.data[below.clone()]);
        pattern('B').draw(&mut late, Time::from_micros(0));
        let differ = early.data.iter().zip(&late.data).filter(|(a, b)| a != b).count();
        assert!(differ > early.data.len() / 2);
    }

    #[test]
    fn it_draws_at_any_even_size() {
        for (width, height) in [(2, 2), (16, 400), (800, 2), (176, 144), (592, 444)] {
            let size = Size::new(width, height);
            let mut picture = Picture::default();
            let pattern = TestPattern::new(size, 30.0, 'z').unwrap();
            pattern.draw(&mut picture, Time::from_micros(1));
            assert_eq!(picture.data.len(), PixelFormat::I420.bytes(size));
        }
        assert!(TestPattern::new(Size::new(641, 480), 30.0, 'A').is_err());
    }

    #[test]
    fn the_stop_ends_the_wait_for_a_tick_that_is_far_away() {
        let mut pattern = TestPattern::new(Size::new(320, 180), 1.0 / 60.0, 'A').unwrap();
        let (stopper, stop) = stop_pair();
        let mut picture = Picture::default();
        assert!(pattern.read(&mut picture, &stop).unwrap());
        drop(stopper);
        assert!(!pattern.read(&mut picture, &stop).unwrap());
    }
}
