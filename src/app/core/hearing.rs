//! The core and the stations that are listened to: when that may begin, and that a call comes first.

use super::{Core, Effect};
use crate::app::hear::{Around, Hear, on_tile};
use crate::call::State;
use crate::caps::STATION_NAME_LIMIT;
use crate::identity::PeerKey;
use crate::ui::screen::{Station, StationId, Subject, Tile};
use crate::wire::signal::{Hearing, Signal};

impl Core {
    /// What is listened to.
    pub fn hear(&self) -> &Hear {
        &self.hear
    }

    /// The station of this place in the configuration.
    pub fn station(&self, id: StationId) -> Option<Station> {
        let hearable = self.settings.hearables.get(id.0)?;
        Some(Station { id, name: hearable.name.as_str().to_owned() })
    }

    /// The tiles of what there is to listen to.
    pub fn station_tiles(&self) -> impl Iterator<Item = Tile> {
        (0..self.settings.hearables.len()).filter_map(|place| {
            let hearable = &self.settings.hearables[place];
            let station = self.station(StationId(place))?;
            let (reachable, state) = self.around(|around| on_tile(hearable, around));
            let state = state.to_owned();
            Some(Tile { subject: Subject::Station(station), reachable, state, missed: None })
        })
    }

    /// How many tiles there are on all pages of home.
    pub fn tile_count(&self) -> usize {
        self.neighbours.len() + self.settings.hearables.len()
    }

    /// A finger wants to hear it: it was at home, or it means nothing any more.
    pub(super) fn tap_station(&mut self, id: StationId) {
        let at_home = *self.machine.state() == State::Idle && !self.menu.is_open();
        if at_home && self.hear.chosen().is_none() {
            self.choose_station(Some(id));
        }
    }

    /// Hear this from now on, or nothing any more.
    pub(super) fn choose_station(&mut self, id: Option<StationId>) {
        self.hear.choose(id.filter(|id| id.0 < self.settings.hearables.len()));
    }

    /// After whatever has happened.
    pub(super) fn follow_hearing(&mut self, effects: &mut Vec<Effect>) {
        let mut hear = std::mem::take(&mut self.hear);
        effects.extend(self.around(|around| hear.follow(around)));
        self.hear = hear;
    }

    /// A kiosk has no stations that others could hear.
    pub(super) fn asked_to_be_heard(&self, peer: PeerKey, station: String) -> Vec<Effect> {
        if station.is_empty() || station.chars().count() > STATION_NAME_LIMIT {
            return Vec::new();
        }
        vec![Effect::Send(peer, Signal::Hearing { station, state: Hearing::Unknown })]
    }

    fn around<T>(&self, look: impl FnOnce(&Around<'_>) -> T) -> T {
        let contact = |name: &str| {
            let known = |known: &&super::Neighbour| is_called(&known.person.name, name);
            let key = self.neighbours.iter().find(known)?.person.key;
            Some((key, self.machine.is_linked(key)))
        };
        look(&Around {
            calm: matches!(self.machine.state(), State::Idle | State::Ended { .. })
                && !self.menu.is_at_work(),
            hearables: &self.settings.hearables,
            contact: &contact,
        })
    }
}

/// Whether it is the same name, be it written with other cases; asked at every event, so nothing is allocated.
fn is_called(name: &str, wanted: &str) -> bool {
    let wanted = wanted.chars().flat_map(char::to_lowercase);
    name.chars().flat_map(char::to_lowercase).eq(wanted)
}
