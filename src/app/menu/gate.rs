//! The PIN on the way in, and the choice of one.
//!
//! ```text
//!  Gate:    digits ── OK ──> looked at elsewhere ──> right: in │ wrong: again, after the wait
//!  NewPin:  digits ── OK ──> once more ── the same ──> kept │ others: from the beginning
//!           none of them where there is a PIN: it is taken away
//! ```

use super::known::{Effect, Facts};
use super::{Go, Goal, Out, words};
use crate::clock::Time;
use crate::pin::{Digits, Guard, Tried};
use crate::ui::menu::{MenuPage, MenuTap};

/// The page that asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gate {
    goal: Goal,
    digits: Digits,
    /// It is being looked at.
    busy: bool,
    /// Something else than the first try is to be said.
    said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    Ask,
    Wrong,
    Failed,
}

impl Gate {
    /// What stands before `goal`; none: nothing does.
    pub(super) fn before(facts: &Facts, goal: Goal) -> Option<Self> {
        let gate = Self { goal, digits: Digits::default(), busy: false, said: Said::Ask };
        (facts.guard != Guard::Open).then_some(gate)
    }

    fn enabled(&self, facts: &Facts, now: Time) -> bool {
        let waits = facts.wait.is_some_and(|until| until > now);
        facts.guard == Guard::Closed && !waits && !self.busy
    }

    pub(super) fn page(&self, facts: &Facts, now: Time) -> MenuPage {
        if self.busy {
            return MenuPage::Working { sentence: words::ONE_MOMENT.to_owned() };
        }
        let sentence = match (facts.guard, facts.wait.filter(|until| *until > now), self.said) {
            (Guard::Broken, ..) => words::PIN_BROKEN.to_owned(),
            (_, Some(until), Said::Wrong) => words::wrong_wait(until.since(now)),
            (_, Some(until), _) => words::wait(until.since(now)),
            (_, None, Said::Ask) => words::PIN.to_owned(),
            (_, None, Said::Wrong) => words::PIN_WRONG.to_owned(),
            (_, None, Said::Failed) => words::PIN_FAILED.to_owned(),
        };
        let entered = u8::try_from(self.digits.count()).unwrap_or(u8::MAX);
        MenuPage::Pin { sentence, entered, enabled: self.enabled(facts, now) }
    }

    pub(super) fn tap(&mut self, tap: MenuTap, facts: &Facts, turn: &mut u64, now: Time) -> Out {
        if !self.enabled(facts, now) {
            return Out::default();
        }
        match tap {
            MenuTap::Digit(digit) => self.digits.push(digit),
            MenuTap::Erase => self.digits.pop(),
            MenuTap::Enter if self.digits.are_enough() => {
                self.busy = true;
                *turn += 1;
                let digits = std::mem::take(&mut self.digits);
                return Out::does(Effect::CheckPin { turn: *turn, digits });
            }
            _ => {}
        }
        Out::default()
    }

    pub(super) fn tried(&mut self, tried: Option<Tried>, facts: &mut Facts) -> Out {
        self.busy = false;
        match tried {
            Some(Tried::Right) => return Out::go(Go::In(self.goal)),
            Some(Tried::Wrong { until }) => {
                self.said = Said::Wrong;
                facts.wait = until;
            }
            Some(Tried::TooEarly { until }) => facts.wait = Some(until),
            None => self.said = Said::Failed,
        }
        Out::default()
    }
}

/// The page on which one is chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct NewPin {
    digits: Digits,
    first: Option<Digits>,
    differed: bool,
    busy: bool,
    failed: bool,
}

impl NewPin {
    pub(super) fn page(&self, facts: &Facts) -> MenuPage {
        if self.busy {
            return MenuPage::Working { sentence: words::ONE_MOMENT.to_owned() };
        }
        let sentence = match (&self.first, facts.guard) {
            _ if self.failed => words::NOT_KEPT,
            (Some(_), _) => words::PIN_AGAIN,
            (None, _) if self.differed => words::PIN_DIFFERED,
            (None, Guard::Open) => words::PIN_NEW,
            (None, Guard::Closed | Guard::Broken) => words::PIN_OTHER,
        };
        let entered = u8::try_from(self.digits.count()).unwrap_or(u8::MAX);
        MenuPage::Pin { sentence: sentence.to_owned(), entered, enabled: true }
    }

    pub(super) fn tap(&mut self, tap: MenuTap, facts: &Facts, turn: &mut u64) -> Out {
        if self.busy {
            return Out::default();
        }
        match tap {
            MenuTap::Digit(digit) => self.digits.push(digit),
            MenuTap::Erase => self.digits.pop(),
            MenuTap::Enter => return self.enter(facts, turn),
            _ => {}
        }
        Out::default()
    }

    fn enter(&mut self, facts: &Facts, turn: &mut u64) -> Out {
        let none = self.digits.count() == 0 && self.first.is_none() && facts.guard != Guard::Open;
        if !none && !self.digits.are_enough() {
            return Out::default();
        }
        let entered = std::mem::take(&mut self.digits);
        let digits = match self.first.take() {
            _ if none => None,
            None => {
                *self = Self { first: Some(entered), ..Self::default() };
                return Out::default();
            }
            Some(first) if first == entered => Some(first),
            Some(_) => {
                *self = Self { differed: true, ..Self::default() };
                return Out::default();
            }
        };
        self.busy = true;
        *turn += 1;
        Out::does(Effect::KeepPin { turn: *turn, digits })
    }

    pub(super) fn kept(&mut self, guard: Option<Guard>, facts: &mut Facts) -> Out {
        let Some(guard) = guard else {
            *self = Self { failed: true, ..Self::default() };
            return Out::default();
        };
        facts.guard = guard;
        facts.wait = None;
        Out::go(Go::Back)
    }
}
