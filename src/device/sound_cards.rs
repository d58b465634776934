//! The sound cards that are plugged in, and which of them a call should use.
//!
//! ```text
//! ALSA's control interface ──list()──> [SoundCard] ──best()──> PCM names, the best first
//! ```
//! A card is addressed by its id (`plughw:CARD=Jabra,DEV=0`), never by its number, which depends on
//! the order of plugging. First comes a USB card that hears and speaks (a speakerphone, a headset),
//! then two USB cards that do one of it each, then a built-in card with both, then the single ones:
//! USB, built-in, HDMI. Microphone and loudspeaker of one card go first because they share a clock,
//! which echo cancelling needs. Software cards (`snd-aloop`, `snd-dummy`) are taken when there is
//! nothing else.

use alsa::ctl::{Ctl, DeviceIter};
use alsa::{Direction, Output};

/// One card, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoundCard {
    /// What names it in `hw:CARD=…`, such as `Headphones`.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// The same and where it is plugged in.
    pub long_name: String,
    /// The kernel driver, such as `USB-Audio`.
    pub driver: String,
    /// It hangs on USB.
    pub usb: bool,
    /// It plays on a screen, and nowhere else.
    pub hdmi: bool,
    /// The numbers of its devices that capture.
    pub capture: Vec<u32>,
    /// The numbers of its devices that play.
    pub playback: Vec<u32>,
}

/// PCM names in the order in which they are to be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// For the microphone, the best first.
    pub microphones: Vec<String>,
    /// For the loudspeaker, the best first.
    pub speakers: Vec<String>,
}

/// The cards that are plugged in, in the kernel's order. A card that goes while it is asked is
/// left out.
pub fn list() -> Vec<SoundCard> {
    // What ALSA would print about a card that just went is no news.
    let _printed = Output::local_error_handler();
    alsa::card::Iter::new().flatten().filter_map(|card| ask(&card).ok()).collect()
}

fn ask(card: &alsa::Card) -> alsa::Result<SoundCard> {
    let control = Ctl::from_card(card, true)?;
    let info = control.card_info()?;
    let driver = info.get_driver()?.to_owned();
    let long_name = info.get_longname()?.to_owned();
    let (mut capture, mut playback, mut screens) = (Vec::new(), Vec::new(), 0);
    for device in DeviceIter::new(&control).filter_map(|number| u32::try_from(number).ok()) {
        if control.pcm_info(device, 0, Direction::Capture).is_ok() {
            capture.push(device);
        }
        if let Ok(pcm) = control.pcm_info(device, 0, Direction::Playback) {
            playback.push(device);
            screens += usize::from(pcm.get_name()?.contains("HDMI"));
        }
    }
    let hdmi = driver == VC4_HDMI || (screens > 0 && screens == playback.len());
    Ok(SoundCard {
        id: info.get_id()?.to_owned(),
        name: info.get_name()?.to_owned(),
        usb: driver == "USB-Audio" || long_name.contains(" at usb-"),
        hdmi,
        long_name,
        driver,
        capture,
        playback,
    })
}

/// The Pi's HDMI. It takes IEC 958 subframes, which ALSA makes in `sysdefault` and not in `plughw`.
const VC4_HDMI: &str = "vc4-hdmi";
/// Cards that no ear is at.
const SOFTWARE: [&str; 3] = ["Loopback", "Dummy", "VirMIDI"];

/// What a card is, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Usb,
    BuiltIn,
    Hdmi,
    Software,
}

impl SoundCard {
    fn kind(&self) -> Kind {
        if SOFTWARE.contains(&self.driver.as_str()) {
            Kind::Software
        } else if self.usb {
            Kind::Usb
        } else if self.hdmi {
            Kind::Hdmi
        } else {
            Kind::BuiltIn
        }
    }

    fn has_both(&self) -> bool {
        !self.capture.is_empty() && !self.playback.is_empty()
    }

    /// Its PCM names for these devices: of a card for screens all of them, since only those with a
    /// screen can be opened; else the first.
    fn pcms<'a>(&'a self, devices: &'a [u32]) -> impl Iterator<Item = String> + 'a {
        let wanted = if self.hdmi { devices.len() } else { 1 };
        devices.iter().take(wanted).map(|device| match self.driver.as_str() {
            VC4_HDMI => format!("sysdefault:CARD={}", self.id),
            _ => format!("plughw:CARD={},DEV={device}", self.id),
        })
    }
}

/// Rank `cards`. The same cards give the same order, whichever was plugged in first.
pub fn best(cards: &[SoundCard]) -> Choice {
    let pair = pair(cards).map(|card| card.id.as_str());
    let mut ranked: Vec<&SoundCard> = cards.iter().collect();
    ranked.sort_by_key(|card| {
        (Some(card.id.as_str()) != pair, card.kind(), !card.has_both(), &card.id)
    });
    Choice {
        microphones: ranked.iter().flat_map(|card| card.pcms(&card.capture)).collect(),
        speakers: ranked.iter().flat_map(|card| card.pcms(&card.playback)).collect(),
    }
}

/// The card that is to be microphone and loudspeaker at once.
fn pair(cards: &[SoundCard]) -> Option<&SoundCard> {
    let usb = |card: &&SoundCard| card.kind() == Kind::Usb;
    let both = |kind: Kind| {
        let fit = cards.iter().filter(move |card| card.kind() == kind && card.has_both());
        fit.min_by_key(|card| &card.id)
    };
    let usb_hears = cards.iter().filter(usb).any(|card| !card.capture.is_empty());
    let usb_speaks = cards.iter().filter(usb).any(|card| !card.playback.is_empty());
    both(Kind::Usb).or_else(|| both(Kind::BuiltIn).filter(|_| !(usb_hears && usb_speaks)))
}

/// Whether the PCM called `name` is on a card that hangs on USB.
pub fn is_usb(name: &str) -> bool {
    let control = super::alsa_mixer::control_name(name);
    let Some(wanted) = control.strip_prefix("hw:") else { return false };
    let _printed = Output::local_error_handler();
    match wanted.parse() {
        Ok(number) => ask(&alsa::Card::new(number)).is_ok_and(|card| card.usb),
        Err(_) => list().iter().any(|card| card.usb && card.id == wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `/proc/asound/cards` and the devices of a Pi 4 and of a desktop said it.
    fn card(id: &str, driver: &str, capture: &[u32], playback: &[u32]) -> SoundCard {
        SoundCard {
            id: id.to_owned(),
            name: id.to_owned(),
            long_name: format!("{id} as recorded"),
            driver: driver.to_owned(),
            usb: driver == "USB-Audio",
            hdmi: driver == VC4_HDMI || id.starts_with("HDMI"),
            capture: capture.to_vec(),
            playback: playback.to_vec(),
        }
    }

    fn pi_4() -> Vec<SoundCard> {
        vec![
            card("vc4hdmi0", "vc4-hdmi", &[], &[0]),
            card("vc4hdmi1", "vc4-hdmi", &[], &[0]),
            card("Headphones", "bcm2835_headpho", &[], &[0]),
        ]
    }

    fn first(cards: &[SoundCard]) -> (Option<String>, Option<String>) {
        let choice = best(cards);
        (choice.microphones.into_iter().next(), choice.speakers.into_iter().next())
    }

    fn pcm(id: &str) -> Option<String> {
        Some(format!("plughw:CARD={id},DEV=0"))
    }

    #[test]
    fn a_speakerphone_on_a_pi_is_both_microphone_and_loudspeaker() {
        let mut cards = pi_4();
        cards.push(card("P710", "USB-Audio", &[0], &[0]));
        let choice = best(&cards);
        assert_eq!(choice.microphones, ["plughw:CARD=P710,DEV=0"]);
        let speakers = [
            "plughw:CARD=P710,DEV=0",
            "plughw:CARD=Headphones,DEV=0",
            "sysdefault:CARD=vc4hdmi0",
            "sysdefault:CARD=vc4hdmi1",
        ];
        assert_eq!(choice.speakers, speakers);
    }

    #[test]
    fn a_bare_pi_speaks_from_its_socket_and_hears_nothing() {
        assert_eq!(first(&pi_4()), (None, pcm("Headphones")));
    }

    #[test]
    fn the_webcams_microphone_is_heard_when_there_is_no_other() {
        let mut cards = pi_4();
        cards.push(card("C270", "USB-Audio", &[0], &[]));
        assert_eq!(first(&cards), (pcm("C270"), pcm("Headphones")));
    }

    #[test]
    fn the_webcams_microphone_does_not_part_a_speakerphone() {
        let cards = [card("C270", "USB-Audio", &[0], &[]), card("Speak", "USB-Audio", &[0], &[0])];
        assert_eq!(first(&cards), (pcm("Speak"), pcm("Speak")));
    }

    #[test]
    fn a_desktop_without_a_headset_uses_its_built_in_card_for_both() {
        let cards = [
            card("HDMI", "HDA-Intel", &[], &[3, 7, 8]),
            card("PCH", "HDA-Intel", &[0, 2], &[0]),
            card("C270", "USB-Audio", &[0], &[]),
        ];
        assert_eq!(first(&cards), (pcm("PCH"), pcm("PCH")));
        let speakers = best(&cards).speakers;
        assert_eq!(speakers[1..], [3, 7, 8].map(|n| format!("plughw:CARD=HDMI,DEV={n}")));
    }

    #[test]
    fn a_usb_microphone_and_a_usb_loudspeaker_go_before_the_built_in_card() {
        let cards = [
            card("PCH", "HDA-Intel", &[0], &[0]),
            card("Yeti", "USB-Audio", &[0], &[]),
            card("Boom", "USB-Audio", &[], &[0]),
        ];
        assert_eq!(first(&cards), (pcm("Yeti"), pcm("Boom")));
    }

    #[test]
    fn of_two_that_are_alike_the_order_of_plugging_decides_nothing() {
        let mut cards = [card("B", "USB-Audio", &[0], &[0]), card("A", "USB-Audio", &[0], &[0])];
        let choice = best(&cards);
        cards.reverse();
        assert_eq!(best(&cards), choice);
        assert_eq!(choice.speakers[0], "plughw:CARD=A,DEV=0");
    }

    #[test]
    fn software_cards_come_after_everything() {
        let mut cards = pi_4();
        cards.insert(0, card("Loopback", "Loopback", &[0, 1], &[0, 1]));
        assert_eq!(first(&cards), (pcm("Loopback"), pcm("Headphones")));
        assert_eq!(best(&cards).speakers.last(), pcm("Loopback").as_ref());
    }

    #[test]
    fn no_cards_are_no_choice() {
        assert_eq!(best(&[]), Choice::default());
        assert!(!is_usb("default"));
        assert!(!is_usb("plughw:CARD=NoSuchCard,DEV=0"));
    }
}
