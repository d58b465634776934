//! Which sound device a text means; the config, the command line and the demo all say it this way.
//!
//! | text | source | sink |
//! |---|---|---|
//! | `default`, `hw:CARD=Headset`, any ALSA name, or `alsa:NAME` | microphone | loudspeaker |
//! | `PATH.wav` | the file, looped | a new file, `PATH-2.wav` if there is one |
//! | `tone`, `bursts`, `silence` | generated | |
//! | `null` | silence | counted and gone |

use std::path::Path;
use std::time::Duration;

use super::alsa::{AlsaSink, AlsaSource};
use super::null_audio::{NullSink, SilentSource};
use super::tone::ToneSource;
use super::wav::{WavSink, WavSource};
use super::{AudioSink, AudioSource, DeviceError};

/// A loudspeaker buffer that plays without xruns on a null sink and on most desktops.
pub const DESKTOP_BUFFER: Duration = Duration::from_millis(30);

/// Open what `text` means as a microphone.
///
/// # Errors
/// The device can't be opened; the text names it.
pub fn open_source(text: &str) -> Result<Box<dyn AudioSource>, DeviceError> {
    Ok(match text {
        "tone" => Box::new(ToneSource::steady(440, 0.25)),
        "bursts" => Box::new(ToneSource::bursts()),
        "silence" | "null" => Box::new(SilentSource::default()),
        path if is_wav(path) => Box::new(WavSource::open(Path::new(path))?),
        name => Box::new(AlsaSource::open(alsa_name(name))?),
    })
}

/// Open what `text` means as a loudspeaker that holds `buffer` of sound.
///
/// # Errors
/// The device can't be opened; the text names it.
pub fn open_sink(text: &str, buffer: Duration) -> Result<Box<dyn AudioSink>, DeviceError> {
    Ok(match text {
        "null" => Box::new(NullSink::new(buffer)),
        path if is_wav(path) => Box::new(WavSink::create(Path::new(path), buffer)?),
        name => Box::new(AlsaSink::open(alsa_name(name), buffer)?),
    })
}

/// Whether `text` means a loudspeaker that ALSA knows, and not a file or nothing.
pub fn is_card(text: &str) -> bool {
    text != "null" && !is_wav(text)
}

/// Whether `text` means a file.
pub fn is_wav(text: &str) -> bool {
    Path::new(text).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
}

fn alsa_name(text: &str) -> &str {
    text.strip_prefix("alsa:").unwrap_or(text)
}
