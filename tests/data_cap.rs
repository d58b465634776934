//! Two kiosks of which one has used up its month's pictures: both talk, both read why that is all.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use chrono::Datelike;
use serde_json::Value;
use twocan::app::words;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk;
use twocan::usage::{Month, Usage};
use twocan::wire::control::Request;

/// Far more than anything here takes; a limit only for a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);

fn this_month() -> Month {
    let today = chrono::Local::now();
    Month::new(today.year(), today.month()).unwrap()
}

fn talks_and_reads_why(status: &Value) -> bool {
    heard(status) > 10 && status["call"]["no_picture"] == words::TOO_DEAR
}

fn heard(status: &Value) -> u64 {
    status["call"]["figures"]["audio"]["packets"].as_u64().unwrap_or(0)
}

/// Pictures sent, bytes of pictures received.
fn pictures(status: &Value) -> [u64; 2] {
    let video = &status["call"]["figures"]["video"];
    ["sent", "bytes_received"].map(|figure| video[figure].as_u64().unwrap())
}

#[test]
fn who_has_no_minutes_left_talks_without_pictures_and_both_read_why() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let habits = Habits::default();
    let family = Family::make(folder.path(), &habits).unwrap();
    let config = family.config(&family.bert, &habits, &habits.sound[1]);
    let cap = "[network]\nmetered = \"yes\"\nmonthly_minutes = 1\n";
    family.bert.configure(&format!("{config}\n{cap}")).unwrap();
    let state = family.bert.folder.join("state");
    let mut usage = Usage::default();
    usage.count(this_month()).picture_seconds = 60;
    usage.keep(&state).unwrap();

    let mut anna = family.anna.start(&["call"], &[]).unwrap();
    let mut bert = family.bert.start(&["call"], &[]).unwrap();
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    anna.wait_for("Bert's tile", LIMIT, reachable).unwrap();
    bert.wait_for("Anna's tile", LIMIT, reachable).unwrap();
    anna.ask(&Request::Dial { name: "Bert".to_owned() }).unwrap();
    bert.wait_for("the ring", LIMIT, |status| status["call"]["state"] == "incoming").unwrap();
    bert.ask(&Request::Answer).unwrap();
    anna.wait_for("voice and the reason", LIMIT, talks_and_reads_why).unwrap();
    bert.wait_for("voice and the reason", LIMIT, talks_and_reads_why).unwrap();
    // What was on its way when the word came is past when voice has gone on for a while ...
    for kiosk in [&mut anna, &mut bert] {
        let past = heard(&kiosk.status().unwrap()) + 25;
        kiosk.wait_for("voice without pictures", LIMIT, |status| heard(status) > past).unwrap();
    }
    // ... and from there on there is voice and not one picture, either way.
    for kiosk in [&mut anna, &mut bert] {
        kiosk.ask(&Request::Mark).unwrap();
    }
    for kiosk in [&mut anna, &mut bert] {
        let status = kiosk.wait_for("much voice", LIMIT, |status| heard(status) > 50).unwrap();
        assert_eq!(pictures(&status), [0, 0], "{status}");
    }
    let spent = |status: &Value| status["data"]["metered_seconds"].as_u64() > Some(1);
    bert.wait_for("seconds that cost", LIMIT, spent).unwrap();
    let data = bert.status().unwrap()["data"].clone();
    assert_eq!((&data["metered"], &data["minutes_left"]), (&true.into(), &0.into()));
    assert_eq!(anna.status().unwrap()["data"]["metered"], false);

    // It is on the disk when the call is over.
    anna.ask(&Request::Hangup).unwrap();
    bert.wait_for("home", LIMIT, |status| status["call"]["state"] == "idle").unwrap();
    let kept = Usage::load(&state).of(this_month());
    assert!(kept.metered_bytes > 1000 && kept.metered_seconds > 1, "{kept:?}");
    assert_eq!(kept.bytes, kept.metered_bytes);
}
