//! A microphone or loudspeaker that moves to the best card there is, in the middle of a call.
//!
//! ```text
//!                    ┌── its card fails: the next best one at once, else the error
//!  names, best first ┤
//!                    └── news of cards: a better one, if it opens; until then the old one goes on
//! ```
//! The worker above hears a short gap and is not restarted. A card that fails right after it was
//! opened is an error: trying again and again is the supervisor's business, and that card goes last
//! then (see `card_memory`).

use std::sync::Arc;
use std::time::Duration;

use super::card_memory::CardMemory;
use super::sound_watch::SoundWatch;
use super::{AudioSink, AudioSource, DeviceError};
use crate::clock::Time;
use crate::frame::PERIOD_SAMPLES;
use crate::stop::Stop;

/// Periods between two looks at the news, half a second.
const LOOK_EVERY: u32 = 50;
/// Looks at the cards after each news: its first message comes up to seconds before a card opens.
const LOOKS: u32 = 6;
/// A card that served less than this many periods is not left for another one in place, or two bad
/// cards would be opened in turns without end.
const SERVED: u32 = 100;

type Names = Box<dyn Fn() -> Vec<String> + Send>;
type Open<T> = Box<dyn Fn(&str) -> Result<Box<T>, DeviceError> + Send>;

/// What is looked for, and how it is opened.
pub(super) struct Wanted<T: ?Sized> {
    what: &'static str,
    names: Names,
    open: Open<T>,
}

impl<T: ?Sized> Wanted<T> {
    /// A `what`: one of `names()`, the best first, opened by `open`.
    pub(super) fn new(
        what: &'static str,
        names: impl Fn() -> Vec<String> + Send + 'static,
        open: impl Fn(&str) -> Result<Box<T>, DeviceError> + Send + 'static,
    ) -> Self {
        Self { what, names: Box::new(names), open: Box::new(open) }
    }

    /// The first of `names` that can be opened, or why the best of them can't.
    fn first(&self, names: &[String]) -> Result<Option<(String, Box<T>)>, DeviceError> {
        let mut failed = None;
        for name in names {
            match (self.open)(name) {
                Ok(device) => return Ok(Some((name.clone(), device))),
                // The best one's reason is the one to tell.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

/// The device in use, and what could take its place.
struct Pick<T: ?Sized> {
    wanted: Wanted<T>,
    watch: Option<Arc<SoundWatch>>,
    memory: CardMemory,
    name: String,
    device: Box<T>,
    served: u32,
    looks: u32,
    /// Xruns of the devices before this one; a change of device counts as one.
    lost: u64,
}

impl<T: ?Sized> Pick<T> {
    fn open(
        wanted: Wanted<T>,
        watch: Option<Arc<SoundWatch>>,
        memory: CardMemory,
    ) -> Result<Self, DeviceError> {
        // What was plugged in before now is in the list.
        if let Some(watch) = &watch {
            watch.news();
        }
        let names = memory.ranked((wanted.names)(), heard(watch.as_deref()));
        let (name, device) = wanted.first(&names)?.ok_or_else(|| DeviceError {
            deed: "find",
            device: format!("a {}", wanted.what),
            cause: "no sound card has one".to_owned(),
        })?;
        tracing::info!("the {} is {name}", wanted.what);
        memory.took(&name);
        Ok(Self { wanted, watch, memory, name, device, served: 0, looks: 0, lost: 0 })
    }

    /// A period has passed; now and then look whether there is a better card. `xruns` are those of
    /// the device in use.
    fn tick(&mut self, xruns: u64) {
        self.served = self.served.saturating_add(1);
        if !self.served.is_multiple_of(LOOK_EVERY) {
            return;
        }
        if self.watch.as_ref().is_some_and(|watch| watch.news()) {
            self.looks = LOOKS;
        }
        if self.looks == 0 {
            return;
        }
        self.looks -= 1;
        let mut names = (self.wanted.names)();
        // Those before ours are better. If ours is not there it is about to fail, and says so.
        let Some(ours) = names.iter().position(|name| *name == self.name) else { return };
        names.truncate(ours);
        match self.wanted.first(&names) {
            Ok(None) => {}
            Ok(Some((name, device))) => {
                tracing::info!(
                    "the {} is {name} now, and no longer {}",
                    self.wanted.what,
                    self.name
                );
                self.take(name, device, xruns);
            }
            Err(error) => tracing::debug!("a better {} is not ready: {error}", self.wanted.what),
        }
    }

    /// The device failed with `error`: take the next best one, or give the error back.
    fn fell(&mut self, error: DeviceError, xruns: u64) -> Result<(), DeviceError> {
        let heard = heard(self.watch.as_deref());
        self.memory.failed(&self.name, self.served < SERVED, heard);
        if self.served < SERVED {
            return Err(error);
        }
        let mut names = self.memory.ranked((self.wanted.names)(), heard);
        names.retain(|name| *name != self.name);
        let Ok(Some((name, device))) = self.wanted.first(&names) else { return Err(error) };
        tracing::warn!("{error}; the {} is {name} now", self.wanted.what);
        self.take(name, device, xruns);
        Ok(())
    }

    fn take(&mut self, name: String, device: Box<T>, xruns: u64) {
        self.lost += xruns + 1;
        self.memory.took(&name);
        (self.name, self.device, self.served) = (name, device, 0);
    }
}

fn heard(watch: Option<&SoundWatch>) -> u64 {
    watch.map_or(0, SoundWatch::heard)
}

/// The best microphone there is.
pub(super) struct AutoSource(Pick<dyn AudioSource>);

impl AutoSource {
    /// Open the best that can be opened; `watch` says when to look for a better one, `memory` what
    /// became of the cards that were opened before.
    ///
    /// # Errors
    /// There is none, or none of them opens.
    pub(super) fn open(
        wanted: Wanted<dyn AudioSource>,
        watch: Option<Arc<SoundWatch>>,
        memory: CardMemory,
    ) -> Result<Self, DeviceError> {
        Pick::open(wanted, watch, memory).map(Self)
    }
}

impl AudioSource for AutoSource {
    fn read(
        &mut self,
        into: &mut [i16; PERIOD_SAMPLES],
        stop: &Stop,
    ) -> Result<Option<Time>, DeviceError> {
        let pick = &mut self.0;
        pick.tick(pick.device.overruns());
        loop {
            match pick.device.read(into, stop) {
                Err(error) => pick.fell(error, pick.device.overruns())?,
                read => return read,
            }
        }
    }

    fn overruns(&self) -> u64 {
        self.0.lost + self.0.device.overruns()
    }
}

/// The best loudspeaker there is.
pub(super) struct AutoSink(Pick<dyn AudioSink>);

impl AutoSink {
    /// As [`AutoSource::open`].
    ///
    /// # Errors
    /// There is none, or none of them opens.
    pub(super) fn open(
        wanted: Wanted<dyn AudioSink>,
        watch: Option<Arc<SoundWatch>>,
        memory: CardMemory,
    ) -> Result<Self, DeviceError> {
        Pick::open(wanted, watch, memory).map(Self)
    }
}

impl AudioSink for AutoSink {
    fn wait(&mut self, stop: &Stop) -> Result<bool, DeviceError> {
        let pick = &mut self.0;
        loop {
            match pick.device.wait(stop) {
                Err(error) => pick.fell(error, pick.device.underruns())?,
                waited => return waited,
            }
        }
    }

    fn write(&mut self, samples: &[i16], stop: &Stop) -> Result<bool, DeviceError> {
        let pick = &mut self.0;
        pick.tick(pick.device.underruns());
        loop {
            match pick.device.write(samples, stop) {
                Err(error) => pick.fell(error, pick.device.underruns())?,
                written => return written,
            }
        }
    }

    fn queued(&mut self) -> Duration {
        self.0.device.queued()
    }

    fn delay(&mut self) -> Duration {
        self.0.device.delay()
    }

    fn underruns(&self) -> u64 {
        self.0.lost + self.0.device.underruns()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::Mutex;

    use super::*;
    use crate::stop::{Stopper, stop_pair};

    /// The cards that are plugged in, the best first, and those of them that open.
    #[derive(Clone, Default)]
    struct Cards(Arc<Mutex<(Vec<String>, Vec<String>)>>);

    impl Cards {
        fn are(&self, plugged: &[&str], ready: &[&str]) {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            *self.0.lock().unwrap() = (owned(plugged), owned(ready));
        }

        fn check(&self, name: &str) -> Result<(), DeviceError> {
            let ready = self.0.lock().unwrap().1.iter().any(|ready| ready == name);
            let cause = "the device is gone".to_owned();
            if ready {
                Ok(())
            } else {
                Err(DeviceError { deed: "use", device: name.to_owned(), cause })
            }
        }
    }

    /// Every sample it hears is the first letter of its name.
    struct Fake(Cards, String);

    impl AudioSource for Fake {
        fn read(
            &mut self,
            into: &mut [i16; PERIOD_SAMPLES],
            _: &Stop,
        ) -> Result<Option<Time>, DeviceError> {
            self.0.check(&self.1)?;
            into.fill(i16::from(self.1.as_bytes()[0]));
            Ok(Some(Time::from_micros(0)))
        }
    }

    /// Cards that are ready under this name open, and hear nothing.
    const BAD: &str = " that opens";

    struct Scene {
        memory: CardMemory,
        watch: Arc<SoundWatch>,
        cards: Cards,
        plug: UnixDatagram,
        source: AutoSource,
        stop: Stop,
        _stopper: Stopper,
    }

    fn open(cards: &Cards, watch: Option<Arc<SoundWatch>>) -> Result<AutoSource, DeviceError> {
        remembering(cards, watch, &CardMemory::default())
    }

    fn remembering(
        cards: &Cards,
        watch: Option<Arc<SoundWatch>>,
        memory: &CardMemory,
    ) -> Result<AutoSource, DeviceError> {
        let (names, opened) = (cards.clone(), cards.clone());
        let wanted = Wanted::new(
            "microphone",
            move || names.0.lock().unwrap().0.clone(),
            move |name| {
                opened.check(name.trim_end_matches(BAD))?;
                Ok(Box::new(Fake(opened.clone(), name.to_owned())) as Box<dyn AudioSource>)
            },
        );
        AutoSource::open(wanted, watch, memory.clone())
    }

    impl Scene {
        fn with(plugged: &[&str]) -> Self {
            let cards = Cards::default();
            cards.are(plugged, plugged);
            let (plug, socket) = UnixDatagram::pair().unwrap();
            let (watch, memory) = (SoundWatch::of(socket.into()), CardMemory::default());
            let source = remembering(&cards, Some(Arc::clone(&watch)), &memory).unwrap();
            let (_stopper, stop) = stop_pair();
            Self { memory, watch, cards, plug, source, stop, _stopper }
        }

        /// What the supervisor does after an error.
        fn open_again(&mut self) {
            let watch = Some(Arc::clone(&self.watch));
            self.source = remembering(&self.cards, watch, &self.memory).unwrap();
        }

        fn stands_in(&self) -> bool {
            self.memory.stands_in().load(std::sync::atomic::Ordering::Relaxed)
        }

        /// Who is heard after so many periods.
        fn hear(&mut self, periods: u32) -> Result<char, DeviceError> {
            let mut into = [0; PERIOD_SAMPLES];
            for _ in 0..periods {
                self.source.read(&mut into, &self.stop)?;
            }
            Ok(char::from(u8::try_from(into[0]).unwrap()))
        }
    }

    #[test]
    fn the_best_card_that_opens_is_taken() {
        let cards = Cards::default();
        cards.are(&["usb", "built-in"], &["built-in"]);
        assert_eq!(open(&cards, None).unwrap().0.name, "built-in");
    }

    #[test]
    fn a_card_that_is_pulled_out_is_followed_by_the_next_and_comes_back_when_it_is_ready() {
        let mut scene = Scene::with(&["usb", "built-in"]);
        assert_eq!(scene.hear(SERVED).unwrap(), 'u');
        scene.cards.are(&["built-in"], &["built-in"]);
        assert_eq!(scene.hear(1).unwrap(), 'b');
        assert_eq!(scene.source.overruns(), 1, "the gap is counted");
        assert!(scene.stands_in());
        scene.cards.are(&["usb", "built-in"], &["built-in"]);
        scene.plug.send(b"add").unwrap();
        assert_eq!(scene.hear(LOOK_EVERY).unwrap(), 'b', "not ready yet");
        scene.cards.are(&["usb", "built-in"], &["usb", "built-in"]);
        assert_eq!(scene.hear(LOOK_EVERY + 1).unwrap(), 'u');
        assert_eq!(scene.source.overruns(), 2);
        assert!(!scene.stands_in());
    }

    #[test]
    fn without_news_a_call_stays_where_it_is() {
        let mut scene = Scene::with(&["built-in"]);
        scene.cards.are(&["usb", "built-in"], &["usb", "built-in"]);
        assert_eq!(scene.hear(10 * LOOK_EVERY).unwrap(), 'b');
        scene.plug.send(b"add").unwrap();
        assert_eq!(scene.hear(LOOK_EVERY).unwrap(), 'u');
    }

    #[test]
    fn the_last_card_that_goes_is_an_error_that_names_it() {
        let mut scene = Scene::with(&["usb"]);
        scene.hear(SERVED).unwrap();
        scene.cards.are(&[], &[]);
        assert_eq!(scene.hear(1).unwrap_err().to_string(), "use usb: the device is gone");
        let none = open(&scene.cards, None).map(drop).unwrap_err().to_string();
        assert_eq!(none, "find a microphone: no sound card has one");
    }

    #[test]
    fn a_card_that_fails_at_once_is_left_to_the_supervisor() {
        let mut scene = Scene::with(&["usb", "built-in"]);
        scene.cards.are(&["usb", "built-in"], &["built-in"]);
        assert!(scene.hear(1).is_err());
    }

    #[test]
    fn a_card_that_opens_and_does_not_work_goes_last_until_there_is_news() {
        let bad = format!("usb{BAD}");
        let mut scene = Scene::with(&["built-in"]);
        scene.cards.are(&[&bad, "built-in"], &["usb", "built-in"]);
        scene.open_again();
        assert!(scene.hear(1).is_err(), "it opened and heard nothing");
        scene.open_again();
        assert_eq!(scene.hear(10 * LOOK_EVERY).unwrap(), 'b');
        assert!(scene.stands_in());
        scene.plug.send(b"change").unwrap();
        assert!(scene.hear(LOOK_EVERY).is_err(), "with news it is tried again");
        scene.open_again();
        assert_eq!(scene.hear(10 * LOOK_EVERY).unwrap(), 'b');
        scene.plug.send(b"add").unwrap();
        assert!(scene.watch.news(), "taken in by the supervisor's pause");
        scene.open_again();
        assert!(scene.hear(1).is_err());
    }
}
