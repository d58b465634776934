//! What listeners over HTTP fetch: segments of MP3 in memory, and the playlist that names them, in the
//! shape of an ioc-server.
//!
//! ```text
//!  push ──> [ . . . . . . . | x x x x x x x ]        the newest 7 are listed, as many older ones are kept
//!            kept              listed                for whoever has an older list
//! ```
//! A segment is an ID3 tag with its time, and 0.972 s of MP3. Segments are counted on for as long as the
//! server runs, so that no player sees its count go back. Pure.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bytes::Bytes;

use crate::codec::lame::{FRAME, RATE, SEGMENT_FRAMES};

/// Segments in the playlist.
const LISTED: usize = 7;
/// Segments that can still be fetched.
const KEPT: usize = 2 * LISTED;
/// Ticks of 90 kHz in a segment: 27 frames of 36 ms.
const TICKS: u64 = (SEGMENT_FRAMES * FRAME) as u64 * 90_000 / RATE as u64;
/// Bytes of [`id3`].
pub(super) const ID3_LEN: usize = 73;

/// See the top of the file.
#[derive(Debug, Default)]
pub(super) struct Hls {
    /// Segments there ever were.
    count: u64,
    kept: VecDeque<(u32, Bytes)>,
}

impl Hls {
    /// Another 0.972 s of MP3. `id` is any number that no segment at hand has ([`Hls::knows`]).
    pub(super) fn push(&mut self, id: u32, mp3: &[u8]) {
        let mut segment = Vec::with_capacity(ID3_LEN + mp3.len());
        segment.extend_from_slice(&id3(self.count * TICKS));
        segment.extend_from_slice(mp3);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((id, segment.into()));
        self.count += 1;
    }

    /// Nothing to hear any more.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// There is nothing to hear.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Segments there ever were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The segment called `id` is at hand.
    pub(super) fn knows(&self, id: u32) -> bool {
        self.kept.iter().any(|(known, _)| *known == id)
    }

    /// The segment called `id`, tag first.
    pub(super) fn segment(&self, id: u32) -> Option<Bytes> {
        self.kept.iter().find(|(known, _)| *known == id).map(|(_, bytes)| bytes.clone())
    }

    /// The MP3 of segment number `number`, counted from 0, without its tag, or of the oldest at hand that
    /// is newer; with its number.
    pub(super) fn from(&self, number: u64) -> Option<(u64, Bytes)> {
        let oldest = self.count - self.kept.len() as u64;
        let number = number.max(oldest);
        let place = usize::try_from(number - oldest).ok()?;
        self.kept.get(place).map(|(_, bytes)| (number, bytes.slice(ID3_LEN..)))
    }

    /// The playlist; that of a station that is silent has two lines.
    pub(super) fn playlist(&self) -> String {
        let mut text = "#EXTM3U\r\n#EXT-X-VERSION:3\r\n".to_owned();
        if self.kept.is_empty() {
            return text;
        }
        let unlisted = self.kept.len().saturating_sub(LISTED);
        let first = self.count - (self.kept.len() - unlisted) as u64;
        let whole = "a String takes all text";
        write!(
            text,
            "#EXT-X-TARGETDURATION:1\r\n#EXT-X-MEDIA-SEQUENCE:{first}\r\n#EXT-X-START:TIME-OFFSET=-1.000000\r\n"
        )
        .expect(whole);
        for (id, _) in self.kept.iter().skip(unlisted) {
            write!(
                text,
                "#EXT-X-FRESH-IS-COMING\r\n#EXTINF:0.972000, Internet of Chuffs\r\n{id}.ts\r\n"
            )
            .expect(whole);
        }
        text
    }
}

/// The tag in front of a segment: ID3v2.4 with one private frame, as "HTTP Live Streaming" (RFC 8216,
/// 3.4) wants it of packed audio. `ticks` of 90 kHz, 33 bits.
fn id3(ticks: u64) -> [u8; ID3_LEN] {
    const OWNER: &[u8; 45] = b"com.apple.streaming.transportStreamTimestamp\0";
    let mut tag = [0; ID3_LEN];
    tag[..10].copy_from_slice(b"ID3\x04\0\0\0\0\0\x3f");
    tag[10..20].copy_from_slice(b"PRIV\0\0\0\x35\0\0");
    tag[20..65].copy_from_slice(OWNER);
    tag[65..].copy_from_slice(&(ticks & 0x1_ffff_ffff).to_be_bytes());
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYLIST: &str = include_str!("../../../tests/data/station/http_m3u8.txt");
    const SEGMENT: &[u8] = include_bytes!("../../../tests/data/station/e2e_segment.ts");

    #[test]
    fn the_playlist_of_the_same_segments_is_the_recorded_one_byte_for_byte() {
        let (_, recorded) =
            PLAYLIST.split_once("\n\n").or(PLAYLIST.split_once("\r\n\r\n")).unwrap();
        let mut hls = Hls::default();
        hls.push(7, b"long gone from the list");
        for line in recorded.lines().filter_map(|line| line.strip_suffix(".ts")) {
            hls.push(line.parse().unwrap(), b"mp3");
        }
        assert_eq!(hls.count(), 8);
        assert_eq!(hls.playlist(), recorded);
        assert!(hls.knows(7), "whoever has the list of a second ago still gets it");
    }

    #[test]
    fn a_segments_tag_is_the_recorded_one_and_so_is_its_length() {
        // The recorded one was the eighth, and its server rounded down.
        assert_eq!(id3(7 * TICKS - 1), SEGMENT[..ID3_LEN]);
        let mut hls = Hls::default();
        hls.push(1, &SEGMENT[ID3_LEN..]);
        assert_eq!(hls.segment(1).unwrap().len(), SEGMENT.len());
        assert_eq!(hls.segment(1).unwrap()[65..ID3_LEN], [0; 8]);
        assert_eq!(hls.from(0), Some((0, Bytes::from_static(&SEGMENT[ID3_LEN..]))));
        assert_eq!(hls.from(1), None);
    }

    #[test]
    fn a_silent_station_has_two_lines_and_its_count_goes_on_afterwards() {
        let mut hls = Hls::default();
        assert_eq!(hls.playlist(), "#EXTM3U\r\n#EXT-X-VERSION:3\r\n");
        for id in 0..100 {
            hls.push(id, b"mp3");
        }
        assert_eq!(hls.kept.len(), KEPT);
        assert!(hls.playlist().contains("#EXT-X-MEDIA-SEQUENCE:93\r\n"));
        assert_eq!(hls.from(3).unwrap().0, 86);
        hls.clear();
        assert_eq!(hls.playlist().lines().count(), 2);
        assert_eq!(hls.from(3), None);
        hls.push(1, b"mp3");
        assert!(hls.playlist().contains("#EXT-X-MEDIA-SEQUENCE:100\r\n"));
    }
}
