//! Questions to whoever sits at the terminal: yes or no, and a passphrase that is not shown.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use nix::sys::termios::{self, LocalFlags, SetArg};

/// The longest passphrase in bytes.
const LIMIT: u64 = 1024;

/// Whether the answer to `question` begins with a y; anything else, the end of the input too, is a no.
///
/// # Errors
/// The terminal cannot be written to or read.
pub(super) fn yes(question: &str) -> anyhow::Result<bool> {
    super::print(&format!("{question} [y/N] "))?;
    let mut line = String::new();
    io::stdin().lock().take(LIMIT).read_line(&mut line)?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// A passphrase: the first line of `file`, else typed without being shown; `twice` to be sure.
///
/// # Errors
/// The file cannot be read, or there is no terminal, or the two differ.
pub(super) fn passphrase(file: Option<&Path>, twice: bool) -> anyhow::Result<String> {
    if let Some(file) = file {
        let mut text = String::new();
        File::open(file)
            .and_then(|open| open.take(LIMIT).read_to_string(&mut text))
            .with_context(|| format!("read the passphrase {}", file.display()))?;
        return Ok(text.lines().next().unwrap_or("").to_owned());
    }
    let first = typed("Passphrase: ")?;
    if twice && typed("Once more: ")? != first {
        bail!("the two are not the same");
    }
    Ok(first)
}

fn typed(prompt: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    let Ok(shown) = termios::tcgetattr(&stdin) else {
        bail!("there is no terminal to ask for the passphrase; use --passphrase-file");
    };
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    let mut out = io::stderr();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden)?;
    let mut line = String::new();
    let read = stdin.lock().take(LIMIT).read_line(&mut line);
    termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &shown)?;
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
