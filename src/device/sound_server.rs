//! Whether a sound server (PulseAudio, PipeWire) stands between us and the cards.
//!
//! On a desktop it holds the cards, knows the person's choice of them, and moves streams when one is
//! plugged in; so `auto` goes through it. An appliance has none. Whether one runs is seen at its
//! socket, and whether ALSA leads to it by opening `default`, which is closed again where it turns
//! out to be a card. Where no server is, nothing is opened.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::DeviceError;
use crate::clock::{self, Time};

/// A server that was there and is gone is given this long before the cards are taken: it is being
/// restarted, and would not get them back.
const RESTART: Duration = Duration::from_secs(5);

/// Whether a sound server of this user, or of the system, can be talked to.
pub fn runs() -> bool {
    is_there(|name| std::env::var_os(name), Path::exists)
}

fn is_there(variable: impl Fn(&str) -> Option<OsString>, exists: impl Fn(&Path) -> bool) -> bool {
    let named = |name| variable(name).is_some_and(|value| !value.is_empty());
    if named("PULSE_SERVER") || named("PIPEWIRE_REMOTE") {
        return true;
    }
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let of_user = ["pulse/native", "pipewire-0"];
    runtime.is_some_and(|folder| of_user.iter().any(|socket| exists(&folder.join(socket))))
        || exists(Path::new("/run/pulse/native"))
}

/// Opens the server's device before any card, and remembers that it did.
#[derive(Debug, Default)]
pub(super) struct ServerFirst {
    used: bool,
    lost: Option<Time>,
}

impl ServerFirst {
    /// What `open` opened, or `None` where the cards are to be taken.
    ///
    /// # Errors
    /// The server was used before and can't be reached now.
    pub(super) fn open<T>(
        &mut self,
        runs: bool,
        open: impl FnOnce() -> Result<T, DeviceError>,
    ) -> Result<Option<T>, DeviceError> {
        self.open_at(clock::now(), runs, open)
    }

    fn open_at<T>(
        &mut self,
        now: Time,
        runs: bool,
        open: impl FnOnce() -> Result<T, DeviceError>,
    ) -> Result<Option<T>, DeviceError> {
        if !runs && !self.used {
            return Ok(None);
        }
        match open() {
            Ok(opened) => {
                *self = Self { used: true, lost: None };
                Ok(Some(opened))
            }
            Err(error) if self.used && now.since(*self.lost.get_or_insert(now)) < RESTART => {
                Err(error)
            }
            Err(error) => {
                tracing::debug!("no sound server: {error}");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> Result<u8, DeviceError> {
        Err(DeviceError { deed: "open", device: "default".to_owned(), cause: "gone".to_owned() })
    }

    #[test]
    fn a_server_is_seen_at_its_socket_or_in_the_environment() {
        let nothing = |_: &str| None;
        assert!(!is_there(nothing, |_| false));
        assert!(is_there(nothing, |path| path == Path::new("/run/pulse/native")));
        let user = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/7".into());
        assert!(is_there(user, |path| path == Path::new("/run/user/7/pipewire-0")));
        assert!(!is_there(user, |_| false));
        assert!(is_there(|name| (name == "PULSE_SERVER").then(|| "tcp:box".into()), |_| false));
    }

    #[test]
    fn without_a_server_nothing_is_asked_and_the_cards_are_taken() {
        let mut server = ServerFirst::default();
        let asked =
            server.open_at(Time::from_micros(0), false, || -> Result<u8, _> { unreachable!() });
        assert_eq!(asked.unwrap(), None);
        assert_eq!(
            server.open_at(Time::from_micros(0), true, gone).unwrap(),
            None,
            "a stale socket"
        );
    }

    #[test]
    fn a_server_that_is_restarted_is_waited_for_and_one_that_stays_away_is_not() {
        let mut server = ServerFirst::default();
        let at = |seconds| Time::from_micros(0) + Duration::from_secs(seconds);
        assert_eq!(server.open_at(at(0), true, || Ok(1)).unwrap(), Some(1));
        assert!(server.open_at(at(60), true, gone).is_err());
        assert!(server.open_at(at(64), false, gone).is_err());
        assert_eq!(server.open_at(at(64), true, || Ok(2)).unwrap(), Some(2));
        assert!(server.open_at(at(70), true, gone).is_err());
        assert_eq!(server.open_at(at(76), true, gone).unwrap(), None);
    }
}
