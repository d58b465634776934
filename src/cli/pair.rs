//! `twocan pair`: become contacts with a kiosk far away, by four words and four pictures.
//!
//! ```text
//!  twocan pair                     prints four words, waits for the other one
//!  twocan pair WORD WORD WORD WORD goes to the one who was told these
//!  both: four pictures ── the same? ── both say y ──> contacts
//! ```
//! A running kiosk does it, and is asked on its control socket: what this program began there ends with
//! it, however that is (Ctrl-C, a lost login). Where none runs, this program has a
//! tunnel of its own for as long as it takes.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Globals, ask, remote};
use crate::app::relay::Meets;
use crate::app::{self, control, pairing};
use crate::config::Paths;
use crate::contacts;
use crate::identity::Identity;
use crate::pairing::{News, words};
use crate::store;
use crate::tunnel::{Command, Event, RelayStatus, Tunnel};
use crate::wire::control::{PairAsk, PairStep, Request};

/// How long the relay may take until we are connected.
const RELAY_LIMIT: Duration = Duration::from_secs(60);

/// The options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The four words that the other kiosk shows; without them this one shows its own
    words: Vec<String>,
    /// Take the pictures for the same without asking: only for scripts that have both kiosks in
    /// hand, since whoever overheard the words is then believed
    #[arg(long)]
    yes: bool,
}

/// Do it.
///
/// # Errors
/// Nothing came of it; the sentence says why.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let first = if args.words.is_empty() {
        PairAsk::Offer
    } else {
        let words = args.words.join(" ");
        if let Err(error) = words::parse(&words) {
            eprintln!("twocan: {error}");
            return Ok(ExitCode::from(2));
        }
        PairAsk::Join { words }
    };
    let mut line = Line::open(globals)?;
    line.ask(&first)?;
    let mut theirs = String::new();
    loop {
        match line.next()? {
            PairStep::Words { words } => {
                let words = words.join(" ");
                super::print(&format!("Tell the other one these words:\n  {words}\n"))?;
            }
            PairStep::WrongTry { left } => {
                let left = match left {
                    0 => "there are new ones now".to_owned(),
                    1 => "one more try".to_owned(),
                    left => format!("{left} more tries"),
                };
                super::print(&format!("Somebody has tried with wrong words; {left}.\n"))?;
            }
            PairStep::Compare { name, pictures } => {
                super::print(&format!("{name} is there. The pictures are:\n  "))?;
                super::print(&format!("{}\n", pictures.join("  ")))?;
                theirs = name;
                let same = args.yes || ask::yes("Does the other one see the same?")?;
                line.ask(&PairAsk::Same { same })?;
            }
            PairStep::TheirTurn => {
                super::print("Now the other one has to say so.\n")?;
            }
            PairStep::Paired { name } => {
                if name != theirs {
                    super::print(&format!(
                        "There is another {theirs} here. If their screen is a new one, forget the old \
                         one: twocan contact remove '{theirs}'\n"
                    ))?;
                }
                return super::print(&format!("{name} is a contact now.\n"));
            }
            PairStep::Failed { sentence } => bail!("{sentence}"),
        }
    }
}

/// Who does it.
enum Line {
    /// The kiosk behind this socket.
    Kiosk {
        socket: PathBuf,
        /// The number of its last step that we know.
        last: u64,
        /// While it is open the kiosk goes on.
        held: Option<UnixStream>,
    },
    /// A tunnel of our own.
    Own { tunnel: Tunnel, events: Receiver<Event>, paths: Paths },
}

impl Line {
    fn open(globals: &Globals) -> anyhow::Result<Self> {
        let paths = globals.paths()?;
        let socket = control::socket(&paths.runtime);
        if control::ask(&socket, &Request::Status).is_ok() {
            return Ok(Line::Kiosk { socket, last: 0, held: None });
        }
        let config = paths.load_config()?;
        store::ensure_folder(&paths.state)?;
        let identity = Identity::load_or_create(&paths.state)?;
        let (sender, events) = mpsc::channel();
        let meets = Meets::new(config.relay.as_ref(), &paths.state);
        let wanted = app::tunnel_config(&config, &meets, &identity, &[]);
        let tunnel = Tunnel::start(wanted, move |event| {
            // Who has heard enough listens no more.
            let _ = sender.send(event);
        })
        .context("start the tunnel")?;
        if meets.relay().is_none() {
            bail!("there is no relay at which kiosks could meet: set [relay] in twocan.toml");
        }
        loop {
            match events.recv_timeout(RELAY_LIMIT).context("the relay does not answer")? {
                Event::Relay(RelayStatus::Connected) => break,
                Event::Relay(
                    RelayStatus::Blocked { sentence } | RelayStatus::Backoff { sentence, .. },
                ) => bail!("{sentence}"),
                _ => {}
            }
        }
        Ok(Line::Own { tunnel, events, paths })
    }

    fn ask(&mut self, wanted: &PairAsk) -> anyhow::Result<()> {
        match self {
            Line::Kiosk { socket, held, .. } => {
                let ask = wanted.clone();
                match wanted {
                    PairAsk::Offer | PairAsk::Join { .. } => {
                        *held = Some(remote::ask_while(socket, &Request::PairWhile { ask })?);
                    }
                    PairAsk::Same { .. } | PairAsk::Stop => {
                        remote::ask(socket, &Request::Pair { ask })?;
                    }
                }
            }
            Line::Own { tunnel, .. } => {
                let ask = pairing::ask(wanted).map_err(anyhow::Error::msg)?;
                tunnel.send(Command::Pair(ask));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> anyhow::Result<PairStep> {
        match self {
            Line::Kiosk { socket, last, .. } => loop {
                let (answer, _) = remote::ask(socket, &Request::PairNews { after: *last })?;
                if let Some(news) = answer.pairing.into_iter().next() {
                    *last = news.number;
                    return Ok(news.step);
                }
            },
            Line::Own { events, paths, .. } => loop {
                let Event::Pairing(news) = events.recv().context("the tunnel has ended")? else {
                    continue;
                };
                if let News::Paired(card) = &news {
                    let contact = contacts::adopt(&paths.state, card)?;
                    return Ok(PairStep::Paired { name: contact.name });
                }
                return Ok(pairing::step(&news));
            },
        }
    }
}
