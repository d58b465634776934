//! A station's datagrams: one by one, out of a stream, and what our own encoder makes of any sound.

use twocan::wire::urtp::{
    BLOCK, Coding, Cutter, DATAGRAM_LIMIT, Decoder, Encoder, HEADER_LEN, Header, MAX_GAIN,
    TIMING_LEN, Timing, TimingCutter,
};

use super::Target;

pub const TARGET: Target = Target { name: "urtp", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    let (first, rest) = data.split_first().map_or((1, data), |(first, rest)| (*first, rest));
    one(rest);
    stream(rest, usize::from(first).max(1));
    timings(rest, usize::from(first).max(1));
    sound(rest, if first & 16 == 0 { Coding::Unicam } else { Coding::Pcm }, first & 15);
}

/// As it comes by UDP.
fn one(bytes: &[u8]) {
    let mut out = [0; BLOCK];
    let decoded = Decoder::default().decode(bytes, &mut out);
    assert_eq!(decoded, Header::of_datagram(bytes));
    if let Ok(header) = decoded {
        assert_eq!(bytes[..HEADER_LEN], header.encode());
    } else {
        assert_eq!(out, [0; BLOCK]);
    }
}

/// As it comes by TCP.
fn stream(bytes: &[u8], size: usize) {
    let (mut cutter, mut decoder) = (Cutter::default(), Decoder::default());
    let (mut out, mut got) = ([0; BLOCK], 0);
    for mut piece in bytes.chunks(size) {
        while let Some((header, datagram)) = cutter.cut(&mut piece) {
            got += datagram.len();
            assert_eq!(decoder.decode(datagram, &mut out), Ok(header));
        }
        assert!(piece.is_empty());
    }
    let held = bytes.len() - got - cutter.skipped() as usize;
    assert!(held < DATAGRAM_LIMIT);
}

/// What a server says.
fn timings(bytes: &[u8], size: usize) {
    let (mut cutter, mut got) = (TimingCutter::default(), 0);
    for mut piece in bytes.chunks(size) {
        while let Some(timing) = cutter.cut(&mut piece) {
            got += TIMING_LEN;
            assert_eq!(Timing::decode(&timing.encode()), Ok(timing));
        }
        assert!(piece.is_empty());
    }
    let held = bytes.len() - got - cutter.skipped() as usize;
    assert!(held < TIMING_LEN);
}

/// Any microphone, there and back.
fn sound(bytes: &[u8], coding: Coding, max_gain: u8) {
    let (mut encoder, mut decoder) = (Encoder::new(coding, max_gain), Decoder::default());
    let (mut out, mut heard) = ([0; DATAGRAM_LIMIT], [0; BLOCK]);
    for (sequence, bytes) in (0..).zip(bytes.chunks(3 * BLOCK)) {
        let mut left = [0; BLOCK];
        for (sample, bytes) in left.iter_mut().zip(bytes.chunks_exact(3)) {
            *sample = i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]]) >> 8;
        }
        let shift = encoder.shift();
        assert!(shift <= max_gain.min(MAX_GAIN));
        let length = encoder.encode(&left, sequence, 7, &mut out);
        let header = Header { coding, sequence, timestamp_us: 7 };
        assert_eq!(decoder.decode(&out[..length], &mut heard), Ok(header));
        match coding {
            Coding::Pcm => {
                for (sample, heard) in left.iter().zip(heard) {
                    let lifted = (i64::from(*sample) << shift) >> 16;
                    assert_eq!(lifted.clamp(-32768, 32767), i64::from(heard));
                }
            }
            Coding::Unicam => {
                for shifts in out[HEADER_LEN..length].chunks_exact(33).map(|pair| pair[16]) {
                    assert!(shifts & 15 <= 8 && shifts >> 4 <= 8);
                }
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let recorded = [
        &include_bytes!("../../../tests/data/urtp/v2_impulse.g12.unicam.urtp")[..],
        include_bytes!("../../../tests/data/urtp/v2n_negimpulse.g12.pcm.urtp"),
    ];
    let timing = Timing { sequence: 0x33, timestamp_us: 0x0006_60c0_28ad_47b5 }.encode();
    let loud: Vec<u8> =
        (0..1300_u32).flat_map(|at| [255, 255, if at / 9 % 2 == 0 { 127 } else { 128 }]).collect();
    vec![
        [&[255], recorded[0]].concat(),
        [&[16], recorded[1]].concat(),
        [&[7], recorded[0], b"GET / HTTP/1.0\r\n\r\n", recorded[1], &recorded[0][..99]].concat(),
        [&[3], &timing[..], &timing, b"junk", &timing].concat(),
        [&[12], &loud[..]].concat(),
        [&[28], &loud[..]].concat(),
    ]
}
