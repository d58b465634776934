//! What became of every call, in `STATE/calls.jsonl`: a line of JSON each, on the disk before the
//! next call begins. Lines are only ever appended; a torn one (a power cut) is skipped and kept.
//!
//! "Seen" is a line too: `{"seen":"SHA256:…"}` says that the missed calls of that key above it were
//! noticed. A file of more than 4 MiB becomes `calls.old.jsonl`, in the place of the one before it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::{self, StoreError};

const FILE: &str = "calls.jsonl";
const OLD_FILE: &str = "calls.old.jsonl";
const TURN_OVER: u64 = 4 << 20;

/// Why a call ended, as one end tells the other and as the record keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// Somebody touched Hang up.
    HungUp,
    /// The caller touched Stop before there was an answer.
    Cancelled,
    /// The callee touched Not now.
    Declined,
    /// Nobody answered for 40 s.
    NoAnswer,
    /// The callee was in another call.
    Busy,
    /// The callee keeps quiet hours, and the caller is none of the exceptions.
    QuietHours,
    /// The callee could not be reached.
    Unreachable,
    /// The link was gone for 60 s.
    Lost,
    /// The program was told to stop.
    ShuttingDown,
    /// A reason this version does not know.
    #[serde(other)]
    Other,
}

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// They called.
    Incoming,
    /// We called.
    Outgoing,
}

/// How a call went, counted at this end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Bytes of packets sent, with their headers and acknowledgements, without the tunnel's cost.
    pub bytes_sent: u64,
    /// The same, received.
    pub bytes_received: u64,
    /// Pictures the camera gave.
    pub pictures_captured: u64,
    /// Pictures sent.
    pub pictures_sent: u64,
    /// Pictures of theirs that were shown.
    pub pictures_shown: u64,
    /// Pictures of theirs that arrived and were not shown.
    pub pictures_dropped: u64,
    /// 95 % of the pictures shown were at most this old, in ms.
    pub picture_age_p95_ms: Option<f64>,
    /// Voice packets of theirs that were played.
    pub voice_packets: u64,
    /// 20 ms slots of voice that were missing.
    pub voice_gaps: u64,
    /// Times the link was lost and came back.
    pub reconnects: u64,
    /// The least there was of pictures, ours or theirs: `full`, `smaller`, `slower`, `stills` or
    /// `voice-only`. Empty in what older versions wrote.
    pub worst_quality: String,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The contact's name then.
    pub name: String,
    /// The contact's key, `SHA256:…`.
    pub fingerprint: String,
    /// Who called.
    pub direction: Direction,
    /// When it began to ring: seconds since 1970, by the wall clock.
    pub began: u64,
    /// Whether there was a talk.
    pub answered: bool,
    /// How long the talk was, in seconds.
    pub seconds: u64,
    /// Why it ended.
    pub reason: EndReason,
    /// The call's id, the same at both ends; 0 in what older versions wrote.
    #[serde(default)]
    pub call: u64,
    /// How it went.
    #[serde(default)]
    pub figures: Figures,
}

impl Record {
    /// Whether somebody called in vain.
    pub fn is_missed(&self) -> bool {
        self.direction == Direction::Incoming
            && !self.answered
            && self.reason != EndReason::Declined
    }
}

#[derive(Serialize, Deserialize)]
struct Seen {
    seen: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Record(Box<Record>),
    Seen(Seen),
}

/// A record, and whether it is a missed call that nobody has noticed yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The call.
    #[serde(flatten)]
    pub record: Record,
    /// Missed and not seen.
    pub missed: bool,
}

/// All that is on the disk, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Records {
    /// The calls.
    pub entries: Vec<Entry>,
    /// Lines that are none.
    pub unreadable: usize,
}

impl Records {
    /// Those of the state folder `state`.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn load(state: &Path) -> Result<Self, StoreError> {
        let mut records = Self::default();
        for file in [OLD_FILE, FILE] {
            let bytes = store::read(&state.join(file))?.unwrap_or_default();
            bytes.split(|byte| *byte == b'\n').for_each(|line| records.read(line));
        }
        Ok(records)
    }

    fn read(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(Line::Record(record)) => {
                let missed = record.is_missed();
                self.entries.push(Entry { record: *record, missed });
            }
            Ok(Line::Seen(Seen { seen })) => {
                let of_them = self.entries.iter_mut().filter(|e| e.record.fingerprint == seen);
                of_them.for_each(|entry| entry.missed = false);
            }
            Err(_) => self.unreadable += 1,
        }
    }

    /// Whether this call of the contact with that fingerprint is among them.
    pub fn knows(&self, fingerprint: &str, call: u64) -> bool {
        let is_it = |record: &Record| record.call == call && record.fingerprint == fingerprint;
        self.entries.iter().any(|entry| is_it(&entry.record))
    }

    /// The last missed call of the contact with that fingerprint, unless it was seen.
    pub fn missed(&self, fingerprint: &str) -> Option<&Record> {
        let of_them = |entry: &&Entry| entry.missed && entry.record.fingerprint == fingerprint;
        self.entries.iter().rev().find(of_them).map(|entry| &entry.record)
    }
}

/// Keep one more call.
///
/// # Errors
/// It could not be written: the disk is full, or may not be written to.
pub fn append(state: &Path, record: &Record) -> Result<(), StoreError> {
    add_line(state, &serde_json::to_string(record).expect("a record is strings and numbers"))
}

/// The missed calls so far of the contact with that fingerprint were noticed.
///
/// # Errors
/// As [`append`].
pub fn mark_seen(state: &Path, fingerprint: &str) -> Result<(), StoreError> {
    let line = Seen { seen: fingerprint.to_owned() };
    add_line(state, &serde_json::to_string(&line).expect("it is a string"))
}

fn add_line(state: &Path, line: &str) -> Result<(), StoreError> {
    let _lock = store::lock(state)?;
    let path = state.join(FILE);
    if std::fs::metadata(&path).is_ok_and(|file| file.len() > TURN_OVER) {
        let old = state.join(OLD_FILE);
        std::fs::rename(&path, &old).map_err(|e| StoreError::new("turn over", &path, e))?;
    }
    store::append(&path, line)
}
