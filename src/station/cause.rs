//! What ended a station's connection or an attempt at one, as the event log has it. Pure.
//!
//! ```text
//!  ConnectError, Dead, io::Error ──> Cause ──> Event and parameter: the first client's numbers
//! ```
//! People read the sentence beside it; the log server counts by these.

use std::io;

use crate::wire::event_log::Event;

/// What it was; the numbers are the system's (errno), 0 where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The server's name has no address, or the name service does not answer.
    Name(u32),
    /// Nobody there, or no way.
    Unreachable(u32),
    /// Connecting took too long.
    Late,
    /// The relay is away, refuses us, or does not get to the server.
    Relay,
    /// The contact's kiosk is away.
    Contact,
    /// The server ended it.
    Closed,
    /// Reading failed.
    Receive(u32),
    /// Writing failed.
    Send(u32),
    /// Neither the server nor its machine says anything.
    Silent,
    /// The server says nothing any more.
    Hung,
    /// The line takes nothing.
    Stuck,
    /// A fault of ours: the sender panicked.
    Panic,
}

/// The system's number of an error, 0 where it has none.
pub(super) fn number(error: &io::Error) -> u32 {
    error.raw_os_error().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

impl Cause {
    /// Whether the other machine says that no server is there.
    pub(super) fn is_refused(self) -> bool {
        let refused = nix::errno::Errno::ECONNREFUSED as u32;
        matches!(self, Self::Send(number) | Self::Receive(number) if number == refused)
    }

    /// What is noted, and its parameter.
    pub(super) fn event(self) -> (Event, u32) {
        match self {
            Self::Name(number) => (Event::DnsLookupFailure, number),
            Self::Unreachable(number) => (Event::SocketConnectFailure, number),
            Self::Late => (Event::SocketConnectFailure, nix::errno::Errno::ETIMEDOUT as u32),
            Self::Relay | Self::Contact => (Event::NetworkConnectionFailure, 0),
            Self::Closed => (Event::SocketClosed, 0),
            Self::Receive(number) => (Event::ReceiveFailure, number),
            Self::Send(number) => (Event::SendFailure, number),
            Self::Silent | Self::Hung => (Event::NoTimingDatagramReceived, 0),
            Self::Stuck => (Event::TcpSendTimeout, 0),
            Self::Panic => (Event::SocketBad, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_first_clients_number_and_the_systems_where_there_is_one() {
        let refused = io::Error::from_raw_os_error(111);
        let table = [
            (Cause::Name(number(&io::Error::other("no"))), 22, 0),
            (Cause::Unreachable(number(&refused)), 29, 111),
            (Cause::Late, 29, 110),
            (Cause::Relay, 56, 0),
            (Cause::Contact, 56, 0),
            (Cause::Closed, 27, 0),
            (Cause::Receive(104), 38, 104),
            (Cause::Send(32), 35, 32),
            (Cause::Stuck, 41, 0),
            (Cause::Panic, 39, 0),
            (Cause::Silent, 110, 0),
            (Cause::Hung, 110, 0),
        ];
        for (cause, event, parameter) in table {
            let (noted, with) = cause.event();
            assert_eq!((noted.number(), with), (event, parameter), "{cause:?}");
        }
    }
}
