//! Where a process runs: on this machine's network, or in a network namespace; and under which
//! address the relay is found from there.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;

use crate::device::DeviceError;
use crate::device::namespace::Namespace;

/// A place.
#[derive(Debug, Clone)]
pub struct Place {
    namespace: Option<Arc<Namespace>>,
    relay: IpAddr,
}

impl Place {
    /// On this machine's network, where the relay is at 127.0.0.1.
    pub fn here() -> Self {
        Self { namespace: None, relay: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    /// In a namespace, from where the relay is at `relay`.
    pub fn inside(namespace: Arc<Namespace>, relay: IpAddr) -> Self {
        Self { namespace: Some(namespace), relay }
    }

    /// The relay's address as seen from here.
    pub fn relay(&self) -> IpAddr {
        self.relay
    }

    /// What a server of this place listens at, so that everybody who may reach it does: loopback
    /// alone on this machine's network.
    pub fn listen(&self) -> IpAddr {
        let everywhere = self.namespace.is_some();
        IpAddr::V4(if everywhere { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST })
    }

    /// Do `work` there, on a thread of its own: sockets that it makes belong there for ever.
    ///
    /// # Errors
    /// The kernel does not let this process in.
    pub fn visit<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, DeviceError> {
        match &self.namespace {
            Some(namespace) => namespace.inside(work),
            None => Ok(work()),
        }
    }

    /// Have `command` run there; its process number is the one its start gives.
    ///
    /// # Errors
    /// This process is out of descriptors.
    pub fn enter(&self, command: &mut Command) -> Result<(), DeviceError> {
        self.namespace.as_ref().map_or(Ok(()), |namespace| namespace.enter(command))
    }
}

/// Where a family's three are.
#[derive(Debug, Clone)]
pub struct Places {
    /// Anna's kiosk.
    pub anna: Place,
    /// The relay's sshd.
    pub relay: Place,
    /// Bert's kiosk.
    pub bert: Place,
}

impl Places {
    /// All of them on this machine's network.
    pub fn here() -> Self {
        Self { anna: Place::here(), relay: Place::here(), bert: Place::here() }
    }
}
