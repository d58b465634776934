//! The pages behind home: a [`MenuPage`] becomes properties, a tap there a [`MenuTap`].
//!
//! ```text
//!  MenuPage ──> MenuAdapter (one global for all of them) ──> the page that shows
//!  MenuTap  <── what, number <── tap(what, number) <── a finger
//! ```
//! A number from a page means a row or a letter of what is on show; one that means nothing there is
//! no tap. Rows and keys are models of which only what differs is set.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use slint::{ComponentHandle, Model, ModelRc, SharedString, VecModel};

use super::adapters::person_view;
use super::menu::{LookInRow, MenuPage, MenuTap, MissedRow, PersonRow};
use super::pages::{KeyView, KioskWindow, MenuAdapter, PageKind, PictureView, RowView, TapKind};
use super::panel::Panel;
use super::pictures;
use super::qr::QrCode;
use crate::identity::PeerKey;
use crate::pairing::{Four, PICTURES};

/// What the pages behind home show, beside plain properties.
pub(super) struct MenuView {
    panel: Panel,
    rows: Rc<VecModel<RowView>>,
    words: Rc<VecModel<SharedString>>,
    keys: Rc<VecModel<KeyView>>,
    choices: Rc<VecModel<SharedString>>,
    pictures: Rc<VecModel<PictureView>>,
    compared: Cell<Option<Four>>,
    code: RefCell<QrCode>,
}

impl MenuView {
    /// Connect `window`, laid out for `panel`.
    pub(super) fn connect(
        window: &KioskWindow,
        panel: Panel,
        tap: impl Fn(TapKind, i32) + 'static,
    ) -> Self {
        let view = Self {
            panel,
            rows: Rc::default(),
            words: Rc::default(),
            keys: Rc::default(),
            choices: Rc::default(),
            pictures: Rc::default(),
            compared: Cell::default(),
            code: RefCell::default(),
        };
        let menu = window.global::<MenuAdapter>();
        menu.set_rows(Rc::clone(&view.rows).into());
        menu.set_words(Rc::clone(&view.words).into());
        menu.set_keys(Rc::clone(&view.keys).into());
        menu.set_choices(Rc::clone(&view.choices).into());
        menu.set_pictures(ModelRc::from(Rc::clone(&view.pictures)));
        menu.on_tap(tap);
        view
    }

    /// Show `page` where `last` was.
    pub(super) fn show(&self, window: &KioskWindow, last: Option<&MenuPage>, page: &MenuPage) {
        let menu = window.global::<MenuAdapter>();
        match page {
            MenuPage::Pin { sentence, entered, enabled } => {
                menu.set_sentence(sentence.into());
                menu.set_entered((*entered).into());
                menu.set_enabled(*enabled);
            }
            MenuPage::Settings { ring_volume, brightness, quiet_hours, pin, missed } => {
                menu.set_ring_volume((*ring_volume).into());
                menu.set_brightness((*brightness).into());
                menu.set_quiet_hours(quiet_hours.into());
                menu.set_has_pin(*pin);
                menu.set_missed(i32::try_from(*missed).unwrap_or(i32::MAX));
            }
            MenuPage::QuietHours { on, from, to, exceptions } => {
                menu.set_quiet_on(*on);
                menu.set_quiet_from(from.into());
                menu.set_quiet_to(to.into());
                menu.set_sentence(exceptions.into());
            }
            MenuPage::People(list) => {
                let old = match last {
                    Some(MenuPage::People(list)) => &list.rows[..],
                    _ => &[],
                };
                self.show_rows(old, &list.rows, person_row);
                self.show_arrows(&menu, list.earlier, list.later);
            }
            MenuPage::Person { person, may_ring, in_quiet_hours, look_in, seen, forgetting } => {
                if !matches!(last, Some(MenuPage::Person { person: old, .. }) if old == person) {
                    menu.set_person(person_view(person));
                }
                menu.set_may_ring(*may_ring);
                menu.set_in_quiet_hours(*in_quiet_hours);
                menu.set_look_in(*look_in);
                menu.set_seen(seen.into());
                menu.set_forgetting(*forgetting);
            }
            MenuPage::Missed(list) => {
                let old = match last {
                    Some(MenuPage::Missed(list)) => &list.rows[..],
                    _ => &[],
                };
                self.show_rows(old, &list.rows, missed_row);
                self.show_arrows(&menu, list.earlier, list.later);
            }
            MenuPage::LookIns { list, whole } => {
                let old = match last {
                    Some(MenuPage::LookIns { list, .. }) => &list.rows[..],
                    _ => &[],
                };
                self.show_rows(old, &list.rows, look_in_row);
                self.show_arrows(&menu, list.earlier, list.later);
                menu.set_whole(*whole);
            }
            MenuPage::Add { meeting, first } => {
                menu.set_meeting(*meeting);
                menu.set_first(*first);
            }
            MenuPage::Scan { code, sentence, got } => {
                menu.set_code(self.code.borrow_mut().of(code));
                menu.set_sentence(sentence.into());
                menu.set_got(got.as_deref().unwrap_or_default().into());
            }
            MenuPage::Words { words, sentence } => {
                show_words(&self.words, words);
                menu.set_sentence(sentence.into());
            }
            MenuPage::EnterWords { words, letters, next, choices, sentence } => {
                show_words(&self.words, words);
                show_words(&self.choices, choices);
                self.show_keys(*next);
                menu.set_letters(letters.into());
                menu.set_sentence(sentence.into());
            }
            MenuPage::Working { sentence } => menu.set_sentence(sentence.into()),
            MenuPage::Compare { name, four, waiting } => {
                menu.set_name(name.into());
                self.show_pictures(*four);
                menu.set_waiting(*waiting);
            }
            MenuPage::Result { sentence, good, again } => {
                menu.set_sentence(sentence.into());
                menu.set_good(*good);
                menu.set_again(*again);
            }
        }
    }

    fn show_arrows(&self, menu: &MenuAdapter<'_>, earlier: bool, later: bool) {
        menu.set_earlier(earlier);
        menu.set_later(later);
    }

    /// `old` is what the rows show; empty when that was another list.
    fn show_rows<T: PartialEq>(&self, old: &[T], new: &[T], view: impl Fn(&T) -> RowView) {
        let comparable = old.len() == self.rows.row_count();
        for (place, row) in new.iter().enumerate() {
            if place >= self.rows.row_count() {
                self.rows.push(view(row));
            } else if !comparable || old.get(place) != Some(row) {
                self.rows.set_row_data(place, view(row));
            }
        }
        while self.rows.row_count() > new.len() {
            self.rows.remove(self.rows.row_count() - 1);
        }
    }

    fn show_keys(&self, next: u32) {
        for (place, letter) in ('a'..='z').enumerate() {
            let key =
                KeyView { letter: letter.to_string().into(), enabled: next >> place & 1 == 1 };
            match self.keys.row_data(place) {
                None => self.keys.push(key),
                Some(old) if old != key => self.keys.set_row_data(place, key),
                Some(_) => {}
            }
        }
    }

    fn show_pictures(&self, four: Four) {
        if self.compared.replace(Some(four)) != Some(four) {
            self.pictures.set_vec(four.map(|place| PictureView {
                name: PICTURES.get(usize::from(place)).copied().unwrap_or_default().into(),
                image: pictures::picture(place, self.panel),
            }));
        }
    }
}

fn show_words(model: &VecModel<SharedString>, words: &[String]) {
    let same =
        model.row_count() == words.len() && model.iter().zip(words).all(|(old, new)| old == new);
    if !same {
        model.set_vec(words.iter().map(SharedString::from).collect::<Vec<_>>());
    }
}

fn person_row(row: &PersonRow) -> RowView {
    RowView {
        person: person_view(&row.person),
        has_person: true,
        title: row.person.name.as_str().into(),
        line: row.seen.as_str().into(),
        good: row.reachable,
    }
}

fn missed_row(row: &MissedRow) -> RowView {
    RowView {
        person: person_view(&row.person),
        has_person: true,
        title: row.person.name.as_str().into(),
        line: row.when.as_str().into(),
        good: false,
    }
}

fn look_in_row(row: &LookInRow) -> RowView {
    RowView {
        title: row.name.as_str().into(),
        line: format!("{}, {}", row.when, row.how).into(),
        ..RowView::default()
    }
}

/// Which page shows it.
pub(super) fn kind(page: &MenuPage) -> PageKind {
    match page {
        MenuPage::Pin { .. } => PageKind::Pin,
        MenuPage::Settings { .. } => PageKind::Settings,
        MenuPage::QuietHours { .. } => PageKind::QuietHours,
        MenuPage::People(_) => PageKind::People,
        MenuPage::Person { .. } => PageKind::Person,
        MenuPage::Missed(_) => PageKind::Missed,
        MenuPage::LookIns { .. } => PageKind::LookIns,
        MenuPage::Add { .. } => PageKind::Add,
        MenuPage::Scan { .. } => PageKind::Scan,
        MenuPage::Words { .. } => PageKind::Words,
        MenuPage::EnterWords { .. } => PageKind::EnterWords,
        MenuPage::Working { .. } => PageKind::Working,
        MenuPage::Compare { .. } => PageKind::Compare,
        MenuPage::Result { .. } => PageKind::Result,
    }
}

/// Whom a page is about to a finger: a double tap on an arrow turns one page of people.
pub(super) fn about(page: &MenuPage) -> Option<PeerKey> {
    match page {
        MenuPage::People(list) => list.rows.first().map(|row| row.person.key),
        MenuPage::Missed(list) => list.rows.first().map(|row| row.person.key),
        MenuPage::Person { person, .. } => Some(person.key),
        _ => None,
    }
}

/// A button of this page means something else now, in the same place: a double tap must not say both.
pub(super) fn asks_again(page: &MenuPage) -> bool {
    matches!(page, MenuPage::Person { forgetting: true, .. } | MenuPage::Add { first: true, .. })
}

/// What was said by a tap on `page`; None: what is not on it.
pub(super) fn meaning(what: TapKind, number: i32, page: &MenuPage) -> Option<MenuTap> {
    let step = if number < 0 { -1 } else { 1 };
    Some(match what {
        TapKind::Back => MenuTap::Back,
        TapKind::Close => MenuTap::Close,
        TapKind::Digit => MenuTap::Digit(u8::try_from(number).ok().filter(|digit| *digit < 10)?),
        TapKind::Erase => MenuTap::Erase,
        TapKind::Enter => MenuTap::Enter,
        TapKind::RingVolume => MenuTap::RingVolume(step),
        TapKind::TryRing => MenuTap::TryRing,
        TapKind::Brightness => MenuTap::Brightness(step),
        TapKind::QuietHours => MenuTap::QuietHours,
        TapKind::QuietOnOff => MenuTap::QuietOnOff,
        TapKind::QuietFrom => MenuTap::QuietFrom(step),
        TapKind::QuietTo => MenuTap::QuietTo(step),
        TapKind::Pin => MenuTap::Pin,
        TapKind::People => MenuTap::People,
        TapKind::Person => {
            let MenuPage::People(list) = page else { return None };
            MenuTap::Person(list.rows.get(usize::try_from(number).ok()?)?.person.key)
        }
        TapKind::MayRing => MenuTap::MayRing,
        TapKind::InQuietHours => MenuTap::InQuietHours,
        TapKind::LookIn => MenuTap::LookIn,
        TapKind::Forget => MenuTap::Forget,
        TapKind::Missed => MenuTap::Missed,
        TapKind::LookIns => MenuTap::LookIns,
        TapKind::Earlier => MenuTap::Earlier,
        TapKind::Later => MenuTap::Later,
        TapKind::Add => MenuTap::Add,
        TapKind::SameRoom => MenuTap::SameRoom,
        TapKind::ShowWords => MenuTap::ShowWords,
        TapKind::EnterWords => MenuTap::EnterWords,
        TapKind::RelayCode => MenuTap::RelayCode,
        TapKind::Letter => {
            let place = u8::try_from(number).ok().filter(|place| *place < 26)?;
            MenuTap::Letter(char::from(b'a' + place))
        }
        TapKind::Choice => {
            let MenuPage::EnterWords { choices, .. } = page else { return None };
            let place = usize::try_from(number).ok().filter(|place| *place < choices.len())?;
            MenuTap::Choice(u8::try_from(place).ok()?)
        }
        TapKind::Next => MenuTap::Next,
        TapKind::Same => MenuTap::Same,
        TapKind::NotSame => MenuTap::NotSame,
        TapKind::Again => MenuTap::Again,
    })
}
