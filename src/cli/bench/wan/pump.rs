//! The thread that carries packets between the four ends of the two links.
//!
//! ```text
//!  home A ── end 0 ═> Line ═> end 1 ──┐          ┌── end 3 <═ Line <═ end 2 ── home B
//!            end 0 <═ Line <═ end 1 ──┴─ relay ──┴── end 3 ═> Line ═> end 2
//! ```
//! It goes before other threads where that is allowed, since a measured program must not make its
//! own line worse.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::flows::Flows;
use super::line::{Line, Properties};
use crate::clock::{self, Time};
use crate::device::priority;
use crate::device::tun::Tun;
use crate::stop::Stop;

/// The longest packet of the links.
pub(super) const MTU: usize = 1400;
/// Packets taken from one end before the others get their turn.
const TURN: usize = 64;
/// The first four bits of what is carried.
const IPV4: u8 = 4;

/// Both links, and what is going to become of them.
#[derive(Debug)]
pub(super) struct Links {
    /// By the end whose packets they carry.
    pub(super) lines: [Line; 4],
    /// By link.
    pub(super) flows: [Flows; 2],
    /// Changes to come: when, of which line, and to what; in order.
    later: Vec<(Time, usize, Properties)>,
}

/// [`Links`] as the thread and its owner share them.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Links>>);

impl Shared {
    /// Lines by end.
    pub(super) fn new(lines: [Line; 4]) -> Self {
        let flows = [Flows::default(), Flows::default()];
        Self(Arc::new(Mutex::new(Links { lines, flows, later: Vec::new() })))
    }

    /// All of it, for a moment.
    pub(super) fn lock(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Links {
    /// Let the line of `end` be another one at `when`.
    pub(super) fn change_at(&mut self, when: Time, end: usize, properties: Properties) {
        self.later.push((when, end, properties));
        self.later.sort_by_key(|(when, ..)| *when);
    }

    /// Make the changes that are due.
    pub(super) fn change(&mut self, now: Time) {
        let due = self.later.partition_point(|(when, ..)| *when <= now);
        for (_, end, properties) in self.later.drain(..due) {
            self.lines[end].set(properties);
        }
    }

    /// The next moment at which something is to be done.
    fn deadline(&self) -> Option<Time> {
        let packets = self.lines.iter().filter_map(Line::due);
        packets.chain(self.later.first().map(|(when, ..)| *when)).min()
    }
}

/// Carry packets until the stop.
pub(super) fn carry(ends: &[Tun; 4], links: &Shared, stop: &Stop) -> io::Result<()> {
    priority::go_before_others();
    while !stop.is_stopped() {
        let deadline = {
            let mut links = links.lock();
            let now = clock::now();
            links.change(now);
            for (from, line) in links.lines.iter_mut().enumerate() {
                while let Some(packet) = line.next(now) {
                    // A kernel without room loses it, as any other router would.
                    let _ = ends[from ^ 1].write(&packet);
                }
            }
            links.deadline()
        };
        let ready = wait(ends, deadline, stop)?;
        for (from, end) in ends.iter().enumerate().filter(|(from, _)| ready[*from]) {
            take(from, end, links)?;
        }
    }
    Ok(())
}

/// Wait for packets or the deadline; the ends that have packets.
fn wait(ends: &[Tun; 4], deadline: Option<Time>, stop: &Stop) -> io::Result<[bool; 4]> {
    let limit = deadline.map(|due| due.since(clock::now()));
    let timeout = limit.unwrap_or(Duration::from_secs(1));
    let mut fds = [
        PollFd::new(ends[0].as_fd(), PollFlags::POLLIN),
        PollFd::new(ends[1].as_fd(), PollFlags::POLLIN),
        PollFd::new(ends[2].as_fd(), PollFlags::POLLIN),
        PollFd::new(ends[3].as_fd(), PollFlags::POLLIN),
        PollFd::new(stop.as_fd(), PollFlags::POLLIN),
    ];
    match ppoll(&mut fds, Some(TimeSpec::from_duration(timeout)), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok([0, 1, 2, 3].map(|end: usize| fds[end].any().unwrap_or(false)))
}

/// Let the packets of one end in.
fn take(from: usize, end: &Tun, links: &Shared) -> io::Result<()> {
    let mut packet = [0; 2 * MTU];
    for _ in 0..TURN {
        let Some(length) = end.read(&mut packet)? else { return Ok(()) };
        let packet = &packet[..length];
        if packet.first().is_none_or(|first| first >> 4 != IPV4) {
            continue;
        }
        let mut links = links.lock();
        match links.flows[from / 2].look(packet) {
            None => links.lines[from].admit(packet.to_vec(), clock::now()),
            Some(answer) if answer.is_empty() => {}
            Some(answer) => end.write(&answer)?,
        }
    }
    Ok(())
}
