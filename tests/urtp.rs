//! The URTP codec from outside: byte for byte what the first system's encoder made of the recorded
//! microphones, bit for bit the plain arithmetic where that one would have overflowed, and a tone
//! that comes out as it went in.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use twocan::wire::urtp::{
    BLOCK, BLOCK_US, Coding, Cutter, DATAGRAM_LIMIT, Decoder, Encoder, HEADER_LEN, RATE,
};

/// A module, so that `cargo test urtp` runs all of them.
mod urtp {
    use std::f64::consts::TAU;

    use super::plain::Plain;
    use super::*;

    const START_US: u64 = 1_700_000_000_000_000;

    fn encode(coding: Coding, max_gain: u8, sound: &[i32]) -> Vec<u8> {
        let mut encoder = Encoder::new(coding, max_gain);
        let (mut out, mut stream) = ([0; DATAGRAM_LIMIT], Vec::new());
        for (sequence, block) in (0_u16..).zip(sound.chunks_exact(BLOCK)) {
            let captured = START_US + u64::from(sequence) * BLOCK_US;
            let length = encoder.encode(block.try_into().unwrap(), sequence, captured, &mut out);
            stream.extend_from_slice(&out[..length]);
        }
        stream
    }

    fn decode(mut stream: &[u8]) -> Vec<i16> {
        let (mut cutter, mut decoder) = (Cutter::default(), Decoder::default());
        let (mut out, mut sound) = ([0; BLOCK], Vec::new());
        while let Some((_, datagram)) = cutter.cut(&mut stream) {
            decoder.decode(datagram, &mut out).unwrap();
            sound.extend_from_slice(&out);
        }
        assert_eq!(cutter.skipped(), 0);
        sound
    }

    fn tone(hertz: f64, amplitude: f64, samples: usize) -> Vec<i32> {
        let sample = |at: usize| amplitude * (TAU * hertz * at as f64 / f64::from(RATE)).sin();
        (0..samples).map(|at| sample(at) as i32).collect()
    }

    /// How much of this frequency there is: the amplitude of its sine.
    fn amplitude(sound: &[i16], hertz: f64) -> f64 {
        let turn = TAU * hertz / f64::from(RATE);
        let sum = |wave: fn(f64) -> f64| -> f64 {
            let part = |(at, sample): (usize, &i16)| f64::from(*sample) * wave(turn * at as f64);
            sound.iter().enumerate().map(part).sum()
        };
        2.0 * sum(f64::sin).hypot(sum(f64::cos)) / sound.len() as f64
    }

    /// Noise of so many bits, the same every time.
    fn noise(bits: u32, samples: usize, seed: u64) -> Vec<i32> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as i32 >> (32 - bits)
        };
        (0..samples).map(|_| next()).collect()
    }

    #[test]
    fn every_recorded_microphone_gives_the_recorded_datagrams_byte_for_byte() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/urtp");
        let mut compared = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "s32") {
                continue;
            }
            let left: Vec<i32> = std::fs::read(&path)
                .unwrap()
                .chunks_exact(8)
                .map(|frame| i32::from_le_bytes(frame[..4].try_into().unwrap()) >> 8)
                .collect();
            for (coding, name) in [(Coding::Unicam, "unicam"), (Coding::Pcm, "pcm")] {
                let recorded = path.with_extension(format!("g12.{name}.urtp"));
                let recorded = std::fs::read(&recorded).unwrap();
                let made = encode(coding, 12, &left);
                let differs = made.iter().zip(&recorded).position(|(made, was)| made != was);
                assert_eq!(differs, None, "{} as {name}", path.display());
                assert_eq!(made.len(), recorded.len());
                compared += 1;
            }
        }
        assert_eq!(compared, 8);
    }

    #[test]
    fn any_sound_gives_what_the_arithmetic_of_the_wire_gives_sample_by_sample() {
        let mut saturated = (0, 0);
        for coding in [Coding::Unicam, Coding::Pcm] {
            for (seed, bits) in (1..=24).enumerate() {
                let mut sound = noise(bits, 40 * BLOCK, seed as u64);
                // In the middle the loudest there can be, with the signs of the filter's taps: it
                // goes over 32 bits when it is lifted, and what is left, over 16 when it is filtered.
                for (at, sample) in sound[15 * BLOCK..18 * BLOCK].iter_mut().enumerate() {
                    let is_up = (plain::TAPS[at % 13] > 0.0) != (at / 13 % 2 == 0);
                    *sample = if is_up { (1 << 23) - 1 } else { -(1 << 23) };
                }
                let mut plain = Plain::new(12);
                let mut expected = Vec::new();
                for block in sound.chunks_exact(BLOCK) {
                    expected.extend(plain.body(coding, block));
                }
                let made = encode(coding, 12, &sound);
                let bodies = made.chunks_exact(HEADER_LEN + coding.body_len());
                let bodies: Vec<u8> = bodies.flat_map(|one| one[HEADER_LEN..].to_vec()).collect();
                assert!(bodies == expected, "noise of {bits} bits, {coding:?}");
                saturated = (saturated.0 + plain.lifted_over, saturated.1 + plain.filtered_over);
            }
        }
        assert!(saturated.0 > 0 && saturated.1 > 0, "{saturated:?}");
    }

    #[test]
    fn the_gain_of_a_quiet_tone_is_nine_then_ten_from_block_501_and_eleven_from_1002() {
        let sound = tone(400.0, 300.0, BLOCK);
        let mut encoder = Encoder::new(Coding::Unicam, 12);
        let mut out = [0; DATAGRAM_LIMIT];
        for block in 0..1400 {
            let expected = 9 + u8::from(block >= 501) + u8::from(block >= 1002);
            assert_eq!(encoder.shift(), expected, "at block {block}");
            encoder.encode(sound[..].try_into().unwrap(), 0, 0, &mut out);
        }
    }

    #[test]
    fn a_tone_of_any_pitch_comes_out_as_loud_as_it_went_in_within_a_decibel() {
        for coding in [Coding::Unicam, Coding::Pcm] {
            for hertz in (100..=7000).step_by(50).map(f64::from) {
                // Eight bits of gain: 1000 of 16 bits.
                let stream = encode(coding, 8, &tone(hertz, 256e3, 60 * BLOCK));
                let sound = decode(&stream);
                let second = &sound[10 * BLOCK..60 * BLOCK];
                let decibels = 20.0 * (amplitude(second, hertz) / 1000.0).log10();
                assert!(decibels.abs() < 1.0, "{decibels} dB at {hertz} Hz, {coding:?}");
            }
        }
    }

    #[test]
    fn a_click_comes_out_where_it_went_in_and_two_milliseconds_and_a_half_later() {
        let mut sound = vec![0; 3 * BLOCK];
        sound[400] = 256_000;
        let loudest = |sound: &[i16]| (0..sound.len()).max_by_key(|at| sound[*at].unsigned_abs());
        assert_eq!(loudest(&decode(&encode(Coding::Pcm, 8, &sound))), Some(400));
        assert_eq!(loudest(&decode(&encode(Coding::Unicam, 8, &sound))), Some(400 + 38));
    }

    #[test]
    fn silence_comes_out_as_silence() {
        for coding in [Coding::Unicam, Coding::Pcm] {
            assert!(
                decode(&encode(coding, 12, &[0; 20 * BLOCK])).iter().all(|sample| *sample == 0)
            );
        }
    }
}

/// The encoder once more, one sample after another as its description has it, in the widest numbers
/// there are; only what must not wrap is clamped.
mod plain {
    use std::collections::VecDeque;

    use super::Coding;

    pub(super) const TAPS: [f64; 13] = [
        -0.07951087685285016,
        0.01945354671754785,
        -0.005453575732499895,
        -0.04837063849132621,
        -0.07168597959153167,
        -0.16374206778816897,
        0.7588178512425175,
        -0.16374206778816897,
        -0.07168597959153167,
        -0.04837063849132621,
        -0.005453575732499895,
        0.01945354671754785,
        -0.07951087685285016,
    ];

    pub(super) struct Plain {
        shift: i64,
        max_shift: i64,
        umin: i64,
        up: i64,
        past: VecDeque<f64>,
        /// Samples over 32 bits, and over 16, that the first system would have let wrap.
        pub(super) lifted_over: usize,
        pub(super) filtered_over: usize,
    }

    impl Plain {
        pub(super) fn new(max_shift: i64) -> Self {
            let past = VecDeque::from([0.0; 13]);
            Self {
                shift: 9,
                max_shift,
                umin: 0x7fff_ffff,
                up: 0,
                past,
                lifted_over: 0,
                filtered_over: 0,
            }
        }

        pub(super) fn body(&mut self, coding: Coding, left: &[i32]) -> Vec<u8> {
            let mut gained = Vec::new();
            for sample in left {
                let m = i64::from(*sample);
                let length = i64::from(64 - m.unsigned_abs().leading_zeros());
                self.umin = self.umin.min(31 - length);
                let lifted = m << self.shift;
                let kept = lifted.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
                self.lifted_over += usize::from(kept != lifted);
                gained.push(kept >> 16);
            }
            self.update();
            match coding {
                Coding::Pcm => gained.iter().flat_map(|x| (*x as i16).to_be_bytes()).collect(),
                Coding::Unicam => self.unicam(&gained),
            }
        }

        fn update(&mut self) {
            self.shift = self.shift.min(self.umin);
            if self.umin - self.shift > 7 && self.shift < self.max_shift {
                self.up += 1;
                if self.up > 500 {
                    self.shift += 1;
                    self.up = 0;
                }
            } else if self.umin - self.shift < 4 && self.shift > 0 {
                self.shift -= 1;
                self.up = 0;
            }
            self.umin += 1;
        }

        fn unicam(&mut self, gained: &[i64]) -> Vec<u8> {
            let mut blocks = Vec::new();
            for group in gained.chunks(16) {
                let mut filtered = Vec::new();
                for x in group {
                    self.past.push_front(*x as f64);
                    self.past.pop_back();
                    let mut acc = 0.0;
                    for (sample, tap) in self.past.iter().zip(TAPS) {
                        acc += sample * tap;
                    }
                    let y = acc.trunc() as i64;
                    let kept = y.clamp(i64::from(i16::MIN), i64::from(i16::MAX));
                    self.filtered_over += usize::from(kept != y);
                    filtered.push(kept);
                }
                // 16 bits are 8 and a shift of 8; by its magnitude -32768 would ask for one more.
                let most = filtered.iter().map(|y| y.unsigned_abs().min(32767)).max().unwrap();
                let used = 64 - most.leading_zeros() + 1;
                let shift = used.saturating_sub(8);
                blocks.push((
                    filtered.iter().map(|y| (y >> shift) as u8).collect::<Vec<_>>(),
                    shift as u8,
                ));
            }
            let pair = |pair: &[(Vec<u8>, u8)]| {
                let shifts = pair[0].1 | pair[1].1 << 4;
                [&pair[0].0[..], &[shifts], &pair[1].0[..]].concat()
            };
            blocks.chunks(2).flat_map(pair).collect()
        }
    }
}
