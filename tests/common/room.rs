//! A room with a loudspeaker and a microphone in it, for the voice processing: deterministic, and
//! faster than time.
//!
//! ```text
//!  far ─> loudspeaker (a little crooked) ─> bulk delay ─> echoes ─┐
//!  near ──────────────────────────────────────────────────────────┼─> microphone
//!  noise floor ───────────────────────────────────────────────────┘
//! ```
//! The echoes are velvet noise: single taps of random sign and place under an exponential decay,
//! which sounds and measures like a diffuse room and is cheap to convolve with (Karjalainen and
//! Järveläinen, "Reverberation modeling using velvet noise", 2007).

use std::time::Duration;

use twocan::clock::Time;
use twocan::codec::opus::VoiceDecoder;
use twocan::frame::PERIOD_SAMPLES;
use twocan::media::voice::{Cleaner, FarEnd};

pub const RATE: usize = 48_000;

/// Numbers that look random and are always the same.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From -1 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    }
}

/// How a room answers, and what the clocks in it are worth.
#[derive(Clone, Debug)]
pub struct Room {
    /// From what the card says is heard until the first of it reaches the microphone.
    pub delay: Duration,
    /// Until the echo is 60 dB down.
    pub rt60: f32,
    /// How much quieter the echo is than what is played, in dB.
    pub loss: f32,
    /// Third harmonic of the loudspeaker, as a share of full scale.
    pub crooked: f32,
    /// Noise of the room, in dB under full scale.
    pub noise: f32,
    /// How much faster the loudspeaker's card counts than the microphone's.
    pub drift: f64,
    /// Time stamps are off by up to this much either way, in µs.
    pub jitter: f32,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(20),
            rt60: 0.4,
            loss: 8.0,
            crooked: 0.02,
            noise: 66.0,
            drift: 0.0,
            jitter: 0.0,
        }
    }
}

/// Taps a second in the echoes.
const DENSITY: usize = 2000;

impl Room {
    /// Places and weights of the echoes; the first is the direct sound.
    fn taps(&self) -> Vec<(usize, f32)> {
        let mut chance = Chance::new(7);
        let grid = RATE / DENSITY;
        let count = (self.rt60 * DENSITY as f32) as usize;
        let mut taps = vec![(0, 1.0)];
        for n in 1..count {
            let place = n * grid + ((chance.next() + 1.0) * 0.499 * grid as f32) as usize;
            let decay = 10f32.powf(-3.0 * n as f32 / count as f32);
            taps.push((place, 0.35 * chance.next().signum() * decay));
        }
        let energy: f32 = taps.iter().map(|(_, weight)| weight * weight).sum();
        let scale = 10f32.powf(-self.loss / 20.0) / energy.sqrt();
        taps.iter().map(|(place, weight)| (*place, weight * scale)).collect()
    }

    /// The echo of `far`, as long as that, on the loudspeaker's own clock.
    fn echo(&self, far: &[f32]) -> Vec<f32> {
        let taps = self.taps();
        let played: Vec<f32> = far.iter().map(|x| x - self.crooked * x * x * x * 4.0).collect();
        let delay = (self.delay.as_secs_f64() * RATE as f64) as usize;
        let mut echo = vec![0.0; far.len()];
        for (place, weight) in taps {
            let place = place + delay;
            for (out, x) in echo.iter_mut().skip(place).zip(&played) {
                *out += weight * x;
            }
        }
        echo
    }

    /// What the microphone hears when `far` is played (on the loudspeaker's clock) while `near` is
    /// spoken (on the microphone's).
    pub fn heard(&self, far: &[f32], near: &[f32]) -> Vec<f32> {
        let echo = self.echo(far);
        let mut chance = Chance::new(11);
        let noise = 10f32.powf(-self.noise / 20.0) * 1.7;
        let at = |index: i64| usize::try_from(index).ok().and_then(|i| echo.get(i)).copied();
        (0..near.len())
            .map(|n| {
                let place = n as f64 * (1.0 + self.drift);
                let (index, t) = (place.floor() as i64, (place - place.floor()) as f32);
                let [a, b, c, d] = [-1, 0, 1, 2].map(|step| at(index + step).unwrap_or(0.0));
                let spline =
                    c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a));
                b + 0.5 * t * spline + near[n] + noise * chance.next()
            })
            .collect()
    }

    /// What a talk worker would send: `heard` cleaned while `far` is played 40 ms ahead.
    pub fn cleaned(&self, far: &[f32], heard: &[f32], cleaner: &mut dyn Cleaner) -> Vec<f32> {
        const START: f64 = 1e7;
        let far_end = FarEnd::default();
        let mut chance = Chance::new(13);
        let mut stamp = |micros: f64| {
            Time::from_micros((micros + f64::from(self.jitter * chance.next())) as u64)
        };
        let mut played = far.chunks_exact(PERIOD_SAMPLES).enumerate().peekable();
        let mut reference = [0; PERIOD_SAMPLES];
        let mut out = Vec::with_capacity(heard.len());
        for (n, period) in heard.chunks_exact(PERIOD_SAMPLES).enumerate() {
            let captured = START + n as f64 * 1e4;
            let heard_at = |n: usize| START + n as f64 * 1e4 / (1.0 + self.drift);
            while let Some((n, sound)) = played.next_if(|(n, _)| heard_at(*n) < captured + 40_000.0)
            {
                far_end.played(&pcm(sound), stamp(heard_at(n)));
            }
            let mut near = pcm(period);
            far_end.heard_during(stamp(captured), &mut reference);
            cleaner.clean(&mut near, &reference);
            out.extend(near.iter().map(|sample| f32::from(*sample) / 32768.0));
        }
        out
    }
}

pub fn pcm(sound: &[f32]) -> [i16; PERIOD_SAMPLES] {
    std::array::from_fn(|i| (sound[i].clamp(-1.0, 0.9999) * 32768.0) as i16)
}

/// One of the voices of tests/data/voices, from -1 to 1.
pub fn voice(name: &str) -> Vec<f32> {
    let path = format!("{}/tests/data/voices/{name}.opus", env!("CARGO_MANIFEST_DIR"));
    let mut reader = ogg::PacketReader::new(std::fs::File::open(path).unwrap());
    let mut decoder = VoiceDecoder::new().unwrap();
    let mut sound = Vec::new();
    let mut packets = 0;
    while let Some(packet) = reader.read_packet().unwrap() {
        packets += 1;
        // The first two are the headers.
        if packets > 2 {
            let decoded = decoder.decode(&packet.data).unwrap();
            sound.extend(decoded.iter().map(|sample| f32::from(*sample) / 32768.0));
        }
    }
    sound
}

/// `seconds` of babble: pulses through three formants that change with each syllable, with hisses
/// and pauses.
pub fn babble(seconds: usize) -> Vec<f32> {
    let mut chance = Chance::new(3);
    let mut sound = Vec::with_capacity(seconds * RATE);
    let mut phase = 0.0f32;
    let mut state = [[0.0f32; 2]; 3];
    while sound.len() < seconds * RATE {
        let length = (0.18 + 0.07 * chance.next()) * RATE as f32;
        let pitch = 125.0 + 30.0 * chance.next();
        let kind = chance.next();
        let formants = [550.0 + 250.0 * chance.next(), 1500.0 + 600.0 * chance.next(), 2700.0];
        for n in 0..length as usize {
            let at = n as f32 / length;
            let envelope = (std::f32::consts::PI * at).sin().powf(0.6);
            phase += pitch * (1.0 - 0.1 * at) / RATE as f32;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase = phase.fract();
            let hiss = 0.01 * chance.next();
            let excitation = match kind {
                k if k > 0.75 => 0.0,
                k if k > 0.5 => 12.0 * hiss,
                _ => pulse + hiss,
            };
            let mut out = 0.0;
            for (formant, [one, two]) in formants.iter().zip(state.iter_mut()) {
                // A resonator 90 Hz wide.
                let radius = (-std::f32::consts::PI * 90.0 / RATE as f32).exp();
                let turn = 2.0 * radius * (std::f32::consts::TAU * formant / RATE as f32).cos();
                let next = excitation + turn * *one - radius * radius * *two;
                (*two, *one) = (*one, next);
                out += next * formant / 16_000.0;
            }
            sound.push(0.5 * envelope * out);
        }
    }
    sound.truncate(seconds * RATE);
    let loudest = sound.iter().fold(0f32, |most, x| most.max(x.abs()));
    sound.iter().map(|x| x * 0.5 / loudest).collect()
}

/// Mean power in dB of full scale.
pub fn power(sound: &[f32]) -> f32 {
    let mean = sound.iter().map(|x| f64::from(x * x)).sum::<f64>() / sound.len().max(1) as f64;
    10.0 * (mean.max(1e-12) as f32).log10()
}

/// By how much `of` is best delayed to resemble `other`, at most 20 ms, and how well it then does
/// (0 to 1).
pub fn likeness(of: &[f32], other: &[f32]) -> (usize, f32) {
    let score = |lag: usize| {
        let (mut both, mut one, mut two) = (0.0f64, 1e-9f64, 1e-9f64);
        for (a, b) in of.iter().zip(&other[lag..]) {
            both += f64::from(a * b);
            one += f64::from(a * a);
            two += f64::from(b * b);
        }
        (both / (one * two).sqrt()) as f32
    };
    let best = (0..960).step_by(2).max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap();
    (best, score(best))
}
