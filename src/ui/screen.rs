//! The whole of what can be on the screen, as plain data, and the whole of what a finger can say.
//!
//! The app derives a `Screen` from its state and publishes it; the UI shows it and never changes a
//! page or a property by itself. Words here are ready to be read by a resident. A [`Light::Dark`]
//! screen is black whatever its page: the page is what a touch or a call will show.

use std::sync::Arc;
use std::time::Duration;

use super::menu::{MenuPage, MenuTap};
use crate::frame::Picture;
use crate::identity::PeerKey;

/// Everything that is shown, but for the moving pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Screen {
    /// The strip along the top of the home screen.
    pub strip: Strip,
    /// The one page on show.
    pub page: Page,
    /// How much light it gets.
    pub light: Light,
}

/// How much light the screen gets; more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// None: nothing is drawn, and a touch only wakes.
    Dark,
    /// A third: nobody has touched it for a while, or it is night. Everything works.
    Dim,
    /// As bright as was chosen.
    #[default]
    Bright,
}

/// Clock, day and link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    /// `14:05`.
    pub clock: String,
    /// `Saturday afternoon`.
    pub day: String,
    /// `Connected`, `No internet`, …
    pub link: String,
    /// Whether `link` is good news.
    pub connected: bool,
}

/// A contact's photo as RGB pixels; compared by identity.
#[derive(Clone, Debug)]
pub struct Photo(pub Arc<Picture>);

impl PartialEq for Photo {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Who it is to the program.
    pub key: PeerKey,
    /// Who it is to the resident.
    pub name: String,
    /// None: the first letter is drawn instead.
    pub photo: Option<Photo>,
}

/// Which of the things to listen to: its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationId(pub usize);

/// Something to listen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Which it is to the program.
    pub id: StationId,
    /// What it is to the resident.
    pub name: String,
}

/// What a tile is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Somebody to call.
    Person(Person),
    /// Something to listen to.
    Station(Station),
}

/// One person, or one thing to listen to, on the home screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Who, or what.
    pub subject: Subject,
    /// Bright when true, dull when false. A dull one still works.
    pub reachable: bool,
    /// `Touch to call`, `not at home`, …
    pub state: String,
    /// The band of a missed call: `called 14:10`.
    pub missed: Option<String>,
}

impl Tile {
    /// What a touch on it says.
    pub fn command(&self) -> Command {
        match &self.subject {
            Subject::Person(person) => Command::Dial(person.key),
            Subject::Station(station) => Command::Hear(station.id),
        }
    }

    /// What stands on it.
    pub fn name(&self) -> &str {
        match &self.subject {
            Subject::Person(person) => &person.name,
            Subject::Station(station) => &station.name,
        }
    }

    /// Whether it is this person's.
    pub fn is_of(&self, key: PeerKey) -> bool {
        matches!(&self.subject, Subject::Person(person) if person.key == key)
    }
}

/// How the line is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Everything arrives.
    Good,
    /// The picture was made smaller or slower.
    Slow,
    /// A still now and then.
    Stills,
    /// Sound only.
    VoiceOnly,
    /// The link is gone and being made again.
    Reconnecting,
}

/// How loud it is, in steps of 0 (silence) to [`Levels::MOST`], for the meters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// What our microphone hears.
    pub ours: u8,
    /// What comes from the other end.
    pub theirs: u8,
}

impl Levels {
    /// The loudest step.
    pub const MOST: u8 = 5;
}

/// Which of our devices are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// The camera.
    pub camera: bool,
    /// The microphone.
    pub microphone: bool,
}

/// One page.
#[derive(Clone, Debug, PartialEq)]
pub enum Page {
    /// The people.
    Home {
        /// The tiles of this page of tiles, at most six.
        tiles: Vec<Tile>,
        /// An arrow back is shown.
        earlier: bool,
        /// An arrow on is shown.
        later: bool,
    },
    /// We ring at their end.
    Calling {
        /// Whom.
        person: Person,
        /// `Calling Anna…`, later `Anna did not answer. We told her you called.`
        sentence: String,
        /// Stop is shown: the call can still be cancelled.
        stoppable: bool,
    },
    /// They ring at ours.
    Incoming {
        /// Who.
        person: Person,
        /// They may look in: so many seconds until the kiosk answers by itself, 10 to 0.
        appears_in: Option<u8>,
    },
    /// Talking.
    InCall {
        /// With whom.
        person: Person,
        /// How long so far.
        duration: Duration,
        /// How the line is.
        line: Line,
        /// Our camera and microphone are off.
        hidden: bool,
        /// Theirs are.
        peer_hidden: bool,
        /// Instead of their picture, when there is none to show: why.
        no_picture: Option<String>,
        /// What does not work at our end, in words.
        notice: Option<String>,
        /// Loudness in ten steps, 0 to 10.
        volume: u8,
        /// How loud both ends are at this moment.
        levels: Levels,
        /// The small own picture is shown.
        self_view: bool,
        /// What of us is open, for the sign that is drawn whenever anything is.
        open: Open,
        /// Our picture is frosted still: they look in, and it begins slowly.
        frosted: bool,
    },
    /// It is over.
    Ended {
        /// With whom it was.
        person: Person,
        /// `You talked for 5 minutes.` Empty when there was no talk.
        duration: String,
        /// Why, in plain words.
        sentence: String,
    },
    /// Listening to a station.
    Hearing {
        /// Which.
        station: Station,
        /// `You are listening.`, `Nothing to hear now.`, …
        sentence: String,
        /// Sound comes.
        live: bool,
        /// Loudness in ten steps, 0 to 10.
        volume: u8,
    },
    /// One of the pages behind the home page.
    Menu(MenuPage),
    /// Something needs a helper.
    Fault {
        /// What, in one sentence.
        sentence: String,
        /// Whom to ask.
        helper: String,
        /// What still works.
        works: String,
    },
}

/// What a finger said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A person's tile was touched.
    Dial(PeerKey),
    /// A station's tile was touched.
    Hear(StationId),
    /// Stop, on the page of a station.
    StopHearing,
    /// Stop, on the calling page.
    Cancel,
    /// Answer.
    Answer,
    /// Not now.
    Decline,
    /// Hang up.
    HangUp,
    /// Louder.
    Louder,
    /// Quieter.
    Quieter,
    /// Hide me, or show me again.
    Hide,
    /// Back to the people (from Ended or Fault).
    Home,
    /// The arrow to earlier tiles.
    EarlierTiles,
    /// The arrow to later tiles.
    LaterTiles,
    /// Somebody is there: a place was touched that means nothing.
    Touched,
    /// The dark screen was touched.
    Wake,
    /// On a page behind the home page.
    Menu(MenuTap),
    /// The window was closed.
    Quit,
}
