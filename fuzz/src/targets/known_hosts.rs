//! A file of known hosts, and what it says of one relay.

use twocan::identity::PeerKey;
use twocan::known_hosts::{Outcome, check};

use super::{Target, texts};

pub const TARGET: Target = Target { name: "known-hosts", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    let key = PeerKey([9; 32]).public_key();
    let port = if data.len().is_multiple_of(2) { 22 } else { 2222 };
    let outcome = check(data, "relay.example", port, &key);
    // What is believed does not hang on a line that speaks of somebody else.
    if outcome == Outcome::Match {
        let more = [data, b"\n# the end\n"].concat();
        assert_ne!(check(&more, "relay.example", port, &key), Outcome::Unknown);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let key = PeerKey([9; 32]).to_openssh("");
    let other = PeerKey([8; 32]).to_openssh("");
    texts(&[
        &format!("relay.example {key}\n"),
        &format!("[relay.example]:2222 {key} a comment\n"),
        &format!("*.example,!relay.example {key}\nrelay.* {other}\n"),
        &format!("@revoked * {other}\n# {key}\nrelay.example,192.0.2.1 {key}\r\n"),
        &format!("@cert-authority *.example {key}\n"),
        &format!("|1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= {key}\n"),
    ])
}
