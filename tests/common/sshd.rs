//! The demo's private sshd as the relay of tunnels under test, in a folder of its own.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use ssh_key::PublicKey;
use tempfile::TempDir;
use twocan::cli::demo::sshd::Relay;
use twocan::identity::PeerKey;
use twocan::known_hosts::HostPins;
use twocan::tunnel::RelayConfig;

/// A running sshd. Everything ends and vanishes with it.
pub struct Sshd {
    relay: Relay,
    folder: TempDir,
}

impl Sshd {
    /// Start one that lets `authorized` in.
    pub fn start(authorized: &[PeerKey]) -> Sshd {
        Self::start_with(authorized, "")
    }

    /// The same with more lines in its config.
    pub fn start_with(authorized: &[PeerKey], more: &str) -> Sshd {
        let folder = tempfile::Builder::new().prefix("twocan-sshd").tempdir().unwrap();
        // Only its owner may enter, as the door of a socket must be.
        fs::DirBuilder::new().mode(0o700).create(folder.path().join("sockets")).unwrap();
        let relay = Relay::start_with(folder.path(), &lines(authorized), more).unwrap();
        Sshd { relay, folder }
    }

    /// From now on these keys may log in.
    pub fn authorize(&self, keys: &[PeerKey]) {
        self.relay.authorize(&lines(keys)).unwrap();
    }

    /// How a kiosk finds it.
    pub fn relay(&self) -> RelayConfig {
        RelayConfig {
            host: "127.0.0.1".to_owned(),
            port: self.relay.port,
            user: self.relay.user.clone(),
            pins: HostPins::only(self.host_key()),
            folder: Some(self.sockets().display().to_string()),
            place: None,
        }
    }

    /// The key it shows.
    pub fn host_key(&self) -> PublicKey {
        PublicKey::from_openssh(&self.relay.host_key).unwrap()
    }

    /// The folder of the sockets.
    pub fn sockets(&self) -> PathBuf {
        self.folder.path().join("sockets")
    }

    /// The home folder of its login.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// How many processes serve a login now.
    pub fn sessions(&self) -> usize {
        self.relay.session_processes().len()
    }

    /// `kill -9` every session process, the listener stays. How many there were.
    pub fn kill_sessions(&self) -> usize {
        self.relay.kill_sessions()
    }

    /// Stop every session process: half-open connections, as when a link dies without a word.
    pub fn freeze_sessions(&self) -> usize {
        self.relay.freeze_sessions()
    }

    /// `kill -9` the listener and every session process.
    pub fn kill_all(&mut self) {
        self.relay.kill();
    }

    /// Start the listener (again) on the same port, and wait until it answers.
    pub fn restart(&mut self) {
        self.relay.kill();
        self.relay.listen().unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- sshd said:\n{}", self.relay.log());
        }
    }
}

fn lines(keys: &[PeerKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}
