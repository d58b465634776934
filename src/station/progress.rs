//! Whether a station gets on: what its watchdog is fed by, and what its light and its status say. Pure.
//!
//! ```text
//! captured ── more than before? ──┐
//! sent     ── more than before? ──┼─ both ──> the watchdog is fed
//!  or: no line, and the sender ───┘
//!      has come round (it is kept)
//! ```
//! A timer would go on feeding for a station whose card or line hangs. A microphone that is away is no
//! progress either: the service manager starts the station anew now and then, which costs nothing while
//! there is no sound, and mends a sound system that a new process can.

use super::light::Sign;

/// How the line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineState {
    /// Nothing has been reached yet, and nothing has failed.
    #[default]
    Starting,
    /// Reached; datagrams go.
    Online,
    /// The server answers.
    Streaming,
    /// Lost, or an attempt failed.
    Away,
}

/// A look at the station.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Blocks that were captured so far.
    pub captured: u64,
    /// Datagrams that a line has taken so far.
    pub sent: u64,
    /// When the sender last came round, in µs.
    pub beat: u64,
    /// How the line is.
    pub line: LineState,
    /// The microphone can't be read.
    pub deaf: bool,
}

impl Seen {
    /// Whether sound was captured since `before`, and delivered or kept.
    pub fn is_ahead_of(&self, before: &Self) -> bool {
        let up = matches!(self.line, LineState::Online | LineState::Streaming);
        let delivered = self.sent > before.sent;
        let kept = !up && self.beat > before.beat;
        self.captured > before.captured && (delivered || kept)
    }

    /// What the light says.
    pub fn sign(&self) -> Sign {
        match self.line {
            _ if self.deaf => Sign::Fault,
            LineState::Starting => Sign::Boot,
            LineState::Online => Sign::Online,
            LineState::Streaming => Sign::Streaming,
            LineState::Away => Sign::Fault,
        }
    }

    /// What the service manager shows.
    pub fn words(&self, server: &str) -> String {
        let line = match self.line {
            LineState::Starting => format!("on the way to {server}"),
            LineState::Online => format!("connected to {server}, which has not answered"),
            LineState::Streaming => format!("streaming to {server}"),
            LineState::Away => format!("{server} cannot be reached"),
        };
        if self.deaf { format!("no microphone; {line}") } else { line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Seen =
        Seen { captured: 100, sent: 90, beat: 1000, line: LineState::Streaming, deaf: false };

    #[test]
    fn sound_that_is_captured_and_delivered_is_progress_and_one_of_both_is_none() {
        let both = Seen { captured: 101, sent: 91, ..BEFORE };
        assert!(both.is_ahead_of(&BEFORE));
        assert!(!BEFORE.is_ahead_of(&BEFORE));
        assert!(
            !Seen { captured: 200, beat: 2000, ..BEFORE }.is_ahead_of(&BEFORE),
            "not delivered"
        );
        assert!(!Seen { sent: 200, beat: 2000, ..BEFORE }.is_ahead_of(&BEFORE), "not captured");
    }

    #[test]
    fn without_a_line_sound_is_kept_as_long_as_the_sender_comes_round() {
        for line in [LineState::Away, LineState::Starting] {
            let kept = Seen { captured: 200, beat: 2000, line, ..BEFORE };
            assert!(kept.is_ahead_of(&BEFORE));
            assert!(!Seen { beat: 1000, ..kept }.is_ahead_of(&BEFORE), "the sender hangs");
            assert!(!Seen { captured: 100, ..kept }.is_ahead_of(&BEFORE), "the microphone hangs");
        }
    }

    #[test]
    fn the_light_and_the_words_say_how_it_is() {
        let table = [
            (LineState::Starting, false, Sign::Boot, "on the way to h:1"),
            (LineState::Online, false, Sign::Online, "connected to h:1, which has not answered"),
            (LineState::Streaming, false, Sign::Streaming, "streaming to h:1"),
            (LineState::Away, false, Sign::Fault, "h:1 cannot be reached"),
            (LineState::Streaming, true, Sign::Fault, "no microphone; streaming to h:1"),
        ];
        for (line, deaf, sign, words) in table {
            let seen = Seen { line, deaf, ..BEFORE };
            assert_eq!((seen.sign(), seen.words("h:1").as_str()), (sign, words));
        }
    }
}
