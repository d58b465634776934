//! What sshd is told: two Match blocks, for the logins of kiosks and for those of tickets. Pure.
//!
//! Where sshd's configuration includes its folder, as Debian's does at its top, they are a file of
//! their own there; else they stand at its end between two lines that say so. Everything is inside a
//! Match: other logins of the machine are not touched.

use std::path::{Path, PathBuf};

use super::layout::{CHROOT, KEYS, Name, SOCKETS, TICKETS};
use crate::meeting::{self, JOIN, LOGIN};
use crate::pairing::words::SLOTS;

const BEGIN: &str = "# twocan relay: begin";
const END: &str = "# twocan relay: end";
const TAKES: &str = " relay enrol";

/// What a login of a kiosk is held to, as `sshd -T` says it; keys in small letters.
pub(super) fn of_kiosk(kiosks: &[Name]) -> Vec<(&'static str, String)> {
    let mut open: Vec<String> = Vec::new();
    for kiosk in kiosks {
        open.extend(SOCKETS.map(|lane| format!("[{}]:*", kiosk.place().socket(lane))));
    }
    if !kiosks.is_empty() {
        open.extend((0..SLOTS).map(|slot| format!("[{}]:*", meeting::pairing_socket(slot))));
    }
    let open = if open.is_empty() { "none".to_owned() } else { open.join(" ") };
    let fixed = |key, value: &str| (key, value.to_owned());
    vec![
        fixed("chrootdirectory", &format!("/{CHROOT}")),
        fixed("authorizedkeysfile", &format!("/{KEYS}/%u")),
        fixed("authenticationmethods", "publickey"),
        fixed("allowtcpforwarding", "yes"),
        fixed("permitlisten", "none"),
        ("permitopen", open),
        fixed("allowstreamlocalforwarding", "yes"),
        fixed("streamlocalbindunlink", "yes"),
        fixed("streamlocalbindmask", "0117"),
        fixed("disableforwarding", "no"),
        fixed("gatewayports", "no"),
        fixed("forcecommand", "/bin/false"),
    ]
    .into_iter()
    .chain(of_both())
    .collect()
}

/// What both kinds of login are held to.
fn of_both() -> impl Iterator<Item = (&'static str, String)> {
    [
        ("permittty", "no"),
        ("permittunnel", "no"),
        ("permituserrc", "no"),
        ("x11forwarding", "no"),
        ("allowagentforwarding", "no"),
        ("maxsessions", "1"),
        ("clientaliveinterval", "10"),
        ("clientalivecountmax", "3"),
    ]
    .into_iter()
    .map(|(key, value)| (key, value.to_owned()))
}

/// The same of the login of a ticket.
pub(super) fn of_ticket(program: &Path) -> Vec<(&'static str, String)> {
    let fixed = |key, value: &str| (key, value.to_owned());
    vec![
        fixed("authorizedkeysfile", &format!("/{TICKETS}/%u")),
        fixed("authenticationmethods", "publickey"),
        fixed("disableforwarding", "yes"),
        ("forcecommand", format!("{}{TAKES}", program.display())),
    ]
    .into_iter()
    .chain(of_both())
    .collect()
}

/// Both blocks.
pub(super) fn text(kiosks: &[Name], program: &Path) -> String {
    let mut text = "# Written by `twocan relay`; changes made here are lost.\n".to_owned();
    let blocks = [(LOGIN, of_kiosk(kiosks)), (JOIN, of_ticket(program))];
    for (prefix, settings) in blocks {
        text += &format!("Match User {prefix}*\n");
        for (key, value) in settings {
            text += &format!("    {} {value}\n", keyword(key));
        }
    }
    text
}

/// As sshd's manual spells it.
fn keyword(key: &str) -> &str {
    const SPELT: [&str; 20] = [
        "ChrootDirectory",
        "AuthorizedKeysFile",
        "AuthenticationMethods",
        "AllowTcpForwarding",
        "PermitListen",
        "PermitOpen",
        "AllowStreamLocalForwarding",
        "StreamLocalBindUnlink",
        "StreamLocalBindMask",
        "DisableForwarding",
        "GatewayPorts",
        "PermitTTY",
        "PermitTunnel",
        "PermitUserRC",
        "X11Forwarding",
        "AllowAgentForwarding",
        "MaxSessions",
        "ForceCommand",
        "ClientAliveInterval",
        "ClientAliveCountMax",
    ];
    SPELT.into_iter().find(|spelt| spelt.eq_ignore_ascii_case(key)).unwrap_or(key)
}

/// Whether sshd's configuration includes the folder of ours before anything of its own that could say
/// otherwise: at its top.
pub(super) fn includes_folder(main: &str) -> bool {
    let words = |line: &str| -> Vec<String> {
        line.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect()
    };
    for line in main.lines() {
        match &words(line)[..] {
            [first, ..] if first.eq_ignore_ascii_case("match") => return false,
            [first, paths @ ..] if first.eq_ignore_ascii_case("include") => {
                let ours = ["/etc/ssh/sshd_config.d/*.conf", "sshd_config.d/*.conf"];
                if paths.iter().any(|path| ours.contains(&path.as_str())) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// sshd's configuration with `block` at its end, in the place of an older one; without it for none.
pub(super) fn appended(main: &str, block: Option<&str>) -> String {
    let mut out = String::new();
    let mut ours = false;
    for line in main.lines() {
        ours |= line == BEGIN;
        if !ours {
            out += line;
            out.push('\n');
        }
        ours &= line != END;
    }
    match block {
        Some(block) => out + BEGIN + "\n" + block + END + "\n",
        None => out,
    }
}

/// The program that takes keys, as a block written earlier says.
pub(super) fn program(text: &str) -> Option<PathBuf> {
    let commands = text.lines().filter_map(|line| line.trim().strip_prefix("ForceCommand "));
    commands.filter_map(|command| command.strip_suffix(TAKES)).map(PathBuf::from).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_which_program_takes_keys_and_stands_once_at_the_end() {
        let block = text(&["anna".parse().unwrap()], Path::new("/usr/bin/twocan"));
        assert!(
            block
                .contains("PermitOpen [/anna/voice.sock]:* [/anna/video.sock]:* [/pair/0.sock]:* "),
            "{block}"
        );
        assert_eq!(program(&block), Some(PathBuf::from("/usr/bin/twocan")));
        let main = "Port 22\nMatch User x\n    PermitTTY no\n";
        let once = appended(main, Some(&block));
        assert_eq!(appended(&once, Some(&block)), once);
        assert_eq!(appended(&once, None), main);
        assert!(once.starts_with(main));
    }

    #[test]
    fn a_folder_counts_only_where_sshd_reads_it_first() {
        assert!(includes_folder("# x\nInclude /etc/ssh/sshd_config.d/*.conf\nPort 22\n"));
        assert!(includes_folder("include a b \"/etc/ssh/sshd_config.d/*.conf\"\n"));
        assert!(!includes_folder("#Include /etc/ssh/sshd_config.d/*.conf\n"));
        assert!(!includes_folder("Match all\nInclude /etc/ssh/sshd_config.d/*.conf\n"));
        assert!(!includes_folder(""));
    }
}
