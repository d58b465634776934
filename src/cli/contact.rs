//! `twocan contact add|list|set|remove|export|import|photo`: the people this kiosk knows.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Subcommand, ValueEnum};

use super::{Globals, card};
use crate::address::HostPort;
use crate::app::control;
use crate::contacts::{self, Contact, Contacts, Permissions};
use crate::identity::{Identity, PeerKey};
use crate::photo;
use crate::store;
use crate::wire::control::Request;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a person
    Add {
        /// What the tile says
        name: String,
        /// The other kiosk's key, as `twocan identity` prints it there
        #[arg(long, value_name = "KEY")]
        key: PeerKey,
        /// Where the other kiosk's door may be reached without a relay; may be repeated
        #[arg(long, value_name = "HOST:PORT")]
        direct: Vec<HostPort>,
        /// Don't look for this person at the relay
        #[arg(long)]
        no_relay: bool,
    },
    /// List everybody
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what a person may do here
    #[command(group(ArgGroup::new("permission").required(true).multiple(true)))]
    Set {
        /// As the tile says, in any case of letters
        name: String,
        /// Whether calls of theirs ring
        #[arg(long, value_name = "YES|NO", group = "permission")]
        may_ring: Option<Answer>,
        /// Whether they ring in the quiet hours too
        #[arg(long, value_name = "YES|NO", group = "permission")]
        in_quiet_hours: Option<Answer>,
        /// Whether they may look in: ten seconds after their call is announced the kiosk answers it by
        /// itself, unless somebody says no; every time is kept in a log
        #[arg(long, value_name = "YES|NO", group = "permission")]
        look_in: Option<Answer>,
    },
    /// Remove a person
    Remove {
        /// As the tile says, in any case of letters
        name: String,
    },
    /// Print this kiosk's card: its name, its key and where it can be met
    Export(card::ExportArgs),
    /// Add the person whose kiosk printed this card
    Import(card::ImportArgs),
    /// Put a photo on a person's tile
    Photo {
        /// As the tile says, in any case of letters
        name: String,
        /// A JPEG or a PNG, at most 4096x4096 pixels and 8 MiB
        file: PathBuf,
    },
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Answer {
    /// They may.
    Yes,
    /// They may not.
    No,
}

impl Answer {
    fn is_yes(self) -> bool {
        self == Answer::Yes
    }
}

/// Do it.
///
/// # Errors
/// A rule of the contacts, a file that cannot be read or written.
pub fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let state = paths.state;
    store::ensure_folder(&state)?;
    if let Verb::Export(args) = &args.verb {
        return card::export(args, globals);
    }
    let changes = !matches!(args.verb, Verb::List { .. });
    let done = change(args.verb, &state);
    if changes && done.is_ok() {
        // A kiosk that is not running reads them at its start.
        let _ = control::ask(&control::socket(&paths.runtime), &Request::Reload);
    }
    done
}

fn change(verb: Verb, state: &Path) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Add { name, key, direct, no_relay } => {
            let own = Identity::load_or_create(state)?.public();
            let contact = Contact { direct, via_relay: !no_relay, ..Contact::new(&name, key) };
            let name = contact.name.clone();
            Contacts::change(state, |contacts| contacts.add(contact, Some(own)))?;
            super::print(&format!("Added {name}: {}\n", key.words().join(" ")))
        }
        Verb::List { json } => {
            let loaded = Contacts::load(state);
            if let Some(trouble) = loaded.trouble {
                tracing::warn!("{trouble}");
            }
            if json { list_json(&loaded.value) } else { list(&loaded.value) }
        }
        Verb::Set { name, may_ring, in_quiet_hours, look_in } => {
            let change = Permissions {
                may_ring: may_ring.map(Answer::is_yes),
                in_quiet_hours: in_quiet_hours.map(Answer::is_yes),
                look_in: look_in.map(Answer::is_yes),
            };
            let said = Contacts::change(state, |contacts| {
                let contact = contacts.permit(&name, change)?;
                Ok(format!("{} {}\n", contact.name, permissions(contact)))
            })?;
            super::print(&said)
        }
        Verb::Export(_) => unreachable!("done before the state folder is changed"),
        Verb::Import(args) => card::import(&args, state),
        Verb::Remove { name } => {
            let gone = contacts::forget(state, &name)?;
            super::print(&format!("Removed {}\n", gone.name))
        }
        Verb::Photo { name, file } => {
            let mut bytes = Vec::new();
            File::open(&file)
                .and_then(|open| open.take(photo::SIZE_LIMIT as u64 + 1).read_to_end(&mut bytes))
                .with_context(|| format!("read photo {}", file.display()))?;
            contacts::set_photo(state, &name, &bytes)
                .with_context(|| format!("take {}", file.display()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(contacts: &Contacts) -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    for contact in contacts.iter() {
        let relay = contact.via_relay.then(|| "relay".to_owned());
        let ways: Vec<String> =
            contact.direct.iter().map(ToString::to_string).chain(relay).collect();
        let ways = ways.join(", ");
        let (key, may) = (contact.key.fingerprint(), permissions(contact));
        text += &format!("{}\n  {key}\n  {ways}\n  {may}\n", contact.name);
    }
    super::print(&text)
}

/// `may ring, in the quiet hours too, and look in`.
fn permissions(contact: &Contact) -> String {
    let ring = match (contact.may_ring, contact.in_quiet_hours) {
        (false, _) => return "may not ring".to_owned(),
        (true, false) => "may ring",
        (true, true) => "may ring, in the quiet hours too",
    };
    if contact.look_in { format!("{ring}, and look in") } else { ring.to_owned() }
}

fn list_json(contacts: &Contacts) -> anyhow::Result<ExitCode> {
    let shown = |contact: &Contact| {
        let mut value = serde_json::to_value(contact)?;
        value["fingerprint"] = contact.key.fingerprint().into();
        Ok(value)
    };
    let all: Result<Vec<_>, serde_json::Error> = contacts.iter().map(shown).collect();
    super::print_json(&all?)
}
