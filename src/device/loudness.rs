//! How loud the loudspeaker is to be, whichever card that is at the moment.
//!
//! A card's own knob is turned where it has one; what is left is for our arithmetic. A card that
//! was pulled out comes back at its own idea of loudness, so it is set again whenever one is opened.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::alsa_mixer::{AlsaMixer, LOUDEST};

/// A volume, 0 to 10, and who does it.
#[derive(Debug)]
pub struct Loudness {
    left: Arc<AtomicU8>,
    /// Locked until what was wanted is done, or an older volume could be the last one.
    wanted: Mutex<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    volume: u8,
    pcm: Option<String>,
}

impl Loudness {
    /// `volume` is 0 to 10; until a card is opened all of it is left to arithmetic.
    pub fn new(volume: u8) -> Arc<Self> {
        Arc::new(Self {
            left: Arc::new(AtomicU8::new(volume)),
            wanted: Mutex::new(Wanted { volume, pcm: None }),
        })
    }

    /// The volume that arithmetic has to make, 0 to 10; it changes with the card.
    pub fn left(&self) -> Arc<AtomicU8> {
        Arc::clone(&self.left)
    }

    /// Make it as loud as `volume`, 0 to 10.
    pub fn set(&self, volume: u8) {
        self.change(|wanted| wanted.volume = volume, turn_knob);
    }

    /// From now on the loudspeaker is the PCM called `name`.
    pub(super) fn opened(&self, name: &str) {
        self.change(|wanted| wanted.pcm = Some(name.to_owned()), turn_knob);
    }

    /// Note what is wanted and do it: `turn` sets a PCM's own knob and says what is left to do.
    fn change(&self, note: impl FnOnce(&mut Wanted), turn: impl FnOnce(&str, u8) -> u8) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut wanted);
        let volume = wanted.volume;
        let left = wanted.pcm.as_deref().map_or(volume, |pcm| turn(pcm, volume));
        self.left.store(left, Ordering::Relaxed);
    }
}

fn turn_knob(pcm: &str, volume: u8) -> u8 {
    match AlsaMixer::open(pcm).map(|mixer| mixer.set_volume(volume)) {
        None => volume,
        Some(Ok(())) => LOUDEST,
        Some(Err(error)) => {
            tracing::warn!("{error}");
            volume
        }
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
    #[test]
    fn a_volume_set_while_a_card_is_opened_is_the_one_that_stays() {
        let loudness = Loudness::new(7);
        let knob = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let (begun, begins) = std::sync::mpsc::channel();
            let (ours, knob) = (&loudness, &knob);
            let note = |volume| {
                knob.lock().unwrap().push(volume);
                volume
            };
            let opened = |wanted: &mut Wanted| wanted.pcm = Some("card".to_owned());
            ours.change(opened, |_, volume| {
                let later = std::thread::Builder::new();
                let set = move || {
                    begun.send(()).unwrap();
                    ours.change(|wanted| wanted.volume = 3, |_, volume| note(volume));
                };
                later.spawn_scoped(scope, set).unwrap();
                begins.recv().unwrap();
                // As long as a slow card takes; the other one waits for it.
                std::thread::sleep(std::time::Duration::from_millis(50));
                note(volume)
            });
        });
        assert_eq!(*knob.lock().unwrap(), [7, 3]);
        assert_eq!(loudness.left().load(Ordering::Relaxed), 3);
    }
}
