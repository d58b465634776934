//! What turns a machine into a kiosk says nothing that systemd, the desktop or the firmware would
//! stumble over. Where their checkers are not installed (kiosk/setup.sh brings them), a test says so; with
//! CI=true it fails.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use twocan::cli::Cli;

/// What the kiosk's user may open, and no more.
const GROUPS: [&str; 4] = ["video", "render", "input", "audio"];

fn kiosk(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kiosk").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(kiosk(file)).unwrap()
}

/// The values of `key` in the unit, in their order.
fn values(key: &str) -> Vec<String> {
    let unit = read("twocan-kiosk.service");
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.map(str::to_owned).collect()
}

/// Standard output and error of a checker that must succeed; `None` where it is not installed.
fn checked(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "{program} is not installed, and CI checks everything");
        println!("{program} is not installed: NOT CHECKED");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    Some(said)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    // A unit names a program that is installed; this one is installed here.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twocan-kiosk.service");
    let unit = read("twocan-kiosk.service");
    assert!(unit.contains("ExecStart=/usr/bin/twocan "), "{unit}");
    fs::write(&path, unit.replace("/usr/bin/twocan", env!("CARGO_BIN_EXE_twocan"))).unwrap();
    let found = checked("systemd-analyze", &["verify", "--man=no", path.to_str().unwrap()]);
    assert_eq!(found.unwrap_or_default(), "");
}

#[test]
fn the_unit_leaves_a_kiosk_that_was_taken_over_little_to_reach() {
    let unit = kiosk("twocan-kiosk.service");
    let options = ["security", "--offline=true", "--no-pager", unit.to_str().unwrap()];
    let Some(report) = checked("systemd-analyze", &options) else { return };
    let (_, level) = report.split_once("Overall exposure level").unwrap();
    let level = level.split_once(": ").unwrap().1.split(' ').next().unwrap();
    assert!(level.parse::<f64>().unwrap() <= 2.0, "{report}");
}

#[test]
fn the_unit_comes_back_for_ever_and_is_watched() {
    assert_eq!(values("Type"), ["notify"]);
    assert_eq!(values("Restart"), ["always"]);
    assert_eq!(values("StartLimitIntervalSec"), ["0"]);
    assert_eq!(values("WatchdogSec").len(), 1);
    let pause = values("RestartSec");
    let pause: u32 = pause[0].strip_suffix("ms").unwrap().parse().unwrap();
    assert!(pause <= 500, "home again within two seconds");
}

#[test]
fn the_kinds_of_devices_that_the_unit_may_open_are_known_to_the_kernel_before_it_starts() {
    // Kinds whose drivers Debian and the Pi build as modules; input and the heaps are built in.
    let module = |kind: &str| match kind {
        "drm" => Some("drm"),
        "media" => Some("mc"),
        "video4linux" => Some("videodev"),
        "alsa" => Some("snd"),
        "input" | "dma_heap" => None,
        kind => panic!("where does {kind} come from?"),
    };
    let has = |key: &str, unit: &str| {
        values(key).iter().any(|line| line.split(' ').any(|other| other == unit))
    };
    let allowed = values("DeviceAllow");
    let kinds = allowed.iter().filter_map(|line| line.strip_prefix("char-")?.strip_suffix(" rw"));
    let needed: Vec<_> = kinds.filter_map(module).collect();
    assert_eq!(needed, ["drm", "videodev", "mc", "snd"]);
    for unit in needed.iter().map(|module| format!("modprobe@{module}.service")) {
        assert!(has("Wants", &unit) && has("After", &unit), "{unit}");
    }
}

#[test]
fn the_console_is_the_kiosks_and_no_logins() {
    assert_eq!(values("TTYPath"), ["/dev/tty1"]);
    assert_eq!(values("Conflicts"), ["getty@tty1.service"]);
    assert!(values("After")[0].split(' ').any(|unit| unit == "getty@tty1.service"));
}

#[test]
fn the_units_command_line_is_understood() {
    let command = &values("ExecStart")[0];
    Cli::try_parse_from(command.split(' ')).unwrap();
}

#[test]
fn the_user_has_the_groups_of_its_devices_in_the_unit_and_at_a_prompt_and_no_others() {
    assert_eq!(values("SupplementaryGroups")[0].split(' ').collect::<Vec<_>>(), GROUPS);
    let users = read("sysusers.d/twocan.conf");
    let member = |line: &str| line.strip_prefix("m twocan ").map(str::to_owned);
    assert_eq!(users.lines().filter_map(member).collect::<Vec<_>>(), GROUPS);
    let file = kiosk("sysusers.d/twocan.conf");
    let root = tempfile::tempdir().unwrap();
    let root = format!("--root={}", root.path().display());
    let made = checked("systemd-sysusers", &["--dry-run", &root, file.to_str().unwrap()]);
    assert!(made.is_none_or(|said| said.contains("Creating user 'twocan'")));
}

#[test]
fn the_desktop_takes_the_launcher_and_its_icon_is_there() {
    let launcher = kiosk("twocan.desktop");
    let said = checked("desktop-file-validate", &[launcher.to_str().unwrap()]);
    assert_eq!(said.unwrap_or_default(), "");
    let launcher = read("twocan.desktop");
    let value = |key| launcher.lines().find_map(|line: &str| line.strip_prefix(key)).unwrap();
    Cli::try_parse_from(value("Exec=").split(' ')).unwrap();
    assert!(read(&format!("icons/{}.svg", value("Icon="))).starts_with("<svg "));
}

#[test]
fn the_light_of_the_panel_is_in_the_hands_of_the_kiosks_group() {
    let rules = read("udev/70-twocan.rules");
    let light = rules.lines().find(|line| line.starts_with("SUBSYSTEM==\"backlight\"")).unwrap();
    assert!(light.contains("chgrp video $sys$devpath/brightness"), "{light}");
    assert!(light.contains("chmod g+w $sys$devpath/brightness"), "{light}");
    // The sandbox shows /sys read-only but for this.
    assert_eq!(values("ReadWritePaths"), ["-/sys/devices"]);
}

#[test]
fn the_firmwares_lines_and_the_kernels_words_are_well_formed() {
    for line in read("boot/config.txt").lines().map(|line| line.trim_start_matches('#')) {
        let said = line.starts_with(' ')
            || line.split_once('=').is_some_and(|(key, value)| {
                !key.contains(' ') && !value.is_empty() && !value.contains(' ')
            });
        assert!(said, "{line}");
    }
    let words = read("boot/cmdline.txt");
    assert_eq!(words.lines().count(), 1, "the kernel reads one line");
    for word in [
        "quiet",
        "logo.nologo",
        "vt.global_cursor_default=0",
        "consoleblank=0",
        "sysctl.kernel.sysrq=0",
    ] {
        assert!(words.split_whitespace().any(|other| other == word), "{word}");
    }
}
