//! From a card's rate to the 16 kHz of URTP: a polyphase FIR. Pure; allocates when it is made.
//!
//! ```text
//! 48 kHz ──> [ 150 taps, every third output ] ──> 16 kHz       44.1 kHz: 160 of 441, by phases
//! ```
//! A Kaiser window over a sinc (Kaiser, 1974; 80 dB): flat within 0.1 dB up to 7 kHz, and what would fold
//! back below that is 80 dB down. Both clocks are the card's, so there is no drift to follow here, which is
//! what the calls' resampler is for; and 24 bits stay 24 bits.

use crate::wire::urtp::RATE;

/// Taps on the slower side's grid: the transition is a tenth of its rate wide.
const TAPS: f64 = 50.0;
/// Kaiser's shape for 80 dB: 0.1102 (A - 8.7).
const BETA: f64 = 7.86;
/// More phases than these are no pair of rates that a card has.
const PHASES: u32 = 1000;

/// See the module.
pub struct Resampler {
    /// Output samples per `down` input samples.
    up: usize,
    down: usize,
    /// Taps of each phase, the newest sample's first; phase after phase.
    taps: Vec<f32>,
    length: usize,
    /// Input that outputs to come still need, the oldest first.
    input: Vec<f32>,
    /// Where the next output lies, in steps of 1/`up` of an input sample behind `input`'s first `length`.
    next: usize,
}

impl Resampler {
    /// From `rate`; none for rates that no card has.
    pub fn new(rate: u32) -> Option<Self> {
        let common = gcd(rate, RATE);
        let (up, down) = (RATE.checked_div(common)?, rate.checked_div(common)?);
        if up > PHASES || !(RATE / 2..=12 * RATE).contains(&rate) {
            return None;
        }
        let (up, down) = (up as usize, down as usize);
        let stretch = (f64::from(rate) / f64::from(RATE)).max(1.0);
        let length = (TAPS * stretch).ceil() as usize;
        // Cut off in the middle between 7.2 and 8.8 of 16 kHz, in cycles per input sample.
        let cut = 0.5 / stretch;
        let mut taps = vec![0.0; up * length];
        let middle = length as f64 / 2.0;
        for phase in 0..up {
            let row = &mut taps[phase * length..(phase + 1) * length];
            for (age, tap) in row.iter_mut().enumerate() {
                let x = age as f64 + phase as f64 / up as f64 - middle;
                *tap = (2.0 * cut * sinc(2.0 * cut * x) * window(x / middle)) as f32;
            }
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|tap| *tap /= sum);
        }
        // Silence came before.
        Some(Self { up, down, taps, length, input: vec![0.0; length], next: 0 })
    }

    /// How much later a sound comes out than it went in, in µs.
    pub fn delay_us(&self) -> u64 {
        if self.is_none() {
            return 0;
        }
        let rate = u64::from(RATE) * self.down as u64 / self.up as u64;
        self.length as u64 * 500_000 / rate
    }

    /// Whether it is 16 kHz already.
    fn is_none(&self) -> bool {
        self.up == self.down
    }

    /// Take `left` samples and append what comes out to `out`.
    pub fn process(&mut self, left: impl Iterator<Item = i32>, out: &mut Vec<i32>) {
        if self.is_none() {
            out.extend(left);
            return;
        }
        self.input.extend(left.map(|sample| sample as f32));
        loop {
            // The newest sample that this output has; `length` came before or with it.
            let newest = self.length - 1 + self.next / self.up + 1;
            if newest >= self.input.len() {
                break;
            }
            let row = &self.taps[self.next % self.up * self.length..][..self.length];
            let heard = &self.input[newest + 1 - self.length..=newest];
            let sum: f32 = heard.iter().rev().zip(row).map(|(sample, tap)| sample * tap).sum();
            // A float beyond the range is its end: what overshoots is clipped.
            out.push((sum.round() as i32).clamp(-0x80_0000, 0x7f_ffff));
            self.next += self.down;
        }
        let gone = (self.next / self.up).min(self.input.len() - self.length);
        self.input.drain(..gone);
        self.next -= gone * self.up;
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// Kaiser's, over -1 to 1.
fn window(x: f64) -> f64 {
    bessel(BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of order zero, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..50 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 8] = [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000];
    const PEAK: f64 = 4_000_000.0;

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<i32> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        let count = (f64::from(rate) * seconds) as usize;
        (0..count).map(|at| ((at as f64 * step).sin() * PEAK) as i32).collect()
    }

    fn resampled(rate: u32, input: &[i32], chunk: usize) -> Vec<i32> {
        let mut resampler = Resampler::new(rate).unwrap();
        let mut out = Vec::new();
        for part in input.chunks(chunk) {
            resampler.process(part.iter().copied(), &mut out);
        }
        out
    }

    /// How loud it is in the middle of `out`, in dB of [`PEAK`].
    fn level(out: &[i32]) -> f64 {
        let middle = &out[out.len() / 4..out.len() * 3 / 4];
        let power = middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / middle.len() as f64;
        20.0 * ((2.0 * power).sqrt().max(1e-9) / PEAK).log10()
    }

    #[test]
    fn what_can_be_heard_of_a_station_comes_through_as_loud_as_it_was() {
        for rate in RATES {
            let highest = if rate < RATE { f64::from(rate) * 0.43 } else { 7000.0 };
            for hertz in [100.0, 440.0, 3000.0, highest] {
                let level = level(&resampled(rate, &tone(rate, hertz, 0.5), rate as usize / 50));
                assert!(level.abs() < 0.1, "{hertz} Hz at {rate}: {level} dB");
            }
        }
    }

    #[test]
    fn what_16_khz_cannot_carry_does_not_fold_back() {
        for rate in RATES.into_iter().filter(|rate| *rate > RATE) {
            for hertz in [9000.0, 10_500.0] {
                let level = level(&resampled(rate, &tone(rate, hertz, 0.5), 480));
                assert!(level < -70.0, "{hertz} Hz at {rate}: {level} dB");
            }
        }
    }

    #[test]
    fn it_makes_no_difference_how_the_sound_is_cut() {
        let input = tone(44_100, 700.0, 0.2);
        let whole = resampled(44_100, &input, usize::MAX);
        for chunk in [1, 7, 441, 882, 1000] {
            assert_eq!(resampled(44_100, &input, chunk), whole, "by {chunk}");
        }
        assert!(whole.len().abs_diff(3200) <= 1, "{}", whole.len());
    }

    #[test]
    fn a_click_comes_out_after_the_delay_that_is_said() {
        for rate in RATES {
            let mut input = vec![0; rate as usize / 5];
            let at = rate as usize / 10;
            input[at] = 8_000_000;
            let out = resampled(rate, &input, 333);
            let loudest = (0..out.len()).max_by_key(|place| out[*place].abs()).unwrap();
            let came = loudest as f64 / f64::from(RATE) - at as f64 / f64::from(rate);
            let said = Resampler::new(rate).unwrap().delay_us() as f64 / 1e6;
            // A sample of either side at most.
            let close = 1.0 / f64::from(rate.min(RATE));
            assert!((came - said).abs() <= close, "{rate}: {came} and not {said}");
        }
    }

    #[test]
    fn sixteen_kilohertz_pass_as_they_are_and_no_cards_rates_are_refused() {
        let input = [1, -2, 8_388_607, -8_388_608];
        assert_eq!(resampled(16_000, &input, 3), input);
        for rate in [0, 1, 7_999, 15_999, 47_999, 384_000] {
            assert!(Resampler::new(rate).is_none(), "{rate}");
        }
    }
}
