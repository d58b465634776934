//! Where one packet or signal ends and the next begins, from bytes that arrive in any pieces.
//!
//! Pure: bytes in, whole packets and signals out. A length is checked as soon as its bytes are
//! there, before anything is kept for it; what is kept is at most one item and one SSH packet.

use bytes::{Bytes, BytesMut};

use crate::caps::{SIGNALS_AT_ONCE, SIGNALS_PER_SECOND};
use crate::clock::Time;
use crate::frame::Packet;
use crate::wire::packet::{HEADER_LEN, Header, PacketError};
use crate::wire::signal::{Signal, SignalError, decode_length};

/// Cuts a media stream into packets.
#[derive(Debug, Default)]
pub(super) struct PacketCutter {
    bytes: BytesMut,
    header: Option<Header>,
}

impl PacketCutter {
    /// More bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole packet, if its bytes are there.
    ///
    /// # Errors
    /// The header is not one; the stream has to end.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, PacketError> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let Some(first) = self.bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
                let header = Header::decode(first)?;
                let _ = self.bytes.split_to(HEADER_LEN);
                self.header = Some(header);
                header
            }
        };
        if self.bytes.len() < header.length {
            self.bytes.reserve(header.length - self.bytes.len());
            return Ok(None);
        }
        self.header = None;
        Ok(Some(header.with(self.bytes.split_to(header.length).freeze())))
    }

    /// Whether a packet has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        self.header.is_some() || !self.bytes.is_empty()
    }
}

/// A packet as bytes: header and payload in one piece, so that it is one SSH packet where it fits.
pub(super) fn packet_bytes(packet: &Packet) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEADER_LEN + packet.payload.len());
    bytes.extend_from_slice(&Header::of(packet).encode());
    bytes.extend_from_slice(&packet.payload);
    bytes.freeze()
}

/// Cuts the control stream into signals.
#[derive(Debug, Default)]
pub(super) struct SignalCutter {
    bytes: BytesMut,
}

impl SignalCutter {
    /// More bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole signal, if its bytes are there.
    ///
    /// # Errors
    /// Too long, or not a signal; the session has to end.
    pub(super) fn next(&mut self) -> Result<Option<Signal>, SignalError> {
        let Some(length) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let length = decode_length(*length)?;
        if self.bytes.len() < 4 + length {
            return Ok(None);
        }
        let _ = self.bytes.split_to(4);
        Signal::decode(&self.bytes.split_to(length)).map(Some)
    }

    /// Bytes that are held.
    #[cfg(feature = "fuzzing")]
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a signal has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        !self.bytes.is_empty()
    }
}

/// How many signals a peer may still send now.
#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    at: Time,
}

impl Allowance {
    /// A full one.
    pub(super) fn new(now: Time) -> Self {
        Self { left: f64::from(SIGNALS_AT_ONCE), at: now }
    }

    /// Count one signal; false when it was one too many.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let earned = now.since(self.at).as_secs_f64() * f64::from(SIGNALS_PER_SECOND);
        self.left = (self.left + earned).min(f64::from(SIGNALS_AT_ONCE)) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PacketKind;
    use proptest::prelude::*;
    use std::time::Duration;

    fn packet(sequence: u32, payload: Vec<u8>) -> Packet {
        Packet {
            kind: PacketKind::Picture,
            sequence,
            captured: Time::from_micros(7),
            after_gap: false,
            payload: payload.into(),
        }
    }

    proptest! {
        #[test]
        fn packets_survive_any_cutting_into_pieces(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..5),
            piece in 1usize..100,
        ) {
            let sent: Vec<_> = (0..).zip(payloads).map(|(n, p)| packet(n, p)).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|p| packet_bytes(p).to_vec()).collect();
            let mut cutter = PacketCutter::default();
            let mut got = Vec::new();
            for piece in bytes.chunks(piece) {
                cutter.push(piece);
                while let Some(packet) = cutter.next().unwrap() {
                    got.push(packet);
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(!cutter.is_inside());
        }

        #[test]
        fn garbage_never_panics_and_never_takes_more_than_a_picture(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let mut packets = PacketCutter::default();
            let mut signals = SignalCutter::default();
            packets.push(&bytes);
            signals.push(&bytes);
            while let Ok(Some(_)) = packets.next() {}
            while let Ok(Some(_)) = signals.next() {}
            prop_assert!(packets.bytes.capacity() < 600_000);
        }
    }

    #[test]
    fn a_signal_in_two_pieces_is_one_signal() {
        let bytes = Signal::Invite { call: 7 }.encode();
        let mut cutter = SignalCutter::default();
        cutter.push(&bytes[..9]);
        assert!(cutter.next().unwrap().is_none());
        assert!(cutter.is_inside());
        cutter.push(&bytes[9..]);
        assert_eq!(cutter.next().unwrap(), Some(Signal::Invite { call: 7 }));
    }

    #[test]
    fn a_burst_of_64_signals_is_allowed_and_then_30_a_second() {
        let mut now = Time::from_micros(5);
        let mut allowance = Allowance::new(now);
        assert!((0..64).all(|_| allowance.take(now)));
        assert!(!allowance.take(now));
        now = now + Duration::from_secs(1);
        assert!((0..29).all(|_| allowance.take(now)));
        assert!(!allowance.take(now));
    }
}
