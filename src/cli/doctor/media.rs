//! Camera, microphone and loudspeaker: what the configuration asks for, among what is plugged in.

use serde_json::{Value, json};

use super::check::Check;
use crate::config::Config;
use crate::device::open::{self, CameraFound};
use crate::device::sound;
use crate::device::sound_cards::{self, SoundCard};
use crate::device::sound_server;

/// The rows `camera`, `microphone` and `speaker`.
pub(super) fn check(config: &Config, in_call: bool) -> [Check; 3] {
    let cards = sound_cards::list();
    let choice = sound_cards::best(&cards);
    let served = sound_server::runs();
    let opens = |opened: Result<(), crate::device::DeviceError>| match opened {
        // What the call holds can't be had twice.
        Err(_) if in_call => Ok(()),
        opened => opened.map_err(|error| error.to_string()),
    };
    let microphone = Ear {
        name: "microphone",
        wanted: config.microphone.device.as_str(),
        served,
        best: choice.microphones.first(),
        missing: "Nobody will hear you",
    };
    let speaker = Ear {
        name: "speaker",
        wanted: config.speaker.device.as_str(),
        served,
        best: choice.speakers.first(),
        missing: "You will hear nobody, and no ring",
    };
    [
        camera(&config.camera.source.to_string(), &open::cameras()),
        microphone.check(&cards, |pcm| opens(sound::open_source(pcm).map(drop))),
        speaker.check(&cards, |pcm| opens(sound::open_sink(pcm, sound::DESKTOP_BUFFER).map(drop))),
    ]
}

/// `source` is what the configuration says.
fn camera(source: &str, found: &[CameraFound]) -> Check {
    let named = |camera: &CameraFound| match camera.card.as_str() {
        "" => camera.name.clone(),
        card => format!("{card} ({})", camera.name),
    };
    let usable = found.iter().find(|camera| camera.usable);
    let check = match (source, usable) {
        ("auto", Some(camera)) => Check::ok("camera", format!("{}.", named(camera))),
        ("auto", None) => {
            let why = found.first().map(|camera| format!(" {}", camera.sentence));
            let sentence = "There is no camera, so nobody will see you: plug one in.";
            Check::warn("camera", format!("{sentence}{}", why.unwrap_or_default()))
        }
        _ => match found.iter().find(|camera| camera.name == source) {
            Some(camera) if camera.usable => Check::ok("camera", format!("{}.", named(camera))),
            Some(camera) => Check::fail("camera", format!("{source}: {}", camera.sentence)),
            None if source.starts_with("pattern") => {
                Check::warn("camera", "camera.source is a test picture: nobody will see you.")
            }
            None if std::path::Path::new(source).exists() => Check::warn(
                "camera",
                format!("camera.source is {source} and no camera found here."),
            ),
            None => Check::fail(
                "camera",
                format!(
                    "camera.source is {source}, which is not here: plug it in, or use \"auto\"."
                ),
            ),
        },
    };
    check.with(
        json!({"source": source, "found": found.iter().map(camera_details).collect::<Vec<_>>()}),
    )
}

fn camera_details(camera: &CameraFound) -> Value {
    json!({
        "name": camera.name, "card": camera.card, "driver": camera.driver,
        "formats": camera.formats, "usable": camera.usable, "sentence": camera.sentence,
    })
}

/// One end of the sound.
struct Ear<'a> {
    name: &'static str,
    /// What the configuration says.
    wanted: &'a str,
    /// A sound server runs, whose choice `auto` follows.
    served: bool,
    /// The card that `auto` takes where none does.
    best: Option<&'a String>,
    /// What it means when there is none.
    missing: &'static str,
}

impl Ear<'_> {
    fn check(&self, cards: &[SoundCard], open: impl Fn(&str) -> Result<(), String>) -> Check {
        let Ear { name, wanted, served, best, missing } = *self;
        let used = match (wanted, best) {
            ("auto", Some(best)) if !served => best,
            (wanted, _) => wanted,
        };
        let check = if is_pretence(wanted) {
            Check::warn(name, format!("{name}.device is \"{wanted}\", which is no sound card."))
        } else {
            match open(wanted) {
                Ok(()) => Check::ok(name, format!("{}.", in_words(used, cards))),
                Err(why) => Check::fail(
                    name,
                    format!("{missing}: {why}. {}", advice(cards, best.map(String::as_str))),
                ),
            }
        };
        let cards: Vec<Value> = cards.iter().map(card_details).collect();
        check.with(json!({"device": wanted, "used": used, "cards": cards}))
    }
}

fn is_pretence(device: &str) -> bool {
    matches!(device, "tone" | "bursts" | "silence" | "null") || sound::is_wav(device)
}

/// `plughw:CARD=Jabra,DEV=0` → `Jabra SPEAK 510 (plughw:CARD=Jabra,DEV=0)`.
fn in_words(pcm: &str, cards: &[SoundCard]) -> String {
    let id = pcm.split_once("CARD=").map(|(_, rest)| rest.split(',').next().unwrap_or(rest));
    match cards.iter().find(|card| Some(card.id.as_str()) == id) {
        Some(card) => format!("{} ({pcm})", card.name),
        None => format!("The sound system's own choice ({pcm})"),
    }
}

fn advice(cards: &[SoundCard], best: Option<&str>) -> String {
    match (best, cards) {
        (Some(best), _) => format!("Here is {}.", in_words(best, cards)),
        (None, []) => "There is no sound card: plug a speakerphone or a headset in.".to_owned(),
        (None, _) => "The sound cards here can't do it: plug another one in.".to_owned(),
    }
}

fn card_details(card: &SoundCard) -> Value {
    json!({
        "id": card.id, "name": card.name, "driver": card.driver, "usb": card.usb, "hdmi": card.hdmi,
        "capture": card.capture, "playback": card.playback,
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict::{Fail, Ok as Good, Warn};
    use super::*;

    fn found(name: &str, usable: bool) -> CameraFound {
        CameraFound {
            name: name.to_owned(),
            card: "C270".to_owned(),
            driver: "uvcvideo".to_owned(),
            formats: vec!["MJPG".to_owned()],
            usable,
            sentence: "It sends raw sensor data.".to_owned(),
        }
    }

    #[test]
    fn a_camera_is_found_is_missed_or_is_not_the_one_that_was_named() {
        let seen = [found("/dev/video0", false), found("/dev/video1", true)];
        let auto = camera("auto", &seen);
        assert_eq!((auto.result, &*auto.sentence), (Good, "C270 (/dev/video1)."));
        assert_eq!(auto.details["found"][0]["usable"], false);
        assert_eq!(camera("/dev/video1", &seen).result, Good);
        assert_eq!(camera("/dev/video0", &seen).result, Fail);
        assert_eq!(camera("/dev/video7", &seen).result, Fail);
        assert_eq!(camera("pattern", &seen).result, Warn);
        let none = camera("auto", &seen[..1]);
        assert_eq!(none.result, Warn);
        assert!(none.sentence.ends_with("plug one in. It sends raw sensor data."), "{none:?}");
    }

    fn ear<'a>(wanted: &'a str, best: Option<&'a String>) -> Ear<'a> {
        Ear { name: "microphone", wanted, served: false, best, missing: "Nobody will hear you" }
    }

    #[test]
    fn a_sound_card_is_named_as_its_maker_does_and_advice_names_what_is_there() {
        let cards = [SoundCard {
            id: "P710".to_owned(),
            name: "Speakerphone".to_owned(),
            ..SoundCard::default()
        }];
        let best = "plughw:CARD=P710,DEV=0".to_owned();
        let good = ear("auto", Some(&best)).check(&cards, |_| Ok(()));
        assert_eq!(good.sentence, "Speakerphone (plughw:CARD=P710,DEV=0).");
        let bad = ear("hw:CARD=X", Some(&best)).check(&cards, |pcm| Err(format!("open {pcm}")));
        assert_eq!(bad.result, Fail);
        assert_eq!(
            bad.sentence,
            "Nobody will hear you: open hw:CARD=X. Here is Speakerphone (plughw:CARD=P710,DEV=0)."
        );
        let served = Ear { served: true, ..ear("auto", Some(&best)) }.check(&cards, |_| Ok(()));
        assert_eq!(served.sentence, "The sound system's own choice (auto).");
        let none = ear("auto", None).check(&[], |_| Err("no such device".to_owned()));
        assert!(none.sentence.ends_with("plug a speakerphone or a headset in."), "{none:?}");
        for pretence in ["tone", "null", "a.wav"] {
            let check = ear(pretence, None).check(&[], |_| panic!("nothing to open"));
            assert_eq!(check.result, Warn);
        }
    }
}
