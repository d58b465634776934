//! A panel that was taken: its buffers, and what of them is scanned out.
//!
//! ```text
//!            ┌ nothing changed: nothing                    ┌─ flip event: the back page is the
//!  update ───┼ not lit yet: everything at once, waited for │  front one, old buffers are spare,
//!            └ changed: back page painted, committed ──────┘  and `shown` is told
//! ```
//! At most one change is on its way at a time. The page that is scanned out is never written to.

use std::io;
use std::sync::Arc;

use drm::control::{Device as _, Event};

use super::canvas::Damage;
use super::card::Card;
use super::choose::{Layout, Role, Way};
use super::commit::{Change, Objects, Shown, mode_blob};
use super::compose::Target;
use super::dumb::Dumb;
use super::model::Mode;
use super::pace::Pace;
use super::picture::{placed, samples};
use super::shared::Shared;
use super::stage::{Image, Stage};
use super::surface::Room;
use crate::clock::Time;
use crate::frame::Size;
use crate::geometry::{Rect, Rotation};
use crate::ui::face;
use crate::wire::status::ScreenStatus;

/// What is taken, before anything is asked of the kernel.
pub(super) struct Taken {
    /// Open.
    pub(super) card: Arc<Card>,
    /// The kernel driver's name.
    pub(super) driver: String,
    /// The connector's name, such as `DSI-1`.
    pub(super) connector: String,
    /// The panel's mode.
    pub(super) mode: Mode,
    /// How the drawing is turned on it.
    pub(super) rotation: Rotation,
}

impl Taken {
    /// The size of the drawing.
    pub(super) fn drawing(&self) -> Size {
        self.rotation.turned(self.mode.size())
    }

    /// What there is to be said of it.
    pub(super) fn describe(&self, way: &Way, status: &mut ScreenStatus) {
        let mode = self.mode;
        status.kind = "kms".to_owned();
        status.card = Some(self.card.path().display().to_string());
        status.driver = Some(self.driver.clone());
        status.connector = Some(self.connector.clone());
        status.mode = Some(format!("{}x{}@{}", mode.width, mode.height, mode.refresh));
        status.rotate = self.rotation.degrees();
        status.video_path = match way.layout {
            Layout::Yuv | Layout::Scaled => "plane".to_owned(),
            Layout::Compose => "compose".to_owned(),
        };
        status.reason.clone_from(&way.reason);
    }
}

/// A buffer for the pages, and what it still lacks of them.
struct Page {
    buffer: Dumb,
    damage: Damage,
}

/// A change that is on its way.
struct Flight {
    since: Time,
    /// The back page becomes the front one.
    page: bool,
    /// The scaled picture's back buffer becomes the front one.
    scaled: bool,
    /// The frame that is scanned out from then on; `None`: as before.
    frame: Option<Option<Arc<Dumb>>>,
    told: Option<(Time, face::Shown)>,
}

/// A panel that was taken.
pub(super) struct Scanout {
    taken: Taken,
    objects: Objects,
    mode_blob: u64,
    way: Way,
    pages: [Page; 2],
    front: usize,
    base: Option<Dumb>,
    /// Under [`Layout::Scaled`]: the picture, turned.
    scaled: [Option<Dumb>; 2],
    scaled_front: usize,
    /// Under [`Layout::Yuv`]: what is scanned out.
    frame: Option<Arc<Dumb>>,
    /// The pages changed since the last change was asked for.
    changed: bool,
    /// Where the picture is on the panel, or will be after the flight, in the drawing.
    placed: Option<Rect>,
    /// A picture got no buffer, which was said.
    lost_picture: bool,
    lit: bool,
    flight: Option<Flight>,
    pace: Pace,
}

impl Scanout {
    /// Get what this way needs; nothing is shown yet.
    ///
    /// # Errors
    /// The card has no memory left, or is gone.
    pub(super) fn new(
        taken: Taken,
        objects: Objects,
        mode: &drm::control::Mode,
        way: Way,
    ) -> io::Result<Self> {
        let size = taken.mode.size();
        let hole = way.layout != Layout::Compose;
        let page = || -> io::Result<Page> {
            let buffer = Dumb::new_words(&taken.card, size, hole)?;
            Ok(Page { buffer, damage: Damage::default() })
        };
        let pages = [page()?, page()?];
        let base = way.base.map(|_| Dumb::new_words(&taken.card, size, false)).transpose()?;
        let mode_blob = mode_blob(&taken.card, mode)?;
        let pace = Pace::new(taken.mode.refresh);
        Ok(Self {
            taken,
            objects,
            mode_blob,
            way,
            pages,
            front: 0,
            base,
            scaled: [None, None],
            scaled_front: 0,
            frame: None,
            changed: false,
            placed: None,
            lost_picture: false,
            lit: false,
            flight: None,
            pace,
        })
    }

    /// What is taken.
    pub(super) fn taken(&self) -> &Taken {
        &self.taken
    }

    /// The way onto the panel.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Nothing is asked for before this moment; `None`: any time.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.pace.earliest()
    }

    /// When the change that is on its way was asked for.
    pub(super) fn on_its_way_since(&self) -> Option<Time> {
        self.flight.as_ref().map(|flight| flight.since)
    }

    /// Pages were drawn here.
    pub(super) fn damage(&mut self, rect: Rect) {
        self.pages.iter_mut().for_each(|page| page.damage.add(rect));
        self.changed = true;
    }

    /// Whether the kernel would take pages alone, and pages with a picture.
    ///
    /// # Errors
    /// It would not; EACCES: somebody else holds the card.
    pub(super) fn test(&self) -> io::Result<()> {
        self.whole(None).test()?;
        samples(self.taken.drawing())
            .into_iter()
            .try_for_each(|(size, room)| self.try_picture(size, room))
    }

    fn try_picture(&self, size: Size, room: Room) -> io::Result<()> {
        let drawing = self.taken.drawing();
        let at = placed(room, size, drawing).unwrap_or_default();
        let at = self.taken.rotation.to_panel(at, drawing);
        let (picture, turned) = match self.way.layout {
            Layout::Compose => return Ok(()),
            Layout::Yuv => (Dumb::new_i420(&self.taken.card, size)?, self.taken.rotation),
            Layout::Scaled => (Dumb::new_words(&self.taken.card, at.size, false)?, Rotation::None),
        };
        let (framebuffer, source) = (picture.framebuffer(), picture.size());
        self.whole(Some(Shown { framebuffer, source, at, turned })).test()
    }

    /// Everything, from whatever was there before.
    fn whole(&self, picture: Option<Shown>) -> Change<'_> {
        let mut change = self.objects.change();
        change.clear_planes();
        change.light(self.mode_blob);
        change.plain_colors();
        for role in self.way.base.iter().chain(&self.way.video).chain([&self.way.ui]) {
            change.blend_plainly(*role);
        }
        if let (Some(role), Some(base)) = (self.way.base, &self.base) {
            change.show(role, Some(self.fills(base)));
        }
        let page = &self.pages[1 - self.front].buffer;
        change.show(self.way.ui, Some(self.fills(page)));
        if let (Some(role), Some(picture)) = (self.way.video, picture) {
            self.show_picture(&mut change, role, picture);
        }
        change
    }

    fn show_picture(&self, change: &mut Change<'_>, role: Role, picture: Shown) {
        change.show(role, Some(picture));
        if self.way.layout == Layout::Yuv {
            change.color_like_jpeg(role);
        }
    }

    fn fills(&self, buffer: &Dumb) -> Shown {
        let source = self.taken.mode.size();
        let at = Rect::whole(source);
        Shown { framebuffer: buffer.framebuffer(), source, at, turned: Rotation::None }
    }

    /// Ask for what is on the stage and not on the panel; false: that is nothing, or a change is on
    /// its way.
    ///
    /// # Errors
    /// The kernel did not take the change. A picture that gets no buffer is no error.
    pub(super) fn update(
        &mut self,
        stage: &mut Stage,
        shared: &Shared,
        now: Time,
    ) -> io::Result<bool> {
        if self.flight.is_some() || !stage.canvas.is_drawn() {
            return Ok(false);
        }
        let mut at = stage.placed().filter(|_| self.can_show(stage));
        let is_fresh = |stage: &Stage| stage.picture.as_ref().is_some_and(|it| it.fresh);
        if let Some(wanted) = at.filter(|_| at != self.placed || is_fresh(stage))
            && let Err(error) = self.make_buffer(stage, wanted, shared)
        {
            self.lose_picture(stage, shared, &error);
            at = None;
        }
        let renewed = at != self.placed || is_fresh(stage) && at.is_some();
        if !renewed && !self.changed && self.lit {
            return Ok(false);
        }
        if !self.lit {
            let drawing = Rect::whole(self.taken.drawing());
            self.pages.iter_mut().for_each(|page| page.damage = Damage::default());
            self.damage(drawing);
        }
        let mut flight = Flight { since: now, page: false, scaled: false, frame: None, told: None };
        let picture = match self.way.layout {
            Layout::Compose => {
                self.mix(stage, at, renewed);
                None
            }
            Layout::Scaled => self.scale(stage, at.filter(|_| renewed), &mut flight),
            Layout::Yuv => self.frame(stage, at, &mut flight),
        };
        if self.changed {
            self.paint(stage, at);
            flight.page = true;
        }
        if let Some(picture) = &mut stage.picture {
            picture.fresh = false;
            flight.told = at.and_then(|_| picture.told.take());
        }
        if self.lit {
            let mut change = self.objects.change();
            if flight.page {
                let page = &self.pages[1 - self.front].buffer;
                change.show(self.way.ui, Some(self.fills(page)));
            }
            match (self.way.video.filter(|_| renewed), picture) {
                (Some(role), Some(picture)) => self.show_picture(&mut change, role, picture),
                (Some(role), None) => change.show(role, None),
                (None, _) => {}
            }
            change.flip()?;
            self.flight = Some(flight);
        } else {
            self.whole(picture).now()?;
            self.lit = true;
            self.flight = Some(flight);
            self.landed(now, shared);
        }
        self.changed = false;
        self.placed = at;
        Ok(true)
    }

    /// Get the buffer that the picture, drawn `at` there, is scanned out from.
    fn make_buffer(&mut self, stage: &mut Stage, at: Rect, shared: &Shared) -> io::Result<()> {
        let card = &self.taken.card;
        match self.way.layout {
            Layout::Compose => {}
            Layout::Scaled => {
                let size = self.taken.rotation.turned(at.size);
                let slot = &mut self.scaled[1 - self.scaled_front];
                if slot.as_ref().is_none_or(|buffer| buffer.size() != size) {
                    *slot = None;
                    *slot = Some(Dumb::new_words(card, size, false)?);
                }
            }
            Layout::Yuv => {
                let Some(picture) = &mut stage.picture else { return Ok(()) };
                let Image::I420(bytes, size) = &picture.image else { return Ok(()) };
                let mut state = shared.lock();
                state.keep_frames(*size);
                let spare = state.spare_frame(*size);
                drop(state);
                let spare = spare.map_or_else(|| Dumb::new_i420(card, *size), Ok);
                let mut frame = spare?;
                frame.as_i420().copy_from_slice(bytes);
                picture.image = Image::Frame(Arc::new(frame));
            }
        }
        Ok(())
    }

    /// A picture that gets no buffer is not shown; the pages are, whatever a peer sends.
    fn lose_picture(&mut self, stage: &mut Stage, shared: &Shared, error: &io::Error) {
        stage.clear(&mut shared.lock());
        if !std::mem::replace(&mut self.lost_picture, true) {
            let (card, name) = (self.taken.card.path().display(), &self.taken.connector);
            tracing::warn!("get a buffer for a picture on {name} of {card}: {error}; left out");
        }
    }

    /// Under [`Layout::Compose`] a picture is damage.
    fn mix(&mut self, stage: &mut Stage, at: Option<Rect>, renewed: bool) {
        if !renewed {
            return;
        }
        if let Some(at) = at {
            stage.picture_into_words(at);
        }
        for rect in [self.placed.filter(|_| self.placed != at), at].into_iter().flatten() {
            self.damage(rect);
        }
    }

    fn paint(&mut self, stage: &mut Stage, at: Option<Rect>) {
        let Stage { canvas, picture, painter, .. } = stage;
        let mixed = picture.as_ref().filter(|_| self.way.layout == Layout::Compose);
        let layer = Stage::layer(mixed, at);
        let Page { buffer, damage } = &mut self.pages[1 - self.front];
        let (pitch, rotation) = (buffer.pitch(), self.taken.rotation);
        let mut target = Target { pixels: buffer.as_words(), pitch, rotation };
        for rect in damage.take() {
            painter.paint(&mut target, canvas, layer, rect);
        }
    }

    /// Into the buffer of [`Scanout::make_buffer`].
    fn scale(&mut self, stage: &mut Stage, at: Option<Rect>, flight: &mut Flight) -> Option<Shown> {
        let at = at?;
        stage.picture_into_words(at);
        let layer = Stage::layer(stage.picture.as_ref(), Some(at))?;
        let buffer = self.scaled[1 - self.scaled_front].as_mut()?;
        let there = self.taken.rotation.to_panel(at, self.taken.drawing());
        let (pitch, rotation) = (buffer.pitch(), self.taken.rotation);
        let mut target = Target { pixels: buffer.as_words(), pitch, rotation };
        stage.painter.copy(&mut target, at.size, layer.pixels);
        flight.scaled = true;
        let framebuffer = buffer.framebuffer();
        Some(Shown { framebuffer, source: there.size, at: there, turned: Rotation::None })
    }

    /// A picture of the kind that this way takes: the one of the panel before it may be another.
    fn can_show(&self, stage: &Stage) -> bool {
        match stage.picture.as_ref().map(|picture| &picture.image) {
            Some(Image::Frame(frame)) => {
                self.way.layout != Layout::Yuv || frame.is_of(&self.taken.card)
            }
            Some(Image::Words(_)) => self.way.layout != Layout::Yuv,
            Some(Image::I420(..)) => true,
            None => false,
        }
    }

    /// The buffer of [`Scanout::make_buffer`], or of the worker.
    fn frame(&self, stage: &Stage, at: Option<Rect>, flight: &mut Flight) -> Option<Shown> {
        flight.frame = Some(None);
        let at = at?;
        let Image::Frame(frame) = &stage.picture.as_ref()?.image else { return None };
        flight.frame = Some(Some(Arc::clone(frame)));
        let size = frame.size();
        Some(Shown {
            framebuffer: frame.framebuffer(),
            source: Size::new(size.width & !1, size.height & !1),
            at: self.taken.rotation.to_panel(at, self.taken.drawing()),
            turned: self.taken.rotation,
        })
    }

    /// Take in what the card has to say.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn events(&mut self, shared: &Shared, now: Time) -> io::Result<()> {
        let events = match self.taken.card.receive_events() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            events => events?,
        };
        for event in events {
            let Event::PageFlip(flip) = event else { continue };
            let micros = u64::try_from(flip.duration.as_micros()).unwrap_or(0);
            let at = Time::from_micros(micros);
            // A driver without timestamps says 0, and one with another clock anything.
            let sound = at <= now && now.since(at).as_secs() < 1;
            self.landed(if sound { at } else { now }, shared);
        }
        Ok(())
    }

    /// What was on its way is on the panel.
    fn landed(&mut self, at: Time, shared: &Shared) {
        let Some(flight) = self.flight.take() else { return };
        self.pace.shown(at);
        if flight.page {
            self.front = 1 - self.front;
        }
        if flight.scaled {
            self.scaled_front = 1 - self.scaled_front;
        }
        if let Some(frame) = flight.frame {
            let old = std::mem::replace(&mut self.frame, frame).and_then(Arc::into_inner);
            if let Some(old) = old {
                shared.lock().give_back(old);
            }
        }
        if let Some((captured, shown)) = flight.told {
            shown(captured, at);
        }
    }

    /// Have the panel show what it showed before it was taken.
    fn put_back(&mut self) {
        if !std::mem::take(&mut self.lit) {
            return;
        }
        let restored = self.objects.restore();
        if let Err(error) = restored {
            // Somebody else has it already, or it is gone: nothing of ours is left on it then.
            tracing::debug!("give back {}: {error}", self.taken.connector);
        }
    }
}

impl Drop for Scanout {
    fn drop(&mut self) {
        self.put_back();
    }
}
