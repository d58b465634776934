//! The pages behind the home page, as plain data: settings, people, pairing, what was missed.
//!
//! ```text
//!  home ── clock held 2 s ──> pin? ──> settings ──> people ──> person
//!    │                                     ├──> quiet hours
//!    └── band of a missed call             ├──> missed calls
//!                                          ├──> who looked in
//!                                          └──> add somebody: same room │ far apart │ relay's code
//! ```
//! A call that comes in is shown above all of them, and closes them.

use super::screen::Person;
use crate::identity::PeerKey;
use crate::pairing::Four;

/// Digits of a PIN, at least and at most.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = crate::pin::DIGITS;
/// Rows on a page of a list.
pub const ROWS: usize = 4;

/// One page behind the home page.
#[derive(Clone, Debug, PartialEq)]
pub enum MenuPage {
    /// A PIN is asked for, or a new one chosen. Digits 0-9 on keys, Erase, OK, Back.
    Pin {
        /// `Please enter the PIN`, `That was not it. Wait 30 seconds.`, `Choose a PIN`, …
        sentence: String,
        /// How many digits were entered.
        entered: u8,
        /// The keys do something.
        enabled: bool,
    },
    /// The list of what can be set.
    Settings {
        /// Loudness of the ring, 0 to 10.
        ring_volume: u8,
        /// Light of the screen, 1 to 5.
        brightness: u8,
        /// `22:00 to 7:00`, or `off`.
        quiet_hours: String,
        /// Whether a PIN guards this page.
        pin: bool,
        /// Missed calls that nobody has noticed.
        missed: usize,
    },
    /// When nobody may ring but the exceptions, which are set at each person.
    QuietHours {
        /// They are kept.
        on: bool,
        /// `22:00`.
        from: String,
        /// `07:00`.
        to: String,
        /// `Anna and Bert may ring all the same.` Empty when nobody may.
        exceptions: String,
    },
    /// Everybody this kiosk knows.
    People(List<PersonRow>),
    /// What one of them may do.
    Person {
        /// Who.
        person: Person,
        /// May ring here.
        may_ring: bool,
        /// May ring in the quiet hours.
        in_quiet_hours: bool,
        /// May look in.
        look_in: bool,
        /// `Last seen today at 14:10`, `There now`, …
        seen: String,
        /// `Forget Anna` was touched once: it asks whether that is meant.
        forgetting: bool,
    },
    /// Calls that nobody answered, the newest first.
    Missed(List<MissedRow>),
    /// Who looked in and when, the newest first.
    LookIns {
        /// The rows.
        list: List<LookInRow>,
        /// The log is whole; false: something has been taken out or changed.
        whole: bool,
    },
    /// How somebody is to be added: three ways, and the code of a meeting point.
    Add {
        /// There is a meeting point, without which only "same room" works.
        meeting: bool,
        /// It is home, since nobody is known: there is nothing to go back to, and no clock to hold.
        first: bool,
    },
    /// Same room, or a relay's code: our code to be seen, and what our camera sees (the own picture).
    Scan {
        /// The text of the QR code to draw; empty when only the camera looks (for a relay's code).
        code: String,
        /// `Hold the two screens face to face.`
        sentence: String,
        /// Whose code was read already.
        got: Option<String>,
    },
    /// Our four words, to be read to the other one.
    Words {
        /// The words; empty ones while they are being made.
        words: [String; 4],
        /// `Read these words to the other one on the telephone.`
        sentence: String,
    },
    /// Their four words are put in, a letter at a time; four letters at most name a word.
    EnterWords {
        /// Those that are complete.
        words: Vec<String>,
        /// The beginning of the next one.
        letters: String,
        /// The letters that may come next, `a` in bit 0.
        next: u32,
        /// Words to choose from, at most four; empty while there are too many.
        choices: Vec<String>,
        /// `Which words does the other one read to you?`
        sentence: String,
    },
    /// It goes on by itself: `Looking for the other one…`.
    Working {
        /// What is being done.
        sentence: String,
    },
    /// Are these pictures the same on both screens?
    Compare {
        /// Whom it is with, as they call themselves.
        name: String,
        /// Which of `pairing::PICTURES`.
        four: Four,
        /// Yes was touched here; the other end has not said so yet.
        waiting: bool,
    },
    /// How it ended: `Anna is on your screen now.`, `The words were not the right ones.`
    Result {
        /// In a sentence.
        sentence: String,
        /// It is good news.
        good: bool,
        /// Another try makes sense: a button for it is shown.
        again: bool,
    },
}

impl MenuPage {
    /// As the status and a screenshot's file call it.
    pub fn name(&self) -> &'static str {
        match self {
            MenuPage::Pin { .. } => "pin",
            MenuPage::Settings { .. } => "settings",
            MenuPage::QuietHours { .. } => "quiet-hours",
            MenuPage::People(_) => "people",
            MenuPage::Person { .. } => "person",
            MenuPage::Missed(_) => "missed",
            MenuPage::LookIns { .. } => "look-ins",
            MenuPage::Add { .. } => "add",
            MenuPage::Scan { .. } => "scan",
            MenuPage::Words { .. } => "words",
            MenuPage::EnterWords { .. } => "enter-words",
            MenuPage::Working { .. } => "working",
            MenuPage::Compare { .. } => "compare",
            MenuPage::Result { .. } => "result",
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T> {
    /// At most [`ROWS`].
    pub rows: Vec<T>,
    /// There are some before these.
    pub earlier: bool,
    /// There are more.
    pub later: bool,
}

/// Somebody in the list of people.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonRow {
    /// Who.
    pub person: Person,
    /// Can be reached now.
    pub reachable: bool,
    /// `There now`, `Last seen yesterday at 18:02`, `Not seen yet`.
    pub seen: String,
}

/// A call that nobody answered.
#[derive(Clone, Debug, PartialEq)]
pub struct MissedRow {
    /// Who called.
    pub person: Person,
    /// `Today at 14:10`.
    pub when: String,
}

/// Somebody looked in.
#[derive(Clone, Debug, PartialEq)]
pub struct LookInRow {
    /// Who, by the name they had then.
    pub name: String,
    /// `Today at 14:10`.
    pub when: String,
    /// `for 5 minutes`, `refused`, …
    pub how: String,
}

/// What a finger says on these pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuTap {
    /// The clock was held for two seconds.
    Open,
    /// One page back; from the first one home.
    Back,
    /// Home at once.
    Close,
    /// A digit of the PIN.
    Digit(u8),
    /// The last digit or letter (or word) away.
    Erase,
    /// The PIN is complete.
    Enter,
    /// Ring louder or more softly by one.
    RingVolume(i8),
    /// Hear the ring.
    TryRing,
    /// Brighter or darker by one.
    Brightness(i8),
    /// To the quiet hours, or in them: on or off.
    QuietHours,
    /// Kept or not.
    QuietOnOff,
    /// The beginning earlier or later by so many half hours.
    QuietFrom(i8),
    /// The end earlier or later by so many half hours.
    QuietTo(i8),
    /// To the PIN, to be chosen or taken away.
    Pin,
    /// To the people.
    People,
    /// To one of them.
    Person(PeerKey),
    /// This one may ring, or not.
    MayRing,
    /// This one may ring in the quiet hours, or not.
    InQuietHours,
    /// This one may look in, or not.
    LookIn,
    /// Forget this one: asked twice.
    Forget,
    /// To the missed calls.
    Missed,
    /// To those who looked in.
    LookIns,
    /// Earlier rows.
    Earlier,
    /// Later rows.
    Later,
    /// To the three ways of adding somebody.
    Add,
    /// In the same room.
    SameRoom,
    /// Far apart: show words.
    ShowWords,
    /// Far apart: enter words.
    EnterWords,
    /// The relay's code is to be scanned.
    RelayCode,
    /// A letter of a word, `a` to `z`.
    Letter(char),
    /// One of the words to choose from.
    Choice(u8),
    /// On, once the other's code was read.
    Next,
    /// The pictures are the same.
    Same,
    /// They are not.
    NotSame,
    /// Once more.
    Again,
}
