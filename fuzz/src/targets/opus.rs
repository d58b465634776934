//! A stranger's voice: packets of one decoder, one after the other, and gaps between them.

use std::cell::RefCell;

use twocan::codec::opus::{DURATION_LIMIT, VoiceDecoder, VoiceEncoder, VoiceFormat, samples_in};

use super::Target;

pub const TARGET: Target = Target { name: "opus", is_slow: false, run, seeds };

thread_local! {
    static DECODER: RefCell<VoiceDecoder> =
        RefCell::new(VoiceDecoder::new().expect("there is memory"));
}

fn run(mut data: &[u8]) {
    DECODER.with_borrow_mut(|decoder| {
        while let Some((length, rest)) = data.split_first() {
            // Up to 1278 bytes: just over what is taken.
            let length = usize::from(*length) * 5 + 3;
            let (packet, rest) = rest.split_at(length.min(rest.len()));
            data = rest;
            let said = samples_in(packet);
            match decoder.decode(packet) {
                Ok(sound) => {
                    assert!(sound.len() <= DURATION_LIMIT);
                    assert_eq!(said.ok(), Some(sound.len()));
                }
                Err(_) => drop(decoder.conceal(960)),
            }
        }
    });
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (frame_ms, low_delay, bitrate) in
        [(20, false, 24_000), (10, true, 24_000), (60, false, 6_000), (20, false, 96_000)]
    {
        let format = VoiceFormat { frame_ms, low_delay, bitrate, dtx: false };
        let mut encoder = VoiceEncoder::new(format).expect("a format of ours");
        let mut seed = Vec::new();
        for at in 0..3 {
            let noise = |n: usize| ((n * n * 31 + at * 977) % 20_000) as i16 - 10_000;
            let frame: Vec<i16> = (0..format.samples()).map(noise).collect();
            let mut packet = Vec::new();
            encoder.encode(&frame, &mut packet).expect("whole frames");
            // To a length that the length byte can say; what is too much is padding of another kind.
            packet.resize(packet.len().saturating_sub(3).div_ceil(5) * 5 + 3, 0);
            seed.push(((packet.len() - 3) / 5) as u8);
            seed.extend(packet);
        }
        seeds.push(seed);
    }
    // Code 3 with 48 frames of 2.5 ms, and with more than 120 ms.
    seeds.push(vec![0, 0xe3, 48, 0]);
    seeds.push(vec![0, 0xfb, 63, 0]);
    seeds
}
