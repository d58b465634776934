//! What only a program's start has needed is given back: the pages of its code and of its libraries'.
//!
//! Arguments, the configuration and what they are parsed with are most of the code that a small service ever
//! runs. The kernel keeps what was read of it mapped, which counts as the process's memory, until memory is
//! short. Given back, what is needed again is mapped again from the page cache, at the cost of a fault.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

/// Give back the pages of code. Call it when the start is over.
pub fn give_back_start() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, end) in maps.lines().filter_map(code) {
        let Some(address) = NonNull::new(start as *mut c_void) else { continue };
        // SAFETY: the range is one mapping of a file's code, which nobody has written to (it can't be
        // written to): every page comes back from the file, also the one that this runs in.
        let given = unsafe { madvise(address, end - start, MmapAdvise::MADV_DONTNEED) };
        if let Err(error) = given {
            tracing::debug!("the start's pages stay: {error}");
        }
    }
}

/// Where the mapping of this line is, if it is code of a file. What is only readable may have been written to
/// before (the loader writes addresses into it), and would come back as it was in the file.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let number = |hex| usize::from_str_radix(hex, 16).ok();
    let is_code = words.next()? == "r-xp" && words.nth(2)? != "0";
    Some((number(start)?, number(end)?)).filter(|_| is_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resident code, in kB.
    fn resident() -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut counts = false;
        let sizes = smaps.lines().filter_map(|line| {
            let Some(kb) = line.strip_prefix("Rss:") else {
                let is_heading = line.split(' ').next().is_some_and(|word| !word.ends_with(':'));
                counts = if is_heading { code(line).is_some() } else { counts };
                return None;
            };
            counts.then_some(())?;
            kb.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        sizes.sum()
    }

    fn parses() -> bool {
        crate::config::Config::parse("test", b"[station]\nserver = 'a:1'\n").is_ok()
    }

    #[test]
    fn code_that_has_run_is_given_back_and_runs_again() {
        assert!(parses());
        // Other tests of this process may need theirs at the same moment.
        let given = (0..20).any(|_| {
            let before = resident();
            give_back_start();
            resident() < before
        });
        assert!(given, "{} kB", resident());
        assert!(parses());
    }

    #[test]
    fn only_a_files_code_is_found() {
        assert_eq!(code("3000-6000 r-xp 00002000 fe:00 17 /bin/a"), Some((0x3000, 0x6000)));
        assert_eq!(code("1000-3000 r--p 00000000 fe:00 17 /bin/a"), None);
        assert_eq!(code("7000-9000 r-xp 00000000 00:00 0 [vdso]"), None);
        assert_eq!(code("9000-a000 rwxp 00000000 fe:00 17 /bin/a"), None);
        assert_eq!(code("Rss:                 948 kB"), None);
    }
}
