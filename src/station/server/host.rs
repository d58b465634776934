//! By which names the web may be asked. A page of another site can have its own name lead to our address
//! (DNS rebinding) and is then, for a browser, a page of ours; it can't do so with an address, or with a
//! name that is not its own.
//!
//! ```text
//!  Host: ──┬─ an address ────── on loopback: of loopback ──┐
//!          ├─ localhost, one of `names` ───────────────────┼──> answered, anything else: 421
//!          └─ this machine's name, NAME.local ─ elsewhere ─┘
//! ```
//! A request without a host comes from no browser.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::HOST;

/// See the top of the file.
pub(super) struct Names {
    /// It listens on loopback.
    local: bool,
    known: Vec<String>,
}

impl Names {
    /// Of who listens at `at` on the machine called `machine`, and is called `names` besides.
    pub(super) fn new(at: IpAddr, names: &[String], machine: Option<&str>) -> Self {
        let local = at.to_canonical().is_loopback();
        let mut known = names.to_vec();
        known.push("localhost".to_owned());
        if let Some(machine) = machine.filter(|machine| !local && !machine.is_empty()) {
            let first = machine.split('.').next().unwrap_or(machine);
            known.extend([machine.to_owned(), first.to_owned(), format!("{first}.local")]);
        }
        Self { local, known }
    }

    /// Whether a request with these headers is answered.
    pub(super) fn answers(&self, headers: &HeaderMap) -> bool {
        headers.get_all(HOST).iter().all(|host| host.to_str().is_ok_and(|host| self.is_ours(host)))
    }

    fn is_ours(&self, host: &str) -> bool {
        let bare = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => host.split(':').next().unwrap_or(host),
        };
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        match bare.parse::<IpAddr>() {
            Ok(address) if address.to_canonical().is_loopback() || !self.local => true,
            _ => self.known.iter().any(|name| name.eq_ignore_ascii_case(bare)),
        }
    }
}

/// What this machine is called. The kernel is asked and not /proc, most of which a hardened unit hides.
pub(super) fn machine() -> Option<String> {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    if name.is_none() {
        tracing::warn!("this machine has no name; its pages are found by its address only");
    }
    name
}

#[cfg(test)]
mod tests {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    fn asks(names: &Names, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        names.answers(&headers)
    }

    #[test]
    fn the_kernel_says_what_this_machine_is_called_also_where_a_unit_hides_proc() {
        const NAME: &str = "/proc/sys/kernel/hostname";
        let said = std::fs::read_to_string(NAME).unwrap();
        let hidden = move || {
            let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
            let hides = unshare(CloneFlags::CLONE_NEWNS)
                .and_then(|()| mount(none, "/", none, private, none))
                .and_then(|()| mount(none, "/proc/sys", Some("tmpfs"), MsFlags::empty(), none));
            // Only root may hide it.
            assert!(hides.is_err() || std::fs::read(NAME).is_err());
            assert_eq!(machine().as_deref(), Some(said.trim()));
        };
        std::thread::Builder::new().spawn(hidden).unwrap().join().unwrap();
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_and_those_it_was_told_are_its_own() {
        let told = ["radio.example.org".to_owned()];
        let names = Names::new([127, 0, 0, 1].into(), &told, Some("pi"));
        let ours = ["localhost:8065", "LOCALHOST", "127.0.0.1:8065", "127.3.2.1", "[::1]:8065"];
        for host in ours.into_iter().chain(["Radio.Example.org", "radio.example.org.:443"]) {
            assert!(asks(&names, host), "{host}");
        }
        let others = ["evil.example:8065", "localhost.evil.example", "192.0.2.1", "", "[::2]", "["];
        for host in others.into_iter().chain(["pi", "pi.local", "example.org"]) {
            assert!(!asks(&names, host), "{host}");
        }
        assert!(names.answers(&HeaderMap::new()));
    }

    #[test]
    fn in_a_network_addresses_and_this_machines_names_are_its_own_and_a_name_that_leads_here_is_not()
     {
        let names = Names::new([0, 0, 0, 0].into(), &[], Some("Pi.home.example"));
        for host in ["192.168.1.5:8065", "[fd00::1]:8065", "localhost", "pi", "PI.local.:8065"] {
            assert!(asks(&names, host), "{host}");
        }
        assert!(asks(&names, "pi.home.example"));
        for host in ["evil.example:8065", "pi.evil.example", "192.168.1.5.evil.example", ""] {
            assert!(!asks(&names, host), "{host}");
        }
        // Of two, the first may be a proxy's.
        let mut headers = HeaderMap::new();
        headers.append(HOST, "pi".parse().unwrap());
        headers.append(HOST, "evil.example".parse().unwrap());
        assert!(!names.answers(&headers));
        assert!(!asks(&Names::new([0, 0, 0, 0].into(), &[], Some("")), ""), "a machine of no name");
    }
}
