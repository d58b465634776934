//! Playlists of live sound (m3u8, RFC 8216): which segments there are, and where. Pure.
//!
//! ```text
//!  #EXTM3U                                 what it is
//!  #EXT-X-VERSION:3                        (an empty stream ends here)
//!  #EXTINF:0.972000, Internet of Chuffs    how long the next one is
//!  3251651420.ts                           where it is, seen from the playlist
//! ```
//! Segments are known by their address: the number of the first one may begin anew, names do not come
//! again. Only the newest [`SEGMENTS_LISTED`] are kept, and what leads to another server is refused: a
//! kiosk asks nobody but whom a person has named.

use std::time::Duration;

use crate::caps::SEGMENT_ADDRESS_LIMIT;
pub use crate::caps::{PLAYLIST_LIMIT, SEGMENTS_LISTED};

/// How long a segment is taken to be whose length is not said, or can't be.
const USUAL: Duration = Duration::from_secs(1);
/// No segment of live sound is longer.
const LONGEST: f64 = 60.0;

/// A piece of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// As it stands in the playlist; see [`resolve`].
    pub uri: String,
    /// As it says.
    pub length: Duration,
}

/// What there is to hear now; nothing is no mistake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Playlist {
    /// The oldest first.
    pub segments: Vec<Segment>,
}

/// Why bytes are no playlist of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    /// More than [`PLAYLIST_LIMIT`].
    #[error("a playlist of {0} bytes, at most {PLAYLIST_LIMIT} are allowed")]
    Length(usize),
    /// It is not UTF-8, or does not begin with `#EXTM3U`.
    #[error("no playlist: it does not begin with #EXTM3U")]
    NotOne,
    /// A list of playlists: one of them has to be named.
    #[error("a list of playlists; name one of them")]
    OfPlaylists,
    /// A segment's address is longer than [`SEGMENT_ADDRESS_LIMIT`], or no address.
    #[error("a segment's address is none")]
    Address,
    /// A segment is to be fetched from another server.
    #[error("a segment is at another server")]
    Elsewhere,
}

impl Playlist {
    /// From what a server sent.
    ///
    /// # Errors
    /// See [`PlaylistError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PlaylistError> {
        if bytes.len() > PLAYLIST_LIMIT {
            return Err(PlaylistError::Length(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| PlaylistError::NotOne)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().map(str::trim);
        if lines.next() != Some("#EXTM3U") {
            return Err(PlaylistError::NotOne);
        }
        let (mut segments, mut length) = (Vec::new(), USUAL);
        for line in lines {
            if let Some(info) = line.strip_prefix("#EXTINF:") {
                length = length_of(info);
            } else if line.starts_with("#EXT-X-STREAM-INF") {
                return Err(PlaylistError::OfPlaylists);
            } else if !line.is_empty() && !line.starts_with('#') {
                check(line)?;
                segments.push((line, length));
                length = USUAL;
            }
        }
        let newest = segments.len().saturating_sub(SEGMENTS_LISTED);
        let kept = segments.drain(newest..);
        let segments = kept.map(|(uri, length)| Segment { uri: uri.to_owned(), length }).collect();
        Ok(Self { segments })
    }
}

/// `0.972000, Internet of Chuffs` → 972 ms.
fn length_of(info: &str) -> Duration {
    let seconds = info.split(',').next().and_then(|number| number.trim().parse::<f64>().ok());
    let fits = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST);
    fits.map_or(USUAL, Duration::from_secs_f64)
}

fn check(uri: &str) -> Result<(), PlaylistError> {
    let plain = uri.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && uri.len() <= SEGMENT_ADDRESS_LIMIT { Ok(()) } else { Err(PlaylistError::Address) }
}

/// The whole address of a segment that is called `uri` in the playlist at `playlist`, which begins with
/// `http://` and a host.
///
/// # Errors
/// It is at another server, or it is no address.
pub fn resolve(playlist: &str, uri: &str) -> Result<String, PlaylistError> {
    check(uri)?;
    let (server, path) = split(playlist).ok_or(PlaylistError::Address)?;
    let uri = uri.split('#').next().unwrap_or(uri);
    if uri.contains("://") {
        let (other, path) = split(uri).ok_or(PlaylistError::Elsewhere)?;
        return if other.eq_ignore_ascii_case(server) {
            Ok(format!("{server}{path}"))
        } else {
            Err(PlaylistError::Elsewhere)
        };
    }
    if uri.starts_with("//") {
        return Err(PlaylistError::Elsewhere);
    }
    if uri.starts_with('/') {
        return Ok(format!("{server}{uri}"));
    }
    let folder = path.split('?').next().and_then(|path| path.rsplit_once('/'));
    let folder = folder.map_or("", |(folder, _)| folder);
    Ok(format!("{server}{folder}/{uri}"))
}

/// `http://host:8080/a/b.m3u8` → `http://host:8080`, `/a/b.m3u8`; none: no such address.
fn split(address: &str) -> Option<(&str, &str)> {
    const SCHEME: &str = "http://";
    let scheme = address.get(..SCHEME.len())?;
    let rest = &address[SCHEME.len()..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let is_one = scheme.eq_ignore_ascii_case(SCHEME) && end > 0;
    is_one.then(|| address.split_at(SCHEME.len() + end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIVE: &[u8] = include_bytes!("../../tests/data/urtp/live.m3u8");

    #[test]
    fn the_playlist_that_an_ioc_server_served_has_seven_segments_of_27_frames() {
        let playlist = Playlist::parse(LIVE).unwrap();
        assert_eq!(playlist.segments.len(), 7);
        assert_eq!(playlist.segments[0].uri, "3251651420.ts");
        assert_eq!(playlist.segments[6].uri, "392658311.ts");
        assert!(playlist.segments.iter().all(|one| one.length == Duration::from_millis(972)));
    }

    #[test]
    fn a_stream_without_sound_is_two_lines_and_no_mistake() {
        let playlist = Playlist::parse(b"#EXTM3U\r\n#EXT-X-VERSION:3\r\n").unwrap();
        assert_eq!(playlist, Playlist::default());
    }

    #[test]
    fn what_is_no_playlist_of_sound_is_refused() {
        let parse = |text: &[u8]| Playlist::parse(text).unwrap_err();
        assert_eq!(parse(b"<html>"), PlaylistError::NotOne);
        assert_eq!(parse(b""), PlaylistError::NotOne);
        assert_eq!(parse(b"#EXTM3U\n\xff"), PlaylistError::NotOne);
        assert_eq!(
            parse(b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8"),
            PlaylistError::OfPlaylists
        );
        assert_eq!(parse(b"#EXTM3U\na b.ts"), PlaylistError::Address);
        assert_eq!(parse(&[b'#'; PLAYLIST_LIMIT + 1]), PlaylistError::Length(PLAYLIST_LIMIT + 1));
        let long = format!("#EXTM3U\n{}", "x".repeat(SEGMENT_ADDRESS_LIMIT + 1));
        assert_eq!(parse(long.as_bytes()), PlaylistError::Address);
    }

    #[test]
    fn a_length_that_cannot_be_is_a_second_and_of_too_many_the_newest_are_kept() {
        for info in ["", "-1,", "NaN,", "inf,", "1e300,", "0,", "x,"] {
            assert_eq!(length_of(info), USUAL, "{info}");
        }
        let many: String = (0..1000).map(|n| format!("#EXTINF:2,\n{n}.ts\n")).collect();
        let playlist = Playlist::parse(format!("#EXTM3U\n{many}").as_bytes()).unwrap();
        assert_eq!(playlist.segments.len(), SEGMENTS_LISTED);
        let newest = Segment { uri: "999.ts".to_owned(), length: Duration::from_secs(2) };
        assert_eq!(playlist.segments.last(), Some(&newest));
    }

    #[test]
    fn a_segment_is_found_beside_its_playlist_and_never_at_another_server() {
        let at = "http://house:8080/home/u/chuffs/live.m3u8?x=/y";
        for (uri, expected) in [
            ("1.ts", "http://house:8080/home/u/chuffs/1.ts"),
            ("/a/1.ts", "http://house:8080/a/1.ts"),
            ("HTTP://HOUSE:8080/1.ts", "http://house:8080/1.ts"),
            ("1.ts#late", "http://house:8080/home/u/chuffs/1.ts"),
        ] {
            assert_eq!(resolve(at, uri).unwrap(), expected);
        }
        for uri in [
            "http://other:8080/1.ts",
            "http://house:80801/1.ts",
            "http://house:8080@other/1.ts",
            "//other/1.ts",
            "ftp://house:8080/1.ts",
            "file:///etc/passwd",
        ] {
            assert_eq!(resolve(at, uri), Err(PlaylistError::Elsewhere), "{uri}");
        }
        assert_eq!(resolve("http://house", "1.ts").unwrap(), "http://house/1.ts");
        assert_eq!(resolve("house", "1.ts"), Err(PlaylistError::Address));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in any::<Vec<u8>>(), uri in any::<String>()) {
            let _ = Playlist::parse(&bytes);
            let _ = Playlist::parse(&[b"#EXTM3U\n", &bytes[..]].concat());
            let _ = resolve("http://house/a", &uri);
            let _ = resolve(&uri, "1.ts");
        }
    }
}
