//! Who wants to know when what was presented is on the panel. Pure.
//!
//! ```text
//!        ask          a change is asked of the kernel        that change is on the panel
//!  hook ─────> Asked ─────────────────────────────────> Out ─────────────────────────────> called
//!                └── nothing to change, or no panel: called ───────────────────────────────┘
//! ```
//! So each answer waits for two changes at most, however many pictures are shown meanwhile, and a
//! thread that hangs in the kernel answers nobody.

use crate::ui::face::Hook;

/// Those who wait.
#[derive(Default)]
pub(super) struct Rounds {
    asked: Vec<Hook>,
    out: Vec<Hook>,
}

impl Rounds {
    /// These wait for what was presented up to now.
    pub(super) fn ask(&mut self, hooks: Vec<Hook>) {
        self.asked.extend(hooks);
    }

    /// A change with all that was presented up to now is on its way.
    pub(super) fn set_out(&mut self) {
        self.out.append(&mut self.asked);
    }

    /// It is on the panel.
    pub(super) fn landed(&mut self) {
        self.out.drain(..).for_each(|hook| hook());
    }

    /// Nothing is on its way and nothing is to be changed, or there is nothing to show it on.
    pub(super) fn answer_all(&mut self) {
        self.set_out();
        self.landed();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn asks(rounds: &mut Rounds) -> impl Fn() -> u32 + use<> {
        let count = Arc::new(AtomicU32::new(0));
        let answered = Arc::clone(&count);
        rounds.ask(vec![Box::new(move || {
            answered.fetch_add(1, Ordering::SeqCst);
        })]);
        move || count.load(Ordering::SeqCst)
    }

    #[test]
    fn who_asks_while_a_change_is_on_its_way_waits_for_the_next_one() {
        let mut rounds = Rounds::default();
        let first = asks(&mut rounds);
        rounds.set_out();
        let second = asks(&mut rounds);
        assert_eq!((first(), second()), (0, 0));
        rounds.landed();
        assert_eq!((first(), second()), (1, 0), "its pages came too late for that change");
        rounds.set_out();
        rounds.landed();
        rounds.answer_all();
        assert_eq!((first(), second()), (1, 1), "once each");
    }

    #[test]
    fn a_panel_that_is_pulled_out_leaves_nobody_waiting() {
        let mut rounds = Rounds::default();
        let first = asks(&mut rounds);
        rounds.set_out();
        let second = asks(&mut rounds);
        rounds.answer_all();
        assert_eq!((first(), second()), (1, 1));
    }
}
