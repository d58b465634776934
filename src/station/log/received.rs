//! The two files of an uploaded log: the bytes as they came, and a line of text for each record.
//!
//! `10-0-0-7_2026-11-21_02-31-31_000.raw` and `.log`: who, when (UTC), and a number that tells apart what
//! comes within a second. Nothing that is there is written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::DateTime;

use crate::caps::{LOG_FILES_LIMIT, LOGS_LIMIT};
use crate::wire::event_log::{Lines, RECORD_LEN, Splitter};

/// Files of one station within a second.
const TURNS: u16 = 1000;
/// A line has about so many bytes: five times a record.
const LINE_BYTES: u64 = 80;

/// The two, open.
pub(super) struct Files {
    raw: File,
    text: BufWriter<File>,
    name: String,
    splitter: Splitter,
    lines: Lines,
    records: u64,
}

impl Files {
    /// For a log of `peer` that begins now, `seconds` after 1970.
    pub(super) fn create(folder: &Path, peer: IpAddr, seconds: u64) -> io::Result<Self> {
        let who = peer.to_string().replace(['.', ':', '%'], "-");
        let when =
            i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let when = when.unwrap_or_default().format("%Y-%m-%d_%H-%M-%S");
        for turn in 0..TURNS {
            let name = format!("{who}_{when}_{turn:03}");
            let (raw, text) =
                (folder.join(name.clone() + ".raw"), folder.join(name.clone() + ".log"));
            let Some(raw_file) = create(&raw)? else { continue };
            match create(&text) {
                Ok(Some(text)) => {
                    let (text, splitter, lines) =
                        (BufWriter::new(text), Splitter::default(), Lines::default());
                    return Ok(Self { raw: raw_file, text, name, splitter, lines, records: 0 });
                }
                other => {
                    // Ours, and empty.
                    fs::remove_file(&raw)?;
                    other?;
                }
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a thousand logs of it came in this second",
        ))
    }

    /// The name of both, without what tells them apart.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes on the disk, at most, that `bytes` will be.
    pub(super) fn cost(&self, bytes: &[u8]) -> u64 {
        let records = (bytes.len() + self.splitter.begun()) / RECORD_LEN;
        bytes.len() as u64 + records as u64 * LINE_BYTES
    }

    /// More of it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.raw.write_all(bytes)?;
        let (lines, text, records) = (&mut self.lines, &mut self.text, &mut self.records);
        let mut written = Ok(());
        self.splitter.push(bytes, |record| {
            *records += 1;
            if written.is_ok() {
                written = text.write_all(lines.line(record).as_bytes());
            }
        });
        written
    }

    /// That was all: it is on the disk when this returns. How many records there were.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let begun = self.splitter.begun();
        if begun > 0 {
            writeln!(
                self.text,
                "!!! the last {begun} bytes are no record, which has {RECORD_LEN}"
            )?;
        }
        self.text.flush()?;
        self.text.get_ref().sync_all()?;
        self.raw.sync_all()?;
        Ok(self.records)
    }
}

/// A new file; None: its name is taken.
fn create(path: &PathBuf) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        opened => opened.map(Some),
    }
}

/// What is in a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) files: usize,
    pub(super) bytes: u64,
}

impl Usage {
    /// Of `folder`, as it is now.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut usage = Self { files: 0, bytes: 0 };
        for entry in fs::read_dir(folder)? {
            // What goes meanwhile is gone.
            if let Ok(about) = entry?.metadata()
                && about.is_file()
            {
                usage.files += 1;
                usage.bytes += about.len();
            }
        }
        Ok(usage)
    }

    pub(super) fn has_room_for(self, more: Self) -> bool {
        self.files + more.files <= LOG_FILES_LIMIT && self.bytes + more.bytes <= LOGS_LIMIT
    }
}
