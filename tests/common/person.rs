//! Somebody before a running kiosk who sees its screen and touches it, and does nothing else.
//!
//! ```text
//!  the page as it ought to be ──> Stage: laid out and drawn here for the same panel
//!                                   │ pixels: the same as the kiosk's screenshot? ──> it is seen
//!                                   └ the middle of the button called so ──> Request::Tap
//! ```
//! A running kiosk does not say where its buttons are, so they are looked up on a page that is drawn
//! pixel by pixel as the kiosk's own. Uses `ui_common`, so it stands apart from `common`.

#![allow(unreachable_pub, clippy::unwrap_used)]

use std::rc::Rc;
use std::time::{Duration, Instant};

use slint::{ComponentHandle, LogicalPosition};
use twocan::cli::demo::kiosk::{self, Home, Kiosk};
use twocan::ui::screen::{Page, Screen};
use twocan::ui::tap_guard::SETTLE;
use twocan::wire::control::{PairStep, Request};

use crate::common::lens::{Lens, pixels};
use crate::common::private::is_private;
use crate::ui_common::{Stage, middle, pages_folder};

/// Far more than anything here takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One of them, with the kiosk.
pub struct Person {
    pub home: Home,
    pub kiosk: Kiosk,
    pub lens: Lens,
    story: &'static str,
    stage: Rc<Stage>,
    seen: Option<Screen>,
    pictures: usize,
}

impl Person {
    /// Before a kiosk that knows nobody, which is started; `more` is for the end of its twocan.toml, and
    /// the pictures of its pages are named after the `story`.
    pub fn before(home: Home, more: &str, story: &'static str, stage: &Rc<Stage>) -> Self {
        kiosk::set_program(env!("CARGO_BIN_EXE_twocan"));
        let lens = Lens::at(&home.folder.join("lens"));
        let (name, source, size) = (&home.name, lens.source(), stage.window.window().size());
        let config = format!(
            "[kiosk]\nname = '{name}'\nsize = '{}x{}'\n[camera]\nsource = '{source}'\n\
             [microphone]\ndevice = 'tone'\n[speaker]\ndevice = 'null'\n{more}",
            size.width, size.height
        );
        home.configure(&config).unwrap();
        let mut kiosk = home.start(&["kiosk", "--screen", "headless"], &[]).unwrap();
        kiosk.wait_for("the first page", LIMIT, |_| true).unwrap();
        let stage = Rc::clone(stage);
        Self { home, kiosk, lens, story, stage, seen: None, pictures: 0 }
    }

    /// What the screen shows now: a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        self.kiosk.ask(&Request::Screenshot).unwrap()
    }

    /// Wait until the kiosk draws this screen, pixel by pixel but for the time of day and what its
    /// camera sees; it is left in target/pages for people to look at.
    #[track_caller]
    pub fn sees(&mut self, screen: Screen) {
        self.stage.show(screen.clone());
        let wanted = self.stage.snapshot();
        let (wide, spared) = (wanted.size.width as usize, self.spared(&screen));
        let differs = |rgb: &[u8]| {
            let places = wanted.rgb8.chunks_exact(3).zip(rgb.chunks_exact(3)).enumerate();
            let apart = places.filter(|(place, (here, there))| {
                here != there && !spared.iter().any(|area| area.has(place % wide, place / wide))
            });
            apart.count()
        };
        let limit = Instant::now() + LIMIT;
        loop {
            let png = self.screenshot();
            let differing = differs(&pixels(&png).2);
            if differing == 0 {
                return self.keep(&screen, &png);
            }
            if Instant::now() > limit {
                self.keep(&screen, &png);
                wanted
                    .write_png(&pages_folder().join(format!("{}-wanted.png", self.story)))
                    .unwrap();
                let status = self.kiosk.status().unwrap();
                panic!(
                    "{} sees {} and not {screen:?}: {differing} pixels differ, see {}\n{}",
                    self.home.name,
                    status["page"],
                    pages_folder().display(),
                    self.kiosk.last_words()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Wait for a page that moves by itself, such as one with a picture of the other, until something is
    /// to be seen there.
    #[track_caller]
    pub fn sees_where(&mut self, page: &str, screen: Screen, seen: impl Fn(&[u8]) -> bool) {
        self.kiosk.wait_for(page, LIMIT, |status| status["page"] == page).unwrap();
        let limit = Instant::now() + LIMIT;
        loop {
            let png = self.screenshot();
            let so = seen(&png);
            if so || Instant::now() > limit {
                self.keep(&screen, &png);
                assert!(so, "{} does not see it: {}", self.home.name, pages_folder().display());
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Touch the button that is called so on the page that was seen last, as soon as it counts.
    #[track_caller]
    pub fn touches(&self, label: &str) {
        self.stage.show(self.seen.clone().expect("something is seen first"));
        let LogicalPosition { x, y, .. } = middle(&self.stage.element(label));
        // Nobody's finger is quicker, and if it is, it does not count: the page was there before.
        std::thread::sleep(SETTLE);
        self.kiosk.ask(&Request::Tap { x: x as u32, y: y as u32 }).unwrap();
    }

    /// How pairing has gone so far, as programs hear of it: for what can't be known before, such as
    /// the words.
    #[track_caller]
    pub fn hears<T>(&self, what: &str, wanted: impl Fn(&PairStep) -> Option<T>) -> T {
        let limit = Instant::now() + LIMIT;
        let mut after = 0;
        while Instant::now() < limit {
            let news = Request::PairNews { after };
            let answer = twocan::cli::remote::ask(self.kiosk.socket(), &news).unwrap().0;
            for news in answer.pairing {
                after = news.number;
                if let Some(found) = wanted(&news.step) {
                    return found;
                }
            }
        }
        panic!("{} hears of no {what}", self.home.name);
    }

    /// Nobody else can read what the kiosk has written.
    #[track_caller]
    pub fn keeps_to_itself(&self) {
        is_private(&self.home.folder.join("state"));
        is_private(&self.home.folder.join("run"));
    }

    fn keep(&mut self, screen: &Screen, png: &[u8]) {
        let page = match &screen.page {
            Page::Menu(page) => page.name(),
            Page::Home { .. } => "home",
            Page::Incoming { .. } => "incoming",
            Page::InCall { .. } => "in-call",
            _ => "page",
        };
        self.pictures += 1;
        let name = self.home.name.to_lowercase();
        let file = format!("{}-{name}-{:02}-{page}.png", self.story, self.pictures);
        std::fs::write(pages_folder().join(file), png).unwrap();
        self.seen = Some(screen.clone());
    }

    /// Where the kiosk may differ.
    fn spared(&self, screen: &Screen) -> Vec<Area> {
        let mut spared = Vec::new();
        if let Page::Home { tiles, .. } = &screen.page {
            let below = self.stage.element(tiles[0].name()).absolute_position();
            spared.push(Area { left: 0.0, top: 0.0, right: f32::MAX, bottom: below.y });
        }
        if self.stage.has("What the camera sees") {
            let preview = self.stage.element("What the camera sees");
            let (at, size) = (preview.absolute_position(), preview.size());
            let (right, bottom) = (at.x + size.width + 1.0, at.y + size.height + 1.0);
            spared.push(Area { left: at.x - 1.0, top: at.y - 1.0, right, bottom });
        }
        spared
    }
}

/// A rectangle of pixels.
struct Area {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Area {
    fn has(&self, x: usize, y: usize) -> bool {
        let (x, y) = (x as f32, y as f32);
        x >= self.left && x < self.right && y >= self.top && y < self.bottom
    }
}
