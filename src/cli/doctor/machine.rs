//! The machine: its clock, its power supply, its temperature, its storage. All from files of the
//! kernel's; what a machine does not have is left out.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::check::Check;
use super::state::nearest;
use crate::clock;
use crate::device::clock_sync;

/// 2025-01-01: no machine that runs this is older.
const LONG_AGO: u64 = 1_735_689_600;
/// A Raspberry Pi slows down from 80 °C.
const HOT: f64 = 80.0;
/// Records and photos need little; systems fall over below this.
const SCARCE_MB: u64 = 200;
const FULL_MB: u64 = 20;

/// The row `clock`.
pub(super) fn clock() -> Check {
    judged_clock(clock::unix_seconds(), clock_sync::is_synchronised())
}

fn judged_clock(unix_seconds: u64, synchronised: bool) -> Check {
    let check = match (unix_seconds < LONG_AGO, synchronised) {
        (true, _) => Check::fail(
            "clock",
            "It is years behind, so times on the screen are wrong: connect the network, then \
             `timedatectl` says who sets it.",
        ),
        (false, true) => Check::ok("clock", "Synchronised."),
        (false, false) => Check::warn(
            "clock",
            "Not synchronised: `sudo timedatectl set-ntp true`, and wait a minute for the network.",
        ),
    };
    check.with(json!({"unix_seconds": unix_seconds, "synchronised": synchronised}))
}

/// What the machine says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
struct Machine {
    model: Option<String>,
    celsius: Option<f64>,
    /// Under-voltage now.
    starved: Option<bool>,
    /// `vcgencmd get_throttled`: bit 0 under-voltage, 1 capped, 2 throttled, 3 warm; 16 to 19 the
    /// same since the start.
    throttled: Option<u32>,
    free_mb: Option<u64>,
}

/// The row `machine`.
pub(super) fn check(state: &Path) -> Check {
    let mut machine = Machine::look(Path::new("/sys"));
    machine.throttled = throttled();
    let free = nix::sys::statvfs::statvfs(nearest(state));
    machine.free_mb = free.ok().map(|found| {
        // The C library's types differ between machines.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        let bytes = found.blocks_available() as u64 * found.fragment_size() as u64;
        bytes / 1_000_000
    });
    machine.judged()
}

impl Machine {
    /// From the files below `sys`.
    fn look(sys: &Path) -> Self {
        let model = fs::read_to_string(sys.join("firmware/devicetree/base/model")).ok();
        let volt = children(&sys.join("class/hwmon")).into_iter().find(|folder| {
            fs::read_to_string(folder.join("name")).is_ok_and(|name| name.trim() == "rpi_volt")
        });
        let zones = children(&sys.join("class/thermal")).into_iter();
        let temperatures = zones.filter_map(|zone| number(&zone.join("temp")));
        Self {
            model: model.map(|model| model.trim_end_matches('\0').trim().to_owned()),
            celsius: temperatures.max().map(|thousandths| thousandths as f64 / 1000.0),
            starved: volt
                .and_then(|folder| number(&folder.join("in0_lcrit_alarm")))
                .map(|n| n != 0),
            throttled: None,
            free_mb: None,
        }
    }

    fn judged(&self) -> Check {
        let bit = |n: u32| self.throttled.is_some_and(|bits| bits >> n & 1 == 1);
        let row = "machine";
        let starved = self.starved == Some(true) || bit(0);
        let check = match self {
            Self { free_mb: Some(free), .. } if *free < FULL_MB => Check::fail(
                row,
                format!("The storage is full ({free} MB left): nothing can be kept. Make room."),
            ),
            _ if starved => Check::fail(
                row,
                "It gets too little power: use the supply that its maker sells, and a short cable.",
            ),
            Self { celsius: Some(now), .. } if *now >= HOT => Check::warn(
                row,
                format!("It is {now:.0} °C hot and slows down: give it air, or a fan."),
            ),
            _ if bit(1) || bit(2) => {
                Check::warn(row, "It is slowed down: check power and cooling.")
            }
            _ if bit(16) => Check::warn(
                row,
                "It got too little power since it was started: use the supply that its maker sells.",
            ),
            Self { free_mb: Some(free), .. } if *free < SCARCE_MB => {
                Check::warn(row, format!("{free} MB of storage are left: make room."))
            }
            _ => Check::ok(row, self.in_words()),
        };
        check.with(json!({
            "model": self.model, "celsius": self.celsius, "under_voltage": self.starved,
            "throttled": self.throttled, "free_mb": self.free_mb,
        }))
    }

    fn in_words(&self) -> String {
        let celsius = self.celsius.map(|celsius| format!("{celsius:.0} °C"));
        let free = self.free_mb.map(|free| format!("{free} MB free"));
        let words: Vec<String> =
            [self.model.clone(), celsius, free].into_iter().flatten().collect();
        format!("{}.", words.join(", "))
    }
}

fn children(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn number(path: &Path) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What a Pi's firmware says, where its tool is installed and may be used.
fn throttled() -> Option<u32> {
    let mut command = Command::new("vcgencmd");
    let asked = command.arg("get_throttled").stdin(Stdio::null()).stderr(Stdio::null()).output();
    parse_throttled(&String::from_utf8_lossy(&asked.ok()?.stdout))
}

fn parse_throttled(said: &str) -> Option<u32> {
    u32::from_str_radix(said.trim().strip_prefix("throttled=0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict::{Fail, Ok as Good, Warn};
    use super::*;

    fn pi() -> Machine {
        Machine {
            model: Some("Raspberry Pi 4 Model B Rev 1.4".to_owned()),
            celsius: Some(52.1),
            starved: Some(false),
            throttled: Some(0),
            free_mb: Some(20_000),
        }
    }

    #[test]
    fn a_pi_is_read_from_the_kernels_files() {
        let sys = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = sys.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("firmware/devicetree/base/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        write("class/thermal/thermal_zone0/temp", "52100\n");
        write("class/hwmon/hwmon0/name", "cpu_thermal\n");
        write("class/hwmon/hwmon1/name", "rpi_volt\n");
        write("class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        let found = Machine::look(sys.path());
        let expected = Machine { starved: Some(true), throttled: None, free_mb: None, ..pi() };
        assert_eq!(found, expected);
        assert_eq!(Machine::look(&sys.path().join("none")), Machine::default());
        assert_eq!(parse_throttled("throttled=0x50005\n"), Some(0x50005));
        assert_eq!(parse_throttled("VCHI initialization failed"), None);
    }

    #[test]
    fn power_heat_and_storage_are_judged_the_worst_first() {
        let good = pi().judged();
        assert_eq!(
            (good.result, &*good.sentence),
            (Good, "Raspberry Pi 4 Model B Rev 1.4, 52 °C, 20000 MB free.")
        );
        let judge = |machine: Machine| machine.judged().result;
        assert_eq!(judge(Machine { starved: Some(true), ..pi() }), Fail);
        assert_eq!(judge(Machine { throttled: Some(0x5_0005), ..pi() }), Fail);
        assert_eq!(judge(Machine { throttled: Some(0x5_0000), ..pi() }), Warn);
        assert_eq!(judge(Machine { throttled: Some(0x4), ..pi() }), Warn);
        assert_eq!(judge(Machine { celsius: Some(84.0), ..pi() }), Warn);
        assert_eq!(judge(Machine { free_mb: Some(100), ..pi() }), Warn);
        assert_eq!(judge(Machine { free_mb: Some(3), ..pi() }), Fail);
    }

    #[test]
    fn a_clock_in_1970_is_wrong_and_one_that_nobody_sets_is_suspicious() {
        assert_eq!(judged_clock(100, false).result, Fail);
        assert_eq!(judged_clock(LONG_AGO + 1, false).result, Warn);
        assert_eq!(judged_clock(LONG_AGO + 1, true).result, Good);
    }
}
