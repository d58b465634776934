//! What is typed at a terminal and nobody is to read from it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

/// `twocan WORDS` at a terminal of its own.
struct Terminal {
    user: File,
    program: File,
    child: Child,
    /// All that it has shown.
    shown: String,
}

impl Terminal {
    fn with(state: &std::path::Path, words: &[&str]) -> Self {
        let pty = openpty(None, None).unwrap();
        let (user, program) = (File::from(pty.master), File::from(pty.slave));
        let end = || Stdio::from(program.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.env_clear().env("HOME", "/nonexistent").arg("--state").arg(state).args(words);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { user, program, child, shown: String::new() }
    }

    /// Read until it has shown this.
    fn shows(&mut self, wanted: &str) {
        while !self.shown.contains(wanted) {
            assert!(self.read_within(60_000_u16), "no `{wanted}` in {:?}", self.shown);
        }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.user, "{line}").unwrap();
    }

    /// Whether more has come in so many milliseconds.
    fn read_within(&mut self, limit: u16) -> bool {
        let mut fds = [PollFd::new(self.user.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(limit)).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 1024];
        let length = self.user.read(&mut bytes).unwrap();
        self.shown += &String::from_utf8_lossy(&bytes[..length]);
        true
    }

    /// Its end, with the code and all that it has shown.
    fn ends(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        while self.read_within(0) {}
        let flags = tcgetattr(&self.program).unwrap().local_flags;
        assert!(flags.contains(LocalFlags::ECHO), "what is typed is seen again");
        (code, self.shown)
    }
}

/// `twocan pin set` in a folder of its own, told these two: how it ended, what was shown, whether there is a PIN.
fn typed(first: &str, second: &str) -> (Option<i32>, String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut terminal = Terminal::with(&state, &["pin", "set"]);
    terminal.shows("PIN: ");
    terminal.types(first);
    terminal.shows("Once more: ");
    terminal.types(second);
    let (code, shown) = terminal.ends();
    (code, shown, state.join("pin").exists())
}

#[test]
fn a_pin_is_typed_twice_and_never_shown() {
    let (code, shown, kept) = typed("4711", "4711");
    assert_eq!((code, kept), (Some(0), true), "{shown}");
    assert!(shown.contains("The settings ask for this PIN"), "{shown}");
    assert!(!shown.contains('4') && !shown.contains('7'), "{shown}");
}

#[test]
fn a_pin_that_is_typed_otherwise_the_second_time_is_not_kept() {
    let (code, shown, kept) = typed("4711", "4712");
    assert_eq!((code, kept), (Some(1), false), "{shown}");
    assert!(shown.contains("not the same"), "{shown}");
}
