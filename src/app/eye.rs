//! What reached the eye: how many of the peer's pictures, when, and how old they were.
//!
//! Ages are counted twice: by the capture time that came with the packet, and, between two test
//! patterns, by the stamp burned into the picture itself, which knows nothing of packets and clock
//! offsets. The second one checks the first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Time;
use crate::device::{DeviceError, VideoSink, stamp};
use crate::figures::{Ages, Percentiles};
use crate::frame::{PixelFormat, Size};
use crate::ui::face::Shown;

/// Pictures between the sink and the eye whose stamps are remembered; there are two at most.
const UNDERWAY: usize = 4;

/// What was seen in one call.
#[derive(Default)]
pub(super) struct Eye(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    shown: u64,
    first: Option<Time>,
    /// Captured and shown.
    last: Option<(Time, Time)>,
    whole: Both,
    settled: Both,
    /// Capture time and stamp of pictures that are on their way.
    stamps: VecDeque<(Time, Time)>,
}

#[derive(Default)]
struct Both {
    by_packet: Ages,
    by_stamp: Ages,
}

impl Both {
    fn percentiles(&self) -> (Percentiles, Percentiles) {
        (self.by_packet.percentiles(), self.by_stamp.percentiles())
    }
}

impl Eye {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pictures shown so far.
    pub(super) fn count(&self) -> u64 {
        self.seen().shown
    }

    /// When the first picture was shown.
    pub(super) fn first(&self) -> Option<Time> {
        self.seen().first
    }

    /// When the picture shown last was captured, and when it was shown.
    pub(super) fn last(&self) -> Option<(Time, Time)> {
        self.seen().last
    }

    /// Begin to collect ages anew.
    pub(super) fn settle(&self) {
        self.seen().settled = Both::default();
    }

    /// Ages since [`Eye::settle`]: by the packets, and by the stamps.
    pub(super) fn since_settled(&self) -> (Percentiles, Percentiles) {
        self.seen().settled.percentiles()
    }

    /// Ages in the whole call: by the packets, and by the stamps.
    pub(super) fn whole_call(&self) -> (Percentiles, Percentiles) {
        self.seen().whole.percentiles()
    }

    fn on_its_way(&self, captured: Time, stamp: Time) {
        let mut seen = self.seen();
        if seen.stamps.len() >= UNDERWAY {
            seen.stamps.pop_front();
        }
        seen.stamps.push_back((captured, stamp));
    }

    fn shown(&self, captured: Time, now: Time) {
        let mut seen = self.seen();
        seen.shown += 1;
        seen.first.get_or_insert(now);
        seen.last = Some((captured, now));
        let stamp = seen.stamps.iter().find(|(of, _)| *of == captured).map(|(_, stamp)| *stamp);
        let Seen { whole, settled, .. } = &mut *seen;
        for ages in [whole, settled] {
            ages.by_packet.record(now.since(captured));
            if let Some(stamp) = stamp {
                ages.by_stamp.record(now.since(stamp));
            }
        }
    }
}

/// Tells `eye` of what is shown.
pub(super) fn shown(eye: &Arc<Eye>) -> Shown {
    let eye = Arc::clone(eye);
    Arc::new(move |captured, now| eye.shown(captured, now))
}

/// Looks at each picture on its way into a sink, for the stamp.
pub(super) struct StampReader {
    sink: Box<dyn VideoSink>,
    eye: Arc<Eye>,
    leased: Option<(Size, usize)>,
}

impl StampReader {
    /// Reads what goes into `sink`.
    pub(super) fn new(sink: Box<dyn VideoSink>, eye: &Arc<Eye>) -> Self {
        Self { sink, eye: Arc::clone(eye), leased: None }
    }

    fn stamp(&mut self) -> Option<stamp::Stamp> {
        let (size, bytes) = self.leased.take()?;
        let format = self.sink.format();
        let picture = self.sink.lease(size, bytes);
        match format {
            PixelFormat::I420 => stamp::read(picture, size),
            PixelFormat::Rgb8 => stamp::read_rgb(picture, size),
            _ => None,
        }
    }
}

impl VideoSink for StampReader {
    fn format(&self) -> PixelFormat {
        self.sink.format()
    }

    fn lease(&mut self, size: Size, bytes: usize) -> &mut [u8] {
        self.leased = Some((size, bytes));
        self.sink.lease(size, bytes)
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        if let Some(stamp) = self.stamp() {
            self.eye.on_its_way(captured, stamp.time);
        }
        self.sink.push(captured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::face::{Face, Faceless};
    use std::time::Duration;

    #[test]
    fn ages_are_counted_by_packet_and_by_stamp() {
        let eye = Arc::new(Eye::default());
        let size = Size::new(640, 480);
        let late = crate::clock::now();
        let made = late - Duration::from_millis(300);
        let captured = late - Duration::from_millis(200);
        let mut sink = StampReader::new(Faceless.remote(shown(&eye)), &eye);
        for stamped in [true, false] {
            let picture = sink.lease(size, PixelFormat::I420.bytes(size));
            picture.fill(90);
            if stamped {
                stamp::burn(picture, size, stamp::Stamp { counter: 1, time: made });
            }
            sink.push(captured + Duration::from_millis(u64::from(!stamped))).unwrap();
        }
        let (by_packet, by_stamp) = eye.whole_call();
        assert_eq!((eye.count(), by_packet.count, by_stamp.count), (2, 2, 1));
        assert!(by_packet.p50 >= 199.0 && by_stamp.p50 >= 300.0, "{by_packet:?} {by_stamp:?}");
        eye.settle();
        assert_eq!(eye.since_settled().0.count, 0);
    }
}
