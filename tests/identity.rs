//! The identity and the state files, with the real `ssh-keygen` as the oracle.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use twocan::identity::{Identity, IdentityError, KeyError, PeerKey};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn ssh_keygen(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("ssh-keygen").args(arguments).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_first_start_makes_a_key_that_ssh_keygen_reads_and_every_later_start_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/state");
    let made = Identity::load_or_create(&state).unwrap();
    let file = state.join("identity");
    assert_eq!((mode(&state), mode(&file)), (0o700, 0o600));
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing is left beside the key");

    let public = ssh_keygen(&["-y", "-f"], &file);
    assert_eq!(public.trim(), made.public().to_openssh("twocan"));
    assert_eq!(PeerKey::from_openssh(&public).unwrap(), made.public());
    let listed = ssh_keygen(&["-l", "-f"], &file);
    assert_eq!(listed.split_whitespace().nth(1).unwrap(), made.public().fingerprint());

    assert_eq!(Identity::load_or_create(&state).unwrap().public(), made.public());
    assert_ne!(Identity::generate().public(), made.public());
}

#[test]
fn a_key_made_by_ssh_keygen_is_taken_over_and_its_permissions_are_mended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity");
    ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "elsewhere", "-f"], &file);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let found = Identity::load_or_create(folder.path()).unwrap();
    let line = fs::read_to_string(folder.path().join("identity.pub")).unwrap();
    assert_eq!(line.trim(), found.public().to_openssh("elsewhere"));
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_broken_a_locked_and_an_rsa_key_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity");
    let refused = |bytes: &[u8]| {
        let error = Identity::load_or_create(folder.path()).unwrap_err();
        assert!(matches!(error, IdentityError::Broken { .. }), "{error}");
        assert!(error.to_string().contains(file.to_str().unwrap()));
        assert_eq!(fs::read(&file).unwrap(), bytes);
    };
    fs::write(&file, "not a key").unwrap();
    refused(b"not a key");
    for kind in
        [["-t", "rsa", "-b", "2048", "-N", ""], ["-t", "ed25519", "-a", "1", "-N", "secret"]]
    {
        fs::remove_file(&file).unwrap();
        let arguments = [&["-q"][..], &kind[..], &["-f"][..]].concat();
        let _ = fs::remove_file(folder.path().join("identity.pub"));
        ssh_keygen(&arguments, &file);
        refused(&fs::read(&file).unwrap());
    }
}

#[test]
fn a_key_cut_at_any_length_is_an_error_and_never_a_new_key() {
    let folder = tempfile::tempdir().unwrap();
    Identity::load_or_create(folder.path()).unwrap();
    let file = folder.path().join("identity");
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() - 1 {
        fs::write(&file, &whole[..length]).unwrap();
        let _ = Identity::load_or_create(folder.path());
        assert_eq!(fs::read(&file).unwrap(), &whole[..length]);
    }
}

#[test]
fn many_first_starts_at_once_agree_on_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<PeerKey> = std::thread::scope(|scope| {
        let start = || Identity::load_or_create(folder.path()).unwrap().public();
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn words_and_short_id_are_the_first_bits_of_the_hash() {
    // Independent of the code: sha256sum of the blob, cut into elevens out of one big number.
    let key = PeerKey([7; 32]);
    let blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32], &[7; 32]].concat();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blob");
    fs::write(&file, blob).unwrap();
    let output = Command::new("sha256sum").arg(&file).output().unwrap();
    let hex = String::from_utf8(output.stdout).unwrap()[..64].to_owned();
    assert_eq!(key.id16(), hex[..16]);
    let number = u128::from_str_radix(&hex[..32], 16).unwrap();
    let list = bip39::Language::English.word_list();
    for (place, word) in key.words().into_iter().enumerate() {
        let index = number >> (128 - 11 * (place + 1)) & 0x7ff;
        assert_eq!(word, list[usize::try_from(index).unwrap()]);
    }
}

#[test]
fn what_is_not_an_ed25519_key_line_is_refused_with_a_sentence() {
    assert!(matches!(PeerKey::from_openssh("hello"), Err(KeyError::Unreadable(_))));
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";
    let error = PeerKey::from_openssh(ecdsa).unwrap_err();
    assert!(error.to_string().contains("expected an ssh-ed25519 key"), "{error}");
    let line = PeerKey([9; 32]).to_openssh("a comment\nssh-ed25519 more");
    assert_eq!(line.lines().count(), 1);
}
