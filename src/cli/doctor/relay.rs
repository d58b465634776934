//! The relay: as the running kiosk knows it, and where none runs by logging in once as it would.
//!
//! A kiosk that runs has the twocan.toml of its start in its head: its words on the relay are worth
//! something only where that is still the relay of the file.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Patient;
use super::check::Check;
use super::kiosk::Kiosk;
use crate::app;
use crate::config::Relay;
use crate::identity::Identity;
use crate::tunnel::{Event, RelayStatus, Tunnel, TunnelConfig};

const RELAY: &str = "relay";
/// How long one login may take.
const PATIENCE: Duration = Duration::from_secs(20);
const GOODBYE: Duration = Duration::from_millis(500);

/// The row `relay`.
pub(super) fn check(patient: &Patient) -> Check {
    let relay = patient.config.relay.as_ref();
    let old = patient
        .kiosk
        .status()
        .and_then(|status| outdated(relay, &status["relay"], patient.unit.restart()));
    let check = old.unwrap_or_else(|| match (relay, &patient.kiosk) {
        (None, _) => without(patient.config.door.is_some()),
        (Some(relay), Kiosk::Told(status)) => judged(&place(relay), &told(&status["relay"])),
        (Some(_), Kiosk::Another | Kiosk::Silent(_)) => {
            let why = patient.kiosk.closed().unwrap_or_default();
            Check::warn(RELAY, format!("Not tried, since {why}: see the line `service`."))
        }
        (Some(relay), Kiosk::None) => match login(patient) {
            Ok(heard) => judged(&place(relay), &heard),
            Err(why) => Check::warn(RELAY, why),
        },
    });
    match relay {
        Some(relay) => check.with(json!({
            "host": relay.host.to_string(), "port": relay.port.get(), "user": relay.user.as_str(),
        })),
        None => check,
    }
}

fn place(relay: &Relay) -> String {
    format!("{}@{}:{}", relay.user.as_str(), relay.host, relay.port.get())
}

/// What is wrong where the kiosk runs with another relay (`theirs`, of its status) than the file's.
fn outdated(file: Option<&Relay>, theirs: &Value, restart: &str) -> Option<Check> {
    let text = |key: &str| theirs[key].as_str();
    let (used, same) = match (text("state"), file) {
        (Some("none"), None) => return None,
        (Some("none"), Some(_)) => ("without a relay".to_owned(), false),
        (_, file) => {
            let place = format!(
                "{}@{}:{}",
                text("user").unwrap_or("?"),
                text("host").unwrap_or("?"),
                theirs["port"]
            );
            let same = file.is_some_and(|file| {
                self::place(file) == place && text("host_key") == Some(&file.host_key.to_string())
            });
            (format!("with the relay {place}"), same)
        }
    };
    let sentence = format!("The kiosk runs with an older twocan.toml, {used}: {restart}.");
    (!same).then(|| match text("state") {
        // By the old one calls still work.
        Some("connected") => Check::warn(RELAY, sentence),
        _ => Check::fail(RELAY, sentence),
    })
}

fn without(door: bool) -> Check {
    if door {
        Check::ok(RELAY, "None is set up: contacts come to this kiosk's door.")
    } else {
        let sentence = "None is set up, so only contacts with a direct address can be called: see \
                        [relay] in twocan.toml.";
        Check::warn(RELAY, sentence)
    }
}

/// What was heard of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Connected,
    Trying(Option<String>),
    /// Only a person can mend it.
    Refused(String),
}

fn told(relay: &Value) -> Heard {
    let sentence = relay["sentence"].as_str().map(str::to_owned);
    match relay["state"].as_str() {
        Some("connected") => Heard::Connected,
        Some("refused" | "blocked") => Heard::Refused(sentence.unwrap_or_default()),
        _ => Heard::Trying(sentence),
    }
}

fn judged(place: &str, heard: &Heard) -> Check {
    match heard {
        Heard::Connected => {
            Check::ok(RELAY, format!("Logged in at {place}; its key is the right one."))
        }
        Heard::Trying(None) => Check::warn(RELAY, format!("Still connecting to {place}.")),
        Heard::Trying(Some(why)) => {
            Check::fail(RELAY, format!("{place} can't be reached: {why}. Is the network there?"))
        }
        Heard::Refused(why) => Check::fail(
            RELAY,
            format!(
                "{place}: {why}. Compare [relay] in twocan.toml, and `twocan identity` with the \
                     login's authorized_keys."
            ),
        ),
    }
}

/// Log in as the kiosk would, and leave.
fn login(patient: &Patient) -> Result<Heard, String> {
    let identity = match Identity::find(&patient.paths.state) {
        Ok(Some(identity)) => identity,
        Ok(None) => return Err("This kiosk has no key yet to log in with.".to_owned()),
        Err(error) => return Err(format!("There is no key to log in with: {error}.")),
    };
    let config = &patient.config;
    let config = app::tunnel_config(config, config.relay.as_ref(), &identity, &[]);
    let config = TunnelConfig { door: None, ..config };
    let (sender, events) = mpsc::channel();
    let tunnel = Tunnel::start(config, move |event| {
        // Who has heard enough listens no more.
        let _ = sender.send(event);
    });
    let tunnel = tunnel.map_err(|error| format!("Can't try: {error}."))?;
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut heard = Heard::Trying(Some("it did not answer in time".to_owned()));
    while let Ok(event) =
        events.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now()))
    {
        let Event::Relay(status) = event else { continue };
        heard = match status {
            RelayStatus::Connected => Heard::Connected,
            RelayStatus::Backoff { sentence, refused: false } => Heard::Trying(Some(sentence)),
            RelayStatus::Backoff { sentence, refused: true }
            | RelayStatus::Blocked { sentence } => Heard::Refused(sentence),
            RelayStatus::Disconnected | RelayStatus::Connecting => continue,
        };
        break;
    }
    tunnel.stop(GOODBYE);
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict::{Fail, Ok as Good, Warn};
    use super::*;

    #[test]
    fn what_the_kiosk_says_of_its_relay_is_judged() {
        let judge = |state: &str, sentence: Value| {
            judged("a@b:22", &told(&json!({"state": state, "sentence": sentence})))
        };
        assert_eq!(judge("connected", Value::Null).result, Good);
        assert_eq!(judge("connecting", Value::Null).result, Warn);
        let away = judge("connecting", json!("cannot reach b: no route"));
        assert_eq!(away.result, Fail);
        assert!(away.sentence.contains("cannot reach b: no route"), "{away:?}");
        assert_eq!(judge("refused", json!("b refused the login")).result, Fail);
        assert_eq!(judge("blocked", json!("b shows another key")).result, Fail);
    }

    #[test]
    fn a_kiosk_that_was_started_with_another_file_is_to_be_started_again() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKY85C8pt/4DyxBux8o8q4/JdkryLChW7h8WcnOM24n";
        let text = format!("[relay]\nhost = \"b\"\nuser = \"a\"\nhost_key = \"{key}\"\n");
        let config: crate::config::Config = toml::from_str(&text).unwrap();
        let file = config.relay.as_ref();
        let outdated = |file, theirs: &Value| super::outdated(file, theirs, "start it again");
        let runs = |state: &str, host: &str, key: &str| {
            json!({
                "state": state, "host": host, "port": 22, "user": "a", "host_key": key,
            })
        };
        assert_eq!(outdated(file, &runs("connected", "b", key)), None);
        assert_eq!(outdated(file, &runs("refused", "b", key)), None);
        let moved = outdated(file, &runs("connected", "c", key)).unwrap();
        assert_eq!(moved.result, Warn);
        assert_eq!(
            moved.sentence,
            "The kiosk runs with an older twocan.toml, with the relay a@c:22: start it again."
        );
        let mended = outdated(file, &runs("blocked", "b", "ssh-ed25519 other")).unwrap();
        assert_eq!(mended.result, Fail);
        let none = json!({"state": "none", "host": null});
        let new = outdated(file, &none).unwrap();
        assert_eq!(new.result, Fail);
        assert!(new.sentence.contains("older twocan.toml, without a relay"), "{new:?}");
        assert_eq!(outdated(None, &none), None);
        assert!(outdated(None, &runs("connected", "b", key)).is_some());
    }

    #[test]
    fn a_kiosk_without_a_relay_is_fine_with_a_door() {
        assert_eq!((without(true).result, without(false).result), (Good, Warn));
    }
}
