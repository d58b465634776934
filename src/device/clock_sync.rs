//! Whether somebody keeps this machine's wall clock right: the kernel knows.

#![allow(unsafe_code)]

/// True: the clock is synchronised (by whatever program). The kernel forgets it 16 s, at most a few
/// hours, after nobody cares any more.
pub fn is_synchronised() -> bool {
    // SAFETY: every bit pattern is a `timex`, and zero modes mean that nothing is set.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the struct that is ours.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    state >= 0 && timex.status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_answers_without_privileges() {
        // Either is right, here and there.
        let _ = super::is_synchronised();
    }
}
