//! What several tests share: a real sshd as the relay, and tunnels with their events on a channel.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod caller;
pub mod hardened;
pub mod host_keys;
pub mod kiosk;
pub mod lens;
pub mod middle;
pub mod net;
pub mod opened;
pub mod pairing;
pub mod private;
pub mod rogue;
pub mod sshd;
pub mod tone;
pub mod victim;
