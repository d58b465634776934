//! What the tests of a station's sender share: a server, a decoder and a model of the gain, all written
//! from the protocol's description, with nothing of src/wire/urtp in them; and a tone to be sent.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::disallowed_methods)]

pub mod decoder;
pub mod microphone;
pub mod process;
pub mod server;
pub mod station;
pub mod tone;
