//! Where things are measured: a folder, processes that end with their value, clocks on them.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli::demo::place::Place;
use crate::clock::{self, Time};
use crate::stop::Stop;

/// Nothing here takes this long unless it has failed.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// One run of `twocan bench`: its folder is removed with the value.
pub(super) struct Lab {
    /// How often each thing is measured.
    pub(super) runs: usize,
    /// Ctrl-C.
    pub(super) stop: Stop,
    folder: PathBuf,
}

impl Lab {
    /// With a folder of its own among the temporary ones.
    pub(super) fn new(runs: usize, stop: Stop) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("twocan-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { runs, stop, folder })
    }

    /// An empty folder `name`.
    pub(super) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        // Of the run before, if there was one.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    /// Let time pass; an error when somebody wants the end.
    pub(super) fn wait(&self, time: Duration) -> anyhow::Result<()> {
        if self.stop.sleep(time) {
            bail!("stopped");
        }
        Ok(())
    }

    /// One run that failed is told; the others count. A column of ours gets a value that is not finite
    /// for it, so that its rows tell it, too, and meet no target.
    pub(super) fn or_left_out<T>(&self, run: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        match run {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.stop.is_stopped() => Err(error),
            Err(error) => {
                eprintln!("bench: left out: {error:#}");
                Ok(None)
            }
        }
    }

    /// Say what is being done.
    pub(super) fn say(&self, what: &str, run: usize) {
        eprintln!("bench: {what}, {} of {}", run + 1, self.runs);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It is in a folder that is emptied anyway.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A process that is being measured; killed when dropped.
pub(super) struct Part {
    child: Child,
    name: String,
}

impl Part {
    /// Start it; its messages go to the file `log`.
    pub(super) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let name = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("program"));
        let name = name.to_string_lossy().into_owned();
        let log = fs::File::create(log).with_context(|| format!("create {}", log.display()))?;
        command.stderr(log);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { child, name })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Both ends of its pipes, as far as they were asked for.
    pub(super) fn pipes(
        &mut self,
    ) -> (Option<std::process::ChildStdin>, Option<std::process::ChildStdout>) {
        (self.child.stdin.take(), self.child.stdout.take())
    }

    /// End it at once.
    pub(super) fn kill(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ask it to end (SIGTERM) and wait.
    pub(super) fn finish(mut self) -> anyhow::Result<ExitStatus> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), Signal::SIGTERM)?;
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("{} did not end", self.name)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Processor time of a process so far, all its threads, those that ended too: from its own clock,
/// which counts nanoseconds where /proc counts hundredths of a second.
pub(super) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let clock = nix::time::clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(clock.now()?.into())
}

/// Resident memory of a process in MB.
pub(super) fn rss_mb(pid: u32) -> anyhow::Result<f64> {
    Ok(crate::cli::demo::kiosk::usage(pid)?.1 as f64 / 1024.0)
}

/// Memory in MB that is a process's own: what is not a page of a file that others share.
pub(super) fn own_mb(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kb.context("read RssAnon")? / 1024.0)
}

/// Memory of a process in MB, pages that others share counted by its part of them.
pub(super) fn pss_mb(pid: u32) -> anyhow::Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kb.context("read Pss")? / 1024.0)
}

/// Some processes' clocks at one moment.
pub(super) struct Mark {
    at: Time,
    cpu: Duration,
}

impl Mark {
    /// Read them now.
    pub(super) fn of(pids: &[u32]) -> anyhow::Result<Self> {
        let cpu = pids.iter().map(|pid| cpu(*pid)).sum::<anyhow::Result<Duration>>()?;
        Ok(Self { at: clock::now(), cpu })
    }

    /// Seconds of real time, and of processor time, from this mark to the other.
    pub(super) fn until(&self, later: &Mark) -> (f64, f64) {
        let cpu = later.cpu.saturating_sub(self.cpu);
        (later.at.since(self.at).as_secs_f64(), cpu.as_secs_f64())
    }
}

/// Whether a program is on the PATH.
pub(super) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Wait until something listens at this port of 127.0.0.1, without connecting to it.
pub(super) fn wait_for_listener(port: u16) -> anyhow::Result<()> {
    wait_for_listener_at(&Place::here(), port)
}

/// The same at another place.
pub(super) fn wait_for_listener_at(place: &Place, port: u16) -> anyhow::Result<()> {
    let wanted = format!("0100007F:{port:04X} 00000000:0000 0A");
    let anywhere = format!("00000000:{port:04X} 00000000:0000 0A");
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        // What a thread reads there is the table of its own network.
        let table = place.visit(|| fs::read_to_string("/proc/thread-self/net/tcp"))?;
        let table = table.context("read /proc/thread-self/net/tcp")?;
        if table.contains(&wanted) || table.contains(&anywhere) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("nothing listens at port {port}")
}

/// Give a pipe room for a picture or two (1 MiB), as it has in a program that knows what goes through
/// it: in the 64 KiB that it comes with, a picture waits for its reader seven times over, and the age
/// would be the pipe's.
pub(super) fn widen(pipe: &impl AsFd) {
    // A system that allows less gives less.
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(1 << 20));
}

/// This program with this configuration and a state of its own, all of it in `folder`, for the arguments that
/// are added.
pub(super) fn twocan(folder: &Path, config: &str) -> anyhow::Result<Command> {
    let file = folder.join("twocan.toml");
    fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
    let mut command = quiet(Command::new(std::env::current_exe()?));
    command.arg("--config").arg(file).arg("--state").arg(folder.join("state"));
    command.arg("--runtime").arg(folder.join("runtime"));
    Ok(command)
}

/// A program without input and output.
pub(super) fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
