//! `twocan station encode` and `decode`: what is sent as a file, and what is heard of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A recorded microphone, or what the first system's encoder made of it.
fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/urtp").join(name)
}

fn station(what: &str, from: &Path, to: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twocan"));
    command.args(["station", what]).arg(from).arg(to).args(options).output().unwrap()
}

fn said(out: &Output) -> String {
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{stderr}");
    String::from_utf8(out.stdout.clone()).unwrap()
}

/// Which code it ended with, and the sentence.
fn refused(out: &Output) -> (Option<i32>, String) {
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn urtp_files_are_the_recorded_ones_in_both_codings() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.urtp");
    for (coding, bytes) in [("unicam", 8600), ("pcm", 16350)] {
        let start = ["--coding", coding, "--max-gain", "12", "--start-us", "1700000000000000"];
        let out = station("encode", &recorded("v3_tone400.s32"), &to, &start);
        assert_eq!(said(&out), "25 datagrams, 0.50 s\n");
        let made = fs::read(&to).unwrap();
        assert_eq!(made.len(), bytes);
        assert!(made == fs::read(recorded(&format!("v3_tone400.g12.{coding}.urtp"))).unwrap());
    }
}

#[test]
fn a_decoded_urtp_file_is_a_wav_file_with_silence_where_something_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.urtp"), folder.path().join("out.wav"));
    let whole = fs::read(recorded("v3_tone400.g12.pcm.urtp")).unwrap();
    fs::write(&from, &whole).unwrap();
    assert_eq!(said(&station("decode", &from, &to, &[])), "25 datagrams, 0.50 s\n");
    let all = fs::read(&to).unwrap();
    assert_eq!((&all[..4], &all[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
    let [channels, rate, data] =
        [22, 24, 40].map(|at| u32::from_le_bytes(all[at..at + 4].try_into().unwrap()));
    assert_eq!((channels & 0xffff, rate, data as usize), (1, 16_000, 2 * 320 * 25));
    assert_eq!(all.len(), 44 + 2 * 320 * 25);

    // Datagrams 3 and 4 are lost, and there is something foreign in their place.
    let torn = [&whole[..3 * 654], b"GET / HTTP/1.0", &whole[5 * 654..]].concat();
    fs::write(&from, torn).unwrap();
    let out = station("decode", &from, &to, &[]);
    assert_eq!(said(&out), "23 datagrams, 0.50 s; 2 lost, 14 bytes skipped\n");
    let torn = fs::read(&to).unwrap();
    let sound = |wav: &[u8], block: usize| wav[44 + 640 * block..][..640].to_vec();
    for block in 0..25 {
        let expected = if [3, 4].contains(&block) { vec![0; 640] } else { sound(&all, block) };
        assert!(sound(&torn, block) == expected, "block {block}");
    }
}

#[test]
fn what_can_not_be_done_with_urtp_files_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (junk, to) = (folder.path().join("junk"), folder.path().join("out"));
    fs::write(&junk, [b'x'; 8 * 330]).unwrap();

    let (code, sentence) = refused(&station("decode", &junk, &to, &[]));
    assert_eq!(code, Some(1));
    assert!(sentence.contains("junk has no datagram of a station in it"), "{sentence}");

    let (code, sentence) = refused(&station("encode", &junk, &junk, &[]));
    assert_eq!(code, Some(2));
    assert!(sentence.contains("can't be read and written at once"), "{sentence}");
    assert_eq!(fs::read(&junk).unwrap().len(), 8 * 330);

    let (code, sentence) = refused(&station("encode", &junk, &to, &["--max-gain", "13"]));
    assert_eq!(code, Some(2));
    assert!(sentence.contains("expected a number of bits, 0 to 12"), "{sentence}");

    let (code, sentence) = refused(&station("encode", &folder.path().join("none"), &to, &[]));
    assert_eq!(code, Some(1));
    assert!(sentence.contains("none"), "{sentence}");

    let out = station("encode", &junk, &to, &[]);
    assert_eq!(said(&out), "1 datagram, 0.02 s; 10 frames at the end were no whole 20 ms\n");
}
