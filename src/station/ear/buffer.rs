//! What lies between segments that come in bursts and a loudspeaker that wants 10 ms at a time: pure.
//!
//! ```text
//!  segment, ~1 s ──push──> sound ──resample──> 48 kHz ──pull──> 10 ms
//!    two of the longest and 0.6 s     └─ a little faster or slower, so that half of the longest
//!    at most: the oldest goes            segment and 0.6 s wait on the average
//! ```
//! Sound is held back for 0.6 s when it begins and after it has run dry: the next segment is seen a
//! quarter of a second late and fetched after that. Nobody hears the tenth of a percent by which it is
//! stretched then, which also follows the two clocks, the microphone's and the loudspeaker's.
//!
//! How much waits follows the segments: of one second, as servers make them unless they are told
//! otherwise, nothing is heard three seconds late. Longer ones are heard whole, and each second more
//! makes two seconds later: one in which they are made, and one in which they wait.

use std::collections::VecDeque;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction,
};

use crate::caps::SEGMENT_SECONDS_LIMIT;
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};

/// Periods of 10 ms that the first sound is held back.
const HELD: u32 = 60;
/// Seconds beside the longest segment that are left when more had come, right after that: until the next one
/// has been seen and fetched.
const SPARE: f64 = 0.63;
/// Seconds more than what is left that may wait, or another segment if that is longer: the second one may
/// come right after the first one has begun to be heard.
const BURST: f64 = 0.9;
/// Seconds beside half of the longest segment that should wait, on the average.
const WANTED: f64 = 0.6;
/// A longer segment counts as one of so many seconds.
const LONGEST: f64 = SEGMENT_SECONDS_LIMIT as f64;
/// A period in seconds.
const PERIOD: f64 = PERIOD_SAMPLES as f64 / SAMPLE_RATE as f64;
/// How much faster it is played for each second too much, and the most.
const PER_SECOND: f64 = 0.002;
const STEEPEST: f64 = 0.003;
/// How quickly the average follows, in a period: in five seconds.
const FOLLOWS: f64 = 0.002;
/// Periods between two changes of the speed.
const STEADY: u32 = 100;
/// Taps of the resampler's filter at the stream's rate.
const TAPS: usize = 64;

/// Sound that waits.
pub(super) struct Buffer {
    rate: u32,
    sound: VecDeque<i16>,
    /// Seconds of the longest segment since playing began, which is as far apart as they come.
    longest: f64,
    resampler: Option<Async<f32>>,
    output: Vec<f32>,
    plays: bool,
    held: u32,
    /// Periods since sound came.
    since: u32,
    /// The last sample that was heard, to slide away from.
    last: i16,
    /// What comes next does not follow it.
    seam: bool,
    average: f64,
    pulls: u32,
    gaps: u64,
    cuts: u64,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            rate: 0,
            sound: VecDeque::new(),
            longest: 0.0,
            resampler: None,
            output: vec![0.0; PERIOD_SAMPLES],
            plays: false,
            held: 0,
            since: 0,
            last: 0,
            seam: true,
            average: 0.0,
            pulls: 0,
            gaps: 0,
            cuts: 0,
        }
    }
}

impl Buffer {
    /// More sound, of `rate` samples a second.
    pub(super) fn push(&mut self, rate: u32, sound: &[i16]) {
        if rate != self.rate {
            self.rate = rate;
            self.resampler = resampler(rate);
            self.sound.clear();
            self.longest = 0.0;
            self.seam = true;
        }
        let seconds = sound.len() as f64 / f64::from(rate.max(1));
        self.longest = self.longest.max(seconds.min(LONGEST));
        self.since = 0;
        let most = self.samples(self.left() + self.longest.max(BURST));
        if self.sound.len() + sound.len() <= most {
            self.sound.extend(sound);
            return;
        }
        // Memory is taken for what is left alone.
        let left = self.samples(self.left());
        let newest = &sound[sound.len().saturating_sub(left)..];
        self.keep(left - newest.len());
        self.sound.extend(newest);
        self.average = self.seconds();
        self.cuts += u64::from(self.plays);
        self.seam = true;
    }

    /// Seconds that may be left now.
    fn left(&self) -> f64 {
        self.longest + SPARE - f64::from(self.since) * PERIOD
    }

    fn samples(&self, seconds: f64) -> usize {
        (seconds * f64::from(self.rate)) as usize
    }

    /// The newest `samples`, and no others.
    fn keep(&mut self, samples: usize) {
        self.sound.drain(..self.sound.len().saturating_sub(samples));
    }

    /// The next 10 ms: sound, or silence while there is none.
    pub(super) fn pull(&mut self, period: &mut [i16; PERIOD_SAMPLES]) {
        self.since = self.since.saturating_add(1);
        if !self.plays {
            period.fill(0);
            self.held = if self.sound.is_empty() { 0 } else { self.held + 1 };
            self.plays = self.held >= HELD;
            if self.plays {
                // Now it is not missed.
                self.keep(self.samples(self.left()));
                self.average = self.seconds();
            }
            self.last = 0;
            return;
        }
        self.steer();
        if !self.take(period) {
            // The rest is too short to be heard.
            self.sound.clear();
            self.longest = 0.0;
            (self.plays, self.held) = (false, 0);
            self.gaps += 1;
            self.seam = true;
            period.fill(0);
        }
        if std::mem::take(&mut self.seam) || !self.plays {
            let (from, length) = (f32::from(self.last), PERIOD_SAMPLES as f32);
            for (index, sample) in period.iter_mut().enumerate() {
                let part = index as f32 / length;
                *sample = (from * (1.0 - part) + f32::from(*sample) * part) as i16;
            }
            self.seam = !self.plays;
        }
        self.last = period[PERIOD_SAMPLES - 1];
    }

    /// Seconds of sound that wait.
    pub(super) fn seconds(&self) -> f64 {
        self.sound.len() as f64 / f64::from(self.rate.max(1))
    }

    /// Times it ran dry.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Times too much had come while it was heard, and the oldest was left out.
    pub(super) fn cuts(&self) -> u64 {
        self.cuts
    }

    /// False: there is not enough for a period.
    fn take(&mut self, period: &mut [i16; PERIOD_SAMPLES]) -> bool {
        let Some(resampler) = &mut self.resampler else { return false };
        let needed = resampler.input_frames_next();
        if self.sound.len() < needed {
            return false;
        }
        let input: Vec<f32> = self.sound.drain(..needed).map(f32::from).collect();
        let made = SequentialSlice::new(&input, 1, needed).and_then(|input| {
            SequentialSlice::new_mut(&mut self.output, 1, PERIOD_SAMPLES)
                .map(|mut output| resampler.process_into_buffer(&input, &mut output, None).is_ok())
        });
        for (sample, made) in period.iter_mut().zip(&self.output) {
            *sample = made.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16;
        }
        matches!(made, Ok(true))
    }

    /// A little faster where too much waits, a little slower where too little does.
    fn steer(&mut self) {
        self.average += (self.seconds() - self.average) * FOLLOWS;
        self.pulls += 1;
        if !self.pulls.is_multiple_of(STEADY) {
            return;
        }
        let wanted = WANTED + self.longest / 2.0;
        let faster = ((self.average - wanted) * PER_SECOND).clamp(-STEEPEST, STEEPEST);
        if let Some(resampler) = &mut self.resampler
            && let Err(error) =
                resampler.set_resample_ratio(ratio(self.rate) * (1.0 - faster), true)
        {
            tracing::debug!("the sound of a station keeps its speed: {error}");
        }
    }
}

fn ratio(rate: u32) -> f64 {
    f64::from(SAMPLE_RATE) / f64::from(rate)
}

fn resampler(rate: u32) -> Option<Async<f32>> {
    let filter = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2);
    let made = Async::new_sinc(ratio(rate), 1.01, &filter, PERIOD_SAMPLES, 1, FixedAsync::Output);
    // It refuses only what no rate of MP3 is.
    made.inspect_err(|error| tracing::error!("resample {rate} Hz: {error}")).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::State;
    use super::super::machine::{Machine, Wish};
    use super::*;
    use crate::clock::Time;
    use crate::wire::playlist::{Playlist, Segment};

    const RATE: u32 = 16_000;

    fn pull(buffer: &mut Buffer) -> [i16; PERIOD_SAMPLES] {
        let mut period = [1; PERIOD_SAMPLES];
        buffer.pull(&mut period);
        period
    }

    fn tone(samples: usize, rate: u32) -> Vec<i16> {
        let step = 1000.0 * std::f32::consts::TAU / rate as f32;
        (0..samples).map(|n| (10_000.0 * (n as f32 * step).sin()) as i16).collect()
    }

    #[test]
    fn sound_is_held_back_for_six_tenths_of_a_second_and_comes_out_at_48_khz() {
        for rate in [8_000, 16_000, 22_050, 44_100, 48_000] {
            let mut buffer = Buffer::default();
            assert_eq!(pull(&mut buffer), [0; PERIOD_SAMPLES]);
            buffer.push(rate, &tone(rate as usize, rate));
            for _ in 0..HELD {
                assert_eq!(pull(&mut buffer), [0; PERIOD_SAMPLES]);
            }
            let heard: Vec<i16> = (0..90).flat_map(|_| pull(&mut buffer)).collect();
            let steady = &heard[4800..];
            let ups = steady.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!((796..=804).contains(&ups), "{rate}: {ups} waves of 1 kHz in 0.8 s");
            let peak = steady.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((9_700..=10_300).contains(&peak), "{rate}: {peak}");
            assert_eq!(buffer.gaps(), 0);
        }
    }

    #[test]
    fn it_neither_begins_nor_ends_nor_skips_with_a_click() {
        let mut buffer = Buffer::default();
        buffer.push(RATE, &vec![10_000; RATE as usize]);
        let mut heard: Vec<i16> = (0..120).flat_map(|_| pull(&mut buffer)).collect();
        for _ in 0..3 {
            buffer.push(RATE, &vec![-10_000; RATE as usize]);
        }
        heard.extend((0..200).flat_map(|_| pull(&mut buffer)));
        assert_eq!((buffer.gaps(), buffer.cuts()), (1, 1));
        let step = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
        let steepest = heard.windows(2).map(step).max().unwrap();
        // A jump of 20000 over 10 ms, and the resampler's ringing at an edge.
        assert!(steepest < 4_000, "{steepest}");
        assert!(heard.contains(&0) && heard.iter().any(|sample| *sample < -9_900));
    }

    /// A server that makes a segment every `segment_ms` and lists seven, and whoever listens to it, both in
    /// simulated time. Segment n sounds like the number 100 * (n + 1).
    struct House {
        machine: Machine,
        buffer: Buffer,
        segment_ms: u64,
        now: u64,
        pulled: u64,
        random: u64,
        heard: usize,
        latest_ms: u64,
    }

    const SEGMENT_MS: u64 = 972;

    impl House {
        fn new(segment_ms: u64, start: u64) -> Self {
            let machine = Machine::new(Time::from_micros(start * 1000));
            let random = start.wrapping_mul(2_654_435_761) | 1;
            let buffer = Buffer::default();
            Self {
                machine,
                buffer,
                segment_ms,
                now: start,
                pulled: start,
                random,
                heard: 0,
                latest_ms: 0,
            }
        }

        fn time(&self) -> Time {
            Time::from_micros(self.now * 1000)
        }

        /// Time passes, and the loudspeaker plays.
        fn pass(&mut self, ms: u64) {
            self.now += ms;
            while self.pulled + 10 <= self.now {
                self.pulled += 10;
                let period = pull(&mut self.buffer);
                let value = f64::from(period[PERIOD_SAMPLES - 1]) / 100.0;
                let segment = value.round() as usize;
                if segment > self.heard && (value - value.round()).abs() < 0.02 {
                    self.heard = segment;
                    // What is heard began to sound then.
                    let began = (segment as u64 - 1) * self.segment_ms;
                    self.latest_ms = self.latest_ms.max(self.pulled - began);
                }
            }
        }

        fn latency(&mut self) -> u64 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            10 + self.random % 140
        }

        fn listen(&mut self, until: u64, answers: bool) {
            while self.now < until {
                let took = self.latency();
                match self.machine.next(self.time()) {
                    Wish::Rest(next) => {
                        let ms = (next.micros() / 1000).saturating_sub(self.now).max(1);
                        self.pass(ms);
                    }
                    _ if !answers => {
                        self.pass(2000);
                        self.machine.failed(self.time());
                    }
                    Wish::Playlist => {
                        let made = self.now / self.segment_ms;
                        let segment = |n: u64| Segment {
                            uri: n.to_string(),
                            length: Duration::from_millis(self.segment_ms),
                        };
                        let segments = (made.saturating_sub(7)..made).map(segment).collect();
                        self.pass(took);
                        self.machine.listed(&Playlist { segments }, self.time());
                    }
                    Wish::Segment(uri) => {
                        let number: i16 = uri.parse().unwrap();
                        let samples = self.segment_ms as usize * RATE as usize / 1000;
                        self.pass(took);
                        self.buffer.push(RATE, &vec![100 * (number + 1); samples]);
                        self.machine.came(self.time());
                    }
                }
            }
        }
    }

    #[test]
    fn whenever_one_begins_to_listen_nothing_is_heard_three_seconds_late_and_nothing_runs_dry() {
        for start in (7000..8000).step_by(50) {
            let mut house = House::new(SEGMENT_MS, start);
            house.listen(start + 60_000, true);
            assert!(house.latest_ms <= 3000, "from {start}: {} ms late", house.latest_ms);
            assert_eq!((house.buffer.gaps(), house.buffer.cuts()), (0, 0), "from {start}");
            assert!(house.heard >= 64, "from {start}: {}", house.heard);
        }
    }

    #[test]
    fn segments_of_other_lengths_are_heard_whole_and_as_late_as_two_of_them_and_a_second() {
        for segment_ms in [500, 1476, 1980, 3996, 9972] {
            let from = 8 * segment_ms;
            for start in (from..from + segment_ms).step_by(segment_ms as usize / 3) {
                let mut house = House::new(segment_ms, start);
                house.listen(start + 15_000 + 3 * segment_ms, true);
                let (gaps, cuts) = (house.buffer.gaps(), house.buffer.cuts());
                assert_eq!((gaps, cuts), (0, 0), "{segment_ms} ms from {start}");
                let late = house.latest_ms;
                assert!(late <= 2 * segment_ms + 1060, "{segment_ms} ms from {start}: {late} ms");
                assert!(house.heard as u64 + 3 >= house.now / segment_ms, "{}", house.heard);
            }
        }
    }

    #[test]
    fn however_long_a_segment_is_no_more_is_held_than_its_newest_seconds() {
        let mut buffer = Buffer::default();
        for _ in 0..4 {
            buffer.push(RATE, &vec![1; 400 * RATE as usize]);
        }
        let most = 2.0 * LONGEST + SPARE;
        assert!(buffer.seconds() <= most, "{}", buffer.seconds());
        assert!(buffer.sound.capacity() as f64 <= 2.0 * most * f64::from(RATE));
    }

    #[test]
    fn after_a_server_was_away_the_newest_is_heard_again_within_three_seconds() {
        for away in [3_000, 5_000, 20_000] {
            let mut house = House::new(SEGMENT_MS, 7_300);
            house.listen(20_000, true);
            house.listen(20_000 + away, false);
            assert_eq!(house.machine.state(), State::Away);
            house.latest_ms = 0;
            // It is asked again after four seconds at the latest.
            house.listen(40_000 + away, true);
            assert_eq!(house.machine.state(), State::Live);
            assert!(house.latest_ms <= 3000, "away for {away}: {} ms", house.latest_ms);
            assert!(house.heard as u64 >= (40_000 + away) / SEGMENT_MS - 4);
        }
    }

    #[test]
    fn a_stream_that_is_faster_than_the_loudspeaker_is_followed_without_a_cut() {
        let mut buffer = Buffer::default();
        // 200 ppm: three samples in a second more.
        for _ in 0..600 {
            buffer.push(RATE, &vec![1000; 16_003]);
            for _ in 0..100 {
                pull(&mut buffer);
            }
        }
        assert_eq!((buffer.gaps(), buffer.cuts()), (0, 0));
        assert!((0.2..1.8).contains(&buffer.seconds()), "{}", buffer.seconds());
    }
}
