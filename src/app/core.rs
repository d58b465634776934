//! What the kiosk knows and decides, without doing any of it: events in, effects out.
//!
//! ```text
//!   finger, control socket ─┐                    ┌─> tunnel (signals)
//!   tunnel ─────────────────┼─> Core::handle ────┼─> media (start, stop, hide, volume)
//!   media, time ────────────┘        │           └─> records
//!                                    └──> screen::derive(&core) ─> ui
//! ```
//! It owns the call machine; the loop in `run.rs` owns everything with a thread or a descriptor.

use std::time::Duration;

use super::facts::{Meeting, Neighbour, News, Settings};
use super::power::Power;
use crate::call::{self, Machine, Outcome, State};
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::quality::Quality;
use crate::ui::screen::Command;
use crate::wire::signal::{CallId, Signal};

/// The most tiles on one page of the home screen.
pub const TILES: usize = 6;
/// Loudness in steps.
pub const VOLUME_MOST: u8 = 10;
/// A picture older than this is covered with words.
pub const FROZEN: Duration = Duration::from_secs(3);
/// The own picture is shown this long at the start of a call.
pub const SELF_VIEW: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A finger.
    Touched(Command),
    /// A program on the control socket dials.
    Dial(PeerKey),
    /// Somebody sets the loudness.
    Volume(u8),
    /// Somebody hides us, or shows us again.
    Hide(Option<bool>),
    /// The relay.
    Meeting(Meeting),
    /// Our door: why it can't listen, or none when it does.
    Door(Option<String>),
    /// The contacts were changed.
    Contacts(Vec<Neighbour>),
    /// A peer can be reached.
    PeerUp(PeerKey),
    /// A peer can't be reached; a sentence if a person has to do something about it.
    PeerDown(PeerKey, Option<String>),
    /// A peer said something.
    Signal(PeerKey, Signal),
    /// The workers' second.
    News(News),
    /// Time has passed.
    Tick,
    /// The program was told to end.
    ShutDown,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Say this to that peer.
    Send(PeerKey, Signal),
    /// Run media with this peer.
    StartMedia(PeerKey),
    /// Stop it.
    StopMedia,
    /// Close camera and microphone (true), or open them again.
    Hide(bool),
    /// Set the loudness, and keep it.
    Volume(u8),
    /// Write a call's record.
    Record(Outcome),
    /// The missed calls of this peer have been noticed.
    Seen(PeerKey),
    /// Try the relay and the peers again, whatever stood against it.
    Retry,
    /// End the program.
    Quit,
}

/// The sound a kiosk makes while a call is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring {
    /// They ring us.
    Bell,
    /// We wait for them.
    Ringback,
}

/// The state.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    machine: Machine,
    neighbours: Vec<Neighbour>,
    meeting: Meeting,
    door: Option<String>,
    fault_seen: Option<Meeting>,
    tile_page: usize,
    volume: u8,
    hidden: bool,
    peer_hidden: bool,
    peer_quality: Quality,
    media_since: Option<Time>,
    news: News,
    power: Power,
    new_call: fn() -> CallId,
}

impl Core {
    /// A kiosk at rest since `now`. `new_call` makes the ids of outgoing calls.
    pub fn new(
        settings: Settings,
        neighbours: Vec<Neighbour>,
        new_call: fn() -> CallId,
        now: Time,
    ) -> Self {
        Self {
            machine: Machine::new(settings.us, settings.ring),
            power: Power::new(settings.light, now),
            volume: settings.volume.min(VOLUME_MOST),
            settings,
            neighbours,
            meeting: Meeting::None,
            door: None,
            fault_seen: None,
            tile_page: 0,
            hidden: false,
            peer_hidden: false,
            peer_quality: Quality::Full,
            media_since: None,
            news: News::default(),
            new_call,
        }
    }

    /// Where the call is.
    pub fn call(&self) -> &State {
        self.machine.state()
    }

    /// Whether this contact can be reached now.
    pub fn reaches(&self, peer: PeerKey) -> bool {
        self.machine.is_linked(peer)
    }

    /// The contacts, in the order of their tiles.
    pub fn neighbours(&self) -> &[Neighbour] {
        &self.neighbours
    }

    /// How the kiosk behaves.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The relay.
    pub fn meeting(&self) -> &Meeting {
        &self.meeting
    }

    /// Why our door can't listen.
    pub fn door(&self) -> Option<&str> {
        self.door.as_deref()
    }

    /// Somebody has read the fault page and gone home.
    pub fn fault_seen(&self) -> bool {
        self.fault_seen.as_ref() == Some(&self.meeting)
    }

    /// Which page of tiles is on show.
    pub fn tile_page(&self) -> usize {
        self.tile_page
    }

    /// Loudness, 0 to 10.
    pub fn volume(&self) -> u8 {
        self.volume
    }

    /// Our camera and microphone are off.
    pub fn hidden(&self) -> bool {
        self.hidden
    }

    /// Theirs are.
    pub fn peer_hidden(&self) -> bool {
        self.peer_hidden
    }

    /// How good the pictures are that they send, as they said last.
    pub fn peer_quality(&self) -> Quality {
        self.peer_quality
    }

    /// When media was started, while it runs.
    pub fn media_since(&self) -> Option<Time> {
        self.media_since
    }

    /// The workers' last report in this call.
    pub fn news(&self) -> &News {
        &self.news
    }

    /// How much light the screen is to have.
    pub fn power(&self) -> &Power {
        &self.power
    }

    /// When the next [`Event::Tick`] is due for the call.
    pub fn deadline(&self) -> Option<Time> {
        self.machine.deadline()
    }

    /// What should be heard while nobody has answered.
    pub fn ring(&self) -> Option<Ring> {
        match self.machine.state() {
            State::Incoming { .. } => Some(Ring::Bell),
            State::Outgoing { ringing: true, .. } => Some(Ring::Ringback),
            State::Outgoing { ringing: false, .. }
            | State::Idle
            | State::Established { .. }
            | State::Reconnecting { .. }
            | State::Ended { .. } => None,
        }
    }

    /// One step.
    pub fn handle(&mut self, event: Event, now: Time) -> Vec<Effect> {
        if matches!(event, Event::Touched(_)) {
            self.power.touched(now);
        }
        let effects = self.decide(event, now);
        self.power.follow_call(self.partner().is_some(), now);
        effects
    }

    fn decide(&mut self, event: Event, now: Time) -> Vec<Effect> {
        match event {
            Event::Touched(command) => self.touched(command, now),
            Event::Dial(peer) => self.dial(peer, now),
            Event::Volume(volume) => self.set_volume(volume),
            Event::Hide(hidden) => self.hide(hidden.unwrap_or(!self.hidden)),
            Event::Meeting(meeting) => {
                // Another try says nothing new: the words stay until it has succeeded or failed.
                if meeting != Meeting::Trying(None) || self.meeting == Meeting::Connected {
                    self.meeting = meeting;
                }
                Vec::new()
            }
            Event::Door(trouble) => {
                self.door = trouble;
                Vec::new()
            }
            Event::Contacts(neighbours) => {
                self.neighbours = neighbours;
                self.tile_page = 0;
                Vec::new()
            }
            Event::PeerUp(peer) => {
                self.set_trouble(peer, None);
                self.step(call::Event::LinkUp(peer), now)
            }
            Event::PeerDown(peer, trouble) => {
                self.set_trouble(peer, trouble);
                self.step(call::Event::LinkDown(peer), now)
            }
            Event::Signal(peer, signal) => self.heard(peer, signal, now),
            Event::News(news) => {
                self.news = news;
                Vec::new()
            }
            Event::Tick => self.step(call::Event::Tick, now),
            Event::ShutDown => {
                let mut effects = self.step(call::Event::ShutDown, now);
                effects.push(Effect::Quit);
                effects
            }
        }
    }

    fn touched(&mut self, command: Command, now: Time) -> Vec<Effect> {
        match command {
            Command::Dial(peer) => self.dial(peer, now),
            Command::Answer => self.step(call::Event::Answer, now),
            Command::Cancel | Command::Decline | Command::HangUp => {
                self.step(call::Event::HangUp, now)
            }
            Command::Louder => self.set_volume(self.volume + 1),
            Command::Quieter => self.set_volume(self.volume.saturating_sub(1)),
            Command::Hide => self.hide(!self.hidden),
            Command::Home => self.home(now),
            Command::EarlierTiles => {
                self.tile_page = self.tile_page.saturating_sub(1);
                Vec::new()
            }
            Command::LaterTiles => {
                if (self.tile_page + 1) * TILES < self.neighbours.len() {
                    self.tile_page += 1;
                }
                Vec::new()
            }
            Command::Touched | Command::Wake => Vec::new(),
            Command::Quit => self.decide(Event::ShutDown, now),
        }
    }

    /// From the ended page home; from the fault page home with another try in the background.
    fn home(&mut self, now: Time) -> Vec<Effect> {
        let mut effects = self.step(call::Event::Dismiss, now);
        if self.meeting.needs_help() && !self.fault_seen() {
            self.fault_seen = Some(self.meeting.clone());
            effects.push(Effect::Retry);
        }
        effects
    }

    fn dial(&mut self, peer: PeerKey, now: Time) -> Vec<Effect> {
        let before = *self.machine.state();
        let Some(neighbour) = self.neighbour_mut(peer) else { return Vec::new() };
        let missed = neighbour.missed.clone();
        let call = (self.new_call)();
        let mut effects = self.step(call::Event::Dial(peer, call), now);
        if missed.is_some() && *self.machine.state() != before {
            if let Some(neighbour) = self.neighbour_mut(peer) {
                neighbour.missed = None;
            }
            effects.push(Effect::Seen(peer));
        }
        effects
    }

    /// With whom the call is, or is about to be.
    fn partner(&self) -> Option<PeerKey> {
        match *self.machine.state() {
            State::Outgoing { party, .. }
            | State::Incoming { party }
            | State::Established { party, .. }
            | State::Reconnecting { party, .. } => Some(party.peer),
            State::Idle | State::Ended { .. } => None,
        }
    }

    fn may_ring(&self, peer: PeerKey) -> bool {
        let allowed = |n: &Neighbour| n.person.key == peer && n.may_ring;
        // Whom we are calling ourselves may call back.
        self.neighbours.iter().any(allowed) || self.partner() == Some(peer)
    }

    fn heard(&mut self, peer: PeerKey, signal: Signal, now: Time) -> Vec<Effect> {
        match signal {
            Signal::Invite { call } if !self.may_ring(peer) => {
                vec![Effect::Send(peer, Signal::Decline { call })]
            }
            Signal::Hide { picture, sound } => {
                if self.machine.is_established() && self.partner() == Some(peer) {
                    self.peer_hidden = picture && sound;
                }
                Vec::new()
            }
            Signal::Report { quality, .. } => {
                if self.machine.is_established() && self.partner() == Some(peer) {
                    self.peer_quality = quality;
                }
                Vec::new()
            }
            signal => self.step(call::Event::Signal(peer, signal), now),
        }
    }

    fn set_volume(&mut self, volume: u8) -> Vec<Effect> {
        let volume = volume.min(VOLUME_MOST);
        if volume == std::mem::replace(&mut self.volume, volume) {
            return Vec::new();
        }
        vec![Effect::Volume(volume)]
    }

    fn hide(&mut self, hidden: bool) -> Vec<Effect> {
        let (State::Established { party, .. } | State::Reconnecting { party, .. }) =
            *self.machine.state()
        else {
            return Vec::new();
        };
        if hidden == std::mem::replace(&mut self.hidden, hidden) {
            return Vec::new();
        }
        vec![
            Effect::Hide(hidden),
            Effect::Send(party.peer, Signal::Hide { picture: hidden, sound: hidden }),
        ]
    }

    fn step(&mut self, event: call::Event, now: Time) -> Vec<Effect> {
        let new_link = match event {
            call::Event::LinkUp(peer) => Some(peer),
            _ => None,
        };
        let mut effects = Vec::new();
        for effect in self.machine.handle(event, now) {
            effects.push(self.adopt(effect, now));
        }
        if let Some(peer) = new_link.filter(|peer| self.partner() == Some(*peer))
            && self.machine.is_established()
        {
            // What they were told last may have gone with the link.
            let hide = Signal::Hide { picture: self.hidden, sound: self.hidden };
            effects.push(Effect::Send(peer, hide));
        }
        if self.settings.auto_answer && matches!(self.machine.state(), State::Incoming { .. }) {
            effects.extend(self.step(call::Event::Answer, now));
        }
        effects
    }

    fn adopt(&mut self, effect: call::Effect, now: Time) -> Effect {
        match effect {
            call::Effect::Send(peer, signal) => Effect::Send(peer, signal),
            call::Effect::StartMedia(peer) => {
                self.media_since = Some(now);
                self.hidden = false;
                self.peer_hidden = false;
                self.peer_quality = Quality::Full;
                self.news = News::default();
                Effect::StartMedia(peer)
            }
            call::Effect::StopMedia => {
                self.media_since = None;
                self.hidden = false;
                Effect::StopMedia
            }
            call::Effect::Record(outcome) => Effect::Record(outcome),
        }
    }

    /// Note a missed call on a tile; `when` is ready to be read (`14:10`).
    pub fn missed(&mut self, peer: PeerKey, when: String) {
        if let Some(neighbour) = self.neighbour_mut(peer) {
            neighbour.missed = Some(when);
        }
    }

    fn set_trouble(&mut self, peer: PeerKey, trouble: Option<String>) {
        if let Some(neighbour) = self.neighbour_mut(peer) {
            neighbour.trouble = trouble;
        }
    }

    fn neighbour_mut(&mut self, peer: PeerKey) -> Option<&mut Neighbour> {
        self.neighbours.iter_mut().find(|neighbour| neighbour.person.key == peer)
    }
}
