//! Clocks that drift, stamps that jitter, cards that run dry: the reference holds.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;

const PERIOD: f64 = PERIOD_SAMPLES as f64 * SAMPLE;
/// 100 Hz: one whole wave in a period.
const TONE: f64 = TAU * 100.0 / 48_000.0;
const START: f64 = 5e6;

fn time(micros: f64) -> Time {
    Time::from_micros(micros as u64)
}

/// The period `n` of a tone.
fn tone(n: usize) -> [i16; PERIOD_SAMPLES] {
    std::array::from_fn(|i| ((TONE * (n * PERIOD_SAMPLES + i) as f64).sin() * 8000.0) as i16)
}

/// The largest step between two samples of a tone of 8000.
const STEEPEST: i32 = 107;

fn steepest(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
}

/// How many samples `heard` is behind a tone that was at `phase` (radians) when it began.
fn behind(heard: &[i16; PERIOD_SAMPLES], phase: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (i, sample) in heard.iter().enumerate() {
        let at = phase + TONE * i as f64;
        sine += f64::from(*sample) * at.sin();
        cosine += f64::from(*sample) * at.cos();
    }
    -cosine.atan2(sine) / TONE
}

/// Play a tone for `periods` on a card that is `drift` too fast while a microphone that starts
/// `offset` µs later captures; what was heard in each period, one behind the other, and how many
/// samples each is behind the truth. Stamps are off by `jitter(n)` µs.
fn run(
    periods: usize,
    drift: f64,
    offset: f64,
    jitter: impl Fn(usize) -> f64,
) -> (Vec<i16>, Vec<f64>) {
    let far_end = FarEnd::default();
    let (mut heard, mut lags, mut period) = (Vec::new(), Vec::new(), [0; PERIOD_SAMPLES]);
    let mut played = 0;
    for n in 0..periods {
        let captured = START + offset + n as f64 * PERIOD;
        // The loudspeaker is always 40 ms ahead.
        while START + played as f64 * PERIOD / (1.0 + drift) < captured + 40_000.0 {
            let heard_at = START + played as f64 * PERIOD / (1.0 + drift);
            far_end.played(&tone(played), time(heard_at + jitter(2 * played)));
            played += 1;
        }
        far_end.heard_during(time(captured + jitter(2 * n + 1)), &mut period);
        let position = (captured + LEAD as f64 - START) * (1.0 + drift) / SAMPLE;
        heard.extend(period);
        lags.push(behind(&period, TONE * position));
    }
    (heard, lags)
}

#[test]
fn what_was_heard_is_found_to_a_fraction_of_a_sample() {
    for offset in [3_000.0, 3_007.0, 12_345.0] {
        let (heard, lags) = run(100, 0.0, offset, |_| 0.0);
        assert!(steepest(&heard) <= STEEPEST);
        assert!(lags.iter().all(|lag| lag.abs() < 0.1), "{offset}: {lags:?}");
    }
}

#[test]
fn before_anything_was_played_and_long_after_it_is_silent() {
    let far_end = FarEnd::default();
    let mut heard = [1; PERIOD_SAMPLES];
    far_end.heard_during(time(START), &mut heard);
    assert_eq!(heard, [0; PERIOD_SAMPLES]);
    far_end.played(&tone(1), time(START));
    for n in 1..300 {
        far_end.heard_during(time(START + f64::from(n) * PERIOD), &mut heard);
    }
    assert_eq!(heard, [0; PERIOD_SAMPLES]);
}

#[test]
fn two_cards_that_drift_apart_by_100_ppm_stay_together_for_minutes_without_a_seam() {
    for drift in [-1e-4, 1e-4] {
        let (heard, lags) = run(15_000, drift, 3_000.0, |_| 0.0);
        assert!(steepest(&heard) <= STEEPEST + 5, "{}", steepest(&heard));
        let worst = lags.iter().fold(0f64, |worst, lag| worst.max(lag.abs()));
        assert!(worst < 35.0, "{drift}: {worst} samples");
    }
}

/// The card ran dry for 33 ms: the sound behind that is heard later by as much.
#[test]
fn silence_of_a_card_that_ran_dry_is_silence_in_the_reference() {
    let far_end = FarEnd::default();
    let mut heard = [0; PERIOD_SAMPLES];
    let mut lag = 0.0;
    for n in 0..100 {
        let gap = if n < 50 { 0.0 } else { 33_000.0 };
        far_end.played(&tone(n), time(START + n as f64 * PERIOD + gap));
        if n >= 3 {
            let captured = START + (n as f64 - 2.0) * PERIOD;
            far_end.heard_during(time(captured), &mut heard);
            lag = behind(&heard, TONE * (captured + LEAD as f64 - 33_000.0 - START) / SAMPLE);
        }
    }
    assert!(lag.abs() < 0.2, "{lag}");
}

#[test]
fn a_card_that_was_opened_anew_after_an_hour_is_followed() {
    let far_end = FarEnd::default();
    let mut heard = [0; PERIOD_SAMPLES];
    for start in [START, START + 3.6e9, START + 3.5e9] {
        let mut lag = f64::NAN;
        for n in 0..40 {
            far_end.played(&tone(n), time(start + n as f64 * PERIOD + 20_000.0));
            let captured = start + n as f64 * PERIOD;
            far_end.heard_during(time(captured), &mut heard);
            lag = behind(&heard, TONE * (captured + LEAD as f64 - 20_000.0 - start) / SAMPLE);
        }
        assert!(lag.abs() < 0.2, "{start}: {lag}");
    }
}

#[test]
fn one_stamp_that_lies_moves_nothing() {
    let (heard, lags) = run(300, 0.0, 3_000.0, |n| if n % 101 == 100 { 40_000.0 } else { 0.0 });
    assert!(steepest(&heard) <= STEEPEST);
    assert!(lags.iter().all(|lag| lag.abs() < 0.2), "{lags:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn jitter_of_stamps_never_tears_the_reference(
        noise in proptest::collection::vec(-2_000.0..2_000.0, 997),
        drift in -1e-4..1e-4,
        offset in 0.0..20_000.0,
    ) {
        let (heard, lags) = run(2_000, drift, offset, |n| noise[n % noise.len()]);
        prop_assert!(steepest(&heard) <= STEEPEST + 5);
        for lag in lags {
            // Within the first stamp's error and a little, 3 ms.
            prop_assert!(lag.abs() < 144.0, "{lag}");
        }
    }

    #[test]
    fn stamps_of_any_kind_never_panic(
        stamps in proptest::collection::vec((any::<bool>(), any::<u64>()), 1..200),
    ) {
        let far_end = FarEnd::default();
        let mut heard = [0; PERIOD_SAMPLES];
        for (plays, stamp) in stamps {
            if plays {
                far_end.played(&tone(3), Time::from_micros(stamp));
            } else {
                far_end.heard_during(Time::from_micros(stamp), &mut heard);
            }
        }
    }
}
