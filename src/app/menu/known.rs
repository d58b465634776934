//! What the menu is told and what it asks for, as plain data.

use crate::app::facts::Neighbour;
use crate::card::Card;
use crate::clock::Time;
use crate::config::QuietHours;
use crate::identity::PeerKey;
use crate::meeting::Ticket;
use crate::pairing::{Ask, News};
use crate::pin::{Digits, Guard, Tried};
use crate::settings::Change;

/// What the kiosk knows at the moment of a tap.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Our own key.
    pub us: PeerKey,
    /// The contacts, in the order of their tiles.
    pub neighbours: &'a [Neighbour],
    /// Which of them can be reached, in the same order.
    pub here: Vec<bool>,
    /// There is a meeting point.
    pub meeting: bool,
}

impl Known<'_> {
    /// The contact with this key.
    pub fn neighbour(&self, key: PeerKey) -> Option<&Neighbour> {
        self.neighbours.iter().find(|neighbour| neighbour.person.key == key)
    }

    /// They can be reached now.
    pub fn is_here(&self, key: PeerKey) -> bool {
        let place = self.neighbours.iter().position(|neighbour| neighbour.person.key == key);
        place.and_then(|place| self.here.get(place)).is_some_and(|here| *here)
    }
}

/// What is read from the state folder when the menu is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Our card as text, for a QR code.
    pub card: String,
    /// Loudness of the ring, 0 to 10.
    pub ring_volume: u8,
    /// Light of the screen, 1 to 5.
    pub brightness: u8,
    /// The quiet hours.
    pub quiet: QuietHours,
    /// The quiet hours when they are switched on (again): these have times.
    pub quiet_before: QuietHours,
    /// Whether there is a PIN.
    pub guard: Guard,
    /// No PIN is looked at before.
    pub wait: Option<Time>,
    /// Calls that nobody answered, the newest first.
    pub missed: Vec<MissedCall>,
    /// Who looked in, the newest first.
    pub look_ins: Vec<LookIn>,
    /// The log of those is as it was written.
    pub look_ins_whole: bool,
}

/// A call that nobody answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedCall {
    /// Who called.
    pub peer: PeerKey,
    /// In seconds since 1970.
    pub when: u64,
    /// Nobody has called back yet.
    pub unseen: bool,
}

/// Somebody looked in, or tried to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookIn {
    /// By the name they had then.
    pub name: String,
    /// In seconds since 1970.
    pub when: u64,
    /// In words.
    pub how: String,
}

/// What a contact may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Ring here.
    Ring,
    /// Ring in the quiet hours.
    InQuietHours,
    /// Look in.
    LookIn,
}

/// What the menu is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The other half of [`Effect::Read`].
    Facts(Box<Facts>),
    /// A PIN was looked at.
    Pin {
        /// Of the effect.
        turn: u64,
        /// None: it could not be looked at.
        tried: Option<Tried>,
    },
    /// A PIN was kept or taken away, or could not be.
    PinKept {
        /// Of the effect.
        turn: u64,
        /// What there is now; none: it could not be kept.
        guard: Option<Guard>,
    },
    /// How pairing goes.
    Pairing(News),
    /// The camera saw a code.
    Scanned(String),
    /// The camera does not work, or does again.
    Camera(bool),
    /// Somebody is a contact now, by this name; or why not, in a sentence for the log.
    Adopted(Result<String, String>),
    /// The meeting point of the ticket is ours now, by this name; or why not.
    Enrolled(Result<String, NotEnrolled>),
}

/// Why the meeting point of a ticket is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEnrolled {
    /// The configuration names one, which holds.
    Configured,
    /// It did not take our key, or could not be reached.
    Refused,
    /// It took it, and here that can't be kept.
    NotKept,
}

/// What the menu asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read the [`Facts`].
    Read,
    /// Look whether this is the PIN, without holding up anything.
    CheckPin {
        /// Comes back with [`Heard::Pin`].
        turn: u64,
        /// What was entered.
        digits: Digits,
    },
    /// This is the PIN from now on, or there is none.
    KeepPin {
        /// Comes back with [`Heard::PinKept`].
        turn: u64,
        /// None: no PIN.
        digits: Option<Digits>,
    },
    /// Set and keep.
    Set(Change),
    /// A contact may do this, or not any more.
    Permit {
        /// Who.
        peer: PeerKey,
        /// What.
        what: Permission,
        /// Allowed or not.
        allowed: bool,
    },
    /// This one is a contact no more.
    Forget(PeerKey),
    /// Of the tunnel.
    Pair(Ask),
    /// Open the camera and look for codes, or close it.
    Scan(bool),
    /// Make a contact of it.
    Adopt(Card),
    /// Bring our key to the meeting point.
    Enrol(Ticket),
}
