//! A station's sound: a tone, as our own encoder sends it.

use std::f64::consts::TAU;

use twocan::wire::urtp::{BLOCK, BLOCK_US, Coding, DATAGRAM_LIMIT, Encoder};

/// A tone, which its encoder lifts to 24 dB under full scale.
pub struct Tone {
    encoder: Encoder,
    hertz: f64,
    /// Datagrams so far.
    pub block: u64,
}

impl Tone {
    pub fn new(hertz: f64) -> Self {
        Self { encoder: Encoder::new(Coding::Unicam, 12), hertz, block: 0 }
    }

    /// The next datagram, with times as if the first had been captured in 2023.
    pub fn next(&mut self) -> Vec<u8> {
        self.next_at(1_700_000_000_000_000 + BLOCK_US * self.block)
    }

    /// The next datagram, captured at that time in µs.
    pub fn next_at(&mut self, time_us: u64) -> Vec<u8> {
        let at = |i: usize| (self.block * BLOCK as u64 + i as u64) as f64 / 16_000.0;
        let sample = |i| ((at(i) * self.hertz * TAU).sin() * f64::from(1 << 19)) as i32;
        let (left, mut out) = (std::array::from_fn(sample), [0; DATAGRAM_LIMIT]);
        let length = self.encoder.encode(&left, self.block as u16, time_us, &mut out);
        self.block += 1;
        out[..length].to_vec()
    }
}
