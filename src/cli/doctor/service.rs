//! The kiosk's unit, as systemd knows it on this machine.

use std::process::{Command, Stdio};

use serde_json::json;

use super::check::Check;
use super::kiosk::Kiosk;

const SERVICE: &str = "service";
/// What is asked of `systemctl show`.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result,StatusText";

/// The unit; empty texts where systemd is not running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// It is installed.
    pub(super) loaded: bool,
    /// It starts with the machine.
    pub(super) enabled: bool,
    active: String,
    sub: String,
    restarts: u64,
    result: String,
    status: String,
}

impl Unit {
    /// Ask systemd.
    pub(super) fn find() -> Self {
        let asked = Command::new("systemctl")
            .args(["show", "twocan-kiosk.service", "--no-pager", "--property", PROPERTIES])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        asked
            .map(|output| Self::parse(&String::from_utf8_lossy(&output.stdout)))
            .unwrap_or_default()
    }

    pub(super) fn parse(properties: &str) -> Self {
        let value = |key: &str| {
            let line =
                properties.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        Self {
            loaded: value("LoadState") == "loaded",
            enabled: value("UnitFileState").starts_with("enabled"),
            active: value("ActiveState"),
            sub: value("SubState"),
            restarts: value("NRestarts").parse().unwrap_or(0),
            result: value("Result"),
            status: value("StatusText"),
        }
    }

    /// What has a kiosk start again.
    pub(super) fn restart(&self) -> &'static str {
        match self.loaded {
            true => "`sudo systemctl restart twocan-kiosk`",
            false => "end it, and start it again",
        }
    }

    /// Its kiosk runs, starts or ends, as far as systemd knows.
    pub(super) fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "activating" | "deactivating")
    }
}

/// The row `service`.
pub(super) fn check(unit: &Unit, kiosk: &Kiosk) -> Check {
    let log = "`journalctl -u twocan-kiosk` says why";
    let again = unit.restarts;
    let judged = || match (unit.loaded, unit.active.as_str(), unit.enabled) {
        (false, _, _) => match kiosk {
            Kiosk::Told(_) => Check::ok(SERVICE, "A kiosk runs, started by hand."),
            Kiosk::Another => Check::warn(SERVICE, "A kiosk runs that only its own user may ask."),
            _ => Check::ok(SERVICE, "Not set up to start by itself on this machine."),
        },
        (true, "active", _) if kiosk.status().is_none() => Check::warn(
            SERVICE,
            "The kiosk runs as another user: `sudo -u twocan twocan doctor` asks it.",
        ),
        (true, "active", _) if again > 0 => {
            Check::warn(SERVICE, format!("Running, after {again} restarts: {log}."))
        }
        (true, "active", true) => Check::ok(SERVICE, "Running, and starts with the machine."),
        (true, "active", false) => Check::warn(
            SERVICE,
            "Running, but not enabled: `sudo systemctl enable twocan-kiosk` starts it with the machine.",
        ),
        (true, _, false) => Check::ok(
            SERVICE,
            "Installed, not enabled: `sudo systemctl enable --now twocan-kiosk` makes this an appliance.",
        ),
        (true, state, true) => {
            Check::fail(SERVICE, format!("It is {state} ({}): {log}.", unit.result))
        }
    };
    let check = match kiosk {
        Kiosk::Silent(why) => Check::fail(SERVICE, silent(unit, why)),
        _ => judged(),
    };
    check.with(json!({
        "installed": unit.loaded, "enabled": unit.enabled, "active": unit.active, "sub": unit.sub,
        "restarts": again, "result": unit.result, "status": unit.status,
    }))
}

fn silent(unit: &Unit, why: &str) -> String {
    format!("The kiosk runs and does not answer ({why}): {}.", unit.restart())
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict::{Fail, Ok as Good, Warn};
    use super::*;

    fn told() -> Kiosk {
        Kiosk::Told(json!({}))
    }

    fn unit(active: &str, enabled: &str, restarts: u32) -> Unit {
        Unit::parse(&format!(
            "NRestarts={restarts}\nResult=success\nLoadState=loaded\nActiveState={active}\n\
             SubState=running\nUnitFileState={enabled}\nStatusText=at rest; no relay\n"
        ))
    }

    #[test]
    fn what_systemd_says_is_judged() {
        assert_eq!(check(&unit("active", "enabled", 0), &told()).result, Good);
        let restarted = check(&unit("active", "enabled", 3), &told());
        assert_eq!(restarted.result, Warn);
        assert!(restarted.sentence.contains("3 restarts"), "{restarted:?}");
        assert_eq!(restarted.details["status"], "at rest; no relay");
        assert_eq!(check(&unit("active", "disabled", 0), &told()).result, Warn);
        assert_eq!(check(&unit("inactive", "disabled", 0), &Kiosk::None).result, Good);
        assert_eq!(check(&unit("failed", "enabled", 0), &Kiosk::None).result, Fail);
        assert_eq!(check(&unit("activating", "enabled", 9), &Kiosk::None).result, Fail);
    }

    #[test]
    fn a_kiosk_that_does_not_answer_is_to_be_started_again() {
        let silent = Kiosk::Silent("it took too long".to_owned());
        let check = |unit: &Unit| super::check(unit, &silent);
        let service = check(&unit("active", "enabled", 0));
        assert_eq!(service.result, Fail);
        assert!(
            service.sentence.contains("it took too long): `sudo systemctl restart"),
            "{service:?}"
        );
        let by_hand = check(&Unit::default());
        assert!(by_hand.sentence.ends_with("end it, and start it again."), "{by_hand:?}");
    }

    #[test]
    fn another_users_kiosk_is_to_be_asked_as_that_user() {
        assert_eq!(check(&Unit::default(), &Kiosk::Another).result, Warn);
        let check = check(&unit("active", "enabled", 0), &Kiosk::Another);
        assert!(check.sentence.contains("sudo -u twocan twocan doctor"), "{check:?}");
    }

    #[test]
    fn a_machine_without_the_unit_or_without_systemd_is_fine() {
        let away = Unit::parse("LoadState=not-found\nActiveState=inactive\n");
        assert_eq!(check(&away, &Kiosk::None).result, Good);
        assert_eq!(check(&Unit::default(), &told()).result, Good);
    }
}
