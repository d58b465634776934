//! From mouth to ear: how much later the loudspeaker says what the microphone heard.
//!
//! ```text
//! monitor of the microphone ──┐ two recordings on one clock
//! monitor of the loudspeaker ─┴─> bursts: onset to onset   speech: best fit of the loudness
//! ```
//! [`record_pair`] makes the recordings, the rest is pure.

use std::time::Duration;

use crate::clock::Time;
use crate::device::DeviceError;
use crate::device::sound::open_source;
use crate::frame::{PERIOD_SAMPLES, SAMPLE_RATE};
use crate::stop::Stop;

/// Samples of 1 ms, the resolution of everything here.
const MILLI: usize = 48;
/// The longest delay that is usually looked for. Under the 1010 ms from burst to burst.
pub const LONGEST: Duration = Duration::from_millis(900);
/// Loudness under which there is nothing, in units of a sample.
const QUIET: f32 = 150.0;
/// Silence before an onset, in ms.
const ONSET_SILENCE_MS: usize = 100;
/// The window of speech that is compared, in ms, and the step from one to the next.
const WINDOW_MS: usize = 2000;
const WINDOW_STEP_MS: usize = 500;
/// Likeness (1 is the same) under which a window says nothing.
const LIKENESS: f32 = 0.8;
/// Silence that is a hole in a steady sound, in ms.
const HOLE_MS: usize = 3;
/// The longest recording: 15 minutes.
const RECORDING_LIMIT: usize = 15 * 60 * SAMPLE_RATE as usize;

/// Some 48 kHz mono sound and when it began.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// When the first sample was captured.
    pub start: Time,
    /// The samples, without holes.
    pub samples: Vec<i16>,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MouthToEar {
    /// Half of the delays were at most this, in ms.
    pub median_ms: f64,
    /// The longest, in ms.
    pub most_ms: f64,
    /// How many delays that stands for.
    pub count: usize,
}

impl Recording {
    /// What of it was captured from `moment` on.
    #[must_use]
    pub fn since(&self, moment: Time) -> Recording {
        let skipped = moment.since(self.start).as_micros() * u128::from(SAMPLE_RATE) / 1_000_000;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.samples.len());
        let start = self.start + Duration::from_micros(skipped as u64 * 1000 / MILLI as u64);
        Recording { start, samples: self.samples[skipped..].to_vec() }
    }

    /// The mean absolute sample of every millisecond.
    fn loudness(&self) -> Vec<f32> {
        let milli = self.samples.chunks_exact(MILLI);
        milli.map(|c| c.iter().map(|s| f32::from(*s).abs()).sum::<f32>() / MILLI as f32).collect()
    }
}

/// The delay of bursts (device `bursts`): from each onset in `mouth` to the next in `ear`, if it comes
/// within `longest`. `None` when not one burst was found in both.
pub fn by_bursts(mouth: &Recording, ear: &Recording, longest: Duration) -> Option<MouthToEar> {
    let (said, heard) = (onsets(mouth), onsets(ear));
    let delays = said.iter().filter_map(|said| {
        // A delay of nothing may come out a little less.
        let heard = heard.iter().find(|heard| **heard >= said - 2.0)?;
        let delay = (heard - said).max(0.0);
        (delay < longest.as_secs_f64() * 1e3).then_some(delay)
    });
    summary(delays.collect())
}

/// The delay of any sound that changes, such as speech: where the loudness of `ear` fits that of
/// `mouth` best within `longest`, in windows of 2 s. `None` when no window fits.
pub fn by_likeness(mouth: &Recording, ear: &Recording, longest: Duration) -> Option<MouthToEar> {
    let offset = millis(ear.start) - millis(mouth.start);
    let (said, heard) = (mouth.loudness(), ear.loudness());
    let mut delays = Vec::new();
    let last = said.len().saturating_sub(WINDOW_MS);
    for from in (0..=last).step_by(WINDOW_STEP_MS) {
        let Some(window) = said.get(from..from + WINDOW_MS) else { break };
        // Where delay 0 would be in the other recording.
        let zero = (from as f64 - offset).round() as i64;
        let fits = (0..longest.as_millis() as i64).filter_map(|delay| {
            let at = usize::try_from(zero + delay).ok()?;
            let other = heard.get(at..at + WINDOW_MS)?;
            Some((delay, likeness(window, other)))
        });
        if let Some((delay, likeness)) = fits.max_by(|a, b| a.1.total_cmp(&b.1))
            && likeness >= LIKENESS
        {
            let rounded = zero as f64 - (from as f64 - offset);
            delays.push((delay as f64 + rounded).max(0.0));
        }
    }
    summary(delays)
}

/// Times that a steady sound was interrupted from where it begins to the end of the recording: 3 ms or
/// more under a fifth of its usual loudness. One that never comes back is one, too. `None` when there
/// was no such sound.
pub fn holes(recording: &Recording) -> Option<usize> {
    let loudness = recording.loudness();
    let mut sorted = loudness.clone();
    sorted.sort_by(f32::total_cmp);
    let usual = *sorted.get(sorted.len() / 2)?;
    if usual < QUIET {
        return None;
    }
    let is_loud = |level: &f32| *level >= usual / 5.0;
    let first = loudness.iter().position(is_loud)?;
    let silences = loudness[first..].split(is_loud);
    Some(silences.filter(|silence| silence.len() >= HOLE_MS).count())
}

/// Correlation of two windows, their means taken off; 0 where one of them is quiet.
fn likeness(one: &[f32], other: &[f32]) -> f32 {
    let mean = |window: &[f32]| window.iter().sum::<f32>() / window.len() as f32;
    let (mean_one, mean_other) = (mean(one), mean(other));
    let (mut product, mut energy_one, mut energy_other) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(other) {
        let (a, b) = (a - mean_one, b - mean_other);
        product += a * b;
        energy_one += a * a;
        energy_other += b * b;
    }
    let quiet = QUIET * QUIET * one.len() as f32 / 20.0;
    if energy_one < quiet || energy_other < quiet {
        return 0.0;
    }
    product / (energy_one * energy_other).sqrt()
}

/// Moments, in ms, at which sound begins after silence.
fn onsets(recording: &Recording) -> Vec<f64> {
    let loudness = recording.loudness();
    let loudest = loudness.iter().copied().fold(0.0, f32::max);
    let threshold = (loudest / 5.0).max(QUIET);
    // It may begin in the middle of a burst: an onset needs silence before it.
    let mut silent = 0;
    let mut onsets = Vec::new();
    for (at, level) in loudness.iter().enumerate() {
        if *level < threshold {
            silent += 1;
            continue;
        }
        if silent >= ONSET_SILENCE_MS {
            onsets.push(millis(recording.start) + at as f64);
        }
        silent = 0;
    }
    onsets
}

fn millis(time: Time) -> f64 {
    time.micros() as f64 / 1e3
}

fn summary(mut delays: Vec<f64>) -> Option<MouthToEar> {
    delays.sort_by(f64::total_cmp);
    let most_ms = *delays.last()?;
    Some(MouthToEar { median_ms: delays[delays.len() / 2], most_ms, count: delays.len() })
}

/// Record two PCMs at once until the stop (15 minutes at most), each with its own clock read
/// through its own delay, so that the two fit together.
///
/// # Errors
/// One can't be opened or breaks; the text names it.
pub fn record_pair(mouth: &str, ear: &str, stop: &Stop) -> Result<[Recording; 2], DeviceError> {
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new()
            .name("ear".to_owned())
            .spawn_scoped(scope, || record(ear, stop));
        let mouth = record(mouth, stop);
        let ear = match other {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => Err(DeviceError {
                deed: "start a thread for",
                device: ear.to_owned(),
                cause: error.to_string(),
            }),
        };
        Ok([mouth?, ear?])
    })
}

fn record(pcm: &str, stop: &Stop) -> Result<Recording, DeviceError> {
    let mut source = open_source(pcm)?;
    let mut period = [0; PERIOD_SAMPLES];
    let mut samples = Vec::new();
    // Where each period says that the recording began; the middle one is believed.
    let mut starts = Vec::new();
    while let Some(captured) = source.read(&mut period, stop)? {
        let before = samples.len() as u64 * 1000 / MILLI as u64;
        starts.push(captured - Duration::from_micros(before));
        samples.extend_from_slice(&period);
        if samples.len() >= RECORDING_LIMIT {
            break;
        }
    }
    starts.sort_unstable();
    let start = starts.get(starts.len() / 2).copied().unwrap_or_default();
    Ok(Recording { start, samples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tone::{BURST_INTERVAL, BURST_SAMPLES};

    fn late(samples: &[i16], by_ms: usize, start_ms: u64) -> Recording {
        let skipped = start_ms as usize * MILLI;
        let all: Vec<i16> =
            std::iter::repeat_n(0, by_ms * MILLI).chain(samples.iter().copied()).collect();
        Recording {
            start: Time::from_micros(7_000_000 + start_ms * 1000),
            samples: all[skipped..].to_vec(),
        }
    }

    fn bursts(seconds: u64) -> Vec<i16> {
        let loud = |at: u64| (at + 20_000) % BURST_INTERVAL < BURST_SAMPLES;
        let wave = |at: u64| ((at as f32 / 48.0 * std::f32::consts::TAU).sin() * 9000.0) as i16;
        (0..seconds * 48_000).map(|at| if loud(at) { wave(at) } else { 0 }).collect()
    }

    /// Syllables: noise whose loudness wanders.
    fn speech(seconds: usize) -> Vec<i16> {
        let mut state = 1u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 32_768.0 - 1.0
        };
        let mut level = 0.0;
        (0..seconds * 48_000)
            .map(|at| {
                if at % 4800 == 0 {
                    level = noise().max(0.0) * 9000.0;
                }
                (noise() * level) as i16
            })
            .collect()
    }

    #[test]
    fn the_delay_of_bursts_is_found_whenever_the_recordings_began() {
        for delay in [0, 37, 118, 700] {
            let (said, heard) = (late(&bursts(8), 0, 0), late(&bursts(8), delay, 300));
            let found = by_bursts(&said, &heard, LONGEST).unwrap();
            assert!((found.median_ms - delay as f64).abs() <= 1.0, "{delay}: {found:?}");
            assert!(found.count >= 6);
        }
    }

    #[test]
    fn the_delay_of_speech_is_found_though_it_is_quieter() {
        let quieter: Vec<i16> = speech(8).iter().map(|sample| sample / 3).collect();
        for delay in [12, 95, 640] {
            let (said, heard) = (late(&speech(8), 0, 0), late(&quieter, delay, 5));
            let found = by_likeness(&said, &heard, LONGEST).unwrap();
            assert!((found.median_ms - delay as f64).abs() <= 1.0, "{delay}: {found:?}");
        }
    }

    #[test]
    fn silence_has_no_delay() {
        let silence = late(&[0; 300_000], 0, 0);
        assert_eq!(by_bursts(&silence, &silence, LONGEST), None);
        assert_eq!(by_likeness(&silence, &silence, LONGEST), None);
    }

    #[test]
    fn holes_in_a_tone_are_counted_and_so_is_its_end_but_not_its_beginning() {
        let wave = |at: usize| ((at as f32 / 48.0 * std::f32::consts::TAU).sin() * 9000.0) as i16;
        let mut tone: Vec<i16> = (0..96_000).map(wave).collect();
        tone[..4800].fill(0);
        assert_eq!(holes(&late(&tone, 0, 0)), Some(0));
        tone[20_000..20_000 + 10 * MILLI].fill(0);
        tone[50_000..50_000 + 3 * MILLI + MILLI].fill(0);
        tone[60_000..60_000 + MILLI].fill(0);
        assert_eq!(holes(&late(&tone, 0, 0)), Some(2));
        tone[90_000..].fill(0);
        assert_eq!(holes(&late(&tone, 0, 0)), Some(3));
        assert_eq!(holes(&late(&[0; 48_000], 0, 0)), None);
    }

    #[test]
    fn a_part_of_a_recording_keeps_its_time() {
        let part = late(&bursts(4), 0, 0).since(Time::from_micros(8_500_000));
        assert_eq!(part.start, Time::from_micros(8_500_000));
        assert_eq!(part.samples.len(), 48_000 * 5 / 2);
    }
}
