//! What the kiosk keeps: its key, the people it knows, and the folder they lie in.

use std::path::Path;

use nix::unistd::{AccessFlags, access};
use serde_json::{Value, json};

use super::Patient;
use super::check::Check;
use crate::config::Paths;
use crate::contacts::Contacts;
use crate::identity::Identity;

/// The row `key`.
pub(super) fn key(paths: &Paths) -> Check {
    match Identity::find(&paths.state) {
        Ok(Some(identity)) => {
            let key = identity.public();
            let words = key.words().join(" ");
            Check::ok("key", format!("Its words are: {words}."))
                .with(json!({"fingerprint": key.fingerprint(), "words": words}))
        }
        Ok(None) => Check::warn("key", "There is none yet; `twocan identity` makes one."),
        Err(error) => Check::fail("key", format!("{error}.")),
    }
}

/// The row `contacts`.
pub(super) fn contacts(patient: &Patient) -> Check {
    const CONTACTS: &str = "contacts";
    let contacts = Contacts::load(&patient.paths.state);
    let names: Vec<&str> = contacts.value.iter().map(|contact| contact.name.as_str()).collect();
    let details = json!({"names": names});
    if let Some(trouble) = contacts.trouble {
        return Check::fail(CONTACTS, format!("{trouble}.")).with(details);
    }
    if names.is_empty() {
        let sentence = "Nobody can be called yet: `twocan contact add` adds somebody.";
        return Check::warn(CONTACTS, sentence).with(details);
    }
    match patient.kiosk.status() {
        Some(status) => reached(&status["contacts"]),
        None => Check::ok(CONTACTS, format!("{}.", names.join(", "))).with(details),
    }
}

/// The running kiosk's words on each of them.
fn reached(contacts: &Value) -> Check {
    let all = contacts.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |contact: &Value| contact["name"].as_str().unwrap_or_default().to_owned();
    let trouble = |contact: &&Value| contact["trouble"].is_string();
    let check = if let Some(contact) = all.iter().find(trouble) {
        let why = contact["trouble"].as_str().unwrap_or_default();
        Check::fail("contacts", format!("{}: {why}.", name(contact)))
    } else {
        let one = |contact: &Value| {
            let how = if contact["reachable"] == true { "at home" } else { "not at home" };
            format!("{} is {how}", name(contact))
        };
        let sentences: Vec<String> = all.iter().map(one).collect();
        Check::ok("contacts", format!("{}.", sentences.join(", ")))
    };
    check.with(json!({"names": all.iter().map(name).collect::<Vec<_>>(), "contacts": contacts}))
}

/// The row `state`.
pub(super) fn folder(paths: &Paths) -> Check {
    let folder = &paths.state;
    let details = json!({"folder": folder, "config": paths.config, "runtime": paths.runtime});
    let there = nearest(folder);
    let may = access(there, AccessFlags::W_OK | AccessFlags::X_OK);
    let check = match (may, there == folder) {
        (Ok(()), true) => Check::ok("state", format!("{} can be written to.", folder.display())),
        (Ok(()), false) => {
            Check::ok("state", format!("{} will be made at the first start.", folder.display()))
        }
        (Err(error), _) => Check::fail(
            "state",
            format!(
                "{} can't be written to ({}), so nothing is kept: mend its owner and mode (0700), or \
                 run this as the kiosk's user.",
                there.display(),
                error.desc()
            ),
        ),
    };
    check.with(details)
}

/// `path`, or the nearest folder above it that is there.
pub(super) fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict::{Fail, Ok as Good, Warn};
    use super::*;

    fn paths(state: &Path) -> Paths {
        Paths::find(Some("c".into()), Some(state.to_owned()), None, |_| None).unwrap()
    }

    #[test]
    fn a_key_is_looked_for_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(&folder.path().join("state"));
        assert_eq!(key(&paths).result, Warn);
        assert!(!paths.state.exists());
        let identity = Identity::load_or_create(&paths.state).unwrap();
        let check = key(&paths);
        assert_eq!(check.details["fingerprint"], json!(identity.public().fingerprint()));
        let file = std::fs::read_dir(&paths.state).unwrap().next().unwrap().unwrap().path();
        std::fs::write(file, "no key").unwrap();
        assert_eq!(key(&paths).result, Fail);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_fine_where_it_can_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(self::folder(&paths(folder.path())).result, Good);
        let deep = self::folder(&paths(&folder.path().join("a/b")));
        assert_eq!(deep.result, Good);
        assert!(deep.sentence.contains("at the first start"), "{deep:?}");
        // Nobody may write there, root neither.
        assert_eq!(self::folder(&paths(Path::new("/proc/1/twocan"))).result, Fail);
    }

    #[test]
    fn a_contact_with_another_key_is_to_be_mended_and_one_who_is_out_is_not() {
        let out = json!({"name": "Bert", "reachable": false, "trouble": null});
        let home = json!({"name": "Anna", "reachable": true, "trouble": null});
        let changed = json!({"name": "Carl", "reachable": false, "trouble": "another key"});
        let check = reached(&json!([out, home]));
        assert_eq!(
            (check.result, &*check.sentence),
            (Good, "Bert is not at home, Anna is at home.")
        );
        assert_eq!(reached(&json!([home, changed])).sentence, "Carl: another key.");
    }
}
