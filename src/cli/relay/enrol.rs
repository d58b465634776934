//! What sshd runs for whoever shows a ticket: one line comes in, the kiosk's public key, and is kept.
//!
//! It runs as the kiosk's own account and can write that one's two files alone. The ticket is burnt
//! before the key is written: one that was shown twice is good once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::layout::{Layout, Name};
use super::ticket::HOURS;
use crate::identity::PeerKey;

/// The longest line, in bytes; a key is 80.
const LINE: usize = 512;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Do it; a refusal is a sentence for the kiosk, and code 1.
pub(super) fn run(name: Option<Name>, layout: &Layout) -> ExitCode {
    match take(name, layout) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // The kiosk went away: it does not want the sentence.
            let _ = writeln!(io::stdout(), "{sentence}");
            ExitCode::from(1)
        }
    }
}

fn take(name: Option<Name>, layout: &Layout) -> Result<(), String> {
    // sshd says which login it was.
    let by_login = || std::env::var("USER").ok().and_then(|login| Name::of_login(&login));
    let name = name.or_else(by_login).ok_or("this login is no kiosk's")?;
    let open = |path: String| OpenOptions::new().read(true).write(true).open(layout.at(&path));
    let ticket = open(Layout::ticket(&name)).map_err(|_| "there is no ticket for this kiosk")?;
    let key = open(Layout::key(&name)).map_err(|_| "there is no place for this kiosk's key")?;
    // Not by way of a buffer, which would hold what `poll` waits for.
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = input.map_err(|error| format!("the key can't be read: {error}"))?;
    let line = line(&mut File::from(input))?;
    let public: PeerKey = line.parse().map_err(|error| format!("{error}"))?;
    burn(ticket)?;
    keep(key, &public).map_err(|error| format!("the key could not be kept: {error}"))
}

/// The first line of `input`, and nothing behind it is read.
fn line(input: &mut (impl Read + AsFd)) -> Result<String, String> {
    let deadline = Instant::now() + PATIENCE;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() <= LINE {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut ready = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, wait) {
            Ok(0) => return Err("no key came in time".to_owned()),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(format!("the key can't be read: {error}")),
        }
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => {
                return String::from_utf8(line).map_err(|_| "this is no key".to_owned());
            }
            Ok(_) => line.push(byte[0]),
            Err(error) => return Err(format!("the key can't be read: {error}")),
        }
    }
    Err("this is no key: a line of its own is expected".to_owned())
}

/// Nobody uses it again.
fn burn(ticket: File) -> Result<(), String> {
    let held = Flock::lock(ticket, FlockArg::LockExclusive);
    let held = held.map_err(|(_, error)| format!("the ticket can't be used: {error}"))?;
    let wrong = |error: io::Error| format!("the ticket can't be used: {error}");
    let found = held.metadata().map_err(wrong)?;
    if found.len() == 0 {
        return Err("the ticket was used already".to_owned());
    }
    let day = Duration::from_secs(u64::from(HOURS) * 3600);
    let age = SystemTime::now().duration_since(found.modified().map_err(wrong)?);
    if age.is_ok_and(|age| age > day) {
        return Err("the ticket is older than a day".to_owned());
    }
    held.set_len(0).and_then(|()| held.sync_all()).map_err(wrong)
}

fn keep(mut file: File, key: &PeerKey) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "restrict,port-forwarding {key}")?;
    file.sync_all()
}
