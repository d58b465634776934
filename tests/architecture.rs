//! The house rules that a machine can hold: who may import whom, who may say which crate's name,
//! how long a file may be. The table is the one of ARCHITECTURE.md.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the top down. A module imports from the layers below its own and from itself;
/// the ground's modules may import each other.
const LAYERS: &[&[&str]] = &[
    &["main", "bin"],
    &["cli"],
    &["app"],
    &["station", "fleet"],
    &["call", "media", "tunnel", "ui"],
    &["device", "codec", "pairing", "wire", "supervisor", "watchdog"],
    GROUND,
];
const GROUND: &[&str] = &[
    "address",
    "backup",
    "caps",
    "card",
    "clock",
    "config",
    "contacts",
    "figures",
    "frame",
    "geometry",
    "identity",
    "known_hosts",
    "lookins",
    "meeting",
    "name",
    "photo",
    "pin",
    "quality",
    "queue",
    "records",
    "settings",
    "stop",
    "store",
    "usage",
];
/// Who may import whom inside a layer, besides the ground: devices may decode, codecs know packets.
const SIDEWAYS: &[(&str, &str)] = &[("device", "codec"), ("device", "wire"), ("codec", "wire")];

/// Crates that only these folders or files may name.
const CRATES: &[(&str, &[&str])] = &[
    ("russh", &["tunnel"]),
    ("slint", &["ui"]),
    ("alsa", &["device"]),
    ("turbojpeg", &["codec"]),
    ("opus", &["codec"]),
    ("drm", &["ui/kms"]),
    ("input", &["ui/kms"]),
    ("udev", &["device", "ui/kms"]),
    ("sonora", &["media/voice"]),
    ("rubato", &["media", "station"]),
    ("zbus", &["device"]),
    ("gpiocdev", &["device"]),
    ("symphonia", &["codec"]),
    ("mp3lame_encoder", &["codec"]),
    ("ureq", &["station"]),
    ("axum", &["station"]),
    ("http_body", &["station"]),
];
/// What reads bytes that others sent: how many it takes, src/caps.rs alone says.
const CAPPED: &[&str] =
    &["wire", "codec", "tunnel", "pairing", "card", "meeting", "contacts", "name", "photo"];
/// The only place that opens device files.
const DEVICE_FILES: &[&str] = &["device", "ui/kms"];
const UNSAFE: &[&str] = &["device", "ui/kms"];
const LINES: usize = 500;

/// What is wrong with the file at `path` (relative to src), in sentences.
fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{path} does not start with //!"));
    }
    let lines = text.lines().count();
    if lines > LINES {
        found.push(format!("{path} has {lines} lines, at most {LINES} are allowed"));
    }
    let code = code(text);
    let module = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    if module != "lib" {
        for other in imports(path, &code) {
            if !may_import(module, &other) {
                found.push(format!("{path} imports {other}: {module} stands no higher"));
            }
        }
    }
    let inside = |places: &[&str]| {
        places
            .iter()
            .any(|place| path.starts_with(&format!("{place}/")) || path == format!("{place}.rs"))
    };
    for (name, places) in CRATES {
        if says_crate(&code, name) && !inside(places) {
            found.push(format!("{path} says {name}::, which belongs to {places:?}"));
        }
    }
    if CAPPED.contains(&module) {
        for cap in own_caps(&code) {
            found.push(format!("{path} defines {cap}, which belongs into src/caps.rs"));
        }
    }
    if words(&code).any(|word| word == "unsafe") && !inside(UNSAFE) {
        found.push(format!("{path} is unsafe, which only {UNSAFE:?} may be"));
    }
    if words(&code).any(|word| word == DEVICE_FILE) && !inside(DEVICE_FILES) {
        found.push(format!("{path} names a file in /dev/, which belongs to {DEVICE_FILES:?}"));
    }
    found
}

/// Constants called some limit that count something.
fn own_caps(code: &str) -> impl Iterator<Item = &str> {
    code.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(':')?;
        let kind = words(rest).next()?;
        let counts = matches!(kind, "usize" | "u64" | "u32" | "u16" | "u8");
        (counts && name.contains("LIMIT")).then_some(name)
    })
}

fn may_import(module: &str, other: &str) -> bool {
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    match (layer(module), layer(other)) {
        _ if module == other => true,
        (Some(mine), Some(theirs)) if mine == theirs => {
            GROUND.contains(&module) || SIDEWAYS.contains(&(module, other))
        }
        (Some(mine), Some(theirs)) => mine < theirs,
        // A module that no layer knows: the table is behind.
        _ => false,
    }
}

/// The word that [`code`] puts where a string begins with `/dev/`.
const DEVICE_FILE: &str = "__a_device_file";

/// `text` without comments, without what stands in quotes ([`DEVICE_FILE`] apart), and without
/// `#[cfg(test)]` items.
fn code(text: &str) -> String {
    without_tests(&without_words(text))
}

fn without_words(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let find = |from: usize, what: &str| {
        text.get(from..)
            .and_then(|rest| rest.find(what))
            .map_or(bytes.len(), |n| from + n + what.len())
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let fresh = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let raw = rest.strip_prefix(b"b").unwrap_or(rest).strip_prefix(b"r").filter(|_| fresh);
        let hashes = raw.map_or(0, |raw| raw.iter().take_while(|byte| **byte == b'#').count());
        at = if rest.starts_with(b"//") {
            find(at, "\n") - 1
        } else if rest.starts_with(b"/*") {
            find(at, "*/")
        } else if raw.is_some_and(|raw| raw.get(hashes) == Some(&b'"')) {
            let start = find(at, "\"");
            note_device_file(&bytes[start..], &mut out);
            find(start, &format!("\"{}", "#".repeat(hashes)))
        } else if rest[0] == b'"' {
            let mut end = at + 1;
            note_device_file(&bytes[end..], &mut out);
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        } else if rest.starts_with(b"'\"'") {
            at + 3
        } else if rest.starts_with(b"'\\") {
            find(at + 3, "'")
        } else {
            out.push(rest[0]);
            at + 1
        }
        .max(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn note_device_file(string: &[u8], out: &mut Vec<u8>) {
    if string.starts_with(b"/dev/") {
        // Between blanks: a byte string's b stands before it.
        out.extend_from_slice(format!(" {DEVICE_FILE} ").as_bytes());
    }
}

fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        // The item ends with its braces, or at a semicolon before any.
        let (mut depth, mut end) = (0, item.len());
        for (place, c) in item.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (c == '}' || c == ';') {
                end = place + 1;
                break;
            }
        }
        rest = &item[end..];
    }
    kept + rest
}

/// The modules behind `crate::` (or the library's name, in a binary) and behind a `super::` that
/// leads to the root from the file at `path`, in braces or not.
fn imports(path: &str, code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let file = module_depth(path);
    for root in ["crate::", "twocan::", "self::", "super::"] {
        for (start, _) in code.match_indices(root) {
            let before = code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            let (depth, rest) = match root {
                "crate::" | "twocan::" => (0, &code[start + root.len()..]),
                // Itself a step of the way.
                _ => (file + inline_depth(&code[..start]), &code[start..]),
            };
            reach(depth, rest, &mut found);
        }
    }
    found
}

/// How many modules the file's is below the root: `frame.rs` 1, `media/talk.rs` 2, `media/mod.rs` 1.
fn module_depth(path: &str) -> usize {
    let path = path.trim_end_matches(".rs");
    match path {
        "lib" | "main" => 0,
        _ if path.starts_with("bin/") => 0,
        _ => path.trim_end_matches("/mod").split('/').count(),
    }
}

/// How many `mod x {` are open at the end of `code`.
fn inline_depth(code: &str) -> usize {
    let (mut open, mut item) = (Vec::new(), 0);
    for (place, c) in code.char_indices() {
        match c {
            '{' => open.push(words(&code[item..place]).rev().nth(1) == Some("mod")),
            '}' => drop(open.pop()),
            _ => {}
        }
        if matches!(c, '{' | '}' | ';') {
            item = place + 1;
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

/// Follow `path`, which starts in the module `depth` below the root, and note where it leaves the
/// root.
fn reach(depth: usize, path: &str, found: &mut BTreeSet<String>) {
    let path = path.trim_start();
    if let Some(list) = path.strip_prefix('{') {
        for part in parts(list) {
            reach(depth, part, found);
        }
    } else if let Some(rest) = path.strip_prefix("self::") {
        reach(depth, rest, found);
    } else if let Some(rest) = path.strip_prefix("super::") {
        reach(depth.saturating_sub(1), rest, found);
    } else if depth == 0 && path.starts_with('*') {
        found.insert("*".to_owned());
    } else if depth == 0 {
        found.extend(words(path).next().map(str::to_owned));
    }
}

/// `a::b, c::{d, e}}` → `a::b`, `c::{d, e}`.
fn parts(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (place, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                parts.push(&list[start..place]);
                start = place + 1;
            }
            _ => {}
        }
        if c == '}' && depth == 0 && start == place + 1 {
            break;
        }
    }
    parts
}

fn words(code: &str) -> impl DoubleEndedIterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn says_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(start, _)| {
        let before = code[..start].trim_end();
        let after = &code[start + name.len()..];
        let other = before.ends_with("::")
            || code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let used = after.starts_with("::") && !other;
        let imported = before.ends_with("use") && after.starts_with([';', ' ']);
        used || imported
    })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_house_is_in_order() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "the sources were found");
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(&src).unwrap().to_str().unwrap();
            violations(path, &fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    let lib = include_str!("../src/lib.rs");
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(LAYERS.iter().any(|layer| layer.contains(&module)), "{module} has no layer");
    }
}

/// `code` in the file `path` breaks exactly one rule, and the sentence holds `word`.
#[track_caller]
fn caught(path: &str, code: &str, word: &str) {
    let found = violations(path, &format!("//! A file.\n{code}\n"));
    assert!(found.len() == 1 && found[0].contains(word), "{found:?}");
}

#[track_caller]
fn fine(path: &str, code: &str) {
    assert_eq!(violations(path, &format!("//! A file.\n{code}\n")), [""; 0]);
}

#[test]
fn an_import_upward_or_sideways_is_caught_however_it_is_written() {
    caught("call/mod.rs", "use crate::media::Camera;", "imports media");
    caught("tunnel/door.rs", "use crate::{frame::Size, ui::Screen};", "imports ui");
    caught(
        "wire/packet.rs",
        "use crate::{\n    frame::{Size, Packet},\n    app,\n};",
        "imports app",
    );
    caught("media/talk.rs", "fn f() { let x = crate::tunnel::open(); }", "imports tunnel");
    caught("config/mod.rs", "pub(crate) use crate::device::Device;", "imports device");
    caught("codec/jpeg.rs", "type T = Vec<crate::device::Device>;", "imports device");
    caught("app/mod.rs", "use crate::cli;", "imports cli");
    caught("frame.rs", "use crate::unheard_of::X;", "imports unheard_of");
    fine("app/mod.rs", "use crate::{call::Call, media, tunnel, ui::screen::Screen};");
    fine("media/talk.rs", "use crate::device::AudioSource;\nuse crate::queue::Queue;");
    fine("main.rs", "fn main() { twocan::cli::run() }");
    fine("contacts.rs", "use crate::store;");
}

#[test]
fn an_import_by_way_of_super_is_caught_from_every_depth() {
    caught("media/talk.rs", "use super::super::tunnel::Door;", "imports tunnel");
    caught("media/mod.rs", "use super::tunnel;", "imports tunnel");
    caught("media/jitter/more.rs", "use super::super::super::ui::Screen;", "imports ui");
    caught("frame.rs", "fn f() { super::app::run() }", "imports app");
    caught("wire/packet.rs", "use super::{signal::Signal, super::{stop, cli}};", "imports cli");
    caught("media/talk.rs", "use self::super::super::call;", "imports call");
    caught("media/mod.rs", "mod inner { use super::super::ui::Screen; }", "imports ui");
    caught("wire/packet.rs", "use super::super::*;", "imports *");
    fine("media/talk.rs", "use super::super::device::Card;\nuse super::jitter::Jitter;");
    fine("media/jitter/more.rs", "use super::super::tunnel_like;");
    fine("media/mod.rs", "mod inner { use super::tunnel; fn f() { if x {} super::ui() } }");
    fine("device/v4l2/raw.rs", "pub(super) fn f() {}\nuse super::super::super::codec;");
}

#[test]
fn a_cap_on_what_others_send_is_caught_outside_the_one_place_for_them() {
    caught("wire/signal.rs", "pub const SIGNAL_LIMIT: usize = 4096;", "src/caps.rs");
    caught("card.rs", "const TEXT_LIMIT: u16 = 7;", "src/caps.rs");
    fine("tunnel/client.rs", "const CONNECT_LIMIT: Duration = Duration::from_secs(4);");
    fine("wire/signal.rs", "pub use crate::caps::SIGNAL_LIMIT;\nconst PIECE: usize = 1;");
    fine("media/jitter.rs", "const LATE_LIMIT: i32 = 7; const DRY_LIMIT: usize = 8;");
}

#[test]
fn a_device_file_named_outside_device_is_caught() {
    caught("media/camera.rs", "const A: &str = \"/dev/video0\";", "/dev/");
    caught("cli/bench/mod.rs", "fn f() { open(r#\"/dev/dri/card0\"#, b\"/dev/x\") }", "/dev/");
    fine("device/v4l2.rs", "const A: &str = \"/dev/video0\";");
    fine("config/value.rs", "const A: &str = \"such as \\\"/dev/video0\\\"\"; // \"/dev/video0\"");
    fine("media/camera.rs", "#[cfg(test)]\nmod tests {\n    const A: &str = \"/dev/null\";\n}");
}

#[test]
fn only_code_counts_not_words_strings_and_tests() {
    fine(
        "call/mod.rs",
        "// use crate::media::X;\n/* crate::ui */ const A: &str = \"crate::ui \\\" russh::\";",
    );
    fine("call/mod.rs", "const A: &str = r#\"crate::ui \" unsafe \"#; const B: char = '\"';");
    fine(
        "call/mod.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::media::X;\n    fn f() { {} }\n}",
    );
    caught("call/mod.rs", "#[cfg(test)]\nmod tests { }\nuse crate::media::X;", "imports media");
    caught("call/mod.rs", "const A: &str = \"quote\";\nuse crate::media::X;", "imports media");
    caught("call/mod.rs", "const A: char = '\\'';\nuse crate::media::X; // '", "imports media");
}

#[test]
fn a_crate_outside_its_folder_is_caught() {
    caught("app/mod.rs", "use russh::client;", "russh");
    caught("media/camera.rs", "fn f() -> turbojpeg::Result<()> { x }", "turbojpeg");
    caught("codec/opus.rs", "use alsa;", "alsa");
    caught("cli/bench.rs", "fn f() { slint::run() }", "slint");
    fine("codec/opus.rs", "use opus::Encoder; use crate::frame::Packet;");
    fine("media/talk.rs", "use crate::codec::opus::Encoder; fn f() { codec::opus::new() }");
    fine("app/mod.rs", "use crate::device::alsa; fn f() { my_alsa::x() }");
}

#[test]
fn unsafe_code_long_files_and_files_without_a_word_are_caught() {
    caught("wire/packet.rs", "fn f() { unsafe { x() } }", "unsafe");
    caught("ui/mod.rs", "unsafe fn f() {}", "unsafe");
    fine("device/v4l2.rs", "#![allow(unsafe_code)]\nfn f() { unsafe { x() } }");
    fine("ui/kms/plane.rs", "fn f() { unsafe { x() } }");
    fine("wire/packet.rs", "#![forbid(unsafe_code)]");
    caught("frame.rs", &"\n".repeat(LINES), "lines");
    assert!(violations("frame.rs", "fn f() {}").iter().any(|v| v.contains("//!")));
}
