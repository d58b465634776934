//! What the kiosk knows and decides, without doing any of it: events in, effects out.
//!
//! ```text
//!   finger, control socket ─┐                    ┌─> tunnel (signals)
//!   tunnel ─────────────────┼─> Core::handle ────┼─> media (start, stop, hide, volume)
//!   media, time ────────────┘        │           └─> records
//!                                    └──> screen::derive(&core) ─> ui
//! ```
//! It owns the call machine; the loop in `run.rs` owns everything with a thread or a descriptor.

mod behind;
mod heard;
mod hearing;
mod known;
mod visits;

use std::time::Duration;

use super::budget::Budget;
pub use super::events::{Effect, Event, Prompt, Ring};
use super::facts::{Meeting, Neighbour, News, Settings};
use super::hear::Hear;
use super::lookin::LookIn;
use super::menu::Menu;
use super::outage::{self, Outage};
use super::pictures::Pictures;
use super::power::Power;
use crate::call::{self, Machine, State};
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::ui::screen::Command;
use crate::wire::signal::{CallId, Signal};

/// The most tiles on one page of the home screen.
pub const TILES: usize = 6;
/// Loudness in steps.
pub const VOLUME_MOST: u8 = 10;
/// A picture older than this is covered with words.
pub const FROZEN: Duration = Duration::from_secs(3);
/// The same where a picture comes every two seconds: two of them are missing, and time to travel.
pub const FROZEN_STILL: Duration = Duration::from_secs(5);
/// Who has sent no voice for so long is not heard: with nobody speaking a packet comes every 400 ms,
/// and what the workers say of it is up to a second old.
pub const UNHEARD: Duration = Duration::from_secs(2);
/// The own picture is shown this long at the start of a call.
pub const SELF_VIEW: Duration = Duration::from_secs(5);

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
    media_since: Option<Time>,
    pictures: Pictures,
    news: News,
    budget: Budget,
    told_metered: bool,
    outage: Outage,
    power: Power,
    look_in: LookIn,
    quiet: bool,
    menu: Menu,
    hear: Hear,
    new_call: fn() -> CallId,
}

impl Core {
    /// A kiosk at rest since `now`. `new_call` makes the ids of outgoing calls.
    pub fn new(
        settings: Settings,
        neighbours: Vec<Neighbour>,
        budget: Budget,
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
            media_since: None,
            pictures: Pictures::new(now),
            news: News::default(),
            budget,
            told_metered: false,
            outage: Outage::default(),
            look_in: LookIn::default(),
            quiet: false,
            menu: Menu::default(),
            hear: Hear::default(),
            new_call,
        }
    }

    /// When the next [`Event::Tick`] is due for the call.
    pub fn deadline(&self) -> Option<Time> {
        let call = [self.machine.deadline(), self.outage.deadline(), self.look_in.deadline()];
        call.into_iter().chain([self.menu.deadline()]).flatten().min()
    }

    /// What should be heard while nobody has answered.
    pub fn ring(&self) -> Option<Ring> {
        match self.machine.state() {
            State::Incoming { party } => match self.look_in.appears_in(party.began) {
                Some(_) => Some(Ring::Chime),
                None => Some(Ring::Bell),
            },
            State::Idle if self.menu.rings() => Some(Ring::Bell),
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
            self.menu.touched(now);
        }
        let rang = self.rings();
        let mut effects = self.decide(event, now);
        effects.extend(self.tend_menu(now));
        self.follow_look_in(&mut effects, now);
        self.power.follow_call(self.partner().is_some() || self.menu.is_open(), now);
        self.follow_line(&mut effects, now);
        self.follow_quality(&mut effects, now);
        self.follow_hearing(&mut effects);
        if self.settings.auto_answer && self.rings() && !rang {
            effects.push(Effect::Answer);
        }
        effects
    }

    fn rings(&self) -> bool {
        matches!(self.machine.state(), State::Incoming { .. })
    }

    fn follow_line(&mut self, effects: &mut Vec<Effect>, now: Time) {
        match self.outage.follow(self.machine.state(), now) {
            Some(outage::Change::Aloud) => effects.push(Effect::Say(Prompt::LineGone)),
            Some(outage::Change::Over) => {
                effects.push(Effect::Hush);
                self.pictures.ours_anew(now);
                self.pictures.theirs_anew(now);
            }
            None => {}
        }
    }

    /// What pictures may cost and how good they are is told to whom it concerns.
    fn follow_quality(&mut self, effects: &mut Vec<Effect>, now: Time) {
        let metered = self.budget.is_metered();
        if metered != std::mem::replace(&mut self.told_metered, metered) {
            effects.push(Effect::Metered(metered));
        }
        let Some(peer) = self.partner().filter(|_| self.media_since.is_some()) else { return };
        let takes = self.budget.allowed();
        effects.extend(self.pictures.allow(takes, now).map(Effect::Allow));
        if self.machine.is_linked(peer) {
            let report = self.pictures.report(self.news.quality, takes, now);
            effects.extend(report.map(|report| Effect::Report(peer, report)));
        }
    }

    fn decide(&mut self, event: Event, now: Time) -> Vec<Effect> {
        match event {
            Event::Touched(command) => self.touched(command, now),
            Event::Dial(peer) => self.dial(peer, now),
            Event::Answer => self.step(call::Event::Answer, now),
            Event::LetIn(written) => self.let_in(written, now),
            Event::Volume(volume) => self.set_volume(volume),
            Event::Hide(hidden) => self.hide(hidden.unwrap_or(!self.hidden), now),
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
            Event::Way(has) => {
                self.settings.has_way = has;
                Vec::new()
            }
            Event::Contacts(neighbours) => {
                self.neighbours = neighbours;
                self.tile_page = 0;
                Vec::new()
            }
            Event::PeerUp(peer) => {
                self.set_trouble(peer, None);
                self.hear.link_renewed(peer);
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
            Event::Spent(tally) => {
                let due = self.budget.count(tally, now);
                let over = self.media_since.is_none();
                if over {
                    self.budget.end();
                }
                let keep = due || over;
                keep.then(|| Effect::KeepUsage(self.budget.usage().clone())).into_iter().collect()
            }
            Event::Listened(bytes) => {
                let due = self.budget.listened(bytes, now);
                due.then(|| Effect::KeepUsage(self.budget.usage().clone())).into_iter().collect()
            }
            Event::Metered(metered) => {
                self.budget.set_metered(metered);
                Vec::new()
            }
            Event::Month(month) => {
                self.budget.set_month(month);
                Vec::new()
            }
            Event::Quiet(quiet) => {
                self.quiet = quiet;
                Vec::new()
            }
            Event::Hear(station) => {
                self.choose_station(station);
                Vec::new()
            }
            Event::Heard(news) => {
                self.hear.heard(news);
                Vec::new()
            }
            Event::Menu(heard) => self.hear_menu(heard, now),
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
            Command::Hear(station) => {
                self.tap_station(station);
                Vec::new()
            }
            Command::StopHearing => self.decide(Event::Hear(None), now),
            Command::Answer => self.step(call::Event::Answer, now),
            Command::Cancel | Command::Decline | Command::HangUp => {
                self.step(call::Event::HangUp, now)
            }
            Command::Louder => self.set_volume(self.volume + 1),
            Command::Quieter => self.set_volume(self.volume.saturating_sub(1)),
            Command::Hide => self.hide(!self.hidden, now),
            Command::Home => self.home(now),
            Command::EarlierTiles => {
                self.tile_page = self.tile_page.saturating_sub(1);
                Vec::new()
            }
            Command::LaterTiles => {
                if (self.tile_page + 1) * TILES < self.tile_count() {
                    self.tile_page += 1;
                }
                Vec::new()
            }
            Command::Menu(tap) => self.tap_menu(tap, now),
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

    fn set_volume(&mut self, volume: u8) -> Vec<Effect> {
        let volume = volume.min(VOLUME_MOST);
        if volume == std::mem::replace(&mut self.volume, volume) {
            return Vec::new();
        }
        vec![Effect::Volume(volume)]
    }

    fn hide(&mut self, hidden: bool, now: Time) -> Vec<Effect> {
        let (State::Established { party, .. } | State::Reconnecting { party, .. }) =
            *self.machine.state()
        else {
            return Vec::new();
        };
        if hidden == std::mem::replace(&mut self.hidden, hidden) {
            return Vec::new();
        }
        self.pictures.ours_anew(now);
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
            let visit = self.visit_over(&effect);
            effects.push(self.adopt(effect, now));
            effects.extend(visit);
        }
        if let Some(peer) = new_link.filter(|peer| self.talks_with(*peer)) {
            // What they were told last may have gone with the link.
            self.pictures.link_renewed(now);
            let hide = Signal::Hide { picture: self.hidden, sound: self.hidden };
            effects.push(Effect::Send(peer, hide));
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
                self.pictures = Pictures::new(now);
                self.news = News::default();
                self.budget.begin(now);
                self.outage = Outage::default();
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

    /// Note that a contact was up at a moment, in seconds since 1970.
    pub fn seen(&mut self, peer: PeerKey, at: u64) {
        if let Some(neighbour) = self.neighbour_mut(peer) {
            neighbour.seen = Some(at);
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
