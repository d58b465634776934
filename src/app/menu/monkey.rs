//! The pages behind home under a hundred thousand fingers, strangers and minutes.

use std::collections::HashSet;

use super::stories::{CARLA, US, WORDS, card, ticket, world};
use super::{Heard, Known, NotEnrolled};
use crate::app::stories::{ANNA, BERT, at};
use crate::pairing::{News, Refusal};
use crate::pin::{Guard, Tried};
use crate::ui::menu::MenuTap::{
    self, Add, Back, Close, EnterWords, LookIns, Missed, Open, People, QuietHours as Quiet,
    RelayCode, SameRoom, ShowWords,
};

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
        14 => Heard::Enrolled([Ok("host".to_owned()), Err(NotEnrolled::Refused)][roll(2)].clone()),
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
