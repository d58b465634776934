//! The voice and picture streams: headers, payloads, acknowledgements, in pieces.

use super::Target;

pub const TARGET: Target =
    Target { name: "packets", is_slow: false, run: twocan::tunnel::fuzzing::packets, seeds };

/// A packet's bytes as wire/packet.rs documents them.
fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, kind, 0, 1, 1, 2, 3, 4, 0, 0, 0, 1, 9, 10, 11, 12];
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let ack = [0, 0, 0, 7, 0, 0, 0, 0, 1, 2, 3, 4, 1];
    let all = [packet(1, b"opus"), packet(2, b"a jpeg"), packet(3, &ack), packet(4, b"")];
    let mut seeds: Vec<Vec<u8>> = all.iter().map(|one| [&[60], &one[..]].concat()).collect();
    seeds.push([&[7], &all.concat()[..]].concat());
    seeds
}
