//! `twocan pin set|clear|status`: the PIN in front of the settings on the screen.
//!
//! Whoever has the kiosk's login may change it: a PIN keeps fingers out, not the owner. A running kiosk
//! asks for the new one from the next time on that somebody holds the clock.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;

use super::{Globals, ask};
use crate::clock;
use crate::pin::{self, Digits, Guard, Tries};
use crate::store;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Ask for a PIN before the settings: 4 to 8 digits, typed twice without being shown, or from a pipe
    Set,
    /// Ask for none, and forget the wrong tries
    Clear,
    /// Say whether there is one
    Status,
}

/// Do it.
///
/// # Errors
/// The PIN can't be read from the terminal or kept.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let state = globals.paths()?.state;
    match args.verb {
        Verb::Set => {
            store::ensure_folder(&state)?;
            let Some(digits) = Digits::new(ask::pin()?.trim()) else {
                let (least, most) = (pin::DIGITS.start(), pin::DIGITS.end());
                writeln!(
                    io::stderr(),
                    "twocan: a PIN has {least} to {most} digits and nothing else"
                )?;
                return Ok(ExitCode::from(2));
            };
            pin::set(&state, &digits)?;
            super::print("The settings ask for this PIN from now on\n")
        }
        Verb::Clear => {
            store::ensure_folder(&state)?;
            let was = pin::clear(&state)?;
            super::print(if was { "The PIN is gone\n" } else { "There was no PIN\n" })
        }
        Verb::Status => match pin::guard(&state) {
            Guard::Open => super::print("There is no PIN\n"),
            Guard::Closed => {
                let (tries, now) = (Tries::load(&state), clock::now());
                let wait =
                    tries.wait(now, &pin::boot()).map_or(0, |until| until.since(now).as_secs());
                super::print(&format!(
                    "There is a PIN; wrong tries: {}; the next one may be in {wait} s\n",
                    tries.wrong
                ))
            }
            Guard::Broken => {
                super::print(
                    "The PIN can't be read: nobody gets into the settings until `twocan pin clear`\n",
                )?;
                Ok(ExitCode::FAILURE)
            }
        },
    }
}
