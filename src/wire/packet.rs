//! Packets on the voice and the picture stream: a 20-byte header and the payload.
//!
//! ```text
//!  0        1      2       4          8                16        20
//!  ┌────────┬──────┬───────┬──────────┬────────────────┬─────────┬─────────
//!  │version │ kind │ flags │ sequence │ captured, µs   │ length  │ payload
//!  └────────┴──────┴───────┴──────────┴────────────────┴─────────┴─────────   all big-endian
//! ```
//! `captured` is on the sender's CLOCK_MONOTONIC; the tunnel maps it. Lengths are limited per kind
//! and checked before any memory is taken. An acknowledgement's payload is [`ACK_LEN`] bytes.

use bytes::Bytes;

use crate::caps::DATAGRAM_LIMIT;
pub use crate::caps::{PICTURE_LIMIT, VOICE_LIMIT};
use crate::clock::Time;
use crate::frame::{Ack, Packet, PacketKind};

/// Bytes of a header.
pub const HEADER_LEN: usize = 20;
/// Bytes of an acknowledgement's payload: sequence (4), arrival in µs (8), shown (1).
pub const ACK_LEN: usize = 13;

/// A piece of a picture that fits, inside two SSH sessions, into one segment of most paths (1348 bytes
/// where a packet has 1400).
const PIECE: usize = 1180;
/// A smaller piece would be more header than picture.
const SMALLEST_PIECE: usize = 400;

/// Bytes of each of the equal pieces that `bytes` are written in where pictures are spaced to `rate`
/// (bytes a second): about 20 ms of it, since voice may have to wait for a piece and never for a
/// picture; where the line is quick, so many segments as pass in 4 ms, since each piece costs a wake-up
/// on its way.
pub fn piece_of(bytes: usize, rate: u32) -> usize {
    let rate = rate as usize;
    let most = (rate / 50).clamp(SMALLEST_PIECE, PIECE).max(rate / 250 / PIECE * PIECE);
    equal_parts(bytes, most)
}

/// Bytes of each of the equal segments that `bytes` are on the way where nobody spaces them.
pub fn segment_of(bytes: usize) -> usize {
    equal_parts(bytes, PIECE)
}

fn equal_parts(bytes: usize, most: usize) -> usize {
    bytes.div_ceil(bytes.div_ceil(most).max(1)).max(1)
}

const VERSION: u8 = 1;
const AFTER_GAP: u16 = 1;

/// Why bytes are not a packet. Any of these ends the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Another protocol, or garbage.
    #[error("packet version {0}, expected {VERSION}")]
    Version(u8),
    /// A kind nobody has defined.
    #[error("packet kind {0} is unknown")]
    Kind(u8),
    /// More bytes than its kind may have, or not the number it must have.
    #[error("a {kind:?} packet of {length} bytes, at most {limit} are allowed")]
    Length {
        /// What the packet claimed to be.
        kind: PacketKind,
        /// The length it claimed.
        length: u32,
        /// The limit of its kind.
        limit: usize,
    },
    /// An acknowledgement with impossible contents.
    #[error("an acknowledgement that is not one")]
    Ack,
}

/// A header that was read and found within its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub kind: PacketKind,
    /// See [`Packet::after_gap`].
    pub after_gap: bool,
    /// See [`Packet::sequence`].
    pub sequence: u32,
    /// On the sender's clock.
    pub captured: Time,
    /// Bytes of payload that follow.
    pub length: usize,
}

impl Header {
    /// The header that goes in front of `packet`'s payload.
    pub fn of(packet: &Packet) -> Self {
        Self {
            kind: packet.kind,
            after_gap: packet.after_gap,
            sequence: packet.sequence,
            captured: packet.captured,
            length: packet.payload.len(),
        }
    }

    /// As bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = VERSION;
        bytes[1] = kind_code(self.kind);
        bytes[2..4].copy_from_slice(&(u16::from(self.after_gap) * AFTER_GAP).to_be_bytes());
        bytes[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.captured.micros().to_be_bytes());
        let length = u32::try_from(self.length).expect("payloads are under 512 KiB");
        bytes[16..20].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// From bytes. Unknown flags are ignored, so that a later version may add some.
    ///
    /// # Errors
    /// The version or kind is unknown, or the length is over its kind's limit.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, PacketError> {
        let [version, kind, f0, f1, s0, s1, s2, s3, rest @ ..] = *bytes;
        let [t0, t1, t2, t3, t4, t5, t6, t7, l0, l1, l2, l3] = rest;
        if version != VERSION {
            return Err(PacketError::Version(version));
        }
        let kind = kind_of(kind)?;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let limit = length_limit(kind);
        let fits = match kind {
            PacketKind::Voice | PacketKind::Picture | PacketKind::Station => {
                (1..=limit).contains(&(length as usize))
            }
            PacketKind::Ack | PacketKind::Same => length as usize == limit,
        };
        if !fits {
            return Err(PacketError::Length { kind, length, limit });
        }
        Ok(Self {
            kind,
            after_gap: u16::from_be_bytes([f0, f1]) & AFTER_GAP != 0,
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            captured: Time::from_micros(u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7])),
            length: length as usize,
        })
    }

    /// The packet of this header and the payload that followed it.
    pub fn with(self, payload: Bytes) -> Packet {
        Packet {
            kind: self.kind,
            sequence: self.sequence,
            captured: self.captured,
            after_gap: self.after_gap,
            payload,
        }
    }
}

/// The payload of an acknowledgement; `arrived` is on the acknowledging side's clock.
pub fn encode_ack(ack: Ack) -> Bytes {
    let mut bytes = [0; ACK_LEN];
    bytes[0..4].copy_from_slice(&ack.sequence.to_be_bytes());
    bytes[4..12].copy_from_slice(&ack.arrived.micros().to_be_bytes());
    bytes[12] = u8::from(ack.shown);
    Bytes::copy_from_slice(&bytes)
}

/// What [`encode_ack`] wrote.
///
/// # Errors
/// The payload is not [`ACK_LEN`] bytes, or says something other than shown or dropped.
pub fn decode_ack(payload: &[u8]) -> Result<Ack, PacketError> {
    let bytes: &[u8; ACK_LEN] = payload.try_into().map_err(|_| PacketError::Ack)?;
    let [s0, s1, s2, s3, t0, t1, t2, t3, t4, t5, t6, t7, shown] = *bytes;
    Ok(Ack {
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        arrived: Time::from_micros(u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7])),
        shown: match shown {
            0 => false,
            1 => true,
            _ => return Err(PacketError::Ack),
        },
        came: Time::default(),
    })
}

fn kind_code(kind: PacketKind) -> u8 {
    match kind {
        PacketKind::Voice => 1,
        PacketKind::Picture => 2,
        PacketKind::Ack => 3,
        PacketKind::Same => 4,
        PacketKind::Station => 5,
    }
}

fn kind_of(code: u8) -> Result<PacketKind, PacketError> {
    match code {
        1 => Ok(PacketKind::Voice),
        2 => Ok(PacketKind::Picture),
        3 => Ok(PacketKind::Ack),
        4 => Ok(PacketKind::Same),
        5 => Ok(PacketKind::Station),
        other => Err(PacketError::Kind(other)),
    }
}

fn length_limit(kind: PacketKind) -> usize {
    match kind {
        PacketKind::Voice => VOICE_LIMIT,
        PacketKind::Picture => PICTURE_LIMIT,
        PacketKind::Ack => ACK_LEN,
        PacketKind::Same => 0,
        PacketKind::Station => DATAGRAM_LIMIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_header_that_decodes_encodes_to_the_same_bytes_but_for_unknown_flags(
            mut bytes in any::<[u8; HEADER_LEN]>(), kind in 0u8..6, length in 0u32..600_000,
        ) {
            bytes[0] = 1;
            bytes[1] = kind;
            bytes[16..20].copy_from_slice(&length.to_be_bytes());
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert!(header.length <= PICTURE_LIMIT);
                bytes[2] = 0;
                bytes[3] &= 1;
                prop_assert_eq!(header.encode(), bytes);
            }
        }

        #[test]
        fn garbage_never_panics(bytes in any::<[u8; HEADER_LEN]>(), payload in any::<Vec<u8>>()) {
            let _ = Header::decode(&bytes);
            let _ = decode_ack(&payload);
        }
    }

    #[test]
    fn pieces_are_segments_on_a_thin_line_and_4_ms_of_a_quick_one() {
        for (rate, most) in [(1_000, 400), (30_000, 600), (75_000, 1180), (500_000, 1180)] {
            let piece = piece_of(20_000, rate);
            assert!(piece <= most && piece > most * 9 / 10, "{piece} at {rate}");
        }
        for rate in [600_000, 1_000_000, 3_000_000] {
            let piece = piece_of(20_000, rate);
            assert!(piece > 1180 && piece <= rate as usize / 250, "{piece} at {rate}");
        }
        assert_eq!(piece_of(20_000, 10_000_000), 20_000);
        assert_eq!(piece_of(0, 0), 1);
    }

    #[test]
    fn the_header_bytes_are_the_documented_ones() {
        let header = Header {
            kind: PacketKind::Picture,
            after_gap: true,
            sequence: 0x0102_0304,
            captured: Time::from_micros(0x0506_0708_090a_0b0c),
            length: 0x0001_0203,
        };
        let bytes = [1, 2, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2, 3];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Ok(header));
    }

    #[test]
    fn an_oversize_picture_is_refused_by_its_header_alone() {
        let mut bytes = Header {
            kind: PacketKind::Picture,
            after_gap: false,
            sequence: 0,
            captured: Time::default(),
            length: 1,
        }
        .encode();
        bytes[16..20].copy_from_slice(&(512 * 1024 + 1u32).to_be_bytes());
        assert!(matches!(Header::decode(&bytes), Err(PacketError::Length { .. })));
    }
}
