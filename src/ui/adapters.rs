//! Screen in, Command out: the published [`Screen`] becomes properties, a tap becomes a [`Command`].
//!
//! One `connect` and pure map functions. A Screen equal to the last one touches nothing, and within
//! a page only what differs is set, so that nothing is drawn again without need.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use slint::{ComponentHandle, Image, Model, Rgb8Pixel, SharedPixelBuffer, VecModel};

use super::menu::MenuTap;
use super::menu_adapter::{self, MenuView};
use super::pages::{
    CallingAdapter, EndedAdapter, FaultAdapter, HearingAdapter, HomeAdapter, InCallAdapter,
    IncomingAdapter, KioskWindow, LineKind, PageKind, PanelAdapter, PersonView, TapKind, TileView,
};
use super::panel::Panel;
use super::properties;
use super::screen::{
    Command, Levels, Light, Line, Page, Person, Photo, Screen, Strip, Subject, Tile,
};
use super::tap_guard::TapGuard;
use crate::clock::Time;
use crate::frame::PixelFormat;
use crate::identity::PeerKey;

/// As many tiles as a page has room for.
const MOST_TILES: usize = 6;

/// Joins one window with what is published and what is tapped. Lives in the window's thread.
pub struct Adapters {
    window: slint::Weak<KioskWindow>,
    shown: RefCell<Option<Screen>>,
    tiles: Rc<VecModel<TileView>>,
    menu: MenuView,
    guard: Cell<TapGuard>,
    commands: Box<dyn Fn(Command)>,
    clock: Box<dyn Fn() -> Time>,
}

impl Adapters {
    /// Connect `window`: lay it out for `panel`, and report taps to `commands`. `clock` tells when
    /// a tap or a change of page is.
    pub fn connect(
        window: &KioskWindow,
        panel: Panel,
        commands: impl Fn(Command) + 'static,
        clock: impl Fn() -> Time + 'static,
    ) -> Rc<Self> {
        let adapters = Rc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            let menu = MenuView::connect(window, panel, move |what, number| {
                if let Some(adapters) = weak.upgrade() {
                    adapters.tapped_in_menu(what, number);
                }
            });
            Self {
                window: window.as_weak(),
                shown: RefCell::default(),
                tiles: Rc::default(),
                menu,
                guard: Cell::default(),
                commands: Box::new(commands),
                clock: Box::new(clock),
            }
        });
        properties::lay_out(window, panel);
        window.global::<HomeAdapter>().set_tiles(Rc::clone(&adapters.tiles).into());
        adapters.listen(window);
        adapters
    }

    fn listen(self: &Rc<Self>, window: &KioskWindow) {
        let home = window.global::<HomeAdapter>();
        let weak = Rc::downgrade(self);
        home.on_dial(move |index| {
            if let Some(adapters) = weak.upgrade()
                && let Some(command) = adapters.command_of_tile(index)
            {
                adapters.tapped(command);
            }
        });
        let weak = Rc::downgrade(self);
        home.on_clock_held(move || {
            if let Some(adapters) = weak.upgrade() {
                adapters.clock_held();
            }
        });
        home.on_earlier_tiles(self.taps(Command::EarlierTiles));
        home.on_later_tiles(self.taps(Command::LaterTiles));
        window.global::<CallingAdapter>().on_stop(self.taps(Command::Cancel));
        let incoming = window.global::<IncomingAdapter>();
        incoming.on_answer(self.taps(Command::Answer));
        incoming.on_not_now(self.taps(Command::Decline));
        let in_call = window.global::<InCallAdapter>();
        in_call.on_louder(self.taps(Command::Louder));
        in_call.on_quieter(self.taps(Command::Quieter));
        in_call.on_hide(self.taps(Command::Hide));
        in_call.on_hang_up(self.taps(Command::HangUp));
        let hearing = window.global::<HearingAdapter>();
        hearing.on_louder(self.taps(Command::Louder));
        hearing.on_quieter(self.taps(Command::Quieter));
        hearing.on_stop(self.taps(Command::StopHearing));
        window.global::<EndedAdapter>().on_home(self.taps(Command::Home));
        window.global::<FaultAdapter>().on_home(self.taps(Command::Home));
        let panel = window.global::<PanelAdapter>();
        panel.on_touched(self.says(Command::Touched));
        panel.on_wake(self.says(Command::Wake));
    }

    /// That somebody is there counts however new the page is.
    fn says(self: &Rc<Self>, command: Command) -> impl FnMut() + 'static {
        let weak: Weak<Self> = Rc::downgrade(self);
        move || {
            if let Some(adapters) = weak.upgrade() {
                (adapters.commands)(command);
            }
        }
    }

    fn taps(self: &Rc<Self>, command: Command) -> impl FnMut() + 'static {
        let weak: Weak<Self> = Rc::downgrade(self);
        move || {
            if let Some(adapters) = weak.upgrade() {
                adapters.tapped(command);
            }
        }
    }

    fn tapped(&self, command: Command) {
        if self.guard.get().allows((self.clock)()) {
            (self.commands)(command);
        } else {
            tracing::debug!("ignored a tap right after a change of page: {command:?}");
        }
    }

    /// A finger may still be on the clock when another page has come and is not drawn yet.
    fn clock_held(&self) {
        let at_home =
            self.shown.borrow().as_ref().is_some_and(|shown| place(shown).0 == PageKind::Home);
        if at_home {
            self.tapped(Command::Menu(MenuTap::Open));
        }
    }

    fn tapped_in_menu(&self, what: TapKind, number: i32) {
        let tap = match self.shown.borrow().as_ref() {
            Some(Screen { page: Page::Menu(page), light: Light::Bright | Light::Dim, .. }) => {
                menu_adapter::meaning(what, number, page)
            }
            _ => None,
        };
        if let Some(tap) = tap {
            self.tapped(Command::Menu(tap));
        }
    }

    fn command_of_tile(&self, index: i32) -> Option<Command> {
        let shown = self.shown.borrow();
        let Page::Home { tiles, .. } = &shown.as_ref()?.page else { return None };
        Some(tiles.get(usize::try_from(index).ok()?)?.command())
    }

    /// Show `screen`. Nothing happens when it is on show already.
    pub fn publish(&self, screen: Screen) {
        let Some(window) = self.window.upgrade() else { return };
        let shown = self.shown.replace(None);
        let last = shown.as_ref();
        if last.is_none_or(|last| last.strip != screen.strip) {
            show_strip(&window, &screen.strip);
        }
        if last.is_none_or(|last| last.page != screen.page) {
            self.show_page(&window, last.map(|last| &last.page), &screen.page);
        }
        if last.is_none_or(|last| place(last) != place(&screen)) {
            let mut guard = self.guard.get();
            guard.page_changed((self.clock)());
            self.guard.set(guard);
            window.global::<PanelAdapter>().set_page(place(&screen).0);
        }
        self.shown.replace(Some(screen));
    }

    fn show_page(&self, window: &KioskWindow, last: Option<&Page>, page: &Page) {
        match page {
            Page::Home { tiles, earlier, later } => {
                let old: &[Tile] = match last {
                    Some(Page::Home { tiles, .. }) => tiles,
                    _ => &[],
                };
                self.show_tiles(old, tiles);
                let home = window.global::<HomeAdapter>();
                home.set_earlier(*earlier);
                home.set_later(*later);
            }
            Page::Calling { person, sentence, stoppable } => {
                let calling = window.global::<CallingAdapter>();
                if person_of(last) != Some(person) {
                    calling.set_person(person_view(person));
                }
                calling.set_sentence(sentence.into());
                calling.set_stoppable(*stoppable);
            }
            Page::Incoming { person, appears_in } => {
                let incoming = window.global::<IncomingAdapter>();
                if !matches!(last, Some(Page::Incoming { person: old, .. }) if old == person) {
                    incoming.set_person(person_view(person));
                }
                incoming.set_appears_in(appears_in.map_or(-1, i32::from));
            }
            Page::InCall {
                person,
                duration,
                line,
                hidden,
                peer_hidden,
                no_picture,
                notice,
                volume,
                self_view,
                levels,
                open,
                frosted,
            } => {
                let in_call = window.global::<InCallAdapter>();
                if !matches!(last, Some(Page::InCall { person: old, .. }) if old == person) {
                    in_call.set_person(person_view(person));
                }
                in_call.set_minutes(i32::try_from(duration.as_secs() / 60).unwrap_or(i32::MAX));
                in_call.set_line(line_kind(*line));
                in_call.set_hidden(*hidden);
                in_call.set_peer_hidden(*peer_hidden);
                in_call.set_no_picture(no_picture.as_deref().unwrap_or_default().into());
                in_call.set_notice(notice.as_deref().unwrap_or_default().into());
                in_call.set_volume(i32::from((*volume).min(10)));
                in_call.set_our_level(i32::from(levels.ours.min(Levels::MOST)));
                in_call.set_their_level(i32::from(levels.theirs.min(Levels::MOST)));
                in_call.set_self_view(*self_view);
                in_call.set_camera_open(open.camera);
                in_call.set_microphone_open(open.microphone);
                in_call.set_frosted(*frosted);
            }
            Page::Ended { person, duration, sentence } => {
                let ended = window.global::<EndedAdapter>();
                ended.set_person(person_view(person));
                ended.set_duration(duration.into());
                ended.set_sentence(sentence.into());
            }
            Page::Hearing { station, sentence, live, volume } => {
                let hearing = window.global::<HearingAdapter>();
                hearing.set_name(station.name.as_str().into());
                hearing.set_sentence(sentence.into());
                hearing.set_live(*live);
                hearing.set_volume(i32::from((*volume).min(10)));
            }
            Page::Fault { sentence, helper, works } => {
                let fault = window.global::<FaultAdapter>();
                fault.set_sentence(sentence.into());
                fault.set_helper(helper.into());
                fault.set_works(works.into());
            }
            Page::Menu(page) => {
                let last = match last {
                    Some(Page::Menu(last)) => Some(last),
                    _ => None,
                };
                self.menu.show(window, last, page);
            }
        }
    }

    /// Change the rows that differ; the model keeps what the home page showed last.
    fn show_tiles(&self, old: &[Tile], new: &[Tile]) {
        let new = &new[..new.len().min(MOST_TILES)];
        let comparable = old.len() == self.tiles.row_count();
        for (row, tile) in new.iter().enumerate() {
            if row >= self.tiles.row_count() {
                self.tiles.push(tile_view(tile));
            } else if !comparable || old.get(row) != Some(tile) {
                self.tiles.set_row_data(row, tile_view(tile));
            }
        }
        while self.tiles.row_count() > new.len() {
            self.tiles.remove(self.tiles.row_count() - 1);
        }
    }
}

fn show_strip(window: &KioskWindow, strip: &Strip) {
    let home = window.global::<HomeAdapter>();
    home.set_clock(strip.clock.as_str().into());
    home.set_day(strip.day.as_str().into());
    home.set_link(strip.link.as_str().into());
    home.set_connected(strip.connected);
}

/// What makes two pages different ones to a finger: the kind, and whom it is about; at home the
/// first tile, so that a double tap on an arrow turns one page of tiles. In the dark all are one.
fn place(screen: &Screen) -> (PageKind, Option<PeerKey>, usize) {
    let (kind, about) = match &screen.page {
        _ if screen.light == Light::Dark => (PageKind::Dark, None),
        Page::Home { tiles, .. } => match tiles.first().map(|tile| &tile.subject) {
            Some(Subject::Person(person)) => (PageKind::Home, Some(person.key)),
            Some(Subject::Station(station)) => return (PageKind::Home, None, station.id.0),
            None => (PageKind::Home, None),
        },
        Page::Hearing { station, .. } => return (PageKind::Hearing, None, station.id.0),
        Page::Calling { person, .. } => (PageKind::Calling, Some(person.key)),
        Page::Incoming { person, .. } => (PageKind::Incoming, Some(person.key)),
        Page::InCall { person, .. } => (PageKind::InCall, Some(person.key)),
        Page::Ended { person, .. } => (PageKind::Ended, Some(person.key)),
        Page::Fault { .. } => (PageKind::Fault, None),
        Page::Menu(page) => {
            let asks_again = usize::from(menu_adapter::asks_again(page));
            return (menu_adapter::kind(page), menu_adapter::about(page), asks_again);
        }
    };
    (kind, about, 0)
}

fn person_of(page: Option<&Page>) -> Option<&Person> {
    match page? {
        Page::Calling { person, .. } => Some(person),
        _ => None,
    }
}

fn line_kind(line: Line) -> LineKind {
    match line {
        Line::Good => LineKind::Good,
        Line::Slow => LineKind::Slow,
        Line::Stills => LineKind::Stills,
        Line::VoiceOnly => LineKind::VoiceOnly,
        Line::Reconnecting => LineKind::Reconnecting,
    }
}

fn tile_view(tile: &Tile) -> TileView {
    let (person, station) = match &tile.subject {
        Subject::Person(person) => (person_view(person), false),
        Subject::Station(station) => {
            (PersonView { name: station.name.as_str().into(), ..PersonView::default() }, true)
        }
    };
    TileView {
        person,
        station,
        reachable: tile.reachable,
        state: tile.state.as_str().into(),
        missed: tile.missed.as_deref().unwrap_or_default().into(),
    }
}

pub(super) fn person_view(person: &Person) -> PersonView {
    let photo = person.photo.as_ref().and_then(photo_image);
    PersonView {
        name: person.name.as_str().into(),
        initial: initial(&person.name).into(),
        has_photo: photo.is_some(),
        photo: photo.unwrap_or_default(),
        color: person_color(person.key),
    }
}

fn initial(name: &str) -> String {
    name.trim()
        .chars()
        .next()
        .map_or_else(|| "?".to_owned(), |first| first.to_uppercase().collect())
}

/// None for a photo that is not whole RGB pixels: the initial is drawn instead.
fn photo_image(photo: &Photo) -> Option<Image> {
    let picture = &photo.0;
    let whole = picture.format == PixelFormat::Rgb8
        && picture.size.pixels() > 0
        && picture.data.len() == picture.size.pixels() * 3;
    whole.then(|| {
        let buffer = SharedPixelBuffer::<Rgb8Pixel>::clone_from_slice(
            &picture.data,
            picture.size.width,
            picture.size.height,
        );
        Image::from_rgb8(buffer)
    })
}

/// Grounds on which white letters have a contrast of 7:1 or more.
const COLORS: [(u8, u8, u8); 8] = [
    (0x1f, 0x4f, 0x8a),
    (0x14, 0x5c, 0x4c),
    (0x5b, 0x3a, 0x9e),
    (0x8a, 0x3a, 0x10),
    (0x7a, 0x1f, 0x4f),
    (0x3d, 0x5a, 0x12),
    (0x8a, 0x24, 0x35),
    (0x34, 0x50, 0x66),
];

/// The colour of a person without a photo: the same on every kiosk, since it is the key's.
pub fn person_color(key: PeerKey) -> slint::Color {
    // FNV-1a: near keys get far colours.
    let mix = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(16_777_619);
    let sum = key.0.iter().fold(2_166_136_261, mix);
    let (red, green, blue) = COLORS[(sum >> 16) as usize % COLORS.len()];
    slint::Color::from_rgb_u8(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance((red, green, blue): (u8, u8, u8)) -> f64 {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn contrast(one: (u8, u8, u8), other: (u8, u8, u8)) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn white_letters_stand_out_seven_to_one_on_every_persons_colour() {
        for color in COLORS {
            let contrast = contrast((255, 255, 255), color);
            assert!(contrast >= 7.0, "{color:?} has {contrast:.2}");
        }
    }

    #[test]
    fn the_letter_and_the_ground_of_every_pair_in_the_theme_stand_out_seven_to_one() {
        let theme = include_str!("../../ui/theme.slint");
        let color = |name: &str| {
            let start = format!("<color> {name}: #");
            let at = theme.find(&start).unwrap_or_else(|| panic!("no colour {name}")) + start.len();
            let byte =
                |offset| u8::from_str_radix(&theme[at + offset..at + offset + 2], 16).unwrap();
            (byte(0), byte(2), byte(4))
        };
        for (letters, ground) in [
            ("ink", "paper"),
            ("ink", "paper-ringing"),
            ("ink", "amber"),
            ("ink", "dull-band"),
            ("ink", "good-bright"),
            ("ink-soft", "dull"),
            ("white", "ink"),
            ("white", "good"),
            ("white", "bad"),
            ("white", "grey"),
            ("white", "night"),
            ("white", "night-raised"),
            ("good", "paper"),
            ("bad", "paper"),
            ("good-bright", "night"),
            ("amber", "night"),
        ] {
            let contrast = contrast(color(letters), color(ground));
            assert!(contrast >= 7.0, "{letters} on {ground} has {contrast:.2}");
        }
    }

    #[test]
    fn a_photo_whose_bytes_do_not_fit_its_size_is_not_drawn() {
        let picture = crate::frame::Picture {
            size: crate::frame::Size::new(4, 4),
            format: PixelFormat::Rgb8,
            data: vec![0; 47],
            ..Default::default()
        };
        assert!(photo_image(&Photo(std::sync::Arc::new(picture))).is_none());
    }

    #[test]
    fn the_initial_is_the_first_letter_large_or_a_question_mark() {
        assert_eq!(initial(" élise"), "É");
        assert_eq!(initial(""), "?");
    }
}
