//! Questions to whoever sits at the terminal: yes or no, and a passphrase that is not shown.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

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
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to ask for the passphrase; use --passphrase-file");
    }
    let mut out = io::stderr();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let _shown_again = Unseen::begin()?;
    let mut line = String::new();
    io::stdin().lock().take(LIMIT).read_line(&mut line)?;
    out.write_all(b"\n")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives the terminal does not show what is typed.
struct Unseen;

impl Unseen {
    fn begin() -> anyhow::Result<Self> {
        let done = Command::new("stty").arg("-echo").status().context("run stty")?;
        if !done.success() {
            bail!("the terminal cannot be kept from showing the passphrase; use --passphrase-file");
        }
        Ok(Self)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // It did so a moment ago.
        let _ = Command::new("stty").arg("echo").status();
    }
}
