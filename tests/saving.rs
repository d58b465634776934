//! What is saved survives: the process is killed at every system call of a change, one after the
//! other, and the disk refuses at each of them; the state is then the old one or the new one, whole.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use twocan::contacts::Contacts;
use twocan::identity::Identity;
use twocan::store::Origin;

/// The calls that touch the disk when something is saved; `?` because some machines have only one
/// of a pair.
const CALLS: [&str; 7] = [
    "?open,openat",
    "write",
    "fsync",
    "?link,linkat",
    "?rename,?renameat,renameat2",
    "?unlink,unlinkat",
    "?mkdir,mkdirat",
];

/// `twocan ARGUMENTS` on the folder `state`; the `nth` system call of `calls` meets `fault`. None:
/// there was no such call.
fn struck(
    state: &Path,
    calls: &str,
    nth: usize,
    fault: &str,
    arguments: &[&str],
) -> Option<Output> {
    let log = state.with_file_name("strace.log");
    let output = Command::new("strace")
        .args(["-f", "-qqq", "-e", &format!("trace={calls}"), "-o"])
        .arg(&log)
        .args(["-e", &format!("inject={calls}:{fault}:when={nth}")])
        .arg(env!("CARGO_BIN_EXE_twocan"))
        .arg("--state")
        .arg(state)
        .args(arguments)
        .env("HOME", "/nonexistent")
        // cargo's: the loader would look for every library in every one of its folders.
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    let hit =
        fs::read_to_string(&log).unwrap().contains("INJECTED") || output.status.code().is_none();
    hit.then_some(output)
}

/// Strike each disk call in turn until the command gets through untouched, looking after each
/// strike. Returns how many strikes there were.
fn strike_everywhere(
    fault: &str,
    arguments: &[&str],
    prepare: impl Fn(&Path),
    look: impl Fn(&Path, &Output),
) -> usize {
    let mut strikes = 0;
    for calls in CALLS {
        // A command makes some dozens of each; one that never gets through would be found here.
        for nth in 1..=100 {
            assert!(nth < 100, "{calls} is still met after 99 strikes");
            let folder = tempfile::tempdir().unwrap();
            let state = folder.path().join("state");
            prepare(&state);
            let Some(output) = struck(&state, calls, nth, fault, arguments) else { break };
            look(&state, &output);
            strikes += 1;
        }
    }
    strikes
}

fn add(state: &Path, name: &str) {
    Identity::load_or_create(state).unwrap();
    let key = Identity::generate().public();
    let contact = twocan::contacts::Contact::new(name, key);
    Contacts::change(state, |contacts| contacts.add(contact, None)).unwrap();
}

fn names(state: &Path) -> Vec<String> {
    let loaded = Contacts::load(state);
    assert_eq!((loaded.from, loaded.trouble), (Origin::File, None));
    loaded.value.iter().map(|contact| contact.name.clone()).collect()
}

#[test]
fn killed_at_any_call_the_contacts_are_the_old_ones_or_the_new_ones() {
    let key = Identity::generate().public().to_string();
    let arguments = ["contact", "add", "Ben", "--key", &key];
    let prepare = |state: &Path| ["Anna", "Zoe"].iter().for_each(|name| add(state, name));
    let strikes = strike_everywhere("signal=KILL", &arguments, prepare, |state, output| {
        let names = names(state);
        let new = names == ["Anna", "Zoe", "Ben"];
        assert!(new || (names == ["Anna", "Zoe"] && !output.status.success()), "{names:?}");
        // The next change is made as if nothing had been.
        add(state, "Cleo");
        fs::write(state.join("contacts.toml"), "torn").unwrap();
        let copy = Contacts::load(state);
        assert_eq!(copy.from, Origin::Backup);
        assert!(copy.value.iter().count() >= 2);
    });
    assert!(strikes >= 20, "{strikes} strikes");
}

#[test]
fn a_disk_that_fails_at_any_call_keeps_the_contacts_and_says_so() {
    let key = Identity::generate().public().to_string();
    let arguments = ["contact", "add", "Ben", "--key", &key];
    for error in ["error=ENOSPC", "error=EIO"] {
        let prepare = |state: &Path| add(state, "Anna");
        let strikes = strike_everywhere(error, &arguments, prepare, |state, output| {
            let names = names(state);
            assert!(names == ["Anna"] || names == ["Anna", "Ben"], "{names:?}");
            assert!(names.len() == 2 || !output.status.success(), "a lost contact is a failure");
            assert!(output.status.code().is_some_and(|code| code != 101), "no panic: {output:?}");
        });
        assert!(strikes >= 20, "{strikes} strikes");
    }
}

#[test]
fn killed_at_any_call_of_the_first_start_there_is_one_good_key_or_none() {
    let strikes = strike_everywhere(
        "signal=KILL",
        &["identity"],
        |_| {},
        |state, _| {
            let left = fs::read(state.join("identity")).ok();
            let identity = Identity::load_or_create(state).unwrap();
            if let Some(left) = left {
                assert_eq!(fs::read(state.join("identity")).unwrap(), left, "it was replaced");
            }
            assert_eq!(Identity::load_or_create(state).unwrap().public(), identity.public());
        },
    );
    assert!(strikes >= 20, "{strikes} strikes");
}
