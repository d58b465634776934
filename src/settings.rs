//! What the resident has set by touch and finds again after a power cut: `STATE/settings.toml`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::{self, Loaded, StoreError};

const FILE: &str = "settings.toml";

/// The settings. Without a file the configuration's defaults hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Loudness of a call, 0 to 10.
    pub volume: u8,
}

/// What was kept last; none when nothing was, or when it can't be read (with a line in the log).
pub fn load(state: &Path) -> Option<Settings> {
    let parse = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        toml::from_str(text).map(Some).map_err(|error| error.message().to_owned())
    };
    let Loaded { value, trouble, .. } = store::load(&state.join(FILE), parse);
    if let Some(trouble) = trouble {
        tracing::warn!("{trouble}");
    }
    value
}

/// Keep these.
///
/// # Errors
/// The disk does not take them.
pub fn keep(state: &Path, settings: Settings) -> Result<(), StoreError> {
    let text = toml::to_string(&settings).expect("numbers are TOML");
    store::write(&state.join(FILE), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again_and_a_broken_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), None);
        keep(folder.path(), Settings { volume: 4 }).unwrap();
        assert_eq!(load(folder.path()), Some(Settings { volume: 4 }));
        std::fs::write(folder.path().join(FILE), "volume = 'loud'").unwrap();
        assert_eq!(load(folder.path()), None);
    }
}
