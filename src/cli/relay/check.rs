//! What is wrong with a relay, in sentences: what sshd itself says it does, file by file, socket by
//! socket. Nothing is changed.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;

use super::accounts::Kiosk;
use super::apply::Sshd;
use super::block;
use super::error::RelayError;
use super::layout::{Layout, Name, SOCKETS};
use super::plan::Setup;

/// What was found.
#[derive(Default)]
pub(super) struct Findings {
    /// For people.
    pub(super) text: String,
    /// How many things are wrong.
    pub(super) wrong: usize,
}

impl Findings {
    fn wrong(&mut self, sentence: &str) {
        self.text += &format!("wrong: {sentence}\n");
        self.wrong += 1;
    }

    fn note(&mut self, sentence: &str) {
        self.text += &format!("note: {sentence}\n");
    }
}

/// Look at everything.
pub(super) fn run(layout: &Layout) -> Result<Findings, RelayError> {
    let setup = Setup::installed(layout)?;
    let program = setup.program.clone().ok_or(RelayError::NotInstalled)?;
    let mut found = Findings::default();
    let sshd = Sshd::of(layout);
    if let Err(complaint) = sshd.ask(&["-t"])? {
        found.wrong(&format!("sshd does not take its configuration: {complaint}"));
    }
    let plan = setup.plan(layout)?;
    for file in &plan.files {
        found.wrong(&format!(
            "{} is not as it should be: twocan relay install mends it",
            file.path.display()
        ));
    }
    for folder in &plan.folders {
        let what = if folder.old.is_some() { "has another owner or mode" } else { "is missing" };
        found.wrong(&format!("{} {what}: twocan relay install mends it", folder.path.display()));
    }
    let inside = program.strip_prefix("/").unwrap_or(&program);
    if !layout.root().join(inside).is_file() {
        found.wrong(&format!("{} is missing, which takes the keys of kiosks", program.display()));
    }
    let kiosks = setup.accounts.kiosks();
    let living: Vec<&Kiosk> = kiosks.iter().filter(|kiosk| !kiosk.is_locked).collect();
    let names: Vec<Name> = living.iter().map(|kiosk| kiosk.name.clone()).collect();
    for kiosk in &living {
        rules(&sshd, &kiosk.name.login(), &block::of_kiosk(&names), &mut found)?;
        rules(&sshd, &kiosk.name.join(), &block::of_ticket(&program), &mut found)?;
        files(layout, kiosk, &mut found);
        sockets(layout, &kiosk.name, &mut found);
    }
    if found.wrong == 0 {
        found.text += &format!("All is well; kiosks: {}.\n", living.len());
    }
    Ok(found)
}

/// What sshd says it does for a login, beside what it should.
fn rules(
    sshd: &Sshd,
    login: &str,
    wanted: &[(&'static str, String)],
    found: &mut Findings,
) -> Result<(), RelayError> {
    let who = format!("user={login},host=localhost,addr=127.0.0.1");
    let said = match sshd.ask(&["-T", "-C", &who])? {
        Ok(said) => said,
        Err(complaint) => {
            found.wrong(&format!("sshd does not say what it does for {login}: {complaint}"));
            return Ok(());
        }
    };
    let value = |key: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.unwrap_or("nothing").trim().to_owned()
    };
    for (key, wanted) in wanted {
        let is = value(key);
        if is != *wanted {
            found.wrong(&format!("for {login} sshd has {key} {is}, not {wanted}: another line of its configuration comes first"));
        }
    }
    let command = value("authorizedkeyscommand");
    if !["nothing", "none"].contains(&command.as_str()) {
        found.note(&format!("sshd asks {command} too which keys may log in as {login}"));
    }
    for key in ["allowusers", "allowgroups", "denyusers", "denygroups"] {
        let is = value(key);
        if is != "nothing" {
            found.note(&format!("sshd has {key} {is}: {login} must be let in by it"));
        }
    }
    Ok(())
}

fn files(layout: &Layout, kiosk: &Kiosk, found: &mut Findings) {
    for path in [Layout::key(&kiosk.name), Layout::ticket(&kiosk.name)] {
        let Ok(file) = fs::metadata(layout.at(&path)) else { continue };
        if file.uid() != kiosk.uid || file.mode() & 0o177 != 0 {
            found.wrong(&format!(
                "/{path} has the mode {:04o} and the owner {}, not 0600 and {}",
                file.mode() & 0o7777,
                file.uid(),
                kiosk.uid
            ));
        }
    }
    if !layout.has_key(&kiosk.name) {
        found.note(&format!("{} has not brought its key yet", kiosk.name));
    }
}

/// A socket stays behind after every session: a stale one says that the kiosk is away.
fn sockets(layout: &Layout, name: &Name, found: &mut Findings) {
    for lane in SOCKETS {
        let path = layout.at(&format!("{}/{lane}.sock", Layout::folder(name)));
        let Ok(file) = fs::symlink_metadata(&path) else { continue };
        if !file.file_type().is_socket() {
            found.wrong(&format!("{} is no socket", path.display()));
        } else if UnixStream::connect(&path).is_err() {
            found.note(&format!("nobody listens at {}: {name} is not here now", path.display()));
        } else if file.mode() & 0o007 != 0 {
            found.wrong(&format!("{} is open to everybody on this machine", path.display()));
        }
    }
}
