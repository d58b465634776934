//! What several tests share: a real sshd as the relay, and tunnels with their events on a channel.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod hardened;
pub mod kiosk;
pub mod net;
pub mod rogue;
pub mod sshd;
