//! The core and the pages behind home: what they may know, when they are tended, and what of what they
//! ask concerns the core itself.

use chrono::{DateTime, Local};

use super::{Core, Effect};
use crate::app::facts::Meeting;
use crate::app::menu::{self, Heard, Known, Menu};
use crate::call::State;
use crate::clock::Time;
use crate::settings::Change;
use crate::ui::menu::{MenuPage, MenuTap};

impl Core {
    /// The pages behind home.
    pub fn menu(&self) -> &Menu {
        &self.menu
    }

    /// The page that stands before the people, if one does.
    pub fn menu_page(&self, now: Time, wall: DateTime<Local>) -> Option<MenuPage> {
        self.menu.page(&self.known(), now, wall)
    }

    /// What a kiosk that knows nobody has for a home.
    pub fn first_page(&self) -> MenuPage {
        Menu::home(&self.known())
    }

    fn known(&self) -> Known<'_> {
        Known {
            us: self.settings.us,
            here: self.neighbours.iter().map(|n| self.machine.is_linked(n.person.key)).collect(),
            neighbours: &self.neighbours,
            meeting: self.meeting != Meeting::None,
        }
    }

    pub(super) fn tap_menu(&mut self, tap: MenuTap, now: Time) -> Vec<Effect> {
        // A finger that was on its way when the call came means nothing any more. A page on show may be used
        // while a station that a program chose is heard; none is opened over it.
        let hears = self.hear.chosen().is_some() && !self.menu.is_open();
        if *self.machine.state() != State::Idle || hears {
            return Vec::new();
        }
        self.with_menu(|menu, known| menu.tap(tap, known, now))
    }

    pub(super) fn hear_menu(&mut self, heard: Heard, now: Time) -> Vec<Effect> {
        self.with_menu(|menu, known| menu.hear(heard, known, now))
    }

    /// After whatever has happened.
    pub(super) fn tend_menu(&mut self, now: Time) -> Vec<Effect> {
        let calm = matches!(self.machine.state(), State::Idle | State::Ended { .. });
        self.with_menu(|menu, known| menu.tend(calm, known, now))
    }

    fn with_menu(
        &mut self,
        step: impl FnOnce(&mut Menu, &Known<'_>) -> Vec<menu::Effect>,
    ) -> Vec<Effect> {
        let mut menu = std::mem::take(&mut self.menu);
        let effects = step(&mut menu, &self.known());
        self.menu = menu;
        for effect in &effects {
            if let menu::Effect::Set(Change::Quiet { hours, .. }) = effect {
                self.power.set_quiet(*hours);
            }
        }
        effects.into_iter().map(Effect::Menu).collect()
    }
}
