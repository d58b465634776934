//! The pages behind home on a whole kiosk: what a finger sets is on the disk, what the PIN guards is
//! guarded, and a code before the camera makes a contact.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use common::lens::photographed;
use common::private::is_private;
use twocan::app::{self, App, Inbox};
use twocan::card::{self, Card, Code};
use twocan::clock::Time;
use twocan::config::{Config, Paths};
use twocan::contacts::{Contact, Contacts};
use twocan::device::VideoSink;
use twocan::identity::{Identity, PeerKey};
use twocan::pairing::four_of;
use twocan::settings;
use twocan::stop::{Stopper, stop_pair};
use twocan::store;
use twocan::ui::face::{Face, Faceless, Hook, Shown};
use twocan::ui::menu::{MenuPage, MenuTap};
use twocan::ui::screen::{Command as Touch, Page, Screen};
use twocan::wire::control::Request;
use twocan::wire::status::ScreenStatus;

const ANNA: PeerKey = PeerKey([2; 32]);
const PATIENCE: Duration = Duration::from_secs(60);

/// A face that remembers what it was to show.
#[derive(Default)]
struct Memory {
    shown: Mutex<Option<Screen>>,
    news: Condvar,
}

impl Face for Memory {
    fn publish(&self, screen: Screen) {
        *self.shown.lock().unwrap() = Some(screen);
        self.news.notify_all();
    }

    fn remote(&self, shown: Shown) -> Box<dyn VideoSink> {
        Faceless.remote(shown)
    }

    fn own(&self) -> Option<Box<dyn VideoSink>> {
        None
    }

    fn clear_pictures(&self) {}

    fn first_frame(&self) -> Option<Time> {
        None
    }

    fn on_first_frame(&self, hook: Hook) {
        hook();
    }

    fn come_round(&self, answer: Hook) {
        answer();
    }

    fn status(&self) -> ScreenStatus {
        Faceless.status()
    }

    fn screenshot(&self) -> Result<Vec<u8>, String> {
        Faceless.screenshot()
    }

    fn tap(&self, x: u32, y: u32) -> Result<(), String> {
        Faceless.tap(x, y)
    }

    fn quit(&self) {}
}

/// A kiosk in a folder, with Anna in its contacts.
struct Kiosk {
    folder: tempfile::TempDir,
    config: Config,
    face: Arc<Memory>,
    inbox: Inbox,
    running: Option<(App, Stopper)>,
}

impl Kiosk {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::parse("test", config.as_bytes()).unwrap();
        let (face, inbox) = (Arc::default(), Inbox::default());
        let mut kiosk = Self { folder, config, face, inbox, running: None };
        store::ensure_folder(&kiosk.state()).unwrap();
        Contacts::change(&kiosk.state(), |contacts| contacts.add(Contact::new("Anna", ANNA), None))
            .unwrap();
        kiosk.start();
        kiosk
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    fn start(&mut self) {
        let folder = self.folder.path();
        let (state, runtime) = (Some(self.state()), Some(folder.join("run")));
        let file = Some(folder.join("twocan.toml"));
        let paths = Paths::find(file, state, runtime, |_| None).unwrap();
        (self.face, self.inbox) = (Arc::default(), Inbox::default());
        let face: Arc<dyn Face> = Arc::<Memory>::clone(&self.face);
        let (stopper, stop) = stop_pair();
        let app = app::start(&self.config, &paths, face, self.inbox.clone(), stop).unwrap();
        self.running = Some((app, stopper));
    }

    fn restart(&mut self) {
        self.running = None;
        self.start();
    }

    fn tap(&self, taps: &[MenuTap]) {
        taps.iter().for_each(|tap| self.inbox.touched(Touch::Menu(*tap)));
    }

    fn pin(&self, digits: &[u8]) {
        digits.iter().for_each(|digit| self.tap(&[MenuTap::Digit(*digit)]));
        self.tap(&[MenuTap::Enter]);
    }

    /// Wait for a page of which `looked_for` makes something.
    #[track_caller]
    fn wait<T>(&self, mut looked_for: impl FnMut(&Page) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut shown = self.face.shown.lock().unwrap();
        loop {
            if let Some(found) = shown.as_ref().and_then(|screen| looked_for(&screen.page)) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not on show: {:?}", shown.as_ref().map(|s| &s.page));
            shown = self.face.news.wait_timeout(shown, left).unwrap().0;
        }
    }

    #[track_caller]
    fn wait_for(&self, name: &str) -> MenuPage {
        self.wait(|page| match page {
            Page::Menu(page) if page.name() == name => Some(page.clone()),
            _ => None,
        })
    }

    /// Until the loop has done everything that was said before.
    fn settle(&self) {
        let (app, _) = self.running.as_ref().unwrap();
        app.ask(Request::Status).unwrap();
    }

    fn twocan(&self, arguments: &[&str], input: &str) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
        command.env_clear().env("HOME", "/nonexistent").arg("--state").arg(self.state());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

fn contact(state: &Path, name: &str) -> Option<Contact> {
    Contacts::load(state).value.by_name(name).cloned()
}

#[test]
fn what_a_finger_sets_is_on_the_disk_and_there_again_after_a_restart() {
    let mut kiosk = Kiosk::new("[speaker]\nring_volume = 6\n[display]\nbrightness = 80");
    kiosk.tap(&[MenuTap::Open, MenuTap::RingVolume(-1), MenuTap::Brightness(-1)]);
    kiosk.tap(&[MenuTap::QuietHours, MenuTap::QuietOnOff, MenuTap::QuietFrom(1), MenuTap::Back]);
    kiosk.settle();
    let kept = settings::load(&kiosk.state());
    assert_eq!((kept.volume, kept.ring_volume, kept.brightness), (None, Some(5), Some(4)));
    assert_eq!(kept.quiet_hours.unwrap().to_string(), "22:30-07:00");
    kiosk.tap(&[MenuTap::People, MenuTap::Person(ANNA), MenuTap::LookIn, MenuTap::MayRing]);
    kiosk.wait(|page| match page {
        Page::Menu(MenuPage::Person { may_ring: false, look_in: true, .. }) => Some(()),
        _ => None,
    });
    let anna = contact(&kiosk.state(), "Anna").unwrap();
    assert_eq!((anna.may_ring, anna.look_in, anna.in_quiet_hours), (false, true, false));

    kiosk.restart();
    kiosk.tap(&[MenuTap::Open]);
    let MenuPage::Settings { ring_volume: 5, brightness: 4, quiet_hours, pin: false, missed: 0 } =
        kiosk.wait_for("settings")
    else {
        panic!("other settings")
    };
    assert_eq!(quiet_hours, "22:30 to 07:00");
    // Forgotten is gone, here and on the disk; then nobody is known, and home is how to add somebody.
    kiosk.tap(&[MenuTap::People, MenuTap::Person(ANNA), MenuTap::Forget, MenuTap::Forget]);
    kiosk.tap(&[MenuTap::Close]);
    assert_eq!(kiosk.wait_for("add"), MenuPage::Add { meeting: false, first: true });
    assert_eq!(contact(&kiosk.state(), "Anna"), None);
}

#[test]
fn wrong_tries_count_over_a_restart_and_the_command_line_opens_again() {
    let mut kiosk = Kiosk::new("");
    assert_eq!(kiosk.twocan(&["pin", "set"], "12a4\n").0, Some(2));
    assert_eq!(kiosk.twocan(&["pin", "set"], "4711\n").0, Some(0));
    kiosk.tap(&[MenuTap::Open]);
    for wrong in 1..=4_u8 {
        kiosk.pin(&[0, 0, 0, wrong]);
        kiosk.wait_for("working");
        kiosk.wait(|page| match page {
            Page::Menu(MenuPage::Pin { sentence, entered: 0, .. })
                if sentence.starts_with("That was not it.") =>
            {
                Some(())
            }
            _ => None,
        });
    }
    let MenuPage::Pin { enabled: false, sentence, .. } = kiosk.wait_for("pin") else {
        panic!("the keys go on")
    };
    assert!(sentence.contains("Please wait"), "{sentence}");
    kiosk.restart();
    kiosk.tap(&[MenuTap::Open]);
    let MenuPage::Pin { enabled: false, .. } = kiosk.wait_for("pin") else { panic!("a free try") };
    let (code, said) = kiosk.twocan(&["pin", "status"], "");
    assert!(code == Some(0) && said.contains("wrong tries: 4"), "{said}");
    // A PIN that can't be read is no open door.
    fs::write(kiosk.state().join("pin"), "rubbish").unwrap();
    kiosk.tap(&[MenuTap::Close, MenuTap::Open]);
    kiosk.pin(&[4, 7, 1, 1]);
    kiosk.settle();
    let MenuPage::Pin { sentence, .. } = kiosk.wait_for("pin") else { panic!("open") };
    assert!(sentence.starts_with("The PIN can't be read."), "{sentence}");
    assert_eq!(kiosk.twocan(&["pin", "status"], "").0, Some(1));
    assert_eq!(kiosk.twocan(&["pin", "clear"], "").0, Some(0));
    kiosk.tap(&[MenuTap::Close, MenuTap::Open]);
    kiosk.wait_for("settings");
}

#[test]
fn a_pin_chosen_by_touch_is_asked_for_from_then_on_and_its_files_are_ours_alone() {
    let kiosk = Kiosk::new("");
    kiosk.tap(&[MenuTap::Open, MenuTap::Pin]);
    kiosk.pin(&[4, 7, 1, 1]);
    kiosk.pin(&[4, 7, 1, 1]);
    kiosk.wait(|page| match page {
        Page::Menu(MenuPage::Settings { pin: true, .. }) => Some(()),
        _ => None,
    });
    kiosk.tap(&[MenuTap::Close, MenuTap::Open]);
    kiosk.wait_for("pin");
    kiosk.pin(&[4, 7, 1, 1]);
    kiosk.wait_for("settings");
    is_private(&kiosk.state());
}

#[test]
fn a_card_before_the_camera_makes_a_contact_once_the_pictures_are_the_same() {
    let bert = Identity::generate().public();
    let shows = Card { name: "Bert".into(), key: bert, meeting: vec![], direct: vec![] };
    let folder = tempfile::tempdir().unwrap();
    let view = folder.path().join("view.jpg");
    fs::write(&view, photographed(&shows.to_text())).unwrap();
    let config = format!("[kiosk]\nname = 'Us'\n[camera]\nsource = '{}'", view.display());
    let kiosk = Kiosk::new(&config);
    kiosk.tap(&[MenuTap::Open, MenuTap::Add, MenuTap::SameRoom]);
    let MenuPage::Scan { code, .. } = kiosk.wait_for("scan") else { panic!("no code") };
    let Ok(Code::Card(ours)) = card::read(&code) else { panic!("no card: {code}") };
    let us = Identity::find(&kiosk.state()).unwrap().unwrap().public();
    assert_eq!((&*ours.name, ours.key), ("Us", us));
    kiosk.wait(|page| match page {
        Page::Menu(MenuPage::Scan { got, .. }) => got.clone().filter(|got| got == "Bert"),
        _ => None,
    });
    assert_eq!(contact(&kiosk.state(), "Bert"), None, "nobody has said yes yet");
    kiosk.tap(&[MenuTap::Next]);
    let MenuPage::Compare { four, .. } = kiosk.wait_for("compare") else { panic!() };
    assert_eq!(four, four_of(bert, us));
    kiosk.tap(&[MenuTap::Same]);
    kiosk.wait_for("result");
    assert_eq!(contact(&kiosk.state(), "Bert").unwrap().key, bert);
    kiosk.tap(&[MenuTap::Back]);
    kiosk.wait(|page| match page {
        Page::Home { tiles, .. } => tiles.iter().find(|tile| tile.is_of(bert)).map(drop),
        _ => None,
    });
}
