//! A plan carried out: under the lock of the account files, asked of `sshd -t`, or undone.
//!
//! ```text
//!  sshd -t (is it right now?) ─> folders, files (aside, renamed) ─> sshd -t ─ yes ─> SIGHUP
//!                                          └───── any failure ───────┴─> all as it was
//! ```
//! Account files are written here and not by useradd: that is how the diff is the whole truth, how all
//! of it is undone together, and how a throw-away root needs no programs. The lock is lckpwdf's, which
//! useradd and passwd take as well.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::RelayError;
use super::layout::Layout;
use super::plan::{FilePlan, FolderPlan, Plan};

/// From the root.
const LOCK: &str = "etc/.pwd.lock";
const PROGRAM: &str = "/usr/sbin/sshd";
const PID: &str = "run/sshd.pid";

/// What became of a plan.
pub(super) enum Applied {
    /// It was shown.
    Shown,
    /// There was nothing to do.
    Nothing,
    /// It was carried out.
    Done,
}

/// The machine's sshd.
pub(super) struct Sshd<'a> {
    layout: &'a Layout,
}

impl<'a> Sshd<'a> {
    /// That of a root.
    pub(super) fn of(layout: &'a Layout) -> Self {
        Self { layout }
    }

    /// What it prints when run with `arguments`, or what it complains of.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Result<String, String>, RelayError> {
        // The empty folder it insists on; a service manager makes it when the service starts.
        let own = self.layout.at("run/sshd");
        fs::create_dir_all(&own).map_err(RelayError::file("make folder", &own))?;
        let mut command = match self.layout.is_whole() {
            true => Command::new(PROGRAM),
            false => {
                let mut chroot = Command::new("chroot");
                chroot.arg(self.layout.root()).arg(PROGRAM);
                chroot
            }
        };
        let done = command.args(arguments).stdin(Stdio::null()).output();
        let done = done.map_err(|error| RelayError::Run(PROGRAM, error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ok(if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) })
    }

    /// Have it read its configuration again; sessions go on. Where none runs there is nothing to do.
    fn reload(&self) {
        let pid = self.layout.read(PID).ok().flatten();
        let pid = pid.and_then(|text| text.trim().parse::<i32>().ok());
        let is_sshd = |pid: &i32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == "sshd")
        };
        let told = match pid.filter(is_sshd) {
            Some(pid) => kill(Pid::from_raw(pid), Signal::SIGHUP).is_ok(),
            None if self.layout.is_whole() && Path::new("/run/systemd/system").exists() => {
                let mut systemctl = Command::new("systemctl");
                systemctl.args(["try-reload-or-restart", "ssh.service"]);
                systemctl.status().is_ok_and(|status| status.success())
            }
            None => false,
        };
        if !told {
            tracing::warn!("no running sshd was found: if one runs, tell it to reload");
        }
    }
}

/// See the top of the file.
pub(super) fn apply(plan: &Plan, layout: &Layout, sshd: &Sshd) -> Result<(), RelayError> {
    let _lock = lock(layout)?;
    if let Some(path) = plan.outdated() {
        return Err(RelayError::Changed(path.to_owned()));
    }
    sshd.ask(&["-t"])?.map_err(RelayError::BrokenBefore)?;
    let done = write(plan).and_then(|()| sshd.ask(&["-t"])?.map_err(RelayError::Undone));
    if let Err(error) = done {
        return Err(match undo(plan) {
            Ok(()) => error,
            Err(undoing) => {
                RelayError::Half { what: error.to_string(), undoing: undoing.to_string() }
            }
        });
    }
    for path in &plan.gone {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("remove {}: {error}", path.display());
            }
            _ => {}
        }
    }
    sshd.reload();
    Ok(())
}

fn write(plan: &Plan) -> Result<(), RelayError> {
    for FolderPlan { path, mode, owner, .. } in &plan.folders {
        let wrong = || RelayError::file("make folder", path);
        fs::create_dir_all(path).map_err(wrong())?;
        chown(path, Some(owner.0), Some(owner.1)).map_err(wrong())?;
        // Behind the owner: a change of owner takes the set-group bit away.
        fs::set_permissions(path, fs::Permissions::from_mode(*mode)).map_err(wrong())?;
    }
    for file in &plan.files {
        replace(file, &file.new).map_err(RelayError::file("write", &file.path))?;
    }
    Ok(())
}

/// The file aside, whole, and then in its place.
fn replace(file: &FilePlan, bytes: &[u8]) -> io::Result<()> {
    let mut aside = file.path.clone().into_os_string();
    aside.push(".twocan");
    let aside = Path::new(&aside);
    let made = (|| {
        let _ = fs::remove_file(aside);
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside)?;
        new.write_all(bytes)?;
        chown(aside, Some(file.owner.0), Some(file.owner.1))?;
        new.set_permissions(fs::Permissions::from_mode(file.mode))?;
        new.sync_all()?;
        fs::rename(aside, &file.path)
    })();
    if made.is_err() {
        let _ = fs::remove_file(aside);
    }
    made
}

/// Everything as it was; the first thing that could not be is the error, the rest is done all the same.
fn undo(plan: &Plan) -> Result<(), RelayError> {
    let mut failed = None;
    for file in plan.files.iter().rev() {
        let undone = match &file.old {
            Some(old) => replace(file, old),
            None => match fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        };
        if let Err(cause) = undone {
            failed.get_or_insert(RelayError::file("undo", &file.path)(cause));
        }
    }
    for folder in plan.folders.iter().rev() {
        let undone = match folder.old {
            None => match fs::remove_dir(&folder.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Some((mode, (uid, gid))) => chown(&folder.path, Some(uid), Some(gid))
                .and_then(|()| fs::set_permissions(&folder.path, fs::Permissions::from_mode(mode))),
        };
        if let Err(cause) = undone {
            failed.get_or_insert(RelayError::file("undo", &folder.path)(cause));
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Nobody else changes accounts while it is held.
fn lock(layout: &Layout) -> Result<File, RelayError> {
    let path = layout.at(LOCK);
    let wrong = || RelayError::file("lock", &path);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(wrong())?;
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_SETLKW(&whole)).map_err(|error| wrong()(error.into()))?;
    Ok(file)
}
