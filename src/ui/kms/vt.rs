//! The text console stays off the panel while the pages are on it, and comes back however we end.
//!
//! ```text
//!  take: KD_GRAPHICS (no text, no cursor) ──> KD_TEXT: at drop, unwinding or not, and at exit()
//! ```
//! Only the virtual terminal that this process belongs to is touched; started by a service without
//! one, or over SSH, there is none and nothing happens. After SIGKILL nobody is left to put it back:
//! the service manager resets the terminal then (`TTYReset=yes`).
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

/// linux/kd.h
const KD_TEXT: libc::c_int = 0;
const KD_GRAPHICS: libc::c_int = 1;
mod ioctl {
    nix::ioctl_write_int_bad!(kdsetmode, 0x4B3A);
    nix::ioctl_read_bad!(kdgetmode, 0x4B3B, libc::c_int);
}

/// The terminal that is in graphics mode now, for whoever ends the process; -1: none.
static TAKEN: AtomicI32 = AtomicI32::new(-1);

/// The console, taken. Dropping it gives it back.
pub struct Console {
    /// Open for as long as the mode is to be changed back.
    _terminal: File,
}

impl Console {
    /// Take the virtual terminal this process belongs to; `None` where it has none.
    pub fn take() -> Option<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let mut mode = KD_TEXT;
        // SAFETY: the descriptor is open; the kernel writes one int, which lives until it returns.
        // A terminal that is no virtual one refuses.
        unsafe { ioctl::kdgetmode(terminal.as_raw_fd(), &raw mut mode) }.ok()?;
        if let Err(error) = set_mode(terminal.as_raw_fd(), KD_GRAPHICS) {
            tracing::warn!("take the text console off the panel: {error}");
            return None;
        }
        TAKEN.store(terminal.as_raw_fd(), Ordering::SeqCst);
        // exit() comes past no destructor.
        static AT_EXIT: Once = Once::new();
        AT_EXIT.call_once(|| {
            // SAFETY: the function lives as long as the process, touches an atomic and makes a
            // system call.
            let _ = unsafe { libc::atexit(give_back) };
        });
        Some(Self { _terminal: terminal })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        give_back();
    }
}

fn set_mode(terminal: i32, mode: libc::c_int) -> nix::Result<()> {
    // SAFETY: an ioctl with a number and no memory; a descriptor that is closed is refused.
    unsafe { ioctl::kdsetmode(terminal, mode) }.map(drop)
}

/// Once, whoever asks first.
extern "C" fn give_back() {
    let terminal = TAKEN.swap(-1, Ordering::SeqCst);
    if terminal >= 0 {
        // There is nobody left to tell.
        let _ = set_mode(terminal, KD_TEXT);
    }
}
