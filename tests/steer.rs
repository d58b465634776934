//! The command line alone, from a shell script: `status`, `dial`, `answer`, `hangup` and the others
//! drive two headless kiosks through a call.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

#[test]
fn a_shell_script_sets_up_two_kiosks_and_steers_them_through_a_call() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/steer.sh");
    let output = Command::new(script).arg(env!("CARGO_BIN_EXE_twocan")).output().unwrap();
    let [said, complained] = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s));
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("steered two kiosks through a call"), "{said}");
}
