//! Where the configuration, the state and the sockets lie.
//!
//! | | named | systemd unit | the kiosk's user | a user |
//! |---|---|---|---|---|
//! | config | `--config FILE` | `/etc/twocan/twocan.toml` | the same | `$XDG_CONFIG_HOME/twocan/twocan.toml` |
//! | state | `--state DIR` | `$STATE_DIRECTORY` | `/var/lib/twocan` | `$XDG_STATE_HOME/twocan` |
//! | runtime | `--runtime DIR` | `$RUNTIME_DIRECTORY` | `/run/twocan` | `$XDG_RUNTIME_DIR/twocan` |
//!
//! With `--state` alone the runtime folder is `run` inside it, so that several kiosks on one machine
//! never meet in one folder. A unit is known by its `STATE_DIRECTORY`, the kiosk's user by its home,
//! so that `sudo -u twocan twocan status` finds the appliance's kiosk.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError};

/// The home of the appliance's user, and its state folder.
const APPLIANCE: &str = "/var/lib/twocan";
/// The unit's runtime folder.
const APPLIANCE_RUNTIME: &str = "/run/twocan";

/// The file and the folders of one kiosk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `twocan.toml`.
    pub config: PathBuf,
    /// Whether `config` was named: then it has to exist.
    pub config_named: bool,
    /// Identity, contacts, photos, records.
    pub state: PathBuf,
    /// Sockets.
    pub runtime: PathBuf,
}

/// There is nowhere to look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no folder for the {what}: HOME is not set; name one with {option}")]
pub struct PathsError {
    what: &'static str,
    option: &'static str,
}

impl Paths {
    /// From what was named on the command line and from the environment, here as a function.
    ///
    /// # Errors
    /// Nothing was named and the environment has no HOME.
    pub fn find(
        config: Option<PathBuf>,
        state: Option<PathBuf>,
        runtime: Option<PathBuf>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, PathsError> {
        // The XDG rules: a relative path is invalid and ignored. systemd joins several with colons.
        let folder = |name: &str| {
            let value = env(name)?.into_string().ok()?;
            let first = PathBuf::from(value.split(':').next()?);
            first.is_absolute().then_some(first)
        };
        let home = |below: &str| folder("HOME").map(|home| home.join(below));
        let appliance = folder("HOME").filter(|home| home == Path::new(APPLIANCE));
        let unit = folder("STATE_DIRECTORY").or_else(|| appliance.clone());
        let named = state.is_some();
        let lost = |what, option| PathsError { what, option };

        let config_named = config.is_some();
        let user_config = || {
            Some(folder("XDG_CONFIG_HOME").or_else(|| home(".config"))?.join("twocan/twocan.toml"))
        };
        let config = match (config, &unit) {
            (Some(config), _) => config,
            (None, Some(_)) => PathBuf::from("/etc/twocan/twocan.toml"),
            (None, None) => user_config().ok_or(lost("configuration", "--config"))?,
        };
        let state = state
            .or(unit)
            .or_else(|| {
                Some(folder("XDG_STATE_HOME").or_else(|| home(".local/state"))?.join("twocan"))
            })
            .ok_or(lost("state", "--state"))?;
        let runtime = runtime.unwrap_or_else(|| {
            let common = || {
                folder("RUNTIME_DIRECTORY")
                    .or_else(|| appliance.is_some().then(|| PathBuf::from(APPLIANCE_RUNTIME)))
                    .or_else(|| Some(folder("XDG_RUNTIME_DIR")?.join("twocan")))
            };
            let own = || state.join("run");
            if named { own() } else { common().unwrap_or_else(own) }
        });
        Ok(Self { config, config_named, state, runtime })
    }

    /// The configuration there; the defaults when no file was named and there is none.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load_config(&self) -> Result<Config, ConfigError> {
        let there = self.config_named || self.config.exists();
        Config::load(there.then_some(self.config.as_path() as &Path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(state: Option<&str>, env: &[(&str, &str)]) -> Result<Paths, PathsError> {
        Paths::find(None, state.map(PathBuf::from), None, |name| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn texts(paths: &Paths) -> [&str; 3] {
        [&paths.config, &paths.state, &paths.runtime].map(|path| path.to_str().unwrap())
    }

    #[test]
    fn a_user_finds_everything_at_home() {
        let paths = find(None, &[("HOME", "/home/a"), ("XDG_RUNTIME_DIR", "/run/user/7")]).unwrap();
        assert_eq!(
            texts(&paths),
            [
                "/home/a/.config/twocan/twocan.toml",
                "/home/a/.local/state/twocan",
                "/run/user/7/twocan"
            ]
        );
        let xdg = [("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "relative"), ("HOME", "/h")];
        let paths = find(None, &xdg).unwrap();
        assert_eq!(
            texts(&paths),
            ["/c/twocan/twocan.toml", "/h/.local/state/twocan", "/h/.local/state/twocan/run"]
        );
    }

    #[test]
    fn a_unit_uses_the_folders_systemd_made() {
        let env = [("STATE_DIRECTORY", "/var/lib/twocan:/x"), ("RUNTIME_DIRECTORY", "/run/twocan")];
        let paths = find(None, &env).unwrap();
        assert_eq!(texts(&paths), ["/etc/twocan/twocan.toml", "/var/lib/twocan", "/run/twocan"]);
    }

    #[test]
    fn the_kiosks_user_finds_what_the_unit_uses() {
        let paths = find(None, &[("HOME", "/var/lib/twocan"), ("XDG_RUNTIME_DIR", "/r")]).unwrap();
        assert_eq!(texts(&paths), ["/etc/twocan/twocan.toml", "/var/lib/twocan", "/run/twocan"]);
        let named = find(Some("/s"), &[("HOME", "/var/lib/twocan")]).unwrap();
        assert_eq!(texts(&named)[1..], ["/s", "/s/run"]);
    }

    #[test]
    fn a_named_state_folder_brings_its_own_runtime_folder() {
        let paths = find(Some("/s"), &[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r")]).unwrap();
        assert_eq!(texts(&paths)[1..], ["/s", "/s/run"]);
    }

    #[test]
    fn without_a_home_the_option_is_named() {
        assert!(find(None, &[]).unwrap_err().to_string().contains("--config"));
        let paths = Paths::find(Some("c".into()), None, None, |_| None).unwrap_err();
        assert!(paths.to_string().contains("--state"));
    }
}
