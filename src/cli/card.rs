//! `twocan contact export` and `import`: a kiosk's card as text, as a file or as a QR code.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::{Globals, ask, qr};
use crate::app::{self, relay::Meets};
use crate::card::{self, Card, Code, TEXT_LIMIT};
use crate::contacts;
use crate::identity::Identity;
use crate::name::clean_name;

/// `twocan contact export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Draw it in the terminal for a camera
    #[arg(long, conflicts_with = "file")]
    qr: bool,
    /// Write it there instead of printing it
    file: Option<PathBuf>,
}

/// `twocan contact import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The card's text, or a file with it
    #[arg(value_name = "FILE|TEXT")]
    card: String,
    /// What the tile is to say, instead of what the other kiosk calls itself
    #[arg(long)]
    name: Option<String>,
    /// Don't ask: the six words were compared already
    #[arg(long)]
    yes: bool,
}

/// Print this kiosk's card.
///
/// # Errors
/// There is no identity, or the file cannot be written.
pub(super) fn export(args: &ExportArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let config = paths.load_config()?;
    let identity = Identity::load_or_create(&paths.state)?;
    let meets = Meets::new(config.relay.as_ref(), &paths.state);
    let text = app::card_of(&config, &meets, &identity).to_text();
    if args.qr {
        return super::print(&qr::drawn(&text).context("the card is too long for a QR code")?);
    }
    let Some(file) = &args.file else { return super::print(&format!("{text}\n")) };
    let written = File::create(file).and_then(|mut open| writeln!(open, "{text}"));
    written.with_context(|| format!("write {}", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Take a card as a contact, once somebody has said yes.
///
/// # Errors
/// It is no card, or a rule of the contacts.
pub(super) fn import(args: &ImportArgs, state: &Path) -> anyhow::Result<ExitCode> {
    let mut card = read(&args.card)?;
    if let Some(name) = &args.name {
        card.name = clean_name(name);
    }
    let words = card.key.words().join(" ");
    super::print(&format!("{}: {words}\n", card.name))?;
    if !args.yes && !ask::yes("Does the other one say these six words?")? {
        bail!("nobody was added");
    }
    let contact = contacts::adopt(state, &card)?;
    super::print(&format!("Added {}: {words}\n", contact.name))
}

fn read(given: &str) -> anyhow::Result<Card> {
    let text = match card::read(given) {
        Err(card::CardError::Foreign) => {
            let mut text = String::new();
            File::open(given)
                .and_then(|open| open.take(TEXT_LIMIT as u64 + 1).read_to_string(&mut text))
                .with_context(|| format!("read {given}"))?;
            text
        }
        Ok(_) | Err(card::CardError::Damaged) => given.to_owned(),
    };
    match card::read(&text)? {
        Code::Card(card) => Ok(card),
        Code::Ticket(_) => bail!("this is a relay's code and not a kiosk's"),
    }
}
