//! The four workers of a call, and the plain TCP line they use when they run alone.
//!
//! ```text
//! VideoSource -> camera -> Queue<Packet> ~~~> Queue<Packet> -> viewer -> VideoSink
//! AudioSource -> talk   -> Queue<Packet> ~~~> Queue<Packet> -> listen -> AudioSink
//! ```
//! The wave is the tunnel in a call, and [`line`](mod@line) alone. A worker opens its device in
//! `run_once`, through a closure it was given, so that the supervisor's restart opens it again.

pub mod announce;
pub mod camera;
pub mod comfort;
mod darkroom;
pub mod drift;
pub mod gain;
pub mod jitter;
pub mod level;
pub mod line;
pub mod listen;
pub mod pace;
pub mod playout;
pub mod prompt;
pub mod record;
pub mod ring;
pub mod scan;
mod scene;
pub mod sessions;
pub mod sign;
pub mod stats;
pub mod stretch;
pub mod talk;
pub mod trial;
pub mod viewer;
pub mod voice;
