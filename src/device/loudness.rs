//! How loud the loudspeaker is to be, whichever card that is at the moment.
//!
//! A card's own knob is turned where it has one; what is left is for our arithmetic. A card that
//! was pulled out comes back at its own idea of loudness, so it is set again whenever one is opened.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::alsa_mixer::{AlsaMixer, LOUDEST};

/// A volume, 0 to 10, and who does it.
#[derive(Debug)]
pub struct Loudness {
    wanted: AtomicU8,
    left: Arc<AtomicU8>,
    pcm: Mutex<Option<String>>,
}

impl Loudness {
    /// `volume` is 0 to 10; until a card is opened all of it is left to arithmetic.
    pub fn new(volume: u8) -> Arc<Self> {
        Arc::new(Self {
            wanted: AtomicU8::new(volume),
            left: Arc::new(AtomicU8::new(volume)),
            pcm: Mutex::default(),
        })
    }

    /// The volume that arithmetic has to make, 0 to 10; it changes with the card.
    pub fn left(&self) -> Arc<AtomicU8> {
        Arc::clone(&self.left)
    }

    /// Make it as loud as `volume`, 0 to 10.
    pub fn set(&self, volume: u8) {
        self.wanted.store(volume, Ordering::Relaxed);
        let pcm = self.pcm().clone();
        self.apply(pcm.as_deref());
    }

    /// From now on the loudspeaker is the PCM called `name`.
    pub(super) fn opened(&self, name: &str) {
        *self.pcm() = Some(name.to_owned());
        self.apply(Some(name));
    }

    fn pcm(&self) -> MutexGuard<'_, Option<String>> {
        self.pcm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, pcm: Option<&str>) {
        let volume = self.wanted.load(Ordering::Relaxed);
        let left = match pcm.and_then(AlsaMixer::open).map(|mixer| mixer.set_volume(volume)) {
            None => volume,
            Some(Ok(())) => LOUDEST,
            Some(Err(error)) => {
                tracing::warn!("{error}");
                volume
            }
        };
        self.left.store(left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_without_a_knob_leaves_the_volume_to_arithmetic() {
        let loudness = Loudness::new(7);
        let left = loudness.left();
        loudness.opened("plughw:CARD=NoSuchCard,DEV=0");
        assert_eq!(left.load(Ordering::Relaxed), 7);
        loudness.set(3);
        assert_eq!(left.load(Ordering::Relaxed), 3);
    }
}
