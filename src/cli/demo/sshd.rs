//! A private relay: the stock OpenSSH server on a loopback port (or in a network namespace), with
//! its own keys and config.
//!
//! It is what the demo and the tests call through. Nothing of the machine's own sshd is used or
//! changed, but for the empty folder `/run/sshd` that the program insists on when it runs as root.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::Place;

const PROGRAM: &str = "/usr/sbin/sshd";
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub struct Relay {
    listener: Option<Child>,
    config: PathBuf,
    authorized: PathBuf,
    log: PathBuf,
    place: Place,
    /// On 127.0.0.1, or on all addresses of its namespace.
    pub port: u16,
    /// The login: whoever runs this program.
    pub user: String,
    /// The server's public key as a `known_hosts` line has it: `ssh-ed25519 AAAA…`.
    pub host_key: String,
}

/// A loopback port that is free now.
///
/// # Errors
/// The machine has none.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

impl Relay {
    /// Start one whose files live in `folder` and that lets in `keys` (OpenSSH public key lines).
    ///
    /// # Errors
    /// OpenSSH's server is not installed, or did not start.
    pub fn start(folder: &Path, keys: &[String]) -> anyhow::Result<Self> {
        Self::start_at(&Place::here(), folder, keys, "")
    }

    /// The same with `more` lines in front of its config.
    ///
    /// # Errors
    /// As [`Relay::start`].
    pub fn start_with(folder: &Path, keys: &[String], more: &str) -> anyhow::Result<Self> {
        Self::start_at(&Place::here(), folder, keys, more)
    }

    /// The same at a place.
    ///
    /// # Errors
    /// As [`Relay::start`].
    pub fn start_at(
        place: &Place,
        folder: &Path,
        keys: &[String],
        more: &str,
    ) -> anyhow::Result<Self> {
        // A namespace has no listeners but its own: what is free here is free there.
        let port = free_port()?;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let home = folder.join("home");
        fs::create_dir_all(&home)?;
        let host_key = folder.join("host_key");
        if !host_key.exists() {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "relay", "-f"])
                .arg(&host_key)
                .status()
                .context("run ssh-keygen (Debian's openssh-client)")?;
            if !made.success() {
                bail!("ssh-keygen could not make {}", host_key.display());
            }
        }
        let public = fs::read_to_string(folder.join("host_key.pub"))?;
        let host_key_line = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let authorized = folder.join("authorized_keys");
        let config = folder.join("sshd_config");
        // sshd takes a key's first value.
        let mut text = format!("{more}\n");
        for (key, value) in [
            ("ListenAddress", format!("{}:{port}", place.listen())),
            ("HostKey", host_key.display().to_string()),
            ("AuthorizedKeysFile", authorized.display().to_string()),
            ("PidFile", "none".to_owned()),
            ("StrictModes", "no".to_owned()),
            ("UsePAM", "no".to_owned()),
            ("PasswordAuthentication", "no".to_owned()),
            ("KbdInteractiveAuthentication", "no".to_owned()),
            ("PrintMotd", "no".to_owned()),
            // The kiosks' sockets belong into this folder and not into somebody's home.
            ("SetEnv", format!("HOME={}", home.display())),
            ("MaxStartups", "100".to_owned()),
            ("LogLevel", "VERBOSE".to_owned()),
        ] {
            writeln!(text, "{key} {value}")?;
        }
        fs::write(&config, text)?;
        let mut relay = Self {
            listener: None,
            config,
            authorized,
            log: folder.join("sshd.log"),
            place: place.clone(),
            port,
            user: user_name()?,
            host_key: host_key_line,
        };
        relay.authorize(keys)?;
        relay.listen()?;
        Ok(relay)
    }

    /// Let in `keys` (OpenSSH public key lines) and nobody else from now on.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn authorize(&self, keys: &[String]) -> anyhow::Result<()> {
        let path = &self.authorized;
        fs::write(path, keys.join("\n") + "\n").with_context(|| format!("write {}", path.display()))
    }

    /// What the server and its sessions said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Start the listener (again, on the same port).
    ///
    /// # Errors
    /// It did not start; the end of its log is in the error.
    pub fn listen(&mut self) -> anyhow::Result<()> {
        if nix::unistd::Uid::effective().is_root() {
            fs::create_dir_all("/run/sshd").context("create /run/sshd")?;
        }
        let log = fs::File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(PROGRAM);
        self.place.enter(&mut command)?;
        let mut child = command
            .args(["-D", "-e", "-f"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("run {PROGRAM} (Debian's openssh-server)"))?;
        let deadline = Instant::now() + START_LIMIT;
        while !listens(child.id(), self.port) {
            if child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = self.log();
                let last = log.lines().last().unwrap_or("no word").to_owned();
                // It is gone or about to be; the log line is the news.
                let _ = child.kill();
                bail!("the private sshd did not start: {last}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.listener = Some(child);
        Ok(())
    }

    /// The processes that serve one login each: the listener's children and theirs.
    pub fn session_processes(&self) -> Vec<i32> {
        let Some(listener) = &self.listener else { return Vec::new() };
        let parents = parents();
        let mut family = vec![i32::try_from(listener.id()).expect("a pid is an i32")];
        let mut next = 0;
        while next < family.len() {
            let parent = family[next];
            family.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        family.split_off(1)
    }

    /// Kill every session at once (SIGKILL) and leave the listener alive. How many there were.
    pub fn kill_sessions(&self) -> usize {
        self.signal_sessions(Signal::SIGKILL)
    }

    /// Stop every session (SIGSTOP): half-open connections, as when a link dies without a word. How
    /// many there were.
    pub fn freeze_sessions(&self) -> usize {
        self.signal_sessions(Signal::SIGSTOP)
    }

    fn signal_sessions(&self, signal: Signal) -> usize {
        let sessions = self.session_processes();
        for pid in &sessions {
            // One that ended by itself in between is as dead as was wanted.
            let _ = kill(Pid::from_raw(*pid), signal);
        }
        sessions.len()
    }

    /// Kill the listener and every session.
    pub fn kill(&mut self) {
        self.kill_sessions();
        if let Some(mut listener) = self.listener.take() {
            let _ = listener.kill();
            let _ = listener.wait();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether somebody listens at a port of the network that a process is in. Nobody connects.
fn listens(pid: u32, port: u16) -> bool {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    table.contains(&format!(":{port:04X} 00000000:0000 0A"))
}

fn user_name() -> anyhow::Result<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective())?;
    Ok(user.context("find the name of this user")?.name)
}

/// Every process with its parent, from /proc.
fn parents() -> Vec<(i32, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold blanks; state and parent follow the last one.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    })
    .collect()
}
