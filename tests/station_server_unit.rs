//! The station server as a service: what the manager hears of the process, and what its unit says.
//! (tests/station_setup.rs has systemd's own checkers look at every unit of a station's.)
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

#[allow(dead_code, reason = "other tests need more of it")]
#[path = "common/pulse.rs"]
mod pulse;

use pulse::Running;

const LIMIT: Duration = Duration::from_secs(60);
const UNIT: &str = include_str!("../kiosk/station/twocan-station-server.service");

/// What the service manager hears, up to `wanted`.
fn heard(socket: &UnixDatagram, wanted: &str) {
    let mut all = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let length =
            socket.recv(&mut bytes).unwrap_or_else(|e| panic!("no {wanted} ({e}): {all:?}"));
        all.push(String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned());
        if all.last().unwrap().contains(wanted) {
            return;
        }
    }
}

#[test]
fn the_manager_hears_that_it_is_ready_how_it_is_and_again_and_again_that_it_gets_on() {
    let folder = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let config = "[station_server]\nlisten = '127.0.0.1:0'\nweb = '127.0.0.1:0'\n\
                  [[station_server.station]]\nname = 'Garden'\naddress = '127.0.0.1'\n\
                  [door]\nlisten = '127.0.0.1:0'\n";
    fs::write(folder.path().join("server.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.args(["--config", "server.toml", "--state", "state", "--runtime", "run"]);
    command.arg("station-server").env("NOTIFY_SOCKET", folder.path().join("notify"));
    command.env("WATCHDOG_USEC", "900000").env_remove("WATCHDOG_PID");
    let mut server = Running::start(command, folder.path());
    heard(&manager, "READY=1");
    heard(&manager, "STATUS=0 of 1 stations are heard");
    for _ in 0..3 {
        heard(&manager, "WATCHDOG=1");
    }
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
    heard(&manager, "STOPPING=1");
}

fn values(key: &str) -> Vec<&str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_is_watched_comes_back_for_ever_and_shares_no_folder_with_a_kiosk() {
    let (kiosk, own) =
        (include_str!("../kiosk/twocan-kiosk.service"), ["StateDirectory", "RuntimeDirectory"]);
    for key in own {
        assert_eq!(values(key), ["twocan-station-server"]);
        assert!(kiosk.contains(&format!("{key}=twocan\n")));
    }
    assert_eq!(values("InaccessiblePaths"), ["-/var/lib/twocan -/run/twocan"]);
    assert_eq!((values("Type"), values("Restart")), (vec!["notify"], vec!["always"]));
    assert_eq!((values("WatchdogSec"), values("StartLimitIntervalSec")), (vec!["60"], vec!["0"]));
    assert!(include_str!("../docs/station-server.md").contains("/etc/twocan/station-server.toml"));
    assert!(values("ExecStart")[0].contains("--config /etc/twocan/station-server.toml "));
    let packaged = "[\"kiosk/station/twocan-station-server.service\", \"usr/lib/systemd/system/\"";
    assert!(include_str!("../Cargo.toml").contains(packaged));
}
