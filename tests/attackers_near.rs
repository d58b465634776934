//! Attackers nearby: somebody on the same network finds nothing that listens, somebody with another
//! account on the same machine finds nothing that opens.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use common::victim::Victim;
use twocan::identity::Identity;

/// The local addresses (as the kernel prints them: hexadecimal, `ADDRESS:PORT`) of the sockets of a
/// process that others can send to: TCP that listens, and any UDP.
fn reachable(pid: u32) -> Vec<String> {
    let inodes: HashSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .filter_map(|link| {
            Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/net/{table}")) else { continue };
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let listens = fields[3] == "0A" || table.starts_with("udp");
            if listens && inodes.contains(fields[9]) {
                found.push(fields[1].to_owned());
            }
        }
    }
    found
}

fn is_loopback(address: &str) -> bool {
    let host = address.split(':').next().unwrap();
    host == "0100007F" || host == "00000000000000000000000001000000"
}

#[test]
fn a_kiosk_listens_to_nobody_on_the_network_unless_a_door_is_configured() {
    let anna = Identity::generate();
    let mut victim = Victim::start(&[("Anna", &anna)]);
    let open = reachable(victim.pid());
    let port = format!(":{:04X}", victim.door.port());
    assert!(open.iter().any(|address| address.ends_with(&port)), "the door is seen: {open:?}");
    assert!(open.iter().all(|address| is_loopback(address)), "{open:?}");
    victim.wait_for("an answer", |_| true);
    let closed = Victim::without_a_door(&[("Anna", &anna)]);
    assert_eq!(reachable(closed.pid()), [""; 0]);
}

/// What others than the owner may do in a folder or with a file.
fn others_may(path: &Path) -> u32 {
    let metadata = fs::metadata(path).unwrap();
    assert_eq!(metadata.uid(), nix::unistd::getuid().as_raw());
    metadata.permissions().mode() & 0o077
}

#[test]
fn another_user_of_the_machine_gets_neither_the_key_nor_the_control_socket() {
    let anna = Identity::generate();
    let victim = Victim::without_a_door(&[("Anna", &anna)]);
    let folder = victim.folder();
    assert_eq!(others_may(&folder.join("run/control")), 0);
    let mut files = 0;
    for file in fs::read_dir(folder.join("state")).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(others_may(&path), 0, "{}", path.display());
        files += 1;
    }
    assert!(files >= 2, "the key and the contacts are there");
}
