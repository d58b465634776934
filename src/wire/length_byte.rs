//! The first system's voice: one length byte, then one Opus packet of that many bytes.
//!
//! ```text
//!  ┌───┬─────────┬───┬───────────────┬───┬───┬──
//!  │ n │ n bytes │ m │ m bytes       │ 0 │ n │ ...     a length of 0 is passed over
//!  └───┴─────────┴───┴───────────────┴───┴───┴──
//! ```
//! Any bytes are such a stream, so there is nothing to refuse: whether a packet is Opus, the decoder
//! finds out. What is held is at most what was pushed and not taken yet.

use bytes::{Buf, Bytes, BytesMut};

/// Cuts a stream into packets of 1 to 255 bytes.
#[derive(Debug, Default)]
pub struct VoiceSplitter {
    buffer: BytesMut,
}

impl VoiceSplitter {
    /// Take in what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet; `None`: more bytes are needed.
    pub fn next_packet(&mut self) -> Option<Bytes> {
        while let Some(length) = self.buffer.first().map(|length| usize::from(*length)) {
            if self.buffer.len() <= length {
                break;
            }
            self.buffer.advance(1);
            if length > 0 {
                return Some(self.buffer.split_to(length).freeze());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_whole_in_whatever_pieces_they_came_in() {
        let stream = [0, 3, 1, 2, 3, 0, 0, 1, 9, 2, 7];
        for piece in 1..stream.len() {
            let (mut splitter, mut got) = (VoiceSplitter::default(), Vec::new());
            for bytes in stream.chunks(piece) {
                splitter.push(bytes);
                got.extend(std::iter::from_fn(|| splitter.next_packet()));
            }
            assert_eq!(got, [&[1, 2, 3][..], &[9]], "in pieces of {piece}");
        }
    }
}
