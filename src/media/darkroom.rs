//! What makes a source's pictures into those that are handed on.
//!
//! ```text
//!  JPEG ─┬─ full size, and short enough ──> mend ──> turn (lossless) ──────────────┐
//!        └─ else: mend ──> decode, smaller ──┐                                     ├──> bytes
//!  raw ────────────────> smaller ────────────┴──> turn ──> encode at a quality ────┘
//! ```
//! A camera's JPEG that is whole, need not be turned and fits the line goes as it came, byte for byte.
//! Frosted ones go the way of the smaller ones, and are frosted before they are turned.
//! A picture that came out far too large is encoded once more, and only once: what it costs is known
//! by then.

use bytes::Bytes;

use crate::codec::frost::frost;
use crate::codec::jpeg::{Encoder, JpegError};
use crate::codec::mend::Mender;
use crate::codec::shrink::Shrinker;
use crate::codec::turn::Turner;
use crate::frame::{Picture, PixelFormat, Size};
use crate::geometry::Turn;
use crate::wire::mjpeg::picture_size;
use crate::wire::packet::PICTURE_LIMIT;

use super::camera::Settings;
use super::pace::ladder::Order;
use super::scene::Scene;

/// A camera's JPEG may have so many times its budget in percent: it is not made again for less.
const OVER_BUDGET_PERCENT: usize = 115;
/// Frosted pictures are not larger: there is nothing to be seen on them.
const FROSTED_EIGHTHS: u32 = 4;

/// What becomes of a picture.
pub(super) enum Payload {
    /// This, and the quality that it has.
    Jpeg(Bytes, u8),
    /// Not this one: why.
    Refused(String),
}

/// The tools and their buffers.
pub(super) struct Darkroom {
    settings: Settings,
    turn: Turn,
    quality: u8,
    encoder: Encoder,
    mender: Mender,
    turner: Turner,
    shrinker: Shrinker,
    frosted: bool,
    glass: Picture,
    scene: Scene,
}

impl Darkroom {
    /// One that turns by `turn` what comes.
    pub(super) fn new(settings: Settings, turn: Turn) -> Result<Self, JpegError> {
        Ok(Self {
            settings,
            turn,
            quality: settings.quality,
            encoder: Encoder::new(settings.quality)?,
            mender: Mender::new()?,
            turner: Turner::new(turn)?,
            shrinker: Shrinker::new()?,
            frosted: false,
            glass: Picture::default(),
            scene: Scene::default(),
        })
    }

    /// The size of what is handed on at full size, when the source has pictures of `size`.
    pub(super) fn turned(&self, size: Size) -> Size {
        self.turn.rotation.turned(size)
    }

    /// Whether pictures of this size, once they are turned, are what was agreed on.
    pub(super) fn holds(&self, size: Size) -> bool {
        let (size, limit) = (self.turned(size), self.settings.limit);
        size.width <= limit.width && size.height <= limit.height
    }

    /// Whether the picture, made by `order`, would show the receiver nothing new.
    pub(super) fn is_unchanged(&mut self, picture: &Picture, order: &Order) -> bool {
        self.scene.is_unchanged(picture, (order.eighths, order.quality), &mut self.shrinker)
    }

    /// The picture was sent.
    pub(super) fn sent(&mut self, picture: &Picture, order: &Order) {
        self.scene.sent(picture, (order.eighths, order.quality));
    }

    /// The receiver may have nothing any more: the next picture is a new one, whatever is on it.
    pub(super) fn forget(&mut self) {
        self.scene.forget();
    }

    /// Whether pictures are frosted from the next one on.
    pub(super) fn frost(&mut self, frosted: bool) {
        if frosted != std::mem::replace(&mut self.frosted, frosted) {
            // Of the same scene the receiver has seen another picture.
            self.scene.forget();
        }
    }

    /// The picture as the receiver may have it, by `order` where there is one. `again` says, of the
    /// bytes that an encoded one has, which quality to try once more with.
    pub(super) fn develop(
        &mut self,
        picture: &Picture,
        order: Option<&Order>,
        again: impl FnOnce(usize) -> Option<u8>,
    ) -> Result<Payload, JpegError> {
        let behind_glass = self.frosted.then(|| behind_glass(order, self.settings.quality));
        let order = behind_glass.as_ref().or(order);
        let (jpeg, quality) = if picture.format == PixelFormat::Jpeg {
            match self.compressed(&picture.data, order, again) {
                Ok(made) => made,
                Err(why) => return Ok(Payload::Refused(why)),
            }
        } else {
            self.quality = order.map_or(self.settings.quality, |order| order.quality);
            let eighths = order.map_or(8, |order| order.eighths);
            let small = if eighths < 8 { self.shrinker.raw(picture, eighths)? } else { picture };
            let small = seen(small, self.frosted, &mut self.glass);
            let turned = if self.turn == Turn::NONE { small } else { self.turner.raw(small)? };
            encoded(&mut self.encoder, turned, self.quality, eighths, again)?
        };
        Ok(if jpeg.len() <= PICTURE_LIMIT {
            Payload::Jpeg(jpeg, quality)
        } else {
            Payload::Refused(format!("{} bytes, at most {PICTURE_LIMIT} are sent", jpeg.len()))
        })
    }

    fn compressed(
        &mut self,
        jpeg: &[u8],
        order: Option<&Order>,
        again: impl FnOnce(usize) -> Option<u8>,
    ) -> Result<(Bytes, u8), String> {
        let size = picture_size(jpeg).ok_or("bytes that are no JPEG")?;
        if !self.holds(size) {
            let limit = self.settings.limit;
            return Err(format!("a picture of {size}, at most {limit} was agreed"));
        }
        let whole = self.mender.whole(jpeg).map_err(|error| error.to_string())?;
        let remade = order.filter(|order| order.eighths < 8 || over_budget(whole, order));
        let made = if let Some(order) = remade {
            let turn = self.turn;
            self.shrinker.jpeg(whole, order.eighths).and_then(|small| {
                let small = seen(small, self.frosted, &mut self.glass);
                let turned = if turn == Turn::NONE { small } else { self.turner.raw(small)? };
                encoded(&mut self.encoder, turned, order.quality, order.eighths, again)
            })
        } else {
            let jpeg = if self.turn == Turn::NONE {
                Ok(Bytes::copy_from_slice(whole))
            } else {
                self.turner.jpeg(whole).map(Bytes::from)
            };
            // The camera's own quality, which is what the top of the ladder is taken for.
            jpeg.map(|jpeg| (jpeg, self.settings.quality))
        };
        made.map_err(|error| error.to_string())
    }
}

/// What of a frosted picture is made, where `order` was wanted: never the picture as it came.
fn behind_glass(order: Option<&Order>, quality: u8) -> Order {
    let plain = Order { rung: 0, eighths: 8, quality, fps: 30.0, budget: None };
    let order = order.copied().unwrap_or(plain);
    Order { eighths: order.eighths.min(FROSTED_EIGHTHS), ..order }
}

fn seen<'a>(picture: &'a Picture, frosted: bool, glass: &'a mut Picture) -> &'a Picture {
    if !frosted {
        return picture;
    }
    frost(picture, glass);
    glass
}

fn over_budget(jpeg: &[u8], order: &Order) -> bool {
    order.budget.is_some_and(|budget| jpeg.len() * 100 > budget * OVER_BUDGET_PERCENT)
}

fn encoded(
    encoder: &mut Encoder,
    picture: &Picture,
    quality: u8,
    eighths: u32,
    again: impl FnOnce(usize) -> Option<u8>,
) -> Result<(Bytes, u8), JpegError> {
    // Smaller pictures are for a line on which bytes are what there is too little of.
    encoder.set_thorough(eighths < 8)?;
    encoder.set_quality(quality)?;
    let jpeg = encoder.encode(picture)?;
    let Some(less) = again(jpeg.len()) else {
        return Ok((Bytes::copy_from_slice(jpeg), quality));
    };
    encoder.set_quality(less)?;
    Ok((Bytes::copy_from_slice(encoder.encode(picture)?), less))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg::{Decoder, Limits};
    use crate::device::VideoSource;
    use crate::device::test_pattern::TestPattern;
    use crate::geometry::Rotation;
    use crate::stop::stop_pair;

    const SIZE: Size = Size::new(640, 480);

    fn raw() -> Picture {
        let (_stopper, stop) = stop_pair();
        let mut picture = Picture::default();
        TestPattern::new(SIZE, 1000.0, 'D').unwrap().read(&mut picture, &stop).unwrap();
        picture
    }

    fn camera_jpeg() -> Picture {
        let data = Encoder::new(75).unwrap().encode(&raw()).unwrap().to_vec();
        Picture { format: PixelFormat::Jpeg, data, ..raw() }
    }

    fn order(eighths: u32, quality: u8, budget: usize) -> Order {
        Order { rung: 0, eighths, quality, fps: 30.0, budget: Some(budget) }
    }

    fn darkroom(turn: Turn) -> Darkroom {
        let limit = Size::new(640, 640);
        Darkroom::new(Settings { quality: 75, limit }, turn).unwrap()
    }

    fn jpeg(payload: Payload) -> Bytes {
        made(payload).0
    }

    fn made(payload: Payload) -> (Bytes, u8) {
        match payload {
            Payload::Jpeg(jpeg, quality) => (jpeg, quality),
            Payload::Refused(why) => panic!("{why}"),
        }
    }

    #[test]
    fn an_order_makes_raw_pictures_and_jpegs_smaller_and_turns_them() {
        let quarter = Turn { rotation: Rotation::Quarter, mirror: false };
        for (turn, wanted) in [(Turn::NONE, Size::new(240, 180)), (quarter, Size::new(180, 240))] {
            for picture in [raw(), camera_jpeg()] {
                let mut darkroom = darkroom(turn);
                let order = order(3, 50, 4000);
                let made = darkroom.develop(&picture, Some(&order), |_| None).unwrap();
                let made = jpeg(made);
                assert_eq!(Decoder::new(Limits::of(SIZE)).unwrap().size(&made).unwrap(), wanted);
                assert!(made.len() * 2 < camera_jpeg().data.len());
            }
        }
    }

    #[test]
    fn a_cameras_jpeg_goes_as_it_came_while_it_fits_and_is_made_again_when_it_does_not() {
        let (picture, mut darkroom) = (camera_jpeg(), darkroom(Turn::NONE));
        let length = picture.data.len();
        let fits = darkroom.develop(&picture, Some(&order(8, 75, length)), |_| None).unwrap();
        assert_eq!(jpeg(fits), picture.data);
        // A little over its budget it goes all the same, and is not taken for worse than it is.
        let over = darkroom.develop(&picture, Some(&order(8, 60, length * 9 / 10)), |_| None);
        assert_eq!(made(over.unwrap()), (picture.data.clone().into(), 75));
        let order = order(8, 35, length / 2);
        let less = darkroom.develop(&picture, Some(&order), |_| None).unwrap();
        assert!(jpeg(less).len() < length * 3 / 4);
    }

    #[test]
    fn a_frosted_picture_shows_nothing_of_the_one_it_was_made_from_by_any_order_or_none() {
        let quarter = Turn { rotation: Rotation::Quarter, mirror: true };
        for turn in [Turn::NONE, quarter] {
            for picture in [raw(), camera_jpeg()] {
                let mut darkroom = darkroom(turn);
                for order in [None, Some(order(8, 75, 1 << 20)), Some(order(2, 35, 2000))] {
                    darkroom.frost(true);
                    let made = darkroom.develop(&picture, order.as_ref(), |_| None).unwrap();
                    let made = jpeg(made);
                    // At an eighth each value is the mean of a block, and a square has four at least:
                    // edges are where squares end, and at most as many as there are squares.
                    let mut means = Vec::new();
                    Shrinker::new().unwrap().thumbnail(&made, &mut means).unwrap();
                    let width = Decoder::new(Limits::of(SIZE)).unwrap().size(&made).unwrap().width;
                    let row = &means[..width as usize / 8];
                    let edges = row.windows(2).filter(|two| two[0].abs_diff(two[1]) > 3).count();
                    assert!(edges <= 20 && means.len() >= 2 * 2, "{edges} in {}", row.len());
                    darkroom.frost(false);
                    let clear = jpeg(darkroom.develop(&picture, order.as_ref(), |_| None).unwrap());
                    assert!(clear.len() > 2 * made.len(), "{} {}", clear.len(), made.len());
                }
            }
        }
    }

    #[test]
    fn a_picture_far_too_large_is_made_once_more_and_has_the_quality_of_that() {
        let mut darkroom = darkroom(Turn::NONE);
        let mut first = 0;
        let payload = darkroom.develop(&raw(), Some(&order(8, 75, 9000)), |bytes| {
            first = bytes;
            Some(20)
        });
        let (jpeg, quality) = made(payload.unwrap());
        assert!(first > 0 && jpeg.len() < first * 3 / 4);
        assert_eq!(quality, 20);
    }
}
