//! Files that survive a power cut: folders 0700, files 0600, written aside and renamed.
//!
//! ```text
//! write:  X.new, fsync -> link X to X.bak.new -> rename X.new to X, fsync folder -> rename X.bak.new to X.bak
//! load:   X, else X.bak, else the default, and say which
//! ```
//! A reader finds the old file or the new one at every moment. The backup is replaced last, so that
//! a bad file never replaces a good backup before a good file stands in its place.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::fcntl::{Flock, FlockArg};

pub use crate::caps::STATE_FILE_LIMIT as SIZE_LIMIT;

/// A file of the state folder could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}: {source}")]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl StoreError {
    /// `action` (a verb) on `path` failed because of `source`.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }
}

/// Where a loaded value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The file itself.
    File,
    /// The previous copy, because the file is missing or bad.
    Backup,
    /// There is no file, or none that can be used.
    Default,
}

/// A value and how it was come by.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub from: Origin,
    /// What was wrong, in a sentence, when something was.
    pub trouble: Option<String>,
}

/// Make the folder `path` and those above it, for us alone.
///
/// # Errors
/// It cannot be made, or something else has its name.
pub fn ensure_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StoreError::new("make folder", path, source))
}

/// A lock on the state folder, held until it is dropped: for read, change, write.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

/// Wait until no other process changes the state folder `state`.
///
/// # Errors
/// The lock file cannot be made.
pub fn lock(state: &Path) -> Result<Lock, StoreError> {
    let path = state.join(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| StoreError::new("open", &path, source))?;
    let mut file = file;
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(held) => return Ok(Lock(held)),
            Err((back, nix::errno::Errno::EINTR)) => file = back,
            Err((_, errno)) => return Err(StoreError::new("lock", &path, errno.into())),
        }
    }
}

/// The bytes of `path`; None when there is no such file.
///
/// # Errors
/// It cannot be read, or is over [`SIZE_LIMIT`].
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes = read_start(path, SIZE_LIMIT + 1)?;
    if bytes.as_ref().is_some_and(|bytes| bytes.len() as u64 > SIZE_LIMIT) {
        let over = io::Error::other("the file is over 16 MiB");
        return Err(StoreError::new("read", path, over));
    }
    Ok(bytes)
}

/// The first `limit` bytes of `path`; None when there is no such file.
///
/// # Errors
/// It cannot be read.
pub fn read_start(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let wrong = |source| StoreError::new("read", path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(wrong(source)),
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(Some(bytes))
}

/// Replace `path` by `bytes`, keeping the previous copy as `.bak`. Its folder must exist, and
/// whoever changes a file that others change too holds the [`lock`].
///
/// # Errors
/// Nothing was changed then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let wrong = |source| StoreError::new("save", path, source);
    let new = beside(path, ".new");
    let previous = beside(path, ".bak.new");
    if let Err(source) = write_new(&new, bytes) {
        let _ = fs::remove_file(&new);
        return Err(wrong(source));
    }
    let _ = fs::remove_file(&previous);
    let kept = match fs::hard_link(path, &previous) {
        // A file system without links, such as a memory card's FAT.
        Err(e) if e.kind() != io::ErrorKind::NotFound => fs::copy(path, &previous).is_ok(),
        linked => linked.is_ok(),
    };
    if let Err(source) = fs::rename(&new, path) {
        let _ = fs::remove_file(&new);
        let _ = fs::remove_file(&previous);
        return Err(wrong(source));
    }
    sync_folder(path).map_err(wrong)?;
    if kept && let Err(e) = fs::rename(&previous, beside(path, ".bak")) {
        tracing::warn!("keep the previous copy of {}: {e}", path.display());
    }
    Ok(())
}

/// Replace `path` by `bytes` and keep no copy: for what can be made again.
///
/// # Errors
/// Nothing was changed then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let new = beside(path, ".new");
    let done = write_new(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .and_then(|()| sync_folder(path));
    if done.is_err() {
        let _ = fs::remove_file(&new);
    }
    done.map_err(|source| StoreError::new("save", path, source))
}

/// Tells apart what the threads of one process make at once.
static TURN: AtomicU32 = AtomicU32::new(0);

/// Write `path` unless it exists: true if it was written.
///
/// # Errors
/// There is no such file then.
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool, StoreError> {
    let wrong = |source| StoreError::new("make", path, source);
    let new = beside(path, &format!(".{}.{}.new", std::process::id(), TURN.fetch_add(1, Relaxed)));
    let made = write_new(&new, bytes).and_then(|()| match fs::hard_link(&new, path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        linked => linked.map(|()| true),
    });
    let _ = fs::remove_file(&new);
    let made = made.map_err(wrong)?;
    sync_folder(path).map_err(wrong)?;
    Ok(made)
}

/// Append `line` and a line feed to `path`, on the disk when this returns. Should the last line in
/// the file be torn (a power cut), the new one still starts on its own.
///
/// # Errors
/// The line may stand there in part; readers skip it.
pub fn append(path: &Path, line: &str) -> Result<(), StoreError> {
    let wrong = |source| StoreError::new("append to", path, source);
    let run = || {
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        let mut text = String::with_capacity(line.len() + 2);
        if length > 0 && last_byte(&mut file, length)? != b'\n' {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if length == 0 { sync_folder(path) } else { Ok(()) }
    };
    run().map_err(wrong)
}

/// The value in `path`, or in its `.bak`, or the default; `parse` says in a sentence what is wrong
/// with bytes. Never fails: a kiosk starts with whatever it still has, and says so.
pub fn load<T: Default>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, String>) -> Loaded<T> {
    let attempt = |path: &Path| match read(path) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => parse(&bytes).map(Some).map_err(|e| format!("{}: {e}", path.display())),
        Err(e) => Err(e.to_string()),
    };
    let backup = beside(path, ".bak");
    let (first, second) = match attempt(path) {
        Ok(Some(value)) => return Loaded { value, from: Origin::File, trouble: None },
        Ok(None) => (None, attempt(&backup)),
        Err(first) => (Some(first), attempt(&backup)),
    };
    let missing = || format!("{} is missing", path.display());
    match (first, second) {
        (first, Ok(Some(value))) => Loaded {
            value,
            from: Origin::Backup,
            trouble: Some(format!(
                "{}; using the previous copy {}",
                first.unwrap_or_else(missing),
                backup.display()
            )),
        },
        (first, second) => {
            let reasons: Vec<String> = first.into_iter().chain(second.err()).collect();
            let trouble = (!reasons.is_empty())
                .then(|| format!("{}; starting without it", reasons.join("; ")));
            Loaded { value: T::default(), from: Origin::Default, trouble }
        }
    }
}

/// `path` with `suffix` behind its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn last_byte(file: &mut File, length: u64) -> io::Result<u8> {
    use std::os::unix::fs::FileExt;
    let mut byte = [0];
    file.read_exact_at(&mut byte, length - 1)?;
    Ok(byte[0])
}
