//! Every page at both sizes: real pixels, every word in its place, nothing too small for a finger.
#![cfg(feature = "ui")]

mod ui_common;

use slint::{ComponentHandle, Image};
use twocan::app::words;
use twocan::ui::adapters::person_color;
use twocan::ui::pages::PictureAdapter;
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Levels, Line, Open, Page, Screen};
use ui_common::checks::*;
use ui_common::*;

const GREEN: [u8; 3] = [0x00, 0x57, 0x2a];
const RED: [u8; 3] = [0xa3, 0x00, 0x18];
const AMBER: [u8; 3] = [0xff, 0xc9, 0x3c];

fn every_page() -> Vec<(&'static str, Screen)> {
    let paged = |earlier, later| screen(Page::Home { tiles: six_people(), earlier, later });
    let mut offline = home(six_people().into_iter().take(4).collect());
    offline.strip.link = "No internet".to_owned();
    offline.strip.connected = false;
    offline.strip.day = "Wednesday afternoon".to_owned();
    vec![
        ("home-0", home(vec![])),
        ("home-1", home(vec![tile(person(1, "Anna"), true, None)])),
        ("home-1-photo", home(vec![tile(with_photo(1, "Anna"), false, Some("called 14:10"))])),
        ("home-2", two_people()),
        ("home-3", home(six_people().into_iter().take(3).collect())),
        ("home-4-offline", offline),
        ("home-6", home(six_people())),
        ("home-more", paged(true, true)),
        (
            "home-last",
            screen(Page::Home { tiles: six_people()[..2].to_vec(), earlier: true, later: false }),
        ),
        (
            "home-stations",
            home(vec![tile(with_photo(1, "Anna"), true, None), station_tile(0, "Garden", true)]),
        ),
        ("home-1-station", home(vec![station_tile(0, "Garden", true)])),
        (
            "home-6-stations",
            home(vec![
                tile(person(1, "Anna"), true, None),
                tile(with_photo(2, "Grandma Rose"), true, None),
                tile(person(3, "Ben"), false, None),
                station_tile(0, "Garden", true),
                station_tile(1, "The barn", false),
                station_tile(2, LONG_NAME, true),
            ]),
        ),
        ("hearing", hearing("Garden", "You are listening.", true)),
        ("hearing-silent", hearing("Garden", "Nothing to hear now.", false)),
        (
            "hearing-away",
            hearing(LONG_NAME, "Not to be reached just now. It comes back by itself.", false),
        ),
        ("calling", calling()),
        ("calling-not-answered", not_answered()),
        ("incoming", incoming()),
        (
            "incoming-long-name",
            screen(Page::Incoming { person: person(7, "Grandma Rosemarie"), appears_in: None }),
        ),
        ("in-call", in_call()),
        (
            "in-call-volume",
            in_call_with(|page| {
                if let Page::InCall { volume, .. } = page {
                    *volume = 7;
                }
            }),
        ),
        (
            "in-call-they-are-hidden",
            in_call_with(|page| {
                if let Page::InCall { peer_hidden, .. } = page {
                    *peer_hidden = true;
                }
            }),
        ),
        (
            "incoming-look-in",
            screen(Page::Incoming { person: with_photo(1, "Anna"), appears_in: Some(8) }),
        ),
        (
            "incoming-look-in-long-name",
            screen(Page::Incoming { person: person(7, LONG_NAME), appears_in: Some(10) }),
        ),
        (
            "in-call-frosted",
            in_call_with(|page| {
                if let Page::InCall { frosted, person, .. } = page {
                    *frosted = true;
                    person.name = LONG_NAME.to_owned();
                }
            }),
        ),
        (
            "in-call-camera-only",
            in_call_with(|page| {
                if let Page::InCall { open, .. } = page {
                    *open = Open { camera: true, microphone: false };
                }
            }),
        ),
        (
            "in-call-slow",
            in_call_with(|page| {
                if let Page::InCall { line, person, self_view, .. } = page {
                    *line = Line::Slow;
                    *person = with_photo(2, "Grandma Rose");
                    *self_view = false;
                }
            }),
        ),
        (
            "in-call-hidden",
            in_call_with(|page| {
                if let Page::InCall { hidden, open, .. } = page {
                    *hidden = true;
                    *open = Open::default();
                }
            }),
        ),
        (
            "in-call-voice-only",
            in_call_with(|page| {
                if let Page::InCall { line, no_picture, .. } = page {
                    *line = Line::VoiceOnly;
                    *no_picture = Some(words::TOO_SLOW.to_owned());
                }
            }),
        ),
        (
            "in-call-stills",
            in_call_with(|page| {
                if let Page::InCall { line, person, levels, .. } = page {
                    *line = Line::Stills;
                    *person = with_photo(2, "Grandma Rosemarie");
                    *levels = Levels { ours: 5, theirs: 1 };
                }
            }),
        ),
        (
            "in-call-unseen",
            in_call_with(|page| {
                if let Page::InCall { line, person, notice, .. } = page {
                    *line = Line::Slow;
                    person.name = "Grandma Rosemarie".to_owned();
                    *notice = Some(words::we_are_unseen("Grandma Rosemarie"));
                }
            }),
        ),
        (
            "in-call-minutes-left",
            in_call_with(|page| {
                if let Page::InCall { notice, .. } = page {
                    *notice = Some(words::minutes_left(10));
                }
            }),
        ),
        (
            "in-call-voice-only-to-save-data",
            in_call_with(|page| {
                if let Page::InCall { line, no_picture, levels, .. } = page {
                    *line = Line::VoiceOnly;
                    *no_picture = Some(words::TOO_DEAR.to_owned());
                    *levels = Levels { ours: 0, theirs: 4 };
                }
            }),
        ),
        (
            "in-call-line-gone",
            in_call_with(|page| {
                if let Page::InCall { line, no_picture, .. } = page {
                    *line = Line::Reconnecting;
                    *no_picture = Some(words::LINE_GONE.to_owned());
                }
            }),
        ),
        (
            "in-call-still-trying",
            in_call_with(|page| {
                if let Page::InCall { line, person, no_picture, .. } = page {
                    *line = Line::Reconnecting;
                    *person = with_photo(2, "Grandma Rosemarie");
                    *no_picture = Some(words::still_trying("Grandma Rosemarie"));
                }
            }),
        ),
        (
            "in-call-back",
            in_call_with(|page| {
                if let Page::InCall { no_picture, .. } = page {
                    *no_picture = Some(words::BACK.to_owned());
                }
            }),
        ),
        (
            "in-call-reconnecting",
            in_call_with(|page| {
                if let Page::InCall { line, no_picture, hidden, .. } = page {
                    *line = Line::Reconnecting;
                    *hidden = true;
                    *no_picture = Some(words::still_trying("Anna"));
                }
            }),
        ),
        (
            "in-call-notice",
            in_call_with(|page| {
                if let Page::InCall { person, notice, .. } = page {
                    person.name = "Grandma Rosemarie".to_owned();
                    *notice = Some(
                        "The camera is not working. Grandma Rosemarie cannot see you, only hear you."
                            .to_owned(),
                    );
                }
            }),
        ),
        ("ended", ended()),
        (
            "ended-long",
            screen(Page::Ended {
                person: with_photo(2, "Grandma Rose"),
                duration: String::new(),
                sentence: "Grandma Rose is talking to someone else. Try again in a little while."
                    .to_owned(),
            }),
        ),
        ("fault", fault()),
    ]
}

fn stage_of_every_page(name: &str, panel: Panel) {
    let stage = Stage::new(panel);
    for (page, screen) in every_page() {
        let video = page.starts_with("in-call") && !page.contains("voice");
        let pictures = stage.window.global::<PictureAdapter>();
        pictures.set_remote(if video { moving_picture(640, 360) } else { Image::default() });
        pictures.set_own(if video { moving_picture(320, 180) } else { Image::default() });
        stage.show(screen);
        let snapshot = stage.snapshot();
        let file = pages_folder().join(format!("{page}-{name}.png"));
        snapshot.write_png(&file).expect("the picture of the page can be written");
        assert!(
            snapshot.rgb8.chunks_exact(3).any(|pixel| pixel != &snapshot.rgb8[..3]),
            "{page} at {name} is blank"
        );
        every_target_is_large_enough(&stage, page, panel);
        every_word_is_on_the_panel(&stage, page, panel);
        if page.starts_with("in-call") {
            no_word_stands_on_another(&stage, page);
        }
    }
}

#[test]
fn every_page_fits_the_seven_inch_panel() {
    stage_of_every_page(PANELS[0].0, PANELS[0].1);
}

#[test]
fn every_page_fits_the_portrait_panel() {
    stage_of_every_page(PANELS[1].0, PANELS[1].1);
}

#[test]
fn answer_is_green_and_stop_and_hang_up_are_red_where_a_finger_finds_them() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let beside_the_word = |label: &str| {
        let button = stage.element(label);
        let (at, size) = (button.absolute_position(), button.size());
        let pixel = stage.snapshot().pixel(at.x as u32 + 6, (at.y + size.height / 2.0) as u32);
        (pixel.expect("on the panel"), size.width as u32, size.height as u32)
    };
    stage.show(incoming());
    assert_eq!(beside_the_word("Answer"), (GREEN, 360, 168));
    let (answer, not_now) = (stage.element("Answer"), stage.element("Not now"));
    assert_eq!((not_now.size().width, not_now.size().height), (200.0, 112.0));
    let gap = answer.absolute_position().x - not_now.absolute_position().x - not_now.size().width;
    assert_eq!(gap, 30.0);
    stage.show(calling());
    assert_eq!(beside_the_word("Stop"), (RED, 300, 112));
    stage.show(in_call());
    let (color, width, height) = beside_the_word("Hang up");
    assert_eq!((color, width, height), (RED, 120, 104));
}

#[test]
fn a_tile_has_the_colour_of_the_persons_key_and_the_size_for_their_number() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let sizes = [(1, 768.0, 384.0), (2, 376.0, 384.0), (3, 245.0, 184.0), (6, 245.0, 184.0)];
    for (people, width, height) in sizes {
        let tiles: Vec<_> =
            (0..people).map(|n| tile(person(n, &format!("Person {n}")), true, None)).collect();
        stage.show(home(tiles));
        let first = stage.element("Person 0");
        assert_eq!((first.size().width, first.size().height), (width, height), "{people} people");
        let at = first.absolute_position();
        let color = person_color(key(0));
        let pixel = stage.snapshot().pixel(at.x as u32 + 24, at.y as u32 + 24);
        assert_eq!(pixel, Some([color.red(), color.green(), color.blue()]));
    }
}

#[test]
fn a_dull_tile_says_not_at_home_and_a_missed_call_is_a_band_in_it() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(home(six_people()));
    assert!(stage.has("not at home"));
    assert!(stage.has("called 14:10"));
    let band = stage.element("called 14:10");
    let at = band.absolute_position();
    let left = stage.element("Clara").absolute_position();
    let pixel =
        stage.snapshot().pixel(left.x as u32 + 20, (at.y + band.size().height / 2.0) as u32);
    assert_eq!(pixel, Some(AMBER));
}

#[test]
fn the_others_picture_fills_680x412_at_16_to_9_and_keeps_its_shape_at_4_to_3() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.show(in_call_with(|page| {
        if let Page::InCall { self_view, .. } = page {
            *self_view = false;
        }
    }));
    let area = stage.element("Picture of Anna");
    assert_eq!((area.size().width, area.size().height), (680.0, 412.0));
    let pictures = stage.window.global::<PictureAdapter>();

    pictures.set_remote(moving_picture(640, 360));
    let wide = stage.snapshot();
    assert_eq!(wide.pixel(2, 2), Some([200, 40, 40]));
    assert_eq!(wide.pixel(677, 2), Some([40, 200, 40]));
    assert_eq!(wide.pixel(2, 409), Some([40, 40, 200]));
    assert_eq!(wide.pixel(677, 409), Some([200, 200, 40]));

    // 412 high, so 412 x 4/3 x 0.929 = 510 or 511 wide: 85 black columns on both sides.
    pictures.set_remote(moving_picture(640, 480));
    let narrow = stage.snapshot();
    assert_eq!(narrow.pixel(82, 200), Some([0, 0, 0]));
    assert_eq!(narrow.pixel(88, 2), Some([200, 40, 40]));
    assert_eq!(narrow.pixel(592, 409), Some([200, 200, 40]));
    assert_eq!(narrow.pixel(598, 200), Some([0, 0, 0]));
}

#[test]
fn who_is_hidden_is_told_so_in_large_letters_and_can_show_again() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    stage.window.global::<PictureAdapter>().set_own(moving_picture(320, 180));
    stage.show(in_call());
    assert!(stage.has("Hide me") && !stage.has("THEY CANNOT SEE OR HEAR YOU"));
    assert!(stage.has("What they see"));
    stage.show(in_call_with(|page| {
        if let Page::InCall { hidden, .. } = page {
            *hidden = true;
        }
    }));
    assert!(stage.has("Show me") && stage.has("THEY CANNOT SEE OR HEAR YOU"));
    assert!(!stage.has("What they see"));
    assert_eq!(stage.snapshot().pixel(4, 4), Some(AMBER));
}

#[test]
fn the_volume_is_shown_in_ten_steps_for_the_moment_in_which_it_changes() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let with_volume = |new| {
        in_call_with(|page| {
            if let Page::InCall { volume, .. } = page {
                *volume = new;
            }
        })
    };
    stage.show(with_volume(6));
    assert!(!stage.has("Volume"));
    stage.show(with_volume(7));
    assert_eq!(stage.element("Volume").accessible_value().as_deref(), Some("7"));
    stage.pass(std::time::Duration::from_secs(5));
    assert!(!stage.has("Volume"));
}

#[test]
fn the_strip_says_who_how_long_and_how_the_line_is() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    for (new, word) in [
        (Line::Good, "Good"),
        (Line::Slow, "Slow, picture smaller"),
        (Line::Stills, "Slow, single pictures"),
        (Line::VoiceOnly, "Voice only"),
        (Line::Reconnecting, "Reconnecting"),
    ] {
        stage.show(in_call_with(|page| {
            if let Page::InCall { line, .. } = page {
                *line = new;
            }
        }));
        assert!(stage.has(word), "{word}");
        assert!(stage.has("5 min"));
    }
}

#[test]
fn two_meters_say_who_is_heard_to_the_eye_and_in_words() {
    meters_are_lit(PANELS[0].1);
}

#[test]
fn the_meters_stand_on_the_portrait_panel_too() {
    meters_are_lit(PANELS[1].1);
}

fn meters_are_lit(panel: Panel) {
    let stage = Stage::new(panel);
    let show = |ours, theirs| {
        stage.show(in_call_with(|page| {
            if let Page::InCall { levels, .. } = page {
                *levels = Levels { ours, theirs };
            }
        }));
    };
    let lit = |label: &str| {
        let meter = stage.element(label);
        let (at, size) = (meter.absolute_position(), meter.size());
        let snapshot = stage.snapshot();
        let row = (at.y + size.height / 2.0) as u32;
        let pixels = (at.x as u32..(at.x + size.width) as u32).map(|x| snapshot.pixel(x, row));
        let green: Vec<bool> = pixels.map(|pixel| pixel == Some([0x4b, 0xe0, 0x8f])).collect();
        // A lamp begins where its colour does.
        usize::from(green[0]) + green.windows(2).filter(|two| !two[0] && two[1]).count()
    };
    show(3, 5);
    assert_eq!((lit("Your voice: 3 of 5"), lit("Anna's voice: 5 of 5")), (3, 5));
    show(0, 1);
    assert_eq!((lit("Your voice: 0 of 5"), lit("Anna's voice: 1 of 5")), (0, 1));
    // More than there is.
    show(9, 0);
    assert_eq!((lit("Your voice: 5 of 5"), lit("Anna's voice: 0 of 5")), (5, 0));
}

#[test]
fn what_of_us_is_open_is_drawn_for_as_long_as_it_is_open_even_when_hidden_is_asked_for() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let show = |now: Open, asked: bool| {
        stage.show(in_call_with(|page| {
            if let Page::InCall { open, hidden, .. } = page {
                (*open, *hidden) = (now, asked);
            }
        }));
    };
    let signs = ["Camera and microphone on", "Camera on", "Microphone on"];
    for (camera, microphone, sign) in [
        (true, true, Some(0)),
        (true, false, Some(1)),
        (false, true, Some(2)),
        (false, false, None),
    ] {
        for asked in [false, true] {
            show(Open { camera, microphone }, asked);
            for (place, word) in signs.iter().enumerate() {
                assert_eq!(stage.has(word), sign == Some(place), "{word} at {camera} {microphone}");
            }
        }
    }
    show(Open { camera: true, microphone: true }, false);
    let at = stage.element(signs[0]).absolute_position();
    let ground = stage.snapshot().pixel(at.x as u32 - 6, at.y as u32 + 2);
    assert_eq!(ground, Some(RED));
}

#[test]
fn who_looks_in_is_announced_with_the_seconds_that_are_left() {
    let stage = Stage::new(Panel::SEVEN_INCH);
    let show = |left| {
        stage.show(screen(Page::Incoming { person: person(1, "Anna"), appears_in: left }));
    };
    show(Some(8));
    assert!(stage.has("Anna appears in 8") && stage.has("Answer") && stage.has("Not now"));
    show(Some(0));
    assert!(stage.has("Anna appears in 0") && !stage.has("Anna is calling"));
    show(None);
    assert!(stage.has("Anna is calling") && !stage.has("Anna appears in 0"));
}
