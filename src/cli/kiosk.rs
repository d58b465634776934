//! `twocan` and `twocan kiosk`: the screen, on a panel, in a window or drawn for nobody to see.
//! `twocan call`: one call without a screen.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use crate::app::{self, Inbox};
use crate::cli::{Globals, signals};
use crate::clock::{self, Time};
use crate::ui::face::Faceless;
use crate::wire::control::Request;

/// What to show the kiosk on.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// In place of `kiosk.screen` of the configuration
    #[arg(long, value_parser = ["auto", "kms", "window", "headless"])]
    pub screen: Option<String>,
}

impl Args {
    /// What `twocan` alone means.
    pub fn window() -> Self {
        Self { screen: Some("window".to_owned()) }
    }
}

/// `twocan call`.
#[derive(Debug, Clone, clap::Args)]
pub struct CallArgs {
    /// The contact's name; without it wait to be called, one call after another
    pub name: Option<String>,
    /// Hang up after so many seconds of talk
    #[arg(long)]
    pub seconds: Option<u64>,
}

/// Run the kiosk until it is told to end.
///
/// # Errors
/// It can't start: a sentence.
#[cfg(feature = "ui")]
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    use crate::config::ScreenKind as Wanted;
    #[cfg(feature = "kms")]
    use crate::ui::{ScreenKind, kms::Console};
    use crate::ui::{Ui, WindowFace};

    let paths = globals.paths()?;
    let config = paths.load_config()?;
    let wanted = match args.screen.as_deref() {
        Some("kms") => Wanted::Kms,
        Some("window") => Wanted::Window,
        Some("headless") => Wanted::Headless,
        Some(_) => Wanted::Auto,
        None => config.kiosk.screen,
    };
    let (kind, panel) = super::screen::choose(wanted, &config)?;
    let stop = signals::stop_on_signals()?;
    let inbox = Inbox::default();
    let touched = inbox.clone();
    #[cfg(feature = "kms")]
    let _console = match kind {
        ScreenKind::Kms(_) => Console::take(),
        _ => None,
    };
    let mut ui = Ui::new(kind, panel, move |command| {
        touched.touched(command);
    })?;
    let face = Arc::new(WindowFace::of(&mut ui));
    let app = app::start(&config, &paths, face, inbox, stop)?;
    // It answers when home is published, so that the first frame is that and not an empty page. When
    // it has ended already, so does the event loop.
    let _ = app.ask(Request::Status);
    ui.run()?;
    if !app.finish() {
        bail!("the kiosk ended with a panic; the log says where");
    }
    Ok(ExitCode::SUCCESS)
}

/// Run the kiosk: this build has no screen.
///
/// # Errors
/// Always.
#[cfg(not(feature = "ui"))]
pub fn run(_args: &Args, _globals: &Globals) -> anyhow::Result<ExitCode> {
    bail!("this twocan was built without a screen; `twocan call NAME` works")
}

/// One call without a screen: wait for the contact, call, talk, hang up. Without a name: be there
/// for whoever calls, until Ctrl-C (`kiosk.auto_answer` of the configuration, or `twocan answer`).
///
/// # Errors
/// There is no such contact, or the call did not come about: a sentence.
pub fn call(args: &CallArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let config = paths.load_config()?;
    let stop = signals::stop_on_signals()?;
    let app = app::start(&config, &paths, Arc::new(Faceless), Inbox::default(), stop.clone())?;
    if let Some(name) = &args.name {
        app.ask(Request::Dial { name: name.clone() }).map_err(anyhow::Error::msg)?;
    }
    let mut talking = Talk::default();
    while !stop.sleep(if talking.state == "established" { GLANCE } else { LOOK }) {
        let Ok(answer) = app.ask(Request::Status) else { break };
        let status = answer.status.unwrap_or_default();
        if talking.look(&status["call"], args.name.as_deref())? {
            break;
        }
        let enough = args.seconds.is_some_and(|seconds| talking.seconds() >= seconds);
        if enough {
            app.ask(Request::Hangup).map_err(anyhow::Error::msg)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How often the call without a screen looks at itself.
const LOOK: Duration = Duration::from_millis(100);
/// The same while there is a call: a status is no small thing.
const GLANCE: Duration = Duration::from_millis(500);

/// What the call without a screen has told so far.
#[derive(Default)]
struct Talk {
    state: String,
    answered: Option<Time>,
}

impl Talk {
    /// Tell what is new in `call`; true when the one to `name` is over.
    fn look(&mut self, call: &serde_json::Value, name: Option<&str>) -> anyhow::Result<bool> {
        let state = call["state"].as_str().unwrap_or_default().to_owned();
        if state == self.state {
            return Ok(false);
        }
        let Some(name) = name else {
            self.answered = call["answered_us"].as_u64().map(Time::from_micros);
            println!("{}: {state}", call["peer"].as_str().unwrap_or("nobody"));
            self.state = state;
            return Ok(false);
        };
        self.answered = self.answered.or(call["answered_us"].as_u64().map(Time::from_micros));
        let over = matches!(state.as_str(), "ended" | "idle");
        if over && self.answered.is_none() {
            let reason = call["reason"].as_str().unwrap_or("cancelled");
            bail!("the call to {name} did not come about: {reason}");
        }
        println!("{name}: {state}");
        self.state = state;
        Ok(over)
    }

    fn seconds(&self) -> u64 {
        self.answered.map_or(0, |answered| clock::now().since(answered).as_secs())
    }
}
