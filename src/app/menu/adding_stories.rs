//! Adding somebody, tap by tap: in one room, by words, and a relay's code.

use super::stories::{CARLA, US, WORDS, card, ticket, world};
use super::{Effect, Heard, IDLE, WAITING};
use crate::app::stories::{ANNA, at, neighbour};
use crate::identity::PeerKey;
use crate::pairing::{Ask, News, Refusal, four_of};
use crate::pin::{Guard, Tried};
use crate::ui::menu::MenuPage;
use crate::ui::menu::MenuTap::{
    self, Add, Back, Close, EnterWords, Open, People, RelayCode, SameRoom, ShowWords,
};

#[test]
fn two_screens_in_one_room_scan_each_other_and_the_pictures_decide() {
    let mut world = world();
    world.taps(&[Open, Add, SameRoom]);
    let Some(MenuPage::Scan { code, got: None, .. }) = world.page() else { panic!("no code") };
    assert_eq!(code, world.facts.card);
    world.hear(Heard::Scanned("https://example.org".to_owned()));
    assert_eq!(world.sentence(), "That code is not for this screen.");
    world.hear(Heard::Scanned(card("Us", US).to_text()));
    assert_eq!(world.sentence(), "That is the code of this screen itself.");
    world.tap(MenuTap::Next);
    assert_eq!(world.name(), "scan", "nobody's code was read yet");
    let carla = card("Carla", CARLA);
    world.hear(Heard::Scanned(carla.to_text()));
    // Somebody else's code does not take the place of the one that was read.
    world.hear(Heard::Scanned(card("Mallory", PeerKey([66; 32])).to_text()));
    world.tap(MenuTap::Next);
    let Some(MenuPage::Compare { name, four, waiting: false }) = world.page() else { panic!() };
    assert_eq!((&*name, four), ("Carla", four_of(CARLA, US)));
    assert_eq!(world.asked(), []);
    world.tap(MenuTap::Same);
    assert_eq!(world.asked(), [Effect::Adopt(carla)]);
    world.hear(Heard::Adopted(Ok("Carla".to_owned())));
    assert_eq!(world.sentence(), "Carla is on your screen now.");
    assert_eq!(world.taps(&[Back]), "home");
    // And when they differ nobody is added.
    world.taps(&[Open, Add, SameRoom]);
    world.hear(Heard::Scanned(card("Carla", CARLA).to_text()));
    world.taps(&[MenuTap::Next, MenuTap::NotSame]);
    assert_eq!(world.asked(), []);
    assert!(matches!(world.page(), Some(MenuPage::Result { good: false, again: true, .. })));
    assert_eq!(world.taps(&[MenuTap::Again]), "scan");
}

#[test]
fn a_relays_code_is_taken_on_either_scanning_page() {
    for way in [SameRoom, RelayCode] {
        let mut world = world();
        world.taps(&[Open, Add, way]);
        world.hear(Heard::Scanned(ticket()));
        assert!(matches!(world.asked()[..], [Effect::Enrol(_)]));
        assert_eq!((world.name(), world.camera), ("working", false));
        world.hear(Heard::Enrolled(Ok("relay.example.org".to_owned())));
        assert_eq!(world.sentence(), "This screen has a meeting point now: relay.example.org.");
        assert_eq!(world.taps(&[Back]), "add", "and now somebody to meet there");
    }
}

#[test]
fn words_are_shown_read_out_compared_and_a_contact_is_made() {
    let mut world = world();
    world.taps(&[Open, Add, ShowWords]);
    assert_eq!(world.asked(), [Effect::Pair(Ask::Offer)]);
    assert_eq!(world.sentence(), "The words are being made…");
    world.hear(Heard::Pairing(News::Words(WORDS)));
    let Some(MenuPage::Words { words, .. }) = world.page() else { panic!() };
    assert_eq!(words, WORDS);
    world.hear(Heard::Pairing(News::WrongTry { left: 0 }));
    world.hear(Heard::Pairing(News::Words(["act"; 4])));
    assert!(world.sentence().starts_with("There were too many wrong words."));
    let carla = card("Carla", CARLA);
    let four = [1, 2, 3, 4];
    world.hear(Heard::Pairing(News::Compare { card: carla.clone(), four }));
    world.taps(&[MenuTap::Same, MenuTap::Same, MenuTap::NotSame]);
    assert_eq!(world.asked(), [Effect::Pair(Ask::Same(true))], "said once");
    assert!(matches!(world.page(), Some(MenuPage::Compare { waiting: true, .. })));
    world.hear(Heard::Pairing(News::Paired(carla.clone())));
    assert_eq!(world.asked(), [Effect::Adopt(carla)]);
    world.hear(Heard::Adopted(Ok("Carla".to_owned())));
    assert!(matches!(world.page(), Some(MenuPage::Result { good: true, .. })));
    world.tap(Close);
    assert_eq!(world.asked(), [], "there is nothing to stop any more");
}

#[test]
fn words_are_entered_letter_by_letter_and_what_comes_of_it_is_said() {
    let mut world = world();
    world.taps(&[Open, Add, EnterWords]);
    for _ in 0..4 {
        "zoo".chars().for_each(|letter| world.tap(MenuTap::Letter(letter)));
        world.tap(MenuTap::Choice(0));
    }
    assert_eq!(world.asked(), [Effect::Pair(Ask::Join(["zoo"; 4]))]);
    assert_eq!(world.sentence(), "Looking for the other screen…");
    // An older pairing that was stopped here says so late: that is not this one.
    world.hear(Heard::Pairing(News::Failed(Refusal::Stopped)));
    assert_eq!(world.name(), "working");
    world.hear(Heard::Pairing(News::Failed(Refusal::WrongWords)));
    assert_eq!(world.sentence(), "The words were not the right ones. Please ask for them again.");
    assert_eq!(world.taps(&[MenuTap::Again]), "enter-words");
    // Back on the way is a polite stop.
    for _ in 0..4 {
        "zoo".chars().for_each(|letter| world.tap(MenuTap::Letter(letter)));
        world.tap(MenuTap::Choice(0));
    }
    world.asked();
    assert_eq!(world.taps(&[Back]), "add");
    assert_eq!(world.asked(), [Effect::Pair(Ask::Stop)]);
    world.hear(Heard::Pairing(News::Compare { card: card("Carla", CARLA), four: [0; 4] }));
    assert_eq!(world.name(), "add");
}

#[test]
fn without_a_meeting_point_words_are_refused_at_once() {
    let mut world = world();
    world.meeting = false;
    for way in [ShowWords, EnterWords] {
        assert_eq!(world.taps(&[Open, Add, way]), "result");
        world.tap(Close);
    }
    assert_eq!(world.asked(), []);
}

#[test]
fn it_goes_home_after_three_minutes_but_waits_a_quarter_of_an_hour_for_somebody() {
    let mut world = world();
    world.taps(&[Open, Add, SameRoom]);
    assert_eq!(world.menu.deadline(), Some(at(100) + IDLE));
    world.now = at(100) + IDLE;
    world.tend();
    assert_eq!((world.name(), world.camera), ("home", false));
    let began = world.now;
    world.taps(&[Open, Add, ShowWords]);
    world.asked();
    world.now = began + IDLE;
    world.tend();
    assert_eq!(world.name(), "words");
    world.now = began + WAITING;
    world.tend();
    assert_eq!((world.name(), world.asked()), ("home", vec![Effect::Pair(Ask::Stop)]));
}

#[test]
fn whoever_knows_nobody_has_the_three_choices_for_a_home_behind_the_pin_if_there_is_one() {
    let mut world = world();
    world.neighbours.clear();
    assert_eq!(world.taps(&[SameRoom]), "scan");
    assert_eq!(world.taps(&[Back]), "add");
    assert_eq!(world.taps(&[Back]), "home");
    assert_eq!(world.taps(&[Back]), "settings", "there is no clock to hold on that page");
    world.tap(Close);
    world.facts.guard = Guard::Closed;
    assert_eq!(world.taps(&[ShowWords]), "pin");
    world.pin("4711");
    world.tried(Tried::Right);
    assert_eq!((world.name(), world.asked()), ("words", vec![Effect::Pair(Ask::Offer)]));
    // With somebody there, nothing but the clock opens anything.
    world.tap(Close);
    world.neighbours.push(neighbour(ANNA, "Anna"));
    assert_eq!(world.taps(&[Back, SameRoom, Add, People, MenuTap::Pin]), "home");
}
