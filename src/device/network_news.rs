//! News of the network: addresses, links and default routes that come and go.
//!
//! ```text
//! kernel ──rtnetlink──> NetworkNews: there is news
//!                          └──> Network::now(): what is there now, to be compared with before
//! ```
//! What the messages say does not matter: whoever hears of one looks at the network itself. So the
//! noise (neighbours, lifetimes that are prolonged, counters) makes no difference, and neither do
//! messages that were lost because too many came. A look that fails has seen nothing: no address is gone
//! by it.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Whose messages are taken: links, addresses and routes of both families.
const GROUPS: libc::c_int = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE;

/// A socket that gets a message for every change, in the network namespace of the thread that made it.
#[derive(Debug)]
pub struct NetworkNews(AsyncFd<OwnedFd>);

impl NetworkNews {
    /// Listen from now on; within a tokio runtime, which waits for the news.
    ///
    /// # Errors
    /// The system gives no such socket.
    pub fn listen() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS.cast_unsigned()))?;
        // SAFETY: an OwnedFd is open and the same until it is dropped, which the AsyncFd does itself.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self(fd?))
    }

    /// Wait for news; false when there will be none any more.
    pub async fn heard(&self) -> bool {
        loop {
            let Ok(mut ready) = self.0.readable().await else { return false };
            let any = drain(ready.get_inner());
            ready.clear_ready();
            if any {
                return true;
            }
        }
    }
}

/// Take in all the news there is; whether there was any.
fn drain(fd: &OwnedFd) -> bool {
    let mut any = false;
    let mut message = [0; 8192];
    loop {
        match recv(fd.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return any,
            // More news than the socket could hold is news.
            Ok(_) | Err(Errno::ENOBUFS) => any = true,
            Err(Errno::EINTR) => {}
            Err(_) => return any,
        }
    }
}

/// What decides which ways lead out of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Interface, address, and whether its link is up.
    addresses: BTreeSet<(String, IpAddr, bool)>,
    /// Default routes: interface, gateway and metric, as the kernel writes them.
    routes: BTreeSet<[String; 3]>,
}

impl Network {
    /// As it is now, in the network namespace of this thread.
    ///
    /// # Errors
    /// The kernel did not tell; that says nothing of what is there.
    pub fn now() -> io::Result<Self> {
        let addresses = getifaddrs()?.filter_map(|entry| {
            let address = entry.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            let v6 = address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
            let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
            Some((entry.interface_name, v4.or(v6)?, entry.flags.contains(running)))
        });
        // Not /proc/self: that is the namespace of the process's first thread.
        let table = |name: &str| {
            match fs::read_to_string(format!("/proc/thread-self/net/{name}")) {
                // A kernel without this family.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                read => read,
            }
        };
        let mut routes = v4_defaults(&table("route")?);
        routes.extend(v6_defaults(&table("ipv6_route")?));
        Ok(Self { addresses: addresses.collect(), routes })
    }

    /// Whether it lacks an address that `before` has.
    pub fn lacks(&self, before: &Self) -> bool {
        let has = |address: &IpAddr| self.addresses.iter().any(|(_, own, _)| own == address);
        before.addresses.iter().any(|(_, address, _)| !has(address))
    }

    /// Whether `address` is one of this machine's.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.addresses.iter().any(|(_, own, _)| *own == address)
    }
}

/// The default routes in the text of `/proc/net/route`.
fn v4_defaults(text: &str) -> BTreeSet<[String; 3]> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [interface, "00000000", gateway, _, _, _, metric, "00000000", ..] = columns[..] else {
            return None;
        };
        Some([interface, gateway, metric].map(str::to_owned))
    };
    text.lines().filter_map(route).collect()
}

/// The default routes in the text of `/proc/net/ipv6_route`. The one of `lo` says that there is none.
fn v6_defaults(text: &str) -> BTreeSet<[String; 3]> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [to, "00", _, _, gateway, metric, _, _, _, interface] = columns[..] else {
            return None;
        };
        let is_default = to.bytes().all(|digit| digit == b'0') && interface != "lo";
        is_default.then(|| [interface, gateway, metric].map(str::to_owned))
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_known_by_interface_gateway_and_metric() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                  eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        let expected = ["eth0", "0102A8C0", "100"].map(str::to_owned);
        assert_eq!(v4_defaults(v4), BTreeSet::from([expected.clone()]));
        // Use and reference counts are noise.
        let busier = v4.replace("0003\t0\t0", "0003\t7\t12345");
        assert_eq!(v4_defaults(&busier), BTreeSet::from([expected]));
        let zeros = "0".repeat(32);
        let gateway = "fe80000000000000021122fffe334455";
        let v6 = format!(
            "{zeros} 00 {zeros} 00 {gateway} 00000400 00000001 00000000 00450003    wlan0\n\
             fe80000000000000{} 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 wlan0\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n",
            "0".repeat(16)
        );
        let expected = ["wlan0", gateway, "00000400"].map(str::to_owned);
        assert_eq!(v6_defaults(&v6), BTreeSet::from([expected]));
    }

    #[test]
    fn this_machine_has_its_loopback_and_not_everybodys_address() {
        let network = Network::now().unwrap();
        assert_eq!(network, Network::now().unwrap());
        for own in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(network.has(own.parse().unwrap()), "{own}");
        }
        // Documentation addresses (RFC 5737, RFC 3849) are nobody's.
        for other in ["192.0.2.1", "2001:db8::1"] {
            assert!(!network.has(other.parse().unwrap()), "{other}");
        }
    }
}
