//! What a door, or whoever sits in front of it, sends to our client in clear.

use super::Target;

pub const TARGET: Target =
    Target { name: "dial", is_slow: true, run: twocan::tunnel::fuzzing::dial, seeds };

fn seeds() -> Vec<Vec<u8>> {
    let [_, server] = twocan::tunnel::fuzzing::recorded();
    let line = server.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let chatty = [&b"Welcome.\r\nNo trespassing.\r\n"[..], &server].concat();
    vec![server[..line].to_vec(), server, chatty]
}
