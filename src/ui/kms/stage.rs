//! What is to be seen: the pages, the picture behind their hole, and where that belongs.
//!
//! It belongs to the display thread and outlives every panel, so that one that comes back can be
//! painted at once.

use std::sync::Arc;

use super::canvas::Canvas;
use super::compose::{Layer, Painter, Target, from_i420, resample};
use super::dumb::Dumb;
use super::picture::{Content, Waiting, Words, placed};
use super::shared::State;
use super::surface::Room;
use crate::clock::Time;
use crate::frame::Size;
use crate::geometry::{Rect, Rotation};
use crate::ui::face::Shown;
use crate::ui::snapshot::Snapshot;

/// The newest picture.
pub(super) struct Picture {
    /// Its pixels.
    pub(super) image: Image,
    /// Who hears that it is on the panel, and when it was captured; taken when it is on its way.
    pub(super) told: Option<(Time, Shown)>,
    /// Not yet given to the panel.
    pub(super) fresh: bool,
}

/// Its pixels.
pub(super) enum Image {
    /// In a buffer that can be scanned out, or that is.
    Frame(Arc<Dumb>),
    /// In plain memory.
    I420(Vec<u8>, Size),
    /// Scaled.
    Words(Words),
}

/// What is to be seen.
pub(super) struct Stage {
    /// The pages.
    pub(super) canvas: Canvas,
    /// Where the picture belongs.
    pub(super) room: Option<Room>,
    /// The newest picture.
    pub(super) picture: Option<Picture>,
    /// Paints both.
    pub(super) painter: Painter,
}

impl Stage {
    /// An empty one.
    pub(super) fn new(size: Size) -> Self {
        let (canvas, painter) = (Canvas::new(size), Painter::default());
        Self { canvas, room: None, picture: None, painter }
    }

    /// This is the newest picture now.
    pub(super) fn set(&mut self, waiting: Waiting, state: &mut State) {
        let image = match waiting.content {
            Content::Frame(frame) => Image::Frame(Arc::new(frame)),
            Content::I420(bytes, size) => Image::I420(bytes, size),
            Content::Words(words) => Image::Words(words),
        };
        let told = Some((waiting.captured, waiting.shown));
        self.clear(state);
        self.picture = Some(Picture { image, told, fresh: true });
    }

    /// There is none now.
    pub(super) fn clear(&mut self, state: &mut State) {
        match self.picture.take().map(|picture| picture.image) {
            Some(Image::Frame(frame)) => {
                if let Some(frame) = Arc::into_inner(frame) {
                    state.give_back(frame);
                }
            }
            Some(Image::Words(words)) => state.give_back_words(words.pixels),
            Some(Image::I420(..)) | None => {}
        }
    }

    /// A picture in a card's buffer is none any more: the card is let go of. The next picture is not
    /// far, and the memory of a card that was pulled out is not to be read.
    pub(super) fn forget_frame(&mut self) {
        self.picture.take_if(|picture| matches!(picture.image, Image::Frame(_)));
    }

    /// Where the picture is drawn; `None`: it is not.
    pub(super) fn placed(&self) -> Option<Rect> {
        let shape = match &self.picture.as_ref()?.image {
            Image::Frame(frame) => frame.size(),
            Image::I420(_, size) => *size,
            Image::Words(words) => words.shape,
        };
        placed(self.room?, shape, self.canvas.size())
    }

    /// Have the picture as words, as many as `at` holds.
    pub(super) fn picture_into_words(&mut self, at: Rect) {
        let Some(picture) = &mut self.picture else { return };
        let (pixels, size) = match &picture.image {
            Image::Words(words) if words.size == at.size => return,
            Image::Words(words) => (resample(&words.pixels, words.size, at.size), words.shape),
            Image::Frame(frame) => (from_bytes(frame.i420(), frame.size(), at.size), frame.size()),
            Image::I420(bytes, size) => (from_bytes(bytes, *size, at.size), *size),
        };
        picture.image = Image::Words(Words { pixels, size: at.size, shape: size });
    }

    /// The words of [`Stage::picture_into_words`].
    pub(super) fn layer(picture: Option<&Picture>, at: Option<Rect>) -> Option<Layer<'_>> {
        match &picture?.image {
            Image::Words(words) if words.size == at?.size => {
                Some(Layer { at: at?, pixels: &words.pixels })
            }
            _ => None,
        }
    }

    /// All of it, as it is drawn.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        let size = self.canvas.size();
        let at = self.placed();
        let behind = at.zip(self.picture.as_ref()).map(|(at, picture)| match &picture.image {
            Image::Frame(frame) => from_bytes(frame.i420(), frame.size(), at.size),
            Image::I420(bytes, of) => from_bytes(bytes, *of, at.size),
            Image::Words(words) => resample(&words.pixels, words.size, at.size),
        });
        let layer = at.zip(behind.as_ref()).map(|(at, pixels)| Layer { at, pixels });
        let mut pixels = vec![0; size.pixels()];
        let pitch = size.width as usize;
        let mut target = Target { pixels: &mut pixels, pitch, rotation: Rotation::None };
        self.painter.paint(&mut target, &mut self.canvas, layer, Rect::whole(size));
        let rgb8 = pixels.iter().flat_map(|pixel| {
            let [_, red, green, blue] = pixel.to_be_bytes();
            [red, green, blue]
        });
        Snapshot { size, rgb8: rgb8.collect() }
    }
}

fn from_bytes(bytes: &[u8], size: Size, to: Size) -> Vec<u32> {
    resample(&from_i420(bytes, size), size, to)
}
