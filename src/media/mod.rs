//! The workers that carry pictures and sound between devices and packets.

pub mod gain;
