//! What the resident reads about a call, in plain words.

use std::time::Duration;

use chrono::{DateTime, Local};

use crate::lookins::Course;
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
        EndReason::Unreachable => {
            format!("{name} can't be reached just now. {name} will see that you called.")
        }
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

/// When somebody called in vain, behind "called" on their tile: `14:10`, `Friday 14:10` for one of the
/// last six days, else `3 November`.
pub fn called(unix: u64, now: DateTime<Local>) -> String {
    let then = local(unix);
    let format = match days_ago(then, now) {
        0 => "%H:%M",
        1..=6 => "%A %H:%M",
        _ => "%-d %B",
    };
    then.format(format).to_string()
}

/// A moment within a sentence: `today at 14:10`, `yesterday at 18:02`, `on Friday at 09:15`,
/// `on 3 November`.
pub fn moment(unix: u64, now: DateTime<Local>) -> String {
    let then = local(unix);
    let format = match days_ago(then, now) {
        0 => "today at %H:%M",
        1 => "yesterday at %H:%M",
        2..=6 => "on %A at %H:%M",
        _ => "on %-d %B",
    };
    then.format(format).to_string()
}

/// The same where a line begins: `Today at 14:10`.
pub fn moment_alone(unix: u64, now: DateTime<Local>) -> String {
    let text = moment(unix, now);
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().to_string() + rest.as_str())
}

/// When a contact was up last: `There now`, `Last seen today at 14:10`, `Not seen yet`.
pub fn seen(up: bool, last: Option<u64>, now: DateTime<Local>) -> String {
    match (up, last) {
        (true, _) => "There now".to_owned(),
        (false, Some(last)) => format!("Last seen {}", moment(last, now)),
        (false, None) => "Not seen yet".to_owned(),
    }
}

/// What came of somebody's looking in: `looked in for 5 minutes`, `was refused`.
pub fn visit(how: Course) -> String {
    match how {
        Course::LookedIn { seconds: None } => "looked in".to_owned(),
        Course::LookedIn { seconds: Some(1) } => "looked in for 1 second".to_owned(),
        Course::LookedIn { seconds: Some(seconds @ 0..=119) } => {
            format!("looked in for {seconds} seconds")
        }
        Course::LookedIn { seconds: Some(seconds) } => {
            format!("looked in for {} minutes", seconds / 60)
        }
        Course::Refused => "was refused".to_owned(),
        Course::Answered => "was answered".to_owned(),
        Course::GivenUp => "gave up".to_owned(),
    }
}

fn local(unix: u64) -> DateTime<Local> {
    let seconds = i64::try_from(unix).unwrap_or(0);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().with_timezone(&Local)
}

/// By the calendar; a moment that has not come yet (a clock was set) is today's.
fn days_ago(then: DateTime<Local>, now: DateTime<Local>) -> i64 {
    (now.date_naive() - then.date_naive()).num_days().max(0)
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
    fn moments_are_said_as_people_say_them() {
        use chrono::TimeZone;
        let at =
            |day, hour, minute| Local.with_ymd_and_hms(2026, 11, day, hour, minute, 0).unwrap();
        let unix = |time: DateTime<Local>| u64::try_from(time.timestamp()).unwrap();
        let now = at(21, 0, 30);
        for (then, tile, alone, seen_then) in [
            (at(21, 0, 10), "00:10", "Today at 00:10", "Last seen today at 00:10"),
            (at(20, 23, 50), "Friday 23:50", "Yesterday at 23:50", "Last seen yesterday at 23:50"),
            (at(17, 9, 5), "Tuesday 09:05", "On Tuesday at 09:05", "Last seen on Tuesday at 09:05"),
            (at(3, 9, 5), "3 November", "On 3 November", "Last seen on 3 November"),
            (at(22, 9, 5), "09:05", "Today at 09:05", "Last seen today at 09:05"),
        ] {
            let then = unix(then);
            assert_eq!(called(then, now), tile);
            assert_eq!(moment_alone(then, now), alone);
            assert_eq!(seen(false, Some(then), now), seen_then);
        }
        assert_eq!(seen(true, Some(0), now), "There now");
        assert_eq!(seen(false, None, now), "Not seen yet");
    }

    #[test]
    fn durations_and_days_read_as_people_say_them() {
        assert_eq!(talked(Duration::from_secs(75)), "You talked for 75 seconds.");
        assert_eq!(talked(Duration::from_secs(305)), "You talked for 5 minutes.");
        assert_eq!(day(chrono::Weekday::Sat, 14), "Saturday afternoon");
        assert_eq!(day(chrono::Weekday::Sun, 2), "Sunday night");
    }
}
