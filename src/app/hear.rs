//! Listening to a station: what is chosen, what is to be heard of it now, and what is read meanwhile. Pure.
//!
//! ```text
//!           a tile is touched             a call rings, or is made
//!   Off ─────────────────────> Sounding ───────────────────────────> Paused
//!    ^                          │     ^──────────────────────────────┘  │
//!    └────────── Stop ──────────┴───────────── the call is over ────────┘ Stop
//! ```
//! Only a loudspeaker is opened for it, and nothing is sent but, to a contact that has stations, which of
//! them is to be heard. That is said again whenever the contact has come back.

use crate::config::{HearSource, Hearable};
use crate::identity::PeerKey;
use crate::station::ear::State;
use crate::ui::screen::StationId;
use crate::wire::signal::{Hearing, Signal};

use super::events::Effect;

/// What is to be heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// The playlist at this address.
    Playlist(String),
    /// The voice packets of this contact, which are this station's.
    Peer(PeerKey, String),
}

/// What comes from whoever plays it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// There is sound, or there is none.
    State(State),
    /// Whether the loudspeaker is broken, and whether another one stands in for it.
    Speaker {
        /// It can't be opened.
        broken: bool,
        /// It was pulled out.
        gone: bool,
    },
}

/// What the world is like, as far as listening is concerned.
pub struct Around<'a> {
    /// No call rings, goes on or is made, and no page behind home uses the camera or rings.
    pub calm: bool,
    /// What there is to listen to.
    pub hearables: &'a [Hearable],
    /// The contact of that name, and whether it can be reached.
    pub contact: &'a dyn Fn(&str) -> Option<(PeerKey, bool)>,
}

/// The state.
#[derive(Debug)]
pub struct Hear {
    chosen: Option<StationId>,
    sounding: Option<Sound>,
    /// The contact has been told.
    asked: bool,
    state: State,
    broken: bool,
    gone: bool,
}

impl Default for Hear {
    fn default() -> Self {
        Self {
            chosen: None,
            sounding: None,
            asked: false,
            state: State::Looking,
            broken: false,
            gone: false,
        }
    }
}

impl Hear {
    /// Listen to this, or to nothing any more.
    pub fn choose(&mut self, station: Option<StationId>) {
        self.chosen = station;
    }

    /// What is listened to, be it that a call keeps it silent.
    pub fn chosen(&self) -> Option<StationId> {
        self.chosen
    }

    /// It is not kept silent by a call.
    pub fn sounds(&self) -> bool {
        self.sounding.is_some()
    }

    /// What there is to hear.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whoever plays it says so.
    pub fn heard(&mut self, news: News) {
        match news {
            News::State(state) => self.state = state,
            News::Speaker { broken, gone } => (self.broken, self.gone) = (broken, gone),
        }
    }

    /// The contact says so.
    pub fn told(&mut self, peer: PeerKey, station: &str, hearing: Hearing) {
        let ours = matches!(&self.sounding, Some(Sound::Peer(key, ours)) if *key == peer && ours == station);
        if ours && self.asked {
            self.state = match hearing {
                Hearing::Live => State::Live,
                Hearing::Silent => State::Silent,
                Hearing::Unknown => State::Unknown,
                Hearing::Other => return,
            };
        }
    }

    /// A new session with this contact: what it was told may have gone with the last one.
    pub fn link_renewed(&mut self, peer: PeerKey) {
        if matches!(self.sounding, Some(Sound::Peer(key, _)) if key == peer) {
            self.asked = false;
        }
    }

    /// After whatever has happened.
    pub fn follow(&mut self, around: &Around<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let chosen = self.chosen.and_then(|id| around.hearables.get(id.0));
        let wanted = chosen.filter(|_| around.calm).and_then(|chosen| sound(chosen, around));
        if wanted != self.sounding {
            if let (Some(Sound::Peer(peer, _)), true) = (&self.sounding, self.asked) {
                effects.push(Effect::Send(*peer, Signal::Hear { station: String::new() }));
            }
            effects.push(Effect::Hear(wanted.clone()));
            *self = Self { chosen: self.chosen, sounding: wanted, ..Self::default() };
        }
        if around.calm && chosen.is_some() && self.sounding.is_none() {
            self.state = State::Unknown;
        }
        if let (Some(Sound::Peer(peer, station)), Some(Hearable { source, .. })) =
            (&self.sounding, chosen)
        {
            let linked = is_linked(source, around);
            if linked && !self.asked {
                let station = station.clone();
                effects.push(Effect::Send(*peer, Signal::Hear { station }));
                self.state = State::Looking;
            } else if !linked {
                self.state = State::Away;
            }
            self.asked = linked;
        }
        effects
    }

    /// What is read on the page of `name`; `helper` is the sentence that says whom to ask.
    pub fn sentence(&self, name: &str, helper: &str) -> String {
        match self.state {
            _ if self.broken => "The loudspeaker is not working.".to_owned(),
            _ if self.gone => "The loudspeaker went silent. Please check its cable.".to_owned(),
            State::Looking => "One moment…".to_owned(),
            State::Live => "You are listening.".to_owned(),
            State::Silent => "Nothing to hear now.".to_owned(),
            State::Away => "Not to be reached just now. It comes back by itself.".to_owned(),
            State::Unknown => format!("{name} is not there any more. {helper}"),
        }
    }
}

/// What stands on a tile, and whether it is a bright one.
pub fn on_tile(hearable: &Hearable, around: &Around<'_>) -> (bool, &'static str) {
    match is_linked(&hearable.source, around) {
        true => (true, "Touch to listen"),
        false => (false, "quiet now"),
    }
}

fn sound(hearable: &Hearable, around: &Around<'_>) -> Option<Sound> {
    match &hearable.source {
        HearSource::Playlist(address) => Some(Sound::Playlist(address.clone())),
        HearSource::Station { contact, station } => {
            let (peer, _) = (around.contact)(contact)?;
            Some(Sound::Peer(peer, station.clone()))
        }
    }
}

/// Of a playlist nobody knows before it is fetched.
fn is_linked(source: &HearSource, around: &Around<'_>) -> bool {
    match source {
        HearSource::Playlist(_) => true,
        HearSource::Station { contact, .. } => {
            (around.contact)(contact).is_some_and(|(_, linked)| linked)
        }
    }
}
