//! What can go wrong between us and the relay or a peer, each with one sentence that names who.

use super::state::FailureKind;

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
    /// Another key than the pinned one.
    #[error("{who} shows the host key {seen}, but {pinned} was expected: refused")]
    KeyChanged { who: String, pinned: String, seen: String },
    /// Our key is not welcome.
    #[error("{who} refused the login of {user} with our key")]
    LoginRefused { who: String, user: String },
    /// The relay told us no folder for our sockets.
    #[error("{who} does not say where its home folder is ({reason}); set the relay's folder")]
    NoFolder { who: String, reason: String },
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
    /// There is no way to try.
    #[error("there is no way to {who} now")]
    NoWay { who: String },
}

impl TunnelError {
    /// How the link's machine takes it.
    pub(super) fn kind(&self) -> FailureKind {
        match self {
            Self::KeyChanged { .. } => FailureKind::KeyChanged,
            Self::LoginRefused { .. } => FailureKind::LoginRefused,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Handshake { .. }
            | Self::NoFolder { .. }
            | Self::ForwardRefused { .. }
            | Self::ProbeFailed { .. }
            | Self::StreamRefused { .. }
            | Self::Away { .. }
            | Self::NoWay { .. } => FailureKind::Trouble,
        }
    }
}
