//! A network of a test's own: a namespace that only one thread (and what it starts) is in.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// The namespace that the current thread is in; it vanishes with the last who is in it.
pub struct Network(());

/// Run `test` in a network of its own, with nothing in it but `lo`. Tunnels, servers and commands that
/// it starts are in there too. Skipped, with a word, where this needs root or a program that is missing.
pub fn in_a_network(test: impl FnOnce(&Network) + Send + 'static) {
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables")] {
        if Command::new(program).arg("-V").output().is_err() {
            eprintln!("SKIPPED: needs {program} (Debian's {package})");
            return;
        }
    }
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            eprintln!("SKIPPED: a network namespace needs root ({error})");
            return;
        }
        let network = Network(());
        network.run("ip", &["link", "set", "lo", "up"]);
        test(&network);
    });
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

impl Network {
    /// Run a program in it; it must succeed.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
    }

    /// Names that are known in it, as in `/etc/hosts`; the file in `folder` that says so.
    pub fn names(&self, folder: &Path, names: &str) -> PathBuf {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let file = folder.join("hosts");
        std::fs::write(&file, names).unwrap();
        mount(Some(&file), "/etc/hosts", none, MsFlags::MS_BIND, none).unwrap();
        file
    }

    /// An interface without an address. Its other end is in here too, so that its link is up.
    pub fn cable(&self, name: &str) {
        let far = &format!("{name}-far");
        self.run("ip", &["link", "add", name, "type", "veth", "peer", "name", far]);
        self.run("ip", &["link", "set", far, "up"]);
        self.run("ip", &["link", "set", name, "up"]);
    }

    /// An interface with an address, such as `10.77.0.2/24`.
    pub fn interface(&self, name: &str, address: &str) {
        self.cable(name);
        self.run("ip", &["address", "add", address, "dev", name]);
    }

    /// Drop, without a word, every packet for which the nft expression holds, until [`Network::heal`].
    #[track_caller]
    pub fn drop_packets(&self, expression: &str) {
        let rules = format!(
            "table inet twocan_test {{ chain out {{ type filter hook output priority 0; \
             {expression} drop\n }}\n }}\n"
        );
        self.feed("nft", &["-f", "-"], &rules);
    }

    /// Everything gets through again.
    pub fn heal(&self) {
        self.run("nft", &["flush", "ruleset"]);
    }

    /// Run a program that reads `text`.
    #[track_caller]
    pub fn feed(&self, program: &str, arguments: &[&str], text: &str) {
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{program} {arguments:?} < {text}");
    }
}
