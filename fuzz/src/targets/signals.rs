//! The control stream: lengths and signals, in pieces.

use twocan::wire::signal::{EndReason, Media, Signal, VERSION};

use super::Target;

pub const TARGET: Target =
    Target { name: "signals", is_slow: false, run: twocan::tunnel::fuzzing::signals, seeds };

fn seeds() -> Vec<Vec<u8>> {
    let hello =
        Signal::Hello { version: VERSION, name: "Anna".to_owned(), media: Media::default() };
    let quality = Default::default();
    let all = [
        hello,
        Signal::Invite { call: 7 },
        Signal::Ringing { call: 7 },
        Signal::Accept { call: 7 },
        Signal::Decline { call: 7 },
        Signal::Busy { call: 7 },
        Signal::Bye { call: 7, reason: EndReason::Other },
        Signal::Resume { call: u64::MAX },
        Signal::Missed { call: 7, seconds: 60 },
        Signal::Noted { call: 7 },
        Signal::Meet { points: Vec::new() },
        Signal::Hide { picture: true, sound: false },
        Signal::Report { shown: 1, voice: 2, quality, takes: quality },
        Signal::Ping { id: 3, sent: 4, metered: true },
        Signal::Pong { id: 3, sent: 4, received: 5 },
    ];
    // The first byte says how long the pieces are.
    let mut seeds: Vec<Vec<u8>> =
        all.iter().map(|signal| [&[200], &signal.encode()[..]].concat()).collect();
    let whole: Vec<u8> = all.iter().flat_map(Signal::encode).collect();
    seeds.push([&[37], &whole[..]].concat());
    seeds.push(vec![9, 0, 0, 16, 1, b'{']);
    seeds
}
