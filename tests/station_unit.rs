//! The station's unit says nothing that systemd would stumble over, leaves little to reach, and comes
//! back for ever. Where systemd's checker is not installed, a test says so; with CI=true it fails.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use twocan::cli::Cli;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kiosk/station").join(name)
}

fn unit() -> String {
    fs::read_to_string(file("twocan-station.service")).unwrap()
}

/// The values of `key` in the unit, in their order.
fn values(key: &str) -> Vec<String> {
    let unit = unit();
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.map(str::to_owned).collect()
}

/// What systemd's checker says, which must succeed; `None` where it is not installed.
fn checked(arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new("systemd-analyze").args(arguments).output() else {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "systemd-analyze is not installed, and CI checks everything");
        println!("systemd-analyze is not installed: NOT CHECKED");
        return None;
    };
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    Some(said)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    // A unit names a program that is installed; this one is installed here.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twocan-station.service");
    fs::write(&path, unit().replace("/usr/bin/twocan", env!("CARGO_BIN_EXE_twocan"))).unwrap();
    let found = checked(&["verify", "--man=no", path.to_str().unwrap()]);
    assert_eq!(found.unwrap_or_default(), "");
}

#[test]
fn the_unit_leaves_a_station_that_was_taken_over_little_to_reach() {
    let path = file("twocan-station.service");
    let options = ["security", "--offline=true", "--no-pager", path.to_str().unwrap()];
    let Some(report) = checked(&options) else { return };
    let (_, level) = report.split_once("Overall exposure level").unwrap();
    let level = level.split_once(": ").unwrap().1.split(' ').next().unwrap();
    assert!(level.parse::<f64>().unwrap() <= 1.5, "{report}");
}

#[test]
fn the_unit_comes_back_for_ever_and_is_watched() {
    let one = |key: &str| values(key).join(" ");
    assert_eq!((one("Type"), one("Restart")), ("notify".to_owned(), "always".to_owned()));
    assert_eq!(one("StartLimitIntervalSec"), "0");
    assert_eq!(one("RestartPreventExitStatus"), "2", "a mistake in the configuration");
    let watchdog: u32 = one("WatchdogSec").parse().unwrap();
    assert!((30..=120).contains(&watchdog), "three feedings, each of a second's progress at least");
}

#[test]
fn the_units_command_line_is_understood_and_its_example_of_a_light_is_one_of_the_units_keys() {
    Cli::try_parse_from(values("ExecStart")[0].split(' ')).unwrap();
    assert_eq!(values("SupplementaryGroups"), ["audio"]);
    assert!(unit().contains("#   SupplementaryGroups=audio gpio\n"));
}

#[test]
fn the_package_ships_the_unit_and_the_rule_of_the_lights() {
    let manifest = include_str!("../Cargo.toml");
    for name in ["twocan-station.service", "71-twocan-station.rules"] {
        assert!(manifest.contains(&format!("[\"kiosk/station/{name}\", ")), "{name}");
    }
    let rules = fs::read_to_string(file("71-twocan-station.rules")).unwrap();
    assert!(rules.contains("SUBSYSTEM==\"leds\""));
    // Lights that are there already are new ones for the rule.
    assert!(rules.contains("ACTION==\"add\""));
    let trigger = "udevadm trigger --action=add --subsystem-match=leds";
    for text in [include_str!("../packaging/debian/postinst"), include_str!("../docs/station.md")] {
        assert!(text.contains(trigger), "{text}");
    }
    assert!(rules.contains("chgrp twocan $sys$devpath/brightness $sys$devpath/trigger"));
}
