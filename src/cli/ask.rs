//! Questions to whoever sits at the terminal: yes or no, a passphrase and a PIN that are not shown.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

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
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to ask for the passphrase; use --passphrase-file");
    }
    typed("Passphrase: ", twice)
}

/// A new PIN: typed twice without being shown, or the first line of a pipe.
///
/// # Errors
/// The input cannot be read, or the two differ.
pub(super) fn pin() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        return typed("PIN: ", true);
    }
    let mut line = String::new();
    io::stdin().lock().take(LIMIT).read_line(&mut line).context("read the PIN")?;
    Ok(line)
}

fn typed(prompt: &str, twice: bool) -> anyhow::Result<String> {
    // Both unseen: the second may be typed before it is asked for.
    let _shown_again = Unseen::begin()?;
    let first = typed_once(prompt)?;
    if twice && typed_once("Once more: ")? != first {
        bail!("the two are not the same");
    }
    Ok(first)
}

fn typed_once(prompt: &str) -> anyhow::Result<String> {
    let mut out = io::stderr();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let mut line = String::new();
    io::stdin().lock().take(LIMIT).read_line(&mut line)?;
    out.write_all(b"\n")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives the terminal does not show what is typed.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("ask the terminal how it is set")?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &silent)
            .context("keep the terminal from showing what is typed")?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // It did so a moment ago.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
