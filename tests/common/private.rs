//! Who may read a kiosk's files: its own user and nobody else.

#![allow(unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// Nothing under `folder` may be touched by anybody else: files 0600, folders 0700, and no other kind
/// of file but sockets.
#[track_caller]
pub fn is_private(folder: &Path) {
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            is_private(&path);
        } else {
            assert!(kind.is_file() || kind.is_socket(), "{}", path.display());
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}
