//! `twocan relay …`: a hardened relay, for whoever is root on a server.
//!
//! ```text
//!  accounts.rs  passwd, group, shadow as text ┐
//!  block.rs     what sshd is told             ├─> plan.rs: files as they will be ─ diff.rs ─> shown, asked
//!  layout.rs    names and paths               ┘        └─> apply.rs: written, `sshd -t`, or undone; reload
//!  enrol.rs     takes a kiosk's key for a ticket       sessions.rs: ends those of a kiosk
//! ```
//! Each kiosk has a login that can do nothing but listen on its own two sockets and open those of the
//! kiosks it may call. What is set up is read back from the account files, so every command starts
//! from what is there, and running one twice changes nothing.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

mod accounts;
mod apply;
mod block;
mod check;
mod diff;
mod enrol;
mod error;
mod layout;
mod plan;
mod sessions;
mod ticket;

use self::apply::{Applied, Sshd};
use self::error::RelayError;
use self::layout::{Layout, Name};
use self::plan::Setup;
use crate::address::Host;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Tell this machine's sshd how kiosks may meet here
    Install {
        #[command(flatten)]
        common: Common,
        /// What takes the keys of kiosks; default: this program
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
    },
    /// Give a kiosk a login and a place here, and print the ticket with which it brings its key
    Add {
        /// Small letters, digits and -, at most 20
        name: Name,
        #[command(flatten)]
        common: Common,
        /// How kiosks reach this machine; default: its name
        #[arg(long, value_name = "HOST")]
        host: Option<Host>,
        /// The port they reach its sshd at; default: the one it listens at
        #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
    },
    /// Let two kiosks call each other here
    Pair {
        /// One
        a: Name,
        /// The other
        b: Name,
        #[command(flatten)]
        common: Common,
    },
    /// List the kiosks, who may call whom, and who has not brought a key yet
    List {
        #[command(flatten)]
        place: Root,
    },
    /// Take a kiosk's key and login away and end its sessions
    Revoke {
        /// Which
        name: Name,
        #[command(flatten)]
        common: Common,
    },
    /// Say what is wrong with the relay of this machine
    Check {
        #[command(flatten)]
        place: Root,
    },
    /// Take the key of the kiosk whose ticket was shown: sshd runs it
    #[command(hide = true)]
    Enrol {
        /// Which; default: as the login says
        name: Option<Name>,
        #[command(flatten)]
        place: Root,
    },
}

/// Whose sshd.
#[derive(Debug, Clone, clap::Args)]
struct Root {
    /// The machine's root folder
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// What every command that changes something takes.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    #[command(flatten)]
    place: Root,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

/// Do it.
///
/// # Errors
/// A sentence; nothing was changed then, unless it says so.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::Install { common, program } => install(&common, program),
        Verb::Add { name, common, host, port } => add(&name, &common, host, port),
        Verb::Pair { a, b, common } => pair(&a, &b, &common),
        Verb::List { place } => list(&Layout::new(&place.root)),
        Verb::Revoke { name, common } => revoke(&name, &common),
        Verb::Check { place } => {
            let findings = check::run(&Layout::new(&place.root))?;
            super::print(&findings.text)?;
            Ok(if findings.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
        Verb::Enrol { name, place } => Ok(enrol::run(name, &Layout::new(&place.root))),
    }
}

fn install(common: &Common, program: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&common.place.root);
    let mut setup = Setup::read(&layout)?;
    let own = || std::env::current_exe().ok();
    let program = program.or_else(|| setup.program.clone()).or_else(own);
    setup.program = Some(program.ok_or(RelayError::NoProgram)?);
    Ok(match carry_out(&layout, &setup, common.yes)? {
        Applied::Shown => ExitCode::from(1),
        Applied::Nothing => say("Everything is as it should be.")?,
        Applied::Done => say("The relay is set up. Next: twocan relay add NAME, for each kiosk.")?,
    })
}

fn add(
    name: &Name,
    common: &Common,
    host: Option<Host>,
    port: Option<u16>,
) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&common.place.root);
    let mut setup = Setup::installed(&layout)?;
    let at = ticket::Address::find(&layout, host, port)?;
    setup.add(name)?;
    let ticket = ticket::make(name, at);
    setup.ticket(name, &ticket)?;
    match carry_out(&layout, &setup, common.yes)? {
        Applied::Shown => Ok(ExitCode::from(1)),
        Applied::Nothing | Applied::Done => super::print(&ticket::shown(name, &ticket)),
    }
}

fn pair(a: &Name, b: &Name, common: &Common) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&common.place.root);
    let mut setup = Setup::installed(&layout)?;
    setup.pair(a, b)?;
    let uids = [setup.uid(a)?, setup.uid(b)?];
    match carry_out(&layout, &setup, common.yes)? {
        Applied::Shown => return Ok(ExitCode::from(1)),
        Applied::Nothing => return say(&format!("{a} and {b} may call each other already.")),
        Applied::Done => {}
    }
    // Who may call whom is read when a session begins; kiosks come back by themselves within a second.
    sessions::end(&layout, &uids)?;
    say(&format!("{a} and {b} may call each other here."))
}

fn revoke(name: &Name, common: &Common) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&common.place.root);
    let mut setup = Setup::installed(&layout)?;
    setup.revoke(name)?;
    let uid = setup.uid(name)?;
    if let Applied::Shown = carry_out(&layout, &setup, common.yes)? {
        return Ok(ExitCode::from(1));
    }
    let ended = sessions::end(&layout, &[uid])?;
    say(&format!("{name} has no login here any more; processes of its sessions ended: {ended}."))
}

fn list(layout: &Layout) -> anyhow::Result<ExitCode> {
    let setup = Setup::read(layout)?;
    let mut text = String::new();
    for kiosk in setup.accounts.kiosks() {
        let state = match () {
            () if kiosk.is_locked => "revoked",
            () if layout.has_key(&kiosk.name) => "has brought its key",
            () if layout.has_ticket(&kiosk.name) => "has a ticket",
            () => "has neither key nor ticket: twocan relay add gives it one",
        };
        let callers: Vec<String> = kiosk.callers.iter().map(ToString::to_string).collect();
        let callers = if callers.is_empty() { "nobody".to_owned() } else { callers.join(", ") };
        text += &format!("{}: {state}; called by {callers}\n", kiosk.name);
    }
    if text.is_empty() {
        text = "There are no kiosks here yet.\n".to_owned();
    }
    super::print(&text)
}

/// Show what `setup` changes, ask, do it.
fn carry_out(layout: &Layout, setup: &Setup, yes: bool) -> anyhow::Result<Applied> {
    let plan = setup.plan(layout)?;
    if plan.is_empty() {
        return Ok(Applied::Nothing);
    }
    super::print(&plan.shown())?;
    if !yes && !agreed()? {
        writeln!(io::stderr(), "twocan: nothing was changed; --yes does it")?;
        return Ok(Applied::Shown);
    }
    apply::apply(&plan, layout, &Sshd::of(layout))?;
    Ok(Applied::Done)
}

/// Ask whoever sits there; without a terminal nobody does.
fn agreed() -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "Do this? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn say(sentence: &str) -> anyhow::Result<ExitCode> {
    super::print(&format!("{sentence}\n"))
}
