//! A station's sound: segments of one decoder, one after the other.

use std::cell::RefCell;

use twocan::codec::mp3::Mp3Decoder;

use super::Target;

pub const TARGET: Target = Target { name: "mp3", is_slow: false, run, seeds };

thread_local! {
    static DECODER: RefCell<Mp3Decoder> = RefCell::default();
}

fn run(data: &[u8]) {
    let mut sound = Vec::new();
    let done = DECODER.with_borrow_mut(|decoder| decoder.decode(data, &mut sound));
    // The smallest frame is 24 bytes, for 576 samples.
    assert!(sound.len() <= data.len() * 24);
    assert_eq!(done.is_ok(), !sound.is_empty());
}

fn seeds() -> Vec<Vec<u8>> {
    let segment = include_bytes!("../../../tests/data/urtp/segment.ts");
    // The tag and three frames; frames alone; one that is torn.
    vec![
        segment[..73 + 3 * 108].to_vec(),
        segment[73..73 + 5 * 108].to_vec(),
        segment[..400].to_vec(),
    ]
}
