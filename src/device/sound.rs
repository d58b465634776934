//! Which sound device a text means; the config, the command line and the demo all say it this way.
//!
//! | text | source | sink |
//! |---|---|---|
//! | `auto` | the sound server's microphone, else the best card's | the same for the loudspeaker |
//! | `default`, `plughw:CARD=Headset`, any ALSA name, or `alsa:NAME` | microphone | loudspeaker |
//! | `PATH.wav` | the file, looped | a new file, `PATH-2.wav` if there is one |
//! | `tone`, `bursts`, `silence` | generated | |
//! | `null` | silence | counted and gone |
//!
//! A name is waited for when it is away, and never replaced by another. [`Microphone`] and
//! [`Loudspeaker`] are what a call holds on to: they open again and again, and remember.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::alsa::{AlsaSink, AlsaSource, Route};
use super::auto_sound::{AutoSink, AutoSource, Wanted};
use super::card_memory::CardMemory;
use super::headroom::Headroom;
use super::loudness::Loudness;
use super::null_audio::{NullSink, SilentSource};
use super::sound_cards::{self, best};
use super::sound_server::{self, ServerFirst};
use super::sound_watch::SoundWatch;
use super::tone::ToneSource;
use super::wav::{WavSink, WavSource};
use super::{AudioSink, AudioSource, DeviceError};

/// A loudspeaker buffer that plays without xruns on a null sink and on most desktops.
pub const DESKTOP_BUFFER: Duration = Duration::from_millis(30);
/// USB on a Pi crackles with less.
const USB_BUFFER: Duration = Duration::from_millis(60);
/// The text that leaves the choice to us.
const AUTO: &str = "auto";
/// What ALSA calls the sound server's device, where it knows of one.
const SERVED: &str = "default";

/// A microphone by its text.
pub struct Microphone {
    text: String,
    server: ServerFirst,
    watch: Option<Arc<SoundWatch>>,
    memory: CardMemory,
}

impl Microphone {
    /// The one that `text` means; nothing is opened yet.
    pub fn new(text: &str) -> Self {
        let is_card = !matches!(text, "tone" | "bursts" | "silence" | "null") && !is_wav(text);
        let watch = is_card.then(SoundWatch::new).flatten();
        Self {
            text: text.to_owned(),
            server: ServerFirst::default(),
            watch,
            memory: CardMemory::default(),
        }
    }

    /// What says that another try to open it is worth it.
    pub fn watch(&self) -> Option<Arc<SoundWatch>> {
        self.watch.clone()
    }

    /// Open it.
    ///
    /// # Errors
    /// It can't be opened; the text names it.
    pub fn open(&mut self) -> Result<Box<dyn AudioSource>, DeviceError> {
        Ok(match self.text.as_str() {
            "tone" => Box::new(ToneSource::steady(440, 0.25)),
            "bursts" => Box::new(ToneSource::bursts()),
            "silence" | "null" => Box::new(SilentSource::default()),
            path if is_wav(path) => Box::new(WavSource::open(Path::new(path))?),
            AUTO => self.open_auto()?,
            name => Box::new(AlsaSource::open(alsa_name(name), Route::Any)?),
        })
    }

    fn open_auto(&mut self) -> Result<Box<dyn AudioSource>, DeviceError> {
        let served =
            self.server.open(sound_server::runs(), || AlsaSource::open(SERVED, Route::Server))?;
        if let Some(source) = served {
            return Ok(Box::new(source));
        }
        let wanted = Wanted::new(
            "microphone",
            || best(&sound_cards::list()).microphones,
            |name| Ok(Box::new(AlsaSource::open(name, Route::Any)?) as Box<dyn AudioSource>),
        );
        Ok(Box::new(AutoSource::open(wanted, self.watch.clone(), self.memory.clone())?))
    }
}

/// A loudspeaker by its text. Its buffer grows when it runs dry, and stays that large as long as
/// this value lives, which is a call.
pub struct Loudspeaker {
    text: String,
    headroom: Arc<Mutex<Headroom>>,
    loudness: Option<Arc<Loudness>>,
    server: ServerFirst,
    watch: Option<Arc<SoundWatch>>,
    memory: CardMemory,
}

impl Loudspeaker {
    /// The one that `text` means; nothing is opened yet. With `loudness` every card that it opens
    /// is made as loud as that says.
    pub fn new(text: &str, loudness: Option<Arc<Loudness>>) -> Self {
        let headroom = Headroom::new(DESKTOP_BUFFER, USB_BUFFER);
        Self::with_headroom(text, headroom, loudness)
    }

    /// The same with a buffer that holds `buffer` at first, whatever the card.
    pub fn buffering(text: &str, buffer: Duration, loudness: Option<Arc<Loudness>>) -> Self {
        Self::with_headroom(text, Headroom::new(buffer, buffer), loudness)
    }

    fn with_headroom(text: &str, headroom: Headroom, loudness: Option<Arc<Loudness>>) -> Self {
        let watch = is_card(text).then(SoundWatch::new).flatten();
        let headroom = Arc::new(Mutex::new(headroom));
        Self {
            text: text.to_owned(),
            headroom,
            loudness,
            server: ServerFirst::default(),
            watch,
            memory: CardMemory::default(),
        }
    }

    /// What says that another try to open it is worth it.
    pub fn watch(&self) -> Option<Arc<SoundWatch>> {
        self.watch.clone()
    }

    /// True while `auto` plays on a card that stands in for one that failed or was pulled out.
    pub fn stands_in(&self) -> Arc<AtomicBool> {
        self.memory.stands_in()
    }

    /// Open it.
    ///
    /// # Errors
    /// It can't be opened; the text names it.
    pub fn open(&mut self) -> Result<Box<dyn AudioSink>, DeviceError> {
        let buffer = Headroom::of(&self.headroom).size();
        Ok(match self.text.as_str() {
            "null" => Box::new(NullSink::new(buffer)),
            path if is_wav(path) => Box::new(WavSink::create(Path::new(path), buffer)?),
            AUTO => self.open_auto()?,
            name => {
                let name = alsa_name(name);
                Box::new(open_card(name, Route::Any, &self.headroom, self.loudness.as_deref())?)
            }
        })
    }

    fn open_auto(&mut self) -> Result<Box<dyn AudioSink>, DeviceError> {
        let (headroom, loudness) = (Arc::clone(&self.headroom), self.loudness.clone());
        let open = move |name: &str, route| open_card(name, route, &headroom, loudness.as_deref());
        let served = self.server.open(sound_server::runs(), || open(SERVED, Route::Server))?;
        if let Some(sink) = served {
            return Ok(Box::new(sink));
        }
        let wanted = Wanted::new(
            "loudspeaker",
            || best(&sound_cards::list()).speakers,
            move |name| Ok(Box::new(open(name, Route::Any)?) as Box<dyn AudioSink>),
        );
        Ok(Box::new(AutoSink::open(wanted, self.watch.clone(), self.memory.clone())?))
    }
}

fn open_card(
    name: &str,
    route: Route,
    headroom: &Arc<Mutex<Headroom>>,
    loudness: Option<&Loudness>,
) -> Result<AlsaSink, DeviceError> {
    if sound_cards::is_usb(name) {
        Headroom::of(headroom).on_usb();
    }
    let sink = AlsaSink::open(name, route, Arc::clone(headroom))?;
    if let Some(loudness) = loudness {
        loudness.opened(name);
    }
    Ok(sink)
}

/// Open what `text` means as a microphone, once.
///
/// # Errors
/// The device can't be opened; the text names it.
pub fn open_source(text: &str) -> Result<Box<dyn AudioSource>, DeviceError> {
    Microphone::new(text).open()
}

/// Open what `text` means as a loudspeaker that holds `buffer` of sound, once.
///
/// # Errors
/// The device can't be opened; the text names it.
pub fn open_sink(text: &str, buffer: Duration) -> Result<Box<dyn AudioSink>, DeviceError> {
    Loudspeaker::buffering(text, buffer, None).open()
}

/// Whether `text` means a loudspeaker that ALSA knows, and not a file or nothing.
fn is_card(text: &str) -> bool {
    text != "null" && !is_wav(text)
}

/// Whether `text` means a file.
pub fn is_wav(text: &str) -> bool {
    Path::new(text).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
}

fn alsa_name(text: &str) -> &str {
    text.strip_prefix("alsa:").unwrap_or(text)
}
