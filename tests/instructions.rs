//! A piece of the work does not become dearer by accident: instructions are counted, which are the
//! same on a busy machine, and held to `benches/instructions.json`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::process::Command;

use serde_json::Value;

#[test]
fn no_piece_of_the_work_takes_a_tenth_more_instructions_than_is_written_down() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: no valgrind (kiosk/setup.sh installs it)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("instructions.json");
    let out = Command::new(env!("CARGO_BIN_EXE_twocan"))
        .args(["bench", "instructions", "--runs", "1", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let bench: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let rows = bench["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 7);
    for row in rows {
        assert!(row["ours"]["median"].as_f64().unwrap() > 0.0, "{row}");
        // Figures are written down for the architectures that somebody has measured.
        if cfg!(target_arch = "x86_64") {
            assert_eq!(row["ok"], true, "more than the guard in benches/instructions.json: {row}");
        }
    }
}
