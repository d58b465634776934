//! From what serde and toml say about a mistake to one sentence for a maker:
//! ``unknown key `colour` in [kiosk]; expected one of name, screen, …``.
//!
//! Serde knows what was expected, toml knows where it stands; the section and the key are found by
//! walking the parsed table to that place.

use std::ops::Range;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::Config;

/// The line (from 1) and the sentence.
type Mistake = (usize, String);

/// The line of the byte at `offset`, from 1.
pub(super) fn line(bytes: &[u8], offset: usize) -> usize {
    bytes[..offset.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The configuration in `text`.
pub(super) fn parse(text: &str) -> Result<Config, Mistake> {
    let at = |span: &Range<usize>| line(text.as_bytes(), span.start);
    let table = DeTable::parse(text).map_err(|e| {
        let span = e.span().unwrap_or(text.len()..text.len());
        (at(&span), printable(e.message()))
    })?;
    // Serde would take a list for a section, value by value; nobody means that.
    for (key, value) in table.get_ref() {
        let known = SECTIONS.contains(&key.get_ref().as_ref());
        if known && !matches!(value.get_ref(), DeValue::Table(_)) {
            let name = key.get_ref();
            return Err((at(&key.span()), format!("`{name}` is no section; expected [{name}]")));
        }
    }
    let known = table.clone();
    Config::deserialize(toml::Deserializer::from(table)).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        let path = path_to(known.get_ref(), &span);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        (at(&span), printable(&sentence(e.message(), &path)))
    })
}

const SECTIONS: [&str; 11] = [
    "kiosk",
    "display",
    "camera",
    "microphone",
    "speaker",
    "call",
    "network",
    "relay",
    "door",
    "station",
    "station_server",
];

/// The keys that lead to the entry that holds the start of `span`.
fn path_to(table: &DeTable<'_>, span: &Range<usize>) -> Vec<String> {
    let holds = |range: &Range<usize>| range.contains(&span.start) || range == span;
    for (key, value) in table {
        let name = key.get_ref().to_string();
        let inner: Vec<&DeTable<'_>> = match value.get_ref() {
            DeValue::Table(inner) => vec![inner],
            // One section several times, `[[listen]]`.
            DeValue::Array(several) => {
                several.iter().filter_map(|one| one.get_ref().as_table()).collect()
            }
            _ => Vec::new(),
        };
        for inner in inner {
            let deeper = path_to(inner, span);
            if !deeper.is_empty() {
                return std::iter::once(name).chain(deeper).collect();
            }
        }
        if holds(&key.span()) || holds(&value.span()) {
            return vec![name];
        }
    }
    Vec::new()
}

fn sentence(message: &str, path: &[&str]) -> String {
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((key, expected)) = rest.split_once('`')
    {
        let expected = expected.trim_start_matches(", expected ").replace('`', "");
        let expected = match expected.strip_prefix("one of ") {
            Some(several) => format!("one of {several}"),
            None => expected.replace(" or ", ", "),
        };
        return match path {
            [section, _, ..] => format!("unknown key `{key}` in [{section}]; expected {expected}"),
            _ => format!("unknown section [{key}]; expected {expected}"),
        };
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        let section = path.first().unwrap_or(&"");
        return format!("{key} is missing in [{section}], which has no default for it");
    }
    let found = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "));
    let place = match path {
        [section, .., key] => format!("`{key}` in [{section}]"),
        [key] => format!("[{key}]"),
        [] => return message.to_owned(),
    };
    match found.and_then(|found| found.rsplit_once(", expected ")) {
        Some((found, "a boolean")) => {
            format!("{place} is {}; expected true or false", plain(found))
        }
        Some((found, expected)) => format!("{place} is {}; expected {expected}", plain(found)),
        None => format!("{place}: {message}"),
    }
}

/// `integer `90`` → `90`, `string "x"` → `"x"`, `sequence` → `a list`.
fn plain(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        _ => {
            let kinds = ["string ", "integer ", "boolean ", "floating point "];
            let value = kinds.iter().find_map(|kind| found.strip_prefix(kind)).unwrap_or(found);
            value.trim_matches('`').to_owned()
        }
    }
}

/// One line of at most 300 characters, whatever the file held.
fn printable(sentence: &str) -> String {
    let line: String =
        sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).take(301).collect();
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
