//! `twocan identity`: who this kiosk is, to be read aloud or copied into another one's contacts and
//! into the relay's authorized_keys. Makes the identity at the first call.

use std::process::ExitCode;

use super::Globals;
use crate::identity::Identity;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON: key, fingerprint, words
    #[arg(long)]
    json: bool,
}

/// Print it.
///
/// # Errors
/// There is no identity and none can be made, or there is a broken one.
pub fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let key = Identity::load_or_create(&paths.state)?.public();
    let line = key.to_openssh("twocan");
    if args.json {
        return super::print_json(&serde_json::json!({
            "key": line,
            "fingerprint": key.fingerprint(),
            "words": key.words(),
        }));
    }
    super::print(&format!("{line}\n{}\n{}\n", key.fingerprint(), key.words().join(" ")))
}
