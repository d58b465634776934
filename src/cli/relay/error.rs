//! Why a relay could not be set up, changed or looked at, a sentence each.

use std::io;
use std::path::{Path, PathBuf};

use super::layout::Name;

/// See the top of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    /// A file or folder of the relay.
    #[error("{deed} {path}: {cause}")]
    File { deed: &'static str, path: PathBuf, cause: io::Error },
    /// A program that could not be run.
    #[error("run {0}: {1}")]
    Run(&'static str, io::Error),
    /// sshd does not like its configuration as it is.
    #[error("sshd's configuration is wrong before anything is changed: {0}")]
    BrokenBefore(String),
    /// sshd did not like what we made of it.
    #[error("everything was undone, since sshd does not take it: {0}")]
    Undone(String),
    /// Something failed, and so did undoing it.
    #[error("{what}; and it could not be undone wholly: {undoing}")]
    Half { what: String, undoing: String },
    /// Somebody else was faster.
    #[error("{0} was changed meanwhile, so nothing was done: try again")]
    Changed(PathBuf),
    /// `install` comes first.
    #[error("there is no relay here yet: twocan relay install comes first")]
    NotInstalled,
    /// The program's own file.
    #[error("it is not known where this program lies: name it with --program")]
    NoProgram,
    /// A program that sshd could not run by its path.
    #[error("{0} is no plain path from the root: name one with --program")]
    OddProgram(PathBuf),
    /// Nobody of that name.
    #[error("there is no kiosk {0} here: twocan relay add {0} makes one")]
    Unknown(Name),
    /// Its login was taken away.
    #[error("{0} was revoked: twocan relay add {0} gives it a login again")]
    Revoked(Name),
    /// A login of that name that is not ours.
    #[error("there is an account {0} that is no kiosk's")]
    ForeignAccount(String),
    /// All numbers for system accounts are taken.
    #[error("no number for another account is free")]
    NoUid,
    /// A kiosk with itself.
    #[error("{0} needs nobody's leave to call itself")]
    Same(Name),
    /// Nothing to pin.
    #[error("sshd has no host key that a ticket can name (ssh-ed25519 or ecdsa)")]
    NoHostKey,
    /// Nothing to dial.
    #[error("this machine's name can't be read: give one with --host")]
    NoHost,
    /// They outlive everything.
    #[error("sessions are still running after five seconds: {0}")]
    StillThere(String),
}

impl RelayError {
    /// `deed` (a verb) on `path` failed.
    pub(super) fn file(deed: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { deed, path, cause }
    }
}
