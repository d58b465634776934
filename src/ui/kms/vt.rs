//! The text console stays off the panel while the pages are on it, and comes back however we end.
//!
//! ```text
//!  take: KD_GRAPHICS (no text, no cursor) ──> KD_TEXT: at drop, unwinding or not, and at exit()
//!        keys without a meaning           ──> keys as they were, what was typed forgotten
//!        K_OFF: no keys at all            ──> the mode that the keyboard was in
//! ```
//! A keyboard is plugged in by children and cats: no key ends (Ctrl-C), freezes (Ctrl-Z) or holds up
//! (Ctrl-S) the kiosk, goes to another console and its login (Ctrl-Alt-F2) or starts the machine again
//! (Ctrl-Alt-Del), and nothing that was typed on its pages reaches a shell afterwards. Input devices
//! are heard beside the console, and keyboards among them mean nothing to us. The magic SysRq key is
//! the kernel's own: `sysctl.kernel.sysrq=0` on its command line (kiosk/boot).
//!
//! Only the virtual terminal that this process belongs to is touched; started by a service without
//! one, or over SSH, there is none and nothing happens. After SIGKILL nobody is left to put it back:
//! the service manager resets the terminal then (`TTYReset=yes`).
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// linux/kd.h
const KD_TEXT: libc::c_int = 0;
const KD_GRAPHICS: libc::c_int = 1;
/// linux/kd.h: what is typed goes nowhere, and no combination of keys is looked for.
const K_OFF: libc::c_int = 4;
/// linux/kd.h: what it is in anywhere today.
const K_UNICODE: libc::c_int = 3;
mod ioctl {
    nix::ioctl_write_int_bad!(kdskbmode, 0x4B45);
    nix::ioctl_read_bad!(kdgkbmode, 0x4B44, libc::c_int);
    nix::ioctl_write_int_bad!(kdsetmode, 0x4B3A);
    nix::ioctl_read_bad!(kdgetmode, 0x4B3B, libc::c_int);
}

/// The terminal that is in graphics mode now, for whoever ends the process; -1: none.
static TAKEN: AtomicI32 = AtomicI32::new(-1);
/// The mode its keyboard was in; -1: it was left in that.
static KEYBOARD: AtomicI32 = AtomicI32::new(-1);
/// What its keys meant before.
static KEYS: Mutex<Option<libc::termios>> = Mutex::new(None);

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
        let keys = silence(terminal.as_raw_fd())
            .inspect_err(|error| tracing::warn!("take the keys of the text console: {error}"));
        let keyboard = deafen(terminal.as_raw_fd()).inspect_err(|error| {
            tracing::warn!("keep keys from leading to another console: {error}")
        });
        KEYBOARD.store(keyboard.unwrap_or(-1), Ordering::SeqCst);
        *KEYS.lock().unwrap_or_else(PoisonError::into_inner) = keys.ok();
        TAKEN.store(terminal.as_raw_fd(), Ordering::SeqCst);
        // exit() comes past no destructor.
        static AT_EXIT: Once = Once::new();
        AT_EXIT.call_once(|| {
            // SAFETY: the function lives as long as the process, touches statics and makes system
            // calls.
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

fn set_keyboard(terminal: i32, mode: libc::c_int) -> nix::Result<()> {
    // SAFETY: an ioctl with a number and no memory; a descriptor that is closed is refused.
    unsafe { ioctl::kdskbmode(terminal, mode) }.map(drop)
}

/// The console hears no key from now on; the mode it was in before.
fn deafen(terminal: i32) -> nix::Result<libc::c_int> {
    let mut before = K_OFF;
    // SAFETY: the kernel writes one int, which lives until it returns.
    unsafe { ioctl::kdgkbmode(terminal, &raw mut before) }?;
    set_keyboard(terminal, K_OFF)?;
    // Left so by a kiosk that was killed.
    Ok(if before == K_OFF { K_UNICODE } else { before })
}

/// Once, whoever asks first.
extern "C" fn give_back() {
    let terminal = TAKEN.swap(-1, Ordering::SeqCst);
    if terminal >= 0 {
        let keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner).take();
        // There is nobody left to tell, of the keys or of the text.
        let keyboard = KEYBOARD.swap(-1, Ordering::SeqCst);
        if keyboard >= 0 {
            let _ = set_keyboard(terminal, keyboard);
        }
        let _ = keys.map(|keys| give_meaning(terminal, &keys));
        let _ = set_mode(terminal, KD_TEXT);
    }
}

/// Keys are neither shown nor mean anything from now on; what they meant before.
fn silence(terminal: i32) -> io::Result<libc::termios> {
    let mut keys = MaybeUninit::<libc::termios>::uninit();
    // SAFETY: the kernel's answer fits where it is written to, which lives until it returns.
    nix::errno::Errno::result(unsafe { libc::tcgetattr(terminal, keys.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it was filled in.
    let before = unsafe { keys.assume_init() };
    let mut silent = before;
    silent.c_lflag &= !(libc::ISIG | libc::ECHO);
    silent.c_iflag &= !libc::IXON;
    give_meaning(terminal, &silent)?;
    Ok(before)
}

/// Have keys mean this; what was typed and not read is forgotten.
fn give_meaning(terminal: i32, keys: &libc::termios) -> io::Result<()> {
    // A kiosk in the background of a shell is stopped for this, unless it refuses to be.
    let mut refused = SigSet::empty();
    refused.add(Signal::SIGTTOU);
    let mask = refused.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    // SAFETY: the kernel reads what is borrowed until it returns; a descriptor that is closed is
    // refused.
    let set = unsafe { libc::tcsetattr(terminal, libc::TCSANOW, keys) };
    let set = nix::errno::Errno::result(set).map(drop);
    // TCSAFLUSH would wait for output, for ever on a terminal that Ctrl-S holds up.
    // SAFETY: numbers only. What can't be forgotten is only what somebody typed.
    let _ = unsafe { libc::tcflush(terminal, libc::TCIFLUSH) };
    if let Ok(mask) = mask {
        mask.thread_set_mask()?;
    }
    Ok(set?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::FromRawFd;

    use super::*;

    /// A pseudo terminal: where somebody types, and the terminal's end.
    fn terminal() -> (File, File) {
        let (mut typed, mut ours) = (-1, -1);
        let none = std::ptr::null_mut();
        // SAFETY: two ints are written, which live until it returns; nothing else is asked for.
        let opened =
            unsafe { libc::openpty(&raw mut typed, &raw mut ours, none, none.cast(), none.cast()) };
        assert_eq!(opened, 0);
        // SAFETY: both were just opened, for nobody else.
        unsafe { (File::from_raw_fd(typed), File::from_raw_fd(ours)) }
    }

    #[test]
    fn a_terminal_that_is_no_console_refuses_to_be_deaf_and_nothing_else_happens() {
        let (_typed, ours) = terminal();
        assert_eq!(deafen(ours.as_raw_fd()), Err(nix::Error::ENOTTY));
    }

    #[test]
    fn no_key_means_anything_while_the_console_is_taken_and_what_was_typed_is_forgotten() {
        let (mut typed, mut ours) = terminal();
        let before = silence(ours.as_raw_fd()).unwrap();
        let means = |flags: &libc::termios| {
            (flags.c_lflag & (libc::ISIG | libc::ECHO), flags.c_iflag & libc::IXON)
        };
        assert_eq!(means(&before), (libc::ISIG | libc::ECHO, libc::IXON), "a fresh terminal");
        typed.write_all(b"\x13rm -r photos\n").unwrap();
        let silent = silence(ours.as_raw_fd()).unwrap();
        assert_eq!(means(&silent), (0, 0));
        typed.write_all(b"\x03\x1arm -r photos\n").unwrap();
        give_meaning(ours.as_raw_fd(), &before).unwrap();
        typed.write_all(b"ls\n").unwrap();
        let mut line = [0; 64];
        let read = ours.read(&mut line).unwrap();
        assert_eq!(&line[..read], b"ls\n", "the first that a shell hears");
        assert_eq!(means(&silence(ours.as_raw_fd()).unwrap()), means(&before));
    }
}
