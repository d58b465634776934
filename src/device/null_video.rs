//! A screen that shows nothing and measures everything: it counts pictures, reads their stamps and
//! keeps percentiles of how old they were.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{self, Time};
use crate::figures::Ages;
use crate::frame::{PixelFormat, Size};

use super::stamp;
use super::{DeviceError, VideoSink};

/// What the sink has seen; shared with whoever reports it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Pictures pushed.
    pub pictures: u64,
    /// Of these, pictures with a readable stamp.
    pub stamped: u64,
    /// Pictures that their counters say were made and never arrived.
    pub missing: u64,
    /// Pictures whose counter was not above the one before: repeated or out of order.
    pub not_rising: u64,
    /// The last stamp.
    pub last: Option<stamp::Stamp>,
    /// The size of the last picture.
    pub size: Size,
    /// When the first picture came and when the last one did.
    pub between: Option<(Time, Time)>,
    /// Age by the stamp: only meaningful when source and sink share a clock.
    pub by_stamp: Ages,
    /// Age by the capture time that came with the picture.
    pub by_capture: Ages,
}

/// The sink.
#[derive(Default)]
pub struct NullVideo {
    size: Size,
    buffer: Vec<u8>,
    seen: Arc<Mutex<Seen>>,
}

impl NullVideo {
    /// One that reports into `seen`.
    pub fn new(seen: Arc<Mutex<Seen>>) -> Self {
        Self { seen, ..Self::default() }
    }
}

impl VideoSink for NullVideo {
    fn format(&self) -> PixelFormat {
        PixelFormat::I420
    }

    fn lease(&mut self, size: Size, bytes: usize) -> &mut [u8] {
        self.size = size;
        self.buffer.resize(bytes, 0);
        &mut self.buffer
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        let now = clock::now();
        let stamp = stamp::read(&self.buffer, self.size);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.pictures += 1;
        seen.size = self.size;
        let first = seen.between.map_or(now, |(first, _)| first);
        seen.between = Some((first, now));
        seen.by_capture.record(now.since(captured));
        if let Some(stamp) = stamp {
            seen.stamped += 1;
            seen.by_stamp.record(now.since(stamp.time));
            match seen.last.map(|last| stamp.counter.wrapping_sub(last.counter)) {
                Some(0) => seen.not_rising += 1,
                Some(ahead) if ahead < u32::MAX / 2 => seen.missing += u64::from(ahead - 1),
                Some(_) => seen.not_rising += 1,
                None => {}
            }
            seen.last = Some(stamp);
        }
        Ok(())
    }
}
