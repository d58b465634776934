//! A throw-away server: a root folder with account files and an sshd of its own, which `twocan relay`
//! makes a relay of.
//!
//! ```text
//!  DIR/etc, run, var, opt       its own
//!  DIR/usr, dev, proc           another root's (this machine's, or $TWOCAN_SSHD_ROOT), in a mount
//!                               namespace that ends with the test
//! ```
//! The namespace lives as long as a `cat` at the end of our pipe; sshd runs in it, in a chroot of DIR.
//! Nothing of this machine's accounts is read or changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use twocan::card::{self, Code};
use twocan::cli::demo::sshd::free_port;
use twocan::identity::Identity;
use twocan::known_hosts::HostPins;
use twocan::meeting::{MeetingPoint, Ticket};
use twocan::tunnel::{PeerConfig, RelayConfig};

/// What is mounted, and then wait for the end.
const HOLD: &str = r#"
set -e
mount --bind "$BASE/usr" "$DIR/usr"
mount --rbind /dev "$DIR/dev"
mount --bind /proc "$DIR/proc"
mount --bind "$TWOCAN" "$DIR/opt/twocan/twocan"
echo ready
exec cat
"#;

/// As Debian has them, but for everybody who is not needed.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                      sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";
const SHADOW: &str =
    "root:$y$j9T$secret:19000:0:99999:7:::\nsshd:!:19000::::::\nnobody:*:19000::::::\n";
const GSHADOW: &str = "root:*::\nnogroup:*::\n";

/// The server. Everything of it ends and vanishes with the value.
pub struct Server {
    folder: TempDir,
    holder: Child,
    sshd: Option<Child>,
    pub port: u16,
}

/// Whose /usr it has.
fn base() -> PathBuf {
    std::env::var_os("TWOCAN_SSHD_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

impl Server {
    /// A server as Debian's openssh-server leaves it.
    pub fn new() -> Server {
        assert!(nix::unistd::geteuid().is_root(), "accounts and mounts need root");
        let base = base();
        let folder = tempfile::Builder::new().prefix("twocan-server").tempdir().unwrap();
        let root = folder.path();
        // Others' accounts go through it.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        for path in [
            "etc/ssh/sshd_config.d",
            "run/sshd",
            "var",
            "tmp",
            "dev",
            "proc",
            "usr",
            "opt/twocan",
            "root",
        ] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            symlink(Path::new("usr").join(link), root.join(link)).unwrap();
        }
        for path in
            ["pam.d", "security", "nsswitch.conf", "login.defs", "ld.so.cache", "environment"]
        {
            let from = base.join("etc").join(path);
            if from.exists() {
                copy(&from, &root.join("etc"));
            }
        }
        copy(&base.join("usr/share/openssh/sshd_config"), &root.join("etc/ssh"));
        fs::write(root.join("etc/hostname"), "relay\n").unwrap();
        let files =
            [("passwd", PASSWD), ("group", GROUP), ("shadow", SHADOW), ("gshadow", GSHADOW)];
        for (file, text) in files {
            let path = root.join("etc").join(file);
            fs::write(&path, text).unwrap();
            let mode = if file.contains("shadow") { 0o640 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(root.join("opt/twocan/twocan"), "").unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "relay", "-f"])
            .arg(root.join("etc/ssh/ssh_host_ed25519_key"))
            .status();
        assert!(made.unwrap().success());
        let mut holder = Command::new("unshare")
            .args(["-m", "sh", "-c", HOLD])
            .env("BASE", base)
            .env("DIR", root)
            .env("TWOCAN", env!("CARGO_BIN_EXE_twocan"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "the mounts were made");
        Server { folder, holder, sshd: None, port: free_port().unwrap() }
    }

    /// One with `twocan relay install` done and sshd running.
    pub fn hardened() -> Server {
        let mut server = Self::new();
        server.relay(&["install", "--yes", "--program", "/opt/twocan/twocan"]);
        server.start();
        server
    }

    /// Its root folder, as this process sees it: without what is mounted.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A file of its.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// A command inside its mount namespace.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-m", "-t", &self.holder.id().to_string(), program]);
        command.stdin(Stdio::null());
        command
    }

    /// `twocan relay WORDS` for this root.
    pub fn try_relay(&self, words: &[&str]) -> Output {
        let mut command = self.inside(env!("CARGO_BIN_EXE_twocan"));
        command.arg("relay").args(words).arg("--root").arg(self.root());
        command.output().unwrap()
    }

    /// The same, which must succeed: what it printed.
    #[track_caller]
    pub fn relay(&self, words: &[&str]) -> String {
        let listened = self.listened();
        let done = self.try_relay(words);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{words:?}: {said}");
        let said = String::from_utf8(done.stdout).unwrap();
        // Whoever is told to reload does not listen for a moment; what is changed is shown.
        if self.sshd.is_some() && said.contains("+++ ") {
            let limit = Instant::now() + super::kiosk::LIMIT;
            while self.listened() == listened {
                assert!(Instant::now() < limit, "sshd reloads: {}", self.log());
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        said
    }

    /// How often it has begun to listen.
    fn listened(&self) -> usize {
        self.log().matches("Server listening").count()
    }

    /// The same, which must fail with this code: what it said on both.
    #[track_caller]
    pub fn refused(&self, words: &[&str], code: i32) -> String {
        let done = self.try_relay(words);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&done.stdout) + &text(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{words:?}: {said}");
        said
    }

    /// Start its sshd on a loopback port, and wait until it listens.
    pub fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.at("var/sshd.log"));
        let root = self.root().to_owned();
        let mut command = self.inside("chroot");
        command.arg(root).args(["/usr/sbin/sshd", "-D", "-e", "-p", &self.port.to_string()]);
        command.args([
            "-o",
            "ListenAddress=127.0.0.1",
            "-o",
            "LogLevel=VERBOSE",
            "-o",
            "MaxStartups=100",
        ]);
        if self.version() >= 9.8 {
            // The rows of the matrix that are refused come from the address of those that are not.
            command.args(["-o", "PerSourcePenalties=no"]);
        }
        let mut sshd = command.stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap();
        let limit = Instant::now() + super::kiosk::LIMIT;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(sshd.try_wait().unwrap().is_none(), "{}", self.log());
            assert!(Instant::now() < limit, "{}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.sshd = Some(sshd);
    }

    /// Of its OpenSSH, such as 9.2.
    pub fn version(&self) -> f64 {
        let said = self.inside("chroot").arg(self.root()).args(["/usr/sbin/sshd", "-V"]).output();
        let said = String::from_utf8(said.unwrap().stderr).unwrap();
        let number = said.split("OpenSSH_").nth(1).unwrap();
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap();
        number[..end].parse().unwrap()
    }

    /// What its sshd said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.at("var/sshd.log")).unwrap_or_default()
    }

    /// What `twocan relay add` prints for a new kiosk: its ticket, as a code and as text.
    #[track_caller]
    pub fn ticket(&self, name: &str) -> String {
        let port = self.port.to_string();
        self.relay(&["add", name, "--yes", "--host", "127.0.0.1", "--port", &port])
    }

    /// The same as a kiosk takes it.
    #[track_caller]
    pub fn add(&self, name: &str) -> Ticket {
        let said = self.ticket(name);
        let text = said.split_whitespace().find(|word| word.starts_with(card::TICKET));
        let Code::Ticket(ticket) = card::read(text.unwrap()).unwrap() else { panic!("{said}") };
        ticket
    }

    /// A kiosk that has brought its key.
    #[track_caller]
    pub fn enrolled(&self, name: &str, identity: &Identity) -> MeetingPoint {
        let point = twocan::tunnel::enrol(&self.add(name), identity.public());
        point.unwrap_or_else(|sentence| panic!("{sentence}\n{}", self.log()))
    }

    /// Processes whose root folder is this server's, or the one that kiosks see.
    fn processes(&self) -> Vec<i32> {
        let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        let inside = [self.root().to_owned(), self.at("run/twocan-relay")].map(|path| place(&path));
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let lives = |pid: &i32| {
            let root = place(Path::new(&format!("/proc/{pid}/root")));
            root.is_some() && inside.contains(&root)
        };
        pids.filter(lives).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- sshd said:\n{}", self.log());
        }
        for pid in self.processes() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.wait();
        }
        // The end of its input is the end of the namespace.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// How a kiosk's tunnel finds the relay that it has enrolled at.
pub fn relay_of(point: &MeetingPoint) -> RelayConfig {
    RelayConfig {
        host: point.host.to_string(),
        port: point.port,
        user: point.user.as_ref().unwrap().to_string(),
        pins: HostPins::only(point.host_key.0.clone()),
        folder: None,
        place: point.place.clone(),
    }
}

/// A contact as it is met there.
pub fn met_at(point: &MeetingPoint, identity: &Identity) -> PeerConfig {
    PeerConfig {
        key: identity.public(),
        direct: Vec::new(),
        via_relay: true,
        place: point.place.clone(),
    }
}

/// Everything below a folder: path → mode, owner, contents.
pub struct Snapshot(BTreeMap<PathBuf, (u32, u32, Vec<u8>)>);

/// Take one.
pub fn snapshot(folder: &Path) -> Snapshot {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                folders.push(path.clone());
            }
            let bytes = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path, (meta.mode(), meta.uid(), bytes));
        }
    }
    Snapshot(found)
}

impl Snapshot {
    /// Fails, with the paths, when something is otherwise now.
    #[track_caller]
    pub fn assert_same(&self, folder: &Path) {
        let now = snapshot(folder).0;
        let all = self.0.keys().chain(now.keys());
        let other: Vec<_> = all.filter(|path| self.0.get(*path) != now.get(*path)).collect();
        assert!(other.is_empty(), "these changed: {other:?}");
    }
}
