//! From frames to packets and back. Codecs keep their buffers from frame to frame and know limits;
//! devices, sockets and clocks are strange to them.

pub mod frost;
pub mod jpeg;
pub mod lame;
pub mod mend;
pub mod mp3;
pub mod opus;
mod planes;
pub mod shrink;
pub mod station_voice;
pub mod turn;
