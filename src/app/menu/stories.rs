//! The pages behind home, tap by tap, with no thread, no file and no clock: settings, PIN, people.

use chrono::{DateTime, Local, TimeZone};

use super::{Effect, Facts, Heard, Known, LookIn, Menu, MissedCall, Permission};
use crate::app::facts::Neighbour;
use crate::app::stories::{ANNA, BERT, at, neighbour};
use crate::card::{Card, ticket_text};
use crate::clock::Time;
use crate::config::QuietHours;
use crate::identity::PeerKey;
use crate::meeting::{MeetingPoint, Ticket};
use crate::pairing::Words;
use crate::pin::{Guard, Tried};
use crate::settings::{Change, usual_night};
use crate::ui::menu::{MenuPage, MenuTap};

pub(super) const US: PeerKey = PeerKey([1; 32]);
pub(super) const CARLA: PeerKey = PeerKey([4; 32]);
pub(super) const WORDS: Words = ["zoo", "act", "apple", "young"];

/// The menu, what it knows, and what is done for it at once; all else waits in `asked`.
pub(super) struct World {
    pub(super) menu: Menu,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) facts: Facts,
    pub(super) meeting: bool,
    pub(super) camera: bool,
    pub(super) asked: Vec<Effect>,
    pub(super) now: Time,
}

pub(super) fn world() -> World {
    let (from, to) = usual_night();
    let facts = Facts {
        card: card("Us", US).to_text(),
        ring_volume: 8,
        brightness: 5,
        quiet_before: QuietHours::between(from, to).unwrap(),
        look_ins_whole: true,
        ..Facts::default()
    };
    World {
        menu: Menu::default(),
        neighbours: vec![neighbour(ANNA, "Anna"), neighbour(BERT, "Bert")],
        facts,
        meeting: true,
        camera: false,
        asked: Vec::new(),
        now: at(100),
    }
}

pub(super) fn card(name: &str, key: PeerKey) -> Card {
    Card { name: name.to_owned(), key, meeting: Vec::new(), direct: Vec::new() }
}

pub(super) fn ticket() -> String {
    let point = MeetingPoint {
        host: "relay.example.org".parse().unwrap(),
        port: 22,
        host_key: PeerKey([9; 32]).to_openssh("").parse().unwrap(),
        user: Some("kiosk-anna".parse().unwrap()),
        place: Some("/anna/".parse().unwrap()),
    };
    ticket_text(&Ticket { point, seed: [3; 32] })
}

fn wall() -> DateTime<Local> {
    Local.with_ymd_and_hms(2026, 11, 21, 14, 5, 0).unwrap()
}

impl World {
    pub(super) fn step(&mut self, step: impl FnOnce(&mut Menu, &Known<'_>, Time) -> Vec<Effect>) {
        let known = Known {
            us: US,
            neighbours: &self.neighbours,
            here: vec![true, false],
            meeting: self.meeting,
        };
        let mut effects = step(&mut self.menu, &known, self.now);
        effects.extend(self.menu.tend(true, &known, self.now));
        for effect in effects {
            match effect {
                Effect::Read => {
                    let facts = Heard::Facts(Box::new(self.facts.clone()));
                    self.hear(facts);
                }
                Effect::Scan(open) => {
                    assert_ne!(self.camera, open, "opened or closed twice");
                    self.camera = open;
                }
                effect => self.asked.push(effect),
            }
        }
        assert_eq!(self.camera, self.name() == "scan", "the camera is open on its page alone");
    }

    pub(super) fn tap(&mut self, tap: MenuTap) {
        self.step(|menu, known, now| menu.tap(tap, known, now));
    }

    pub(super) fn taps(&mut self, taps: &[MenuTap]) -> &'static str {
        taps.iter().for_each(|tap| self.tap(*tap));
        self.name()
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        self.step(|menu, known, now| menu.hear(heard, known, now));
    }

    pub(super) fn tend(&mut self) {
        self.step(|_, _, _| Vec::new());
    }

    pub(super) fn page(&self) -> Option<MenuPage> {
        let known = Known {
            us: US,
            neighbours: &self.neighbours,
            here: vec![true, false],
            meeting: self.meeting,
        };
        self.menu.page(&known, self.now, wall())
    }

    /// Of the page on show; `home` where none is.
    pub(super) fn name(&self) -> &'static str {
        self.page().map_or("home", |page| page.name())
    }

    pub(super) fn sentence(&self) -> String {
        match self.page() {
            Some(
                MenuPage::Pin { sentence, .. }
                | MenuPage::Scan { sentence, .. }
                | MenuPage::Words { sentence, .. }
                | MenuPage::Working { sentence }
                | MenuPage::Result { sentence, .. },
            ) => sentence,
            page => panic!("{page:?} has no sentence"),
        }
    }

    pub(super) fn asked(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.asked)
    }

    /// Enter digits, as far as OK.
    pub(super) fn pin(&mut self, digits: &str) {
        for digit in digits.bytes() {
            self.tap(MenuTap::Digit(digit - b'0'));
        }
        self.tap(MenuTap::Enter);
    }

    /// The PIN that was entered has been looked at.
    pub(super) fn tried(&mut self, tried: Tried) {
        let Some(Effect::CheckPin { turn, .. }) = self.asked.pop() else { panic!("no PIN") };
        self.hear(Heard::Pin { turn, tried: Some(tried) });
    }
}

use MenuTap::{
    Add, Back, Close, EnterWords, LookIns, Missed, Open, People, QuietHours as Quiet, SameRoom,
    ShowWords,
};

#[test]
fn every_page_is_reached_and_left_by_back() {
    let ways: [(&[MenuTap], &str, &str); 11] = [
        (&[Open], "settings", "home"),
        (&[Open, Quiet], "quiet-hours", "settings"),
        (&[Open, MenuTap::Pin], "pin", "settings"),
        (&[Open, People], "people", "settings"),
        (&[Open, People, MenuTap::Person(BERT)], "person", "people"),
        (&[Open, Missed], "missed", "settings"),
        (&[Open, LookIns], "look-ins", "settings"),
        (&[Open, Add], "add", "settings"),
        (&[Open, Add, SameRoom], "scan", "add"),
        (&[Open, Add, ShowWords], "words", "add"),
        (&[Open, Add, EnterWords], "enter-words", "add"),
    ];
    for (taps, page, before) in ways {
        let mut world = world();
        assert_eq!(world.taps(taps), page);
        assert_eq!(world.taps(&[Back]), before, "{taps:?}");
        world.taps(taps);
        assert_eq!(world.taps(&[Close]), "home", "{taps:?}");
    }
}

#[test]
fn the_pin_is_asked_for_before_anything_else_and_lets_in_whoever_has_it() {
    let mut world = world();
    world.facts.guard = Guard::Closed;
    assert_eq!(world.taps(&[Open]), "pin");
    assert_eq!(world.taps(&[People, Add, MenuTap::Pin, MenuTap::RingVolume(1)]), "pin");
    world.pin("123");
    assert_eq!(world.asked(), [], "too short to be one");
    world.tap(MenuTap::Erase);
    world.pin("34");
    assert_eq!(world.name(), "working");
    // What is touched meanwhile is nothing.
    world.pin("9999");
    let [Effect::CheckPin { turn, .. }] = world.asked()[..] else { panic!("asked twice") };
    world.hear(Heard::Pin { turn: turn + 1, tried: Some(Tried::Right) });
    assert_eq!(world.name(), "working", "the answer to another question");
    world.hear(Heard::Pin { turn, tried: Some(Tried::Right) });
    assert_eq!(world.name(), "settings");
    assert_eq!(world.taps(&[Back, Open]), "pin", "every time");
}

#[test]
fn a_wrong_pin_is_said_and_after_some_the_keys_rest_and_the_page_counts_down() {
    let mut world = world();
    world.facts.guard = Guard::Closed;
    world.taps(&[Open]);
    world.pin("0000");
    world.tried(Tried::Wrong { until: None });
    assert_eq!(world.sentence(), "That was not it. Please try again.");
    world.pin("0000");
    world.tried(Tried::Wrong { until: Some(at(130)) });
    assert_eq!(world.sentence(), "That was not it. Please wait 30 seconds.");
    world.pin("4711");
    assert_eq!(world.asked(), []);
    let Some(MenuPage::Pin { entered: 0, enabled: false, .. }) = world.page() else {
        panic!("{:?}", world.page())
    };
    assert_eq!(world.menu.deadline(), Some(at(110)));
    world.now = at(110);
    world.tend();
    assert_eq!(world.sentence(), "That was not it. Please wait 20 seconds.");
    // Away and back does not help: the facts say the same.
    world.facts.wait = Some(at(130));
    world.taps(&[Close, Open]);
    assert_eq!(world.sentence(), "Please wait 20 seconds.");
    world.now = at(130);
    world.tend();
    let Some(MenuPage::Pin { enabled: true, .. }) = world.page() else { panic!("still") };
}

#[test]
fn a_pin_that_cannot_be_read_keeps_everybody_out() {
    let mut world = world();
    world.facts.guard = Guard::Broken;
    world.taps(&[Open]);
    world.pin("4711");
    assert_eq!((world.name(), world.asked()), ("pin", vec![]));
    assert_eq!(world.taps(&[Back]), "home");
}

#[test]
fn a_pin_is_chosen_by_entering_it_twice_and_taken_away_by_entering_none() {
    let mut world = world();
    world.taps(&[Open, MenuTap::Pin]);
    world.tap(MenuTap::Enter);
    assert_eq!(world.asked(), [], "there is none to take away");
    world.pin("4711");
    world.pin("4712");
    assert!(world.sentence().starts_with("Those were not the same."));
    world.pin("4711");
    world.pin("4711");
    let [Effect::KeepPin { turn, digits: Some(_) }] = world.asked()[..] else { panic!("none") };
    world.hear(Heard::PinKept { turn, guard: Some(Guard::Closed) });
    let Some(MenuPage::Settings { pin: true, .. }) = world.page() else { panic!("not kept") };
    world.taps(&[MenuTap::Pin, MenuTap::Enter]);
    let [Effect::KeepPin { turn, digits: None }] = world.asked()[..] else { panic!("kept") };
    world.hear(Heard::PinKept { turn, guard: None });
    assert_eq!(world.sentence(), "This could not be kept. Please try again later.");
    world.tap(MenuTap::Enter);
    let [Effect::KeepPin { turn, digits: None }] = world.asked()[..] else { panic!("kept") };
    world.hear(Heard::PinKept { turn, guard: Some(Guard::Open) });
    let Some(MenuPage::Settings { pin: false, .. }) = world.page() else { panic!("still") };
}

#[test]
fn ring_light_and_quiet_hours_are_set_within_their_limits_and_kept() {
    let mut world = world();
    world.taps(&[Open, MenuTap::RingVolume(1), MenuTap::RingVolume(1), MenuTap::RingVolume(1)]);
    world.taps(&[MenuTap::Brightness(1), MenuTap::Brightness(-1), MenuTap::Brightness(-128)]);
    let set: Vec<Effect> = [
        Change::RingVolume(9),
        Change::RingVolume(10),
        Change::Brightness(4),
        Change::Brightness(1),
    ]
    .map(Effect::Set)
    .into();
    assert_eq!(world.asked(), set);
    world.taps(&[Quiet, MenuTap::QuietOnOff, MenuTap::QuietFrom(-1), MenuTap::QuietTo(1)]);
    let Some(MenuPage::QuietHours { on: true, from, to, exceptions }) = world.page() else {
        panic!("{:?}", world.page())
    };
    assert_eq!((&*from, &*to, &*exceptions), ("21:30", "07:30", ""));
    // All around the day; the end is stepped over.
    for _ in 0..47 {
        world.tap(MenuTap::QuietFrom(1));
        let Some(MenuPage::QuietHours { from, to, .. }) = world.page() else { panic!() };
        assert_ne!(from, to);
    }
    world.asked();
    world.tap(MenuTap::QuietOnOff);
    let [Effect::Set(Change::Quiet { hours, before })] = world.asked()[..] else { panic!("no") };
    assert_eq!((hours.times(), before.to_string()), (None, "21:30-07:30".to_owned()));
    let Some(MenuPage::Settings { quiet_hours, .. }) = ({
        world.tap(Back);
        world.page()
    }) else {
        panic!("not back")
    };
    assert_eq!(quiet_hours, "off");
}

#[test]
fn the_ring_is_heard_for_one_round_of_the_bell() {
    let mut world = world();
    world.taps(&[Open, MenuTap::TryRing]);
    assert!(world.menu.rings());
    assert_eq!(world.menu.deadline(), Some(at(103)));
    world.now = at(103);
    world.tend();
    assert!(!world.menu.rings());
}

#[test]
fn what_a_person_may_do_is_a_switch_each_and_forgetting_is_asked_twice() {
    let mut world = world();
    world.taps(&[Open, People, MenuTap::Person(BERT), MenuTap::MayRing, MenuTap::LookIn]);
    world.taps(&[MenuTap::Forget, MenuTap::InQuietHours]);
    let permit = |what, allowed| Effect::Permit { peer: BERT, what, allowed };
    let expected = [
        permit(Permission::Ring, false),
        permit(Permission::LookIn, true),
        permit(Permission::InQuietHours, true),
    ];
    assert_eq!(world.asked(), expected);
    world.tap(MenuTap::Forget);
    assert!(matches!(world.page(), Some(MenuPage::Person { forgetting: true, .. })));
    assert_eq!(world.taps(&[MenuTap::Forget]), "people");
    assert_eq!(world.asked(), [Effect::Forget(BERT)]);
    // Gone by another way while the page is on show: so is the page.
    world.tap(MenuTap::Person(BERT));
    world.neighbours.pop();
    world.tend();
    assert_eq!(world.name(), "people");
}

#[test]
fn lists_are_turned_four_rows_at_a_time() {
    let mut world = world();
    let look = |n: u64| LookIn { name: n.to_string(), when: n, how: String::new() };
    world.facts.look_ins = (0..9).map(look).collect();
    let missed = |peer| MissedCall { peer, when: 0, unseen: true };
    world.facts.missed = vec![missed(ANNA), missed(CARLA)];
    world.taps(&[Open, LookIns, MenuTap::Later, MenuTap::Later, MenuTap::Later]);
    let Some(MenuPage::LookIns { list, whole: true }) = world.page() else { panic!() };
    assert_eq!((list.rows.len(), list.earlier, list.later), (1, true, false));
    world.tap(MenuTap::Earlier);
    let Some(MenuPage::LookIns { list, .. }) = world.page() else { panic!() };
    assert_eq!((list.rows.len(), list.earlier, list.later), (4, true, true));
    world.taps(&[Back, Missed]);
    let Some(MenuPage::Missed(list)) = world.page() else { panic!() };
    assert_eq!(list.rows.len(), 1, "who is no contact can't be called back");
}
