//! `twocan backup` and `twocan restore`: this kiosk in one file behind a passphrase, and back.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::{Globals, ask};
use crate::app::control;
use crate::backup;
use crate::wire::control::Request;

/// `twocan backup`.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// Where it goes; there must be no such file yet
    pub file: PathBuf,
    /// Take the passphrase from the first line of this file instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// `twocan restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// What `twocan backup` wrote
    pub file: PathBuf,
    /// Take the passphrase from the first line of this file instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Put it in the place of the kiosk that is there
    #[arg(long)]
    pub replace: bool,
}

/// Write a back-up.
///
/// # Errors
/// There is nothing to keep, or the file cannot be written.
pub fn backup(args: &BackupArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let state = globals.paths()?.state;
    let passphrase = ask::passphrase(args.passphrase_file.as_deref(), true)?;
    let bytes = backup::make(&state, &passphrase)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.file)
        .with_context(|| format!("make {}", args.file.display()))?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.with_context(|| format!("write {}", args.file.display()))?;
    super::print(&format!(
        "This kiosk is in {}. Whoever has it and the passphrase can be this kiosk.\n",
        args.file.display()
    ))
}

/// Put a back-up in its place.
///
/// # Errors
/// A kiosk runs, the passphrase is wrong, or another kiosk is there.
pub fn restore(args: &RestoreArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    if control::ask(&control::socket(&paths.runtime), &Request::Status).is_ok() {
        bail!("a kiosk is running here; stop it first");
    }
    let mut bytes = Vec::new();
    File::open(&args.file)
        .and_then(|open| open.take(backup::SIZE_LIMIT).read_to_end(&mut bytes))
        .with_context(|| format!("read {}", args.file.display()))?;
    let passphrase = ask::passphrase(args.passphrase_file.as_deref(), false)?;
    let who = backup::restore(&paths.state, &bytes, &passphrase, args.replace)?;
    super::print(&format!("This kiosk is {} again.\n", who.words().join(" ")))
}
