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
    assert_eq!(rows.len(), if cfg!(feature = "kms") { 9 } else { 7 });
    for row in rows {
        assert_eq!(row["scenario"], "units");
        assert!(table.contains(row["metric"].as_str().unwrap()), "{row}");
        assert!(["µs", "ns"].contains(&row["unit"].as_str().unwrap()), "{row}");
        let ours = &row["ours"];
        let [least, median, most] = ["min", "median", "max"].map(|key| ours[key].as_f64().unwrap());
        assert!(0.0 < least && least <= median && median <= most, "{row}");
        assert_eq!(ours["n"], 10);
        for nobody in ["peer", "theirs", "ratio"] {
            assert!(
                row.as_object().unwrap().contains_key(nobody) && row[nobody].is_null(),
                "{row}"
            );
        }
        assert_eq!(row["target"].is_f64(), row["ok"].is_boolean(), "{row}");
    }
}

#[test]
fn a_scenario_that_is_not_there_is_refused_with_the_list_of_those_that_are() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    let out = command.args(["bench", "nonsense"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let words = String::from_utf8(out.stderr).unwrap();
    for name in ["units", "video", "call", "start", "voice"] {
        assert!(words.contains(name), "{words}");
    }
}
