//! Which cameras `rpicam-vid` sees, by its own `--list-cameras`: for a helper who wonders why there
//! is no picture. Nothing is started by it.
//!
//! ```text
//! Available cameras
//! -----------------
//! 0 : imx219 [3280x2464 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx219@10)
//! ```

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::PROGRAM;
use crate::clock;
use crate::device::open::CameraFound;

/// A program that says nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of its list no more than this is read, in bytes.
const LIST_LIMIT: usize = 64 * 1024;

/// What a list of cameras says of the program at this path.
pub(super) fn found(program: &Path) -> CameraFound {
    let (usable, card, sentence) = match ask(program).map(|list| cameras(&list)) {
        Ok(sensors) if sensors.is_empty() => {
            (false, String::new(), format!("{PROGRAM} is installed and sees no camera"))
        }
        Ok(sensors) => {
            let names = sensors.join(", ");
            (true, names.clone(), format!("{names}, through {PROGRAM}"))
        }
        Err(cause) => (false, String::new(), format!("{PROGRAM} can't list cameras: {cause}")),
    };
    CameraFound {
        name: "rpicam".to_owned(),
        card,
        driver: PROGRAM.to_owned(),
        formats: vec!["YU12".to_owned()],
        usable,
        sentence,
    }
}

fn ask(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("--list-cameras").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut pipe = child.stdout.take().expect("a pipe was asked for");
    let began = clock::now();
    let mut list = Vec::new();
    let answer = loop {
        let left = PATIENCE.saturating_sub(clock::now().since(began));
        if left.is_zero() || list.len() > LIST_LIMIT {
            break Err("it does not come to an end".to_owned());
        }
        let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left + Duration::from_micros(999));
        match nix::poll::poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) => {}
            Err(errno) => break Err(errno.desc().to_owned()),
        }
        let mut bytes = [0; 4096];
        match pipe.read(&mut bytes) {
            Ok(0) => break Ok(String::from_utf8_lossy(&list).into_owned()),
            Ok(length) => list.extend_from_slice(&bytes[..length]),
            Err(error) => break Err(error.to_string()),
        }
    };
    if let Ok(pid) = i32::try_from(child.id()) {
        // It was not waited for yet, so the number is still its own. Gone is as good.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait();
    answer
}

/// The sensors' names in the program's list.
fn cameras(list: &str) -> Vec<String> {
    let entries = list.lines().filter_map(|line| line.trim_start().split_once(" : "));
    let numbered = entries.filter(|(number, _)| number.parse::<u32>().is_ok());
    numbered.filter_map(|(_, rest)| Some(rest.split_whitespace().next()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const LIST: &str = "Available cameras\n-----------------\n\
        0 : imx219 [3280x2464 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx219@10)\n\
        \x20   Modes: 'SRGGB10_CSI2P' : 640x480 [206.65 fps - (1000, 752)/1280x960 crop]\n\
        1 : ov5647 [2592x1944 10-bit GBRG] (/base/soc/i2c0mux/i2c@0/ov5647@36)\n";

    #[test]
    fn the_sensors_are_the_numbered_lines() {
        assert_eq!(cameras(LIST), ["imx219", "ov5647"]);
        assert_eq!(cameras("No cameras available!\n"), Vec::<String>::new());
    }

    #[test]
    fn the_program_is_asked_and_what_it_says_becomes_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("rpicam-vid");
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rpicam-vid");
        symlink(stand_in, &program).unwrap();
        fs::write(folder.path().join("cameras"), LIST).unwrap();
        let camera = found(&program);
        assert_eq!((camera.usable, camera.card.as_str()), (true, "imx219, ov5647"));
        assert_eq!(camera.sentence, "imx219, ov5647, through rpicam-vid");
        fs::write(folder.path().join("cameras"), "No cameras available!\n").unwrap();
        let camera = found(&program);
        assert!(!camera.usable);
        assert_eq!(camera.sentence, "rpicam-vid is installed and sees no camera");
        assert!(!found(Path::new("/nowhere/rpicam-vid")).usable);
    }
}
