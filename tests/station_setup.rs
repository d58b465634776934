//! What turns a Raspberry Pi into a station says nothing that the firmware, ALSA or systemd would
//! stumble over, and docs/station.md names what is there. Where their checkers are not installed
//! (kiosk/setup.sh brings them), a test says so; with CI=true it fails.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A Raspberry Pi's device tree, what our overlay says of it.
const BOARD: &str = r#"/dts-v1/;
/ {
    compatible = "brcm,bcm2835";
    sound: sound { status = "disabled"; };
    i2s_clk_producer: i2s { #sound-dai-cells = <0>; status = "disabled"; };
};
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn station(file: &str) -> PathBuf {
    root().join("kiosk/station").join(file)
}

/// What a program said; `None` where it is not installed.
fn ran(program: &str, arguments: &[&str]) -> Option<Output> {
    ran_with(program, arguments, &[])
}

/// The same with this in its environment.
fn ran_with(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Option<Output> {
    let mut command = Command::new(program);
    let Ok(output) = command.args(arguments).envs(environment.iter().copied()).output() else {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "{program} is not installed, and CI checks everything");
        println!("{program} is not installed: NOT CHECKED");
        return None;
    };
    Some(output)
}

/// The same of one that must succeed.
fn checked(program: &str, arguments: &[&str]) -> Option<String> {
    let output = ran(program, arguments)?;
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    Some(said)
}

/// Lines of a document's scripts that run `program`.
fn lines_of<'t>(text: &'t str, program: &str) -> Vec<&'t str> {
    let start = format!("{program} ");
    text.lines()
        .map(|line| line.trim_start_matches(['/', ' ']))
        .filter(|l| l.starts_with(&start))
        .collect()
}

#[test]
fn the_overlay_compiles_without_a_warning_by_the_command_that_the_document_gives() {
    let place = tempfile::tempdir().unwrap();
    let document = fs::read_to_string(root().join("docs/station.md")).unwrap();
    let source = fs::read_to_string(station("ics43432.dts")).unwrap();
    let commands = [lines_of(&document, "dtc"), lines_of(&source, "dtc")].concat();
    assert_eq!(commands.len(), 2);
    for (number, command) in commands.into_iter().enumerate() {
        let out = place.path().join(format!("{number}.dtbo"));
        let words = command.split(' ').skip(1).map(|word| match word {
            word if word.ends_with(".dtbo") => out.to_str().unwrap().to_owned(),
            word if word.ends_with(".dts") => station("ics43432.dts").to_str().unwrap().to_owned(),
            word => word.to_owned(),
        });
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(said) = checked("dtc", &words) else { return };
        assert_eq!(said, "");
        assert!(out.exists());
    }
}

#[test]
fn the_overlay_fits_a_board_and_makes_the_card_that_the_sound_configuration_names() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (board, base, overlay, merged) =
        (path("board.dts"), path("base"), path("overlay"), path("all"));
    fs::write(&board, BOARD).unwrap();
    let source = station("ics43432.dts");
    if checked("dtc", &["-@", "-O", "dtb", "-o", &base, &board]).is_none() {
        return;
    }
    checked("dtc", &["-O", "dtb", "-o", &overlay, source.to_str().unwrap()]);
    checked("fdtoverlay", &["-i", &base, "-o", &merged, &overlay]);
    let value = |node: &str, name: &str| {
        checked("fdtget", &[&merged, node, name]).unwrap().trim_end().to_owned()
    };
    assert_eq!(value("/i2s", "status"), "okay");
    assert_eq!(value("/sound", "status"), "okay");
    assert_eq!(value("/sound", "compatible"), "simple-audio-card");
    assert_eq!(value("/mic-codec", "compatible"), "invensense,ics43432");
    // The Pi makes the clocks.
    let cpu = value("/sound/simple-audio-card,cpu", "phandle");
    assert_eq!(value("/sound", "simple-audio-card,bitclock-master"), cpu);
    assert_eq!(value("/sound", "simple-audio-card,frame-master"), cpu);
    // ALSA makes a card's name of the letters and digits of what the tree calls it.
    let name: String = value("/sound", "simple-audio-card,name")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let sound = fs::read_to_string(station("asound.conf")).unwrap();
    let cards: Vec<&str> =
        sound.lines().filter_map(|line| line.trim().strip_prefix("card ")).collect();
    assert!(!cards.is_empty() && cards.iter().all(|card| *card == name), "{cards:?} {name}");
}

#[test]
fn alsa_knows_the_names_that_the_sound_configuration_makes() {
    let sound = station("asound.conf");
    let configuration = format!("/usr/share/alsa/alsa.conf:{}", sound.display());
    for name in ["mic_hw", "mic_sv", "mic_mono"] {
        let words = ["-D", name, "-c", "2", "-d", "1", "/dev/null"];
        let environment = [("ALSA_CONFIG_PATH", configuration.as_str()), ("LC_ALL", "C")];
        let Some(output) = ran_with("arecord", &words, &environment) else { return };
        // There is no such card here: that it looks for it says that it has understood the rest.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("memsmic"), "{name}: {said}");
        assert!(!said.contains("Unknown PCM"), "{name}: {said}");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_they_reach_little() {
    let folder = tempfile::tempdir().unwrap();
    let entries = fs::read_dir(station("")).unwrap().map(|entry| entry.unwrap().path());
    let units = entries.filter(|path| path.extension().is_some_and(|e| e == "service"));
    for unit in units {
        let text = fs::read_to_string(&unit).unwrap();
        assert!(text.contains("ExecStart=/usr/bin/twocan "), "{text}");
        // A unit names a program that is installed; this one is installed here.
        let path = folder.path().join(unit.file_name().unwrap());
        fs::write(&path, text.replace("/usr/bin/twocan", env!("CARGO_BIN_EXE_twocan"))).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(
            checked("systemd-analyze", &["verify", "--man=no", path]).unwrap_or_default(),
            ""
        );
        let options = ["security", "--offline=true", "--no-pager", path];
        let Some(report) = checked("systemd-analyze", &options) else { return };
        let (_, level) = report.split_once("Overall exposure level").unwrap();
        let level = level.split_once(": ").unwrap().1.split(' ').next().unwrap();
        assert!(level.parse::<f64>().unwrap() <= 1.5, "{report}");
    }
}

#[test]
fn the_units_command_lines_are_understood() {
    use clap::Parser;
    let entries = fs::read_dir(station("")).unwrap().map(|entry| entry.unwrap().path());
    for unit in entries.filter(|path| path.extension().is_some_and(|e| e == "service")) {
        let text = fs::read_to_string(&unit).unwrap();
        let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        if let Err(e) = twocan::cli::Cli::try_parse_from(command.split(' ')) {
            panic!("{}: {e}", unit.display());
        }
    }
}

#[test]
fn the_document_names_files_that_are_there_and_the_pins_of_the_wires() {
    let text = fs::read_to_string(root().join("docs/station.md")).unwrap();
    let words = text.split(|c: char| c.is_whitespace() || "()[]`".contains(c));
    let files = words.filter(|word| word.contains("kiosk/station/") && !word.contains('*'));
    let mut found = 0;
    for file in files {
        let path = file.trim_start_matches("../").trim_end_matches([',', '.', ';']);
        assert!(root().join(path).exists(), "{path}");
        found += 1;
    }
    assert!(found >= 5);
    for wire in
        ["pin 12 (", "pin 35 (", "pin 38 (", "| pin 39 |", "pin 1 (3V3)", "to ground (pin 39)"]
    {
        assert!(text.contains(wire), "{wire}");
    }
    let boot = fs::read_to_string(station("config.txt")).unwrap();
    for line in ["dtparam=i2s=on", "dtoverlay=ics43432", "dtoverlay=googlevoicehat-soundcard"] {
        assert!(text.contains(line) && boot.contains(line), "{line}");
    }
}
