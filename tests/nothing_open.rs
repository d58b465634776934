//! What a running kiosk offers to others: which sockets listen, and who may read its files. Looked at
//! from outside, as `ss -ltnp` and `ls -l` do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/private.rs"]
mod private;

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use private::is_private;
use serde_json::Value;
use twocan::cli::demo::family::{Family, Habits};
use twocan::cli::demo::kiosk::{self, Home, Kiosk};
use twocan::wire::control::Request;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(40);
/// To be called, without a screen.
const THERE: [&str; 1] = ["call"];
/// `TCP_LISTEN` in /proc/net/tcp.
const LISTENS: &str = "0A";

/// The inodes of the sockets that process has open.
fn sockets(pid: u32) -> HashSet<String> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = folder.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let inode = |link: std::path::PathBuf| {
        let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    links.filter_map(inode).collect()
}

/// An address as /proc/net writes it: words of 32 bits in the machine's order.
fn address(hex: &str) -> IpAddr {
    let word = |at: usize| u32::from_str_radix(&hex[at..at + 8], 16).unwrap().to_ne_bytes();
    match hex.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0))),
        32 => {
            let bytes = [word(0), word(8), word(16), word(24)].concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()))
        }
        _ => panic!("{hex} is no address"),
    }
}

/// Where that process takes connections, and datagrams from anybody.
fn open_to_others(pid: u32) -> Vec<IpAddr> {
    let own = sockets(pid);
    assert!(!own.is_empty(), "a kiosk with a relay has sockets");
    let mut found = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, remote, state, inode) = (fields[1], fields[2], fields[3], fields[9]);
            let unconnected = table.starts_with("udp") && remote.ends_with(":0000");
            if own.contains(inode) && (state == LISTENS || unconnected) {
                found.push(address(local.split(':').next().unwrap()));
            }
        }
    }
    found
}

fn in_a_call(anna: &mut Kiosk, bert: &mut Kiosk) {
    let reachable = |status: &Value| status["contacts"][0]["reachable"] == true;
    anna.wait_for("Bert to be there", LIMIT, reachable).unwrap();
    bert.wait_for("Anna to be there", LIMIT, reachable).unwrap();
    anna.ask(&Request::Dial { name: "Bert".to_owned() }).unwrap();
    for kiosk in [anna, bert] {
        kiosk.wait_for("the call", LIMIT, |s| s["call"]["state"] == "established").unwrap();
    }
}

fn files_of(home: &Home) {
    is_private(&home.folder.join("state"));
    is_private(&home.folder.join("run"));
}

#[test]
fn a_kiosk_listens_nowhere_and_its_files_are_its_own_before_a_call_and_in_it() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let habits = Habits { kiosk: "auto_answer = true\n".to_owned(), ..Habits::default() };
    let family = Family::make(folder.path(), &habits).unwrap();
    let mut anna = family.anna.start(&THERE, &[]).unwrap();
    let mut bert = family.bert.start(&THERE, &[]).unwrap();
    in_a_call(&mut anna, &mut bert);
    for kiosk in [&anna, &bert] {
        assert_eq!(open_to_others(kiosk.pid()), Vec::<IpAddr>::new());
    }
    anna.ask(&Request::Hangup).unwrap();
    anna.wait_for("the end", LIMIT, |s| s["call"]["state"] == "idle").unwrap();
    files_of(&family.anna);
    files_of(&family.bert);
}

#[test]
fn a_door_that_was_asked_for_is_the_one_thing_that_listens_and_where_it_was_asked_for() {
    kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
    let folder = tempfile::tempdir().unwrap();
    let home = Home::make(&folder.path().join("anna"), "Anna").unwrap();
    home.configure("[door]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let mut kiosk = home.start(&THERE, &[]).unwrap();
    kiosk.wait_for("the control socket", LIMIT, |_| true).unwrap();
    let deadline = std::time::Instant::now() + LIMIT;
    let mut open = open_to_others(kiosk.pid());
    while open.is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
        open = open_to_others(kiosk.pid());
    }
    assert_eq!(open, [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
}
