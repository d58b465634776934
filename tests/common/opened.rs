//! What a process has open, looked at from outside: its threads by name, its files, its devices.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Far more than anything takes to close.
const LIMIT: Duration = Duration::from_secs(60);
/// The threads that would open a camera or a microphone.
pub(crate) const SENDERS: [&str; 4] = ["camera", "talk", "viewer", "scan camera"];

/// The names of the threads of a process.
pub(crate) fn threads(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks.flatten().filter_map(name).map(|name| name.trim().to_owned()).collect()
}

/// What its descriptors are, sorted; sockets and the like without their numbers.
pub(crate) fn files(pid: u32) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = folder.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    let kind = |link: PathBuf| link.to_string_lossy().split(":[").next().unwrap().to_owned();
    let mut files: Vec<String> = links.map(kind).collect();
    files.sort();
    files
}

/// The same when nothing is being opened or closed any more: who has just been asked closes that line.
pub(crate) fn settled_files(pid: u32) -> Vec<String> {
    let mut seen = files(pid);
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = files(pid);
        if std::mem::replace(&mut seen, now.clone()) == now {
            return now;
        }
    }
}

/// Fails if a camera or a microphone is open, or somebody is there who would open one.
#[track_caller]
pub(crate) fn only_hears(pid: u32) {
    let (threads, files) = (threads(pid), files(pid));
    let sends = |name: &&String| SENDERS.contains(&name.as_str());
    assert_eq!(threads.iter().find(sends), None, "{threads:?}");
    assert!(threads.iter().any(|name| name == "ear"), "{threads:?}");
    // Of ALSA's devices those for capture end with a c.
    let captures = |file: &&String| {
        file.starts_with("/dev/video") || (file.starts_with("/dev/snd/pcm") && file.ends_with('c'))
    };
    assert_eq!(files.iter().find(captures), None, "{files:?}");
}

/// Wait until no thread of the ear is left.
#[track_caller]
pub(crate) fn wait_for_no_ear(pid: u32) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let threads = threads(pid);
        if !threads.iter().any(|name| name.starts_with("ear")) {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {threads:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Wait until it has open what it had `before`.
#[track_caller]
pub(crate) fn wait_for_files(pid: u32, before: &[String]) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let now = files(pid);
        if now == before {
            return;
        }
        assert!(Instant::now() < deadline, "open: {now:#?}, and before: {before:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
