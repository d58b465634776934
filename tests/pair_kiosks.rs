//! Two running kiosks that forget each other, pair again by words, and tell each other where they are;
//! and a program that pairs for one of them and goes away.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{self, Home};
use twocan::cli::remote;
use twocan::contacts::{Contact, Contacts};
use twocan::wire::control::{PairStep, Request};

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const HEADLESS: [&str; 3] = ["kiosk", "--screen", "headless"];

fn reachable(status: &Value) -> bool {
    status["contacts"][0]["reachable"] == true
}

fn done(home: &Home, arguments: &[&str]) -> String {
    let output = home.command().unwrap().args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn contacts(home: &Home) -> Vec<Contact> {
    Contacts::load(&home.folder.join("state")).value.iter().cloned().collect()
}

#[test]
fn a_contact_that_was_forgotten_is_told_so_and_running_kiosks_pair_again_by_words() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let family = Family::make(folder.path(), &Habits::default()).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let mut bert = family.bert.start(&HEADLESS, &[]).unwrap();
    anna.wait_for("Bert's tile to be bright", LIMIT, reachable).unwrap();
    bert.wait_for("Anna's tile to be bright", LIMIT, reachable).unwrap();

    done(&family.bert, &["contact", "remove", "Anna"]);
    let told = |status: &Value| {
        let why = status["contacts"][0]["trouble"].as_str();
        why.is_some_and(|why| why.contains("pair with it again"))
    };
    anna.wait_for("the sentence for who was forgotten", LIMIT, told).unwrap();
    assert!(done(&family.anna, &["status"]).contains("pair with it again"));
    done(&family.anna, &["contact", "remove", "Bert"]);

    let mut offer = family.anna.command().unwrap();
    offer.args(["pair", "--yes"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut offer = offer.spawn().unwrap();
    let mut lines = BufReader::new(offer.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "Tell the other one these words:");
    let words = lines.next().unwrap();
    let words: Vec<&str> = words.split_whitespace().collect();
    let joined = done(&family.bert, &[&["pair", "--yes"], &words[..]].concat());
    let offered: Vec<String> = lines.collect();
    assert!(offer.wait().unwrap().success(), "{offered:#?}");
    assert_eq!(offered.last().unwrap(), "Bert is a contact now.");
    assert_eq!(joined.lines().nth(1), offered.get(1).map(String::as_str), "the same pictures");
    anna.wait_for("Bert's tile to be bright again", LIMIT, reachable).unwrap();
    bert.wait_for("Anna's tile to be bright again", LIMIT, reachable).unwrap();
    for (home, name) in [(&family.anna, "Bert"), (&family.bert, "Anna")] {
        let [contact] = contacts(home).try_into().unwrap();
        assert_eq!((contact.name.as_str(), contact.meeting.len()), (name, 1));
    }

    // Where nothing is known of where to meet, the other one says it once it is up.
    for (home, other) in [(&family.anna, &family.bert), (&family.bert, &family.anna)] {
        done(home, &["contact", "remove", &other.name]);
        let key = other.identity.public().to_openssh("");
        done(home, &["contact", "add", &other.name, "--key", &key]);
    }
    anna.stop(LIMIT).unwrap();
    bert.stop(LIMIT).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let mut bert = family.bert.start(&HEADLESS, &[]).unwrap();
    let knows = |home: &Home| contacts(home).first().is_some_and(|c| c.meeting.len() == 1);
    anna.wait_for("where Bert can be met", LIMIT, |_| knows(&family.anna)).unwrap();
    bert.wait_for("where Anna can be met", LIMIT, |_| knows(&family.bert)).unwrap();
}

#[test]
fn a_program_that_goes_without_a_word_takes_its_offer_with_it() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let family = Family::make(folder.path(), &Habits::default()).unwrap();
    let mut anna = family.anna.start(&HEADLESS, &[]).unwrap();
    let connected = |status: &Value| status["relay"]["state"] == "connected";
    anna.wait_for("the relay", LIMIT, connected).unwrap();

    let mut offer = family.anna.command().unwrap();
    offer.args(["pair", "--yes"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut offer = offer.spawn().unwrap();
    let mut lines = BufReader::new(offer.stdout.take().unwrap()).lines().map(Result::unwrap);
    let words = lines.nth(1).unwrap();
    offer.kill().unwrap();
    offer.wait().unwrap();
    let mut after = 0;
    let sentence = loop {
        let (answer, _) = remote::ask(anna.socket(), &Request::PairNews { after }).unwrap();
        let last = answer.pairing.last().expect("it is stopped and not waited for");
        after = last.number;
        if let PairStep::Failed { sentence } = &last.step {
            break sentence.clone();
        }
    };
    assert!(sentence.contains("stopped"), "{sentence}");
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut join = family.bert.command().unwrap();
    let join = join.args(["pair", "--yes"]).args(&words).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&join.stderr);
    assert!(!join.status.success() && said.contains("obody waits"), "{said}");
}
