//! What the core knows, for whoever derives a screen or a status of it.

use super::{Budget, Core, News, Pictures, Power, Settings};
use crate::app::facts::{Meeting, Neighbour};
use crate::app::outage;
use crate::call::State;
use crate::clock::Time;
use crate::identity::PeerKey;
use crate::quality::Quality;

impl Core {
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

    /// How good the pictures of this call are, or of the last one.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// The best pictures that may go either way in this call: what they cost, here and there.
    pub fn allowed(&self) -> Quality {
        self.pictures.allowed(self.budget.allowed())
    }

    /// What calls may cost and have cost.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// How far the loss of the line has come.
    pub fn outage(&self, now: Time) -> Option<outage::Stage> {
        self.outage.stage(now)
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

    /// It is quiet time, as it was said last.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}
