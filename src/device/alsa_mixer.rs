//! The volume knob of a sound card, where it has one.
//!
//! Volume is 0 to 10. The first playback element with a volume among Master, PCM and Speaker is
//! moved along its raw range, which cards lay out to sound even. Many PCMs (PipeWire, null sinks,
//! some USB cards) have none; then [`AlsaMixer::open`] is `None` and media::gain does the work.

use alsa::mixer::{Mixer, Selem, SelemChannelId, SelemId};

use super::DeviceError;

/// The largest volume.
pub const LOUDEST: u8 = 10;
const ELEMENTS: [&str; 5] = ["Master", "PCM", "Speaker", "Headphone", "Headset"];

/// A card's playback volume.
pub struct AlsaMixer {
    mixer: Mixer,
    element: SelemId,
    card: String,
}

impl AlsaMixer {
    /// The volume of the card behind the PCM `pcm`, such as `default` or `hw:CARD=Headset`;
    /// `None` where there is no such knob.
    pub fn open(pcm: &str) -> Option<Self> {
        // What ALSA would print about a card without a mixer is no news.
        let _printed = alsa::Output::local_error_handler();
        let card = control_name(pcm);
        let mixer = Mixer::new(&card, true).ok()?;
        let element = ELEMENTS
            .iter()
            .map(|name| SelemId::new(name, 0))
            .find(|id| mixer.find_selem(id).is_some_and(|element| element.has_playback_volume()))?;
        Some(Self { mixer, element, card })
    }

    /// The volume now, 0 to 10.
    ///
    /// # Errors
    /// The card is gone.
    pub fn volume(&self) -> Result<u8, DeviceError> {
        // Somebody else may have moved it since.
        self.mixer.handle_events().map_err(|error| self.failed(&error))?;
        let element = self.element()?;
        let (low, high) = element.get_playback_volume_range();
        let raw = element
            .get_playback_volume(SelemChannelId::mono())
            .map_err(|error| self.failed(&error))?;
        Ok(to_steps(raw, low, high))
    }

    /// Set the volume, 0 (silent where the card can be muted) to 10.
    ///
    /// # Errors
    /// The card is gone.
    pub fn set_volume(&self, volume: u8) -> Result<(), DeviceError> {
        let element = self.element()?;
        let (low, high) = element.get_playback_volume_range();
        element
            .set_playback_volume_all(from_steps(volume, low, high))
            .map_err(|error| self.failed(&error))?;
        if element.has_playback_switch() {
            element
                .set_playback_switch_all(i32::from(volume > 0))
                .map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn element(&self) -> Result<Selem<'_>, DeviceError> {
        self.mixer.find_selem(&self.element).ok_or_else(|| DeviceError {
            deed: "find the volume of",
            device: self.card.clone(),
            cause: "the device is gone".to_owned(),
        })
    }

    fn failed(&self, error: &alsa::Error) -> DeviceError {
        let cause = nix::errno::Errno::from_raw(error.errno()).desc().to_owned();
        DeviceError { deed: "use the volume of", device: self.card.clone(), cause }
    }
}

/// The control device that belongs to a PCM: `hw:CARD` of `plughw:CARD=x,DEV=0`; else its name.
pub(super) fn control_name(pcm: &str) -> String {
    let pcm = pcm.strip_prefix("alsa:").unwrap_or(pcm);
    match pcm.split_once(':') {
        Some((_, place)) => {
            let card = place.split(',').next().unwrap_or(place);
            format!("hw:{}", card.strip_prefix("CARD=").unwrap_or(card))
        }
        None => pcm.to_owned(),
    }
}

fn to_steps(raw: i64, low: i64, high: i64) -> u8 {
    let span = (high - low).max(1);
    let steps = ((raw - low).clamp(0, span) * i64::from(LOUDEST) + span / 2) / span;
    u8::try_from(steps).unwrap_or(LOUDEST)
}

fn from_steps(volume: u8, low: i64, high: i64) -> i64 {
    low + (high - low) * i64::from(volume.min(LOUDEST)) / i64::from(LOUDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_survives_the_way_through_a_cards_range() {
        for (low, high) in [(0, 31), (0, 65_536), (-10_239, 400), (0, 10)] {
            for volume in 0..=LOUDEST {
                assert_eq!(to_steps(from_steps(volume, low, high), low, high), volume);
            }
        }
    }

    #[test]
    fn a_pcms_card_is_found_in_its_name() {
        assert_eq!(control_name("plughw:CARD=Headset,DEV=0"), "hw:Headset");
        assert_eq!(control_name("alsa:hw:1,0"), "hw:1");
        assert_eq!(control_name("default"), "default");
    }

    #[test]
    fn a_card_that_is_not_there_has_no_volume() {
        assert!(AlsaMixer::open("hw:CARD=NoSuchCard").is_none());
    }
}
