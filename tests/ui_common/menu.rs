//! The pages behind home, with short things and with long ones.

use twocan::pairing::PICTURES;
use twocan::ui::menu::{List, LookInRow, MenuPage, MissedRow, PersonRow};
use twocan::ui::screen::{Page, Screen};

use super::{LONG_NAME, person, screen, with_photo};

pub fn menu(page: MenuPage) -> Screen {
    screen(Page::Menu(page))
}

fn list<T>(rows: Vec<T>, earlier: bool, later: bool) -> List<T> {
    List { rows, earlier, later }
}

pub fn pin(sentence: &str, entered: u8, enabled: bool) -> Screen {
    menu(MenuPage::Pin { sentence: sentence.to_owned(), entered, enabled })
}

pub fn settings() -> Screen {
    menu(MenuPage::Settings {
        ring_volume: 7,
        brightness: 3,
        quiet_hours: "22:00 to 7:00".to_owned(),
        pin: true,
        missed: 2,
    })
}

pub fn quiet_hours(exceptions: &str) -> Screen {
    menu(MenuPage::QuietHours {
        on: true,
        from: "22:00".to_owned(),
        to: "07:00".to_owned(),
        exceptions: exceptions.to_owned(),
    })
}

pub fn people_rows() -> Vec<PersonRow> {
    let row =
        |person, reachable, seen: &str| PersonRow { person, reachable, seen: seen.to_owned() };
    vec![
        row(person(1, "Anna"), true, "There now"),
        row(with_photo(2, "Grandma Rosemarie"), false, "Last seen yesterday at 18:02"),
        row(person(3, LONG_NAME), false, "Not seen yet"),
        row(with_photo(4, "Ben"), false, "Last seen on Wednesday at 09:05"),
    ]
}

pub fn people(earlier: bool, later: bool) -> Screen {
    menu(MenuPage::People(list(people_rows(), earlier, later)))
}

pub fn person_page(name: &str, forgetting: bool) -> Screen {
    menu(MenuPage::Person {
        person: with_photo(2, name),
        may_ring: true,
        in_quiet_hours: false,
        look_in: true,
        seen: "Last seen yesterday at 18:02".to_owned(),
        forgetting,
    })
}

pub fn missed(earlier: bool, later: bool) -> Screen {
    let row = |person, when: &str| MissedRow { person, when: when.to_owned() };
    let rows = vec![
        row(person(1, "Anna"), "Today at 14:10"),
        row(with_photo(2, "Grandma Rosemarie"), "Yesterday at 18:02"),
        row(person(3, LONG_NAME), "On Wednesday at 09:15"),
        row(person(1, "Anna"), "On 12 November"),
    ];
    menu(MenuPage::Missed(list(rows, earlier, later)))
}

pub fn look_ins(whole: bool, later: bool) -> Screen {
    let row = |name: &str, when: &str, how: &str| LookInRow {
        name: name.to_owned(),
        when: when.to_owned(),
        how: how.to_owned(),
    };
    let rows = vec![
        row("Anna", "Today at 14:10", "for 5 minutes"),
        row("Grandma Rosemarie", "Yesterday at 18:02", "refused"),
        row(LONG_NAME, "On Wednesday at 09:15", "for less than a minute"),
        row("Ben", "On Tuesday at 20:40", "for 12 minutes"),
    ];
    menu(MenuPage::LookIns { list: list(rows, false, later), whole })
}

/// As long as the code of a kiosk with two meeting points is.
pub fn code() -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".chars().cycle();
    let mixed = letters.enumerate().filter(|(place, _)| place * place % 7 != 3);
    format!("TWOCAN1:{}", mixed.map(|(_, letter)| letter).take(420).collect::<String>())
}

pub fn scan(code: &str, got: Option<&str>) -> Screen {
    menu(MenuPage::Scan {
        code: code.to_owned(),
        sentence: match (got, code) {
            (Some(name), _) => {
                format!(
                    "The code of {name} is read. Touch Next when the other screen has read this one."
                )
            }
            (None, "") => "The code can't be read. Hold it nearer, with more light.".to_owned(),
            (None, _) => "Hold the two screens face to face.".to_owned(),
        },
        got: got.map(str::to_owned),
    })
}

pub fn words(words: [&str; 4]) -> Screen {
    menu(MenuPage::Words {
        words: words.map(str::to_owned),
        sentence: "Read these words to the other one on the telephone.".to_owned(),
    })
}

pub fn enter_words(words: &[&str], letters: &str, next: u32, choices: &[&str]) -> Screen {
    let owned = |words: &[&str]| words.iter().copied().map(str::to_owned).collect();
    menu(MenuPage::EnterWords {
        words: owned(words),
        letters: letters.to_owned(),
        next,
        choices: owned(choices),
        sentence: "Which words does the other one read to you?".to_owned(),
    })
}

pub fn compare(name: &str, waiting: bool) -> Screen {
    let place = |name| {
        let place = PICTURES.iter().position(|picture| *picture == name).expect("a picture");
        u8::try_from(place).expect("there are 32")
    };
    let four = ["mushroom", "car", "butterfly", "umbrella"].map(place);
    menu(MenuPage::Compare { name: name.to_owned(), four, waiting })
}

pub fn working(sentence: &str) -> Screen {
    menu(MenuPage::Working { sentence: sentence.to_owned() })
}

pub fn result(sentence: &str, good: bool, again: bool) -> Screen {
    menu(MenuPage::Result { sentence: sentence.to_owned(), good, again })
}

/// All of them, by the names of their pictures.
pub fn every_menu_page() -> Vec<(&'static str, Screen)> {
    let none = || menu(MenuPage::Missed(list(vec![], false, false)));
    vec![
        ("pin", pin("Please enter the PIN", 2, true)),
        ("pin-wrong", pin("That was not it. Please wait 30 seconds, then try again.", 0, false)),
        ("pin-long", pin("Choose a PIN of four to eight digits", 8, true)),
        ("settings", settings()),
        ("quiet-hours", quiet_hours("")),
        (
            "quiet-hours-exceptions",
            quiet_hours(&format!("Anna, Grandma Rosemarie and {LONG_NAME} may ring all the same.")),
        ),
        ("people", people(false, false)),
        ("people-more", people(true, true)),
        ("person", person_page("Anna", false)),
        ("person-forgetting", person_page(LONG_NAME, true)),
        ("missed", missed(false, false)),
        ("missed-more", missed(true, true)),
        ("missed-none", none()),
        ("look-ins", look_ins(true, true)),
        ("look-ins-changed", look_ins(false, false)),
        ("add", menu(MenuPage::Add { meeting: true, first: false })),
        ("add-first", menu(MenuPage::Add { meeting: false, first: true })),
        ("scan", scan(&code(), None)),
        ("scan-got", scan(&code(), Some(LONG_NAME))),
        ("scan-relay", scan("", None)),
        ("words", words(["abandon", "umbrella", "dinosaur", "wrestle"])),
        ("words-none", words(["", "", "", ""])),
        ("enter-words", enter_words(&[], "", 0x03ff_ffff, &[])),
        (
            "enter-words-choices",
            enter_words(
                &["abandon", "umbrella"],
                "di",
                0b1_0100,
                &["diagram", "dial", "diamond", "diary"],
            ),
        ),
        ("working", working("Looking for the other one…")),
        ("compare", compare("Anna", false)),
        ("compare-long", compare(LONG_NAME, false)),
        ("compare-waiting", compare("Grandma Rosemarie", true)),
        ("result-good", result("Anna is on your screen now.", true, false)),
        (
            "result-bad",
            result("The words were not the right ones. Please ask for new words.", false, true),
        ),
    ]
}
