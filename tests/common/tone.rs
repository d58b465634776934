//! What a loudspeaker was given, and how much of it is a tone.

use std::path::Path;

/// The samples of a WAV file of 48 kHz mono, be it that it is still being written; none where there is
/// none.
pub(crate) fn heard(wav: &Path) -> Vec<i16> {
    let bytes = std::fs::read(wav).unwrap_or_default();
    let samples = bytes.get(44..).unwrap_or_default().chunks_exact(2);
    samples.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// A quarter of a second: a tone that is 9 Hz away is another one there.
const WINDOW: usize = 12_000;

/// How much of `sound`, 48 kHz, is at `hertz`, 0 to 1, in each of its quarters of a second; sorted. A place
/// where something was left out makes a small one.
pub(crate) fn shares(sound: &[i16], hertz: f64) -> Vec<f64> {
    let mut shares: Vec<f64> =
        sound.chunks_exact(WINDOW).map(|window| share_of(window, hertz)).collect();
    shares.sort_by(f64::total_cmp);
    shares
}

/// How loud it is: the root of its mean square.
pub(crate) fn loudness(sound: &[i16]) -> f64 {
    let squares: f64 = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (squares / sound.len().max(1) as f64).sqrt()
}

/// Goertzel.
fn share_of(sound: &[i16], hertz: f64) -> f64 {
    let step = 2.0 * (std::f64::consts::TAU * hertz / 48_000.0).cos();
    let (mut one, mut two, mut energy) = (0.0, 0.0, 0.0);
    for sample in sound {
        let sample = f64::from(*sample);
        energy += sample * sample;
        (one, two) = (sample + step * one - two, one);
    }
    let power = one * one + two * two - step * one * two;
    2.0 * power / (energy.max(1.0) * sound.len() as f64)
}
