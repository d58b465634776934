//! The parts of `twocan demo`: a private sound server, and the measure from mouth to ear.

pub mod ear;
pub mod pulse;
