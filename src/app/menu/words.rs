//! What is read on the pages behind home, in plain words.

use std::time::Duration;

use chrono::NaiveTime;

use crate::clock::Time;
use crate::config::QuietHours;
use crate::pairing::Refusal;

/// The PIN is asked for.
pub const PIN: &str = "Please enter the PIN.";
/// Wrong, and another try is free.
pub const PIN_WRONG: &str = "That was not it. Please try again.";
/// It could not be looked at.
pub const PIN_FAILED: &str = "The PIN can't be checked just now. Please try again later.";
/// There is one, and its file is broken. Calls are not touched by that.
pub const PIN_BROKEN: &str = "The PIN can't be read. Whoever set this screen up can mend it.";
/// There is none yet.
pub const PIN_NEW: &str = "Choose a PIN of 4 to 8 digits.";
/// There is one.
pub const PIN_OTHER: &str = "Choose a new PIN. Or touch OK now, and there is none.";
/// So that nobody locks themselves out by a slip.
pub const PIN_AGAIN: &str = "Once more, please: the same PIN.";
/// The second was not the first.
pub const PIN_DIFFERED: &str = "Those were not the same. Choose a PIN of 4 to 8 digits.";
/// The disk is full or broken.
pub const NOT_KEPT: &str = "This could not be kept. Please try again later.";
/// Something is done that takes a moment.
pub const ONE_MOMENT: &str = "One moment…";
/// Two screens scan each other.
pub const FACE_TO_FACE: &str = "Hold the two screens face to face.";
/// The code of a meeting point is on paper or on another screen.
pub const SHOW_CODE: &str = "Show the code to the camera.";
/// A mirror, perhaps.
pub const OWN_CODE: &str = "That is the code of this screen itself.";
/// Of something else.
pub const FOREIGN_CODE: &str = "That code is not for this screen.";
/// Read wrongly or in part.
pub const DAMAGED_CODE: &str = "The code can't be read. Hold it nearer, with more light.";
/// Nothing can be scanned.
pub const NO_CAMERA: &str = "The camera is not working. Please check its cable.";
/// Words are put in.
pub const WHICH_WORDS: &str = "Which words does the other one read to you?";
/// On the way to the other kiosk.
pub const LOOKING: &str = "Looking for the other screen…";
/// On the way to the relay.
pub const ENROLLING: &str = "Going to the meeting point…";
/// The ticket is used up or too old, or the relay can't be reached.
pub const NOT_ENROLLED: &str = "The meeting point did not take it. Its code may be too old.";

/// A ticket can't change what `twocan.toml` says.
pub const CONFIGURED: &str = "The meeting point of this screen is set in its configuration.";

/// Wrong, and for a while no other try.
pub fn wrong_wait(left: Duration) -> String {
    format!("That was not it. {}", wait(left))
}

/// No try for a while.
pub fn wait(left: Duration) -> String {
    let (count, unit) = counted(left);
    let unit = match (count, unit) {
        (1, 60) => "minute",
        (_, 60) => "minutes",
        _ => return format!("Please wait {} seconds.", count * unit),
    };
    format!("Please wait {count} {unit}.")
}

/// When [`wait`] will say something else.
pub fn next_count(until: Time, now: Time) -> Time {
    let (count, unit) = counted(until.since(now));
    let next = until - Duration::from_secs(count.saturating_sub(1) * unit);
    next.max(now + Duration::from_millis(100)).min(until.max(now + Duration::from_secs(3600)))
}

/// So many units of ten seconds or of a minute are left, at most.
fn counted(left: Duration) -> (u64, u64) {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let unit = if seconds <= 60 { 10 } else { 60 };
    (seconds.div_ceil(unit), unit)
}

/// A time of day: `07:00`.
pub fn time(time: NaiveTime) -> String {
    time.format("%H:%M").to_string()
}

/// `22:00 to 07:00`, or `off`.
pub fn hours(hours: QuietHours) -> String {
    hours
        .times()
        .map_or_else(|| "off".to_owned(), |(from, to)| format!("{} to {}", time(from), time(to)))
}

/// Who may ring in the quiet hours too; nothing where nobody may.
pub fn exceptions(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("{one} may ring all the same."),
        [one, two] => format!("{one} and {two} may ring all the same."),
        [one, two, others @ ..] => {
            format!("{one}, {two} and {} more may ring all the same.", others.len())
        }
    }
}

/// A code was read; the other one has to read ours.
pub fn got(name: &str) -> String {
    format!("The code of {name} is read. Touch Next when the other screen has read this one.")
}

/// Under the four words: what to do with them, and whether somebody tried others, who may do so
/// `left` times more.
pub fn read_out(there: bool, left: Option<u8>) -> String {
    match (there, left) {
        (false, _) => "The words are being made…".to_owned(),
        (true, None) => "Read these words to the other one on the telephone.".to_owned(),
        (true, Some(0)) => "There were too many wrong words. Read out these new ones.".to_owned(),
        (true, Some(_)) => "Somebody entered wrong words. Please read them out again.".to_owned(),
    }
}

/// There is a new contact.
pub fn adopted(name: &str) -> String {
    format!("{name} is on your screen now.")
}

/// There is a meeting point.
pub fn enrolled(host: &str) -> String {
    format!("This screen has a meeting point now: {host}.")
}

/// Why pairing came to nothing.
pub fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoMeeting => {
            "The meeting point can't be reached just now. Please try again later."
        }
        Refusal::Nobody => "Nobody waits with these words. They may be old: ask for new ones.",
        Refusal::WrongWords => "The words were not the right ones. Please ask for them again.",
        Refusal::Different => {
            "The pictures were not the same. Somebody may be in between: nobody was added."
        }
        Refusal::Stopped => "It was stopped.",
        Refusal::TheyStopped => "It was stopped at the other screen.",
        Refusal::Ourselves => "These are the words of this screen. Enter those of the other one.",
        Refusal::TooLong => "It took too long. Please try again.",
        Refusal::Broken => "The line broke. Please try again.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_counted_in_tens_of_seconds_and_in_minutes_and_never_too_short() {
        let said = [1, 10, 11, 60, 61, 90, 3600].map(|left| wait(Duration::from_secs(left)));
        let expected = ["10 seconds", "10 seconds", "20 seconds", "60 seconds", "2 minutes"]
            .into_iter()
            .chain(["2 minutes", "60 minutes"])
            .map(|left| format!("Please wait {left}."));
        assert!(said.into_iter().eq(expected));
        // Looked at whenever it says, it counts down to nothing.
        let (mut now, until) = (Time::from_micros(7), Time::from_micros(95_000_007));
        let mut sentences = Vec::new();
        while now < until {
            sentences.push(wait(until.since(now)));
            let next = next_count(until, now);
            assert!(next > now);
            now = next;
        }
        assert_eq!(sentences.len(), 7, "{sentences:?}");
        sentences.dedup();
        assert_eq!(sentences.len(), 7);
    }

    #[test]
    fn every_refusal_is_a_sentence_that_fits_the_page() {
        for refusal in [
            Refusal::NoMeeting,
            Refusal::Nobody,
            Refusal::WrongWords,
            Refusal::Different,
            Refusal::Stopped,
            Refusal::TheyStopped,
            Refusal::Ourselves,
            Refusal::TooLong,
            Refusal::Broken,
        ] {
            let sentence = refused(refusal);
            assert!(sentence.ends_with('.') && sentence.len() < 80, "{sentence}");
        }
        assert_eq!(exceptions(&["A", "B", "C", "D"]), "A, B and 2 more may ring all the same.");
    }
}
