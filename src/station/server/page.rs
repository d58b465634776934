//! The pages for browsers: plain text in the system's own type, one `<audio>`, and a small script that
//! starts it again after a cut. Nothing comes from elsewhere.

use std::fmt::Write as _;

use super::house::Status;

/// Plays again after a pause when the sound ended, and says whether there is something to hear.
pub(super) const SCRIPT: &str = r#"'use strict';
const audio = document.querySelector('audio');
const state = document.querySelector('#state');
const name = document.body.dataset.station;
const again = () => setTimeout(() => {
  if (!audio.dataset.wanted) return;
  audio.src = 'live.mp3?' + Date.now();
  audio.play().catch(() => {});
}, 2000);
audio.addEventListener('play', () => { audio.dataset.wanted = 'yes'; });
audio.addEventListener('pause', () => { if (!audio.ended) delete audio.dataset.wanted; });
audio.addEventListener('ended', again);
audio.addEventListener('error', again);
const look = async () => {
  try {
    const answer = await fetch('/status.json');
    const found = (await answer.json()).stations.find((station) => station.name === name);
    state.textContent = found && found.live ? 'Live' : 'Nothing to hear now.';
  } catch {
    state.textContent = 'The station server does not answer.';
  }
};
look();
setInterval(look, 3000);
"#;

const STYLE: &str = "body{font:1.2em sans-serif;max-width:30em;margin:2em auto;padding:0 1em;\
    color-scheme:light dark}audio{width:100%}li{margin:.5em 0}";

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
        "<h1>{name}</h1><p id=\"state\"></p><audio controls preload=\"none\" src=\"live.mp3\"></audio>\
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
