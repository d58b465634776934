//! Pairing at the relay: one waits at a place that follows from its words, the other one comes there.
//!
//! ```text
//!  Ask::Offer ──> words ── is somebody there? ── yes: other words
//!                   └─ no: the relay listens there for us ──> Desk ──> offer::Offer ──> News
//!  Ask::Join ───> words ── a channel to that place, again for a few seconds ──> talk::Talk ──> News
//! ```
//! Places: `pair-N.sock` beside the kiosks' own sockets at a plain login, `/pair/N.sock` at a hardened
//! relay, port 19990 + N of its loopback address where it forwards ports only; N is 0 to 7. What comes
//! there is a stranger's: it gets to the machines of [`crate::pairing`] and to nothing else, two at a
//! time, 4 KiB each. When the session with the relay is lost, the same words wait there again as soon
//! as there is another one. One thing at a time: a new ask puts an end to what was under way.

mod desk;
mod line;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub(super) use self::desk::Desk;
use self::desk::Line;
use self::line::{Carrier, Heard};
use super::client::Place;
use super::relay::Outer;
use super::{EventSink, RelayConfig};
use crate::card::Card;
use crate::clock::{self, Time};
use crate::identity::PeerKey;
use crate::meeting;
use crate::name::clean_name;
use crate::pairing::offer::{self, Effect, Offer};
use crate::pairing::talk::{Input, Output, Talk};
use crate::pairing::{Ask, News, Refusal, Words, words};

/// The first of the ports where offers wait.
const FIRST_PORT: u16 = 19_990;
/// Words that are tried until a place is free.
const SETTLE: usize = 16;
/// How long the relay may take over any of it.
const RELAY_LIMIT: Duration = Duration::from_secs(10);
/// Nobody is there: it is tried again for so long ...
const NOBODY: Duration = Duration::from_secs(8);
/// ... and when somebody is, but has no ear for us, for so long ...
const BUSY: Duration = Duration::from_secs(30);
/// ... so often.
const AGAIN: Duration = Duration::from_millis(500);

/// What there is to meet at.
#[derive(Clone)]
pub(super) struct Point {
    /// The session with the relay, when there is one.
    pub(super) outer: Option<Arc<Outer>>,
    /// The relay, whether it is there or not.
    pub(super) relay: Option<Arc<RelayConfig>>,
}

/// As whom.
#[derive(Clone)]
pub(super) struct Us {
    /// What we call ourselves.
    pub(super) name: String,
    /// Our key.
    pub(super) key: PeerKey,
    /// Where our own door listens.
    pub(super) door: Option<SocketAddr>,
}

impl Us {
    /// Our card: name, key, the relay we are at, and our door if it is on an address that others can know.
    /// Reads the relay's pins: it may wait for the disk.
    pub(super) fn card(&self, relay: Option<&RelayConfig>) -> Card {
        let name = match clean_name(&self.name) {
            name if name.is_empty() => "Twocan".to_owned(),
            name => name,
        };
        let known = self.door.filter(|door| !door.ip().is_unspecified() && door.port() != 0);
        let direct = known.and_then(|door| door.to_string().parse().ok());
        let meeting = relay.and_then(RelayConfig::point).into_iter().collect();
        Card { name, key: self.key, meeting, direct: direct.into_iter().collect() }
    }
}

/// The places of a slot, best first.
fn places(outer: &Outer, slot: u8) -> Vec<Place> {
    if outer.has_places() {
        return vec![Place::Socket(meeting::pairing_socket(slot))];
    }
    let socket = outer
        .folder()
        .map(|folder| Place::Socket(format!("{}/pair-{slot}.sock", folder.trim_end_matches('/'))));
    socket.into_iter().chain([Place::Port(FIRST_PORT + u16::from(slot))]).collect()
}

/// The task; see the top of the file.
pub(super) struct Meet {
    /// Who we are.
    pub(super) us: Us,
    /// The relay, as it comes and goes.
    pub(super) point: watch::Receiver<Point>,
    /// Shared with the sessions to the relay.
    pub(super) desk: Arc<Desk>,
    /// What people want.
    pub(super) asks: mpsc::Receiver<Ask>,
    /// Where news go.
    pub(super) events: EventSink,
}

/// How an attempt to join ended.
enum Attempt {
    /// With news; perhaps because something else was asked.
    Over(Option<Ask>),
    /// Nobody said a word.
    Unheard { there: bool },
}

impl Meet {
    /// Do what is asked, one thing after the other, for ever.
    pub(super) async fn run(mut self) {
        let mut next = None;
        loop {
            let ask = match next.take() {
                Some(ask) => ask,
                None => match self.asks.recv().await {
                    Some(ask) => ask,
                    None => return,
                },
            };
            next = match ask {
                Ask::Offer => self.offer().await,
                Ask::Join(words) => self.join(&words).await,
                // Of what is over.
                Ask::Same(_) | Ask::Stop => None,
            };
        }
    }

    async fn card(&self, relay: Option<Arc<RelayConfig>>) -> Card {
        let us = self.us.clone();
        let made = tokio::task::spawn_blocking(move || us.card(relay.as_deref())).await;
        made.unwrap_or_else(|_| self.us.card(None))
    }

    fn say(&self, news: News) {
        (self.events)(super::Event::Pairing(news));
    }

    fn fail(&self, refusal: Refusal) -> Option<Ask> {
        self.say(News::Failed(refusal));
        None
    }

    async fn offer(&mut self) -> Option<Ask> {
        let Point { mut outer, relay } = self.point.borrow_and_update().clone();
        let Some(first) = outer.clone() else { return self.fail(Refusal::NoMeeting) };
        let Some((words, mut place, mut visitors)) = self.settle(&first).await else {
            return self.fail(Refusal::NoMeeting);
        };
        let mut offer = Offer::new(words, self.card(relay).await, clock::now());
        self.say(News::Words(words));
        let (tell, mut heard) = mpsc::unbounded_channel::<Heard>();
        let (mut lines, mut last) = (HashMap::new(), 0);
        let mut next = None;
        'offer: loop {
            let said;
            let event = tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(Ask::Same(same)) => offer::Event::Same(same),
                    Some(Ask::Stop) | None => offer::Event::Stop,
                    Some(other) => {
                        next = Some(other);
                        offer::Event::Stop
                    }
                },
                Some(stream) = visitors.recv() => {
                    last += 1;
                    lines.insert(last, Carrier::start(last, stream, tell.clone()));
                    offer::Event::Came(last)
                }
                Some((who, message)) = heard.recv() => {
                    said = message;
                    let cut = Input::Cut;
                    offer::Event::To(who, said.as_ref().map_or(cut, |said| Input::Message(said)))
                }
                Ok(()) = self.point.changed() => {
                    let point = self.point.borrow_and_update().clone();
                    let same = match (&outer, &point.outer) {
                        (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                        _ => false,
                    };
                    outer = point.outer;
                    if let (Some(new), false, false) = (&outer, same, offer.is_chosen()) {
                        let places = places(new, words::slot(offer.words()));
                        // Our own former session may hold the place still: nobody is looked for.
                        match self.listen(new, places, false).await {
                            Some((at, came)) => (place, visitors) = (at, came),
                            None => {
                                self.fail(Refusal::NoMeeting);
                                break 'offer;
                            }
                        }
                    }
                    continue;
                }
                () = until(offer.deadline()) => offer::Event::Tick,
            };
            for effect in offer.handle(event, clock::now()) {
                match effect {
                    Effect::Send(who, bytes) => {
                        if let Some(line) = lines.get(&who) {
                            Carrier::send(line, bytes);
                        }
                    }
                    Effect::Close(who) => drop(lines.remove(&who)),
                    // What was stopped for something else is not told of.
                    Effect::Say(_) if next.is_some() => {}
                    Effect::Say(news) => self.say(news),
                    Effect::NewWords => {
                        let old = outer.clone().filter(|_| next.is_none());
                        let Some(outer) = old else {
                            self.fail(Refusal::NoMeeting);
                            break 'offer;
                        };
                        self.leave(&outer, &place).await;
                        let Some((words, at, came)) = self.settle(&outer).await else {
                            self.fail(Refusal::NoMeeting);
                            break 'offer;
                        };
                        (place, visitors) = (at, came);
                        offer.renew(words, clock::now());
                        self.say(News::Words(words));
                    }
                    Effect::Over => break 'offer,
                }
            }
        }
        self.desk.close();
        // Lines that have something to say go on until it is said.
        drop(lines);
        if let Some(outer) = outer {
            self.leave(&outer, &place).await;
        }
        next
    }

    /// New words, at whose place nobody is, and where the relay listens for us.
    async fn settle(&self, outer: &Outer) -> Option<(Words, Place, mpsc::Receiver<Line>)> {
        for _ in 0..SETTLE {
            let words = words::random();
            let places = places(outer, words::slot(&words));
            if let Some((place, visitors)) = self.listen(outer, places, true).await {
                return Some((words, place, visitors));
            }
        }
        None
    }

    /// Have the relay listen at the first of these places where it does; `look`: and where nobody is.
    async fn listen(
        &self,
        outer: &Outer,
        places: Vec<Place>,
        look: bool,
    ) -> Option<(Place, mpsc::Receiver<Line>)> {
        let all = async {
            for place in places {
                if look && outer.open(&place).await.is_ok() {
                    // At any of them: who looks for us would find the other one.
                    return None;
                }
                let visitors = self.desk.open(place.clone());
                if outer.listen_beside(&place).await {
                    return Some((place, visitors));
                }
            }
            None
        };
        tokio::time::timeout(RELAY_LIMIT, all).await.unwrap_or(None)
    }

    async fn leave(&self, outer: &Outer, place: &Place) {
        self.desk.close();
        let leave = outer.leave(place);
        // A relay that does not answer is gone, and the place with it.
        let _ = tokio::time::timeout(RELAY_LIMIT, leave).await;
    }

    async fn join(&mut self, words: &Words) -> Option<Ask> {
        let began = clock::now();
        if self.point.borrow().outer.is_none() {
            return self.fail(Refusal::NoMeeting);
        }
        loop {
            let attempt = match self.reach(words).await {
                Some(line) => self.talk(line, words).await,
                None => Attempt::Unheard { there: false },
            };
            let there = match attempt {
                Attempt::Over(next) => return next,
                Attempt::Unheard { there } => there,
            };
            if clock::now().since(began) >= if there { BUSY } else { NOBODY } {
                return self.fail(Refusal::Nobody);
            }
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask @ (Ask::Offer | Ask::Join(_))) => return Some(ask),
                    Some(Ask::Stop) | None => return self.fail(Refusal::Stopped),
                    Some(Ask::Same(_)) => {}
                },
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// A line to where these words wait.
    async fn reach(&self, words: &Words) -> Option<Line> {
        let outer = self.point.borrow().outer.clone()?;
        let all = async {
            for place in places(&outer, words::slot(words)) {
                if let Ok(line) = outer.open(&place).await {
                    return Some(line);
                }
            }
            None
        };
        tokio::time::timeout(RELAY_LIMIT, all).await.unwrap_or(None)
    }

    async fn talk(&mut self, line: Line, words: &Words) -> Attempt {
        let (tell, mut heard) = mpsc::unbounded_channel::<Heard>();
        let line = Carrier::start(0, line, tell);
        let relay = self.point.borrow().relay.clone();
        let card = self.card(relay).await;
        let (mut talk, mut outputs) = Talk::join(words, &card, clock::now());
        let mut next = None;
        loop {
            for output in outputs {
                match output {
                    Output::Send(bytes) => line.send(bytes),
                    Output::Say(news) if next.is_none() => self.say(news),
                    Output::Say(_) | Output::WrongTry => {}
                    Output::End => return Attempt::Over(next),
                }
            }
            let said;
            let input = tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(Ask::Same(same)) => Input::Same(same),
                    Some(Ask::Stop) | None => Input::Stop,
                    Some(other) => {
                        next = Some(other);
                        Input::Stop
                    }
                },
                message = heard.recv() => {
                    said = message.and_then(|(_, said)| said);
                    match &said {
                        Some(said) => Input::Message(said),
                        None if talk.is_unheard() => return Attempt::Unheard { there: true },
                        None => Input::Cut,
                    }
                }
                () = until(talk.deadline()) => Input::Tick,
            };
            outputs = talk.handle(input, clock::now());
        }
    }
}

async fn until(due: Option<Time>) {
    match due {
        Some(due) => tokio::time::sleep(due.since(clock::now())).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_says_where_its_kiosk_is_met_and_tells_no_shared_login_where_there_is_none() {
        let relay = RelayConfig {
            host: "relay.example.org".to_owned(),
            port: 2222,
            user: "family".to_owned(),
            pins: crate::known_hosts::HostPins::only(PeerKey([2; 32]).public_key()),
            folder: None,
            place: None,
        };
        let us = |name: &str, door: &str| Us {
            name: name.to_owned(),
            key: PeerKey([1; 32]),
            door: Some(door.parse().unwrap()),
        };
        let plain = us("Anna", "0.0.0.0:22").card(Some(&relay));
        assert_eq!(plain.meeting[0].user.as_ref().map(|user| user.as_str()), Some("family"));
        assert!(plain.direct.is_empty(), "an address that means any is none");
        let own = RelayConfig { place: Some("/anna/".parse().unwrap()), ..relay };
        let hardened = us("\u{202e}", "192.0.2.7:22").card(Some(&own));
        assert_eq!((&hardened.meeting[0].user, &hardened.meeting[0].place), (&None, &own.place));
        assert_eq!(hardened.direct[0].to_string(), "192.0.2.7:22");
        assert_eq!(hardened.name, "Twocan");
    }
}
