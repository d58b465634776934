//! A QR code or a contact's card: its text, and its fields without the check bytes that keep most changes
//! away from them.

use twocan::card::{Card, Code, read, ticket_text};

use super::{Target, texts};

pub const TARGET: Target = Target { name: "card", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    if let Ok(card) = Card::from_bytes(data) {
        assert_eq!(Card::from_bytes(&card.to_bytes()), Ok(card.clone()));
        assert_eq!(read(&card.to_text()), Ok(Code::Card(card)));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match read(text) {
        Ok(Code::Card(card)) => assert_eq!(read(&card.to_text()), Ok(Code::Card(card))),
        Ok(Code::Ticket(ticket)) => {
            assert_eq!(read(&ticket_text(&ticket)), Ok(Code::Ticket(ticket)));
        }
        Err(_) => {}
    }
}

fn seeds() -> Vec<Vec<u8>> {
    // Anna, no meeting point, one address.
    let mut card = vec![4];
    card.extend(b"Anna");
    card.extend([7; 32]);
    card.push(0);
    card.extend([1, 17]);
    card.extend(b"[2001:db8::1]:502");
    // One with a meeting point: host, port, key, user, no place.
    let mut met = vec![1, b'B'];
    met.extend([9; 32]);
    met.extend([1, 9]);
    met.extend(b"relay.org");
    met.extend([0, 22, 51, 0, 0, 0, 11]);
    met.extend(b"ssh-ed25519");
    met.extend([0, 0, 0, 32]);
    met.extend([5; 32]);
    met.extend([1, b'u', 0, 0]);
    let mut seeds = texts(&["TWOCAN1:AAAA", "TWOCANRELAY1:ORSXG5A"]);
    for fields in [card, met] {
        if let Ok(card) = Card::from_bytes(&fields) {
            seeds.push(card.to_text().into_bytes());
        }
        seeds.push(fields);
    }
    seeds
}
