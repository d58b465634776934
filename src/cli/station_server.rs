//! `twocan station-server`: takes what the stations of a house send, and plays it to browsers and kiosks.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::app::control::{self, ControlServer, Reply};
use crate::app::relay::Meets;
use crate::app::{contacts_of, tunnel_config};
use crate::cli::{Globals, signals};
use crate::clock;
use crate::config::{Config, ConfigError, Paths, StationHouse, StationWay};
use crate::identity::Identity;
use crate::station::server::{Handle, Rounds, Server, Setup, Way};
use crate::stop::Stop;
use crate::store;
use crate::supervisor::{Restart, Supervisor};
use crate::tunnel::TunnelConfig;
use crate::watchdog::{Event, Herald};
use crate::wire::control::{Answer, Request};

/// `twocan station-server`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// In place of `station_server.web` of the configuration
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub web: Option<SocketAddr>,
}

/// Run the server until it is told to end.
///
/// # Errors
/// It can't start: a sentence.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let paths = globals.paths()?;
    let config = paths.load_config()?;
    let Some(section) = &config.station_server else {
        return Err(ConfigError::Wrong {
            file: paths.config.display().to_string(),
            line: 1,
            sentence: "[station_server] is missing; it says which stations there are".to_owned(),
        }
        .into());
    };
    let stop = signals::stop_on_signals()?;
    widen_descriptors();
    let own = own_key(&config, &paths)?;
    let tunnel = own.as_ref().map(|identity| tunnel_of(&config, &paths, identity));
    let setup = setup(section, args.web, tunnel);
    for (what, address) in [("stations", setup.listen), ("listeners", setup.web)] {
        if !address.ip().is_loopback() {
            tracing::warn!("{address} is open to whoever reaches it: {what} prove nothing");
        }
    }
    let server = Server::start(setup)?;
    let control = own.map(|identity| control(server.handle(), config, paths, identity));
    let _control = control.transpose()?;
    tracing::info!("listeners come to http://{}/", server.web());
    attend(&server, &stop);
    Ok(ExitCode::SUCCESS)
}

/// Answers at the control socket: how it is, and that the contacts have changed (`twocan contact`).
fn control(
    server: Handle,
    config: Config,
    paths: Paths,
    identity: Identity,
) -> anyhow::Result<Supervisor> {
    store::ensure_folder(&paths.runtime)?;
    let socket = control::socket(&paths.runtime);
    let ask = move |request: Request, reply: mpsc::Sender<Reply>| {
        let answer = match request {
            Request::Status => {
                let status = serde_json::to_value(server.status());
                let status = status.expect("a status has only strings and numbers");
                Answer { status: Some(status), ..Answer::default() }
            }
            Request::Reload => {
                server.change(tunnel_of(&config, &paths, &identity));
                Answer::default()
            }
            _ => Answer::refused("this is a station server and no kiosk"),
        };
        // A program that went away does not want its answer.
        let _ = reply.send((answer, Vec::new()));
    };
    let control = ControlServer::bind(&socket, Arc::new(ask))
        .with_context(|| format!("open the control socket {}", socket.display()))?;
    let mut supervisor = Supervisor::new();
    supervisor.start("control", Restart::DEVICE, control).context("start the thread control")?;
    Ok(supervisor)
}

/// The relay and the contacts of the state folder, as they are now.
fn tunnel_of(config: &Config, paths: &Paths, identity: &Identity) -> TunnelConfig {
    let meets = Meets::new(config.relay.as_ref(), &paths.state);
    tunnel_config(config, &meets, identity, &contacts_of(&paths.state))
}

const A_WHILE: Duration = Duration::from_secs(3600);
/// The longest pause between two looks, where a service manager wants to know.
const TICK: Duration = Duration::from_secs(1);

/// Wait for the stop. The service manager is told how the server is, and feeds its watchdog by the threads
/// that come round.
fn attend(server: &Server, stop: &Stop) {
    let Some(mut herald) = Herald::from_environment(clock::now()) else {
        while !stop.sleep(A_WHILE) {}
        return;
    };
    herald.handle(Event::Drawn, clock::now());
    let mut asked: Option<Rounds> = None;
    loop {
        let (now, seen) = (clock::now(), server.rounds());
        let stations = server.status().stations;
        let live = stations.iter().filter(|station| station.live).count();
        herald.say(format!("{live} of {} stations are heard", stations.len()));
        if herald.handle(Event::Tick, now) {
            asked.get_or_insert_with(|| seen.clone());
        }
        if asked.as_ref().is_some_and(|before| seen.is_ahead_of(before)) {
            herald.handle(Event::CameRound, now);
            asked = None;
        }
        let due = herald.deadline().map(|at| at.since(now));
        let pause = due.map_or(TICK, |due| due.min(TICK));
        // A sleep counts whole milliseconds: rounded up, or the last one would spin.
        if stop.sleep(pause + Duration::from_micros(999)) {
            break;
        }
    }
    herald.stopping();
}

/// As many open files as the system allows: a station has a connection, and perhaps two sockets of its
/// own.
pub(super) fn widen_descriptors() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // As many as there are, then.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// What the section means for the server.
fn setup(section: &StationHouse, web: Option<SocketAddr>, tunnel: Option<TunnelConfig>) -> Setup {
    let listen = section.listen.0;
    let stations = section.station.iter().map(|station| {
        let way = match station.way {
            StationWay::Port(port) => Way::At(SocketAddr::new(listen.ip(), port.get())),
            StationWay::Address(address) => Way::From(address),
            StationWay::Key(key) => Way::Key(key),
        };
        (station.name.to_string(), way)
    });
    Setup {
        listen,
        web: web.unwrap_or(section.web.0),
        names: section.names.iter().map(ToString::to_string).collect(),
        stations: stations.collect(),
        tunnel,
    }
}

/// The key of this state folder, if kiosks can find it: at a relay, at its door, or where it knows
/// their doors.
fn own_key(config: &Config, paths: &Paths) -> anyhow::Result<Option<Identity>> {
    let meets = Meets::new(config.relay.as_ref(), &paths.state);
    let contacts = contacts_of(&paths.state);
    let dials = contacts.iter().any(|contact| !contact.direct.is_empty());
    if meets.relay().is_none() && config.door.is_none() && !dials {
        return Ok(None);
    }
    let socket = control::socket(&paths.runtime);
    if UnixStream::connect(&socket).is_ok() {
        bail!(
            "a kiosk is running with this key; give the station server a state folder and a runtime \
             folder of its own (--state, --runtime)"
        );
    }
    store::ensure_folder(&paths.state)?;
    let identity = Identity::load_or_create(&paths.state)
        .with_context(|| format!("open the key in {}", paths.state.display()))?;
    Ok(Some(identity))
}
