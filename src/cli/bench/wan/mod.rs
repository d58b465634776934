//! A bad line on one machine: two homes and a relay, each with a network of its own, and between
//! them links whose rate, delay, queue and loss are anybody's choice, at any moment.
//!
//! ```text
//!  namespace a                 namespace relay                 namespace b
//!  10.9.1.1 wan0 ═══ link A ═══ wan0 10.9.1.2
//!                               wan1 10.9.2.2 ═══ link B ═══ wan0 10.9.2.1
//! ```
//! The links are TUN devices and a thread of this process; the kernel's own emulator is not in
//! every kernel. The homes cannot reach each other. Unix sockets and files cross the namespaces.
//! Root, `ip`, TUN devices and network namespaces are needed: [`WanError::Missing`] is the sentence
//! for where they are not.

mod flows;
mod line;
mod pump;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::line::{Counts, Line, Properties};
use self::pump::Shared;
use crate::cli::demo::place::{Place, Places};
use crate::clock;
use crate::device::DeviceError;
use crate::device::namespace::{self, Namespace};
use crate::device::tun::Tun;
use crate::stop::{Stopper, stop_pair};

/// The beginning of our namespaces' names.
const PREFIX: &str = "twocan";
/// Any number: the same packets are lost in every run.
const SEED: u64 = 1869;

/// Whose link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From home A, which is Anna's, to the relay.
    A,
    /// From home B, which is Bert's, to the relay.
    B,
}

/// A direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the home to the relay.
    Up,
    /// From the relay to the home.
    Down,
}

/// Why there are no links.
#[derive(Debug, thiserror::Error)]
pub enum WanError {
    /// This machine can't do it, or does not let us.
    #[error("no bad lines here: {0}")]
    Missing(String),
    /// It should have worked.
    #[error("make a bad line: {0}")]
    Device(#[from] DeviceError),
    /// The thread.
    #[error("start the thread of the lines: {0}")]
    Thread(#[from] std::io::Error),
}

/// Two homes, a relay and their links; everything vanishes with the value.
pub struct Wan {
    links: Shared,
    spaces: [Arc<Namespace>; 3],
    stopper: Option<Stopper>,
    pump: Option<JoinHandle<()>>,
}

impl Wan {
    /// Make them, with both directions of each link alike.
    ///
    /// # Errors
    /// See [`WanError`].
    pub fn start(a: Properties, b: Properties) -> Result<Self, WanError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let missing = |why: &str| Err(WanError::Missing(why.to_owned()));
        if !nix::unistd::Uid::effective().is_root() {
            return missing("only root may make network namespaces");
        }
        if !Tun::is_available() {
            return missing("there are no TUN devices, or we may not use them");
        }
        namespace::remove_stale(PREFIX);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let make = |name: &str| {
            let made = Namespace::make(PREFIX, &format!("{number}-{name}"));
            made.map(Arc::new).map_err(|error| WanError::Missing(error.to_string()))
        };
        let [home_a, relay, home_b] = [make("a")?, make("relay")?, make("b")?];
        let ends = [
            interface(&home_a, "wan0", "10.9.1.1", "10.9.1.2")?,
            interface(&relay, "wan0", "10.9.1.2", "10.9.1.1")?,
            interface(&home_b, "wan0", "10.9.2.1", "10.9.2.2")?,
            interface(&relay, "wan1", "10.9.2.2", "10.9.2.1")?,
        ];
        let lines = [(a, 0), (a, 1), (b, 2), (b, 3)];
        let links = Shared::new(lines.map(|(properties, end)| Line::new(properties, SEED + end)));
        let (stopper, stop) = stop_pair();
        let shared = links.clone();
        let pump = std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
            if let Err(error) = pump::carry(&ends, &shared, &stop) {
                tracing::warn!("the lines are gone: {error}");
            }
        })?;
        let spaces = [home_a, relay, home_b];
        Ok(Self { links, spaces, stopper: Some(stopper), pump: Some(pump) })
    }

    /// Let both directions of a link be others from now on.
    pub fn set(&self, side: Side, properties: Properties) {
        self.set_way(side, Way::Up, properties);
        self.set_way(side, Way::Down, properties);
    }

    /// Let one direction be another one from now on.
    pub fn set_way(&self, side: Side, way: Way, properties: Properties) {
        let mut links = self.links.lock();
        links.change(clock::now());
        links.lines[end(side, way)].set(properties);
    }

    /// Let both directions of a link be others so long from now.
    pub fn set_later(&self, after: Duration, side: Side, properties: Properties) {
        let mut links = self.links.lock();
        let when = clock::now() + after;
        for way in [Way::Up, Way::Down] {
            links.change_at(when, end(side, way), properties);
        }
    }

    /// How a direction is now.
    pub fn properties(&self, side: Side, way: Way) -> Properties {
        self.links.lock().lines[end(side, way)].properties()
    }

    /// What became of its packets so far.
    pub fn counts(&self, side: Side, way: Way) -> Counts {
        self.links.lock().lines[end(side, way)].counts()
    }

    /// How long a packet that comes now would wait for its turn there.
    pub fn waiting(&self, side: Side, way: Way) -> Duration {
        self.links.lock().lines[end(side, way)].waiting(clock::now())
    }

    /// Have the router of a link forget its TCP connections: whoever goes on with one gets a reset.
    pub fn forget_connections(&self, side: Side) {
        self.links.lock().flows[end(side, Way::Up) / 2].forget();
    }

    /// Where the three of a family are: Anna in A, Bert in B.
    pub fn places(&self) -> Places {
        let [home_a, relay, home_b] = &self.spaces;
        let there = |space: &Arc<Namespace>, net: u8| {
            Place::inside(Arc::clone(space), IpAddr::V4(Ipv4Addr::new(10, 9, net, 2)))
        };
        Places { anna: there(home_a, 1), relay: there(relay, 1), bert: there(home_b, 2) }
    }
}

impl Drop for Wan {
    fn drop(&mut self) {
        drop(self.stopper.take());
        if let Some(pump) = self.pump.take()
            && pump.join().is_err()
        {
            tracing::error!("the thread of the lines panicked");
        }
    }
}

fn end(side: Side, way: Way) -> usize {
    match (side, way) {
        (Side::A, Way::Up) => 0,
        (Side::A, Way::Down) => 1,
        (Side::B, Way::Up) => 2,
        (Side::B, Way::Down) => 3,
    }
}

/// A link's end in a namespace, with its address; without IPv6, which would chatter.
fn interface(space: &Namespace, name: &str, own: &str, peer: &str) -> Result<Tun, DeviceError> {
    let tun = space.inside(|| Tun::make(name))??;
    space.ip("link set lo up")?;
    space.ip(&format!("addr add {own} peer {peer} dev {name}"))?;
    let mtu = pump::MTU;
    space.ip(&format!("link set {name} addrgenmode none mtu {mtu} txqueuelen 500 up"))?;
    Ok(tun)
}
