//! The account files as text: passwd, group, shadow, gshadow. Pure; lines that are not ours stay as
//! they are, to the byte.
//!
//! A kiosk's account has `*` for a password (no password fits, and sshd does not take it for locked, as
//! it would `!`). Under its number there is a second name, for its ticket: what that may write belongs
//! to the account, and nothing of another's does. The members of the group `kiosk-NAME` are who may
//! call NAME; those of `twocan-pair` are all of them.

use super::error::RelayError;
use super::layout::{Name, PAIRING_GROUP};

/// What our accounts say of themselves.
const KIOSK: &str = "Twocan kiosk";
const TICKET: &str = "Twocan ticket";
/// Numbers of system accounts, handed out from the top as Debian does.
const UIDS: std::ops::RangeInclusive<u32> = 200..=999;

/// The four files' paths from the root, in the order of [`Accounts::texts`].
pub(super) const FILES: [&str; 4] = ["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"];

/// The four files. The last one is not on every system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accounts {
    passwd: String,
    group: String,
    shadow: String,
    gshadow: Option<String>,
}

/// What they say of a kiosk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kiosk {
    pub(super) name: Name,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// It was revoked.
    pub(super) is_locked: bool,
    /// Who may call it.
    pub(super) callers: Vec<Name>,
}

impl Accounts {
    /// From the files' texts.
    pub(super) fn new([passwd, group, shadow, gshadow]: [Option<String>; 4]) -> Self {
        Self {
            passwd: passwd.unwrap_or_default(),
            group: group.unwrap_or_default(),
            shadow: shadow.unwrap_or_default(),
            gshadow,
        }
    }

    /// As they are to be.
    pub(super) fn texts(&self) -> [Option<String>; 4] {
        let text = |text: &String| Some(text.clone());
        [text(&self.passwd), text(&self.group), text(&self.shadow), self.gshadow.clone()]
    }

    /// Every kiosk, in the order of their names.
    pub(super) fn kiosks(&self) -> Vec<Kiosk> {
        let mut kiosks: Vec<Kiosk> =
            self.passwd.lines().filter_map(|line| self.kiosk(line)).collect();
        kiosks.sort_by(|a, b| a.name.cmp(&b.name));
        kiosks
    }

    fn kiosk(&self, line: &str) -> Option<Kiosk> {
        let fields: Vec<&str> = line.split(':').collect();
        let [login, _, uid, gid, KIOSK, ..] = fields[..] else { return None };
        let name = Name::of_login(login).filter(|name| name.login() == login)?;
        let password = field(&self.shadow, login, 1);
        let members = field(&self.group, login, 3).unwrap_or_default();
        let mut callers: Vec<Name> = members.split(',').filter_map(Name::of_login).collect();
        callers.sort();
        Some(Kiosk {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            is_locked: password.is_none_or(|password| password.starts_with('!')),
            name,
            callers,
        })
    }

    /// The kiosk of that name.
    pub(super) fn find(&self, name: &Name) -> Option<Kiosk> {
        self.kiosks().into_iter().find(|kiosk| kiosk.name == *name)
    }

    /// Give `name` an account, or its account back.
    pub(super) fn add(&mut self, name: &Name) -> Result<(), RelayError> {
        let (login, join) = (name.login(), name.join());
        let uid = match self.find(name) {
            Some(kiosk) => kiosk.uid,
            None => {
                let taken = [(&self.passwd, &login), (&self.passwd, &join), (&self.group, &login)];
                if let Some((_, account)) = taken.into_iter().find(|(file, it)| has(file, it)) {
                    return Err(RelayError::ForeignAccount(account.clone()));
                }
                self.free_uid()?
            }
        };
        let kiosk = format!("{login}:x:{uid}:{uid}:{KIOSK}:/nonexistent:/usr/sbin/nologin");
        let ticket = format!("{join}:x:{uid}:{uid}:{TICKET}:/:/bin/sh");
        let lines = [(&login, kiosk), (&join, ticket)];
        for (account, line) in lines {
            put(&mut self.passwd, account, &line);
            // No password, no ageing.
            put(&mut self.shadow, account, &format!("{account}:*:::::::"));
        }
        if !has(&self.group, &login) {
            self.set_members(&login, uid, &[]);
        }
        self.gather()
    }

    /// Have every kiosk that is not locked, and nobody else, in the group of who may meet to pair.
    pub(super) fn gather(&mut self) -> Result<(), RelayError> {
        let living = self.kiosks().into_iter().filter(|kiosk| !kiosk.is_locked);
        let names: Vec<Name> = living.map(|kiosk| kiosk.name).collect();
        let gid = match self.pairing_gid() {
            None if names.is_empty() => return Ok(()),
            None => self.free_uid()?,
            Some(gid) => gid,
        };
        self.set_members(PAIRING_GROUP, gid, &names);
        Ok(())
    }

    /// The number of that group, once there has been a kiosk.
    pub(super) fn pairing_gid(&self) -> Option<u32> {
        field(&self.group, PAIRING_GROUP, 2)?.parse().ok()
    }

    /// A number that neither an account nor a group has.
    fn free_uid(&self) -> Result<u32, RelayError> {
        let numbers = |file: &str| -> Vec<u32> {
            file.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect()
        };
        let taken = [numbers(&self.passwd), numbers(&self.group)].concat();
        UIDS.rev().find(|uid| !taken.contains(uid)).ok_or(RelayError::NoUid)
    }

    /// Let `caller` call `callee`.
    pub(super) fn admit(&mut self, callee: &Kiosk, caller: &Name) {
        let mut callers = callee.callers.clone();
        if !callers.contains(caller) {
            callers.push(caller.clone());
        }
        callers.sort();
        self.set_members(&callee.name.login(), callee.gid, &callers);
    }

    fn set_members(&mut self, group: &str, gid: u32, members: &[Name]) {
        let members: Vec<String> = members.iter().map(Name::login).collect();
        let members = members.join(",");
        put(&mut self.group, group, &format!("{group}:x:{gid}:{members}"));
        if let Some(gshadow) = &mut self.gshadow {
            put(gshadow, group, &format!("{group}:!::{members}"));
        }
    }

    /// Lock the account of `name`, remove the one of its ticket, and let nobody call it nor be called
    /// by it.
    pub(super) fn lock(&mut self, name: &Name) -> Result<(), RelayError> {
        let (login, join) = (name.login(), name.join());
        put(&mut self.shadow, &login, &format!("{login}:!*:::::::"));
        remove(&mut self.passwd, &join);
        remove(&mut self.shadow, &join);
        for kiosk in self.kiosks() {
            let kept: &[Name] = if kiosk.name == *name { &[] } else { &kiosk.callers };
            let kept: Vec<Name> = kept.iter().filter(|caller| *caller != name).cloned().collect();
            if kept != kiosk.callers {
                self.set_members(&kiosk.name.login(), kiosk.gid, &kept);
            }
        }
        self.gather()
    }
}

fn is_of(line: &str, account: &str) -> bool {
    line.strip_prefix(account).is_some_and(|rest| rest.starts_with(':'))
}

fn has(file: &str, account: &str) -> bool {
    file.lines().any(|line| is_of(line, account))
}

fn field<'a>(file: &'a str, account: &str, number: usize) -> Option<&'a str> {
    file.lines().find(|line| is_of(line, account))?.split(':').nth(number)
}

/// `line` in the place of the account's, or at the end.
fn put(file: &mut String, account: &str, line: &str) {
    let mut found = false;
    let mut lines: Vec<&str> = file
        .lines()
        .map(|old| {
            let it = is_of(old, account);
            found |= it;
            if it { line } else { old }
        })
        .collect();
    if !found {
        lines.push(line);
    }
    *file = lines.join("\n") + "\n";
}

fn remove(file: &mut String, account: &str) {
    *file = file
        .lines()
        .filter(|line| !is_of(line, account))
        .map(|line| line.to_owned() + "\n")
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nkiosk-eve:x:1000:1000:Eve:/home/eve:/bin/sh\nold:x:999:999::/:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nkiosk-eve:x:1000:\n";
    const SHADOW: &str = "root:$y$secret:19000:0:99999:7:::\nkiosk-eve:$y$x:1::::::\n";

    fn accounts() -> Accounts {
        let text = |text: &str| Some(text.to_owned());
        Accounts::new([text(PASSWD), text(GROUP), text(SHADOW), text("root:*::\n")])
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn kiosks_are_added_paired_and_locked_and_everybody_else_stays_as_they_were() {
        let mut accounts = accounts();
        let (anna, bert) = (name("anna"), name("bert"));
        accounts.add(&anna).unwrap();
        accounts.add(&bert).unwrap();
        let once = accounts.clone();
        accounts.add(&anna).unwrap();
        assert_eq!(accounts, once, "twice is once");
        let uids: Vec<u32> = accounts.kiosks().iter().map(|kiosk| kiosk.uid).collect();
        assert_eq!(uids, [998, 996], "from the top, but for those that are taken");
        let [a, b] = [&anna, &bert].map(|name| accounts.find(name).unwrap());
        accounts.admit(&a, &bert);
        accounts.admit(&b, &anna);
        assert_eq!(accounts.find(&anna).unwrap().callers, std::slice::from_ref(&bert));
        accounts.lock(&anna).unwrap();
        let locked = accounts.find(&anna).unwrap();
        assert!(locked.is_locked && locked.callers.is_empty());
        assert!(accounts.find(&bert).unwrap().callers.is_empty());
        let [passwd, group, shadow, gshadow] = accounts.texts().map(Option::unwrap);
        assert!(
            passwd.starts_with(PASSWD) && group.starts_with(GROUP) && shadow.starts_with(SHADOW)
        );
        assert!(!passwd.contains("twocan-join-anna") && passwd.contains("twocan-join-bert:x:996:"));
        assert!(shadow.contains("kiosk-anna:!*:") && shadow.contains("kiosk-bert:*:"));
        assert_eq!(
            gshadow,
            "root:*::\nkiosk-anna:!::\ntwocan-pair:!::kiosk-bert\nkiosk-bert:!::\n"
        );
        assert!(group.contains("twocan-pair:x:997:kiosk-bert\n"), "{group}");
        accounts.add(&anna).unwrap();
        assert!(!accounts.find(&anna).unwrap().is_locked, "it may come back");
    }

    #[test]
    fn an_account_that_is_not_ours_is_left_alone() {
        let refused = accounts().add(&name("eve")).unwrap_err();
        assert!(refused.to_string().contains("kiosk-eve"), "{refused}");
        assert!(accounts().find(&name("eve")).is_none());
    }
}
