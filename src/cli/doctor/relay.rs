//! The relay: as the running kiosk knows it, else by logging in once as the kiosk would.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Patient;
use super::check::Check;
use crate::app;
use crate::identity::Identity;
use crate::tunnel::{Event, RelayStatus, Tunnel, TunnelConfig};

const RELAY: &str = "relay";
/// How long one login may take.
const PATIENCE: Duration = Duration::from_secs(20);
const GOODBYE: Duration = Duration::from_millis(500);

/// The row `relay`.
pub(super) fn check(patient: &Patient) -> Check {
    let Some(relay) = &patient.config.relay else {
        return without(patient.config.door.is_some());
    };
    let place = format!("{}@{}:{}", relay.user.as_str(), relay.host, relay.port.get());
    let details = json!({"host": relay.host.to_string(), "port": relay.port.get(), "user": relay.user.as_str()});
    let heard = match &patient.status {
        Some(status) => Ok(told(&status["relay"])),
        None => login(patient),
    };
    let check = match heard {
        Ok(heard) => judged(&place, &heard),
        Err(why) => Check::warn(RELAY, why),
    };
    check.with(details)
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
    let config = TunnelConfig { door: None, ..app::tunnel_config(&patient.config, &identity, &[]) };
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
    fn a_kiosk_without_a_relay_is_fine_with_a_door() {
        assert_eq!((without(true).result, without(false).result), (Good, Warn));
    }
}
