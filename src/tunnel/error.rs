//! What can go wrong between us and the relay or a peer, each with one sentence that names who.

use super::state::FailureKind;
use crate::caps::SAID_LIMIT;
use crate::known_hosts::Refusal;

/// What a relay or a peer said, fit for a sentence of ours: no control characters and no overrides
/// of the writing's direction, 120 characters at most.
pub(super) fn said(text: &str) -> String {
    let bidi = |c: &char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !c.is_control() && !bidi(c)).take(SAID_LIMIT).collect()
}

/// Why a connection could not be made or used. `who` is a host, or a peer's door.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum TunnelError {
    /// No address, no route, nobody listening.
    #[error("cannot reach {who}: {reason}")]
    Unreachable { who: String, reason: String },
    /// It took too long.
    #[error("{who} did not answer in time while {doing}")]
    TimedOut { who: String, doing: &'static str },
    /// The SSH handshake failed.
    #[error("no SSH session with {who}: {reason}")]
    Handshake { who: String, reason: String },
    /// Its host key is not one that we believe.
    #[error("{who} {refusal}")]
    HostKey { who: String, refusal: Refusal },
    /// Our key is not welcome.
    #[error("{who} refused the login of {user} with our key")]
    LoginRefused { who: String, user: String },
    /// A ticket is not good, or not any more.
    #[error("{who} does not take the ticket: {reason}")]
    TicketRefused { who: String, reason: String },
    /// Our key is not welcome at a peer's door.
    #[error(
        "{who} refused the login of this kiosk: it does not know it, or not any more; pair with it again"
    )]
    Unwelcome { who: String },
    /// The relay told us no folder for our sockets, and gives us no port instead.
    #[error(
        "{who} does not say where its home folder is ({reason}) and refused to listen on {place} \
         for us; set `folder` in [relay]"
    )]
    NoFolder { who: String, reason: String, place: String },
    /// The relay would not listen for us.
    #[error("{who} refused to listen on {path} for us")]
    ForwardRefused { who: String, path: String },
    /// The relay accepted the forward but it does not lead to us.
    #[error("{who} accepted to listen on {path}, but it does not lead back here: {reason}")]
    ProbeFailed { who: String, path: String, reason: String },
    /// The peer's door would not open a stream.
    #[error("{who} refused the stream {stream}")]
    StreamRefused { who: String, stream: &'static str },
    /// The relay has no socket of the peer, or nobody behind it.
    #[error("{who} is not there")]
    Away { who: String },
    /// It was not found, and another key was, where it might have been.
    #[error("{trouble}; and {changed}")]
    Elsewhere { trouble: Box<TunnelError>, changed: Box<TunnelError> },
    /// There is no way to try.
    #[error("there is no way to {who} now")]
    NoWay { who: String },
}

impl TunnelError {
    /// How the link's machine takes it.
    pub(super) fn kind(&self) -> FailureKind {
        match self {
            Self::HostKey { .. } => FailureKind::KeyRefused,
            Self::LoginRefused { .. } | Self::Unwelcome { .. } => FailureKind::LoginRefused,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Handshake { .. }
            | Self::TicketRefused { .. }
            | Self::NoFolder { .. }
            | Self::ForwardRefused { .. }
            | Self::ProbeFailed { .. }
            | Self::StreamRefused { .. }
            | Self::Away { .. }
            | Self::Elsewhere { .. }
            | Self::NoWay { .. } => FailureKind::Trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_short_and_prints_as_text() {
        assert_eq!(said("go\u{1b}[2J\r\n a\u{202e}way\0"), "go[2J away");
        assert_eq!(said(&"ä".repeat(500)).chars().count(), 120);
    }
}
