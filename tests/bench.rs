//! `twocan bench` leaves what it promises. What it measures is not asserted: a test's machine is no
//! bench.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_quickest_scenario_leaves_rows_of_the_documented_shape_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let (json, markdown) = (folder.path().join("bench.json"), folder.path().join("bench.md"));
    let out = Command::new(env!("CARGO_BIN_EXE_twocan"))
        .args(["bench", "units", "--runs", "1", "--json"])
        .arg(&json)
        .arg("--markdown")
        .arg(&markdown)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let table = fs::read_to_string(&markdown).unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), table);

    let bench: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let host = &bench["host"];
    assert!(host["cpu"].is_string() && host["kernel"].is_string(), "{host}");
    assert!(host["cores"].as_u64().unwrap() >= 1 && host["load"].is_f64(), "{host}");
    assert!(["debug", "release"].contains(&host["build"].as_str().unwrap()), "{host}");
    let rows = bench["rows"].as_array().unwrap();
    // Bare loops beside ours where they can be compiled; each of them has a row for its ratio, too.
    let beside = rows.iter().filter(|row| row["theirs"].is_object()).count();
    assert!([0, 5].contains(&beside), "{table}");
    assert_eq!(rows.len(), beside + if cfg!(feature = "kms") { 10 } else { 8 });
    for row in rows {
        assert_eq!(row["scenario"], "units");
        assert!(table.contains(row["metric"].as_str().unwrap()), "{row}");
        assert!(["µs", "ns", "times"].contains(&row["unit"].as_str().unwrap()), "{row}");
        for spread in [&row["ours"], &row["theirs"]].into_iter().filter(|spread| !spread.is_null())
        {
            let [least, median, most] =
                ["min", "median", "max"].map(|key| spread[key].as_f64().unwrap());
            assert!(0.0 < least && least <= most && median > 0.0, "{row}");
            assert_eq!(spread["n"], 10);
        }
        for key in ["peer", "theirs", "ratio", "at_least"] {
            assert!(row.as_object().unwrap().contains_key(key), "{row}");
        }
        assert_eq!(row["peer"].is_string(), row["ratio"].is_f64(), "{row}");
        assert_eq!(row["target"].is_f64(), row["ok"].is_boolean(), "{row}");
    }
}

#[test]
fn a_table_is_written_between_the_markers_of_its_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    let bench = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.args(["bench", "units", "--runs", "1", "--into"]).arg(&page).output().unwrap()
    };
    fs::write(&page, "no markers\n").unwrap();
    let out = bench();
    assert_ne!(out.status.code(), Some(0));
    assert!(String::from_utf8(out.stderr).unwrap().contains("no markers for units"));
    assert_eq!(fs::read_to_string(&page).unwrap(), "no markers\n");

    fs::write(&page, "above\n<!-- bench:begin units -->\n<!-- bench:end units -->\nbelow\n")
        .unwrap();
    assert!(bench().status.success());
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("above\n") && text.ends_with("\nbelow\n"), "{text}");
    assert!(text.contains("| units | JPEG from YUV, 640x480 |"), "{text}");
}

#[test]
fn a_scenario_that_is_not_there_is_refused_with_the_list_of_those_that_are() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    let out = command.args(["bench", "nonsense"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let words = String::from_utf8(out.stderr).unwrap();
    for name in ["units", "instructions", "video", "call", "start", "voice", "growth"] {
        assert!(words.contains(name), "{words}");
    }
}
