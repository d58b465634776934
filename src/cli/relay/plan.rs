//! What a machine is to look like: its files and folders, and how that differs from now.
//!
//! [`Setup`] is what the account files and sshd's configuration say; commands change it, and
//! [`Setup::plan`] says which files and folders follow. A [`Plan`] holds only what differs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::accounts::{self, Accounts, Kiosk};
use super::block;
use super::diff;
use super::error::RelayError;
use super::layout::{self, Layout, Name, SOCKETS};
use super::ticket;
use crate::meeting::Ticket;

/// What is set up here.
pub(super) struct Setup {
    /// The account files.
    pub(super) accounts: Accounts,
    /// What takes the keys of kiosks; none: nothing is installed yet.
    pub(super) program: Option<PathBuf>,
    main: String,
    drop_in: Option<String>,
    /// Tickets and keys that change: path, text, whose.
    private: Vec<(String, String, u32)>,
    /// Sockets that go.
    gone: Vec<String>,
}

impl Setup {
    /// As it is now.
    pub(super) fn read(layout: &Layout) -> Result<Self, RelayError> {
        let read =
            |path: &str| layout.read(path).map_err(RelayError::file("read", &layout.at(path)));
        let [passwd, group, shadow, gshadow] = accounts::FILES.map(read);
        let mut accounts = Accounts::new([passwd?, group?, shadow?, gshadow?]);
        accounts.gather()?;
        let main = read(layout::MAIN)?.unwrap_or_default();
        let drop_in = read(layout::DROP_IN)?;
        let program = block::program(drop_in.as_deref().unwrap_or(&main));
        Ok(Self { accounts, program, main, drop_in, private: Vec::new(), gone: Vec::new() })
    }

    /// The same where something is installed.
    pub(super) fn installed(layout: &Layout) -> Result<Self, RelayError> {
        let setup = Self::read(layout)?;
        if setup.program.is_none() { Err(RelayError::NotInstalled) } else { Ok(setup) }
    }

    fn kiosk(&self, name: &Name) -> Result<Kiosk, RelayError> {
        self.accounts.find(name).ok_or_else(|| RelayError::Unknown(name.clone()))
    }

    /// The number of a kiosk's account.
    pub(super) fn uid(&self, name: &Name) -> Result<u32, RelayError> {
        self.kiosk(name).map(|kiosk| kiosk.uid)
    }

    /// `name` has an account.
    pub(super) fn add(&mut self, name: &Name) -> Result<(), RelayError> {
        self.accounts.add(name)
    }

    /// `name` has this ticket.
    pub(super) fn ticket(&mut self, name: &Name, of: &Ticket) -> Result<(), RelayError> {
        let program = self.program.as_deref().ok_or(RelayError::NotInstalled)?;
        let line = ticket::key_line(name, of, program);
        self.private.push((Layout::ticket(name), line, self.uid(name)?));
        Ok(())
    }

    /// Each may call the other.
    pub(super) fn pair(&mut self, a: &Name, b: &Name) -> Result<(), RelayError> {
        if a == b {
            return Err(RelayError::Same(a.clone()));
        }
        for (callee, caller) in [(a, b), (b, a)] {
            let kiosk = self.kiosk(callee)?;
            if kiosk.is_locked {
                return Err(RelayError::Revoked(callee.clone()));
            }
            self.accounts.admit(&kiosk, caller);
        }
        Ok(())
    }

    /// `name` has nothing here any more but its number.
    pub(super) fn revoke(&mut self, name: &Name) -> Result<(), RelayError> {
        let uid = self.uid(name)?;
        self.accounts.lock(name)?;
        for path in [Layout::key(name), Layout::ticket(name)] {
            self.private.push((path, String::new(), uid));
        }
        let folder = Layout::folder(name);
        self.gone = SOCKETS.map(|lane| format!("{folder}/{lane}.sock")).to_vec();
        Ok(())
    }

    /// What differs from now.
    pub(super) fn plan(&self, layout: &Layout) -> Result<Plan, RelayError> {
        let program = self.program.as_deref().ok_or(RelayError::NotInstalled)?;
        let plain = program.to_str().filter(|path| {
            let good = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
            path.starts_with('/') && path.chars().all(good)
        });
        if plain.is_none() {
            return Err(RelayError::OddProgram(program.to_owned()));
        }
        let kiosks = self.accounts.kiosks();
        let living: Vec<&Kiosk> = kiosks.iter().filter(|kiosk| !kiosk.is_locked).collect();
        let mut plan = Plan {
            layout: layout.clone(),
            files: Vec::new(),
            folders: Vec::new(),
            gone: Vec::new(),
        };

        for (path, text) in accounts::FILES.into_iter().zip(self.accounts.texts()) {
            if let Some(text) = text {
                plan.file(path, &text, Owner::AsItIs)?;
            }
        }
        for (path, mode) in [
            ("etc/twocan-relay", 0o755),
            (layout::KEYS, 0o755),
            (layout::TICKETS, 0o755),
            (layout::CHROOT, 0o755),
        ] {
            plan.folder(path, mode, (0, 0))?;
        }
        if let Some(gid) = self.accounts.pairing_gid() {
            plan.folder(&Layout::pairing(), 0o2770, (0, gid))?;
        }
        for kiosk in &living {
            plan.folder(&Layout::folder(&kiosk.name), 0o2750, (kiosk.uid, kiosk.gid))?;
            for path in [Layout::key(&kiosk.name), Layout::ticket(&kiosk.name)] {
                // They are the kiosk's to write: only what is missing is made.
                if !layout.at(&path).exists() && !self.private.iter().any(|(it, ..)| *it == path) {
                    plan.file(&path, "", Owner::Kiosk(kiosk.uid))?;
                }
            }
        }
        for (path, text, uid) in &self.private {
            plan.file(path, text, Owner::Kiosk(*uid))?;
        }
        // It is there wherever something reads it; its mode is not ours.
        if !layout.at("etc/tmpfiles.d").exists() {
            plan.folder("etc/tmpfiles.d", 0o755, (0, 0))?;
        }
        plan.file(layout::TMPFILES, &tmpfiles(&living), Owner::Root)?;

        let names: Vec<Name> = living.iter().map(|kiosk| kiosk.name.clone()).collect();
        let text = block::text(&names, program);
        if block::includes_folder(&self.main) {
            if !layout.at("etc/ssh/sshd_config.d").exists() {
                plan.folder("etc/ssh/sshd_config.d", 0o755, (0, 0))?;
            }
            plan.file(layout::DROP_IN, &text, Owner::Root)?;
            plan.file(layout::MAIN, &block::appended(&self.main, None), Owner::AsItIs)?;
        } else {
            plan.file(layout::MAIN, &block::appended(&self.main, Some(&text)), Owner::AsItIs)?;
            if self.drop_in.is_some() {
                plan.file(layout::DROP_IN, "", Owner::Root)?;
            }
        }
        plan.gone.extend(self.gone.iter().map(|path| layout.at(path)).filter(|path| path.exists()));
        Ok(plan)
    }
}

/// The lines that make the folders at every start of the machine: what lies in /run is gone then.
fn tmpfiles(kiosks: &[&Kiosk]) -> String {
    let mut text = "# Written by `twocan relay`; changes made here are lost.\n".to_owned();
    text += &format!("d /{} 0755 root root -\n", layout::CHROOT);
    if !kiosks.is_empty() {
        let folder = Layout::pairing();
        text += &format!("d /{folder} 2770 root {} -\n", layout::PAIRING_GROUP);
    }
    for Kiosk { name, .. } in kiosks {
        let login = name.login();
        text += &format!("d /{} 2750 {login} {login} -\n", Layout::folder(name));
    }
    text
}

/// Whose a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Whoever has it now; root's if there is none.
    AsItIs,
    Root,
    /// The account with this number, and nobody else may read it.
    Kiosk(u32),
}

/// A file as it is to be.
#[derive(Debug)]
pub(super) struct FilePlan {
    pub(super) path: PathBuf,
    /// As it is now.
    pub(super) old: Option<Vec<u8>>,
    pub(super) new: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
}

/// A folder as it is to be.
#[derive(Debug)]
pub(super) struct FolderPlan {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// Mode and owner now; none: it is not there.
    pub(super) old: Option<(u32, (u32, u32))>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    layout: Layout,
    pub(super) files: Vec<FilePlan>,
    pub(super) folders: Vec<FolderPlan>,
    /// Sockets to remove.
    pub(super) gone: Vec<PathBuf>,
}

impl Plan {
    /// There is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty() && self.gone.is_empty()
    }

    fn file(&mut self, path: &str, text: &str, owner: Owner) -> Result<(), RelayError> {
        let at = self.layout.at(path);
        let old = match fs::read(&at) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(RelayError::file("read", &at)(cause)),
        };
        let now = fs::metadata(&at).ok().map(|now| (now.mode() & 0o7777, (now.uid(), now.gid())));
        let (mode, owner) = match owner {
            Owner::AsItIs => now.unwrap_or((0o644, (0, 0))),
            Owner::Root => (0o644, (0, 0)),
            Owner::Kiosk(uid) => (0o600, (uid, uid)),
        };
        if old.as_deref() != Some(text.as_bytes()) || now != Some((mode, owner)) {
            let new = text.as_bytes().to_vec();
            self.files.push(FilePlan { path: at, old, new, mode, owner });
        }
        Ok(())
    }

    fn folder(&mut self, path: &str, mode: u32, owner: (u32, u32)) -> Result<(), RelayError> {
        let at = self.layout.at(path);
        let old = match fs::metadata(&at) {
            Ok(now) => Some((now.mode() & 0o7777, (now.uid(), now.gid()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(RelayError::file("look at", &at)(cause)),
        };
        if old != Some((mode, owner)) {
            self.folders.push(FolderPlan { path: at, mode, owner, old });
        }
        Ok(())
    }

    /// A file that is not as it was when the plan was made.
    pub(super) fn outdated(&self) -> Option<&Path> {
        let is_other = |file: &&FilePlan| fs::read(&file.path).ok() != file.old;
        self.files.iter().find(is_other).map(|file| file.path.as_path())
    }

    /// As a diff. Of files with passwords only the lines that change are shown.
    pub(super) fn shown(&self) -> String {
        let mut text = String::new();
        for FolderPlan { path, mode, owner: (uid, gid), .. } in &self.folders {
            text += &format!("folder {} {mode:04o} {uid}:{gid}\n", path.display());
        }
        for file in &self.files {
            let secret = file.path.ends_with("etc/shadow") || file.path.ends_with("etc/gshadow");
            let old = file.old.as_deref().map(String::from_utf8_lossy);
            let new = String::from_utf8_lossy(&file.new);
            let path = file.path.display().to_string();
            let lines = diff::unified(&path, old.as_deref(), &new, if secret { 0 } else { 3 });
            let (uid, gid) = file.owner;
            text += &match lines.is_empty() {
                true => format!("file {path} {:04o} {uid}:{gid}\n", file.mode),
                false => lines,
            };
        }
        for path in &self.gone {
            text += &format!("remove {}\n", path.display());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_writes_between_the_diff_and_the_answer_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        fs::create_dir(layout.at("etc")).unwrap();
        for file in accounts::FILES {
            fs::write(layout.at(file), "").unwrap();
        }
        let mut setup = Setup::read(&layout).unwrap();
        assert!(matches!(setup.plan(&layout), Err(RelayError::NotInstalled)));
        setup.program = Some("/opt/odd program".into());
        assert!(matches!(setup.plan(&layout), Err(RelayError::OddProgram(_))));
        setup.program = Some("/usr/bin/twocan".into());
        setup.add(&"anna".parse().unwrap()).unwrap();
        let plan = setup.plan(&layout).unwrap();
        assert_eq!(plan.outdated(), None);
        let shown = plan.shown();
        assert!(shown.contains("+kiosk-anna:x:999:999:"), "{shown}");
        fs::write(layout.at("etc/passwd"), "new:x:1:1::/:/bin/sh\n").unwrap();
        assert_eq!(plan.outdated(), Some(layout.at("etc/passwd").as_path()));
    }
}
