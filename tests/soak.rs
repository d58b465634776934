//! A kiosk that has made many calls holds no more than one that has made a few: an hour of calls,
//! scaled to what a test may take. (`twocan bench growth` has the figures of longer ones.)
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::time::Duration;

use serde_json::Value;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{Kiosk, set_program, usage};
use twocan::wire::control::Request;

const LIMIT: Duration = Duration::from_secs(60);
/// Calls before the first look, which find everything's size; and those between the first looks and
/// the last.
const FIRST: usize = 12;
const THEN: usize = 8;
/// Looks, one after each of so many calls: memory wanders by half a megabyte from one to the next.
const LOOKS: usize = 4;
/// What the allocator may keep for itself, in kB: a leak of a picture (115 kB) a call is over it, from
/// the last of the first looks to the first of the last.
const SLACK_KB: u64 = 1024;

/// What a process holds.
#[derive(Debug)]
struct Held {
    rss_kb: u64,
    threads: usize,
    files: usize,
}

fn held(kiosk: &Kiosk) -> Held {
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", kiosk.pid())).unwrap().count();
    Held { rss_kb: usage(kiosk.pid()).unwrap().1, threads: count("task"), files: count("fd") }
}

/// Both after each of some calls.
fn looks(anna: &mut Kiosk, bert: &mut Kiosk) -> [Vec<Held>; 2] {
    let mut looks = [Vec::new(), Vec::new()];
    for _ in 0..LOOKS {
        call(anna, bert);
        looks[0].push(held(anna));
        looks[1].push(held(bert));
    }
    looks
}

/// Call until both saw a picture, and hang up.
fn call(anna: &mut Kiosk, bert: &mut Kiosk) {
    let seen = |status: &Value| status["call"]["first_picture_us"].is_u64();
    let over = |status: &Value| {
        status["call"]["state"] == "idle" && status["workers"].as_array().is_some_and(Vec::is_empty)
    };
    anna.ask(&Request::Dial { name: "Bert".to_owned() }).unwrap();
    anna.wait_for("Bert's picture", LIMIT, seen).unwrap();
    bert.wait_for("Anna's picture", LIMIT, seen).unwrap();
    anna.ask(&Request::Hangup).unwrap();
    anna.wait_for("the end of the call", LIMIT, over).unwrap();
    bert.wait_for("the end of the call", LIMIT, over).unwrap();
}

#[test]
fn many_calls_leave_no_memory_no_thread_and_no_open_file_behind() {
    set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let habits = Habits {
        size: "320x240".to_owned(),
        kiosk: "auto_answer = true".to_owned(),
        ..Habits::default()
    };
    let family = Family::make(folder.path(), &habits).unwrap();
    let mut bert = family.bert.start(&["call"], &[]).unwrap();
    let mut anna = family.anna.start(&["call"], &[]).unwrap();
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    anna.wait_for("Bert at home", LIMIT, reachable).unwrap();
    bert.wait_for("Anna at home", LIMIT, reachable).unwrap();

    (0..FIRST).for_each(|_| call(&mut anna, &mut bert));
    let before = looks(&mut anna, &mut bert);
    (0..THEN).for_each(|_| call(&mut anna, &mut bert));
    let after = looks(&mut anna, &mut bert);

    for (before, after) in before.iter().zip(&after) {
        let grown = |of: fn(&Held) -> u64, slack: u64| {
            let most = before.iter().map(of).max().unwrap();
            let least = after.iter().map(of).min().unwrap();
            assert!(least <= most + slack, "{before:?}, then {after:?}");
        };
        grown(|held| held.rss_kb, SLACK_KB);
        grown(|held| held.threads as u64, 0);
        grown(|held| held.files as u64, 0);
    }
    anna.stop(LIMIT).unwrap();
    bert.stop(LIMIT).unwrap();
}
