//! A finger at the real place of the real element, and the command that comes of it.
#![cfg(feature = "ui")]

mod ui_common;

use std::time::Duration;

use i_slint_backend_testing::AccessibleRole;
use slint::platform::WindowEvent;
use slint::{ComponentHandle, LogicalPosition};
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Command, Light, Page, Screen, StationId};
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
    stage.show(hearing("Garden", "You are listening.", true));
    says("Louder", Command::Louder);
    says("Quieter", Command::Quieter);
    says("Stop", Command::StopHearing);
    stage.show(home(vec![tile(person(1, "Anna"), true, None), station_tile(0, "Garden", true)]));
    says("Garden", Command::Hear(StationId(0)));
    says("Anna", Command::Dial(key(1)));
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
    assert_eq!(stage.heard(), [Command::Touched], "pressed beside it");
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
fn a_tap_beside_the_tiles_says_that_somebody_is_there_and_no_more() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(two_people());
    let nowhere = LogicalPosition::new(300.0, 30.0);
    stage.press(nowhere);
    stage.release(nowhere);
    assert_eq!(stage.heard(), [Command::Touched]);
    // On every page; a target keeps its touch for itself.
    let corner = LogicalPosition::new(2.0, 2.0);
    for screen in [calling(), incoming(), in_call(), ended(), fault()] {
        stage.show(screen);
        stage.press(corner);
        stage.release(corner);
        assert_eq!(stage.heard(), [Command::Touched]);
    }
    stage.tap("Home");
    assert_eq!(stage.heard(), [Command::Home]);
}

#[test]
fn in_the_dark_there_is_nothing_but_black_and_a_touch_anywhere_wakes_as_it_lands() {
    for (_, panel) in PANELS {
        std::thread::Builder::new()
            .name("panel".to_owned())
            .spawn(move || {
                let stage = Stage::new(panel);
                for screen in [two_people(), fault(), ended(), home(six_people())] {
                    stage.show(screen.clone());
                    let light = stage.snapshot();
                    stage.adapters.publish(dark(screen.clone()));
                    // Even at once, when a tap on a page would not count yet.
                    stage.press(LogicalPosition::new(200.0, 250.0));
                    assert_eq!(stage.heard(), [Command::Wake]);
                    stage.release(LogicalPosition::new(200.0, 250.0));
                    assert_eq!(stage.heard(), []);
                    assert!(stage.snapshot().rgb8.iter().all(|byte| *byte == 0), "not black");
                    assert!(stage.with_role(AccessibleRole::Button).is_empty(), "a page is there");
                    // The published screen alone brings the page back, and all of it.
                    stage.show(screen);
                    assert!(stage.snapshot() == light, "not everything is painted again");
                }
            })
            .expect("a thread starts")
            .join()
            .expect("it was dark");
    }
}

#[test]
fn a_touch_that_wakes_the_screen_does_not_hit_what_appears_under_it_however_long_it_is_held() {
    for held in [Duration::from_millis(50), Duration::from_secs(5)] {
        std::thread::Builder::new()
            .name("held".to_owned())
            .spawn(move || {
                let stage = Stage::new(Panel::SEVEN_INCH);
                stage.show(incoming());
                let answer = middle(&stage.element("Answer"));
                stage.show(dark(two_people()));
                stage.press(answer);
                assert_eq!(stage.heard(), [Command::Wake]);
                // A call comes in that moment, and the finger is on its Answer.
                stage.adapters.publish(incoming());
                stage.pass(held);
                let away = LogicalPosition::new(answer.x + 3.0, answer.y);
                stage.window.window().dispatch_event(WindowEvent::PointerMoved { position: away });
                stage.release(away);
                assert_eq!(stage.heard(), []);
                // The next one counts, once the page has been there for 600 ms.
                stage.tap("Answer");
                let early = held < Duration::from_millis(600);
                assert_eq!(stage.heard(), if early { vec![] } else { vec![Command::Answer] });
                stage.pass(Duration::from_millis(600));
                stage.tap("Answer");
                assert_eq!(stage.heard(), [Command::Answer]);
            })
            .expect("a thread starts")
            .join()
            .expect("the touch only woke");
    }
}

#[test]
fn a_finger_that_is_down_when_it_gets_dark_says_nothing_when_it_is_lifted() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(two_people());
    let anna = middle(&stage.element("Anna"));
    stage.press(anna);
    stage.show(dark(two_people()));
    stage.release(anna);
    assert_eq!(stage.heard(), []);
    stage.show(two_people());
    stage.release(anna);
    assert_eq!(stage.heard(), []);
    stage.tap("Anna");
    assert_eq!(stage.heard(), [Command::Dial(key(1))]);
}

#[test]
fn a_dimmed_page_works_as_a_bright_one_does_and_at_once() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(two_people());
    let dim = Screen { light: Light::Dim, ..two_people() };
    stage.adapters.publish(dim);
    stage.tap("Anna");
    assert_eq!(stage.heard(), [Command::Dial(key(1))]);
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
