//! URTP: how a microphone station sends sound to an Internet-of-Chuffs server, and what comes back.
//!
//! ```text
//!  station ── 5A coding seq time len │ 20 ms of sound ──> server      50 a second, TCP or UDP
//!          <── 5A seq time ──────────────────────────────             about one a second: the echo of a
//!                                                                     datagram's sequence and time
//! ```
//! All fields are big-endian. Over TCP datagrams follow each other with nothing between them. Pure:
//! no sockets, no clocks.

mod cutter;
mod decoder;
mod emphasis;
mod encoder;
mod gain;
mod unicam;

pub use self::cutter::{Cutter, TimingCutter};
pub use self::decoder::Decoder;
pub use self::encoder::Encoder;
pub use self::gain::MAX_GAIN;
pub use crate::caps::DATAGRAM_LIMIT;
use crate::config::StationCoding;

/// Samples a second, of one channel.
pub const RATE: u32 = 16_000;
/// Samples of a datagram: 20 ms.
pub const BLOCK: usize = 320;
/// Microseconds of a datagram.
pub const BLOCK_US: u64 = 20_000;
/// Bytes before the sound.
pub const HEADER_LEN: usize = 14;
/// Bytes of a [`Timing`].
pub const TIMING_LEN: usize = 11;
/// Bytes of sound in a datagram of [`Coding::Pcm`].
pub const PCM_LEN: usize = 2 * BLOCK;
/// Bytes of sound in a datagram of [`Coding::Unicam`].
pub const UNICAM_LEN: usize = 330;
/// What every datagram and every [`Timing`] begins with.
pub const SYNC: u8 = 0x5a;

/// How the sound is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Coding {
    /// 16-bit samples as they are.
    Pcm,
    /// Blocks of 1 ms, 8 bits a sample and 4 of shift a block, behind a pre-emphasis.
    #[default]
    Unicam,
}

impl Coding {
    /// Bytes of the 20 ms that our encoder writes.
    pub const fn body_len(self) -> usize {
        match self {
            Self::Pcm => PCM_LEN,
            Self::Unicam => UNICAM_LEN,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Pcm => 0,
            Self::Unicam => 1,
        }
    }
}

impl From<StationCoding> for Coding {
    fn from(coding: StationCoding) -> Self {
        match coding {
            StationCoding::Pcm => Self::Pcm,
            StationCoding::Unicam => Self::Unicam,
        }
    }
}

/// Why bytes are no datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrtpError {
    /// It does not begin with [`SYNC`].
    #[error("it begins with {0:#04x} and not with {SYNC:#04x}")]
    Sync(u8),
    /// A coding nobody has defined.
    #[error("coding {0} is unknown")]
    Coding(u8),
    /// The sound is not 20 ms of its coding, which is all that stations send.
    #[error("{length} bytes of sound, expected {expected}")]
    Length {
        /// What it claims.
        length: u16,
        /// What its coding has.
        expected: usize,
    },
    /// More or fewer bytes than the header says.
    #[error("a datagram of {0} bytes")]
    Size(usize),
}

/// What stands before the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How it is written.
    pub coding: Coding,
    /// Counts up by one per datagram; wraps after 22 minutes.
    pub sequence: u16,
    /// When its first sample was captured: microseconds since 1970, UTC.
    pub timestamp_us: u64,
}

impl Header {
    /// As bytes; the length is the one of the coding.
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = SYNC;
        bytes[1] = self.coding.code();
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.timestamp_us.to_be_bytes());
        bytes[12..14].copy_from_slice(&(self.coding.body_len() as u16).to_be_bytes());
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// See [`UrtpError`]; nothing but whole blocks of 20 ms is taken.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, UrtpError> {
        let [sync, coding, s0, s1, t0, t1, t2, t3, t4, t5, t6, t7, l0, l1] = *bytes;
        if sync != SYNC {
            return Err(UrtpError::Sync(sync));
        }
        let coding = match coding {
            0 => Coding::Pcm,
            1 => Coding::Unicam,
            other => return Err(UrtpError::Coding(other)),
        };
        let length = u16::from_be_bytes([l0, l1]);
        if usize::from(length) != coding.body_len() {
            return Err(UrtpError::Length { length, expected: coding.body_len() });
        }
        Ok(Self {
            coding,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp_us: u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
        })
    }
}

impl Header {
    /// Of one whole datagram, whose length is what its header says.
    ///
    /// # Errors
    /// See [`UrtpError`].
    pub fn of_datagram(bytes: &[u8]) -> Result<Self, UrtpError> {
        let head = bytes.first_chunk().ok_or(UrtpError::Size(bytes.len()))?;
        let header = Self::decode(head)?;
        if bytes.len() != HEADER_LEN + header.coding.body_len() {
            return Err(UrtpError::Size(bytes.len()));
        }
        Ok(header)
    }
}

/// What the server returns of the last whole datagram that it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Of the datagram.
    pub sequence: u16,
    /// Of the datagram: a round trip by the station's own clock.
    pub timestamp_us: u64,
}

impl Timing {
    /// As bytes.
    pub fn encode(self) -> [u8; TIMING_LEN] {
        let mut bytes = [0; TIMING_LEN];
        bytes[0] = SYNC;
        bytes[1..3].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[3..11].copy_from_slice(&self.timestamp_us.to_be_bytes());
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`UrtpError::Sync`].
    pub fn decode(bytes: &[u8; TIMING_LEN]) -> Result<Self, UrtpError> {
        let [sync, s0, s1, t0, t1, t2, t3, t4, t5, t6, t7] = *bytes;
        if sync != SYNC {
            return Err(UrtpError::Sync(sync));
        }
        Ok(Self {
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp_us: u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_header_and_of_a_timing_datagram_are_the_recorded_ones() {
        let header =
            Header { coding: Coding::Unicam, sequence: 0, timestamp_us: 1_700_000_000_000_000 };
        let bytes = [0x5a, 1, 0, 0, 0, 0x06, 0x0a, 0x24, 0x18, 0x1e, 0x40, 0, 0x01, 0x4a];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Ok(header));
        let bytes = [0x5a, 0, 0x33, 0, 0x06, 0x60, 0xc0, 0x28, 0xad, 0x47, 0xb5];
        let timing = Timing { sequence: 0x33, timestamp_us: 0x0006_60c0_28ad_47b5 };
        assert_eq!(Timing::decode(&bytes), Ok(timing));
        assert_eq!(timing.encode(), bytes);
    }

    #[test]
    fn what_is_not_20_ms_of_a_known_coding_is_refused() {
        let good = Header { coding: Coding::Pcm, sequence: 7, timestamp_us: 9 }.encode();
        let with = |place: usize, byte: u8| {
            let mut bytes = good;
            bytes[place] = byte;
            Header::decode(&bytes)
        };
        assert_eq!(with(0, 0x5b), Err(UrtpError::Sync(0x5b)));
        assert_eq!(with(1, 2), Err(UrtpError::Coding(2)));
        assert_eq!(with(13, 5), Err(UrtpError::Length { length: 0x0205, expected: 640 }));
        assert_eq!(with(1, 1), Err(UrtpError::Length { length: 640, expected: 330 }));
    }
}
