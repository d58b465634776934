//! What the tunnel counts, and for which reasons it put somebody out.
//!
//! ```text
//!  connection ── handshake ── login ── stream ── hello ── signals, packets ──> app
//!      │            │           │        │        │             │
//!   turned_away   Garbled   strangers,  Idle    Idle,     Signal, SignalFlood, Packet,
//!                           slow_logins Stream  Signal    Oversize, Half, Held, Stuck
//! ```
//! A fault ends one session of the one who made it, and is counted once. `twocan status --json` shows
//! all of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a session was ended that somebody else is to blame for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that are no SSH, or were changed, left out, repeated or put in on the way.
    Garbled,
    /// Logged in, or opened a control stream, and said nothing for 5 s.
    Idle,
    /// A channel that is no stream: data on it, or no word of what it is for.
    Stream,
    /// A signal that is none, or one at the wrong time.
    Signal,
    /// More signals than are allowed in a second.
    SignalFlood,
    /// A packet that is none, or one on the wrong stream.
    Packet,
    /// Something that was announced as longer than it may be.
    Oversize,
    /// Half of something, and then nothing or the end.
    Half,
    /// More than a session that is busy can hold.
    Held,
    /// Took nothing of ours for 10 s.
    Stuck,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 10] = [
        Fault::Garbled,
        Fault::Idle,
        Fault::Stream,
        Fault::Signal,
        Fault::SignalFlood,
        Fault::Packet,
        Fault::Oversize,
        Fault::Half,
        Fault::Held,
        Fault::Stuck,
    ];

    /// What an error of SSH says of the other end; `None`: the connection merely ended, or something was
    /// refused that is counted elsewhere.
    pub(super) fn of(error: &russh::Error) -> Option<Fault> {
        use russh::Error;
        match error {
            Error::IO(_)
            | Error::Disconnect
            | Error::HUP
            | Error::ConnectionTimeout
            | Error::KeepaliveTimeout
            | Error::InactivityTimeout
            | Error::Elapsed(_)
            | Error::Join(_)
            | Error::SendError
            | Error::RecvError
            | Error::Pending
            | Error::UnknownKey
            | Error::NoAuthMethod
            | Error::UnsupportedAuthMethod
            | Error::ChannelOpenFailure(_)
            | Error::RequestDenied => None,
            _ => Some(Fault::Garbled),
        }
    }
}

/// What the tunnel counted since its start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sessions ended because of what the peer sent.
    pub bad_sessions: AtomicU64,
    /// Keys that the door did not know.
    pub strangers: AtomicU64,
    /// Connections turned away because too many had not logged in yet, or took too long to.
    pub turned_away: AtomicU64,
    /// Of these, those that took too long.
    pub slow_logins: AtomicU64,
    /// Requests for a shell, a command, a forward or the like that the door refused.
    pub refused_requests: AtomicU64,
    /// Packets that came while no ports were attached.
    pub unattached: AtomicU64,
    /// Times we found ourselves in another network.
    pub networks: AtomicU64,
    faults: [AtomicU64; Fault::ALL.len()],
}

impl Counters {
    /// How often this was the reason to end a session.
    pub fn of(&self, fault: Fault) -> u64 {
        self.faults[fault as usize].load(Ordering::Relaxed)
    }

    pub(super) fn blame(&self, fault: Fault) {
        count(&self.faults[fault as usize]);
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
