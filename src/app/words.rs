//! What the resident reads about a call, in plain words.

use std::time::Duration;

use crate::records::Direction;
use crate::wire::signal::EndReason;

/// Why a call is over, said to whoever sits in front of this screen.
pub fn ended(name: &str, direction: Direction, talked: bool, reason: EndReason) -> String {
    let ours = direction == Direction::Outgoing;
    match reason {
        EndReason::HungUp => "The call is over.".to_owned(),
        EndReason::Cancelled if ours => "You stopped the call.".to_owned(),
        EndReason::Cancelled => format!("{name} stopped calling."),
        EndReason::Declined if ours => format!("{name} can't talk just now."),
        EndReason::Declined => "You did not answer.".to_owned(),
        EndReason::NoAnswer if ours => {
            format!("{name} did not answer. {name} will see that you called.")
        }
        EndReason::NoAnswer => "The call was not answered.".to_owned(),
        EndReason::Busy => {
            format!("{name} is talking to somebody else. {name} will see that you called.")
        }
        EndReason::QuietHours if ours => {
            format!("It is quiet time at {name}'s. {name} will see that you called.")
        }
        EndReason::QuietHours => format!("{name} called in the quiet time."),
        EndReason::Unreachable => format!("{name} can't be reached just now. Try again later."),
        EndReason::Lost => format!("The line to {name} was lost. Touch the picture to call again."),
        EndReason::ShuttingDown | EndReason::Other if talked => "The call was ended.".to_owned(),
        EndReason::ShuttingDown | EndReason::Other => format!("{name} can't be reached just now."),
    }
}

/// `You talked for 5 minutes.`; seconds under two minutes.
pub fn talked(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => String::new(),
        1 => "You talked for 1 second.".to_owned(),
        2..=119 => format!("You talked for {seconds} seconds."),
        _ => format!("You talked for {} minutes.", seconds / 60),
    }
}

/// Instead of the picture: the line is lost. What is said aloud then (kiosk/prompts) are these words.
pub const LINE_GONE: &str = "The line is gone. Please wait, it comes back by itself.";
/// Instead of the picture: they or we would pay too much for it.
pub const TOO_DEAR: &str = "The pictures have paused to save data. You can still talk.";
/// Instead of the picture: what there is of the line belongs to the voice.
pub const TOO_SLOW: &str = "The line is too slow for pictures. You can still talk.";
/// Instead of the picture: there was one, and the next is on its way.
pub const BACK: &str = "The picture comes back in a moment.";

/// Instead of the picture: the line has been lost for long.
pub fn still_trying(name: &str) -> String {
    format!("Still trying to reach {name}. You can wait, or hang up and call again.")
}

/// Instead of the picture: the first one has not come yet.
pub fn awaited(name: &str) -> String {
    format!("Waiting for {name}'s picture")
}

/// Instead of the picture: none has come for a while, and nobody said why.
pub fn frozen(name: &str) -> String {
    format!("No picture from {name}. You can still talk.")
}

/// Instead of the picture: they have touched Hide me.
pub fn they_hide(name: &str) -> String {
    format!("{name} has turned the camera and microphone off")
}

/// Over the picture: theirs comes, ours doesn't go.
pub fn we_are_unseen(name: &str) -> String {
    format!("The line is slow. {name} can hear you, but not see you.")
}

/// Over the picture: how long there may be one this month on a network that is paid for by the byte.
pub fn minutes_left(minutes: u64) -> String {
    match minutes {
        1 => "1 minute with pictures is left this month. After that you can still talk.".to_owned(),
        _ => format!(
            "{minutes} minutes with pictures are left this month. After that you can still talk."
        ),
    }
}

/// The time of day as a person says it: `Saturday afternoon`.
pub fn day(weekday: chrono::Weekday, hour: u32) -> String {
    let name = match weekday {
        chrono::Weekday::Mon => "Monday",
        chrono::Weekday::Tue => "Tuesday",
        chrono::Weekday::Wed => "Wednesday",
        chrono::Weekday::Thu => "Thursday",
        chrono::Weekday::Fri => "Friday",
        chrono::Weekday::Sat => "Saturday",
        chrono::Weekday::Sun => "Sunday",
    };
    let part = match hour {
        5..=11 => "morning",
        12..=17 => "afternoon",
        18..=21 => "evening",
        _ => "night",
    };
    format!("{name} {part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_is_a_sentence_for_both_sides() {
        for reason in [
            EndReason::HungUp,
            EndReason::Cancelled,
            EndReason::Declined,
            EndReason::NoAnswer,
            EndReason::Busy,
            EndReason::QuietHours,
            EndReason::Unreachable,
            EndReason::Lost,
            EndReason::ShuttingDown,
            EndReason::Other,
        ] {
            for direction in [Direction::Outgoing, Direction::Incoming] {
                for talk in [true, false] {
                    let sentence = ended("Anna", direction, talk, reason);
                    assert!(sentence.ends_with('.') && sentence.len() < 80, "{sentence}");
                }
            }
        }
    }

    #[test]
    fn durations_and_days_read_as_people_say_them() {
        assert_eq!(talked(Duration::from_secs(75)), "You talked for 75 seconds.");
        assert_eq!(talked(Duration::from_secs(305)), "You talked for 5 minutes.");
        assert_eq!(day(chrono::Weekday::Sat, 14), "Saturday afternoon");
        assert_eq!(day(chrono::Weekday::Sun, 2), "Sunday night");
    }
}
