//! What somebody says who comes to pair, or to whom we have come: messages, and conversations of them.

use twocan::card::Card;
use twocan::clock;
use twocan::identity::PeerKey;
use twocan::pairing::Words;
use twocan::pairing::talk::{Input, Talk};
use twocan::pairing::wire::{Message, Secret, decode_length};

use super::Target;

pub const MESSAGES: Target =
    Target { name: "pairing", is_slow: false, run: messages, seeds: seeds_of_messages };
pub const TALKS: Target =
    Target { name: "talks", is_slow: true, run: talks, seeds: seeds_of_talks };

const WORDS: Words = ["abandon", "zoo", "act", "monkey"];

fn messages(data: &[u8]) {
    if let Ok((version, message)) = Message::decode(data) {
        let bytes = message.encode(version);
        assert_eq!(&bytes[2..], data, "one message has one form");
        assert_eq!(decode_length([bytes[0], bytes[1]]).ok(), Some(data.len()));
    }
    // Whatever it is, it returns.
    let _ = Secret::decode(data);
}

/// The first byte says which role is ours; then a length byte, a message, and so on.
fn talks(data: &[u8]) {
    let Some((role, mut rest)) = data.split_first() else { return };
    let card = Card {
        name: "Anna".to_owned(),
        key: PeerKey([7; 32]),
        meeting: Vec::new(),
        direct: Vec::new(),
    };
    let now = clock::now();
    let mut talk = match role & 1 {
        0 => Talk::offer(&WORDS, &card, now),
        _ => Talk::join(&WORDS, &card, now).0,
    };
    while let Some((length, more)) = rest.split_first() {
        let (message, more) = more.split_at(more.len().min(usize::from(*length)));
        talk.handle(Input::Message(message), now);
        assert!(!talk.is_proven() || talk.is_over(), "nobody guesses the proof");
        rest = more;
    }
}

fn seeds_of_messages() -> Vec<Vec<u8>> {
    let all = [
        Message::Open([2; 33]),
        Message::Answer([3; 33]),
        Message::Proof([4; 32]),
        Message::Sealed(vec![5; 80]),
        Message::Wrong,
        Message::Stopped,
    ];
    all.iter().map(|message| message.encode(1)[2..].to_vec()).collect()
}

fn seeds_of_talks() -> Vec<Vec<u8>> {
    let card = Card {
        name: "Bert".to_owned(),
        key: PeerKey([8; 32]),
        meeting: Vec::new(),
        direct: Vec::new(),
    };
    let now = clock::now();
    let (_, first) = Talk::join(&WORDS, &card, now);
    let said = |outputs: Vec<twocan::pairing::talk::Output>| {
        let mut bytes = Vec::new();
        for output in outputs {
            if let twocan::pairing::talk::Output::Send(message) = output {
                bytes.push(u8::try_from(message.len() - 2).unwrap_or(u8::MAX));
                bytes.extend_from_slice(&message[2..]);
            }
        }
        bytes
    };
    let open = said(first);
    let proof = [vec![34], Message::Proof([4; 32]).encode(1)[2..].to_vec()].concat();
    let mut offer = Talk::offer(&WORDS, &card, now);
    let answer = said(offer.handle(Input::Message(&open[1..]), now));
    vec![[&[0], &open[..], &proof[..]].concat(), [&[1], &answer[..], &proof[..]].concat()]
}
