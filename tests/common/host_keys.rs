//! A server's keys, keys that it has not, and OpenSSH's client as the judge of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ssh_key::PublicKey;
use tempfile::TempDir;

/// Two keys of a server, keys that it has not, and a login.
pub struct Scene {
    pub folder: TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        for (name, kind) in [
            ("ed", "ed25519"),
            ("ec", "ecdsa"),
            ("other", "ed25519"),
            ("otherec", "ecdsa"),
            ("rsa", "rsa"),
            ("login", "ed25519"),
        ] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", "", "-C", name, "-f"])
                .arg(scene.path(name))
                .status();
            assert!(made.unwrap().success());
        }
        let config = format!(
            "HostKey {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            scene.path("ed").display(),
            scene.path("ec").display(),
            scene.path("login.pub").display(),
        );
        fs::write(scene.path("sshd_config"), config).unwrap();
        if nix::unistd::Uid::effective().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ssh-ed25519 AAAA…`, without the comment.
    pub fn line(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    pub fn key(&self, name: &str) -> PublicKey {
        PublicKey::from_openssh(&self.line(name)).unwrap()
    }

    /// `ED`, `EC`, `OTHER` and so on stand for keys.
    pub fn fill(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for name in ["OTHEREC", "OTHER", "RSA", "ED", "EC"] {
            text = text.replace(&format!("<{name}>"), &self.line(&name.to_lowercase()));
        }
        text
    }

    /// The names of `file` hashed by ssh-keygen, with salts of its choice.
    pub fn hashed(&self, text: &str) -> String {
        let file = self.path("to_hash");
        fs::write(&file, text).unwrap();
        let done = Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("|1|"), "{text}");
        text
    }

    /// What the server shows is decided by the kind that the client asks for.
    pub fn openssh_takes(&self, file: &Path, host: &str, port: u16, shows: &str) -> bool {
        let proxy =
            format!("/usr/sbin/sshd -i -f {} 2>/dev/null", self.path("sshd_config").display());
        let mut ssh = ssh(file, &self.path("login"));
        ssh.args(["-o", &format!("HostKeyAlgorithms={}", self.key(shows).algorithm())])
            .args(["-o", &format!("ProxyCommand={proxy}")])
            .args(["-p", &port.to_string(), "--", host, "true"]);
        verdict(&ssh.output().unwrap())
    }
}

pub fn ssh(file: &Path, login: &Path) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"])
        .args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no"])
        .args(["-o", "IdentitiesOnly=yes", "-o", "LogLevel=INFO"])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", file.display()))
        .arg("-i")
        .arg(login);
    ssh
}

/// Whether the host key was taken; anything else that can go wrong is none of the two.
#[track_caller]
pub fn verdict(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let refused = said.contains("Host key verification failed");
    assert!(output.status.success() != refused, "neither taken nor refused: {output:?}");
    !refused
}
