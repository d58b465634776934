//! The screen and the fingers on it: as the running kiosk has them, else as it would find them.

use serde_json::{Value, json};

use super::Patient;
use super::check::{Check, Verdict};
use crate::cli::has_display;
use crate::config::{Config, ScreenKind};
use crate::device::touch_devices::{self, TouchFound};

const SCREEN: &str = "screen";
const TOUCH: &str = "touch";

/// The rows `screen` and `touch`.
pub(super) fn check(patient: &Patient) -> [Check; 2] {
    let found = touch_devices::list();
    if let Some(status) = patient.kiosk.status() {
        let screen = &status["screen"];
        return [shown(screen), touch_of_kiosk(screen, &found)];
    }
    // The unit brings its own wish along: an appliance has a panel or nothing.
    let wanted = match patient.config.kiosk.screen {
        ScreenKind::Auto if patient.unit.enabled => ScreenKind::Kms,
        ScreenKind::Auto if has_display() => ScreenKind::Window,
        kind => kind,
    };
    if let Some(why) = patient.kiosk.closed() {
        let sentence = format!("Not looked at, since {why}: see the line `service`.");
        let touch = match wanted {
            ScreenKind::Kms => touch_on_panel(&found),
            ScreenKind::Window | ScreenKind::Headless | ScreenKind::Auto => {
                touch_on_desktop(&found)
            }
        };
        return [Check::warn(SCREEN, sentence), touch];
    }
    match wanted {
        ScreenKind::Window if has_display() => [
            Check::ok(SCREEN, "A window on this desktop.").with(json!({"kind": "window"})),
            touch_on_desktop(&found),
        ],
        ScreenKind::Window => [
            Check::fail(SCREEN, "kiosk.screen is \"window\", but there is no desktop here."),
            touch_on_desktop(&found),
        ],
        ScreenKind::Headless => [
            Check::warn(SCREEN, "kiosk.screen is \"headless\": it is drawn for nobody to see.")
                .with(json!({"kind": "headless"})),
            touch_on_desktop(&found),
        ],
        ScreenKind::Kms | ScreenKind::Auto => match probe(&patient.config) {
            Ok(screen) => [shown(&screen), touch_on_panel(&found)],
            Err(why) if wanted == ScreenKind::Kms => {
                [without_panel(&why, wanted), touch_on_panel(&found)]
            }
            Err(why) => [without_panel(&why, wanted), touch_on_desktop(&found)],
        },
    }
}

fn without_panel(why: &str, wanted: ScreenKind) -> Check {
    let what = "check the panel's cable and the boot settings, then the groups video and render";
    if wanted == ScreenKind::Kms {
        Check::fail(SCREEN, format!("There is nothing to show the kiosk on ({why}): {what}."))
    } else {
        let sentence = format!("No desktop and no panel ({why}): it would be drawn for nobody.");
        Check::warn(SCREEN, sentence).with(json!({"kind": "headless"}))
    }
}

/// What would be used, as the running kiosk would say it.
#[cfg(feature = "kms")]
fn probe(config: &Config) -> Result<Value, String> {
    let found = crate::ui::kms::probe(&config.display, config.kiosk.size.0);
    let found = found.map_err(|error| crate::supervisor::in_full(&error))?;
    Ok(serde_json::to_value(found).expect("a status is plain data"))
}

#[cfg(not(feature = "kms"))]
fn probe(_config: &Config) -> Result<Value, String> {
    Err("this twocan was built without `kms`".to_owned())
}

/// What the kiosk's own words on its screen come to.
fn shown(screen: &Value) -> Check {
    let text = |key: &str| screen[key].as_str().filter(|text| !text.is_empty());
    let details = json!({
        "kind": screen["kind"], "card": screen["card"], "driver": screen["driver"],
        "connector": screen["connector"], "mode": screen["mode"], "rotate": screen["rotate"],
        "video_path": screen["video_path"], "reason": screen["reason"], "light": screen["light"],
        "light_trouble": screen["light_trouble"],
    });
    let check = match (text("trouble"), text("kind")) {
        (Some(trouble), _) => {
            Check::fail(SCREEN, format!("The screen does not work: {}.", bare(trouble)))
        }
        (None, Some("window")) => Check::ok(SCREEN, "A window on this desktop."),
        (None, Some("none")) => Check::warn(SCREEN, "This kiosk runs without a screen."),
        (None, Some("kms")) => {
            let name = |key| text(key).unwrap_or("?");
            let mut sentence = format!(
                "{} on {} ({}, {}); pictures by {}",
                name("mode"),
                name("connector"),
                name("driver"),
                name("card"),
                name("video_path")
            );
            if let Some(reason) = text("reason") {
                sentence += &format!(": {}", bare(reason));
            }
            Check::ok(SCREEN, sentence + ".")
        }
        (None, _) => Check::warn(SCREEN, "The screen is drawn for nobody to see (headless)."),
    };
    let check = match text("light_trouble") {
        Some(trouble) if check.result != Verdict::Fail => {
            let sentence = format!("{} Its light can't be set: {}.", check.sentence, bare(trouble));
            Check::warn(SCREEN, sentence)
        }
        _ => check,
    };
    check.with(details)
}

/// Without the full stop that we put ourselves.
fn bare(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

fn touch_of_kiosk(screen: &Value, found: &[TouchFound]) -> Check {
    let names: Vec<&str> =
        screen["touch"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match (screen["kind"].as_str(), names.is_empty()) {
        (Some("kms"), false) => {
            Check::ok(TOUCH, format!("{}.", names.join(", "))).with(json!({"devices": names}))
        }
        (Some("kms"), true) => touch_that_is_missed(found),
        _ => touch_on_desktop(found),
    }
}

/// The kiosk has none, which is what counts; the kernel's list says why at most.
fn touch_that_is_missed(found: &[TouchFound]) -> Check {
    let check = match found.iter().find(|device| device.readable) {
        None => return touch_on_panel(found),
        Some(device) => Check::fail(
            TOUCH,
            format!(
                "The kiosk has not got it: {} is here, and this user may open it, so look whether the                  kiosk's user is in the group input, and into its log (journalctl -u twocan-kiosk).",
                device.name
            ),
        ),
    };
    check.with(json!({"devices": names(found)}))
}

fn touch_on_desktop(found: &[TouchFound]) -> Check {
    let names = names(found);
    let sentence = match names.as_slice() {
        [] => "None; a pointer does it, where there is a desktop.".to_owned(),
        names => format!("{}, where there is a desktop by way of it.", names.join(", ")),
    };
    Check::ok(TOUCH, sentence).with(json!({"devices": names}))
}

fn touch_on_panel(found: &[TouchFound]) -> Check {
    let check = match (found, found.iter().find(|device| device.readable)) {
        ([], _) => Check::fail(
            TOUCH,
            "There is no touch device, so nobody can answer: check the panel's cable.",
        ),
        (_, None) => Check::fail(
            TOUCH,
            format!(
                "{} may not be opened: run this as the kiosk's user (sudo -u twocan twocan doctor) \
                 or put the user into the group input.",
                names(found).join(", ")
            ),
        ),
        (_, Some(device)) => Check::ok(TOUCH, format!("{}.", device.name)),
    };
    check.with(json!({"devices": names(found)}))
}

fn names(found: &[TouchFound]) -> Vec<&str> {
    found.iter().map(|device| device.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kms(trouble: Value) -> Value {
        json!({
            "kind": "kms", "card": "/dev/dri/card1", "driver": "vc4", "connector": "DSI-1",
            "mode": "800x480@60", "rotate": 0, "video_path": "plane", "trouble": trouble,
            "reason": "the hardware mixes and scales.", "touch": ["Goodix"], "light": 100,
        })
    }

    fn touch(readable: bool) -> TouchFound {
        TouchFound { name: "Goodix".to_owned(), node: "event0".into(), readable }
    }

    #[test]
    fn a_panel_is_named_with_the_way_that_pictures_take_and_why() {
        let check = shown(&kms(Value::Null));
        assert_eq!(
            check.sentence,
            "800x480@60 on DSI-1 (vc4, /dev/dri/card1); pictures by plane: the hardware mixes and \
             scales."
        );
        assert_eq!((check.result, &check.details["video_path"]), (Verdict::Ok, &json!("plane")));
    }

    #[test]
    fn a_panel_in_trouble_says_which() {
        let check = shown(&kms(json!("the panel is gone")));
        assert_eq!(check.result, Verdict::Fail);
        assert_eq!(check.sentence, "The screen does not work: the panel is gone.");
    }

    #[test]
    fn a_panel_whose_light_cannot_be_set_still_shows_calls() {
        let mut screen = kms(Value::Null);
        screen["light_trouble"] = json!("write brightness: Permission denied");
        let check = shown(&screen);
        assert_eq!(check.result, Verdict::Warn);
        assert!(check.sentence.starts_with("800x480@60 on DSI-1"), "{check:?}");
        assert!(
            check
                .sentence
                .ends_with("scales. Its light can't be set: write brightness: Permission denied."),
            "{check:?}"
        );
        screen["trouble"] = json!("the panel is gone");
        assert_eq!(shown(&screen).result, Verdict::Fail);
    }

    #[test]
    fn an_appliance_without_touch_can_answer_nobody_and_a_desktop_has_its_pointer() {
        assert_eq!(touch_of_kiosk(&kms(Value::Null), &[]).result, Verdict::Ok);
        let deaf = json!({"kind": "kms", "touch": []});
        let missed = touch_of_kiosk(&deaf, &[touch(true)]);
        assert_eq!(missed.result, Verdict::Fail);
        assert!(missed.sentence.starts_with("The kiosk has not got it: Goodix is"), "{missed:?}");
        assert_eq!(touch_of_kiosk(&deaf, &[touch(false)]).result, Verdict::Fail);
        assert_eq!(touch_of_kiosk(&deaf, &[]).result, Verdict::Fail);
        assert_eq!(touch_on_panel(&[]).result, Verdict::Fail);
        assert_eq!(touch_on_panel(&[touch(false)]).result, Verdict::Fail);
        assert_eq!(touch_on_panel(&[touch(true)]).result, Verdict::Ok);
        assert_eq!(touch_on_desktop(&[]).result, Verdict::Ok);
    }

    #[test]
    fn no_panel_is_a_failure_only_where_one_was_asked_for() {
        assert_eq!(without_panel("none", ScreenKind::Kms).result, Verdict::Fail);
        assert_eq!(without_panel("none", ScreenKind::Auto).result, Verdict::Warn);
    }
}
