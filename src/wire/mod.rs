//! Bytes on the wire and what they mean: no sockets, no clocks, no threads.
//!
//! Every decoder checks lengths before it takes memory and returns an error for anything else
//! than what it knows; none of them panics on any input.

pub mod control;
pub mod event_log;
pub mod length_byte;
pub mod mjpeg;
pub mod packet;
pub mod playlist;
pub mod signal;
pub mod status;
pub mod urtp;
