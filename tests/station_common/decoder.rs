//! An independent reader of URTP, and an independent account of what an encoder has to do.
//!
//! ```text
//!  bytes in pieces ──> Parser ──> Block: sequence, time, 320 samples and their 20 shifts
//!  24-bit samples  ──> Model  ──> the same samples and shifts, before anything was lost
//! ```

/// Samples of a datagram.
pub const BLOCK: usize = 320;

/// One datagram, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub sequence: u16,
    pub timestamp_us: u64,
    /// Before the server's de-emphasis.
    pub samples: Vec<i16>,
    /// The shift of each millisecond; empty for PCM.
    pub shifts: Vec<u8>,
}

/// Reads a stream. Whatever is not a datagram where one should begin is an error: over a connection of
/// its own nothing is ever lost.
#[derive(Default)]
pub struct Parser {
    held: Vec<u8>,
}

impl Parser {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Block> {
        self.held.extend_from_slice(bytes);
        let mut blocks = Vec::new();
        while let Some(length) = self.length() {
            let datagram: Vec<u8> = self.held.drain(..length).collect();
            blocks.push(read(&datagram));
        }
        blocks
    }

    /// Bytes of a datagram that has begun.
    pub fn begun(&self) -> usize {
        self.held.len()
    }

    fn length(&self) -> Option<usize> {
        let head = self.held.get(..14)?;
        assert_eq!(head[0], 0x5a, "a datagram begins here");
        let length = 14 + usize::from(u16::from_be_bytes([head[12], head[13]]));
        (self.held.len() >= length).then_some(length)
    }
}

/// Read one whole datagram.
pub fn read(datagram: &[u8]) -> Block {
    let sequence = u16::from_be_bytes(datagram[2..4].try_into().unwrap());
    let timestamp_us = u64::from_be_bytes(datagram[4..12].try_into().unwrap());
    let length = usize::from(u16::from_be_bytes(datagram[12..14].try_into().unwrap()));
    let body = &datagram[14..];
    assert_eq!((datagram[0], body.len()), (0x5a, length));
    let (mut samples, mut shifts) = (Vec::new(), Vec::new());
    match datagram[1] {
        0 => {
            assert_eq!(length, 640);
            let pairs = body.chunks_exact(2);
            samples.extend(pairs.map(|pair| i16::from_be_bytes([pair[0], pair[1]])));
        }
        1 => {
            assert_eq!(length, 330);
            for pair in body.chunks_exact(33) {
                for (bytes, shift) in [(&pair[..16], pair[16] & 15), (&pair[17..], pair[16] >> 4)] {
                    let grown = |byte: &u8| (i32::from(*byte as i8) << shift) as i16;
                    samples.extend(bytes.iter().map(grown));
                    shifts.push(shift);
                }
            }
        }
        other => panic!("coding {other}"),
    }
    assert_eq!(samples.len(), BLOCK);
    Block { sequence, timestamp_us, samples, shifts }
}

/// What a server returns of a datagram: `5A | sequence | time`.
pub fn answer(block: &Block) -> [u8; 11] {
    let mut bytes = [0x5a; 11];
    bytes[1..3].copy_from_slice(&block.sequence.to_be_bytes());
    bytes[3..].copy_from_slice(&block.timestamp_us.to_be_bytes());
    bytes
}

/// The filter before UNICAM, from its middle outwards.
const TAPS: [f64; 7] = [
    0.7588178512425175,
    -0.16374206778816897,
    -0.07168597959153167,
    -0.04837063849132621,
    -0.005453575732499895,
    0.01945354671754785,
    -0.07951087685285016,
];

/// What an encoder has to do, block by block.
pub struct Model {
    shift: i64,
    spare: i64,
    quiet: u32,
    most: i64,
    /// The last 13 samples that went into the filter, the newest first.
    past: [f64; 13],
}

/// What has to come of a block.
pub struct Expected {
    /// By how many bits it was lifted.
    pub lift: u8,
    /// After the filter, in 16 bits.
    pub filtered: Vec<i16>,
    /// Without the filter, in 16 bits.
    pub lifted: Vec<i16>,
}

impl Model {
    pub fn new(most: u8) -> Self {
        let most = i64::from(most);
        Self { shift: most.min(9), spare: 0x7fff_ffff, quiet: 0, most, past: [0.0; 13] }
    }

    pub fn block(&mut self, left: &[i32; BLOCK]) -> Expected {
        let lift = self.shift as u8;
        let (mut filtered, mut lifted) = (Vec::new(), Vec::new());
        for sample in left {
            let sample = i64::from(*sample);
            let used = 64 - sample.unsigned_abs().leading_zeros();
            self.spare = self.spare.min(31 - i64::from(used));
            // Clamped where the first encoder overflowed.
            let grown = (sample << self.shift).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            let short = (grown >> 16) as i16;
            lifted.push(short);
            self.past.rotate_right(1);
            self.past[0] = f64::from(short);
            let mut sum = 0.0;
            for (place, value) in self.past.iter().enumerate() {
                sum += value * TAPS[place.abs_diff(6)];
            }
            filtered.push(sum.trunc().clamp(-32768.0, 32767.0) as i16);
        }
        self.adapt();
        Expected { lift, filtered, lifted }
    }

    fn adapt(&mut self) {
        self.shift = self.shift.min(self.spare);
        let room = self.spare - self.shift;
        if room > 7 && self.shift < self.most {
            self.quiet += 1;
            if self.quiet > 500 {
                (self.shift, self.quiet) = (self.shift + 1, 0);
            }
        } else if room < 4 && self.shift > 0 {
            (self.shift, self.quiet) = (self.shift - 1, 0);
        }
        self.spare += 1;
    }
}

impl Expected {
    /// That a block of UNICAM is this one, as well as 8 bits and a shift can say it.
    pub fn check(&self, block: &Block) {
        assert_eq!((self.filtered.len(), block.samples.len()), (BLOCK, BLOCK));
        let spans = self.filtered.chunks(16).zip(block.samples.chunks(16)).zip(&block.shifts);
        for ((wanted, got), shift) in spans {
            let largest = wanted.iter().map(|sample| i32::from(*sample).unsigned_abs()).max();
            let bits = 32 - largest.unwrap().leading_zeros() + 1;
            // Of 16 bits, -32768 included, 8 are enough.
            let wanted_shift = bits.saturating_sub(8).min(8);
            assert_eq!(u32::from(*shift), wanted_shift, "sequence {}", block.sequence);
            for (wanted, got) in wanted.iter().zip(got) {
                assert_eq!(wanted >> shift << shift, *got, "sequence {}", block.sequence);
            }
        }
    }
}
