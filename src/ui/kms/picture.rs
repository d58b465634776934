//! Moving pictures on their way to the panel: filled by a worker, shown by the display thread.
//!
//! ```text
//!  worker: lease ─> decode ─> push ─┬─ Yuv: the buffer that is scanned out ──> waiting ──> panel
//!             ▲                     └─ else: RGB ─ scaled here to its room ─>  (newest     │
//!             └──────────── spare buffers ◀──────────────────────────────────   wins) ◀────┘
//! ```
//! The display thread alone asks the card for buffers: while none of a picture's size is spare under
//! [`Layout::Yuv`], it comes in plain memory and is copied into a new one, which then goes round.

use std::sync::Arc;

use super::choose::Layout;
use super::dumb::Dumb;
use super::shared::Shared;
use super::surface::Room;
use crate::clock::Time;
use crate::device::{DeviceError, VideoSink};
use crate::frame::{PixelFormat, Size};
use crate::geometry::Rect;
use crate::ui::face::Shown;
use crate::ui::scale::{Scaler, fitted};
use crate::wire::signal::Media;

/// Pixels across and rows that a picture has at least to be shown: YUV420 shows whole pairs.
const SMALLEST: u32 = 2;

/// A small picture, as slow lines get it.
const SMALL: Size = Size::new(320, 180);

/// A picture that waits for the display thread.
pub(super) struct Waiting {
    /// Its pixels.
    pub(super) content: Content,
    /// When it was captured.
    pub(super) captured: Time,
    /// Who hears that it is on the panel.
    pub(super) shown: Shown,
}

/// A picture's pixels.
pub(super) enum Content {
    /// In a buffer that can be scanned out.
    Frame(Dumb),
    /// In plain memory: [`PixelFormat::I420`], and its size.
    I420(Vec<u8>, Size),
    /// Scaled.
    Words(Words),
}

/// A picture in its final size, or nearly so.
pub(super) struct Words {
    /// 0xffRRGGBB, rows packed.
    pub(super) pixels: Vec<u32>,
    /// Of `pixels`.
    pub(super) size: Size,
    /// The picture's size before it was scaled, for its shape.
    pub(super) shape: Size,
}

/// Where a picture of this shape is drawn, in the middle of its room.
pub(super) fn placed(room: Room, shape: Size, drawing: Size) -> Option<Rect> {
    let within = room.rect.meet(Rect::whole(drawing));
    if within.is_empty() || shape.pixels() == 0 {
        return None;
    }
    let size = fitted(shape, within.size, room.pixel_aspect);
    let size = Size::new(size.width.min(within.size.width), size.height.min(within.size.height));
    let (x, y) = ((within.size.width - size.width) / 2, (within.size.height - size.height) / 2);
    Some(Rect { x: within.x + x, y: within.y + y, size })
}

/// What a way has to be able to show: the largest picture that a peer may send, on the whole drawing,
/// and a small one in the room of a call (680x412 of 800x480).
pub(super) fn samples(drawing: Size) -> [(Size, Room); 2] {
    // A ratio that is no whole number, as on the 7" panel.
    let room = |rect| Room { rect, pixel_aspect: 0.93 };
    let call = Rect::new(0, 0, drawing.width * 680 / 800, drawing.height * 412 / 480);
    [(Media::default().size, room(Rect::whole(drawing))), (SMALL, room(call))]
}

enum Leased {
    Frame(Dumb),
    I420(Vec<u8>, Size),
    Rgb(Vec<u8>, Size),
}

/// The sink of one worker.
pub(super) struct PictureSink {
    shared: Arc<Shared>,
    shown: Shown,
    leased: Option<Leased>,
    /// RGB memory that was scaled from and can be filled again.
    kept: Vec<u8>,
    scaler: Scaler,
}

impl PictureSink {
    pub(super) fn new(shared: Arc<Shared>, shown: Shown) -> Self {
        Self { shared, shown, leased: None, kept: Vec::new(), scaler: Scaler::default() }
    }

    fn frame(&mut self, size: Size, bytes: usize) -> Leased {
        match self.leased.take() {
            Some(Leased::Frame(frame)) if frame.size() == size => return Leased::Frame(frame),
            Some(Leased::Frame(frame)) => self.shared.lock().give_back(frame),
            Some(Leased::I420(memory, same)) if same == size => return Leased::I420(memory, size),
            _ => {}
        }
        match self.shared.lock().spare_frame(size) {
            Some(frame) => Leased::Frame(frame),
            None => Leased::I420(vec![0; bytes], size),
        }
    }

    fn scaled(&mut self, rgb: Vec<u8>, shape: Size) -> Content {
        let (size, mut pixels) = {
            let mut state = self.shared.lock();
            let at = state.room.and_then(|room| placed(room, shape, state.size));
            (at.map_or(shape, |at| at.size), state.spare_words())
        };
        pixels.resize(size.pixels(), 0);
        self.scaler.scale_to_words(&rgb, shape, &mut pixels, size);
        self.kept = rgb;
        Content::Words(Words { pixels, size, shape })
    }
}

impl VideoSink for PictureSink {
    fn format(&self) -> PixelFormat {
        match self.shared.lock().layout {
            Layout::Yuv => PixelFormat::I420,
            Layout::Scaled | Layout::Compose => PixelFormat::Rgb8,
        }
    }

    fn lease(&mut self, size: Size, bytes: usize) -> &mut [u8] {
        // The panel may have changed since `format` was asked: what is leased follows the bytes.
        let leased = if bytes == PixelFormat::Rgb8.bytes(size) {
            let mut memory = match self.leased.take() {
                Some(Leased::Rgb(memory, same)) if same == size => memory,
                _ => std::mem::take(&mut self.kept),
            };
            memory.resize(bytes, 0);
            Leased::Rgb(memory, size)
        } else {
            self.frame(size, bytes)
        };
        match self.leased.insert(leased) {
            Leased::Frame(frame) => frame.as_i420(),
            Leased::I420(memory, _) | Leased::Rgb(memory, _) => memory,
        }
    }

    fn push(&mut self, captured: Time) -> Result<(), DeviceError> {
        let seen = |size: &Size| size.width >= SMALLEST && size.height >= SMALLEST;
        let content = match self.leased.take() {
            None => return Ok(()),
            Some(Leased::I420(_, size) | Leased::Rgb(_, size)) if !seen(&size) => return Ok(()),
            Some(Leased::Frame(frame)) => Content::Frame(frame),
            Some(Leased::I420(memory, size)) => Content::I420(memory, size),
            Some(Leased::Rgb(memory, size)) => self.scaled(memory, size),
        };
        let shown = Arc::clone(&self.shown);
        self.shared.wait_for_panel(Waiting { content, captured, shown });
        Ok(())
    }
}

impl Drop for PictureSink {
    fn drop(&mut self) {
        if let Some(Leased::Frame(frame)) = self.leased.take() {
            self.shared.lock().give_back(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::panel::Panel;
    use crate::wire::status::ScreenStatus;

    #[test]
    fn a_4_to_3_picture_stands_595_wide_in_the_middle_of_the_seven_inch_panel() {
        let drawing = Panel::SEVEN_INCH.size;
        let pixel_aspect = Panel::SEVEN_INCH.pixel_aspect;
        let room = Room { rect: Rect::whole(drawing), pixel_aspect };
        let at = placed(room, Size::new(640, 480), drawing).unwrap();
        assert_eq!(at, Rect::new(102, 0, 595, 480));
        let at = placed(room, Size::new(640, 360), drawing).unwrap();
        assert_eq!((at.x, at.size.width), (3, 793));
        assert_eq!(at.size.height, 480);
    }

    /// What is pushed into a display of this layout, whose room is 100x100, and how it arrives.
    fn pushed(layout: Layout, size: Size, times: u64) -> (PixelFormat, Arc<Shared>) {
        let shared = Shared::new(Size::new(200, 100), ScreenStatus::default()).unwrap();
        let rect = Rect::new(50, 0, 100, 100);
        shared.lock().layout = layout;
        shared.lock().room = Some(Room { rect, pixel_aspect: 1.0 });
        let shared = Arc::new(shared);
        let mut sink = PictureSink::new(Arc::clone(&shared), Arc::new(|_, _| {}));
        let format = sink.format();
        for n in 0..times {
            sink.lease(size, format.bytes(size)).fill(n as u8 + 100);
            sink.push(Time::from_micros(n)).unwrap();
        }
        (format, shared)
    }

    #[test]
    fn under_a_yuv_plane_pictures_come_as_they_were_decoded_and_the_newest_wins() {
        let size = Size::new(64, 48);
        let (format, shared) = pushed(Layout::Yuv, size, 3);
        assert_eq!(format, PixelFormat::I420);
        let waiting = shared.lock().waiting.take().unwrap();
        assert_eq!(waiting.captured, Time::from_micros(2));
        let Content::I420(bytes, of) = waiting.content else { panic!("not in plain memory") };
        assert_eq!((bytes, of), (vec![102; 64 * 48 * 3 / 2], size));
    }

    #[test]
    fn elsewhere_they_come_scaled_to_their_room_and_a_clear_takes_one_that_waits() {
        for layout in [Layout::Scaled, Layout::Compose] {
            let (format, shared) = pushed(layout, Size::new(64, 48), 2);
            assert_eq!(format, PixelFormat::Rgb8);
            let mut state = shared.lock();
            {
                let Some(Waiting { content: Content::Words(words), .. }) = &state.waiting else {
                    panic!("no words")
                };
                assert_eq!((words.size, words.shape), (Size::new(100, 75), Size::new(64, 48)));
                assert!(words.pixels.iter().all(|pixel| *pixel == 0xff65_6565));
            }
            state.clear();
            assert!(state.waiting.is_none() && state.cleared);
        }
    }

    #[test]
    fn a_picture_that_is_leased_again_before_it_is_pushed_still_holds_what_was_in_it() {
        for layout in [Layout::Yuv, Layout::Compose] {
            let (format, shared) = pushed(layout, Size::new(8, 8), 1);
            let mut sink = PictureSink::new(shared, Arc::new(|_, _| {}));
            let size = Size::new(16, 8);
            let bytes = format.bytes(size);
            sink.lease(size, bytes).fill(9);
            assert!(sink.lease(size, bytes).iter().all(|byte| *byte == 9), "{layout:?}");
        }
    }

    #[test]
    fn a_picture_of_one_row_or_column_is_not_shown_and_the_one_before_it_stays() {
        for layout in [Layout::Yuv, Layout::Scaled, Layout::Compose] {
            let (format, shared) = pushed(layout, Size::new(2, 2), 1);
            let mut sink = PictureSink::new(Arc::clone(&shared), Arc::new(|_, _| {}));
            for size in [Size::new(1, 480), Size::new(640, 1), Size::new(1, 1)] {
                sink.lease(size, format.bytes(size)).fill(9);
                sink.push(Time::from_micros(7)).unwrap();
                let state = shared.lock();
                let waiting = state.waiting.as_ref().map(|waiting| waiting.captured);
                assert_eq!(waiting, Some(Time::from_micros(0)), "{layout:?}, {size:?}");
            }
        }
    }

    #[test]
    fn a_room_that_reaches_beyond_the_drawing_is_cut() {
        let room = Room { rect: Rect::new(90, 0, 100, 50), pixel_aspect: 1.0 };
        let drawing = Size::new(100, 100);
        let at = placed(room, Size::new(4, 4), drawing).unwrap();
        assert_eq!(at, Rect::new(90, 20, 10, 10));
        let outside = Room { rect: Rect::new(100, 0, 10, 10), pixel_aspect: 1.0 };
        assert_eq!(placed(outside, Size::new(4, 4), drawing), None);
    }
}
