//! JPEG pictures back to back: cut apart as the bytes come in, by following the markers.
//!
//! Segments are skipped by their length (a thumbnail inside one doesn't end the picture) and scan
//! data up to the next real marker. A picture without its end marker ends where the next one
//! starts. What lies between pictures is skipped, a little of it; a picture may have so many bytes
//! and no more. Nothing here decodes.

use bytes::{Bytes, BytesMut};

use crate::caps::JUNK_LIMIT;
use crate::frame::Size;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// Why bytes are not pictures back to back. Either ends the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A picture goes on and on.
    #[error("a picture of more than {0} bytes")]
    TooLong(usize),
    /// Something else than JPEG.
    #[error("{JUNK_LIMIT} bytes that are not JPEG pictures")]
    NotPictures,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a picture.
    Between,
    /// At a marker, or at stray bytes before one.
    Marker,
    /// In the data of a scan.
    Scan,
}

/// Cuts a stream into pictures.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    buffer: BytesMut,
    place: Place,
    /// Bytes of the buffer that were looked at already; may lie past its end (a long segment).
    at: usize,
    junk: usize,
    junk_total: u64,
}

impl Splitter {
    /// For pictures of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (buffer, place) = (BytesMut::new(), Place::Between);
        Self { limit, buffer, place, at: 0, junk: 0, junk_total: 0 }
    }

    /// Take in what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes between pictures that were skipped so far.
    pub fn skipped(&self) -> u64 {
        self.junk_total + self.junk as u64
    }

    /// The next whole picture; `None`: more bytes are needed.
    ///
    /// # Errors
    /// The stream is not what it should be; it is of no use any more.
    pub fn next_picture(&mut self) -> Result<Option<Bytes>, SplitError> {
        loop {
            let whole = match self.place {
                Place::Between => {
                    if !self.find_start()? {
                        return Ok(None);
                    }
                    continue;
                }
                Place::Marker => self.marker(),
                Place::Scan => self.scan(),
            };
            // What is whole is judged by its own length, what is not by all that is here.
            let length = match whole {
                Step::Picture(length) => length,
                Step::On | Step::More => self.buffer.len().min(self.at),
            };
            if length > self.limit || matches!(whole, Step::More) && self.buffer.len() > self.limit
            {
                return Err(SplitError::TooLong(self.limit));
            }
            match whole {
                Step::On => {}
                Step::More => return Ok(None),
                Step::Picture(length) => {
                    (self.place, self.at) = (Place::Between, 0);
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
            }
        }
    }

    /// The stream has ended: the last picture, if only its end marker is missing.
    pub fn finish(mut self) -> Option<Bytes> {
        let whole = self.place == Place::Scan && self.buffer.len() <= self.limit;
        whole.then(|| self.buffer.split().freeze())
    }

    fn find_start(&mut self) -> Result<bool, SplitError> {
        let start = self.buffer.windows(2).position(|pair| pair == [0xff, SOI]);
        let junk = match start {
            Some(start) => start,
            None if self.buffer.last() == Some(&0xff) => self.buffer.len() - 1,
            None => self.buffer.len(),
        };
        let _ = self.buffer.split_to(junk);
        self.junk += junk;
        if self.junk > JUNK_LIMIT {
            return Err(SplitError::NotPictures);
        }
        if start.is_none() {
            return Ok(false);
        }
        self.junk_total += self.junk as u64;
        (self.junk, self.place, self.at) = (0, Place::Marker, 2);
        Ok(true)
    }

    fn marker(&mut self) -> Step {
        let Some(rest) = self.buffer.get(self.at..) else { return Step::More };
        let Some(stray) = rest.iter().position(|byte| *byte == 0xff) else {
            self.at = self.buffer.len();
            return Step::More;
        };
        self.at += stray;
        match rest[stray..] {
            [_, 0xff, ..] | [_, 0x00, ..] => self.at += 1,
            [_, SOI, ..] => return Step::Picture(self.at),
            [_, EOI, ..] => return Step::Picture(self.at + 2),
            [_, 0x01 | 0xd0..=0xd7, ..] => self.at += 2,
            [_, marker, high, low, ..] => {
                self.at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
                if marker == SOS {
                    self.place = Place::Scan;
                }
            }
            _ => return Step::More,
        }
        Step::On
    }

    fn scan(&mut self) -> Step {
        loop {
            let Some(rest) = self.buffer.get(self.at..) else { return Step::More };
            let Some(found) = rest.iter().position(|byte| *byte == 0xff) else {
                self.at = self.buffer.len();
                return Step::More;
            };
            self.at += found;
            match rest[found..] {
                [_, 0x00 | 0xd0..=0xd7, ..] => self.at += 2,
                [_, 0xff, ..] => self.at += 1,
                [_, _, ..] => {
                    self.place = Place::Marker;
                    return Step::On;
                }
                _ => return Step::More,
            }
        }
    }
}

enum Step {
    On,
    More,
    Picture(usize),
}

/// The size that a JPEG's frame header names; `None` when there is none in its segments.
pub fn picture_size(jpeg: &[u8]) -> Option<Size> {
    let mut rest = jpeg.strip_prefix(&[0xff, SOI])?;
    loop {
        match *rest {
            [0xff, 0xff, ..] => rest = &rest[1..],
            // Markers without a length, as decoders read them: taken for segments, they would hide a
            // frame header from us that the decoder sees.
            [0xff, 0x01 | 0xd0..=0xd7, ..] => rest = &rest[2..],
            [0xff, 0x00, ..] => return None,
            // Frame headers; not the tables DHT, JPG and DAC that share their range.
            [0xff, marker @ 0xc0..=0xcf, _, _, _, h0, h1, w0, w1, ..]
                if !matches!(marker, 0xc4 | 0xc8 | 0xcc) =>
            {
                let [width, height] = [[w0, w1], [h0, h1]].map(u16::from_be_bytes);
                let size = Size::new(width.into(), height.into());
                return (width > 0 && height > 0).then_some(size);
            }
            [0xff, SOI | EOI | SOS, ..] => return None,
            [0xff, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low])).max(2);
                rest = rest.get(2 + length..)?;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Markers as in a real picture: a thumbnail with its own end, a frame header, a scan with
    /// stuffed bytes and restarts.
    fn picture(tag: u8) -> Vec<u8> {
        let mut bytes = vec![0xff, SOI, 0xff, 0xe1, 0, 8, 0xff, SOI, 0xff, EOI, 7, tag];
        bytes.extend([0xff, 0xc0, 0, 11, 8, 1, 0xe0, 2, 0x80, 1, 1, 0x11, 0]);
        bytes.extend([0xff, SOS, 0, 8, 1, 1, 0, 0, 63, 0]);
        bytes.extend([1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, tag, 0xff, EOI]);
        bytes
    }

    fn split(stream: &[u8], chunk: usize) -> Vec<Bytes> {
        let mut splitter = Splitter::new(1000);
        let mut pictures = Vec::new();
        for bytes in stream.chunks(chunk) {
            splitter.push(bytes);
            while let Some(picture) = splitter.next_picture().unwrap() {
                pictures.push(picture);
            }
        }
        pictures.extend(splitter.finish());
        pictures
    }

    #[test]
    fn pictures_are_cut_apart_whatever_the_pieces_they_come_in() {
        let stream = [picture(1), vec![0; 5], picture(2), picture(3)].concat();
        for chunk in 1..stream.len() {
            let pictures = split(&stream, chunk);
            assert_eq!(pictures, [picture(1), picture(2), picture(3)], "pieces of {chunk}");
        }
    }

    #[test]
    fn a_picture_without_its_end_marker_ends_where_the_next_begins() {
        let mut open = picture(1);
        open.truncate(open.len() - 2);
        let stream = [open.clone(), picture(2), open.clone()].concat();
        for chunk in [1, 2, 3, 7, stream.len()] {
            assert_eq!(split(&stream, chunk), [open.clone(), picture(2), open.clone()]);
        }
    }

    #[test]
    fn a_picture_over_the_limit_ends_the_stream_before_more_is_kept() {
        let mut splitter = Splitter::new(1000);
        splitter.push(&[0xff, SOI, 0xff, SOS, 0, 2]);
        let error = (0..100).find_map(|_| {
            splitter.push(&[1; 100]);
            splitter.next_picture().err()
        });
        assert_eq!(error, Some(SplitError::TooLong(1000)));
        assert!(splitter.buffer.len() < 1200);
    }

    #[test]
    fn something_else_than_pictures_ends_the_stream() {
        let mut splitter = Splitter::new(1000);
        let error = (0..1000).find_map(|_| {
            splitter.push(b"GET / HTTP/1.1\r\n");
            splitter.next_picture().err()
        });
        assert_eq!(error, Some(SplitError::NotPictures));
    }

    #[test]
    fn a_frame_header_behind_a_marker_without_a_length_is_not_passed_over() {
        for marker in [0x01, 0xd0, 0xd7] {
            // Read as a segment, it would end behind the first frame header, at a harmless one.
            let mut jpeg = vec![0xff, SOI, 0xff, marker];
            jpeg.extend([0xff, 0xc0, 0, 11, 8, 0xff, 0, 0xff, 0, 1, 1, 0x11, 0]);
            assert_eq!(picture_size(&jpeg), Some(Size::new(0xff00, 0xff00)), "{marker:#x}");
        }
        assert_eq!(picture_size(&[0xff, SOI, 0xff, 0, 0, 4, 0, 0]), None);
    }

    #[test]
    fn the_frame_header_tells_the_size() {
        assert_eq!(picture_size(&picture(1)), Some(Size::new(640, 480)));
        for end in 0..20 {
            assert_eq!(picture_size(&picture(1)[..end]), None);
        }
    }

    proptest! {
        #[test]
        fn garbage_is_bounded_and_never_panics(
            bytes in prop::collection::vec(
                prop_oneof![Just(0xffu8), Just(SOI), Just(SOS), Just(EOI), any::<u8>()], 0..4000),
            chunk in 1usize..300,
        ) {
            let mut splitter = Splitter::new(500);
            for bytes in bytes.chunks(chunk) {
                splitter.push(bytes);
                loop {
                    match splitter.next_picture() {
                        Ok(Some(picture)) => prop_assert!(picture.len() <= 500),
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
                prop_assert!(splitter.buffer.len() <= 500 + chunk);
            }
            let _ = picture_size(&bytes);
        }
    }
}
