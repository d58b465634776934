//! Network namespaces: a machine's network within the machine, for what has to be far apart.
//!
//! Made by `ip netns add`, so that a person can look inside with `ip netns exec`, and removed with
//! the value. Their names carry the process's number: what a killed process left is found by that.
//! Unix sockets and files are shared with everybody else; addresses and ports are not.

#![allow(unsafe_code)]

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};

use super::DeviceError;

/// Where `ip netns` keeps them.
const FOLDER: &str = "/run/netns";

/// A namespace of ours; removed when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: OwnedFd,
}

impl Namespace {
    /// Make it. The name is `PREFIX-PID-` and `rest`.
    ///
    /// # Errors
    /// `ip` is not installed, or the kernel does not let us: the text says which.
    pub fn make(prefix: &str, rest: &str) -> Result<Self, DeviceError> {
        let name = format!("{prefix}-{}-{rest}", std::process::id());
        ip(&["netns", "add", &name])?;
        match fs::File::open(path(&name)) {
            Ok(file) => Ok(Self { name, file: file.into() }),
            Err(error) => {
                remove(&name);
                Err(failed("enter network namespace", &name, &error))
            }
        }
    }

    /// What `ip netns` calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Have `command` run inside, under the process number that its start gives.
    ///
    /// # Errors
    /// This process is out of descriptors.
    pub fn enter(&self, command: &mut Command) -> Result<(), DeviceError> {
        let file = self.file.try_clone();
        let file = file.map_err(|error| failed("enter network namespace", &self.name, &error))?;
        let enter = move || Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?);
        // SAFETY: between fork and exec this does one system call on a descriptor that the closure
        // owns, and takes neither memory nor locks.
        unsafe { command.pre_exec(enter) };
        Ok(())
    }

    /// Do `work` inside: on a thread of its own, which nobody else has to leave again.
    ///
    /// # Errors
    /// The kernel does not let this process in.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, DeviceError> {
        let enter = |error: &dyn std::fmt::Display| DeviceError {
            deed: "enter network namespace",
            device: self.name.clone(),
            cause: error.to_string(),
        };
        std::thread::scope(|scope| {
            let named = std::thread::Builder::new().name("inside".to_owned());
            let thread = named.spawn_scoped(scope, || {
                setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|e| enter(&e))?;
                Ok(work())
            });
            let thread = thread.map_err(|e| enter(&e))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Set something of its network: the arguments of `ip` behind `-n NAME`.
    ///
    /// # Errors
    /// What `ip` said.
    pub fn ip(&self, arguments: &str) -> Result<(), DeviceError> {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split_whitespace());
        ip(&all)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Remove the namespaces `PREFIX-PID-…` whose process is no more.
pub fn remove_stale(prefix: &str) {
    let names = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        let lives = |pid: &str| Path::new("/proc").join(pid).exists();
        if owner(prefix, &name).is_some_and(|pid| !lives(pid)) {
            remove(&name);
        }
    }
}

/// The process that made the namespace `name`, if it is one of `prefix`'s.
fn owner<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    let (pid, _) = name.strip_prefix(prefix)?.strip_prefix('-')?.split_once('-')?;
    pid.parse::<u32>().ok().map(|_| pid)
}

fn remove(name: &str) {
    // Somebody else may have removed it; what stays is removed by the next start.
    let _ = ip(&["netns", "del", name]);
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn ip(arguments: &[&str]) -> Result<(), DeviceError> {
    let words = arguments.join(" ");
    let done = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let done = done.map_err(|error| failed("run ip (Debian's iproute2) for", &words, &error))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(DeviceError { deed: "run ip", device: words, cause: said.trim().to_owned() })
}

fn failed(deed: &'static str, device: &str, cause: &std::io::Error) -> DeviceError {
    DeviceError { deed, device: device.to_owned(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_namespace_stands_in_its_name() {
        assert_eq!(owner("twocan", "twocan-4711-0-relay"), Some("4711"));
        for strange in ["twocan", "twocan-relay", "twocan-x1-a", "other-4711-a", "twocanna-1-a"] {
            assert_eq!(owner("twocan", strange), None, "{strange}");
        }
    }

    #[test]
    fn what_ip_says_is_in_the_error() {
        let Err(error) = ip(&["netns", "add"]) else { panic!("a name is needed") };
        assert!(error.to_string().starts_with("run ip"), "{error}");
    }
}
