//! The server of a house's stations: takes URTP, plays to browsers, players and kiosks.
//!
//! ```text
//!  stations ── TCP, UDP ──> receive ─┐                    ┌─> sound ──> Hls ──> web ──> browsers, players
//!           ── tunnel ────> direct ──┴─> intake (header) ─┘      └─> Opus ──> direct ──> kiosks
//!                                        no listener: ends here
//! ```
//! Threads: `station intake` (all sockets of stations), `station web`, `station direct` (signals of the
//! tunnel), and as many of `station sound` as there are processors. [`Server::start`] is the list.

mod direct;
mod hls;
mod host;
mod house;
mod intake;
mod lines;
mod page;
mod receive;
mod rounds;
mod sound;
mod visitor;
mod web;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use self::direct::{Direct, News, with_stations};
use self::host::Names;
use self::house::House;
pub use self::house::{StationStatus, Status};
pub use self::intake::Counts;
use self::receive::{Entrance, Receiver, Whose};
pub use self::rounds::Rounds;
use self::rounds::{All, Round};
use self::sound::Sound;
use self::web::Web;
use crate::clock;
use crate::identity::PeerKey;
use crate::queue::Queue;
use crate::supervisor::{Restart, Supervisor};
use crate::tunnel::{MediaPorts, Tunnel, TunnelConfig};

/// Events of the tunnel that may wait.
const NEWS: usize = 1024;
/// More threads than this decode nothing faster: the stations are shared out among them.
const SOUND_THREADS: usize = 4;
/// A port that is free for TCP may be taken for UDP; then another one is looked for.
const PORT_TRIES: usize = 20;
/// What fails for want of something (descriptors) is tried again.
const AGAIN: Restart =
    Restart::Backoff { first: Duration::from_millis(250), most: Duration::from_secs(5) };

/// Where a station comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It has this address for itself, TCP and UDP. Port 0: the system chooses.
    At(SocketAddr),
    /// It comes from there to [`Setup::listen`].
    From(IpAddr),
    /// It comes through the tunnel and proves this key.
    Key(PeerKey),
}

/// What a server is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where stations send to that are told by their address.
    pub listen: SocketAddr,
    /// Where listeners come to.
    pub web: SocketAddr,
    /// What the web is asked as, besides this machine's name and its addresses: behind a proxy, say.
    pub names: Vec<String>,
    /// Names and ways, no two the same.
    pub stations: Vec<(String, Way)>,
    /// For stations and listeners that come through it; its contacts may listen. None: there is none.
    pub tunnel: Option<TunnelConfig>,
}

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address can't be listened at.
    #[error("listen for {what} at {address}: {cause}")]
    Listen {
        /// Stations or listeners.
        what: String,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A thread.
    #[error("start the thread {name}: {cause}")]
    Thread {
        /// Which.
        name: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

/// A running server. Dropping it stops everything, newest first.
pub struct Server {
    supervisor: Supervisor,
    handle: Handle,
    rounds: All,
    web: SocketAddr,
    shared: Option<SocketAddr>,
    own: HashMap<String, SocketAddr>,
}

/// Asks a running server, from any thread.
#[derive(Clone)]
pub struct Handle {
    house: Arc<House>,
    direct: Option<Queue<News>>,
}

impl Handle {
    /// How it is.
    pub fn status(&self) -> Status {
        self.house.status(clock::now())
    }

    /// From now on these are its relay and its contacts; who is no contact any more hears nothing. Without a
    /// tunnel nothing happens.
    pub fn change(&self, config: TunnelConfig) {
        if let Some(direct) = &self.direct {
            tell(direct, News::Changed(Box::new(config)));
        }
    }
}

impl Server {
    /// Start it. When this returns, stations and listeners are let in.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start(setup: Setup) -> Result<Self, ServerError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let names = setup.stations.iter().map(|(name, _)| name.clone()).collect();
        let house = Arc::new(House::new(names, processors.min(SOUND_THREADS)));
        let entrances = entrances(&setup, &house)?;
        let listen =
            |cause| ServerError::Listen { what: "listeners".to_owned(), address: setup.web, cause };
        let listener = web::bind(setup.web).map_err(listen)?;
        let web = listener.local_addr().map_err(listen)?;
        let keyed = keyed(&setup);

        let (mut supervisor, mut rounds) = (Supervisor::new(), All::default());
        let thread = |name| move |cause| ServerError::Thread { name, cause };
        for queue in &house.sound {
            let sound = Sound::new(queue.clone(), rounds.add());
            supervisor.start("station sound", AGAIN, sound).map_err(thread("station sound"))?;
        }
        let own = |entrance: &Entrance| match &entrance.whose {
            Whose::One(station) => Some((station.name.clone(), address(entrance)?)),
            Whose::ByAddress(_) => None,
        };
        let shared = |entrance: &Entrance| match &entrance.whose {
            Whose::ByAddress(_) => address(entrance),
            Whose::One(_) => None,
        };
        let (own, shared) =
            (entrances.iter().filter_map(own).collect(), entrances.iter().find_map(shared));
        let stations = keyed
            .iter()
            .map(|(index, _, ports)| (Arc::clone(&house.stations[*index]), ports.clone()));
        let (keyed_in, round) = (stations.collect(), rounds.add());
        let receiver = Receiver { house: Arc::clone(&house), entrances, keyed: keyed_in, round };
        supervisor.start("station intake", AGAIN, receiver).map_err(thread("station intake"))?;
        let names = Names::new(web.ip(), &setup.names, host::machine().as_deref());
        let (names, round) = (Arc::new(names), rounds.add());
        let site = Web { house: Arc::clone(&house), listener, names, round };
        supervisor.start("station web", AGAIN, site).map_err(thread("station web"))?;
        let mut news = None;
        if let Some(config) = setup.tunnel {
            let keyed = keyed.into_iter().map(|(_, key, ports)| (key, ports)).collect();
            let direct = direct(Arc::clone(&house), config, keyed, rounds.add());
            let direct = direct.map_err(thread("tunnel"))?;
            news = Some(direct.news.clone());
            supervisor.start("station direct", AGAIN, direct).map_err(thread("station direct"))?;
        }
        Ok(Self { supervisor, handle: Handle { house, direct: news }, rounds, web, shared, own })
    }

    /// Where listeners come to.
    pub fn web(&self) -> SocketAddr {
        self.web
    }

    /// Where the station `name` sends to; none for one that comes through the tunnel, or that there
    /// is not.
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        self.handle.house.station(name).and(self.own.get(name).copied().or(self.shared))
    }

    /// How far its threads are: each comes round once a second, whatever there is to do.
    pub fn rounds(&self) -> Rounds {
        self.rounds.look()
    }

    /// How it is.
    pub fn status(&self) -> Status {
        self.handle.status()
    }

    /// For other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.supervisor.stop();
    }
}

fn address(entrance: &Entrance) -> Option<SocketAddr> {
    entrance.tcp.local_addr().ok()
}

/// Which stations come through the tunnel, and the queues that lead to them.
fn keyed(setup: &Setup) -> Vec<(usize, PeerKey, MediaPorts)> {
    let stations = setup.stations.iter().enumerate();
    let key = |(index, (_, way)): (usize, &(String, Way))| match way {
        Way::Key(key) => Some((index, *key, MediaPorts::voice_alone())),
        Way::At(_) | Way::From(_) => None,
    };
    stations.filter_map(key).collect()
}

/// The sockets, one entrance for each station that has its own and one for all others.
fn entrances(setup: &Setup, house: &House) -> Result<Vec<Entrance>, ServerError> {
    let mut entrances = Vec::new();
    let mut by_address = HashMap::new();
    for ((name, way), station) in setup.stations.iter().zip(&house.stations) {
        match way {
            Way::At(address) => {
                entrances.push(enter(*address, name, Whose::One(Arc::clone(station)))?);
            }
            Way::From(from) => {
                by_address.insert(from.to_canonical(), Arc::clone(station));
            }
            Way::Key(_) => {}
        }
    }
    if !by_address.is_empty() {
        let whose = Whose::ByAddress(Arc::new(by_address));
        entrances.push(enter(setup.listen, "stations", whose)?);
    }
    Ok(entrances)
}

fn enter(address: SocketAddr, what: &str, whose: Whose) -> Result<Entrance, ServerError> {
    let bind = || {
        let tcp = TcpListener::bind(address)?;
        tcp.set_nonblocking(true)?;
        let udp = UdpSocket::bind(tcp.local_addr()?)?;
        udp.set_nonblocking(true)?;
        Ok((tcp, udp))
    };
    let mut bound = bind();
    for _ in 0..PORT_TRIES {
        if bound.is_ok() || address.port() != 0 {
            break;
        }
        bound = bind();
    }
    let (tcp, udp) =
        bound.map_err(|cause| ServerError::Listen { what: what.to_owned(), address, cause })?;
    Ok(Entrance { tcp, udp, whose })
}

/// The tunnel and who answers it.
fn direct(
    house: Arc<House>,
    mut config: TunnelConfig,
    keyed: HashMap<PeerKey, MediaPorts>,
    round: Round,
) -> io::Result<Direct> {
    let listeners: HashSet<PeerKey> = config.contacts.iter().map(|peer| peer.key).collect();
    config.contacts = with_stations(config.contacts, keyed.keys());
    let news = Queue::fail_on_full(NEWS);
    let heard = news.clone();
    let tunnel = Tunnel::start(config, move |event| tell(&heard, News::Tunnel(Box::new(event))))?;
    Ok(Direct { house, tunnel, news, listeners, keyed, hearing: HashMap::new(), round })
}

fn tell(direct: &Queue<News>, news: News) {
    if direct.send(news).is_err() {
        tracing::error!("the station server does not keep up with its tunnel; an event is lost");
    }
}
