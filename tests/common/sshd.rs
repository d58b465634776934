//! Debian's own sshd as a private relay: its own config, keys and port, on loopback only.
//!
//! `SHLVL=2` keeps the login shell from reading a developer's `.bashrc`, which may take seconds.
//! Sessions log in as the user who runs the tests. Sockets lie in the fixture's folder unless a test
//! asks for the home folder. Everything ends and vanishes with the fixture.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use ssh_key::{LineEnding, PublicKey};
use tempfile::TempDir;
use twocan::identity::{Identity, PeerKey};
use twocan::tunnel::RelayConfig;

const SSHD: &str = "/usr/sbin/sshd";

/// A running sshd.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    host_key: PublicKey,
    listener: Option<Child>,
}

impl Sshd {
    /// Start one that lets `authorized` in.
    pub fn start(authorized: &[PeerKey]) -> Sshd {
        Self::start_with(authorized, "")
    }

    /// The same with more lines in its config.
    pub fn start_with(authorized: &[PeerKey], more: &str) -> Sshd {
        // Where Debian's sshd wants its empty folder; made by its unit otherwise.
        let _ = fs::create_dir_all("/run/sshd");
        let folder = tempfile::Builder::new().prefix("twocan-sshd").tempdir().unwrap();
        let host = Identity::generate();
        let path = folder.path();
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path.join("host"))
            .unwrap();
        let key = host.private_key().to_openssh(LineEnding::LF).unwrap();
        fs::write(path.join("host"), key.as_bytes()).unwrap();
        fs::create_dir(path.join("sockets")).unwrap();
        fs::set_permissions(path.join("sockets"), fs::Permissions::from_mode(0o700)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/keys\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             MaxStartups 100\nLogLevel VERBOSE\nSetEnv SHLVL=2\n{more}\n",
            path.display()
        );
        fs::write(path.join("config"), config).unwrap();
        let mut sshd = Sshd {
            folder,
            port,
            host_key: host.private_key().public_key().clone(),
            listener: None,
        };
        sshd.authorize(authorized);
        sshd.restart();
        sshd
    }

    /// From now on these keys may log in.
    pub fn authorize(&self, keys: &[PeerKey]) {
        let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
        fs::write(self.folder.path().join("keys"), lines).unwrap();
    }

    /// How a kiosk finds it; sockets in the fixture's folder.
    pub fn relay(&self) -> RelayConfig {
        RelayConfig {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: User::from_uid(geteuid()).unwrap().unwrap().name,
            host_key: self.host_key.clone(),
            folder: Some(self.sockets().display().to_string()),
        }
    }

    /// The folder of the sockets.
    pub fn sockets(&self) -> PathBuf {
        self.folder.path().join("sockets")
    }

    /// `kill -9` every session process, the listener stays. How many there were.
    pub fn kill_sessions(&self) -> usize {
        self.signal_sessions(Signal::SIGKILL)
    }

    /// Stop every session process: half-open connections, as when a link dies without a word.
    pub fn freeze_sessions(&self) -> usize {
        self.signal_sessions(Signal::SIGSTOP)
    }

    fn signal_sessions(&self, signal: Signal) -> usize {
        let listener = self.listener.as_ref().expect("it runs").id();
        let sessions = descendants(listener);
        for pid in &sessions {
            let _ = kill(Pid::from_raw(*pid as i32), signal);
        }
        sessions.len()
    }

    /// `kill -9` the listener and every session process.
    pub fn kill_all(&mut self) {
        if let Some(mut listener) = self.listener.take() {
            let sessions = descendants(listener.id());
            listener.kill().unwrap();
            listener.wait().unwrap();
            for pid in sessions {
                let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
            }
        }
    }

    /// Start the listener (again) on the same port, and wait until it answers.
    pub fn restart(&mut self) {
        self.kill_all();
        let folder = self.folder.path();
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(folder.join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("openssh-server is installed");
        self.listener = Some(child);
        let limit = Instant::now() + Duration::from_secs(20);
        while !self.answers() {
            assert!(Instant::now() < limit, "sshd does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut banner = [0; 4];
        stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- sshd said:\n{}", self.log());
        }
        self.kill_all();
    }
}

/// All processes below `root`, from /proc.
fn descendants(root: u32) -> Vec<u32> {
    let processes: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let children = processes.iter().filter(|(_, parent)| *parent == found[next]);
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        next += 1;
    }
    found.remove(0);
    found
}
