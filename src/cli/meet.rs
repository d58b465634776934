//! `twocan meet TICKET`: bring this kiosk's key to a relay and meet others there, without a screen.

use std::process::ExitCode;

use anyhow::{Context, bail};

use super::Globals;
use crate::app::control;
use crate::card::{self, Code};
use crate::identity::Identity;
use crate::meeting;
use crate::store;
use crate::tunnel;
use crate::wire::control::Request;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `twocan relay add` printed: TWOCANRELAY1:…
    pub ticket: String,
}

/// Do it, whether a kiosk runs or not.
///
/// # Errors
/// It is no ticket, twocan.toml names a relay, or the relay does not take it.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Code::Ticket(ticket) = card::read(&args.ticket)? else {
        bail!("this is the card of a kiosk and no ticket: scan it, or see `twocan contact --help`");
    };
    let paths = globals.paths()?;
    if paths.load_config()?.relay.is_some() {
        let file = paths.config.display();
        bail!(
            "{file} names a relay in [relay]; take that away first, or the ticket changes nothing"
        );
    }
    store::ensure_folder(&paths.state)?;
    let own = Identity::load_or_create(&paths.state)?.public();
    let point = tunnel::enrol(&ticket, own).map_err(anyhow::Error::msg)?;
    let relay = point.relay().context("the ticket names no login")?;
    meeting::keep(&paths.state, &relay)?;
    // A kiosk that is not running reads it at its start.
    let _ = control::ask(&control::socket(&paths.runtime), &Request::Reload);
    let place = relay.place.map(|place| format!(", with its place {place}")).unwrap_or_default();
    super::print(&format!("This kiosk meets others at {} now{place}.\n", relay.host))
}
