//! A whole kiosk without a screen in a process of its own, whose memory is looked at and which says in
//! `twocan status --json` what it refused. It answers every call.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use twocan::cli::demo::kiosk::{self, Home, Kiosk};
use twocan::contacts::Contact;
use twocan::identity::Identity;

/// However slow the machine is, by now it has happened or it never will.
pub const LIMIT: Duration = Duration::from_secs(60);
/// What an attack may cost, in kB of resident memory.
pub const MEMORY: u64 = 8 * 1024;

/// The kiosk.
pub struct Victim {
    kiosk: Kiosk,
    /// Where its door is.
    pub door: SocketAddr,
    _folder: TempDir,
}

impl Victim {
    /// Start one with a door, whose contacts these are, by name.
    pub fn start(contacts: &[(&str, &Identity)]) -> Victim {
        // Free until now; taken again at once.
        let door = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let victim = Self::with_door(contacts, door);
        let limit = std::time::Instant::now() + LIMIT;
        while std::net::TcpStream::connect(door).is_err() {
            assert!(std::time::Instant::now() < limit, "the door opens");
            std::thread::sleep(Duration::from_millis(10));
        }
        victim
    }

    fn with_door(contacts: &[(&str, &Identity)], door: SocketAddr) -> Victim {
        kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
        let folder = tempfile::tempdir().unwrap();
        let home = Home::make(folder.path(), "Bert").unwrap();
        home.configure(&format!(
            "[kiosk]\nname = \"Bert\"\nauto_answer = true\n\
             [camera]\nsource = \"pattern\"\nsize = \"320x240\"\nfps = 5\n\
             [microphone]\ndevice = \"tone\"\n[speaker]\ndevice = \"null\"\n\
             [door]\nlisten = \"{door}\"\n"
        ))
        .unwrap();
        for (name, identity) in contacts {
            let mut contact = Contact::new(name, identity.public());
            contact.direct = vec!["127.0.0.1:1".parse().unwrap()];
            contact.via_relay = false;
            home.knows(contact).unwrap();
        }
        let mut kiosk = home.start(&["call"], &[]).unwrap();
        kiosk.wait_for("an answer", LIMIT, |status| status["door_trouble"].is_null()).unwrap();
        Victim { kiosk, door, _folder: folder }
    }

    /// Its status once `wanted` holds.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.kiosk.wait_for(what, LIMIT, wanted).unwrap()
    }

    /// Wait until this was refused so often.
    #[track_caller]
    pub fn wait_refused(&mut self, reason: &str, at_least: u64) {
        self.wait_for(reason, |status| refused(status, reason) >= at_least);
    }

    /// Resident memory in kB.
    pub fn memory(&self) -> u64 {
        self.kiosk.usage().unwrap().1
    }

    /// Since `before` it took at most [`MEMORY`], and nothing in it has panicked.
    #[track_caller]
    pub fn is_unharmed_since(&mut self, before: u64) {
        let now = self.memory();
        eprintln!("memory: {before} kB before, {now} kB after");
        assert!(now <= before + MEMORY, "{before} kB before, {now} kB after");
        let status = self.kiosk.status().unwrap();
        for worker in status["workers"].as_array().unwrap() {
            assert_eq!(worker["panics"], 0, "{worker}");
        }
        assert!(!self.kiosk.last_words().contains("panicked"), "{}", self.kiosk.last_words());
    }
}

/// How often this was refused.
pub fn refused(status: &Value, reason: &str) -> u64 {
    let count = &status["refused"][reason];
    count.as_u64().unwrap_or_else(|| panic!("no {reason} in {}", status["refused"]))
}
