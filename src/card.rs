//! Cards and tickets as text that fits a QR code: what a kiosk is, for another one to pin.
//!
//! ```text
//!  TWOCAN1:<base32>     a card:   name, key, meeting points, direct addresses
//!  TWOCANRELAY1:<base32>  a ticket: a meeting point and the seed of a one-time key
//! ```
//! Base 32 (RFC 4648, without padding) of fields with a length byte each and four bytes of their
//! SHA-256 at the end, which show a misread code. Capitals and digits only: QR codes hold half as many
//! again of those as of other text. Every byte is a stranger's until the code was compared.

use data_encoding::BASE32_NOPAD;
use ssh_key::PublicKey;

use crate::address::{Host, HostPort};
use crate::config::{HostKey, User};
use crate::contacts::DIRECT_LIMIT;
use crate::identity::PeerKey;
use crate::meeting::{self, MeetingPoint, Place, Ticket};
use crate::name::clean_name;

/// What begins a card.
pub const CARD: &str = "TWOCAN1:";
/// What begins a ticket.
pub const TICKET: &str = "TWOCANRELAY1:";
pub use crate::caps::CARD_LIMIT as TEXT_LIMIT;

/// A kiosk, as it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What it calls itself: clean, 1 to 64 characters.
    pub name: String,
    /// What it proves to be.
    pub key: PeerKey,
    /// Where it can be met, best first; at most [`meeting::LIMIT`].
    pub meeting: Vec<MeetingPoint>,
    /// Where its own door can be reached, best first; at most [`DIRECT_LIMIT`].
    pub direct: Vec<HostPort>,
}

/// Why a text is no card and no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// It begins like neither.
    #[error("this is not a code of Twocan's")]
    Foreign,
    /// Too long, damaged, or with a field that cannot be.
    #[error("the code is damaged; try again, with more light or from nearer")]
    Damaged,
}

/// What a code can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Of another kiosk.
    Card(Card),
    /// Of a relay.
    Ticket(Ticket),
}

/// Whichever it is.
///
/// # Errors
/// See [`CardError`].
pub fn read(text: &str) -> Result<Code, CardError> {
    let text = text.trim();
    if text.len() > TEXT_LIMIT {
        return Err(CardError::Damaged);
    }
    if let Some(code) = text.strip_prefix(CARD) {
        return Card::from_bytes(&unwrap(code)?).map(Code::Card);
    }
    let code = text.strip_prefix(TICKET).ok_or(CardError::Foreign)?;
    ticket_from(&unwrap(code)?).map(Code::Ticket)
}

impl Card {
    /// For a QR code or a file.
    pub fn to_text(&self) -> String {
        format!("{CARD}{}", wrap(self.to_bytes()))
    }

    /// The fields alone, for a channel that proves them itself.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.name.as_bytes());
        out.extend_from_slice(&self.key.0);
        put_points(&mut out, &self.meeting);
        let direct = &self.direct[..self.direct.len().min(DIRECT_LIMIT)];
        out.push(u8::try_from(direct.len()).expect("the limit is small"));
        for address in direct {
            put(&mut out, address.to_string().as_bytes());
        }
        out
    }

    /// From [`Card::to_bytes`].
    ///
    /// # Errors
    /// [`CardError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        let mut rest = Rest(bytes);
        let name = clean_name(rest.text()?);
        let key = PeerKey(rest.take(32)?.try_into().expect("32 were taken"));
        let meeting = rest.points()?;
        let direct =
            rest.list(DIRECT_LIMIT, |rest| rest.text()?.parse().map_err(|_| CardError::Damaged))?;
        rest.end()?;
        if name.is_empty() {
            return Err(CardError::Damaged);
        }
        Ok(Self { name, key, meeting, direct })
    }
}

/// A ticket as text.
pub fn ticket_text(ticket: &Ticket) -> String {
    let mut out = Vec::new();
    put_points(&mut out, std::slice::from_ref(&ticket.point));
    out.extend_from_slice(&ticket.seed);
    format!("{TICKET}{}", wrap(out))
}

fn ticket_from(bytes: &[u8]) -> Result<Ticket, CardError> {
    let mut rest = Rest(bytes);
    let [point] = <[_; 1]>::try_from(rest.points()?).map_err(|_| CardError::Damaged)?;
    let seed = rest.take(32)?.try_into().expect("32 were taken");
    rest.end()?;
    Ok(Ticket { point, seed })
}

fn put(out: &mut Vec<u8>, field: &[u8]) {
    let field = &field[..field.len().min(255)];
    out.push(u8::try_from(field.len()).expect("cut to 255"));
    out.extend_from_slice(field);
}

fn put_points(out: &mut Vec<u8>, points: &[MeetingPoint]) {
    let points = &points[..points.len().min(meeting::LIMIT)];
    out.push(u8::try_from(points.len()).expect("the limit is small"));
    for point in points {
        put(out, point.host.as_str().as_bytes());
        out.extend_from_slice(&point.port.to_be_bytes());
        put(out, &point.host_key.0.to_bytes().expect("a public key is always encodable"));
        put(out, point.user.as_ref().map_or("", |user| user.as_str()).as_bytes());
        put(out, point.place.as_ref().map_or("", |place| place.as_str()).as_bytes());
    }
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CardError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CardError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, CardError> {
        Ok(self.take(1)?[0])
    }

    fn field(&mut self) -> Result<&'a [u8], CardError> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Result<&'a str, CardError> {
        std::str::from_utf8(self.field()?).map_err(|_| CardError::Damaged)
    }

    /// A field that may be left empty.
    fn option<T: std::str::FromStr>(&mut self) -> Result<Option<T>, CardError> {
        match self.text()? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| CardError::Damaged),
        }
    }

    fn list<T>(
        &mut self,
        limit: usize,
        mut one: impl FnMut(&mut Self) -> Result<T, CardError>,
    ) -> Result<Vec<T>, CardError> {
        let count = usize::from(self.byte()?);
        if count > limit {
            return Err(CardError::Damaged);
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn points(&mut self) -> Result<Vec<MeetingPoint>, CardError> {
        self.list(meeting::LIMIT, |rest| {
            let host: Host = rest.text()?.parse().map_err(|_| CardError::Damaged)?;
            let port = u16::from_be_bytes(rest.take(2)?.try_into().expect("2 were taken"));
            let key = PublicKey::from_bytes(rest.field()?).map_err(|_| CardError::Damaged)?;
            let line = key.to_openssh().map_err(|_| CardError::Damaged)?;
            let host_key: HostKey = line.parse().map_err(|_| CardError::Damaged)?;
            let (user, place): (Option<User>, Option<Place>) = (rest.option()?, rest.option()?);
            match port {
                0 => Err(CardError::Damaged),
                port => Ok(MeetingPoint { host, port, host_key, user, place }),
            }
        })
    }

    fn end(&self) -> Result<(), CardError> {
        if self.0.is_empty() { Ok(()) } else { Err(CardError::Damaged) }
    }
}

/// With the check bytes, as base 32.
fn wrap(mut bytes: Vec<u8>) -> String {
    bytes.extend_from_slice(&check(&bytes));
    BASE32_NOPAD.encode(&bytes)
}

/// Back, without the check bytes.
fn unwrap(text: &str) -> Result<Vec<u8>, CardError> {
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
    let mut bytes = bytes.map_err(|_| CardError::Damaged)?;
    let body = bytes.len().checked_sub(4).ok_or(CardError::Damaged)?;
    let sum = bytes.split_off(body);
    if sum == check(&bytes) { Ok(bytes) } else { Err(CardError::Damaged) }
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref()[..4].try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(place: Option<&str>) -> MeetingPoint {
        MeetingPoint {
            host: "relay.example.org".parse().unwrap(),
            port: 22,
            host_key: PeerKey([9; 32]).to_openssh("").parse().unwrap(),
            user: place.is_none().then(|| "family".parse().unwrap()),
            place: place.map(|place| place.parse().unwrap()),
        }
    }

    fn card() -> Card {
        Card {
            name: "Großmutter Änne".to_owned(),
            key: PeerKey([7; 32]),
            meeting: vec![point(None), point(Some("/anna/"))],
            direct: vec!["[2001:db8::1]:5022".parse().unwrap()],
        }
    }

    #[test]
    fn a_card_and_a_ticket_come_back_from_their_text() {
        let text = card().to_text();
        assert_eq!(read(&format!(" {text}\n")).unwrap(), Code::Card(card()));
        let ticket = Ticket { point: point(Some("/bert/")), seed: [3; 32] };
        assert_eq!(read(&ticket_text(&ticket)).unwrap(), Code::Ticket(ticket));
    }

    #[test]
    fn one_changed_letter_anywhere_is_noticed() {
        let text = card().to_text();
        for at in CARD.len()..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let read = read(std::str::from_utf8(&other).unwrap());
            assert_eq!(read, Err(CardError::Damaged), "{at}");
        }
        assert_eq!(read("https://example.org"), Err(CardError::Foreign));
        assert_eq!(read(&"A".repeat(TEXT_LIMIT + 1)), Err(CardError::Damaged));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in any::<Vec<u8>>(), text in "TWOCAN1:[A-Z2-7]{0,300}") {
            let _ = Card::from_bytes(&bytes);
            let _ = ticket_from(&bytes);
            let _ = read(&text);
            let _ = read(&format!("{CARD}{}", wrap(bytes)));
        }
    }
}
