//! The first system's pictures, back to back.

use twocan::wire::mjpeg::{Splitter, picture_size};

use super::Target;

pub const TARGET: Target = Target { name: "mjpeg", is_slow: false, run, seeds };

/// Small, so that few bytes reach it.
const LIMIT: usize = 600;

fn run(data: &[u8]) {
    let (piece, rest) = data.split_first().map_or((1, data), |(first, rest)| (*first, rest));
    let mut splitter = Splitter::new(LIMIT);
    let mut held = 0;
    for piece in rest.chunks(usize::from(piece).max(1)) {
        splitter.push(piece);
        held += piece.len();
        loop {
            match splitter.next_picture() {
                Ok(Some(picture)) => {
                    assert!(picture.len() <= LIMIT && picture.len() <= held);
                    held -= picture.len();
                    let _ = picture_size(&picture);
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    let _ = splitter.skipped();
    let last = splitter.finish();
    assert!(last.is_none_or(|last| last.len() <= LIMIT));
}

fn seeds() -> Vec<Vec<u8>> {
    let mut picture = vec![0xff, 0xd8, 0xff, 0xe1, 0, 8, 0xff, 0xd8, 0xff, 0xd9, 7, 7];
    picture.extend([0xff, 0xc0, 0, 11, 8, 1, 0xe0, 2, 0x80, 1, 1, 0x11, 0]);
    picture.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    picture.extend([1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 5, 0xff, 0xd9]);
    let without_end = &picture[..picture.len() - 2];
    vec![
        [&[99], &picture[..]].concat(),
        [&[5], &picture[..], b"junk", &picture[..]].concat(),
        [&[40], without_end, &picture[..]].concat(),
        [&[255], &b"GET / HTTP/1.0\r\n\r\n".repeat(30)[..]].concat(),
    ]
}
