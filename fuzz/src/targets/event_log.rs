//! A station's log: records in pieces, and their lines of text.

use twocan::wire::event_log::{Event, Lines, RECORD_LEN, Record, Splitter};

use super::Target;

pub const TARGET: Target = Target { name: "event-log", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    // The first byte says how long the pieces are.
    let (piece, rest) = data.split_first().map_or((1, data), |(first, rest)| (*first, rest));
    let (mut splitter, mut lines) = (Splitter::default(), Lines::default());
    let mut got = Vec::new();
    for piece in rest.chunks(usize::from(piece).max(1)) {
        splitter.push(piece, |record| {
            let line = lines.line(record);
            assert!(line.ends_with(")\n") && line.lines().count() == 1 && line.len() < 200);
            got.extend(record.encode());
        });
    }
    assert_eq!(splitter.begun(), rest.len() % RECORD_LEN);
    assert_eq!(got[..], rest[..rest.len() - splitter.begun()]);
}

fn seeds() -> Vec<Vec<u8>> {
    let record =
        |timestamp_us, event: u32, parameter| Record { timestamp_us, event, parameter }.encode();
    let now = 1_795_228_291_640_491;
    let all: Vec<u8> = Event::ALL.iter().flat_map(|event| record(now, event.number(), 7)).collect();
    let clock = Event::CurrentTimeUtc.number();
    let moved = [
        record(5, 3, 0),
        record(9, clock, 1_510_827_960),
        record(10, clock, 1_795_228_291),
        record(1, 4, 0),
        record(u64::MAX, 200, u32::MAX),
    ];
    let beginning = [&[16][..], &record(now, 3, 0), &record(now, 10, 0)].concat();
    vec![
        [&[48][..], &all].concat(),
        [&[5][..], &moved.concat()].concat(),
        beginning,
        vec![3, 1, 2, 3, 4, 5],
    ]
}
