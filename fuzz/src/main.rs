//! One program with all fuzz targets: `TWOCAN_FUZZ=NAME twocan-fuzz [libFuzzer's arguments]`.
//!
//! ```text
//!  corpus, libFuzzer ──bytes──> the target named in TWOCAN_FUZZ ──> one of Twocan's parsers
//! ```
//! `TWOCAN_FUZZ=list` prints the targets' names, those that only go by count with an asterisk;
//! `TWOCAN_FUZZ=seeds` writes what each begins with below the current folder. fuzz/run.sh does both.
#![no_main]

mod targets;

libfuzzer_sys::fuzz_target!(
    init: targets::choose(),
    |data: &[u8]| targets::run(data)
);
