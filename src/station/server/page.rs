//! The pages for browsers: plain text in the system's own type, a large button, and a small script that
//! plays (listen.js). Nothing comes from elsewhere.

use std::fmt::Write as _;

use super::house::Status;

/// What a station's page does.
pub(super) const SCRIPT: &str = include_str!("listen.js");

const STYLE: &str = "body{font:1.2em sans-serif;max-width:30em;margin:2em auto;padding:0 1em;\
    color-scheme:light dark}button{font:inherit;font-size:1.6em;width:100%;min-height:3em;border-radius:.5em;\
    border:.12em solid}audio{width:100%}li{margin:.5em 0}#state{font-weight:bold}";

fn frame(title: &str, attributes: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body{attributes}>{body}</body></html>\n"
    )
}

/// The list of all stations.
pub(super) fn home(status: &Status) -> String {
    let mut list = String::new();
    for station in &status.stations {
        let state = if station.live { "Live" } else { "Nothing to hear now." };
        let (place, name) = (in_address(&station.name), in_text(&station.name));
        writeln!(list, "<li><a href=\"/{place}/\">{name}</a> · {state}</li>")
            .expect("a String takes all text");
    }
    frame("Stations", "", &format!("<h1>Stations</h1><ul>{list}</ul>"))
}

/// The page that plays the station `name`.
pub(super) fn station(name: &str) -> String {
    let name = in_text(name);
    let body = format!(
        "<h1>{name}</h1><p id=\"state\" role=\"status\"></p><button hidden>Listen</button><audio></audio>\
         <noscript><audio controls preload=\"none\" src=\"live.mp3\"></audio></noscript>\
         <p><a href=\"live.m3u8\">Playlist</a> · <a href=\"/\">All stations</a></p>\
         <script src=\"/-/listen.js\"></script>"
    );
    frame(&name, &format!(" data-station=\"{name}\""), &body)
}

/// Text in HTML, in quotes or not.
fn in_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text as a part of an address (RFC 3986, 2.3: what is not unreserved is written as numbers).
pub(super) fn in_address(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes all text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stations_name_is_text_on_a_page_and_one_part_of_an_address() {
        let page = station("<script>\"O'Hara & Co\"");
        assert!(page.contains("&lt;script&gt;&quot;O&#39;Hara &amp; Co&quot;"), "{page}");
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(in_address("Old Garden/ü"), "Old%20Garden%2F%C3%BC");
    }
}
