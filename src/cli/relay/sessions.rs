//! Ending the sessions of a kiosk: every process under its account's number, until there is none.
//!
//! sshd reads keys, groups and its configuration when a session begins, so what was taken away from a
//! kiosk holds for its running sessions only by ending them. On the machine itself the number is the
//! kiosk's alone; in a throw-away root only processes count whose root folder lies in there, for the
//! machine outside has numbers of its own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::RelayError;
use super::layout::{CHROOT, Layout};

/// So long it may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Between two looks: a login that was under way comes to its end meanwhile.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks in a row that must find nobody.
const QUIET: u32 = 3;

/// End them; how many processes there were.
pub(super) fn end(layout: &Layout, uids: &[u32]) -> Result<usize, RelayError> {
    let deadline = Instant::now() + LIMIT;
    let (mut ended, mut quiet) = (BTreeSet::new(), 0);
    while quiet < QUIET {
        let found = of(layout, uids)?;
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        if !found.is_empty() && Instant::now() > deadline {
            let pids: Vec<String> = found.iter().map(ToString::to_string).collect();
            return Err(RelayError::StillThere(pids.join(", ")));
        }
        for pid in found {
            // One that ended by itself in between is as gone as was wanted.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            ended.insert(pid);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(ended.len())
}

fn of(layout: &Layout, uids: &[u32]) -> Result<Vec<i32>, RelayError> {
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let inside = [layout.root().to_owned(), layout.at(CHROOT)].map(|path| place(&path));
    let lives_inside = |pid: i32| {
        let root = place(Path::new(&format!("/proc/{pid}/root")));
        root.is_some() && inside.contains(&root)
    };
    let processes = fs::read_dir("/proc").map_err(RelayError::file("read", Path::new("/proc")))?;
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let theirs = |pid: &i32| {
        uid(*pid).is_some_and(|uid| uids.contains(&uid))
            && (layout.is_whole() || lives_inside(*pid))
    };
    Ok(pids.filter(theirs).collect())
}

/// The real number of a process; none for one that is over.
fn uid(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    if status.lines().any(|line| line.starts_with("State:\tZ")) {
        return None;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}
