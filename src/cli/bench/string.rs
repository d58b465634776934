//! The string of the peers of `video`: an OpenSSH server and two OpenSSH clients, as a family with one
//! hidden side would set it up by hand.
//!
//! ```text
//!  sender:port <── ssh -R ── sshd ── ssh -L <── receiver
//! ```
//! With `-N` the connections have no session, as most instructions for tunnels have it. A stock sshd
//! then lets Nagle's algorithm wait on what it sends (docs/performance.md).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::lab::{self, Lab, Part};
use crate::cli::demo::sshd::{Relay, free_port};

/// How both clients log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// With a command that runs as long as the connection.
    Session,
    /// With `ssh -N`.
    NoSession,
    /// With a command, and started again by autossh whenever it ends.
    Kept,
}

/// The way from [`SshString::port`] to the sender's port, through both hops.
pub(super) struct SshString {
    clients: [Part; 2],
    pub(super) relay: Relay,
    /// Where the receiver connects to, on 127.0.0.1.
    pub(super) port: u16,
}

impl SshString {
    /// Make it; returns when both ways are there. The sender listens already.
    ///
    /// # Errors
    /// OpenSSH's programs are not installed, or one of them ended.
    pub(super) fn tie(lab: &Lab, login: Login, sender: u16) -> anyhow::Result<Self> {
        let folder = lab.folder("string")?;
        let key = folder.join("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "peer", "-f"]).arg(&key);
        if !keygen.status().context("run ssh-keygen")?.success() {
            bail!("ssh-keygen could not make {}", key.display());
        }
        let public = fs::read_to_string(folder.join("key.pub"))?.trim().to_owned();
        let relay = Relay::start(&folder.join("relay"), &[public])?;
        let known = format!("[127.0.0.1]:{} {}\n", relay.port, relay.host_key);
        fs::write(folder.join("known_hosts"), known)?;
        let (middle, port) = (free_port()?, free_port()?);
        let hidden = ssh(&folder, &relay, login, "-R", &format!("{middle}:127.0.0.1:{sender}"));
        let hidden = Part::start(hidden, &folder.join("hidden.log"))?;
        lab::wait_for_listener(middle)?;
        let open = ssh(&folder, &relay, login, "-L", &format!("{port}:127.0.0.1:{middle}"));
        let open = Part::start(open, &folder.join("open.log"))?;
        lab::wait_for_listener(port)?;
        Ok(Self { clients: [hidden, open], relay, port })
    }

    /// Both clients' processes.
    pub(super) fn pids(&self) -> [u32; 2] {
        [self.clients[0].pid(), self.clients[1].pid()]
    }
}

fn ssh(folder: &Path, relay: &Relay, login: Login, way: &str, forward: &str) -> Command {
    let mut ssh = Command::new(if login == Login::Kept { "autossh" } else { "ssh" });
    if login == Login::Kept {
        // No port of its own to watch by, and no pause before the first attempts.
        ssh.args(["-M", "0"]).env("AUTOSSH_GATETIME", "0");
        ssh.args(["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"]);
    }
    ssh.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]);
    ssh.args(["-o", "ExitOnForwardFailure=yes", "-o"]);
    ssh.arg(format!("UserKnownHostsFile={}", folder.join("known_hosts").display()));
    ssh.arg("-i").arg(folder.join("key")).args([way, forward, "-p", &relay.port.to_string()]);
    if login == Login::NoSession {
        ssh.arg("-N");
    }
    ssh.arg(format!("{}@127.0.0.1", relay.user));
    if login != Login::NoSession {
        ssh.arg("sleep 86400");
    }
    ssh.stdin(Stdio::null()).stdout(Stdio::null());
    ssh
}
