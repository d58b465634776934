//! What a stranger sends to our door in clear: its greeting, its offers, its half of the key exchange.

use super::Target;

pub const TARGET: Target =
    Target { name: "door", is_slow: true, run: twocan::tunnel::fuzzing::door, seeds };

fn seeds() -> Vec<Vec<u8>> {
    let [client, _] = twocan::tunnel::fuzzing::recorded();
    let line = client.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let openssh = [&b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"[..], &client[line..]].concat();
    vec![client[..line].to_vec(), client, openssh, b"GET / HTTP/1.0\r\n\r\n".to_vec()]
}
