//! From the cards that are there to a panel that is taken.
//!
//! ```text
//!  cards ─open─> models ─find─> connector, mode, CRTC ─choose─> ways ─test─> the first that passes
//! ```

use std::io;
use std::sync::Arc;

use drm::Device as _;
use nix::errno::Errno;

use super::card::{Card, Look, cards};
use super::choose::{Layout, Way, ways};
use super::commit::Objects;
use super::error::KmsError;
use super::find::{Pick, pick};
use super::model::Model;
use super::scanout::{Scanout, Taken};
use crate::config;
use crate::frame::Size;

/// A panel that could be taken, and the ways onto it.
pub(super) struct Found {
    card: Arc<Card>,
    model: Model,
    pick: Pick,
    ways: Vec<Way>,
    config: config::Display,
}

/// Look for the panel that the config asks for, so closely.
///
/// # Errors
/// None is connected, or its card can't be opened.
pub(super) fn find(config: &config::Display, size: Size, look: Look) -> Result<Found, KmsError> {
    let (mut opened, mut models, mut failed) = (Vec::new(), Vec::new(), None);
    for path in cards() {
        // A card that draws and shows nothing (v3d, vgem) takes no atomic changes.
        let read = Card::open(&path).and_then(|card| Ok((card.model(look)?, card)));
        match read {
            Ok((model, card)) => {
                models.push(model);
                opened.push(card);
            }
            Err(error) => failed = Some(error),
        }
    }
    let Some(pick) = pick(&models, &config.connector, size) else {
        return Err(match (failed, config.connector.name()) {
            (Some(error), _) if models.is_empty() => error,
            (_, name) => KmsError::NoPanel { connector: name.map(str::to_owned) },
        });
    };
    let model = models.swap_remove(pick.card);
    // The other cards are closed here, and with them the right to change what they show.
    let card = Arc::new(opened.swap_remove(pick.card));
    let ways = ways(&model, pick.crtc, config.video_path, config.rotate.0);
    Ok(Found { card, model, pick, ways, config: config.clone() })
}

impl Found {
    /// Whether the panel is still there as it was found, by asking it; `None`: it is not there.
    pub(super) fn is_unchanged(&self, size: Size) -> Option<bool> {
        let connector = &self.model.connectors[self.pick.connector];
        // Another panel that has come is no reason to leave this one, nor to ask it anything.
        let connectors = vec![self.card.probe(connector.id).ok()?];
        let model = Model { connectors, ..self.model.clone() };
        let again = pick(std::slice::from_ref(&model), &self.config.connector, size)?;
        let now = &model.connectors[again.connector];
        Some(now.modes[again.mode] == connector.modes[self.pick.mode])
    }

    /// What is taken.
    pub(super) fn taken(&self) -> Taken {
        let connector = &self.model.connectors[self.pick.connector];
        Taken {
            card: Arc::clone(&self.card),
            driver: self.model.driver.clone(),
            connector: connector.name.clone(),
            mode: connector.modes[self.pick.mode],
            rotation: self.config.rotate.0,
        }
    }

    /// The best way by what the card says of itself, untested.
    pub(super) fn best(&self) -> Option<&Way> {
        self.ways.first()
    }

    /// Take the panel in the first way that the kernel would take, `without` those that it took in
    /// the test and refused later.
    ///
    /// # Errors
    /// It takes none; or somebody else holds the card.
    pub(super) fn take(&self, without: &[Layout]) -> Result<Scanout, KmsError> {
        let connector = &self.model.connectors[self.pick.connector];
        let mode = self.card.mode(connector.id, self.pick.mode)?;
        let mut refused: Option<(Layout, io::Error)> = None;
        for way in self.ways.iter().filter(|way| !without.contains(&way.layout)) {
            let mut way = way.clone();
            if let Some((_, error)) = refused.as_ref().filter(|_| way.layout == Layout::Compose) {
                way.reason = format!("{} ({error})", way.reason);
            }
            match self.try_way(&mode, &way) {
                Ok(scanout) => return Ok(scanout),
                Err(error) if is_anothers(&error) => {
                    return Err(self.card.failed("take the panel")(error));
                }
                Err(error) => {
                    tracing::debug!("{:?} on {}: {error}", way.layout, connector.name);
                    refused = Some((way.layout, error));
                }
            }
        }
        let nothing = || io::Error::other("no plane takes 32 bits a pixel");
        Err(KmsError::NoWay {
            path: self.card.path().to_owned(),
            connector: connector.name.clone(),
            source: refused.map_or_else(nothing, |(_, error)| error),
        })
    }

    fn try_way(&self, mode: &drm::control::Mode, way: &Way) -> io::Result<Scanout> {
        let connector = &self.model.connectors[self.pick.connector];
        let ours = self.model.planes.iter().filter(|plane| plane.crtcs.contains(&self.pick.crtc));
        let planes = ours.map(|plane| plane.id).collect();
        let objects = Objects::read(&self.card, connector.id, self.pick.crtc, planes)?;
        let scanout = Scanout::new(self.taken(), objects, mode, way.clone())?;
        scanout.test()?;
        Ok(scanout)
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        // A worker may still hold a buffer of the card's and with it the card. Without this it could
        // not be taken again; where it can't be given up it was never ours.
        let _ = self.card.release_master_lock();
    }
}

/// Somebody else holds the card: no way would pass.
pub(super) fn is_anothers(error: &io::Error) -> bool {
    let denied = [Errno::EACCES, Errno::EPERM].map(|errno| errno as i32);
    error.raw_os_error().is_some_and(|errno| denied.contains(&errno))
}
