//! What two tunnels say of pairing, and what they are asked.

use twocan::card::Card;
use twocan::pairing::{Ask, Four, News, Refusal, Words};
use twocan::tunnel::{Command, Event};

use super::kiosk::Kiosk;

pub fn ask(kiosk: &Kiosk, ask: Ask) {
    kiosk.tunnel.send(Command::Pair(ask));
}

#[track_caller]
pub fn news<T>(kiosk: &Kiosk, what: &str, wanted: impl Fn(&News) -> Option<T>) -> T {
    kiosk.wait(what, |event| match event {
        Event::Pairing(news) => wanted(news),
        _ => None,
    })
}

#[track_caller]
pub fn new_words(kiosk: &Kiosk) -> Words {
    news(kiosk, "words", |news| match news {
        News::Words(words) => Some(*words),
        _ => None,
    })
}

#[track_caller]
pub fn compare(kiosk: &Kiosk) -> (Card, Four) {
    news(kiosk, "pictures", |news| match news {
        News::Compare { card, four } => Some((card.clone(), *four)),
        _ => None,
    })
}

#[track_caller]
pub fn paired(kiosk: &Kiosk) -> Card {
    news(kiosk, "contact", |news| match news {
        News::Paired(card) => Some(card.clone()),
        _ => None,
    })
}

#[track_caller]
pub fn refused(kiosk: &Kiosk) -> Refusal {
    news(kiosk, "refusal", |news| match news {
        News::Failed(refusal) => Some(*refusal),
        _ => None,
    })
}

#[track_caller]
pub fn wrong_try(kiosk: &Kiosk) -> u8 {
    news(kiosk, "wrong try", |news| match news {
        News::WrongTry { left } => Some(*left),
        _ => None,
    })
}
