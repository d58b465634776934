//! The first system's voice: a length byte and a packet.

use twocan::wire::length_byte::VoiceSplitter;

use super::Target;

pub const TARGET: Target = Target { name: "length-byte", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    let (piece, rest) = data.split_first().map_or((1, data), |(first, rest)| (*first, rest));
    let mut splitter = VoiceSplitter::default();
    let mut got = 0;
    for piece in rest.chunks(usize::from(piece).max(1)) {
        splitter.push(piece);
        while let Some(packet) = splitter.next_packet() {
            assert!((1..=255).contains(&packet.len()));
            got += 1 + packet.len();
        }
    }
    assert!(got <= rest.len() && rest.len() - got <= rest.len().min(256) + zeros(rest));
}

/// Bytes that are passed over at most.
fn zeros(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == 0).count()
}

fn seeds() -> Vec<Vec<u8>> {
    vec![vec![9, 3, 1, 2, 3, 0, 0, 1, 9, 2, 7], [&[30, 255][..], &[8; 255], &[0, 1, 1]].concat()]
}
