//! The kiosk that runs here, and whether it can be asked: what may be touched depends on it.
//!
//! ```text
//!  control socket ── status ──────────────────────> Told       it is asked, and its devices are its
//!    nobody listens ── unit is down ──────────────> None       the machine is looked at directly
//!                   └─ unit is up ──┐
//!    not for this user ─────────────┴─────────────> Another    nothing of its is touched
//!    it is there, and gives no answer ────────────> Silent     nothing of its is touched
//! ```
//! A login with the kiosk's own key would take its sockets at the relay away from it, a look at the
//! panel could take the panel: both only where none runs.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::service::Unit;
use crate::app::control;
use crate::wire::control::{Answer, Request};

/// The kiosk on this machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kiosk {
    /// It runs, and said this of itself.
    Told(Value),
    /// None runs.
    None,
    /// One runs or starts, and this user can't ask it.
    Another,
    /// One runs and did not answer: why.
    Silent(String),
}

impl Kiosk {
    /// Ask the one behind `socket`; `unit` says whether there should be one.
    pub(super) fn ask(socket: &Path, unit: &Unit) -> Self {
        match control::ask(socket, &Request::Status) {
            Ok((Answer { status: Some(status), .. }, _)) => Self::Told(status),
            Ok((answer, _)) => Self::Silent(answer.error.unwrap_or("no status".to_owned())),
            Err(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => Self::Another,
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused if unit.runs() => {
                    Self::Another
                }
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::None,
                io::ErrorKind::WouldBlock => Self::Silent("it took too long".to_owned()),
                _ => Self::Silent(error.to_string()),
            },
        }
    }

    /// What it said of itself.
    pub(super) fn status(&self) -> Option<&Value> {
        match self {
            Self::Told(status) => Some(status),
            Self::None | Self::Another | Self::Silent(_) => None,
        }
    }

    /// The workers of its call, while there is one.
    pub(super) fn call(&self) -> Option<&Value> {
        let status = self.status()?;
        let state = status["call"]["state"].as_str()?;
        (!matches!(state, "idle" | "ended")).then_some(&status["workers"])
    }

    /// Why its devices and its relay are left alone where it was not asked; none where none runs.
    pub(super) fn closed(&self) -> Option<&'static str> {
        match self {
            Self::Told(_) | Self::None => None,
            Self::Another => Some("a kiosk runs or starts here that this user can't ask"),
            Self::Silent(_) => Some("the kiosk does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;

    use serde_json::json;

    use super::*;

    fn up() -> Unit {
        Unit::parse("LoadState=loaded\nActiveState=active\n")
    }

    #[test]
    fn none_runs_where_nobody_listens_and_the_unit_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        assert_eq!(Kiosk::ask(&path, &Unit::default()), Kiosk::None);
        assert_eq!(Kiosk::ask(&path, &up()), Kiosk::Another);
        let failed = Unit::parse("LoadState=loaded\nActiveState=failed\n");
        assert_eq!(Kiosk::ask(&path, &failed), Kiosk::None);
        let starting = Unit::parse("LoadState=loaded\nActiveState=activating\n");
        assert_eq!(Kiosk::ask(&path, &starting), Kiosk::Another);
        // One that was killed leaves its socket behind.
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(Kiosk::ask(&path, &Unit::default()), Kiosk::None);
    }

    /// What is made of a kiosk that answers with `line`.
    fn answered(line: &'static str) -> Kiosk {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        let answer = move || {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            stream.write_all(line.as_bytes()).unwrap();
        };
        let thread = std::thread::Builder::new().spawn(answer).unwrap();
        let kiosk = Kiosk::ask(&path, &Unit::default());
        thread.join().unwrap();
        kiosk
    }

    #[test]
    fn one_that_runs_is_there_whatever_it_answers() {
        assert_eq!(answered("{\"status\":{}}\n"), Kiosk::Told(json!({})));
        let swamped = answered("{\"error\":\"the kiosk did not answer\"}\n");
        assert_eq!(swamped, Kiosk::Silent("the kiosk did not answer".to_owned()));
        assert!(matches!(answered(""), Kiosk::Silent(_)), "it ended meanwhile");
        assert!(matches!(answered("Hello\n"), Kiosk::Silent(_)), "it is something else");
        assert!(swamped.closed().is_some() && swamped.status().is_none());
    }

    #[test]
    fn a_call_has_workers_and_rest_has_none() {
        let kiosk = |state: &str| {
            Kiosk::Told(json!({"call": {"state": state}, "workers": [{"name": "talk"}]}))
        };
        assert_eq!(kiosk("established").call(), Some(&json!([{"name": "talk"}])));
        assert!(kiosk("incoming").call().is_some(), "the ring has the loudspeaker");
        assert_eq!((kiosk("idle").call(), kiosk("ended").call()), (None, None));
        assert_eq!(Kiosk::None.call(), None);
    }
}
