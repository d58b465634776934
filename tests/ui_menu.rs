//! The pages behind home on both panels: nothing clipped, every target large, every tap its command.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod ui_common;

use std::time::Duration;

use slint::{ComponentHandle, Image, LogicalPosition};
use twocan::ui::menu::{MenuPage, MenuTap};
use twocan::ui::pages::PictureAdapter;
use twocan::ui::panel::Panel;
use twocan::ui::screen::Command;
use ui_common::checks::*;
use ui_common::menu::*;
use ui_common::*;

fn stage_of_every_page(name: &str, panel: Panel) {
    let stage = Stage::new(panel);
    for (page, screen) in every_menu_page() {
        let seen = if page == "scan" { Image::default() } else { moving_picture(320, 240) };
        stage.window.global::<PictureAdapter>().set_own(seen);
        stage.show(screen);
        let file = pages_folder().join(format!("{page}-{name}.png"));
        stage.snapshot().write_png(&file).unwrap();
    }
    for (page, screen) in every_menu_page() {
        stage.show(screen);
        every_target_is_large_enough(&stage, page, panel);
        every_word_is_on_the_panel(&stage, page, panel);
        no_word_stands_on_another(&stage, page);
    }
}

#[test]
fn every_page_behind_home_fits_the_seven_inch_panel() {
    stage_of_every_page(PANELS[0].0, PANELS[0].1);
}

#[test]
fn every_page_behind_home_fits_the_portrait_panel() {
    stage_of_every_page(PANELS[1].0, PANELS[1].1);
}

fn every_button_says_its_tap(panel: Panel) {
    let stage = Stage::new(panel);
    let says = |label: &str, tap: MenuTap| {
        stage.tap(label);
        assert_eq!(stage.heard(), [Command::Menu(tap)], "{label}");
    };
    stage.show(pin("Please enter the PIN", 2, true));
    for digit in 0..=9 {
        says(&digit.to_string(), MenuTap::Digit(digit));
    }
    says("Erase", MenuTap::Erase);
    says("OK", MenuTap::Enter);
    says("Back", MenuTap::Back);
    stage.show(settings());
    says("Softer", MenuTap::RingVolume(-1));
    says("Louder", MenuTap::RingVolume(1));
    says("Darker", MenuTap::Brightness(-1));
    says("Brighter", MenuTap::Brightness(1));
    says("Hear the ring", MenuTap::TryRing);
    says("Quiet hours", MenuTap::QuietHours);
    says("PIN: on", MenuTap::Pin);
    says("People", MenuTap::People);
    says("Missed: 2", MenuTap::Missed);
    says("Who looked in", MenuTap::LookIns);
    says("Add a person", MenuTap::Add);
    stage.show(quiet_hours(""));
    says("Nobody rings in the quiet hours", MenuTap::QuietOnOff);
    says("Earlier", MenuTap::QuietFrom(-1));
    says("Later", MenuTap::QuietFrom(1));
    says("Sooner", MenuTap::QuietTo(-1));
    says("Longer", MenuTap::QuietTo(1));
    stage.show(people(true, true));
    says("Anna", MenuTap::Person(key(1)));
    says(LONG_NAME, MenuTap::Person(key(3)));
    says("Up", MenuTap::Earlier);
    says("Down", MenuTap::Later);
    says("Add", MenuTap::Add);
    stage.show(person_page("Anna", false));
    says("May ring here", MenuTap::MayRing);
    says("May ring in the quiet hours", MenuTap::InQuietHours);
    says("May look in: appears by itself after ten seconds", MenuTap::LookIn);
    says("Forget", MenuTap::Forget);
    stage.show(person_page("Anna", true));
    says("Really forget?", MenuTap::Forget);
    stage.show(missed(true, true));
    says("Up", MenuTap::Earlier);
    says("Down", MenuTap::Later);
    stage.show(menu(MenuPage::Add { meeting: true, first: false }));
    says("We are in the same room", MenuTap::SameRoom);
    says("Far apart: show me four words", MenuTap::ShowWords);
    says("Far apart: I was told four words", MenuTap::EnterWords);
    says("Scan the code of a meeting point", MenuTap::RelayCode);
    stage.show(scan(&code(), Some("Anna")));
    says("Next", MenuTap::Next);
    stage.show(enter_words(&["abandon"], "di", u32::MAX, &["diagram", "dial", "diary"]));
    says("a", MenuTap::Letter('a'));
    says("z", MenuTap::Letter('z'));
    says("Erase", MenuTap::Erase);
    says("diary", MenuTap::Choice(2));
    stage.show(compare("Anna", false));
    says("Yes, the same", MenuTap::Same);
    says("No", MenuTap::NotSame);
    stage.show(result("The words were not the right ones.", false, true));
    says("Try again", MenuTap::Again);
    says("Home", MenuTap::Close);
    for (page, screen) in every_menu_page() {
        stage.show(screen);
        // From the first page there is no way back, and no clock to hold.
        stage.tap(if page == "add-first" { "Settings" } else { "Back" });
        assert_eq!(stage.heard(), [Command::Menu(MenuTap::Back)], "{page}");
    }
}

#[test]
fn every_button_behind_home_says_its_tap_on_the_seven_inch_panel() {
    every_button_says_its_tap(Panel::SEVEN_INCH);
}

#[test]
fn every_button_behind_home_says_its_tap_on_the_portrait_panel() {
    every_button_says_its_tap(Panel::PORTRAIT);
}

#[test]
fn what_cannot_be_chosen_says_only_that_somebody_is_there() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let says_nothing = |label: &str| {
        stage.tap(label);
        assert_eq!(stage.heard(), [Command::Touched], "{label}");
    };
    stage.show(pin("That was not it. Wait 30 seconds.", 0, false));
    for key in ["0", "5", "Erase", "OK"] {
        says_nothing(key);
    }
    stage.show(menu(MenuPage::Add { meeting: false, first: true }));
    says_nothing("Far apart: show me four words");
    says_nothing("Far apart: I was told four words");
    stage.show(enter_words(&[], "", 0b110, &[]));
    says_nothing("a");
    says_nothing("d");
    says_nothing("Erase");
    stage.tap("b");
    assert_eq!(stage.heard(), [Command::Menu(MenuTap::Letter('b'))]);
}

#[test]
fn a_double_tap_on_back_does_not_open_the_settings_of_a_screen_that_knows_nobody() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(menu(MenuPage::Add { meeting: true, first: false }));
    stage.tap("Back");
    assert_eq!(stage.heard(), [Command::Menu(MenuTap::Back)]);
    stage.adapters.publish(menu(MenuPage::Add { meeting: true, first: true }));
    stage.tap("Settings");
    assert_eq!(stage.heard(), []);
    stage.pass(Duration::from_millis(650));
    stage.tap("Settings");
    assert_eq!(stage.heard(), [Command::Menu(MenuTap::Back)]);
}

#[test]
fn letters_and_digits_may_be_typed_as_fast_as_fingers_are() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(pin("Please enter the PIN", 0, true));
    for entered in 1..=4 {
        stage.tap("7");
        assert_eq!(stage.heard(), [Command::Menu(MenuTap::Digit(7))]);
        stage.adapters.publish(pin("Please enter the PIN", entered, true));
    }
    stage.show(enter_words(&[], "", u32::MAX, &[]));
    for letters in ["d", "di", "dia"] {
        stage.tap("a");
        assert_eq!(stage.heard().len(), 1);
        stage.adapters.publish(enter_words(&[], letters, u32::MAX, &["diary", "dial"]));
    }
    stage.tap("diary");
    stage.adapters.publish(enter_words(&["diary"], "", u32::MAX, &[]));
    stage.tap("a");
    let heard = [MenuTap::Choice(0), MenuTap::Letter('a')].map(Command::Menu);
    assert_eq!(stage.heard(), heard);
}

#[test]
fn a_double_tap_neither_forgets_anybody_nor_turns_two_pages() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(person_page("Anna", false));
    stage.tap("Forget");
    stage.adapters.publish(person_page("Anna", true));
    stage.pass(Duration::from_millis(300));
    stage.tap("Really forget?");
    assert_eq!(stage.heard(), [Command::Menu(MenuTap::Forget)]);
    stage.pass(Duration::from_millis(300));
    stage.tap("Really forget?");
    assert_eq!(stage.heard(), [Command::Menu(MenuTap::Forget)]);

    stage.show(settings());
    stage.tap("People");
    stage.adapters.publish(people(false, true));
    stage.tap("Ben");
    assert_eq!(stage.heard(), [Command::Menu(MenuTap::People)]);
}

#[test]
fn the_clock_opens_the_pages_behind_home_only_when_it_is_held_for_two_seconds() {
    for (_, panel) in PANELS {
        let story = move || {
            let stage = Stage::new(panel);
            stage.show(two_people());
            let clock = middle(&stage.element("14:05"));
            stage.press(clock);
            stage.pass(Duration::from_millis(300));
            stage.release(clock);
            stage.pass(Duration::from_secs(5));
            assert_eq!(stage.heard(), [Command::Touched], "a tap");
            stage.press(clock);
            stage.pass(Duration::from_millis(1500));
            let away = LogicalPosition::new(clock.x, clock.y + 300.0);
            stage.move_to(away);
            stage.pass(Duration::from_secs(5));
            stage.release(away);
            assert_eq!(stage.heard(), [Command::Touched], "the finger has left");
            stage.press(clock);
            stage.pass(Duration::from_millis(1900));
            assert_eq!(stage.heard(), [Command::Touched], "not yet");
            stage.pass(Duration::from_millis(200));
            assert_eq!(stage.heard(), [Command::Menu(MenuTap::Open)]);
            stage.pass(Duration::from_secs(9));
            stage.release(clock);
            assert_eq!(stage.heard(), [], "once");
        };
        let thread = std::thread::Builder::new().name("panel".to_owned()).spawn(story).unwrap();
        thread.join().unwrap();
    }
}

#[test]
fn a_finger_on_the_clock_opens_nothing_once_another_page_is_on_show() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(two_people());
    let clock = middle(&stage.element("14:05"));
    stage.press(clock);
    stage.pass(Duration::from_secs(1));
    stage.adapters.publish(incoming());
    stage.pass(Duration::from_secs(5));
    stage.release(clock);
    stage.show(two_people());
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.heard(), [Command::Touched]);
}

#[test]
fn a_ring_fills_while_the_clock_is_held() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(two_people());
    let before = stage.snapshot();
    let clock = middle(&stage.element("14:05"));
    stage.press(clock);
    stage.pass(Duration::from_secs(1));
    let half = stage.snapshot();
    let differ = |one: &twocan::ui::Snapshot, other: &twocan::ui::Snapshot| {
        let pairs = one.rgb8.chunks(3).zip(other.rgb8.chunks(3));
        pairs.filter(|(one, other)| one != other).count()
    };
    stage.pass(Duration::from_millis(800));
    let more = stage.snapshot();
    assert!(differ(&before, &half) > 50, "{}", differ(&before, &half));
    assert!(differ(&before, &more) > differ(&before, &half));
    stage.release(clock);
    stage.pass(Duration::from_millis(100));
    assert_eq!(differ(&before, &stage.snapshot()), 0);
}

/// The part of the panel's picture that a camera would look at, as grey.
fn read_code(stage: &Stage, columns: std::ops::Range<u32>) -> Vec<String> {
    let snapshot = stage.snapshot();
    let (width, height) = (columns.len(), snapshot.size.height as usize);
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        snapshot.pixel(columns.start + x as u32, y as u32).unwrap()[1]
    });
    picture.detect_grids().iter().filter_map(|grid| Some(grid.decode().ok()?.1)).collect()
}

#[test]
fn another_kiosk_reads_the_code_on_both_panels_and_it_is_60_mm_at_least() {
    for (_, panel) in PANELS {
        let story = move || {
            let stage = Stage::new(panel);
            stage.show(scan(&code(), None));
            assert_eq!(read_code(&stage, 0..panel.size.width), [code()]);
            let drawn = stage.element("The code of this kiosk").size();
            assert_eq!(drawn.width, drawn.height);
            let (wide, high) =
                (drawn.width / panel.pixels_per_mm_x, drawn.height / panel.pixels_per_mm_y);
            assert!(wide >= 60.0 && high >= 60.0, "{wide} x {high} mm");
            stage.show(scan("", None));
            assert!(!stage.has("The code of this kiosk") && stage.has("What the camera sees"));
        };
        let thread = std::thread::Builder::new().name("panel".to_owned()).spawn(story).unwrap();
        thread.join().unwrap();
    }
}

#[test]
fn the_camera_is_said_to_be_open_wherever_codes_are_scanned() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    for screen in [scan(&code(), None), scan("", None), scan(&code(), Some("Anna"))] {
        stage.show(screen);
        assert!(stage.has("Camera on"));
    }
}

#[test]
fn four_pictures_are_shown_with_their_names_and_yes_is_gone_once_it_was_said() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(compare("Anna", false));
    for name in ["mushroom", "car", "butterfly", "umbrella"] {
        assert!(stage.has(name) && stage.has(&format!("a picture: {name}")));
    }
    stage.show(compare("Anna", true));
    assert!(!stage.has("Yes, the same") && !stage.has("No"));
    assert!(stage.has("Waiting until Anna says so too."));
}

#[test]
fn a_list_shows_what_was_published_last_whatever_list_was_there_before() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(people(false, false));
    stage.show(missed(false, false));
    assert!(stage.has("Today at 14:10") && !stage.has("Ben"));
    stage.show(look_ins(false, false));
    assert!(stage.has("Today at 14:10, for 5 minutes") && !stage.has("Today at 14:10"));
    assert!(stage.has("This list was changed. It may not be complete."));
    stage.show(people(false, false));
    assert!(stage.has("Grandma Rosemarie") && !stage.has("Today at 14:10"));
    stage.tap("Ben");
    assert_eq!(stage.heard(), [Command::Menu(MenuTap::Person(key(4)))]);
}
