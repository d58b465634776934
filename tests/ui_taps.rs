//! A finger at the real place of the real element, and the command that comes of it.
#![cfg(feature = "ui")]

mod ui_common;

use std::time::Duration;

use slint::LogicalPosition;
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Command, Page};
use ui_common::*;

#[test]
fn touching_a_tile_dials_that_person_on_both_panels() {
    for (_, panel) in PANELS {
        std::thread::Builder::new()
            .name("panel".to_owned())
            .spawn(move || {
                let stage = Stage::new(panel);
                stage.show(home(six_people()));
                stage.tap("Clara");
                stage.tap("Ben");
                assert_eq!(stage.heard(), [Command::Dial(key(4)), Command::Dial(key(3))]);
            })
            .expect("a thread starts")
            .join()
            .expect("the taps were heard");
    }
}

#[test]
fn every_button_says_its_command() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let says = |label: &str, command: Command| {
        stage.tap(label);
        assert_eq!(stage.heard(), [command], "{label}");
    };
    stage.show(screen(Page::Home { tiles: six_people(), earlier: true, later: true }));
    says("Back", Command::EarlierTiles);
    says("More", Command::LaterTiles);
    stage.show(calling());
    says("Stop", Command::Cancel);
    stage.show(incoming());
    says("Answer", Command::Answer);
    says("Not now", Command::Decline);
    stage.show(in_call());
    says("Louder", Command::Louder);
    says("Quieter", Command::Quieter);
    says("Hide me", Command::Hide);
    says("Hang up", Command::HangUp);
    stage.show(ended());
    says("Home", Command::Home);
    stage.show(fault());
    says("Home", Command::Home);
}

#[test]
fn the_second_tap_of_a_double_tap_does_nothing_to_the_page_that_came() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(incoming());
    stage.tap("Answer");
    assert_eq!(stage.heard(), [Command::Answer]);
    stage.adapters.publish(in_call());
    stage.pass(Duration::from_millis(400));
    stage.tap("Hang up");
    assert_eq!(stage.heard(), []);
    stage.pass(Duration::from_millis(250));
    stage.tap("Hang up");
    assert_eq!(stage.heard(), [Command::HangUp]);
}

#[test]
fn a_double_tap_on_an_arrow_turns_one_page_of_tiles() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let page = |first: u8, earlier, later| {
        let tiles = (first..first + 6)
            .map(|number| tile(person(number, &format!("Person {number}")), true, None))
            .collect();
        screen(Page::Home { tiles, earlier, later })
    };
    stage.show(page(1, false, true));
    stage.tap("More");
    assert_eq!(stage.heard(), [Command::LaterTiles]);
    stage.adapters.publish(page(7, true, true));
    stage.pass(Duration::from_millis(300));
    stage.tap("More");
    assert_eq!(stage.heard(), []);
    stage.pass(Duration::from_millis(350));
    stage.tap("More");
    assert_eq!(stage.heard(), [Command::LaterTiles]);
}

#[test]
fn a_tile_that_says_something_else_does_not_make_the_finger_wait() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(two_people());
    stage.adapters.publish(home(vec![
        tile(person(1, "Anna"), false, Some("called 14:10")),
        tile(person(2, "Grandma Rose"), true, None),
    ]));
    stage.tap("Grandma Rose");
    assert_eq!(stage.heard(), [Command::Dial(key(2))]);
}

#[test]
fn a_change_within_a_page_does_not_make_the_finger_wait() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(in_call());
    stage.adapters.publish(in_call_with(|page| {
        if let Page::InCall { volume, .. } = page {
            *volume = 7;
        }
    }));
    stage.tap("Louder");
    assert_eq!(stage.heard(), [Command::Louder]);
}

#[test]
fn a_finger_that_strays_less_than_4_mm_still_counts_and_one_that_leaves_does_not() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(calling());
    let stop = stage.element("Stop");
    let (at, size) = (stop.absolute_position(), stop.size());
    let inside = middle(&stop);
    let strayed = LogicalPosition::new(at.x - 18.0, inside.y);
    let gone = LogicalPosition::new(inside.x, at.y + size.height + 23.9);
    stage.press(inside);
    stage.release(strayed);
    assert_eq!(stage.heard(), [Command::Cancel]);
    stage.press(inside);
    stage.release(gone);
    assert_eq!(stage.heard(), []);
    stage.press(strayed);
    stage.release(inside);
    assert_eq!(stage.heard(), [], "pressed beside it");
}

#[test]
fn nothing_happens_before_the_finger_is_lifted_but_the_colour_changes_at_once() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(calling());
    let stop = stage.element("Stop");
    let corner = (stop.absolute_position().x as u32 + 20, stop.absolute_position().y as u32 + 20);
    let before = stage.snapshot().pixel(corner.0, corner.1);
    stage.press(middle(&stop));
    assert_eq!(stage.heard(), []);
    let held = stage.snapshot().pixel(corner.0, corner.1);
    assert_ne!(before, held);
    stage.release(middle(&stop));
    assert_eq!(stage.heard(), [Command::Cancel]);
    assert_eq!(stage.snapshot().pixel(corner.0, corner.1), before);
}

#[test]
fn a_tap_beside_the_tiles_does_nothing() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(two_people());
    let nowhere = LogicalPosition::new(300.0, 30.0);
    stage.press(nowhere);
    stage.release(nowhere);
    assert_eq!(stage.heard(), []);
}

#[test]
fn the_tile_that_is_touched_is_the_one_on_show_after_the_people_changed() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(home(six_people()));
    stage.show(two_people());
    assert!(!stage.has("Clara"));
    stage.tap("Grandma Rose");
    assert_eq!(stage.heard(), [Command::Dial(key(2))]);
}
