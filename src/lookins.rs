//! Who looked in and when: `STATE/look-ins.jsonl`, a log that only grows.
//!
//! ```text
//!  {"when":…,"name":"Anna","how":"opened",…,"before":"00…00"}   ──SHA-256──┐
//!  {"when":…,"name":"Anna","how":"closed",…,"before":"5c…e1"} <────────────┘ ──SHA-256──┐
//!                                                  look-ins.head: how many lines, and  <┘
//! ```
//! Each line carries the hash of the line before it, and the hash of the last one is kept in a second
//! file: a line that is changed, taken out or cut off at the end is seen for ever, since what is added
//! later is chained to what the head says and not to what is left. A power cut may leave half a line,
//! or a line of which the head does not know yet; neither is taken for a break. A look-in has two lines,
//! the first before the kiosk opens its camera: no log, no look-in.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::store::{self, StoreError};

const FILE: &str = "look-ins.jsonl";
const HEAD_FILE: &str = "look-ins.head";
/// What comes before the first line, and before whatever follows a head that is lost.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The longest line; ours have 300 bytes.
const LINE_LIMIT: u64 = 4096;
/// The newest lines that are read into memory; all of them are verified.
const SHOWN: usize = 2000;

/// What is written down of a call by somebody who may look in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum How {
    /// Nobody touched anything: the kiosk answered by itself.
    Opened,
    /// It is over, after so many seconds.
    Closed {
        /// Since the kiosk answered.
        seconds: u64,
    },
    /// Somebody touched Not now.
    Refused,
    /// Somebody touched Answer.
    Answered,
    /// They gave up before it came to that.
    GivenUp,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Seconds since 1970, by the wall clock.
    pub when: u64,
    /// The contact's name then.
    pub name: String,
    /// The contact's key, `SHA256:…`.
    pub fingerprint: String,
    /// What happened.
    #[serde(flatten)]
    pub how: How,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    entry: Entry,
    before: String,
}

/// The newest line, as it was when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    lines: u64,
    hash: String,
}

/// Where the chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Break {
    /// This line does not follow the one before it.
    #[error("line {0} does not follow the one before it: something was changed or taken out")]
    At(u64),
    /// Lines are missing at the end.
    #[error("after line {0} something was cut off")]
    After(u64),
    /// The head is not there.
    #[error("look-ins.head is missing: whether something was cut off can't be told")]
    NoHead,
}

/// The log as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookIns {
    /// Its newest entries, the oldest of them first.
    pub entries: Vec<Entry>,
    /// Lines in all.
    pub lines: u64,
    /// Lines that are no entries: a power cut came in between.
    pub torn: u64,
    /// None: it is whole.
    pub broken: Option<Break>,
}

/// How somebody's call went, for people: the two lines of a look-in are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Visit {
    /// Seconds since 1970.
    pub when: u64,
    /// The contact's name then.
    pub name: String,
    /// The contact's key.
    pub fingerprint: String,
    /// What came of it.
    #[serde(flatten)]
    pub how: Course,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum Course {
    /// They looked in.
    LookedIn {
        /// For so long; none: it lasts, or the power went in the middle of it.
        seconds: Option<u64>,
    },
    /// Somebody touched Not now.
    Refused,
    /// Somebody answered.
    Answered,
    /// They gave up.
    GivenUp,
}

impl LookIns {
    /// What happened, the newest first.
    pub fn visits(&self) -> Vec<Visit> {
        let mut visits: Vec<Visit> = Vec::new();
        for entry in &self.entries {
            let how = match entry.how {
                How::Opened => Course::LookedIn { seconds: None },
                How::Refused => Course::Refused,
                How::Answered => Course::Answered,
                How::GivenUp => Course::GivenUp,
                How::Closed { seconds } => {
                    let open = visits.last_mut().filter(|visit| {
                        visit.fingerprint == entry.fingerprint
                            && visit.how == Course::LookedIn { seconds: None }
                    });
                    let closed = Course::LookedIn { seconds: Some(seconds) };
                    match open {
                        Some(open) => {
                            open.how = closed;
                            continue;
                        }
                        None => closed,
                    }
                }
            };
            let Entry { when, name, fingerprint, .. } = entry.clone();
            visits.push(Visit { when, name, fingerprint, how });
        }
        visits.reverse();
        visits
    }
}

/// Add one line, on the disk when this returns.
///
/// # Errors
/// It could not be written. Then nothing may be done of which it would speak.
pub fn append(state: &Path, entry: Entry) -> Result<(), StoreError> {
    let _lock = store::lock(state)?;
    let (path, head_path) = (state.join(FILE), state.join(HEAD_FILE));
    let head = head(&head_path)?;
    let (lines, before) = end(&path, head.as_ref())?;
    let line =
        serde_json::to_string(&Line { entry, before }).expect("strings and numbers are JSON");
    store::append(&path, &line)?;
    let head = Head { lines: lines + 1, hash: hash(line.as_bytes()) };
    let text = serde_json::to_vec(&head).expect("strings and numbers are JSON");
    store::replace(&head_path, &text)
}

/// Read and verify it. No file is an empty log.
///
/// # Errors
/// A file is there and can't be read.
pub fn load(state: &Path) -> Result<LookIns, StoreError> {
    let _lock = store::lock(state)?;
    let path = state.join(FILE);
    let head = head(&state.join(HEAD_FILE))?;
    let wrong = |source| StoreError::new("read", &path, source);
    let mut found = LookIns::default();
    let mut entries = VecDeque::new();
    let mut last = NOTHING.to_owned();
    // The hash of the line that the head speaks of.
    let mut at_head = (head.as_ref().is_none_or(|head| head.lines == 0)).then(|| last.clone());
    let mut reader = match File::open(&path) {
        Ok(file) => Some(BufReader::new(file)),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(wrong(source)),
    };
    let mut bytes = Vec::new();
    while let Some(reader) = &mut reader {
        bytes.clear();
        // A line without an end must not fill the memory: it is cut, and so breaks the chain.
        if reader.take(LINE_LIMIT).read_until(b'\n', &mut bytes).map_err(wrong)? == 0 {
            break;
        }
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        found.lines += 1;
        match serde_json::from_slice::<Line>(line) {
            Ok(Line { entry, before }) => {
                if before != last {
                    found.broken = found.broken.or(Some(Break::At(found.lines)));
                }
                if entries.len() == SHOWN {
                    entries.pop_front();
                }
                entries.push_back(entry);
            }
            Err(_) => found.torn += 1,
        }
        last = hash(line);
        if head.as_ref().is_some_and(|head| head.lines == found.lines) {
            at_head = Some(last.clone());
        }
    }
    found.entries = entries.into();
    let broken = match (&head, at_head) {
        // Cut off between the first line and its head.
        (None, _) => (found.lines > 1).then_some(Break::NoHead),
        (Some(_), None) => Some(Break::After(found.lines)),
        (Some(head), Some(hash)) if head.hash != hash => Some(Break::At(head.lines)),
        // Of one line, or of half of one, the head may not know yet.
        (Some(head), Some(_)) if found.lines > head.lines + 1 => Some(Break::At(head.lines + 1)),
        (Some(_), Some(_)) => None,
    };
    found.broken = found.broken.or(broken);
    Ok(found)
}

fn head(path: &Path) -> Result<Option<Head>, StoreError> {
    Ok(store::read(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// After how many lines the next one stands, and the hash that it carries: of the line that is there,
/// if the head knows it or it is one that came after the head; else of the one that should be.
fn end(path: &Path, head: Option<&Head>) -> Result<(u64, String), StoreError> {
    let [last, before] =
        last_lines(path).map_err(|source| StoreError::new("read", path, source))?;
    Ok(match (head, last) {
        (None, None) => (0, NOTHING.to_owned()),
        (None, Some(last)) if before.is_none() => (1, hash(&last)),
        (None, Some(_)) => (0, NOTHING.to_owned()),
        (Some(head), Some(last)) if hash(&last) == head.hash => (head.lines, hash(&last)),
        (Some(head), Some(last)) if before.is_some_and(|line| hash(&line) == head.hash) => {
            (head.lines + 1, hash(&last))
        }
        (Some(head), _) => (head.lines, head.hash.clone()),
    })
}

/// The last line and the one before it.
fn last_lines(path: &Path) -> std::io::Result<[Option<Vec<u8>>; 2]> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok([None, None]),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(2 * LINE_LIMIT)))?;
    let mut bytes = Vec::new();
    file.take(2 * LINE_LIMIT).read_to_end(&mut bytes)?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let mut lines = text.rsplit(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let last = lines.next().filter(|_| !bytes.is_empty());
    Ok([last, lines.next()])
}

fn hash(line: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, line).as_ref())
}

#[cfg(test)]
mod tests;
