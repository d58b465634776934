//! The pages behind home, tap by tap, with no thread, no file and no clock.

use std::collections::HashSet;

use chrono::{DateTime, Local, TimeZone};

use super::{Effect, Facts, Heard, IDLE, Known, LookIn, Menu, MissedCall, Permission, WAITING};
use crate::app::facts::Neighbour;
use crate::app::stories::{ANNA, BERT, at, neighbour};
use crate::card::{Card, ticket_text};
use crate::clock::Time;
use crate::config::QuietHours;
use crate::identity::PeerKey;
use crate::meeting::{MeetingPoint, Ticket};
use crate::pairing::{Ask, News, Refusal, Words, four_of};
use crate::pin::{Guard, Tried};
use crate::settings::{Change, usual_night};
use crate::ui::menu::{MenuPage, MenuTap};

const US: PeerKey = PeerKey([1; 32]);
const CARLA: PeerKey = PeerKey([4; 32]);
const WORDS: Words = ["zoo", "act", "apple", "young"];

/// The menu, what it knows, and what is done for it at once; all else waits in `asked`.
struct World {
    menu: Menu,
    neighbours: Vec<Neighbour>,
    facts: Facts,
    meeting: bool,
    camera: bool,
    asked: Vec<Effect>,
    now: Time,
}

fn world() -> World {
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

fn card(name: &str, key: PeerKey) -> Card {
    Card { name: name.to_owned(), key, meeting: Vec::new(), direct: Vec::new() }
}

fn ticket() -> String {
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
    fn step(&mut self, step: impl FnOnce(&mut Menu, &Known<'_>, Time) -> Vec<Effect>) {
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

    fn tap(&mut self, tap: MenuTap) {
        self.step(|menu, known, now| menu.tap(tap, known, now));
    }

    fn taps(&mut self, taps: &[MenuTap]) -> &'static str {
        taps.iter().for_each(|tap| self.tap(*tap));
        self.name()
    }

    fn hear(&mut self, heard: Heard) {
        self.step(|menu, known, now| menu.hear(heard, known, now));
    }

    fn tend(&mut self) {
        self.step(|_, _, _| Vec::new());
    }

    fn page(&self) -> Option<MenuPage> {
        let known = Known {
            us: US,
            neighbours: &self.neighbours,
            here: vec![true, false],
            meeting: self.meeting,
        };
        self.menu.page(&known, self.now, wall())
    }

    /// Of the page on show; `home` where none is.
    fn name(&self) -> &'static str {
        self.page().map_or("home", |page| page.name())
    }

    fn sentence(&self) -> String {
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

    fn asked(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.asked)
    }

    /// Enter digits, as far as OK.
    fn pin(&mut self, digits: &str) {
        for digit in digits.bytes() {
            self.tap(MenuTap::Digit(digit - b'0'));
        }
        self.tap(MenuTap::Enter);
    }

    /// The PIN that was entered has been looked at.
    fn tried(&mut self, tried: Tried) {
        let Some(Effect::CheckPin { turn, .. }) = self.asked.pop() else { panic!("no PIN") };
        self.hear(Heard::Pin { turn, tried: Some(tried) });
    }
}

use MenuTap::{
    Add, Back, Close, EnterWords, LookIns, Missed, Open, People, QuietHours as Quiet, RelayCode,
    SameRoom, ShowWords,
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

/// A cheap generator: the same taps on every machine.
fn dice(seed: &mut u64) -> impl FnMut(usize) -> usize + '_ {
    move |sides| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) as usize % sides
    }
}

fn any_tap(roll: &mut impl FnMut(usize) -> usize) -> MenuTap {
    let steps = [-1, 1, 127, -128];
    match roll(38) {
        0..=2 => Open,
        3 => Back,
        4 => Close,
        5..=7 => MenuTap::Digit(u8::try_from(roll(11)).unwrap()),
        8 => MenuTap::Erase,
        9..=10 => MenuTap::Enter,
        11 => MenuTap::RingVolume(steps[roll(4)]),
        12 => MenuTap::TryRing,
        13 => MenuTap::Brightness(steps[roll(4)]),
        14 => Quiet,
        15 => MenuTap::QuietOnOff,
        16 => MenuTap::QuietFrom(steps[roll(4)]),
        17 => MenuTap::QuietTo(steps[roll(4)]),
        18 => MenuTap::Pin,
        19 => People,
        20 => MenuTap::Person([ANNA, BERT, CARLA][roll(3)]),
        21 => [MenuTap::MayRing, MenuTap::InQuietHours, MenuTap::LookIn][roll(3)],
        22 => MenuTap::Forget,
        23 => Missed,
        24 => LookIns,
        25 => MenuTap::Earlier,
        26 => MenuTap::Later,
        27 => Add,
        28 => SameRoom,
        29 => ShowWords,
        30 => EnterWords,
        31 => RelayCode,
        32 => MenuTap::Letter(char::from(b'`' + u8::try_from(roll(28)).unwrap())),
        33 => MenuTap::Choice(u8::try_from(roll(6)).unwrap()),
        34 => MenuTap::Next,
        35 => MenuTap::Same,
        36 => MenuTap::NotSame,
        _ => MenuTap::Again,
    }
}

fn any_news(roll: &mut impl FnMut(usize) -> usize, turn: u64) -> Heard {
    let cards = [card("Carla", CARLA), card("Us", US), card("Anna", ANNA)];
    let some = cards[roll(3)].clone();
    let (right, later) = (Some(Tried::Right), Some(at(1_000_000)));
    match roll(16) {
        0..=1 => Heard::Pin { turn, tried: right },
        2 => Heard::Pin { turn, tried: Some(Tried::Wrong { until: [None, later][roll(2)] }) },
        3 => Heard::Pin { turn, tried: None },
        4 => {
            Heard::PinKept { turn, guard: [None, Some(Guard::Open), Some(Guard::Closed)][roll(3)] }
        }
        5 => Heard::Pairing(News::Words(WORDS)),
        6 => Heard::Pairing(News::WrongTry { left: u8::try_from(roll(4)).unwrap() }),
        7 => Heard::Pairing(News::Compare { card: some, four: [31; 4] }),
        8 => Heard::Pairing(News::TheirTurn),
        9 => Heard::Pairing(News::Paired(some)),
        10 => Heard::Pairing(News::Failed([Refusal::Stopped, Refusal::Broken][roll(2)])),
        11 => Heard::Scanned(some.to_text()),
        12 => Heard::Scanned([ticket(), "rubbish".to_owned()][roll(2)].clone()),
        13 => Heard::Adopted([Ok("Carla".to_owned()), Err(String::new())][roll(2)].clone()),
        14 => Heard::Enrolled([Ok("host".to_owned()), Err(String::new())][roll(2)].clone()),
        _ => Heard::Camera(roll(2) == 0),
    }
}

/// A hundred thousand fingers and strangers: nothing panics, home is never far, the camera is open on
/// its page alone (every step looks), and all pages were there.
#[test]
fn whatever_is_touched_and_heard_home_is_within_six_backs() {
    let mut seed = 20_261_121;
    let mut roll = dice(&mut seed);
    let mut world = world();
    let mut seen = HashSet::new();
    for round in 0..100_000 {
        match roll(8) {
            0 => {
                let turn = world.menu.turn;
                world.hear(any_news(&mut roll, turn));
            }
            1 => {
                world.now = world.now + std::time::Duration::from_secs(roll(240) as u64);
                world.tend();
            }
            _ => world.tap(any_tap(&mut roll)),
        }
        world.asked.clear();
        seen.insert(world.name());
        if round % 50 == 0 {
            let guards = [Guard::Open, Guard::Open, Guard::Open, Guard::Closed, Guard::Broken];
            world.facts.guard = guards[roll(5)];
            world.meeting = roll(3) > 0;
            let (mut menu, asked) = (std::mem::take(&mut world.menu), world.asked());
            let kept = menu.clone();
            let known = Known {
                us: US,
                neighbours: &world.neighbours,
                here: vec![],
                meeting: world.meeting,
            };
            let mut backs = 0;
            while menu.is_open() {
                menu.tap(Back, &known, world.now);
                backs += 1;
                assert!(backs <= 6, "{kept:?}");
            }
            (world.menu, world.asked) = (kept, asked);
        }
    }
    let all = [
        "home",
        "pin",
        "settings",
        "quiet-hours",
        "people",
        "person",
        "missed",
        "look-ins",
        "add",
        "scan",
        "words",
        "enter-words",
        "working",
        "compare",
        "result",
    ];
    let missing: Vec<_> = all.into_iter().filter(|name| !seen.contains(name)).collect();
    assert_eq!(missing, [""; 0], "never on show");
}
