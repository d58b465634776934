//! What only a program's start has needed is given back: the pages of its own code.
//!
//! Arguments, the configuration and what they are parsed with are most of the code that a small service ever
//! runs. The kernel keeps what was read of it mapped, which counts as the process's memory, until memory is
//! short. Given back, what is needed again is mapped again from the page cache, at the cost of a fault.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

/// Give back the pages of this program's code. Call it when the start is over.
pub fn give_back_start() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let Some((start, end)) = code(&maps, give_back_start as fn() as usize) else { return };
    let Some(address) = NonNull::new(start as *mut c_void) else { return };
    // SAFETY: the range is one mapping of the program's file, which nobody has written to (it can't be
    // written to): every page comes back from the file, also the one that this runs in.
    let given = unsafe { madvise(address, end - start, MmapAdvise::MADV_DONTNEED) };
    if let Err(error) = given {
        tracing::debug!("the start's pages stay: {error}");
    }
}

/// The readable and executable, never written mapping of a file around `address`.
fn code(maps: &str, address: usize) -> Option<(usize, usize)> {
    maps.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let number = |hex| usize::from_str_radix(hex, 16).ok();
        let (start, end) = (number(start)?, number(end)?);
        let is_code = words.next()? == "r-xp" && words.nth(2)? != "0";
        (is_code && (start..end).contains(&address)).then_some((start, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resident bytes of what [`code`] finds.
    fn resident(address: usize) -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (start, _) = code(&smaps, address).unwrap();
        let mapping = &smaps[smaps.find(&format!("{start:x}-")).unwrap()..];
        let rss = mapping.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn code_that_has_run_is_given_back_and_runs_again() {
        let address = give_back_start as fn() as usize;
        assert!(parses());
        let before = resident(address);
        give_back_start();
        let after = resident(address);
        assert!(after < before, "{before} kB, then {after} kB");
        assert!(parses());
    }

    /// Runs much code.
    fn parses() -> bool {
        crate::config::Config::parse("test", b"[station]\nserver = 'a:1'\n").is_ok()
    }

    #[test]
    fn only_a_files_code_is_found() {
        let maps = "1000-3000 r--p 00000000 fe:00 17 /bin/a\n\
                    3000-6000 r-xp 00002000 fe:00 17 /bin/a\n\
                    7000-9000 r-xp 00000000 00:00 0 [vdso]\n\
                    9000-a000 rwxp 00000000 fe:00 17 /bin/a\n";
        let found = |address| code(maps, address);
        assert_eq!(
            (found(0x3000), found(0x5fff)),
            (Some((0x3000, 0x6000)), Some((0x3000, 0x6000)))
        );
        assert_eq!(
            (found(0x1000), found(0x6000), found(0x7000), found(0x9000)),
            (None, None, None, None)
        );
    }
}
