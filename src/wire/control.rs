//! What is said on a kiosk's control socket: one request and one answer, a line of JSON each.
//!
//! A screenshot's answer is followed by `bytes` bytes of PNG. The socket is for the kiosk's own
//! user; even so a request is at most [`REQUEST_LIMIT`] bytes.

use serde::{Deserialize, Serialize};

pub use crate::caps::REQUEST_LIMIT;

/// What a program asks of a running kiosk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Everything worth knowing.
    Status,
    /// Call this contact.
    Dial {
        /// Its name, as in the list of contacts; case does not matter.
        name: String,
    },
    /// Answer the call that rings.
    Answer,
    /// End the call, or decline the one that rings.
    Hangup,
    /// Camera and microphone off, or on again.
    Hide {
        /// Off, on, or the other way round.
        hidden: Option<bool>,
    },
    /// Have a station heard, as its tile would, or nothing any more.
    Hear {
        /// Its name, as on its tile; case does not matter.
        name: Option<String>,
    },
    /// Set the loudness.
    Volume {
        /// 0 to 10.
        volume: u8,
    },
    /// The contacts have changed: read them again.
    Reload,
    /// Somebody has mended what was blocked: try again now.
    Retry,
    /// Press the screen for a moment at this place, as a finger would.
    Tap {
        /// From the left, in pixels.
        x: u32,
        /// From the top, in pixels.
        y: u32,
    },
    /// A picture of the screen.
    Screenshot,
    /// Pair with a kiosk that is not known yet; [`Request::PairNews`] says how it goes.
    Pair {
        /// What of it.
        ask: PairAsk,
    },
    /// The same, and it is stopped when this connection ends: so a program takes with it what it began,
    /// however it goes.
    PairWhile {
        /// What of it.
        ask: PairAsk,
    },
    /// What was begun with [`Answer::begun`] is to stop, if it is still that which goes on.
    PairGone {
        /// From the answer.
        begun: u64,
    },
    /// What came of pairing after the step of this number. Where there is nothing yet the answer waits,
    /// 25 s at most, and then has none.
    PairNews {
        /// Of the last step that is known; 0: none is.
        after: u64,
    },
    /// Count the figures of the call from now on: a benchmark looks at a part of a call.
    Mark,
}

/// What a program asks of pairing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PairAsk {
    /// Make words, and wait.
    Offer,
    /// Go to where these words wait.
    Join {
        /// Four of them.
        words: String,
    },
    /// The pictures were compared.
    Same {
        /// They are the same.
        same: bool,
    },
    /// Enough of it.
    Stop,
}

/// A step of pairing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairNews {
    /// Counts up by one.
    pub number: u64,
    /// What happened.
    #[serde(flatten)]
    pub step: PairStep,
}

/// How pairing goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum PairStep {
    /// To be told to the other one.
    Words {
        /// Four of them.
        words: Vec<String>,
    },
    /// Somebody tried with wrong words.
    WrongTry {
        /// So often more it may be tried; 0: new words follow.
        left: u8,
    },
    /// To be compared.
    Compare {
        /// What the other one calls itself.
        name: String,
        /// Names of four pictures.
        pictures: Vec<String>,
    },
    /// Said yes here, not yet there.
    TheirTurn,
    /// They are a contact now.
    Paired {
        /// By the name that they have here.
        name: String,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        sentence: String,
    },
}

/// What the kiosk answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Why it was not done; absent when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What [`Request::Status`] asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Value>,
    /// What [`Request::PairNews`] asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairing: Vec<PairNews>,
    /// The number of what [`Request::PairWhile`] began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// Bytes that follow the line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
fn is_zero(bytes: &usize) -> bool {
    *bytes == 0
}

impl Answer {
    /// Not done, and why.
    pub fn refused(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }
}

/// A line, its end included.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have only strings and numbers");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn garbage_never_panics(line in any::<Vec<u8>>()) {
            let _ = serde_json::from_slice::<Request>(&line);
            let _ = serde_json::from_slice::<Answer>(&line);
        }
    }

    #[test]
    fn a_request_is_a_line_that_a_shell_can_write() {
        let hide: Request = serde_json::from_str(r#"{"do":"hide"}"#).unwrap();
        assert_eq!(hide, Request::Hide { hidden: None });
        let pair: Request =
            serde_json::from_str(r#"{"do":"pair","ask":{"what":"same","same":true}}"#).unwrap();
        assert_eq!(pair, Request::Pair { ask: PairAsk::Same { same: true } });
        let news = PairNews { number: 3, step: PairStep::WrongTry { left: 2 } };
        assert_eq!(encode(&news), b"{\"number\":3,\"step\":\"wrong-try\",\"left\":2}\n");
        assert_eq!(encode(&Request::Status), b"{\"do\":\"status\"}\n");
        assert!(serde_json::from_str::<Request>(r#"{"do":"explode"}"#).is_err());
    }
}
