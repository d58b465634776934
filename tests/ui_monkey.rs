//! Touch escape: a monkey at the panel finds no way past the pages that are published.
//!
//! ```text
//!  random Screen ──> the page        random finger: down, stray, wait, up, cancelled
//!                                         └──> only commands that this page can say
//! ```
//! `TWOCAN_MONKEY=1000000 cargo test --test ui_monkey` for a long run; the seed is printed and taken
//! from `TWOCAN_MONKEY_SEED`.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod ui_common;

use std::time::Duration;

use slint::platform::WindowEvent;
use slint::{ComponentHandle, LogicalPosition};
use twocan::ui::menu::{MenuPage, MenuTap};
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Command, Light, Page, Screen};
use ui_common::menu::*;
use ui_common::*;

/// xorshift64*: the same touches for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What a finger can say on this page. Everything else is an escape.
fn may_be_said(screen: &Screen, command: Command) -> bool {
    if screen.light == Light::Dark {
        return command == Command::Wake;
    }
    if command == Command::Touched {
        return true;
    }
    match (&screen.page, command) {
        (Page::Home { tiles, .. }, Command::Dial(key)) => tiles.iter().any(|tile| tile.is_of(key)),
        (Page::Home { tiles, .. }, Command::Hear(_)) => {
            tiles.iter().any(|tile| tile.command() == command)
        }
        (Page::Hearing { .. }, Command::Louder | Command::Quieter | Command::StopHearing) => true,
        (Page::Home { earlier, .. }, Command::EarlierTiles) => *earlier,
        (Page::Home { later, .. }, Command::LaterTiles) => *later,
        // The only way to the pages behind home.
        (Page::Home { .. }, Command::Menu(MenuTap::Open)) => true,
        (Page::Calling { stoppable, .. }, Command::Cancel) => *stoppable,
        (Page::Incoming { .. }, Command::Answer | Command::Decline) => true,
        (
            Page::InCall { .. },
            Command::Louder | Command::Quieter | Command::Hide | Command::HangUp,
        ) => true,
        (Page::Ended { .. } | Page::Fault { .. }, Command::Home) => true,
        (Page::Menu(_), Command::Menu(MenuTap::Back)) => true,
        (Page::Menu(page), Command::Menu(tap)) => is_on(page, tap),
        _ => false,
    }
}

fn is_on(page: &MenuPage, tap: MenuTap) -> bool {
    use MenuTap as Tap;
    match page {
        MenuPage::Pin { enabled, .. } => {
            *enabled && matches!(tap, Tap::Digit(0..=9) | Tap::Erase | Tap::Enter)
        }
        MenuPage::Settings { .. } => matches!(
            tap,
            Tap::RingVolume(-1 | 1)
                | Tap::Brightness(-1 | 1)
                | Tap::TryRing
                | Tap::QuietHours
                | Tap::Pin
                | Tap::People
                | Tap::Missed
                | Tap::LookIns
                | Tap::Add
        ),
        MenuPage::QuietHours { .. } => {
            matches!(tap, Tap::QuietOnOff | Tap::QuietFrom(-1 | 1) | Tap::QuietTo(-1 | 1))
        }
        MenuPage::People(list) => match tap {
            Tap::Person(key) => list.rows.iter().any(|row| row.person.key == key),
            Tap::Earlier => list.earlier,
            Tap::Later => list.later,
            Tap::Add => true,
            _ => false,
        },
        MenuPage::Person { .. } => {
            matches!(tap, Tap::MayRing | Tap::InQuietHours | Tap::LookIn | Tap::Forget)
        }
        MenuPage::Missed(list) => {
            (tap == Tap::Earlier && list.earlier) || (tap == Tap::Later && list.later)
        }
        MenuPage::LookIns { list, .. } => {
            (tap == Tap::Earlier && list.earlier) || (tap == Tap::Later && list.later)
        }
        MenuPage::Add { meeting, .. } => {
            matches!(tap, Tap::SameRoom | Tap::RelayCode)
                || (*meeting && matches!(tap, Tap::ShowWords | Tap::EnterWords))
        }
        MenuPage::Scan { got, .. } => got.is_some() && tap == Tap::Next,
        MenuPage::Words { .. } | MenuPage::Working { .. } => false,
        MenuPage::EnterWords { words, letters, next, choices, .. } => match tap {
            Tap::Letter(letter) => next >> (letter as u32 - 'a' as u32) & 1 == 1,
            Tap::Choice(place) => usize::from(place) < choices.len(),
            Tap::Erase => !words.is_empty() || !letters.is_empty(),
            _ => false,
        },
        MenuPage::Compare { waiting, .. } => !waiting && matches!(tap, Tap::Same | Tap::NotSame),
        MenuPage::Result { again, .. } => tap == Tap::Close || (*again && tap == Tap::Again),
    }
}

/// Pages of one kind may change under a finger; a page of another kind does not feel it.
fn kind(screen: &Screen) -> (bool, std::mem::Discriminant<Page>, Option<&'static str>) {
    let menu = match &screen.page {
        Page::Menu(page) => Some(page.name()),
        _ => None,
    };
    (screen.light == Light::Dark, std::mem::discriminant(&screen.page), menu)
}

fn every_screen() -> Vec<Screen> {
    let mut screens: Vec<Screen> =
        every_menu_page().into_iter().map(|(_, screen)| screen).collect();
    screens.extend([
        two_people(),
        home(vec![]),
        home(vec![tile(person(1, "Anna"), true, None), station_tile(0, "Garden", true)]),
        hearing("Garden", "You are listening.", true),
        screen(Page::Home { tiles: six_people(), earlier: true, later: true }),
        calling(),
        not_answered(),
        incoming(),
        screen(Page::Incoming { person: person(1, "Anna"), appears_in: Some(5) }),
        in_call(),
        in_call_with(|page| {
            if let Page::InCall { hidden, frosted, .. } = page {
                (*hidden, *frosted) = (true, true);
            }
        }),
        ended(),
        fault(),
        dark(two_people()),
        dark(settings()),
        Screen { light: Light::Dim, ..two_people() },
    ]);
    screens
}

fn monkey(panel: Panel) {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number"))
    };
    let touches = number("TWOCAN_MONKEY", 10_000);
    let seed = number("TWOCAN_MONKEY_SEED", u64::from(std::process::id()) << 20 | 1);
    println!("TWOCAN_MONKEY_SEED={seed}");
    let mut dice = Dice(seed);
    let stage = Stage::new(panel);
    let screens = every_screen();
    let (wide, high) = (u64::from(panel.size.width), u64::from(panel.size.height));
    let mut now = screens[0].clone();
    stage.show(now.clone());
    let mut said = 0;
    for touch in 0..touches {
        // A page stays for some touches; sometimes it changes under the finger.
        if dice.one_in(12) {
            now = screens[dice.below(screens.len() as u64) as usize].clone();
            stage.adapters.publish(now.clone());
            stage.pass(Duration::from_millis(dice.below(1500)));
        }
        let mut place = || {
            LogicalPosition::new(
                dice.below(wide + 40) as f32 - 20.0,
                dice.below(high + 40) as f32 - 20.0,
            )
        };
        let (at, to) = (place(), place());
        stage.press(at);
        stage.pass(Duration::from_millis(match dice.below(20) {
            0 => 2500,
            1..4 => dice.below(1000),
            _ => dice.below(60),
        }));
        let mut another = false;
        if dice.one_in(40) {
            check(&stage, &now, touch, &mut said);
            let next = screens[dice.below(screens.len() as u64) as usize].clone();
            another = kind(&next) != kind(&now);
            now = next;
            stage.adapters.publish(now.clone());
        }
        match dice.below(8) {
            0 => stage.release(to),
            1 => {
                stage.move_to(to);
                stage.release(at);
            }
            2 => stage.window.window().dispatch_event(WindowEvent::PointerExited),
            _ => stage.release(at),
        }
        if another {
            // What came under a finger that was down already is not felt.
            assert_eq!(stage.commands.borrow().as_slice(), [], "touch {touch} of {seed}");
        }
        check(&stage, &now, touch, &mut said);
        if dice.one_in(50) {
            stage.pass(Duration::from_millis(dice.below(3000)));
        }
    }
    assert!(said > touches / 20, "only {said} of {touches} touches said anything but that");
}

fn check(stage: &Stage, screen: &Screen, touch: u64, said: &mut u64) {
    for command in stage.heard() {
        assert!(may_be_said(screen, command), "touch {touch} said {command:?} on {screen:?}");
        *said += u64::from(command != Command::Touched);
    }
}

#[test]
fn a_monkey_at_the_seven_inch_panel_says_only_what_the_page_on_show_can_say() {
    monkey(Panel::SEVEN_INCH);
}

#[test]
fn a_monkey_at_the_portrait_panel_says_only_what_the_page_on_show_can_say() {
    monkey(Panel::PORTRAIT);
}
