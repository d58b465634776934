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
    /// Count the figures of the call from now on: a benchmark looks at a part of a call.
    Mark,
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
        assert_eq!(encode(&Request::Status), b"{\"do\":\"status\"}\n");
        assert!(serde_json::from_str::<Request>(r#"{"do":"explode"}"#).is_err());
    }
}
