//! Joins the parts: the only place that owns the call, the tunnel, the media and the screen.
//!
//! ```text
//!                    ┌───────────── thread `app`: run::Loop ─────────────┐
//!  Face (main thread)│  core::Core (pure) ── owns ── call::Machine       │
//!   ── Command ────> │    │ effects                                      │
//!   <── Screen ───── │    ├─> tunnel::Tunnel          (thread `tunnel`)   │
//!  control socket ─> │    ├─> media::CallMedia        (four workers)      │
//!   (thread)         │    └─> records                                    │
//!                    └───────────────────────────────────────────────────┘
//! ```
//! [`start`] reads as the list of what a kiosk is made of.

pub mod budget;
mod contacts;
pub mod control;
pub mod core;
pub mod events;
mod eye;
pub mod facts;
pub mod hear;
#[cfg(test)]
mod hear_stories;
pub mod last_seen;
#[cfg(test)]
mod light_stories;
#[cfg(test)]
mod line_stories;
pub mod lookin;
mod media;
mod meet;
pub mod menu;
#[cfg(test)]
mod menu_stories;
pub mod outage;
pub mod outbox;
pub mod pairing;
mod photo;
pub mod pictures;
pub mod power;
pub mod presence;
mod record;
mod refusals;
pub mod relay;
mod run;
mod scan;
pub mod screen;
mod status;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod visit_stories;
pub mod words;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::card::Card;
use crate::clock;
use crate::config::Metered as MeteredChoice;
use crate::config::{BacklightChoice, Config, Display, Paths};
use crate::contacts::Contact;
use crate::device::backlight::{self, Backlight};
use crate::device::metered::Watch;
use crate::identity::{Identity, IdentityError};
use crate::queue::Queue;
use crate::settings;
use crate::stop::Stop;
use crate::store::{self, StoreError};
use crate::supervisor::{Restart, Supervisor};
use crate::tunnel::{self, Tunnel, TunnelConfig};
use crate::ui::face::Face;
use crate::ui::screen::Command;
use crate::usage::{Month, Usage};
use crate::watchdog::{self, Herald};
use crate::wire::control::{Answer, Request};
use crate::wire::signal::Media;
use crate::wire::status::RefusedStatus;

use self::budget::Budget;
use self::control::{ControlServer, Reply};
use self::core::Core;
use self::facts::Settings;
use self::menu::Behind;
use self::presence::Presence;
use self::relay::Meets;
use self::run::{Input, Loop};

/// Inputs that may wait for the loop.
const INBOX: usize = 1024;

/// A system bus that hung up is looked for again.
const BUS: Restart =
    Restart::Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };

/// Why a kiosk can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control socket.
    #[error("open the control socket {path}: {cause}")]
    Control {
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A thread.
    #[error("start the thread {name}: {cause}")]
    Thread {
        /// Which.
        name: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// A running kiosk. Dropping it stops everything, newest first.
pub struct App {
    supervisor: Supervisor,
    inbox: Inbox,
    ended: mpsc::Receiver<bool>,
}

/// Takes what fingers say to the kiosk's loop; made before the kiosk, since the screen needs it.
#[derive(Clone)]
pub struct Inbox(Queue<Input>);

impl Default for Inbox {
    fn default() -> Self {
        Self(Queue::fail_on_full(INBOX))
    }
}

impl Inbox {
    /// A finger said this.
    pub fn touched(&self, command: Command) {
        self.put(Input::Touched(command));
    }

    fn put(&self, input: Input) {
        if self.0.send(input).is_err() && !self.0.is_closed() {
            tracing::error!("the app does not keep up with its inputs; one is lost");
        }
    }
}

/// Start a kiosk behind `face`. It ends, with a goodbye to whoever it talks with, at `stop`, by a
/// finger on the window's cross, or when the [`App`] is dropped.
///
/// # Errors
/// See [`StartError`].
pub fn start(
    config: &Config,
    paths: &Paths,
    face: Arc<dyn Face>,
    inbox: Inbox,
    stop: Stop,
) -> Result<App, StartError> {
    store::ensure_folder(&paths.state)?;
    store::ensure_folder(&paths.runtime)?;
    if Identity::find(&paths.state)?.is_none() {
        tracing::info!(
            "this kiosk gets a new key: whoever knew it before has to pair with it again"
        );
    }
    let identity = Identity::load_or_create(&paths.state)?;
    let contacts = contacts::load(&paths.state);
    let meets = Meets::new(config.relay.as_ref(), &paths.state);

    let mut supervisor = Supervisor::new();
    let server = control_server(paths, &face, &inbox)?;
    let thread = |name| move |cause| StartError::Thread { name, cause };
    supervisor.start("control", Restart::DEVICE, server).map_err(thread("control"))?;

    let events = inbox.clone();
    let wanted = tunnel_config(config, &meets, &identity, &contacts);
    let tunnel = Tunnel::start(wanted, move |event| events.put(Input::Tunnel(event)));
    let tunnel = tunnel.map_err(thread("tunnel"))?;

    let ours = meets.point().into_iter().collect();
    let kept = settings::load(&paths.state);
    let settings = Settings {
        us: identity.public(),
        ring: Duration::from_secs(u64::from(config.call.ring_seconds.get())),
        auto_answer: config.kiosk.auto_answer,
        helper: config.kiosk.helper.as_str().to_owned(),
        volume: kept.volume.unwrap_or(config.speaker.volume.get()),
        has_way: meets.relay().is_some() || config.door.is_some(),
        light: menu::habits(config, &kept),
        hearables: config.listen.clone(),
    };
    let neighbours = contacts::neighbours(&paths.state, &contacts);
    let minutes = u64::from(config.network.monthly_minutes.get());
    let budget = Budget::new(Usage::load(&paths.state), minutes, this_month());
    watch_network(&mut supervisor, config.network.metered, &inbox).map_err(thread("metered"))?;
    let kiosk = Loop {
        core: Core::new(settings, neighbours, budget, random_call, clock::now()),
        inbox: inbox.0.clone(),
        tunnel,
        backlight: backlight_of(&config.display, &*face),
        brightness: menu::brightness(config, &kept),
        face,
        plan: media::MediaPlan::new(config, menu::ring_volume(config, &kept)),
        media: None,
        ring: None,
        hearing: run::Hearing::default(),
        state_folder: paths.state.clone(),
        key_line: identity.public().to_openssh(config.kiosk.name.as_str()),
        name: config.kiosk.name.as_str().to_owned(),
        meets,
        shown: None,
        next_look: None,
        next_news: clock::Time::default(),
        settled: false,
        reconnects: 0,
        refused: RefusedStatus::default(),
        usage_fails: false,
        sizes: HashMap::new(),
        paths: HashMap::new(),
        behind: Behind::new(config, &identity, kept),
        presence: Presence::load(&paths.state),
        told: pairing::Told::default(),
        moves: meet::Moves::new(ours),
        herald: Herald::from_environment(clock::now()),
    };
    if kiosk.herald.is_some() {
        let inbox = inbox.clone();
        let drawn = move || inbox.put(Input::Watch(watchdog::Event::Drawn));
        kiosk.face.on_first_frame(Box::new(drawn));
    }
    let (done, ended) = mpsc::channel();
    let (closing, face) = (inbox.clone(), Arc::clone(&kiosk.face));
    let main = std::thread::Builder::new().name("app".to_owned()).spawn(move || {
        let run = catch_unwind(AssertUnwindSafe(|| kiosk.run(&stop)));
        // However it ended, a screen that nobody looks after must not stay.
        closing.0.close();
        closing.0.clear();
        face.quit();
        // Nobody waiting for the end is fine.
        let _ = done.send(run.is_ok());
    });
    main.map_err(thread("app"))?;
    Ok(App { supervisor, inbox, ended })
}

impl App {
    /// Ask what a program would ask on the control socket.
    ///
    /// # Errors
    /// The refusal, as a sentence.
    pub fn ask(&self, request: Request) -> Result<Answer, String> {
        let (reply, replied) = mpsc::channel();
        self.inbox.put(Input::Asked(request, reply));
        let (answer, _) = replied.recv().map_err(|_| "the kiosk has ended".to_owned())?;
        match answer.error {
            Some(sentence) => Err(sentence),
            None => Ok(answer),
        }
    }
}

impl App {
    /// End the kiosk, if it has not ended yet; false when it ended with a panic.
    pub fn finish(self) -> bool {
        self.inbox.touched(Command::Quit);
        self.ended.recv().unwrap_or(false)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.inbox.touched(Command::Quit);
        // Finished already: the word was taken then.
        let _ = self.ended.recv();
        self.supervisor.stop();
    }
}

fn control_server(
    paths: &Paths,
    face: &Arc<dyn Face>,
    inbox: &Inbox,
) -> Result<ControlServer, StartError> {
    let path = control::socket(&paths.runtime);
    let (face, inbox) = (Arc::clone(face), inbox.clone());
    let ask = move |request: Request, reply: mpsc::Sender<Reply>| {
        let answer = match request {
            Request::Screenshot => match face.screenshot() {
                Ok(png) => (Answer::default(), png),
                Err(sentence) => (Answer::refused(sentence), Vec::new()),
            },
            Request::Tap { x, y } => match face.tap(x, y) {
                Ok(()) => Reply::default(),
                Err(sentence) => (Answer::refused(sentence), Vec::new()),
            },
            request => return inbox.put(Input::Asked(request, reply)),
        };
        // A client that went away does not want its answer.
        let _ = reply.send(answer);
    };
    ControlServer::bind(&path, Arc::new(ask))
        .map_err(|cause| StartError::Control { path: path.clone(), cause })
}

/// Tell the loop whether the network is paid for by the byte.
fn watch_network(
    supervisor: &mut Supervisor,
    wanted: MeteredChoice,
    inbox: &Inbox,
) -> std::io::Result<()> {
    match wanted {
        MeteredChoice::No => {}
        MeteredChoice::Yes => inbox.put(Input::Metered(true)),
        MeteredChoice::Auto => {
            let inbox = inbox.clone();
            let tell = move |metered| inbox.put(Input::Metered(metered));
            let mut watch = Watch::new(tell);
            let run = move |stop: &Stop| watch.run(stop).map_err(Into::into);
            supervisor.start("metered", BUS, run)?;
        }
    }
    Ok(())
}

/// By the wall clock, which may be wrong; no month that can't be is.
fn this_month() -> Month {
    let today = chrono::Local::now();
    let month = Month::new(chrono::Datelike::year(&today), chrono::Datelike::month(&today));
    month.unwrap_or_default()
}

/// Only a kiosk on a panel touches the panel's light unasked: a desktop's is its owner's.
fn backlight_of(display: &Display, face: &dyn Face) -> Backlight {
    match &display.backlight {
        BacklightChoice::Auto if face.status().kind == "kms" => {
            Backlight::best_of(backlight::ROOT, None)
        }
        BacklightChoice::Auto | BacklightChoice::None => Backlight::none(),
        BacklightChoice::Folder(folder) => Backlight::at(folder),
    }
}

/// What the configuration, the relay that is used and the contacts mean for the tunnel.
pub fn tunnel_config(
    config: &Config,
    meets: &Meets,
    identity: &Identity,
    contacts: &[Contact],
) -> TunnelConfig {
    TunnelConfig {
        identity: identity.clone(),
        name: config.kiosk.name.as_str().to_owned(),
        media: Media::default(),
        relay: meets.for_tunnel(),
        door: config.door.as_ref().map(|door| door.listen.0),
        contacts: contacts::peers(contacts, meets.host_key().as_ref()),
    }
}

/// The contacts of a state folder; trouble is logged, and a broken file is as good as its backup.
pub fn contacts_of(state: &Path) -> Vec<Contact> {
    contacts::load(state)
}

/// This kiosk's card, for others to pin.
pub fn card_of(config: &Config, meets: &Meets, identity: &Identity) -> Card {
    tunnel::card_of(&tunnel_config(config, meets, identity, &[]))
}

fn random_call() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    u64::from_be_bytes(bytes)
}
