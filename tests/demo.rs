//! The demo as a newcomer runs it: its exit code, its figures, and what both screens showed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/x_server.rs"]
mod x_server;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use x_server::XServer;

/// Run `twocan demo` for eight seconds with everything it leaves in `folder`; its JSON.
fn demo(folder: &Path, options: &[&str], display: Option<&str>) -> Value {
    let json = folder.join("demo.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.args(["demo", "--seconds", "8"]).args(options);
    command.arg("--json").arg(&json).arg("--out").arg(folder);
    command.env_remove("WAYLAND_DISPLAY").env_remove("DISPLAY");
    command.envs(display.map(|display| ("DISPLAY", display)));
    let output = command.output().unwrap();
    let [said, complained] = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s));
    println!("{said}");
    assert!(output.status.success(), "{said}\n{complained}");
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}

/// How many pixels of a screenshot have the tint of Anna's pattern, and how many have Bert's.
fn tints(png: &Path) -> [usize; 2] {
    let file = std::io::BufReader::new(std::fs::File::open(png).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (800, 480), "{}", png.display());
    let channels = info.color_type.samples();
    let mut found = [0; 2];
    for pixel in pixels.chunks_exact(channels) {
        let [red, green, blue] = [0, 1, 2].map(|part| i32::from(pixel[part]));
        // Anna's is brown (122, 66, 36), Bert's is purple (74, 54, 118), both darker at the top.
        found[0] += usize::from(red > green + 15 && green > blue + 5 && blue < 90);
        found[1] += usize::from(blue > red + 15 && red > green + 5 && green < 90);
    }
    found
}

/// Each screen is filled with the other's pattern.
fn each_shows_the_other(folder: &Path) {
    let [anna, bert] =
        ["anna", "bert"].map(|who| tints(&folder.join(format!("{who}-in-call.png"))));
    let third = 800 * 480 / 3;
    assert!(anna[1] > third && anna[0] < third / 3, "Anna sees {anna:?}");
    assert!(bert[0] > third && bert[1] < third / 3, "Bert sees {bert:?}");
}

#[test]
fn the_demo_without_windows_measures_a_call_in_which_both_see_and_hear_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let report = demo(folder.path(), &["--headless"], None);
    println!("{report:#}");
    for way in ["a_to_b", "b_to_a"] {
        let video = &report[way]["video"];
        let (captured, shown) = (number(&video["captured"]), number(&video["shown"]));
        assert!(captured > 0.0 && shown >= 0.95 * captured, "{way}: {shown} of {captured}");
        for ages in ["age_ms", "stamp_age_ms"] {
            assert!(number(&video[ages]["p95"]) > 0.0, "{way}: {video}");
        }
        let audio = &report[way]["audio"];
        assert!(number(&audio["packets"]) > 0.0);
        assert_eq!(number(&audio["gaps"]), 0.0, "{way}: {audio}");
        // Without a sound server nobody can listen, and null is the honest figure.
        let measured = audio["mouth_to_ear_ms"].is_number();
        assert!(measured || !Path::new("/usr/bin/pulseaudio").exists(), "{way}: {audio}");
    }
    assert!(number(&report["call"]["setup_ms"]) >= 0.0);
    assert!(number(&report["call"]["first_picture_ms"]) > 0.0);
    for who in ["a", "b"] {
        for figure in ["cpu_percent", "rss_mb", "start_to_first_frame_ms"] {
            assert!(number(&report[who][figure]) > 0.0, "{who}: {figure}");
        }
    }
    each_shows_the_other(folder.path());
}

#[test]
fn the_demo_in_two_windows_shows_each_the_other() {
    let Some(server) = XServer::start("1700x600x24") else {
        println!("skipped: Xvfb is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let report = demo(folder.path(), &[], Some(&server.display));
    for way in ["a_to_b", "b_to_a"] {
        assert!(number(&report[way]["video"]["shown"]) > 0.0, "{report}");
    }
    each_shows_the_other(folder.path());
}

#[test]
fn a_demo_that_cannot_be_says_why_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [["--camera", "/nowhere.mjpeg"], ["--microphone", "/nowhere.wav"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.args(["demo", "--headless", "--out"]).arg(folder.path()).args(wrong);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(said.contains(wrong[1]) && said.lines().count() <= 2, "{said}");
    }
}
