//! A family sets up two kiosks that know nobody: with taps where the buttons are drawn, with codes held
//! up before cameras, and with nothing else.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[path = "common/person.rs"]
mod person;
mod ui_common;

use std::rc::Rc;

use common::hardened::Server;
use common::lens::{blue, green, green_and_blue, of_screen, of_terminal};
use person::{LIMIT, Person};
use serde_json::Value;
use twocan::cli::demo::kiosk::Home;
use twocan::cli::demo::sshd::Relay;
use twocan::contacts::Contacts;
use twocan::identity::PeerKey;
use twocan::pairing::{Four, PICTURES, four_of, words};
use twocan::ui::menu::MenuPage;
use twocan::ui::panel::Panel;
use twocan::ui::screen::{Page, Person as Face, Screen};
use twocan::wire::control::PairStep;
use ui_common::menu::{enter_words, menu, result, scan, words as words_page};
use ui_common::{Stage, home, in_call_with, screen, tile};

/// Of a kiosk that knows nobody, its home.
fn choices(meeting: bool) -> Screen {
    menu(MenuPage::Add { meeting, first: true })
}

fn face(of: &Person) -> Face {
    Face { key: key(of), name: of.home.name.clone(), photo: None }
}

fn key(of: &Person) -> PeerKey {
    of.home.identity.public()
}

/// The home of whom `other` can be called from.
fn home_with(other: &Person) -> Screen {
    home(vec![tile(face(other), true, None)])
}

fn in_call_with_other(other: &Person) -> Screen {
    let face = face(other);
    in_call_with(|page| {
        if let Page::InCall { person, .. } = page {
            *person = face;
        }
    })
}

fn compare(other: &Person, four: Four, waiting: bool) -> Screen {
    menu(MenuPage::Compare { name: other.home.name.clone(), four, waiting })
}

fn added(other: &Person) -> Screen {
    result(&format!("{} is on your screen now.", other.home.name), true, false)
}

/// The words that are on show there, as they are read out on the telephone.
fn words_shown(person: &Person) -> [String; 4] {
    person.hears("words", |step| match step {
        PairStep::Words { words } => words.clone().try_into().ok(),
        _ => None,
    })
}

/// The pictures that are on show there.
fn pictures_shown(person: &Person) -> Four {
    let names = person.hears("pictures", |step| match step {
        PairStep::Compare { pictures, .. } => Some(pictures.clone()),
        _ => None,
    });
    let place = |name: &String| PICTURES.iter().position(|known| known == name).unwrap() as u8;
    names.iter().map(place).collect::<Vec<_>>().try_into().unwrap()
}

/// Put in the words that are heard on the telephone: the first letters of each, until it is among those
/// to choose from.
fn enters(person: &mut Person, wanted: &[String; 4]) {
    let mut complete: Vec<&str> = Vec::new();
    for word in wanted {
        let mut letters = String::new();
        loop {
            let open = words::remaining(&letters);
            let few = |known: &&&str| open.len() <= 4 || **known == letters;
            let few: Vec<&str> = open.iter().filter(few).copied().collect();
            person.sees(enter_words(&complete, &letters, words::next_letters(&letters), &few));
            if few.contains(&word.as_str()) {
                break;
            }
            let letter = &word[letters.len()..=letters.len()];
            person.touches(letter);
            letters.push_str(letter);
        }
        person.touches(word);
        complete.push(word);
    }
}

fn reachable(status: &Value) -> bool {
    status["contacts"][0]["reachable"] == true
}

fn sees_and_hears(status: &Value) -> bool {
    let figures = &status["call"]["figures"];
    let count = |media: &str, what: &str| figures[media][what].as_u64().unwrap_or(0);
    count("video", "shown") > 10 && count("audio", "packets") > 10
}

/// `twocan calls --json`.
fn calls(home: &Home) -> Value {
    let calls = home.command().unwrap().args(["calls", "--json"]).output().unwrap();
    serde_json::from_slice(&calls.stdout).unwrap()
}

/// One touches the other's tile, who answers; they see each other, and hang up.
fn they_call_each_other(anna: &mut Person, bert: &mut Person) {
    anna.lens.sees(&green());
    bert.lens.sees(&blue());
    anna.sees(home_with(bert));
    anna.touches(&bert.home.name);
    let rings = screen(Page::Incoming { person: face(anna), appears_in: None });
    bert.sees_where("incoming", rings, |_| true);
    bert.touches("Answer");
    for person in [&mut *anna, &mut *bert] {
        person.kiosk.wait_for("pictures and voice", LIMIT, sees_and_hears).unwrap();
    }
    // The other's picture fills a third of the screen, the own one is small.
    let (most, few) = (800 * 480 / 3, 800 * 480 / 9);
    anna.sees_where("in-call", in_call_with_other(bert), |png| {
        let [green, blue] = green_and_blue(png);
        green < few && blue > most
    });
    bert.sees_where("in-call", in_call_with_other(anna), |png| {
        let [green, blue] = green_and_blue(png);
        green > most && blue < few
    });
    anna.touches("Hang up");
    for person in [&mut *anna, &mut *bert] {
        person.kiosk.wait_for("home", LIMIT, |status| status["page"] == "home").unwrap();
    }
    for (person, direction) in [(anna, "outgoing"), (bert, "incoming")] {
        let calls = calls(&person.home);
        assert_eq!(calls.as_array().unwrap().len(), 1, "{calls}");
        assert_eq!(
            (&calls[0]["direction"], &calls[0]["reason"]),
            (&direction.into(), &"hung-up".into())
        );
        assert!(calls[0]["figures"]["pictures_shown"].as_u64().unwrap() > 10, "{calls}");
        person.keeps_to_itself();
    }
}

#[test]
fn a_relay_two_tickets_before_the_cameras_four_words_four_pictures_and_the_first_call() {
    // Whoever owns the relay, at its terminal.
    let server = Server::hardened();
    let tickets = ["anna", "bert"].map(|name| server.ticket(name));
    server.relay(&["pair", "anna", "bert", "--yes"]);

    let folder = tempfile::tempdir().unwrap();
    let stage = Rc::new(Stage::new(Panel::SEVEN_INCH));
    let homes = ["Anna", "Bert"].map(|name| Home::make(&folder.path().join(name), name).unwrap());
    let [mut anna, mut bert] = homes.map(|home| Person::before(home, "", "set-up-far", &stage));

    // The ticket on the terminal before the camera.
    for (person, ticket) in [(&mut anna, &tickets[0]), (&mut bert, &tickets[1])] {
        person.sees(choices(false));
        person.lens.sees(&of_terminal(ticket));
        person.touches("Scan the code of a meeting point");
        person.sees(result("This screen has a meeting point now: 127.0.0.1.", true, false));
        person.touches("Home");
        person.sees(choices(true));
        person.keeps_to_itself();
    }

    // Far apart, on the telephone.
    anna.touches("Far apart: show me four words");
    let heard = words_shown(&anna);
    anna.sees(words_page([0, 1, 2, 3].map(|place: usize| heard[place].as_str())));
    bert.touches("Far apart: I was told four words");
    enters(&mut bert, &heard);
    let four = pictures_shown(&anna);
    anna.sees(compare(&bert, four, false));
    bert.sees(compare(&anna, four, false));
    anna.touches("Yes, the same");
    anna.sees(compare(&bert, four, true));
    bert.touches("Yes, the same");
    anna.sees(added(&bert));
    bert.sees(added(&anna));
    anna.touches("Home");
    bert.touches("Home");

    for person in [&mut anna, &mut bert] {
        person.kiosk.wait_for("the other's tile to be bright", LIMIT, reachable).unwrap();
        person.keeps_to_itself();
    }
    they_call_each_other(&mut anna, &mut bert);
}

#[test]
fn two_kiosks_upright_in_one_room_read_each_others_screens_and_are_contacts() {
    let folder = tempfile::tempdir().unwrap();
    let homes = ["Anna", "Bert"].map(|name| Home::make(&folder.path().join(name), name).unwrap());
    let keys = homes.each_ref().map(|home| home.identity.public().to_openssh(&home.name));
    let Relay { port, user, host_key, .. } =
        &Relay::start(&folder.path().join("relay"), &keys).unwrap();
    let relay = format!(
        "[relay]\nhost = '127.0.0.1'\nport = {port}\nuser = '{user}'\nhost_key = '{host_key}'\n"
    );
    let stage = Rc::new(Stage::new(Panel::PORTRAIT));
    let [mut anna, mut bert] =
        homes.map(|home| Person::before(home, &relay, "set-up-near", &stage));
    let codes = [&anna, &bert].map(|person| {
        let card = person.home.command().unwrap().args(["contact", "export"]).output().unwrap();
        String::from_utf8(card.stdout).unwrap().trim().to_owned()
    });

    for (person, code) in [(&mut anna, &codes[0]), (&mut bert, &codes[1])] {
        person.sees(choices(true));
        person.touches("We are in the same room");
        person.sees(scan(code, None));
    }
    // Face to face.
    anna.lens.sees(&of_screen(&bert.screenshot()));
    bert.lens.sees(&of_screen(&anna.screenshot()));
    anna.sees(scan(&codes[0], Some("Bert")));
    bert.sees(scan(&codes[1], Some("Anna")));
    anna.touches("Next");
    bert.touches("Next");
    let four = four_of(key(&anna), key(&bert));
    anna.sees(compare(&bert, four, false));
    bert.sees(compare(&anna, four, false));
    anna.touches("Yes, the same");
    bert.touches("Yes, the same");
    anna.sees(added(&bert));
    bert.sees(added(&anna));

    let [annas, berts] = [key(&anna), key(&bert)];
    for (person, other) in [(&mut anna, berts), (&mut bert, annas)] {
        person.touches("Home");
        person.kiosk.wait_for("the other's tile to be bright", LIMIT, reachable).unwrap();
        let known = Contacts::load(&person.home.folder.join("state")).value;
        assert!(known.iter().map(|contact| contact.key).eq([other]));
        person.keeps_to_itself();
    }
    they_call_each_other(&mut anna, &mut bert);
}
