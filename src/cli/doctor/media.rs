//! Camera, microphone and loudspeaker: what the configuration asks for, among what is plugged in.
//!
//! ```text
//!  no kiosk, or one at rest ─> opened once
//!  a call ───────────────────> the words of its workers: what a call holds can't be had twice
//!  a kiosk not to be asked ──> not tried: it might be in a call
//! ```

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::check::{Check, Verdict};
use super::kiosk::Kiosk;
use crate::config::Config;
use crate::device::DeviceError;
use crate::device::open::{self, CameraFound};
use crate::device::sound;
use crate::device::sound_cards::{self, SoundCard};
use crate::device::sound_server;

const CAMERA: &str = "camera";

/// The rows `camera`, `microphone` and `speaker`.
pub(super) fn check(config: &Config, kiosk: &Kiosk) -> [Check; 3] {
    let cards = sound_cards::list();
    let choice = sound_cards::best(&cards);
    let served = sound_server::runs();
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
    let source = config.camera.source.to_string();
    let camera = camera(&source, &open::cameras());
    [
        in_use(camera, &source, Trial::of_others(kiosk, "camera")),
        microphone.check(&cards, |pcm| {
            Trial::of_others(kiosk, "talk")
                .unwrap_or_else(|| sound::open_source(pcm).map(drop).into())
        }),
        speaker.check(&cards, |pcm| {
            Trial::of_others(kiosk, "listen")
                .unwrap_or_else(|| sound::open_sink(pcm, sound::DESKTOP_BUFFER).map(drop).into())
        }),
    ]
}

/// What came of using a device, or why nobody tried.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trial {
    Works,
    Broken(String),
    Not(&'static str),
}

impl Trial {
    /// By the kiosk's words on its worker; none: the device is free to be tried.
    fn of_others(kiosk: &Kiosk, worker: &str) -> Option<Self> {
        if let Some(why) = kiosk.closed() {
            return Some(Self::Not(why));
        }
        let mut workers = kiosk.call()?.as_array().into_iter().flatten();
        let Some(found) = workers.find(|found| found["name"] == worker) else {
            return Some(Self::Not("there is a call"));
        };
        Some(match found["trouble"].as_str() {
            Some(trouble) => Self::Broken(trouble.trim_end_matches('.').to_owned()),
            None => Self::Works,
        })
    }
}

impl From<Result<(), DeviceError>> for Trial {
    fn from(opened: Result<(), DeviceError>) -> Self {
        opened.map_or_else(|error| Self::Broken(error.to_string()), |()| Self::Works)
    }
}

/// The camera's row, `seen` from outside, with what its call says of it.
fn in_use(seen: Check, source: &str, trial: Option<Trial>) -> Check {
    let details = seen.details.clone();
    let check = match (trial, source) {
        (Some(Trial::Broken(why)), "auto") => {
            Check::warn(CAMERA, format!("Nobody sees you: {why}."))
        }
        (Some(Trial::Broken(why)), _) => Check::fail(CAMERA, format!("Nobody sees you: {why}.")),
        // Whatever it is: pictures come.
        (Some(Trial::Works), _) if seen.result == Verdict::Fail => {
            Check::ok(CAMERA, format!("{source}: it works in this call."))
        }
        (Some(Trial::Works | Trial::Not(_)) | None, _) => return seen,
    };
    check.with(details)
}

/// Whether both names lead to the same file: links in /dev/v4l have names that stay.
fn is_same(a: &str, b: &str) -> bool {
    let place = |name: &str| fs::canonicalize(Path::new(name)).ok();
    a == b || place(a).is_some_and(|found| place(b) == Some(found))
}

/// `source` is what the configuration says.
fn camera(source: &str, found: &[CameraFound]) -> Check {
    let named = |camera: &CameraFound| match camera.card.as_str() {
        "" => camera.name.clone(),
        card => format!("{card} ({})", camera.name),
    };
    let usable = found.iter().find(|camera| camera.usable);
    let check = match (source, usable) {
        ("auto", Some(camera)) => Check::ok(CAMERA, format!("{}.", named(camera))),
        ("auto", None) => {
            let why = found.first().map(|camera| format!(" {}", camera.sentence));
            let sentence = "There is no camera, so nobody will see you: plug one in.";
            Check::warn(CAMERA, format!("{sentence}{}", why.unwrap_or_default()))
        }
        _ => match found.iter().find(|camera| is_same(&camera.name, source)) {
            Some(camera) if camera.usable => Check::ok(CAMERA, format!("{}.", named(camera))),
            Some(camera) => Check::fail(CAMERA, format!("{source}: {}", camera.sentence)),
            None if source.starts_with("pattern") => {
                Check::warn("camera", "camera.source is a test picture: nobody will see you.")
            }
            None if Path::new(source).exists() => Check::warn(
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
    fn check(&self, cards: &[SoundCard], open: impl Fn(&str) -> Trial) -> Check {
        let Ear { name, wanted, served, best, missing } = *self;
        let used = match (wanted, best) {
            ("auto", Some(best)) if !served => best,
            (wanted, _) => wanted,
        };
        let check = if is_pretence(wanted) {
            Check::warn(name, format!("{name}.device is \"{wanted}\", which is no sound card."))
        } else {
            let trial = match open(wanted) {
                Trial::Not(_) if used == "auto" && !served => {
                    Trial::Broken("there is none".to_owned())
                }
                trial => trial,
            };
            match trial {
                Trial::Works => Check::ok(name, format!("{}.", in_words(used, cards))),
                Trial::Not(why) => {
                    Check::ok(name, format!("{}; not tried, since {why}.", in_words(used, cards)))
                }
                Trial::Broken(why) => Check::fail(
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

    #[test]
    fn a_link_to_a_camera_is_that_camera() {
        let folder = tempfile::tempdir().unwrap();
        let (node, link) = (folder.path().join("video0"), folder.path().join("usb-C270"));
        fs::write(&node, "").unwrap();
        std::os::unix::fs::symlink("video0", &link).unwrap();
        let (node, link) = (node.to_str().unwrap(), link.to_str().unwrap());
        let check = camera(link, &[found("/dev/video9", true), found(node, true)]);
        assert_eq!((check.result, check.sentence), (Good, format!("C270 ({node}).")));
        assert_eq!(camera(link, &[found(node, false)]).result, Fail);
        assert!(!is_same("/nowhere/a", "/nowhere/b"), "what is nowhere is not the same");
    }

    fn in_call(workers: Value) -> Kiosk {
        Kiosk::Told(json!({"call": {"state": "established"}, "workers": workers}))
    }

    #[test]
    fn in_a_call_its_workers_are_asked_and_nothing_is_opened() {
        let workers = json!([
            {"name": "talk", "trouble": "open microphone auto: there is none"},
            {"name": "listen", "trouble": null},
        ]);
        let kiosk = in_call(workers);
        let broken = Trial::Broken("open microphone auto: there is none".to_owned());
        assert_eq!(Trial::of_others(&kiosk, "talk"), Some(broken));
        assert_eq!(Trial::of_others(&kiosk, "listen"), Some(Trial::Works));
        let hidden = Trial::of_others(&kiosk, "camera");
        assert_eq!(hidden, Some(Trial::Not("there is a call")));
        let rest = Kiosk::Told(json!({"call": {"state": "idle"}, "workers": []}));
        assert_eq!(Trial::of_others(&rest, "talk"), None);
        assert_eq!(Trial::of_others(&Kiosk::None, "talk"), None);
        let silent = Kiosk::Silent("it took too long".to_owned());
        assert!(matches!(Trial::of_others(&silent, "talk"), Some(Trial::Not(_))));
    }

    #[test]
    fn a_camera_that_fails_in_the_call_is_not_fine_for_being_plugged_in() {
        let seen = || camera("auto", &[found("/dev/video0", true)]);
        let broken = Some(Trial::Broken("read /dev/video0: it is gone".to_owned()));
        let check = in_use(seen(), "auto", broken.clone());
        assert_eq!((check.result, &check.details), (Warn, &seen().details));
        assert_eq!(check.sentence, "Nobody sees you: read /dev/video0: it is gone.");
        assert_eq!(in_use(seen(), "/dev/video0", broken).result, Fail);
        assert_eq!(in_use(seen(), "auto", Some(Trial::Works)), seen());
        assert_eq!(in_use(seen(), "auto", None), seen());
    }

    #[test]
    fn sound_that_is_not_tried_is_named_or_missed() {
        let best = "plughw:CARD=P710,DEV=0".to_owned();
        let busy = |_: &str| Trial::Not("there is a call");
        let check = ear("auto", Some(&best)).check(&[], busy);
        assert_eq!(check.result, Good);
        assert!(check.sentence.ends_with("; not tried, since there is a call."), "{check:?}");
        assert_eq!(ear("auto", None).check(&[], busy).result, Fail);
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
        let good = ear("auto", Some(&best)).check(&cards, |_| Trial::Works);
        assert_eq!(good.sentence, "Speakerphone (plughw:CARD=P710,DEV=0).");
        let bad =
            ear("hw:CARD=X", Some(&best)).check(&cards, |pcm| Trial::Broken(format!("open {pcm}")));
        assert_eq!(bad.result, Fail);
        assert_eq!(
            bad.sentence,
            "Nobody will hear you: open hw:CARD=X. Here is Speakerphone (plughw:CARD=P710,DEV=0)."
        );
        let served =
            Ear { served: true, ..ear("auto", Some(&best)) }.check(&cards, |_| Trial::Works);
        assert_eq!(served.sentence, "The sound system's own choice (auto).");
        let none = ear("auto", None).check(&[], |_| Trial::Broken("no such device".to_owned()));
        assert!(none.sentence.ends_with("plug a speakerphone or a headset in."), "{none:?}");
        for pretence in ["tone", "null", "a.wav"] {
            let check = ear(pretence, None).check(&[], |_| panic!("nothing to open"));
            assert_eq!(check.result, Warn);
        }
    }
}
