//! One complete kiosk as a process of its own: its folders, its config, and a hand on its socket.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::place::Place;
use crate::cli::remote;
use crate::clock::{self, Time};
use crate::contacts::{Contact, Contacts};
use crate::identity::Identity;
use crate::stop::Stop;
use crate::wire::control::Request;

/// A kiosk's folders before it runs: a key, a config, its contacts.
pub struct Home {
    /// Everything of this kiosk.
    pub folder: PathBuf,
    /// What its contacts call it.
    pub name: String,
    /// Its key.
    pub identity: Identity,
    /// Where its processes run.
    pub place: Place,
}

impl Home {
    /// Make (or find) a kiosk's folder with a key in it.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn make(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let state = folder.join("state");
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let identity = Identity::load_or_create(&state)?;
        let (folder, name) = (folder.to_owned(), name.to_owned());
        Ok(Self { folder, name, identity, place: Place::here() })
    }

    /// Write its config.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn configure(&self, toml: &str) -> anyhow::Result<()> {
        let path = self.folder.join("twocan.toml");
        fs::write(&path, toml).with_context(|| format!("write {}", path.display()))
    }

    /// Let it know another kiosk, reached as `contact` says.
    ///
    /// # Errors
    /// The folder can't be written to, or it knows that key or name already.
    pub fn knows(&self, contact: Contact) -> anyhow::Result<()> {
        let own = Some(self.identity.public());
        let state = self.folder.join("state");
        Ok(Contacts::change(&state, |contacts| contacts.add(contact, own))?)
    }

    /// The same kiosk at another place.
    #[must_use]
    pub fn at(self, place: &Place) -> Self {
        Self { place: place.clone(), ..self }
    }

    /// A `twocan` command in this kiosk's folders and at its place.
    ///
    /// # Errors
    /// The running program can't be found on disk.
    pub fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(program()?);
        self.place.enter(&mut command)?;
        command.arg("--config").arg(self.folder.join("twocan.toml"));
        command.arg("--state").arg(self.folder.join("state"));
        command.arg("--runtime").arg(self.folder.join("run"));
        Ok(command)
    }

    /// Start it: `args` such as `["kiosk", "--screen", "headless"]`. Its log goes to `log` in the
    /// folder.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(&self, args: &[&str], env: &[(&str, String)]) -> anyhow::Result<Kiosk> {
        let log = fs::File::create(self.folder.join("log"))?;
        let mut command = self.command()?;
        command.args(args).envs(env.iter().map(|(key, value)| (*key, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let started = clock::now();
        let child = command.spawn().context("start a kiosk")?;
        let socket = self.folder.join("run/control");
        Ok(Kiosk { child, socket, started, log: self.folder.join("log"), stop: None })
    }
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Say where the `twocan` program is: for tests, which are programs of their own. Said twice, the
/// first one counts.
pub fn set_program(path: impl Into<PathBuf>) {
    PROGRAM.get_or_init(|| path.into());
}

/// The `twocan` program: this one, or what [`set_program`] said.
///
/// # Errors
/// The running program can't be found on disk.
pub fn program() -> anyhow::Result<PathBuf> {
    match PROGRAM.get() {
        Some(program) => Ok(program.clone()),
        None => std::env::current_exe().context("find this program"),
    }
}

/// A running kiosk; killed when dropped.
pub struct Kiosk {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
    stop: Option<Stop>,
    /// When its process was started.
    pub started: Time,
}

impl Kiosk {
    /// Give up waiting when `stop` comes.
    pub fn heed(&mut self, stop: &Stop) {
        self.stop = Some(stop.clone());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its control socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ask it something; the bytes that followed the answer.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub fn ask(&self, request: &Request) -> anyhow::Result<Vec<u8>> {
        Ok(remote::ask(&self.socket, request)?.1)
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It does not answer.
    pub fn status(&self) -> anyhow::Result<Value> {
        let answer = remote::ask(&self.socket, &Request::Status)?.0;
        answer.status.context("a status without a status")
    }

    /// Ask for its status until `wanted` holds.
    ///
    /// # Errors
    /// It ended, the stop it heeds came, or `limit` passed: the error says what was waited for and the last status.
    pub fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.status();
            match &status {
                Ok(status) if wanted(status) => return Ok(status.clone()),
                _ => {}
            }
            if self.stop.as_ref().is_some_and(Stop::is_stopped) {
                bail!("stopped while waiting for {what}");
            }
            if let Some(code) = self.child.try_wait()? {
                bail!("the kiosk ended ({code}) before {what}: {}", self.last_words());
            }
            if Instant::now() > deadline {
                let status = status.unwrap_or_default();
                bail!("no {what} within {} s: {status}\n{}", limit.as_secs(), self.last_words());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// End it without a word (SIGKILL), as a power cut would.
    ///
    /// # Errors
    /// It can't be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("kill a kiosk")?;
        self.child.wait().map(drop).context("wait for a killed kiosk")
    }

    /// Ask it to end (SIGTERM) and wait for its end.
    ///
    /// # Errors
    /// It did not end within `limit`.
    pub fn stop(&mut self, limit: Duration) -> anyhow::Result<std::process::ExitStatus> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid())?);
        nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM)?;
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the kiosk did not end: {}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Processor time used so far and resident memory in kB, from /proc.
    ///
    /// # Errors
    /// The process is gone.
    pub fn usage(&self) -> anyhow::Result<(Duration, u64)> {
        usage(self.pid())
    }
}

impl Drop for Kiosk {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time (user and system) and resident memory in kB of a process, from /proc.
///
/// # Errors
/// The process is gone.
pub fn usage(pid: u32) -> anyhow::Result<(Duration, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("read /proc/PID/stat")?.1;
    let fields: Vec<_> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(100);
    let cpu = Duration::from_millis((ticks(11) + ticks(12)) * 1000 / per_second);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = rss.and_then(|rss| rss.trim().trim_end_matches(" kB").parse().ok());
    Ok((cpu, kb.context("read VmRSS")?))
}
