//! Where strangers are received while an offer is out: what the relay opens to us at the pairing
//! place goes here, and never to the door.

use std::sync::{Mutex, MutexGuard, PoisonError};

use russh::ChannelStream;
use russh::client::Msg;
use tokio::sync::mpsc;

use crate::pairing::offer::VISITORS;
use crate::tunnel::client::Place;
use crate::tunnel::cut::Severable;
use crate::tunnel::pipe::Pipe;

/// What a conversation runs on.
pub(in crate::tunnel) type Line = Severable<Pipe<ChannelStream<Msg>>>;

/// See the top of the file.
#[derive(Default)]
pub(in crate::tunnel) struct Desk(Mutex<Option<(Place, mpsc::Sender<Line>)>>);

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Option<(Place, mpsc::Sender<Line>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receive who comes to `place` from now on, and nobody anywhere else.
    pub(super) fn open(&self, place: Place) -> mpsc::Receiver<Line> {
        let (sender, visitors) = mpsc::channel(VISITORS);
        *self.lock() = Some((place, sender));
        visitors
    }

    /// Receive nobody any more.
    pub(super) fn close(&self) {
        *self.lock() = None;
    }

    /// A seat for who comes to `place`. None: nobody is expected there, or too many wait.
    pub(in crate::tunnel) fn seat(&self, place: &Place) -> Option<mpsc::OwnedPermit<Line>> {
        let open = self.lock();
        let (_, sender) = open.as_ref().filter(|(expected, _)| expected == place)?;
        sender.clone().try_reserve_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_seats_for_two_at_one_place_and_none_when_it_is_closed() {
        let desk = Desk::default();
        let place = Place::Port(19_990);
        assert!(desk.seat(&place).is_none());
        let _visitors = desk.open(place.clone());
        let seats = [desk.seat(&place), desk.seat(&place)];
        assert!(seats.iter().all(Option::is_some));
        assert!(desk.seat(&place).is_none() && desk.seat(&Place::Port(1)).is_none());
        drop(seats);
        assert!(desk.seat(&place).is_some());
        desk.close();
        assert!(desk.seat(&place).is_none());
    }
}
