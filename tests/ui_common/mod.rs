//! Screens to show, and a window of the testing backend to show them in: no display, real pixels.
#![allow(dead_code, unreachable_pub)]

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use i_slint_backend_testing::{
    AccessibleRole, ElementHandle, ElementQuery, TestingBackend, TestingBackendOptions,
};
use slint::platform::WindowEvent;
use slint::{ComponentHandle, Image, LogicalPosition, PhysicalSize, Rgb8Pixel, SharedPixelBuffer};
use twocan::clock::Time;
use twocan::frame::{Picture, PixelFormat, Size};
use twocan::identity::PeerKey;
use twocan::ui::adapters::Adapters;
use twocan::ui::pages::KioskWindow;
use twocan::ui::panel::Panel;
use twocan::ui::screen::{
    Command, Levels, Light, Line, Open, Page, Person, Photo, Screen, Station, StationId, Strip,
    Subject, Tile,
};
use twocan::ui::{Snapshot, Ui, UiHandle};

pub mod checks;
pub mod menu;

/// As long as names get.
pub const LONG_NAME: &str = "Prof. Dr. Maximiliane Oberhuber-Weißenfels";

pub const PANELS: [(&str, Panel); 2] =
    [("800x480", Panel::SEVEN_INCH), ("720x1280", Panel::PORTRAIT)];

/// Longer than anything takes on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(20);

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn key(number: u8) -> PeerKey {
    PeerKey([number; 32])
}

pub fn person(number: u8, name: &str) -> Person {
    Person { key: key(number), name: name.to_owned(), photo: None }
}

/// A photo: blue sky, green meadow, a face in the middle.
pub fn photo() -> Photo {
    let size = Size::new(320, 240);
    let mut data = Vec::with_capacity(size.pixels() * 3);
    for y in 0..240_i32 {
        for x in 0..320_i32 {
            let (dx, dy) = (x - 160, y - 120);
            let pixel = if dx * dx + dy * dy < 70 * 70 {
                [0xf0, 0xc0, 0x98]
            } else if y < 150 {
                [0x60, 0xa8, 0xe8]
            } else {
                [0x40, 0x90, 0x40]
            };
            data.extend_from_slice(&pixel);
        }
    }
    Photo(Arc::new(Picture { captured: Time::default(), size, format: PixelFormat::Rgb8, data }))
}

pub fn moving_picture(width: u32, height: u32) -> Image {
    let mut buffer = SharedPixelBuffer::<Rgb8Pixel>::new(width, height);
    for (at, pixel) in buffer.make_mut_slice().iter_mut().enumerate() {
        let (x, y) = (at as u32 % width, at as u32 / width);
        let right = x >= width / 2;
        let lower = y >= height / 2;
        *pixel = match (right, lower) {
            (false, false) => Rgb8Pixel::new(200, 40, 40),
            (true, false) => Rgb8Pixel::new(40, 200, 40),
            (false, true) => Rgb8Pixel::new(40, 40, 200),
            (true, true) => Rgb8Pixel::new(200, 200, 40),
        };
    }
    Image::from_rgb8(buffer)
}

pub fn with_photo(number: u8, name: &str) -> Person {
    Person { photo: Some(photo()), ..person(number, name) }
}

pub fn tile(person: Person, reachable: bool, missed: Option<&str>) -> Tile {
    let state = if reachable { "Touch to call" } else { "not at home" }.to_owned();
    let subject = Subject::Person(person);
    Tile { subject, reachable, state, missed: missed.map(str::to_owned) }
}

pub fn station(place: usize, name: &str) -> Station {
    Station { id: StationId(place), name: name.to_owned() }
}

pub fn station_tile(place: usize, name: &str, reachable: bool) -> Tile {
    let state = if reachable { "Touch to listen" } else { "quiet now" }.to_owned();
    Tile { subject: Subject::Station(station(place, name)), reachable, state, missed: None }
}

pub fn hearing(name: &str, sentence: &str, live: bool) -> Screen {
    let (station, sentence) = (station(0, name), sentence.to_owned());
    screen(Page::Hearing { station, sentence, live, volume: 6 })
}

pub fn strip() -> Strip {
    Strip {
        clock: "14:05".to_owned(),
        day: "Saturday afternoon".to_owned(),
        link: "Connected".to_owned(),
        connected: true,
    }
}

pub fn screen(page: Page) -> Screen {
    Screen { strip: strip(), page, light: Light::Bright }
}

/// The same screen with nobody there.
pub fn dark(screen: Screen) -> Screen {
    Screen { light: Light::Dark, ..screen }
}

pub fn home(tiles: Vec<Tile>) -> Screen {
    screen(Page::Home { tiles, earlier: false, later: false })
}

pub fn two_people() -> Screen {
    home(vec![tile(person(1, "Anna"), true, None), tile(person(2, "Grandma Rose"), true, None)])
}

pub fn six_people() -> Vec<Tile> {
    vec![
        tile(person(1, "Anna"), true, None),
        tile(with_photo(2, "Grandma Rose"), true, None),
        tile(person(3, "Ben"), false, None),
        tile(person(4, "Clara"), true, Some("called 14:10")),
        tile(with_photo(5, "Dieter"), false, Some("called 9:32")),
        tile(person(6, "Edith"), true, None),
    ]
}

pub fn calling() -> Screen {
    screen(Page::Calling {
        person: person(1, "Anna"),
        sentence: "Calling Anna…".to_owned(),
        stoppable: true,
    })
}

pub fn not_answered() -> Screen {
    screen(Page::Calling {
        person: with_photo(2, "Grandma Rose"),
        sentence: "Grandma Rose did not answer. We told her you called.".to_owned(),
        stoppable: false,
    })
}

pub fn incoming() -> Screen {
    screen(Page::Incoming { person: with_photo(1, "Anna"), appears_in: None })
}

pub fn in_call_page() -> Page {
    Page::InCall {
        person: person(1, "Anna"),
        duration: Duration::from_secs(5 * 60 + 20),
        line: Line::Good,
        levels: Levels::default(),
        hidden: false,
        peer_hidden: false,
        no_picture: None,
        notice: None,
        volume: 6,
        self_view: true,
        open: Open { camera: true, microphone: true },
        frosted: false,
    }
}

pub fn in_call() -> Screen {
    screen(in_call_page())
}

/// The same call with something changed.
pub fn in_call_with(change: impl FnOnce(&mut Page)) -> Screen {
    let mut page = in_call_page();
    change(&mut page);
    screen(page)
}

pub fn ended() -> Screen {
    screen(Page::Ended {
        person: person(1, "Anna"),
        duration: "You talked for 5 minutes.".to_owned(),
        sentence: "Anna hung up.".to_owned(),
    })
}

pub fn fault() -> Screen {
    screen(Page::Fault {
        sentence: "The meeting point does not look like itself any more.".to_owned(),
        helper: "Anna".to_owned(),
        works: "People in your house can still call you.".to_owned(),
    })
}

/// A window of the testing backend, connected; what was tapped; a clock that the test moves.
pub struct Stage {
    pub window: KioskWindow,
    pub adapters: Rc<Adapters>,
    pub commands: Rc<RefCell<Vec<Command>>>,
    pub now: Rc<Cell<Time>>,
}

impl Stage {
    pub fn new(panel: Panel) -> Self {
        let backend = TestingBackend::new(TestingBackendOptions {
            mock_time: true,
            threading: false,
            renderer_name: Some("software".into()),
        });
        slint::platform::set_platform(Box::new(backend)).expect("one platform in a test's thread");
        let window = KioskWindow::new().expect("the testing backend always has a window");
        let commands: Rc<RefCell<Vec<Command>>> = Rc::default();
        let now = Rc::new(Cell::new(Time::from_micros(1_000_000)));
        let (heard, clock) = (Rc::clone(&commands), Rc::clone(&now));
        let adapters = Adapters::connect(
            &window,
            panel,
            move |command| heard.borrow_mut().push(command),
            move || clock.get(),
        );
        window.show().expect("the testing backend always shows");
        window.window().set_size(PhysicalSize::new(panel.size.width, panel.size.height));
        Self { window, adapters, commands, now }
    }

    /// Show `screen` and let the page settle, so that the next tap counts.
    pub fn show(&self, screen: Screen) {
        self.adapters.publish(screen);
        self.pass(Duration::from_secs(1));
    }

    pub fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
        i_slint_backend_testing::mock_elapsed_time(time);
    }

    pub fn snapshot(&self) -> Snapshot {
        let pixels = self.window.window().take_snapshot().expect("the software renderer draws");
        let rgb8 = pixels.as_slice().iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
        Snapshot { size: Size::new(pixels.width(), pixels.height()), rgb8 }
    }

    /// The one element on show with this label.
    pub fn element(&self, label: &str) -> ElementHandle {
        let found = self.labelled(label);
        assert_eq!(found.len(), 1, "elements labelled `{label}`");
        found.into_iter().next().expect("there is one")
    }

    pub fn has(&self, label: &str) -> bool {
        !self.labelled(label).is_empty()
    }

    fn labelled(&self, label: &str) -> Vec<ElementHandle> {
        let found = ElementHandle::find_by_accessible_label(&self.window, label);
        distinct(found.filter(|one| one.accessible_role() != Some(AccessibleRole::None)).collect())
    }

    /// Every element on show with this role.
    pub fn with_role(&self, role: AccessibleRole) -> Vec<ElementHandle> {
        let query = ElementQuery::from_root(&self.window).match_descendants();
        distinct(query.match_accessible_role(role).find_all())
    }

    /// Touch the middle of the element that is labelled so, where it is on the screen.
    pub fn tap(&self, label: &str) {
        let middle = middle(&self.element(label));
        self.press(middle);
        self.release(middle);
    }

    pub fn move_to(&self, position: LogicalPosition) {
        self.window.window().dispatch_event(WindowEvent::PointerMoved { position });
    }

    pub fn press(&self, position: LogicalPosition) {
        let button = slint::platform::PointerEventButton::Left;
        self.window.window().dispatch_event(WindowEvent::PointerMoved { position });
        self.window.window().dispatch_event(WindowEvent::PointerPressed { position, button });
    }

    pub fn release(&self, position: LogicalPosition) {
        let button = slint::platform::PointerEventButton::Left;
        self.window.window().dispatch_event(WindowEvent::PointerMoved { position });
        self.window.window().dispatch_event(WindowEvent::PointerReleased { position, button });
    }

    pub fn heard(&self) -> Vec<Command> {
        self.commands.take()
    }
}

/// Run `ui` in this thread while another tells `story`, from the first frame on.
pub fn run_beside(mut ui: Ui, story: impl FnOnce(&UiHandle) + Send + 'static) {
    let (first, first_frame) = mpsc::channel();
    ui.on_first_frame(move |now| {
        let _ = first.send(now);
    });
    let handle = ui.handle();
    let story = std::thread::Builder::new()
        .name("story".to_owned())
        .spawn(move || {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let limit = Duration::from_secs(30);
                first_frame.recv_timeout(limit).expect("the first frame is drawn");
                story(&handle);
            }));
            handle.quit();
            ended
        })
        .expect("a thread starts");
    ui.run().expect("the loop ends when it is told to");
    story.join().expect("the story was told").expect("the story came true");
}

pub fn middle(element: &ElementHandle) -> LogicalPosition {
    let (at, size) = (element.absolute_position(), element.size());
    LogicalPosition::new(at.x + size.width / 2.0, at.y + size.height / 2.0)
}

/// A component's root is found twice, as itself and as the element that it is used for.
fn distinct(found: Vec<ElementHandle>) -> Vec<ElementHandle> {
    let place = |one: &ElementHandle| (one.absolute_position(), one.size(), one.accessible_label());
    let mut distinct: Vec<ElementHandle> = Vec::new();
    for one in found {
        if !distinct.iter().any(|known| place(known) == place(&one)) {
            distinct.push(one);
        }
    }
    distinct
}

/// Where the pictures of the pages are left for people to look at.
pub fn pages_folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("pages");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}
