//! A contact's client gone bad: channels, requests, signals and packets in any order, through a whole
//! handshake, at a real door. The script's bytes are those of `tunnel::fuzzing::visitor`.

use super::Target;

pub const TARGET: Target =
    Target { name: "visitor", is_slow: true, run: twocan::tunnel::fuzzing::visitor, seeds };

fn seeds() -> Vec<Vec<u8>> {
    vec![
        // As a contact does it: control, hello, an invite, a ping; then audio and a packet.
        vec![8, 0, 1, 0, 6, 0, 7, 0, 0, 7, 0, 1, 0, 2, 1, 8, 1, 0, 3, 1, 2, 3],
        // Video, with a picture and then half of one.
        vec![8, 0, 3, 0, 8, 0, 1, 3, 1, 2, 3, 4, 0, 5, 1, 2, 0, 0, 0, 9, 0],
        // What is refused.
        vec![0, 0, 11, 0, 2, b'i', b'd', 12, 0, 13, 0, 0, 14, 0, 0, 14, 0, 1, 14, 0, 2, 14, 0, 3],
        // A flood of signals, a signal before hello, data without a stream.
        vec![0, 0, 1, 0, 7, 0, 0],
        vec![0, 0, 4, 0, 3, 1, 2, 3, 0, 0],
        // A stranger.
        vec![7, 0, 1, 0],
    ]
}
