//! The microphone station, the server of a house's stations, and the ear for both.
//!
//! ```text
//!  microphone ──> capture ──> urtp ──> ring ──> send ~~~~> ioc-server, or our station server
//!                                                              │ MP3 over HTTP      │ Opus in the tunnel
//!                                                              ▼                    ▼
//!                                                           a kiosk's tile: touch and hear
//! ```
//! Stations speak [`crate::wire::urtp`]; nothing here knows what is on a screen.

pub mod ear;
