//! The values of `[display]`, each with its range.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::value::{Text, TextVisitor, path_text};
use crate::geometry;

/// Degrees that the drawing is turned by, clockwise: 0, 90, 180 or 270.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation(pub geometry::Rotation);

impl Serialize for Rotation {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_u16(self.0.degrees())
    }
}

impl<'de> Deserialize<'de> for Rotation {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Degrees;
        impl Visitor<'_> for Degrees {
            type Value = Rotation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of degrees: 0, 90, 180 or 270")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Rotation, E> {
                let rotation = u16::try_from(value).ok().and_then(geometry::Rotation::of_degrees);
                let wrong = || E::invalid_value(Unexpected::Signed(value), &self);
                rotation.map(Rotation).ok_or_else(wrong)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Rotation, E> {
                self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
            }
        }
        from.deserialize_i64(Degrees)
    }
}

/// How the other's picture gets onto the panel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VideoPath {
    /// The best that the hardware takes.
    #[default]
    Auto,
    /// A plane of its own under the pages.
    Plane,
    /// Mixed with the pages by the processor.
    Compose,
    /// Drawn by the pages themselves.
    Image,
}

impl fmt::Display for VideoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Plane => "plane",
            Self::Compose => "compose",
            Self::Image => "image",
        })
    }
}

text!(VideoPath, "\"auto\", \"plane\", \"compose\" or \"image\"", |text| {
    [VideoPath::Auto, VideoPath::Plane, VideoPath::Compose, VideoPath::Image]
        .into_iter()
        .find(|path| path.to_string() == text)
});

/// Which panel: a connector's name as the kernel gives it, or `auto`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connector(Option<String>);

impl Connector {
    /// The name; `None`: the best that is connected.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("auto"))
    }
}

text!(Connector, "\"auto\" or a connector such as \"DSI-1\" or \"HDMI-A-1\"", |text| {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let fits = (1..=32).contains(&text.len()) && text.chars().all(plain);
    fits.then(|| Connector((text != "auto").then(|| text.to_owned())))
});

/// Whose light goes down when nobody is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BacklightChoice {
    /// The panel's, where the pages are on a panel; a desktop's own is left alone.
    #[default]
    Auto,
    /// Nobody's: a dark page is black, and that is all.
    None,
    /// This folder of `/sys/class/backlight`.
    Folder(PathBuf),
}

impl fmt::Display for BacklightChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

text!(
    BacklightChoice,
    "\"auto\", \"none\" or a folder such as \"/sys/class/backlight/NAME\"",
    |text| {
        match text {
            "auto" => Some(BacklightChoice::Auto),
            "none" => Some(BacklightChoice::None),
            path => {
                let path = path_text(path).filter(|path| path.starts_with('/'));
                path.map(|path| BacklightChoice::Folder(PathBuf::from(path)))
            }
        }
    }
);

/// From when to when the panel is kept dark and nobody rings but the exceptions: `"22:00-07:00"`, or
/// `"none"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuietHours(Option<(NaiveTime, NaiveTime)>);

impl QuietHours {
    /// Every day between these; none where they are the same.
    pub fn between(from: NaiveTime, to: NaiveTime) -> Option<Self> {
        (from != to).then_some(Self(Some((from, to))))
    }

    /// From when to when; none where there are none.
    pub fn times(self) -> Option<(NaiveTime, NaiveTime)> {
        self.0
    }

    /// Whether `time` of day is in them: from the first minute up to the last, over midnight too.
    pub fn hold(self, time: NaiveTime) -> bool {
        match self.0 {
            None => false,
            Some((from, to)) if from <= to => from <= time && time < to,
            Some((from, to)) => from <= time || time < to,
        }
    }

    /// How long after `time` of day they next begin or end; none where there are none.
    pub fn next_edge(self, time: NaiveTime) -> Option<Duration> {
        let (from, to) = self.0?;
        let until = |edge: NaiveTime| {
            let ahead = edge - time;
            let day =
                if ahead > TimeDelta::zero() { TimeDelta::zero() } else { TimeDelta::days(1) };
            (ahead + day).to_std().unwrap_or_default()
        };
        Some(until(from).min(until(to)))
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some((from, to)) => {
                write!(f, "{}-{}", from.format("%H:%M"), to.format("%H:%M"))
            }
        }
    }
}

text!(QuietHours, "\"none\" or two times of day such as \"22:00-07:00\"", |text| {
    if text == "none" {
        return Some(QuietHours(None));
    }
    let time = |text: &str| {
        let plain = text.len() == 5 && text.is_ascii();
        plain.then(|| NaiveTime::parse_from_str(text, "%H:%M").ok()).flatten()
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (time(from)?, time(to)?);
    (from != to).then_some(QuietHours(Some((from, to))))
});

number!(
    /// Brightness of the panel, 1 to 100 percent.
    Brightness, u8, 100, |n| (1..=100).contains(&n), "a number of percent, 1 to 100"
);
number!(
    /// Seconds without a touch until the panel is dimmed, 0 (never) to 86400.
    DimSeconds, u32, 300, |n| (0..=86_400).contains(&n), "a number of seconds, 0 (never) to 86400"
);
number!(
    /// Seconds without a touch until the panel is dark, 0 (never) to 86400.
    BlankSeconds, u32, 1800, |n| (0..=86_400).contains(&n), "a number of seconds, 0 (never) to 86400"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> QuietHours {
        QuietHours::parse(text).unwrap()
    }

    fn at(hour: u32, minute: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
    }

    #[test]
    fn quiet_hours_go_over_midnight_and_end_before_their_last_minute() {
        let night = hours("22:00-07:00");
        assert!(night.hold(at(22, 0)) && night.hold(at(3, 0)) && night.hold(at(6, 59)));
        assert!(!night.hold(at(7, 0)) && !night.hold(at(21, 59)));
        let nap = hours("13:00-14:30");
        assert!(nap.hold(at(13, 0)) && !nap.hold(at(14, 30)) && !nap.hold(at(0, 0)));
        assert!(!hours("none").hold(at(0, 0)));
    }

    #[test]
    fn the_next_edge_is_the_beginning_or_the_end_whichever_comes_first_and_never_now() {
        let night = hours("22:00-07:00");
        let minutes = |n: u64| Some(Duration::from_secs(60 * n));
        assert_eq!(night.next_edge(at(21, 30)), minutes(30));
        assert_eq!(night.next_edge(at(22, 0)), minutes(9 * 60));
        assert_eq!(night.next_edge(at(7, 0)), minutes(15 * 60));
        assert_eq!(hours("none").next_edge(at(7, 0)), None);
    }

    #[test]
    fn a_backlight_is_named_by_its_whole_path() {
        let folder = BacklightChoice::parse("/sys/class/backlight/10-0045").unwrap();
        assert_eq!(folder.to_string(), "/sys/class/backlight/10-0045");
        assert_eq!(BacklightChoice::parse("10-0045"), None);
    }

    #[test]
    fn what_is_no_pair_of_times_is_refused() {
        for text in ["", "22-7", "22:00", "22:00-22:00", "24:00-07:00", "22:00-07:0"] {
            assert_eq!(QuietHours::parse(text), None, "{text}");
        }
        assert_eq!(hours("22:00-07:00").to_string(), "22:00-07:00");
    }
}
