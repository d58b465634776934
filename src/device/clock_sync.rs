//! Whether somebody keeps this machine's wall clock right: the kernel knows.

#![allow(unsafe_code)]

use libc::{c_int, timex};

/// True: the clock is synchronised (by whatever program). The kernel forgets it 16 s, at most a few
/// hours, after nobody cares any more.
pub fn is_synchronised() -> bool {
    let (state, status) = ask();
    means_synchronised(state, status)
}

/// The clock's state, negative where the kernel does not tell, and its `STA_` bits.
fn ask() -> (c_int, c_int) {
    // SAFETY: every bit pattern is a `timex`, and zero modes mean that nothing is set.
    let mut timex: timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the struct that is ours.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    (state, timex.status)
}

fn means_synchronised(state: c_int, status: c_int) -> bool {
    state >= 0 && status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_without_privileges() {
        let (state, status) = ask();
        assert!((libc::TIME_OK..=libc::TIME_ERROR).contains(&state), "{state}, {status:#x}");
        // A clock that nobody sets is in error by the kernel's own rule.
        if status & libc::STA_UNSYNC != 0 {
            assert_eq!(state, libc::TIME_ERROR);
        }
    }

    #[test]
    fn a_clock_is_synchronised_unless_the_kernel_says_otherwise_or_nothing() {
        let pll = libc::STA_PLL;
        assert!(means_synchronised(libc::TIME_OK, pll));
        assert!(means_synchronised(libc::TIME_INS, pll), "a leap second comes");
        assert!(!means_synchronised(libc::TIME_ERROR, pll | libc::STA_UNSYNC));
        assert!(!means_synchronised(-1, 0));
    }
}
