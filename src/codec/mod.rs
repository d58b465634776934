//! Raw to encoded and back: pictures and sound.

pub mod opus;
