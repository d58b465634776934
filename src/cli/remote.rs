//! The commands that steer a running kiosk: `status`, `dial`, `answer`, `hangup`, `hear`, `hide`,
//! `volume`, `tap`, `screenshot`. Each is one request on the kiosk's control socket.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::app::control::{self, Reply};
use crate::cli::Globals;
use crate::usage;
use crate::wire::control::Request;

/// `twocan status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Everything, as JSON
    #[arg(long)]
    pub json: bool,
}

/// `twocan dial`.
#[derive(Debug, clap::Args)]
pub struct DialArgs {
    /// The contact's name
    pub name: String,
}

/// `twocan hide`.
#[derive(Debug, clap::Args)]
pub struct HideArgs {
    /// Hide us, or show us again; without it the other way round
    #[arg(value_parser = ["on", "off"])]
    pub hidden: Option<String>,
}

/// `twocan hear`.
#[derive(Debug, clap::Args)]
pub struct HearArgs {
    /// The station's name, as on its tile
    #[arg(required_unless_present = "stop")]
    pub name: Option<String>,
    /// Hear nothing any more
    #[arg(long, conflicts_with = "name")]
    pub stop: bool,
}

/// `twocan volume`.
#[derive(Debug, clap::Args)]
pub struct VolumeArgs {
    /// 0 to 10
    #[arg(value_parser = clap::value_parser!(u8).range(0..=10))]
    pub volume: u8,
}

/// `twocan tap`.
#[derive(Debug, clap::Args)]
pub struct TapArgs {
    /// Pixels from the left
    pub x: u32,
    /// Pixels from the top
    pub y: u32,
}

/// `twocan screenshot`.
#[derive(Debug, clap::Args)]
pub struct ScreenshotArgs {
    /// Where the PNG goes
    pub file: PathBuf,
}

/// Ask for the status and print it.
///
/// # Errors
/// No kiosk is running.
pub fn status(args: &StatusArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let status = ask(&socket(globals)?, &Request::Status)?.0.status.unwrap_or_default();
    if args.json {
        println!("{status:#}");
    } else {
        print!("{}", in_words(&status));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(status: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    if let Some(stations) = status["stations"].as_array() {
        // A station server's.
        let state = |station: &serde_json::Value| match station["live"].as_bool() {
            Some(true) => "live",
            _ => "silent",
        };
        let line = |station: &serde_json::Value| {
            format!("{} · {}\n", text(&station["name"]), state(station))
        };
        return stations.iter().map(line).collect();
    }
    let mut words = format!(
        "{} · {} · {}\n",
        text(&status["name"]),
        text(&status["relay"]["state"]),
        text(&status["call"]["state"])
    );
    for contact in status["contacts"].as_array().into_iter().flatten() {
        let reachable = if contact["reachable"] == true { "reachable" } else { "not at home" };
        let trouble = contact["trouble"].as_str().map_or(String::new(), |why| format!(" · {why}"));
        words += &format!("  {} · {reachable}{trouble}\n", text(&contact["name"]));
    }
    words + &data_in_words(&status["data"])
}

/// `  this month 1.20 GB · 310 MB of it metered · 12 minutes with pictures left`.
fn data_in_words(data: &serde_json::Value) -> String {
    let bytes = |key: &str| data[key].as_u64().unwrap_or(0);
    let mut words = format!("  this month {}", usage::in_words(bytes("month_bytes")));
    if bytes("metered_bytes") > 0 {
        words += &format!(" · {} of it metered", usage::in_words(bytes("metered_bytes")));
    }
    if let Some(left) = data["minutes_left"].as_u64() {
        words += &format!(" · {left} minutes with pictures left");
    }
    if data["metered"] == true {
        words += " · the network is metered";
    }
    words + "\n"
}

/// Send a request that has nothing to print.
///
/// # Errors
/// No kiosk is running, or it refused; the sentence says why.
pub fn command(request: &Request, globals: &Globals) -> anyhow::Result<ExitCode> {
    ask(&socket(globals)?, request)?;
    Ok(ExitCode::SUCCESS)
}

impl HideArgs {
    /// What to ask.
    pub fn request(&self) -> Request {
        Request::Hide { hidden: self.hidden.as_deref().map(|hidden| hidden == "on") }
    }
}

fn socket(globals: &Globals) -> anyhow::Result<PathBuf> {
    Ok(control::socket(&globals.paths()?.runtime))
}

/// Take a picture of the kiosk's screen.
///
/// # Errors
/// No kiosk is running, it has no screen, or the file can't be written.
pub fn screenshot(args: &ScreenshotArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (_, png) = ask(&socket(globals)?, &Request::Screenshot)?;
    let mut file = std::fs::File::create(&args.file)
        .with_context(|| format!("create {}", args.file.display()))?;
    file.write_all(&png).with_context(|| format!("write {}", args.file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Ask, and make a refusal an error.
///
/// # Errors
/// No kiosk is running, or it refused.
pub fn ask(socket: &Path, request: &Request) -> anyhow::Result<Reply> {
    let reply = control::ask(socket, request).with_context(|| nobody(socket))?;
    done(reply)
}

/// Ask for something that goes on while the connection is open.
///
/// # Errors
/// As [`ask`].
pub fn ask_while(socket: &Path, request: &Request) -> anyhow::Result<UnixStream> {
    let (reply, stream) = control::ask_while(socket, request).with_context(|| nobody(socket))?;
    done(reply).map(|_| stream)
}

fn nobody(socket: &Path) -> String {
    format!("no kiosk answers at {}; start `twocan kiosk`", socket.display())
}

fn done((answer, body): Reply) -> anyhow::Result<Reply> {
    match answer.error {
        Some(error) => bail!("{error}"),
        None => Ok((answer, body)),
    }
}
