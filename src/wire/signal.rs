//! Signals: the messages of the control stream, JSON behind a four-byte big-endian length.
//!
//! Unknown fields are ignored and unknown signals decode to [`Signal::Unknown`], so that kiosks of
//! different versions still talk. A signal is at most [`SIGNAL_LIMIT`] bytes, checked before any
//! memory is taken.

use serde::{Deserialize, Serialize};

use crate::caps::PICTURE_SIZE;
pub use crate::caps::SIGNAL_LIMIT;
use crate::frame::Size;
use crate::meeting::MeetingPoint;
pub use crate::name::{NAME_LIMIT, clean_name};
use crate::quality::Quality;
pub use crate::records::EndReason;

/// The version said in [`Signal::Hello`]; both ends then use the smaller of the two.
pub const VERSION: u32 = 1;

/// A call's id: chosen at random by whoever invites.
pub type CallId = u64;

/// What a kiosk can receive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Names of picture formats, best first; version 1 knows `jpeg`.
    pub pictures: Vec<String>,
    /// Names of sound formats, best first; version 1 knows `opus`.
    pub sound: Vec<String>,
    /// The largest picture it takes.
    pub size: Size,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            pictures: vec!["jpeg".to_owned()],
            sound: vec!["opus".to_owned()],
            size: PICTURE_SIZE,
        }
    }
}

/// What is to be heard of a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hearing {
    /// It sends: voice packets come.
    Live,
    /// There is such a station, and it sends nothing now.
    Silent,
    /// There is none of that name, or it is not for this contact.
    Unknown,
    /// From a later version.
    #[serde(other)]
    Other,
}

/// One message of the control stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "kebab-case")]
pub enum Signal {
    /// The first one each way, within 5 s.
    Hello {
        /// [`VERSION`] of the sender.
        version: u32,
        /// What the sender calls itself; cleaned by [`clean_name`] before use.
        name: String,
        /// What the sender can receive.
        media: Media,
    },
    /// Please ring.
    Invite {
        /// The new call.
        call: CallId,
    },
    /// It rings.
    Ringing {
        /// The call that was invited.
        call: CallId,
    },
    /// A person (or a permission) said yes: media may flow.
    Accept {
        /// The call that was invited.
        call: CallId,
    },
    /// A person said not now.
    Decline {
        /// The call that was invited.
        call: CallId,
    },
    /// There is another call here; a missed call is noted.
    Busy {
        /// The call that was invited.
        call: CallId,
    },
    /// The call is over.
    Bye {
        /// The call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
    /// After a lost link: this call goes on here.
    Resume {
        /// The call.
        call: CallId,
    },
    /// What the sender hides from now on.
    Hide {
        /// No picture is sent.
        picture: bool,
        /// No sound is sent.
        sound: bool,
    },
    /// How the sender's end of a call goes: when the quality changes, and now and then.
    Report {
        /// Pictures shown so far.
        shown: u64,
        /// Voice packets played so far.
        voice: u64,
        /// Of the pictures that it sends; what a version without this field sends is full.
        #[serde(default)]
        quality: Quality,
        /// The best of the other's pictures that it takes (they may cost it money).
        #[serde(default)]
        takes: Quality,
    },
    /// We called in vain while you could not be reached. Said again until it was [`Signal::Noted`].
    Missed {
        /// The call that was not to be.
        call: CallId,
        /// How long ago, in seconds: clocks may differ.
        seconds: u64,
    },
    /// That call in vain is on the record here.
    Noted {
        /// Of [`Signal::Missed`].
        call: CallId,
    },
    /// Where the sender can be met from now on, besides where it is met now; at most
    /// [`crate::meeting::LIMIT`] points, best first.
    Meet {
        /// The points.
        points: Vec<MeetingPoint>,
    },
    /// Let me hear that station of yours from now on, instead of any other; an empty name: none any more.
    /// Said again after every reconnect.
    Hear {
        /// As the station server calls it.
        station: String,
    },
    /// What became of [`Signal::Hear`], now and whenever it changes.
    Hearing {
        /// Which station.
        station: String,
        /// How it stands with it.
        state: Hearing,
    },
    /// Are you there, and what is your clock?
    Ping {
        /// Returned unchanged.
        id: u64,
        /// The sender's clock in µs.
        sent: u64,
        /// The sender pays for every byte: outside calls both ends ping seldom. A version without
        /// this field does not say so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        metered: bool,
    },
    /// Yes.
    Pong {
        /// Of the ping.
        id: u64,
        /// Of the ping.
        sent: u64,
        /// The answerer's clock in µs.
        received: u64,
    },
    /// From a later version; ignored.
    #[serde(other)]
    Unknown,
}

/// Why bytes are not a signal. Any of these ends the session.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The length in front is over the limit.
    #[error("a signal of {0} bytes, at most {SIGNAL_LIMIT} are allowed")]
    Length(u32),
    /// Not JSON, or a known signal with a field missing or of the wrong type.
    #[error("a signal that is not one: {0}")]
    Json(#[from] serde_json::Error),
}

impl Signal {
    /// As bytes, the length in front.
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a signal has only strings and numbers");
        let length = u32::try_from(json.len()).expect("a signal is a few hundred bytes");
        let mut bytes = Vec::with_capacity(4 + json.len());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&json);
        bytes
    }

    /// From the bytes behind the length.
    ///
    /// # Errors
    /// See [`SignalError::Json`].
    pub fn decode(json: &[u8]) -> Result<Self, SignalError> {
        Ok(serde_json::from_slice(json)?)
    }
}

/// The length in front of a signal.
///
/// # Errors
/// It is over [`SIGNAL_LIMIT`].
pub fn decode_length(bytes: [u8; 4]) -> Result<usize, SignalError> {
    let length = u32::from_be_bytes(bytes);
    match usize::try_from(length) {
        Ok(length) if length <= SIGNAL_LIMIT => Ok(length),
        _ => Err(SignalError::Length(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in any::<Vec<u8>>()) {
            let _ = Signal::decode(&bytes);
        }
    }

    #[test]
    fn a_signal_of_a_later_version_is_ignored_and_its_new_fields_too() {
        let later = br#"{"signal":"wave","hand":"left"}"#;
        assert_eq!(Signal::decode(later).unwrap(), Signal::Unknown);
        let more = br#"{"signal":"bye","call":7,"reason":"bored","mood":3}"#;
        let bye = Signal::Bye { call: 7, reason: EndReason::Other };
        assert_eq!(Signal::decode(more).unwrap(), bye);
    }

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        let recorded: [(&[u8], Signal); 5] = [
            (
                br#"{"signal":"hello","version":1,"name":"Anna","media":{"pictures":["jpeg"],"sound":["opus"],"size":{"width":1280,"height":720}}}"#,
                Signal::Hello { version: 1, name: "Anna".to_owned(), media: Media::default() },
            ),
            (
                br#"{"signal":"ping","id":3,"sent":17}"#,
                Signal::Ping { id: 3, sent: 17, metered: false },
            ),
            (
                br#"{"signal":"ping","id":4,"sent":18,"metered":true}"#,
                Signal::Ping { id: 4, sent: 18, metered: true },
            ),
            (br#"{"signal":"invite","call":18446744073709551615}"#, Signal::Invite { call: u64::MAX }),
            (
                br#"{"signal":"hide","picture":true,"sound":false}"#,
                Signal::Hide { picture: true, sound: false },
            ),
        ];
        for (bytes, signal) in recorded {
            assert_eq!(Signal::decode(bytes).unwrap(), signal);
            assert_eq!(&signal.encode()[4..], bytes);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_read() {
        assert!(decode_length(4097u32.to_be_bytes()).is_err());
        assert_eq!(decode_length(4096u32.to_be_bytes()).unwrap(), 4096);
    }
}
