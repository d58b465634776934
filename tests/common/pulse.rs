//! A private sound server in a folder of its own, and children that play and record on it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use twocan::cli::demo::pulse::Pulse;

/// The server with the kiosks `a` and `b`, and the folder it lives in.
pub(crate) struct Sound {
    /// The server.
    pub(crate) pulse: Pulse,
    /// Where children run and leave their files.
    pub(crate) folder: tempfile::TempDir,
}

impl Sound {
    /// Start it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pulse = Pulse::start(&folder.path().join("pulse"), &["a", "b"]).unwrap();
        Self { pulse, folder }
    }

    /// `twocan` with these arguments, in a folder of its own, on this sound server.
    pub(crate) fn twocan(&self, name: &str, arguments: &[&str]) -> Running {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.args(arguments).envs(self.pulse.env());
        Running::start(command, &folder)
    }
}

/// A child whose output goes to `log` in its folder; killed when dropped.
pub(crate) struct Running {
    child: Child,
    folder: std::path::PathBuf,
}

impl Running {
    /// Start `command` in `folder`.
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: command.spawn().unwrap(), folder: folder.to_owned() }
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// A file it wrote, as text.
    pub(crate) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Wait until its log says `text` and return the rest of that line.
    pub(crate) fn says(&mut self, text: &str) -> String {
        for _ in 0..1500 {
            if let Some((_, after)) = self.log().split_once(text)
                && let Some((line, _)) = after.split_once('\n')
            {
                return line.to_owned();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status} before it said {text}: {}", self.log());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("never said {text}: {}", self.log());
    }

    /// SIGTERM, then its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        self.wait()
    }

    /// Its exit code, when it ends by itself.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
