//! Twocan: a video phone whose string is SSH.
pub mod app;
pub mod call;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod device;
pub mod figures;
pub mod frame;
pub mod identity;
pub mod media;
pub mod queue;
pub mod stop;
pub mod supervisor;
pub mod tunnel;
pub mod ui;
pub mod wire;
