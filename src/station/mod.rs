//! The microphone station, the server of a house's stations, and the ear for both.
//!
//! ```text
//!  microphone ──> capture ──> urtp ──> ring ──> send ~~~~> ioc-server, or our station server
//!                                                              │ MP3 over HTTP      │ Opus in the tunnel
//!                                                              ▼                    ▼
//!                                                           a kiosk's tile: touch and hear
//! ```
//! Stations speak [`crate::wire::urtp`]; nothing here knows what is on a screen.

pub mod capture;
pub mod cause;
pub mod ear;
pub mod flight;
pub mod light;
mod line;
pub mod link;
pub mod log;
pub mod meter;
mod peer;
pub mod progress;
pub mod resample;
pub mod ring;
pub mod send;
pub mod server;
mod status;
mod stopped;
pub mod streamer;
mod supply;
mod tally;
